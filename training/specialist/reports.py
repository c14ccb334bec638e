"""The report that a note about any schema adds up to, and what its words state.

Owns facts and the finished note -> instance, and the kinds of facts by which training is shown where each value stands (`training/notes/marks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from training.notes import values
from training.specialist.facts import Told
from training.specialist.fields import NAMED, Field

_ABSENT = object()


def instance_of(told: Told, said: Mapping[str, str]) -> Any:
    """The report of what the note says; texts as the finished note has them."""
    of, value = told.field, told.value
    if not told.is_told:
        return of.unsaid_member if of.unsaid_member is not None and not of.nullable else None if of.nullable else _ABSENT
    makers: dict[str, Callable[[], Any]] = {
        "object": lambda: {m.field.name: found for m in told.members if (found := instance_of(m, said)) is not _ABSENT},
        "list": lambda: [instance_of(m, said) for m in told.members],
        "period": lambda: dict(zip(of.ends, (day.isoformat() for day in value), strict=True)),
        "money": lambda: _money(of, *value),
        "date": lambda: value.isoformat(),
        "date_time": lambda: f"{value.isoformat()}Z",
    }
    if of.kind in makers:
        return makers[of.kind]()
    if of.kind in NAMED:
        return said[told.path]
    return values.as_json_number(value) if isinstance(value, Decimal) else value


def _money(of: Field, amount: Decimal, currency: str) -> dict[str, Any]:
    return {name: currency if "enum" in sub else values.as_json_number(amount) for name, sub in of.schema["properties"].items()}


def kinds_told(told: Told) -> dict[str, str]:
    """From a path in the text to the kind of fact it tells: the field, and for enums and truth values which member."""
    own = {} if told.field.kind in ("object", "list") or not told.is_told else {told.path: _kind(told)}
    return own | {path: kind for member in told.members for path, kind in kinds_told(member).items()}


def _kind(told: Told) -> str:
    if told.field.kind == "enum":
        return f"{told.field.pointer}={told.value}"
    return f"{told.field.pointer}={bool(told.value)}" if told.field.kind == "boolean" else told.field.pointer


def asking_of(of: Field) -> dict[str, Any]:
    if of.kind == "list":
        return {"items": asking_of(of.item)}
    if of.kind == "object":
        return {"properties": {m.name: asking_of(m) for m in of.members}}
    if of.pointer.count("*") > 1:  # a list inside of a list: its items have no number that marks could tell
        return {"properties": {name: {} for name in of.schema.get("properties", ())}}
    if of.kind == "enum":
        told = [m for m in of.choices if m != of.unsaid_member]
        unsaid = [of.unsaid_member] if of.unsaid_member else []
        return {"$comment": f"{of.pointer}={'|'.join(told)}", "enum": [*told, *unsaid]}
    inner: dict[str, Any] = {"properties": {name: {} for name in of.schema["properties"]}} if of.kind in ("money", "period") else {}
    return {"$comment": of.pointer, **inner}
