"""The facts of a note about any schema: which fields it tells, and their values.

Owns drawing within the bounds of each field. Values come from `training.notes.values`, from the schema's examples and from the field book of the split that is asked
for. Knows no wording.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from rstr import Rstr

from training.notes import values
from training.specialist.fields import EXACT, Field, SchemaUnfit
from training.specialist.teller import Teller

_UNBOUNDED = re.compile(r"(?<!\\)([+*])(?![^\[]*\])")
_JOINTS = re.compile(r",|;| (?:and|y|e|plus|más) ")
_LARGEST = 250_000


@dataclass(frozen=True)
class Told:
    """A field of one note: its value, or None where the note leaves it out. ``path`` names it in the text.

    Values: text as drawn, int, Decimal, date, datetime in UTC, (amount, currency), bool, a member of an enum, (start, end) of a period; ``members`` of objects and lists.
    """

    field: Field
    path: str
    value: Any = None
    members: tuple[Told, ...] = ()

    @property
    def is_told(self) -> bool:
        return self.value is not None

    def walk(self) -> Iterator[Told]:
        """It and all below it."""
        yield self
        for member in self.members:
            yield from member.walk()


def draw(teller: Teller, of: Field, path: str, share: float, *, surely: bool = False) -> Told:
    """A field with its value; what may be left out is told with that share, or ``surely``."""
    rng = teller.rng
    suffix = of.kind if of.kind in EXACT else "phrase" if of.kind == "text" else "person" if of.kind == "person" else ""
    told = Told(of, f"{path}.{suffix}" if suffix else path)
    if of.may_be_unsaid and not surely and rng.random() > share:
        return told
    if of.kind == "object":
        members = tuple(draw(teller, m, f"{path}.{m.name}" if path else m.name, share) for m in of.members)
        is_empty = not any(m.is_told for m in members)
        return told if is_empty and of.may_be_unsaid and not surely else replace(told, value=True, members=members)
    if of.kind == "list":
        least = max(int(of.schema.get("minItems", 0)), 1 if of.may_be_unsaid else 0)  # an empty one could not be told from one left out
        most = max(least, min(int(of.schema.get("maxItems", 4)), 5))
        count = min(most, max(least, rng.choice((0, 1, 1, 2, 2, 3, 4, 5)) if share > 0.5 else rng.choice((0, 0, 1, 2))))
        return replace(told, value=True, members=tuple(_drawn_item(teller, of.item, f"{path}.{i}", share) for i in range(count)))
    if of.kind == "period":
        return Told(of, "period", (teller.speaker.start, teller.speaker.end))
    return replace(told, value=_value(teller, of))


def _drawn_item(teller: Teller, of: Field, path: str, share: float) -> Told:
    """An item of a list, of which something is told; a text of a list of texts holds nothing that could be taken for its end."""
    for _ in range(20):
        item = draw(teller, of, path, share, surely=True)
        if of.kind == "object" and not any(m.is_told for m in item.members):
            share = 1.0
        elif of.kind != "text" or not _JOINTS.search(item.value):
            return item
    return item


def _value(teller: Teller, of: Field) -> Any:
    rng, speaker = teller.rng, teller.speaker
    examples = _of_split([e for e in of.schema.get("examples", ()) if isinstance(e, str)], speaker.book.split)
    match of.kind:
        case "text":
            least, most = int(of.schema.get("minLength", 1)), int(of.schema.get("maxLength", max(110, 2 * of.schema.get("minLength", 1))))
            found = next((p for p in (_phrase(teller, of, examples) for _ in range(12)) if least <= len(p) <= most), "")
            return found or " ".join(values.made_up_word(rng) for _ in range(2 + least // 4))[:most].strip()
        case "person":
            return values.person(rng, speaker.book)
        case "company":
            return rng.choice(values.company_pool(teller.lang, speaker.book.split)) if rng.random() < 0.7 else values.made_up_word(rng).capitalize()
        case "city":
            return rng.choice(values.place_pool(teller.lang, speaker.book.split))
        case "agent":
            return values.agent_id(rng, speaker.book)
        case "email":
            return values.email(rng, values.full_name(rng, teller.lang, speaker.book.split), speaker.book)
        case "code":
            return _code(rng, of, examples)
        case "enum":
            return rng.choice([m for m in of.choices if m != of.unsaid_member] or of.choices)
        case "boolean":
            return rng.random() < 0.5
        case "money":
            amount = values.amount(rng)
            is_whole = any(sub.get("type") == "integer" for sub in of.schema["properties"].values())
            return Decimal(int(amount)) if is_whole else amount, rng.choice(_currencies(of))
        case "date":
            return values.day_between(rng, speaker.start - dt.timedelta(days=25), speaker.end + dt.timedelta(days=90))
        case "date_time":
            day = values.day_between(rng, speaker.start, speaker.end)
            return dt.datetime.combine(day, dt.time(rng.randrange(24), rng.choice((0, 0, 15, 30, 45, rng.randrange(60), rng.randrange(60)))))
        case _:
            return _number(rng, of)


def _phrase(teller: Teller, of: Field, examples: Sequence[str]) -> str:
    """What the book or the schema gives for the field, or a phrase of any kind, so that copying is learned and not the values."""
    rng, book = teller.rng, teller.speaker.book
    roll = rng.random()
    own = [*teller.pool.of(of.pointer, teller.lang, "values"), *examples]
    if own and roll < 0.6:
        words = values.drawn(rng, book, rng.choice(own))
        return values.disturbed(rng, book, words) if book.split == "train" and rng.random() < 0.15 else words
    if roll > 0.92:
        return values.made_up_phrase(rng, book)
    return values.phrase(rng, book, rng.choice(("incident_title", "cause", "risk", "mitigation", "action")))


def _of_split(found: list[str], split: str) -> list[str]:
    """Those of a schema's examples that are drawn in a split; a few are shared by both."""
    return [one for one in found if values.in_heldout_pool(one) == (split == "heldout")] or found


