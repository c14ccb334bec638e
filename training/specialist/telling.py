"""Facts about any schema in words: values, clauses, cells and the items of lists.

Owns how each kind of field is told, and that nothing is told so that two fields could claim it. Layout is `training.specialist.notes`.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from training.notes import forms
from training.notes.speaker import Speaker
from training.notes.text import Text, join, literal, meaning, stated, template
from training.specialist.facts import Told
from training.specialist.fields import Field
from training.specialist.teller import Teller

_PERCENT = re.compile(r"%|per ?cent|por ciento|pct")
_SILENT_FALSE = 0.4
"""Share of what is false, in a field that cannot be null, of which nothing is said at all."""


def words_of(teller: Teller, told: Told) -> Text:
    """A value in words, without its field."""
    speaker, of, value = teller.speaker, told.field, told.value
    match of.kind:
        case "date":
            if value >= speaker.start:
                return speaker.date(value, told.path)
            return stated(forms.date(teller.rng, value, teller.lang, spoken=speaker.spoken, terse=speaker.terse), told.path)  # with its year: none but a later day goes without
        case "date_time":
            return speaker.moment(value, told.path)
        case "period":
            return speaker.period()
        case "money":
            amount, currency = value
            return speaker.money(amount, currency, told.path)
        case "person":
            return speaker.person(value, told.path)
        case "percent":
            return speaker.percent(value, told.path) if isinstance(value, int) else stated(f"{forms.ungrouped(value, teller.lang)} %", told.path)
        case "integer" | "number":
            return [*_figure(speaker, value, told.path), *literal(f" {of.unit}" if of.unit and speaker.chance(0.7) else "")]
        case "enum":
            return meaning(literal(_short(teller, of, value)), told.path)
        case "boolean":
            own = teller.words(of, "members", _member(value), "words")
            return meaning(literal(own or speaker.book.word(teller.rng, "yes" if value else "no")), told.path)
        case "list":
            return _enumerated(teller, [words_of(teller, m) for m in told.members])
        case _:
            return stated(value, told.path)


def _bare_percent(teller: Teller, told: Told) -> Text:
    """A share whose wording has the sign."""
    return stated(forms.ungrouped(told.value, teller.lang), told.path)


def _figure(speaker: Speaker, value: int | Decimal, path: str) -> Text:
    if isinstance(value, int) and value >= 0:
        return speaker.number(value, path)
    written = Decimal(format(value, "f"))
    return stated(forms.grouped(written, speaker.lang) if speaker.chance(0.8) else forms.ungrouped(written, speaker.lang), path)


def _member(value: bool) -> str:
    return "true" if value else "false"


def _short(teller: Teller, of: Field, member: str) -> str:
    own = teller.words(of, "members", member, "words")
    return own if own and teller.rng.random() < 0.85 else member.replace("_", " ")


def _enumerated(teller: Teller, parts: list[Text]) -> Text:
    """a, b and c; in speech, where nobody hears a comma, a and b and c."""
    if teller.speaker.spoken:
        return join(parts, " and " if teller.lang == "en" else " y ")
    joint = teller.rng.choice((" and ", ", ", " plus ") if teller.lang == "en" else (" y ", ", ", " más "))
    return join([join(parts[:-1], ", "), parts[-1]], joint) if len(parts) > 1 else parts[0]


def clause_of(teller: Teller, told: Told) -> Text:
    """A clause that tells one value, or that it is not known; empty where nothing is said."""
    of, rng = told.field, teller.rng
    if not told.is_told:
        own = teller.words(of, "unknown") if of.nullable or not of.required else None
        if rng.random() > 0.25 or not (of.nullable or not of.required):
            return []
        return literal(own) if own else template(teller.frame("unknown")).fill({"title": literal(teller.label(of))})
    if of.kind == "boolean" and not told.value and not of.may_be_unsaid and rng.random() < _SILENT_FALSE:
        return []
    if of.kind in ("enum", "boolean"):
        own = teller.words(of, "members", told.value if of.kind == "enum" else _member(told.value), "clauses")
        if own and rng.random() < 0.85:
            return meaning(literal(own), told.path)
        if of.kind == "boolean":
            return meaning(template(teller.frame("yes" if told.value else "no")).fill({"title": literal(teller.label(of))}), told.path)
    own = teller.words(of)
    if own and of.kind != "list" and rng.random() < 0.85:
        return template(own).fill({"v": _bare_percent(teller, told) if of.kind == "percent" and _PERCENT.search(own) else words_of(teller, told)})
    return template(teller.frame("value")).fill({"title": literal(teller.label(of)), "v": words_of(teller, told)})


def is_cell(told: Told) -> bool:
    """Whether it can be told in a few words: a value, or a list of values."""
    return told.field.kind != "object" and (told.field.kind != "list" or (told.field.item.kind not in ("object", "list") and bool(told.members)))


def _labelled(teller: Teller, told: Told) -> Text:
    """label: value; empty where nothing is said."""
    if not told.is_told or (told.field.kind == "list" and not told.members):
        return []
    return [*literal(teller.label(told.field) + teller.rng.choice((": ", ": ", " "))), *words_of(teller, told)]


def _group(teller: Teller, told: Told) -> list[Text]:
    """The clauses of an object: some of its values in one, where the book has such a wording, the others one by one."""
    rng = teller.rng
    whole, rest = _at_once(teller, told, needed=None) if rng.random() < 0.6 else ([], told.members)
    clauses = [whole, *(c for m in rest for c in clauses_of(teller, m))]
    return [c for c in clauses if c]


def _at_once(teller: Teller, told: Told, needed: str | None) -> tuple[Text, tuple[Told, ...]]:
    """A wording of several members at once, and the members that it leaves; nothing where no wording fits."""
    able = {m.field.name: m for m in told.members if m.is_told and is_cell(m)}
    fits = [t for t in map(template, teller.book.of(told.field.pointer, teller.lang)) if t.slots <= able.keys() and (needed is None or needed in t.slots)]
    if not fits:
        return [], told.members
    most = max(len(t.slots) for t in fits)
    chosen = teller.rng.choice([t for t in fits if len(t.slots) == most] if teller.rng.random() < 0.5 else fits)
    return chosen.fill({name: words_of(teller, m) for name, m in able.items() if name in chosen.slots}), tuple(m for m in told.members if m.field.name not in chosen.slots)


def clauses_of(teller: Teller, told: Told) -> list[Text]:
    """The clauses of any field inside of another."""
    if told.field.kind == "object":
        return _group(teller, told) if told.is_told else [clause_of(teller, told)]
    if told.field.kind == "list":
        if not told.members:
            return [_nothing(teller, told.field)]
        return [clause_of(teller, told)] if is_cell(told) else [c for item in told.members for c in item_clauses(teller, item)]
    return [clause_of(teller, told)]


def _nothing(teller: Teller, of: Field) -> Text:
    """That a list is empty; mostly nothing is said."""
    if teller.rng.random() > 0.4:
        return []
    own = teller.words(of, "none")
    return literal(own) if own else template(teller.frame("none")).fill({"title": literal(teller.label(of))})


def item_clauses(teller: Teller, told: Told) -> list[Text]:
    """The clauses of an item of a list: in one wording, in a row of cells, or one by one; what it is comes first."""
    if told.field.kind != "object":
        return clauses_of(teller, told)
    lead, rng = told.field.lead, teller.rng
    roll = rng.random()
    if lead is not None and roll < 0.45:
        whole, rest = _at_once(teller, told, needed=lead.name)
        if whole:
            return [c for c in (whole, *(c for m in rest for c in clauses_of(teller, m))) if c]
    others = [m for m in told.members if m.field is not lead]
    first = [m for m in told.members if m.field is lead]
    if roll <= 0.7 and lead is not None and not teller.speaker.terse:
        return [c for c in (clause_of(teller, first[0]), *(c for m in others for c in clauses_of(teller, m))) if c]
    kinds = Counter(m.field.kind for m in told.members)
    cells = [words_of(teller, m) for m in first]
    for m in others:
        if m.is_told and is_cell(m):
            is_plain = m.field.kind in ("date", "enum", "money") and kinds[m.field.kind] == 1 and rng.random() < 0.4  # alone of its kind: no label is needed
            cells.append(words_of(teller, m) if is_plain else _labelled(teller, m))
    row = join([c for c in cells if c], rng.choice((", ", "; ", " - ", " | ", " / ")))
    return [c for c in (row, *(c for m in others if m.is_told and not is_cell(m) for c in clauses_of(teller, m))) if c]
