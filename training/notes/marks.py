"""Marks: which words of a note state which kind of fact, of which item of a list, and which place of its report asks for it.

Owns the kinds, their reading from an annotated text and from a generated schema. What they are good for is `training/base/tagging.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from zlib import crc32

from schemas.canonical import canonical_json
from training.notes import concepts
from training.notes.concepts import ConceptFact
from training.notes.text import MEANING, Text, plain
from training.notes.world import DECISIONS, LEVELS, OVERSIGHT, POLICIES, RESULTS, SEVERITIES, STATUSES, Facts

_ITEM = re.compile(r"\.(\d+)(?=\.)")
_CLOSING = '"]}'
"""What stands behind the last word of an item."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?")

_ENUMS: dict[str, tuple[str, ...]] = {
    "status": STATUSES, "oversight": OVERSIGHT, "approval.status": DECISIONS, "incidents.severity": SEVERITIES, "incidents.resolved": ("True", "False"),
    "policies.policy": POLICIES, "policies.result": RESULTS, "risks.likelihood": LEVELS, "risks.impact": LEVELS,
}  # fmt: skip
_VALUES = (
    "agent", "owner", "email", "period", "progress", "cost", "latency", "completed", "failed", "escalated", "incidents.title",
    "incidents.date", "incidents.cause", "risks.risk", "risks.mitigation", "actions.action", "actions.assignee", "actions.due", "approval.approver",
    "approval.date",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """Characters ``start`` to ``end`` of a note tell a fact of a kind. ``item``: 1 for the first of a list, 0 outside of lists."""

    start: int
    end: int
    kind: str
    item: int


@cache
def kinds() -> dict[str, int]:
    """Every kind of fact by number, from 1 on; a member of an enum is a kind of its own."""
    names = [*_VALUES, *(f"{name}={member}" for name, members in _ENUMS.items() for member in members)]
    for concept in (*concepts.usable("train"), *concepts.usable("heldout")):
        names.extend(_kind(concept, value) for value in _telling(concept))
    return {name: number for number, name in enumerate(dict.fromkeys(names), 1)}


def _telling(concept: concepts.Concept) -> Iterable[object]:
    """The values that make kinds of their own; one None for all values of a concept that is no enum."""
    if concept["type"] == "enum":
        return range(len(concept["members"]))
    return (True, False) if concept["type"] == "boolean" else (None,)


def _kind(concept: concepts.Concept, value: object) -> str:
    return f"{concept['concept']}={value}" if concept["type"] in ("enum", "boolean") else f"{concept['concept']}"


def number(kind: str) -> int:
    """The number of a kind; one that is a field of somebody's schema gets a number behind all others."""
    known = kinds()
    return known[kind] if kind in known else len(known) + 1 + crc32(kind.encode())


def is_kind(kind: object) -> bool:
    """Whether that is a kind of fact: a known one, or a field of somebody's schema by its pointer."""
    return isinstance(kind, str) and (kind in kinds() or kind.startswith("/"))


def marks(text: Text, facts: Facts | None, told: Iterable[ConceptFact]) -> tuple[Mark, ...]:
    """The marks of a note, counted from the first character that is no space."""
    of_path = {fact.path: fact for fact in told}

    def kind(path: str) -> str:
        fact = of_path.get(path)
        return _kind(fact.concept, fact.value) if fact else _governance(path, facts or {})

    return marks_of(text, kind)


def marks_of(text: Text, kind_of: Callable[[str], str | None]) -> tuple[Mark, ...]:
    """The marks of a note, by what each path of its text tells; None is nothing that a report asks for."""
    raw = plain(text)
    at = len(raw.lstrip()) - len(raw)
    found = []
    for piece, path in text:
        kind = None if path is None else kind_of(path.removeprefix(MEANING))
        if path is not None and kind is not None:
            item = _ITEM.search(path)
            found.append(Mark(at, at + len(piece), kind, int(item[1]) + 1 if item else 0))
        at += len(piece)
    return tuple(found)


def _governance(path: str, facts: Facts) -> str:
    name = _ITEM.sub("", path)
    if name not in _ENUMS:
        return "period" if name in ("start", "end") else name
    value: object = facts
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]  # type: ignore[index]
    return f"{name}={value}"


# --- what a report asks for ------------------------------------------------------------------------------------------


