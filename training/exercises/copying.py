"""Exercises: what a base must be able to do before it can read notes, short and dense.

Three of them: echo one long span; find labelled values of any kind, in any wording, and write them in their JSON form; go through a list item by item. Nothing
in them is a phrase that a note about an agent would hold.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from typing import Any

from training.exercises import spellings
from training.notes import forms, values
from training.notes.bindings import DATE, TEXT, Node, Schema, SchemaMaker, field_names, iso
from training.notes.concepts import usable
from training.notes.forms import CURRENCIES
from training.notes.speaker import Speaker
from training.notes.text import plain
from training.notes.world import SEVERITIES
from training.phrasebook import Phrasebook

Drawn = tuple[dict[str, Any], str, Any]  # leaf schema, words, value


def _text(rng: random.Random, book: Phrasebook) -> Drawn:
    kind = rng.choice(("incident_title", "cause", "risk", "mitigation", "action", "unit"))
    roll = rng.random()
    words = spellings.span(rng, book) if roll < 0.25 else values.made_up_phrase(rng, book) if roll < 0.5 else values.phrase(rng, book, kind)
    return TEXT, words, words


def _name(rng: random.Random, book: Phrasebook) -> Drawn:
    name = values.person(rng, book)
    return TEXT, name, name


def _id(rng: random.Random, book: Phrasebook) -> Drawn:
    name = values.agent_id(rng, book)
    return {"type": "string", "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"}, name, name


def _email(rng: random.Random, book: Phrasebook) -> Drawn:
    address = values.email(rng, values.full_name(rng, book.lang, book.split), book)
    return {"type": "string", "format": "email"}, address, address


_VERBATIM: tuple[Callable[[random.Random, Phrasebook], Drawn], ...] = (_text, _text, _text, _name, _name, _id, _email)


def _count(speaker: Speaker) -> Drawn:
    number = values.count(speaker.rng)
    return {"type": "integer"}, forms.number(speaker.rng, number, speaker.lang, speaker.spoken), number


def _percent(speaker: Speaker) -> Drawn:
    number = speaker.rng.randrange(101)
    return {"type": "integer", "minimum": 0, "maximum": 100}, forms.percent(speaker.rng, number, speaker.lang, speaker.spoken), number


def _latency(speaker: Speaker) -> Drawn:
    number = values.latency_ms(speaker.rng)
    return {"type": "integer", "minimum": 0}, forms.duration(speaker.rng, number, speaker.lang, speaker.spoken), number


def _money(speaker: Speaker) -> Drawn:
    amount, currency = values.amount(speaker.rng), speaker.rng.choice(list(CURRENCIES))
    words, number = forms.money(speaker.rng, amount, currency, speaker.lang, speaker.spoken), values.as_json_number(amount)
    if speaker.chance(0.3):
        return {"type": "number", "minimum": 0}, words, number
    members: Schema = {"amount": {"type": "number", "minimum": 0}, "currency": {"enum": list(CURRENCIES)}}
    schema = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    return schema, words, {"amount": number, "currency": currency}


def _day(speaker: Speaker) -> Drawn:
    """A day of the speaker's period, whose year or month may be left to it."""
    day = values.day_between(speaker.rng, speaker.start, speaker.end)
    return DATE, plain(speaker.date(day, "day")), iso(day)


def _moment(speaker: Speaker) -> Drawn:
    rng = speaker.rng
    at = dt.datetime.combine(values.day_between(rng, speaker.start, speaker.end), dt.time(rng.randrange(24), rng.choice((0, 15, 30, 45, rng.randrange(60)))))
    return {"type": "string", "format": "date-time"}, plain(speaker.moment(at, "moment")), f"{at.isoformat()}Z"


def _period(speaker: Speaker) -> Drawn:
    members: Schema = {name: DATE for name in speaker.rng.choice((("start", "end"), ("from", "to"), ("inicio", "fin"), ("desde", "hasta")))}
    schema = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    return schema, plain(speaker.period()), dict(zip(members, (iso(speaker.start), iso(speaker.end)), strict=True))


_READ: tuple[Callable[[Speaker], Drawn], ...] = (_day, _day, _moment, _count, _percent, _money, _latency)


def _drawn(speaker: Speaker) -> Drawn:
    if speaker.chance(0.5):
        return speaker.rng.choice(_VERBATIM)(speaker.rng, speaker.book)
    return speaker.rng.choice(_READ)(speaker)


def _speaker(rng: random.Random, book: Phrasebook) -> Speaker:
    start, end = values.period(rng)
    return Speaker(rng, book, start, end, spoken=rng.random() < 0.15, terse=rng.random() < 0.4)


_JOINTS = (": ", " = ", " is ", " - ", " -> ", " es ", "=", ":")


def echo(rng: random.Random, book: Phrasebook) -> tuple[str, Node]:
    """One long span to be copied word by word: the densest practice there is."""
    return labelled(rng, " ".join(_span(rng, book) for _ in range(rng.randrange(1, 6))))


