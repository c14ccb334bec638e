"""Field books: how people put the fields of one schema into words, written by hand; and what is said of a field that no book knows.

A book is a YAML mapping from the JSON Pointer of a field (``*`` for an item) to its wordings (docs in README.md beside the shipped ones). Owns reading with errors
that name file, line and field, and the choice between a book's wordings and those made of a field's title. Knows no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from training.phrasebook import HERE, LANGS, PhrasebookError, bare, read_yaml, texts, together
from training.specialist.fields import NAMED, Field, Kind

BOOKS = HERE / "fields"
_SLOT = re.compile(r"\{(\w+)\}")
_LABELS = frozenset(("title v", "v title"))
_KEYS = frozenset((*LANGS, "title", "kind", "values", "members", "unknown", "none", "intro"))


_Words = Callable[[Any], bool]


@dataclass(frozen=True)
class FieldBook:
    """The wordings of a schema's fields by pointer; an empty one makes all of them of titles. ``source`` names it in errors."""

    source: str = "no field book"
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, Kind]:
        """What a text is, where the book says so."""
        return {where: entry["kind"] for where, entry in self.entries.items() if "kind" in entry}

    @property
    def langs(self) -> tuple[str, ...]:
        """The languages that it has titles in; a schema's own titles are taken for English."""
        told = {lang for entry in self.entries.values() for lang in entry.get("title", ())}
        return tuple(lang for lang in LANGS if lang in told) or LANGS[:1]

    def of(self, place: str, lang: str, *keys: str) -> list[str]:
        """The wordings of a field in a language; empty when there are none. ``keys`` lead to them: ("unknown",), ("members", "high", "words")."""
        node: Any = self.entries.get(place, {})
        *outer, last = (*keys, lang) if "members" not in keys else (*keys[:2], lang, *keys[2:])
        for key in outer:
            node = node.get(key) or {}
        return list(node.get(last) or ())

    def title(self, wanted: Field, lang: str) -> str:
        return str(self.entries.get(wanted.pointer, {}).get("title", {}).get(lang) or wanted.title)

    def labels(self) -> FieldBook:
        """What every writer shares: titles, and the short words of members."""
        return FieldBook(f"the labels of {self.source}", {where: _labels(entry) for where, entry in self.entries.items()})

    def without(self, other: FieldBook) -> FieldBook:
        """Less every wording and value that the other book has too; titles and the short words of members are what every writer shares."""
        known = {bare(words) for entry in other.entries.values() for words in texts({k: v for k, v in entry.items() if k not in ("title", "kind")})}
        return FieldBook(self.source, {where: {key: node if key in ("title", "kind") else _less(node, known) for key, node in entry.items()} for where, entry in self.entries.items()})


def _labels(entry: dict[str, Any]) -> dict[str, Any]:
    members = {m: {lang: {"words": of.get("words", [])} for lang, of in told.items()} for m, told in entry.get("members", {}).items()}
    return {key: entry[key] for key in ("title", "kind") if key in entry} | ({"members": members} if members else {})


def _less(node: Any, known: set[str], key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _less(inner, known, name) for name, inner in node.items()}
    return node if key == "words" else [words for words in node if bare(words) not in known]


def read_book(path: Path, root: Field) -> FieldBook:
    """The field book of a file, for the schema of ``root``.

    Raises: PhrasebookError naming file, line and field: an unknown field or key, a wording with a slot that its field does not have, YAML that cannot be read.
    """
    entries = read_yaml(path)
    if not isinstance(entries, dict):
        raise PhrasebookError(f"{path}, line 1: not a mapping from fields to wordings")
    fields = {f.pointer: f for f in root.walk()}
    for place, entry in entries.items():
        unknown = [f"the schema has no such field; it has {', '.join(where for where in fields if where)}"] if place not in fields else []
        for why in unknown or _wrongs(fields[place], entry):
            raise PhrasebookError(f"{path}, line {_lines(path).get(place, 1)}, field {place!r}: {why}")
    return FieldBook(str(path), entries)