def _code(rng: random.Random, of: Field, examples: Sequence[str]) -> str:
    """A text of the field's pattern, or one of its examples. Raises: SchemaUnfit when neither gives one."""
    pattern = of.schema.get("pattern")
    fitting = [e for e in examples if pattern is None or re.search(pattern, e)]
    if fitting and (pattern is None or rng.random() < 0.5):
        return rng.choice(fitting)
    if pattern is None:
        raise SchemaUnfit(of.pointer, f"no text of format {of.schema.get('format')!r} can be drawn; give the field examples")
    short = _UNBOUNDED.sub(lambda sign: "{1,5}" if sign[1] == "+" else "{0,4}", pattern)
    make = Rstr(rng)
    for _ in range(50):
        found = make.xeger(short)
        if re.search(pattern, found) and set(found) <= set(string.printable) and found == found.strip() and of.schema.get("minLength", 0) <= len(found) <= of.schema.get("maxLength", 40):
            return found
    if fitting:
        return rng.choice(fitting)
    raise SchemaUnfit(of.pointer, f"no text of the pattern {pattern!r} can be drawn; give the field examples")


def _currencies(of: Field) -> tuple[str, ...]:
    return tuple(next(sub["enum"] for sub in of.schema["properties"].values() if "enum" in sub))


def _number(rng: random.Random, of: Field) -> int | Decimal:
    """Within the field's bounds, log-uniform where they are wide; with a decimal or two where the field is no integer. Raises: SchemaUnfit."""
    steps = [Decimal(1)] if of.schema.get("type") == "integer" else [rng.choice((Decimal(1), Decimal("0.1"), Decimal("0.01"))), Decimal("0.01")]
    if "multipleOf" in of.schema:
        steps = [Decimal(str(of.schema["multipleOf"]))]
    for step in steps:
        low, high = _multiples(of, step)
        if low <= high:
            times = rng.randint(low, high) if high - low <= 1000 else low + values.count(rng, high - low)
            value = times * step
            return int(value) if value == value.to_integral_value() else value.normalize()
    raise SchemaUnfit(of.pointer, "no number lies between its bounds")


def _multiples(of: Field, step: Decimal) -> tuple[int, int]:
    """The least and the greatest multiple of a step that the field takes; from 0 on, where it takes that."""

    def bound(*names: str) -> Decimal | None:
        return next((Decimal(str(of.schema[name])) for name in names if name in of.schema), None)

    lowest, highest = bound("minimum", "exclusiveMinimum"), bound("maximum", "exclusiveMaximum")
    high = highest if highest is not None else max(Decimal(100 if of.kind == "percent" else _LARGEST), 2 * (lowest or Decimal(0)))
    low = lowest if lowest is not None else min(Decimal(0), high - 1000)
    low = max(low, Decimal(0)) if high >= 0 else low
    least, most = math.ceil(low / step), math.floor(high / step)
    return least + (bound("exclusiveMinimum") == least * step), most - (bound("exclusiveMaximum") == most * step)