def labelled(rng: random.Random, words: str) -> tuple[str, Node]:
    """One property and its label; its value is the words."""
    name = _names(rng, 1)[0]
    return f"{name}{rng.choice(_JOINTS)}{words}", SchemaMaker(rng, None, {}).object([(name, (TEXT, words))])


def _span(rng: random.Random, book: Phrasebook) -> str:
    if rng.random() < 0.6:
        return spellings.span(rng, book) if rng.random() < 0.6 else values.made_up_phrase(rng, book)
    return rng.choice(_VERBATIM)(rng, book)[1] if rng.random() < 0.7 else rng.choice(_READ)(_speaker(rng, book))[1]


def note(rng: random.Random, book: Phrasebook) -> tuple[str, Node]:
    """The period and up to five labelled values, and a schema over some of them (or null for what is not there)."""
    maker, speaker = SchemaMaker(rng, None, {}), _speaker(rng, book)
    first, *names = _names(rng, rng.randrange(2, 7))
    drawn = {first: _period(speaker), **{name: _drawn(speaker) for name in names}}
    joint, end = rng.choice(_JOINTS), rng.choice(("\n", "\n", ", ", "; ", ". ", " and "))
    lines = [f"{_label(rng, name)}{joint}{words}" for name, (_, words, _) in drawn.items()]
    asked = rng.sample(list(drawn), rng.randrange(1, len(drawn) + 1))
    told: list[tuple[str, Node]] = [(name, (drawn[name][0], drawn[name][2])) for name in asked]
    if rng.random() < 0.3:
        missing = next(n for n in _names(rng, 20) if n not in drawn)
        told.insert(rng.randrange(len(told) + 1), (missing, ({"anyOf": [TEXT, {"type": "null"}]}, None)))
    return end.join(lines), maker.object(told)


def listed(rng: random.Random, book: Phrasebook) -> tuple[str, Node]:
    """The period and a list of up to five records of one to three columns, some cells left out."""
    maker, speaker = SchemaMaker(rng, None, {}), _speaker(rng, book)
    period, name, *names = _names(rng, 5)
    count = rng.randrange(1, 6)
    columns, cells = _columns(speaker, names[: rng.randrange(1, 4)], count)
    labelled, joint, gap = rng.random() < 0.4, rng.choice(_JOINTS), rng.choice((", ", " - ", " | ", "; ", " / "))
    rows = [
        gap.join(f"{_label(rng, column)}{joint}{words[i]}" if labelled else words[i] for (column, *_), words in zip(columns, cells, strict=True) if words[i])
        for i in range(count)
    ]
    bullet = rng.choice(("- ", "* ", "", "· ", "{}. ", "{}) "))
    lines = [bullet.format(i) + row for i, row in enumerate(rows, 1)]
    head = [f"{_label(rng, period)}{joint}{plain(speaker.period())}"]
    text = "\n".join([*head, f"{_label(rng, name)}:", *lines]) if rng.random() < 0.5 else rng.choice(("\n", ". ")).join([*head, *lines])
    return text, maker.object([(name, maker.rows(columns, count))])


def _columns(speaker: Speaker, names: Sequence[str], count: int) -> tuple[list[tuple[str, Schema, list[Any]]], list[list[str]]]:
    """(columns as `SchemaMaker.rows` takes them, the words of each column's cells); a cell that is left out is null and ''."""
    rng, columns, cells = speaker.rng, [], []
    for place, name in enumerate(names):
        if place and speaker.chance(0.3):
            told = [rng.choice(SEVERITIES) for _ in range(count)]
            schema, found = SchemaMaker(rng, None, {}).label("severity", SEVERITIES, told, optional=False)
            words = [speaker.book.word(rng, "severity_word", severity) for severity in told]
        else:
            kind = rng.choice((_verbatim, _verbatim, *_READ)) if place else _verbatim
            drawn = [kind(speaker) for _ in range(count)]
            schema, words, found = drawn[0][0], [d[1] for d in drawn], [d[2] for d in drawn]
            if any(d[0] != schema for d in drawn):
                schema, words, found = TEXT, words, list(words)
            if place and speaker.chance(0.5):
                left_out = [speaker.chance(0.3) for _ in range(count)]
                schema = {"anyOf": [schema, {"type": "null"}]}
                words = ["" if out else w for out, w in zip(left_out, words, strict=True)]
                found = [None if out else v for out, v in zip(left_out, found, strict=True)]
        columns.append((name, schema, found))
        cells.append(words)
    return columns, cells


def _verbatim(speaker: Speaker) -> Drawn:
    kind = speaker.rng.choice((_text, _text, _text, _name))
    return kind(speaker.rng, speaker.book)


def _label(rng: random.Random, name: str) -> str:
    return name.replace("_", " ") if rng.random() < 0.5 else name


def _names(rng: random.Random, count: int) -> list[str]:
    """Different field names: of governance, of the concept library, or made up."""
    pools = (
        lambda: rng.choice(rng.choice(list(field_names()["fields"].values()))),
        lambda: rng.choice(rng.choice(usable("train"))["names"]),
        lambda: values.ascii_word(values.made_up_word(rng)),
    )
    return list(dict.fromkeys(str(rng.choice(pools)()) for _ in range(count)))