def _lines(path: Path) -> dict[str, int]:
    node = yaml.compose(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return {key.value: key.start_mark.line + 1 for key, _ in node.value} if node else {}


def _wrongs(wanted: Field, entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield "not a mapping"
        return
    for key in entry.keys() - _KEYS:
        yield f"unknown key {key!r}; there are {', '.join(sorted(_KEYS))}"
    if entry.get("kind", "text") not in NAMED:
        yield f"unknown kind {entry['kind']!r}; there are {', '.join(NAMED)}"
    elif "kind" in entry and wanted.kind not in NAMED:
        yield f"a field of kind {wanted.kind} has no other"
    yield from _misshapen(entry)
    if any(True for _ in _misshapen(entry)):
        return
    known = set(wanted.choices) | ({"true", "false"} if wanted.kind == "boolean" else set())
    for member in entry.get("members", {}).keys() - known:
        yield f"no member {member!r}; it has {', '.join(sorted(known)) or 'none'}"
    plain = [entry.get(key, {}) for key in ("unknown", "none", "intro")] + [of for told in entry.get("members", {}).values() for of in told.values()]
    for words in (w for node in plain for w in texts(node)):
        if "{" in words:
            yield f"{words!r} has a slot where none is filled"
    slots = {m.name for m in wanted.members} if wanted.kind == "object" else {"v"}
    for lang in LANGS:
        for words in entry.get(lang, ()):
            if not isinstance(words, str) or not (found := set(_SLOT.findall(words))) or not found <= slots:
                yield f"{words!r} has not the slots of its field: {', '.join(sorted(slots))}"


def _misshapen(entry: dict[str, Any]) -> Iterator[str]:
    """What is no list of texts, by language, where one must be."""

    def listed(node: Any) -> bool:
        return isinstance(node, list) and all(isinstance(words, str) for words in node)

    def by_language(node: Any, is_right: _Words) -> bool:
        return isinstance(node, dict) and node.keys() <= set(LANGS) and all(is_right(inner) for inner in node.values())

    def member(of: Any) -> bool:
        return isinstance(of, dict) and of.keys() <= {"words", "clauses"} and all(map(listed, of.values()))

    def members(node: Any) -> bool:
        return isinstance(node, dict) and all(by_language(told, member) for told in node.values())

    rules: dict[str, _Words] = {key: listed for key in LANGS}
    rules |= {key: lambda node: by_language(node, listed) for key in ("values", "unknown", "none", "intro")}
    rules |= {"title": lambda node: by_language(node, lambda words: isinstance(words, str)), "members": members}
    for key, is_right in rules.items():
        if key in entry and not is_right(entry[key]):
            yield f"{key!r} is not written as the others are (see the README beside the shipped books)"


def book_of(schema_id: str, split: str, root: Field) -> FieldBook:
    """The shipped book of a catalog schema, all its authors' (``NAME.yaml``, ``NAME_2.yaml``, ...) together, or an empty one."""
    entries: dict[str, Any] = {}
    for path in [BOOKS / split / f"{schema_id}.yaml", *sorted((BOOKS / split).glob(f"{schema_id}_[0-9]*.yaml"))]:
        if path.exists():
            entries = together(entries, read_book(path, root).entries)
    return FieldBook(str(BOOKS / split / f"{schema_id}.yaml"), entries) if entries else FieldBook()


def books_of(schema_id: str, root: Field, own: Path | None = None, *, shipped: bool) -> dict[str, FieldBook]:
    """The books of both splits. ``own``: the one to train on, if not the shipped one.

    The held-out book is less what the one to train on says too; where there is none, it shares the other's labels, as every writer does, and nothing else.
    """
    train = read_book(own, root) if own else book_of(schema_id, "train", root) if shipped else FieldBook()
    heldout = book_of(schema_id, "heldout", root) if shipped else FieldBook()
    return {"train": train, "heldout": heldout.without(train) if heldout.entries else train.labels()}


@cache
def frames(split: str, lang: str, kind: str) -> tuple[str, ...]:
    """Wordings for any field: of ``value`` ({title}, {v}), ``yes`` and ``no`` ({title}), ``unknown`` ({title}), ``none`` ({title}).

    Held-out ones less those of training, but for a bare label beside its value, which every writer has.
    """
    found = read_yaml(HERE / split / lang / "fields.yaml")[kind]
    known = set() if split == "train" else {bare(words) for words in frames("train", lang, kind)} - _LABELS
    return tuple(words for words in found if bare(words) not in known)
