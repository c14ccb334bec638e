"""Copying practice: a few labelled values of any kind, under a schema that asks for them in any order.

Short and dense: what a base must be able to do before it can read notes is to find a field and copy a span that no book of phrases holds.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

from training import values
from training.bindings import DATE, TEXT, Node, SchemaMaker, field_names
from training.concepts import usable
from training.phrasebook import Phrasebook

Drawn = tuple[dict[str, Any], str, Any]  # leaf schema, words, value


def _text(rng: random.Random, book: Phrasebook) -> Drawn:
    kind = rng.choice(("incident_title", "cause", "risk", "mitigation", "action", "unit"))
    words = values.made_up_phrase(rng, book) if rng.random() < 0.4 else values.phrase(rng, book, kind)
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


def _count(rng: random.Random, book: Phrasebook) -> Drawn:
    number = values.count(rng)
    return {"type": "integer"}, str(number), number


def _day(rng: random.Random, book: Phrasebook) -> Drawn:
    day = dt.date(2012, 1, 1) + dt.timedelta(days=rng.randrange(8000))
    return DATE, day.isoformat(), day.isoformat()


_KINDS: tuple[Callable[[random.Random, Phrasebook], Drawn], ...] = (_text, _text, _text, _name, _name, _id, _email, _count, _day)
_JOINTS = (": ", " = ", " is ", " - ", " -> ", " es ", "=", ":")


def echo(rng: random.Random, book: Phrasebook) -> tuple[str, Node]:
    """One long span to be copied word by word: the densest practice there is."""
    name = _names(rng, 1)[0]
    words = " ".join(_span(rng, book) for _ in range(rng.randrange(1, 6)))
    return f"{name}{rng.choice(_JOINTS)}{words}", SchemaMaker(rng, None, {}).object([(name, (TEXT, words))])


def _span(rng: random.Random, book: Phrasebook) -> str:
    if rng.random() < 0.5:
        return values.made_up_phrase(rng, book)
    return rng.choice(_KINDS)(rng, book)[1]


def note(rng: random.Random, book: Phrasebook) -> tuple[str, Node]:
    """A note of one to five labelled values, and a schema over some of them (or null for what is not there)."""
    maker = SchemaMaker(rng, None, {})
    names = _names(rng, rng.randrange(1, 6))
    drawn = {name: rng.choice(_KINDS)(rng, book) for name in names}
    joint, end = rng.choice(_JOINTS), rng.choice(("\n", "\n", ", ", "; ", ". ", " and "))
    lines = [f"{name.replace('_', ' ') if rng.random() < 0.5 else name}{joint}{words}" for name, (_, words, _) in drawn.items()]
    asked = rng.sample(list(drawn), rng.randrange(1, len(drawn) + 1))
    told: list[tuple[str, Node]] = [(name, (drawn[name][0], drawn[name][2])) for name in asked]
    if rng.random() < 0.3:
        missing = next(n for n in _names(rng, 20) if n not in drawn)
        told.insert(rng.randrange(len(told) + 1), (missing, ({"anyOf": [TEXT, {"type": "null"}]}, None)))
    return end.join(lines), maker.object(told)


def _names(rng: random.Random, count: int) -> list[str]:
    """Different field names: of governance, of the concept library, or made up."""
    pools = (
        lambda: rng.choice(rng.choice(list(field_names()["fields"].values()))),
        lambda: rng.choice(rng.choice(usable("train"))["names"]),
        lambda: values.ascii_word(values.made_up_word(rng)),
    )
    return list(dict.fromkeys(str(rng.choice(pools)()) for _ in range(count)))
