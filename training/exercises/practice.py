"""Practice for a base: notes of the catalog's specialists, and schemas that ask for some of their facts under other names.

Owns which fields are asked for and what they are called; never all of a catalog schema's under its own names, so that those schemas stay unseen by the base.
Only the books to train on are used.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from typing import Any

from schemas.catalog import Catalog
from training.notes.synthesize import Pair
from training.specialist.facts import Told
from training.specialist.fieldbook import BOOKS, FieldBook
from training.specialist.fields import Field
from training.specialist.notes import Specialty
from training.specialist.reports import asking_of

SHARE_ASKED = 0.7
"""Of a group's members."""
SHARE_BOOKLESS = 0.3
"""Of the notes: told in frames around titles, as those of a schema are that has no book."""
_SMALL = frozenset(["the", "of", "a", "an", "in", "on", "by", "to", "de", "del", "la", "el", "los", "las", "en", "por", "un", "una"])
_NOT_SHOWN = frozenset(("title", "description", "examples", "x-grounding", "default", "$comment"))


@cache
def specialties() -> tuple[Specialty, ...]:
    """Those of the catalog that have a book to train on."""
    catalog = Catalog.load()
    return tuple(Specialty.read(name, catalog.get(name)) for name in sorted(catalog.ids()) if (BOOKS / "train" / f"{name}.yaml").exists())


def pairs(seed: str) -> list[Pair]:
    """The pairs of one note: two schemas over it."""
    rng = random.Random(f"practice:{seed}")
    specialty = rng.choice(specialties())
    if rng.random() < SHARE_BOOKLESS:
        specialty = replace(specialty, books={**specialty.books, "train": specialty.books["train"].labels()})
    note = specialty.note(rng, "train", "train")
    made = []
    for i in range(2):
        asked = _asked(rng, specialty.root, specialty.books["train"])
        while _names(asked) == _names(specialty.root):
            asked = _asked(rng, specialty.root, specialty.books["train"])
        made.append(note.pair(f"practice-{seed}-{i}", _told(note.told, asked), _schema(asked)))
    return made


def _names(of: Field) -> set[str]:
    return {member.name for member in of.members}


def _asked(rng: random.Random, of: Field, book: FieldBook) -> Field:
    """The field with some of its members under other names, in any order."""
    if of.kind == "list":
        return replace(of, members=(_asked(rng, of.item, book),))
    if of.kind != "object":
        return of
    kept = [m for m in of.members if rng.random() < SHARE_ASKED] or [rng.choice(of.members)]
    if rng.random() < 0.5:
        rng.shuffle(kept)
    members: dict[str, Field] = {}
    for member in kept:
        name = _name(rng, member, book)
        if name not in members:
            members[name] = replace(_asked(rng, member, book), name=name)
    return replace(of, members=tuple(members.values()))


def _name(rng: random.Random, of: Field, book: FieldBook) -> str:
    """What a schema may call a field: its own name, or its title in a language."""
    words = re.findall(r"[^\W_]+", book.title(of, rng.choice(("en", "en", "es"))).casefold())[:6]
    if not words or rng.random() < 0.25:
        return of.name
    if rng.random() < 0.4:
        words = [word for word in words if word not in _SMALL] or words
    return "_".join(words) if rng.random() < 0.75 else words[0] + "".join(word.capitalize() for word in words[1:])


def _told(told: Told, asked: Field) -> Told:
    """What the note tells of what is asked."""
    if asked.kind == "list":
        return replace(told, field=asked, members=tuple(_told(item, asked.item) for item in told.members))
    if asked.kind != "object":
        return replace(told, field=asked)
    of_place = {member.field.pointer: member for member in told.members}
    members = tuple(_told(of_place[member.pointer], member) for member in asked.members) if told.members else ()
    is_told = told.is_told and (any(member.is_told for member in members) or not asked.may_be_unsaid)
    return replace(told, field=asked, value=True if is_told else None, members=members)


def _schema(of: Field) -> dict[str, Any]:
    """The schema of a field; its leaves keep what they ask for in ``$comment``, which no prompt shows."""
    if of.kind == "object":
        required = [m.name for m in of.members if m.required]
        node: dict[str, Any] = {"type": "object", "properties": {m.name: _schema(m) for m in of.members}, "required": required, "additionalProperties": False}
    elif of.kind == "list":
        node = {**{key: value for key, value in of.schema.items() if key not in (*_NOT_SHOWN, "items")}, "items": _schema(of.item)}
    else:
        node = {key: value for key, value in of.schema.items() if key not in _NOT_SHOWN}
        node |= {key: value for key, value in asking_of(of).items() if key in ("$comment", "enum")}
    return {"anyOf": [node, {"type": "null"}]} if of.nullable else node