def asked(schema: dict[str, Any], instance: Any) -> tuple[Mark, ...]:
    """For each leaf of a generated schema's report that says what it asks for: the characters of the canonical report between the end of its name and its
    value, the kind of the fact told there ("" where the note doesn't tell), and the item it is in.
    """
    return tuple(mark for mark, _ in _asked(schema, instance, "", 0, 0, 0))


def normalized(schema: dict[str, Any], instance: Any) -> tuple[Mark, ...]:
    """The characters of each date and number of the report that the note tells, with their kind: what is read there and not copied."""
    asking = _asked(schema, instance, "", 0, 0, 0)
    return tuple(Mark(mark.end, mark.end + len(_plain(value)), mark.kind, mark.item) for mark, value in asking if mark.kind and _is_normalized(value))


def continued(schema: dict[str, Any], instance: Any) -> tuple[Mark, ...]:
    """For each place of the report where a list says whether another item comes: its last character before that, and the first fact of that item which the note tells
    ("" where the list ends). A list says so behind its name and behind each item; of lists that end together the innermost that goes on counts, and else the outermost.
    """
    found = {mark.end: mark for mark in _continued(schema, instance, "", 0)}
    return tuple(found[end] for end in sorted(found))


def _continued(schema: dict[str, Any], value: Any, kind: str, at: int) -> Iterator[Mark]:
    schema, kind = _branch(schema, value, kind)
    if isinstance(value, dict):
        at += 1
        for name, inner in value.items():
            end = at + len(canonical_json(name)) - 1  # the closing quote
            if isinstance(inner, list):
                yield _coming(schema["properties"][name], inner, kind, 0, end)
            yield from _continued(schema["properties"][name], inner, kind, end + 2)
            at = end + 3 + len(canonical_json(inner))
    elif isinstance(value, list):
        at += 1
        for number, inner in enumerate(value, 1):
            text = canonical_json(inner)
            yield from _continued(schema["items"], inner, kind, at)
            yield _coming(schema, value, kind, number, at + len(text.rstrip(_CLOSING)))
            at += len(text) + 1


def _coming(schema: dict[str, Any], values: list[Any], kind: str, number: int, end: int) -> Mark:
    """What a list asks for after so many of its items, as a mark that ends at ``end``."""
    schema, kind = _branch(schema, values, kind)
    if number == len(values):
        return Mark(end - 1, end, "", 0)
    leaves = (mark for mark, _ in _asked(schema["items"], values[number], kind, number + 1, 0, 0) if mark.kind)
    first = next(leaves, None)
    return Mark(end - 1, end, "", 0) if first is None else Mark(end - 1, end, first.kind, first.item)


def _is_normalized(value: Any) -> bool:
    return bool(_DATE.fullmatch(value)) if isinstance(value, str) else isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _asked(schema: dict[str, Any], value: Any, kind: str, item: int, begin: int, at: int) -> Iterator[tuple[Mark, Any]]:
    """Each leaf's mark, and its value; ``begin``: where the name of the value at ``at`` ends."""
    schema, kind = _branch(schema, value, kind)
    if isinstance(value, dict):
        at += 1
        for name, inner in value.items():
            end = at + len(canonical_json(name)) - 1  # the closing quote
            yield from _asked(schema["properties"][name], inner, kind, item, end - 1, end + 2)
            at = end + 3 + len(canonical_json(inner))
    elif isinstance(value, list):
        at += 1
        for number, inner in enumerate(value, 1):
            yield from _asked(schema["items"], inner, kind, number, at - 1, at)
            at += len(canonical_json(inner)) + 1
    elif kind:
        yield Mark(begin, at + isinstance(value, str), _told_kind(schema, value, kind), item), value


def _branch(schema: dict[str, Any], value: Any, kind: str) -> tuple[dict[str, Any], str]:
    """The schema without its "or null", and the kind it asks for."""
    kind = schema.get("$comment", "").partition("=")[0] or kind
    if "anyOf" in schema:
        return _branch(schema["anyOf"][0], value, kind)
    return schema, kind


def _told_kind(schema: dict[str, Any], value: Any, kind: str) -> str:
    members = schema.get("$comment", "").partition("=")[2].split("|")
    if value is None:
        return ""
    if "enum" in schema and members != [""]:
        place = schema["enum"].index(value)
        return f"{kind}={members[place]}" if place < len(members) else ""
    return f"{kind}={value}" if isinstance(value, bool) else kind
