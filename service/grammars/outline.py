"""Outlines: what a grounded grammar asks of a schema whatever the texts are, found out once for each schema.

Owns which sub-schemas have grounded leaves, which of them our own rules can write (closed objects, lists, alternatives, scalars) and which are left to the JSON
compiler, and what a leaf accepts. Knows no text; what a request adds is `service/grammars/grounded.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from schemas.formats import CHECKS
from schemas.reading.currencies import KNOWN
from schemas.validation import validator

Schema = dict[str, Any]
_Told = TypeVar("_Told")

READ = ("date", "date-time", "time", "duration")
"""Formats whose values are read; those of any other stand in the texts as words."""
_PLAIN_WORDS = tuple(form for word in ("a", "an", "the", "bank", "agent", "country", "repeated", "manager ana") for form in (word, word.upper(), word.title()))
"""A form that takes one of these takes what stands anywhere in a text, and would make a value of it."""
NOTES = frozenset(("x-grounding", "x-format"))
"""Keywords that say something of a leaf and refuse nothing."""
_CODE = re.compile("[A-Z]{3}")
_WITHOUT_SPACES = re.compile(r"\^(?:[\w@/-]|\\[dw.+@/-]|\[(?:[\w.+@/-]|\\[dw.+@/-])+\]|[()+*?{},:])*\$")
"""Patterns of whole texts that plainly take no space: letters, digits, a few marks and classes of these, counted, without alternatives."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Whether a leaf accepts a value, and whether it accepts one of many."""

    one: Callable[[Any], bool]
    some: Callable[[Any], bool]


class Outline:
    """A mask schema and what has been found out about its sub-schemas. They are told apart by identity, so the schema must not be changed; safe for several threads."""

    def __init__(self, mask_schema: Schema) -> None:
        self.schema = mask_schema
        self.defs: dict[str, Schema] = mask_schema.get("$defs", {})
        self._known: dict[tuple[str, int], Any] = {}

    @cached_property
    def root(self) -> Schema:
        """The schema without its definitions."""
        return {key: value for key, value in self.schema.items() if key != "$defs"}

    def target(self, schema: Schema) -> tuple[str, Schema]:
        """The name and the schema that a reference leads to."""
        name = schema["$ref"].removeprefix("#/$defs/")
        return name, self.defs[name]

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The definitions that refer to each definition."""
        found: dict[str, list[str]] = {}
        for user, schema in self.defs.items():
            for name in dict.fromkeys(self._references(schema)):
                found.setdefault(name, []).append(user)
        return found

    def _references(self, schema: Any) -> Iterator[str]:
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            yield self.target(schema)[0]
        for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")):
            yield from self._references(inner)

    def key(self, schema: Schema) -> str:
        """One text for equal sub-schemas; in its order, which is the order of the report."""
        return self._once("key", schema, json.dumps)

    def judge(self, leaf: Schema) -> Judge:
        return self._once("judge", leaf, _judge)

    def is_leaf(self, schema: Schema) -> bool:
        """Whether it is a scalar that is read from the texts."""
        return self._once("is_leaf", schema, lambda leaf: _is_grounded(leaf, self.judge))

    def has_grounded(self, schema: Any) -> bool:
        """Whether a grounded leaf is in it; what it refers to is looked at when it is its turn."""
        return isinstance(schema, dict) and self._once("has_grounded", schema, self._has_grounded)

    def _has_grounded(self, schema: Schema) -> bool:
        if schema.get("x-grounding") in ("extract", "normalize") or "$ref" in schema or is_currency(schema):
            return True
        inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items")]
        return any(map(self.has_grounded, inner))

    def plain(self, schema: Schema) -> str:
        """The rule's body that leaves a sub-schema to the JSON compiler."""
        return self._once("plain", schema, self._plain)

    def _plain(self, schema: Schema) -> str:
        text = json.dumps({**schema, "x-guidance": {"whitespace_flexible": False}})
        if '"$ref"' in text:
            text = json.dumps({**schema, "$defs": self.defs, "x-guidance": {"whitespace_flexible": False}})
        return f"%json {text}"

    def _once(self, what: str, schema: Schema, find: Callable[[Schema], _Told]) -> _Told:
        at = (what, id(schema))
        if at not in self._known:
            self._known[at] = find(schema)
        return self._known[at]  # type: ignore[no-any-return]


def _judge(leaf: Schema) -> Judge:
    schema = {key: value for key, value in leaf.items() if key not in NOTES}
    accepts, check = validator(schema).is_valid, CHECKS.get(leaf.get("x-format", ""))
    return Judge(accepts if check is None else lambda value: accepts(value) and check(value), validator({"type": "array", "contains": schema}).is_valid)


def may_have_spaces(leaf: Schema) -> bool:
    """Whether a string leaf may accept a text with a space in it; False only where its pattern plainly does not."""
    return _WITHOUT_SPACES.fullmatch(leaf.get("pattern", "")) is None


def _is_grounded(leaf: Schema, judge: Callable[[Schema], Judge]) -> bool:
    """Scalars that are read from the texts. Of strings to be normalized those of a format that is read, and those whose form no plain word has: an id, an address."""
    kind, shape = leaf.get("x-grounding"), leaf.get("type")
    if kind == "extract" or shape != "string":
        return (kind == "extract" and shape == "string") or (kind == "normalize" and shape in ("integer", "number", "boolean"))
    told = leaf.get("x-format")
    has_form = "pattern" in leaf and (told is None or told in CHECKS)
    return kind == "normalize" and (told in READ or (has_form and not any(map(judge(leaf).one, _PLAIN_WORDS))))


def is_currency(schema: Schema) -> bool:
    """An enum of codes of currencies, one of which is known, and nothing else."""
    codes = schema.get("enum", [])
    are_codes = all(isinstance(code, str) and _CODE.fullmatch(code) for code in codes)
    return not set(schema) - {"enum", "type"} - NOTES and are_codes and not KNOWN.isdisjoint(codes)


def is_closed_object(schema: Schema) -> bool:
    known = {"type", "properties", "required", "additionalProperties", "minProperties", "maxProperties"}
    return bool(schema.get("properties")) and schema.get("additionalProperties") is False and not set(schema) - known - NOTES


def is_list(schema: Schema) -> bool:
    return isinstance(schema.get("items"), dict) and not set(schema) - {"type", "items", "minItems", "maxItems"} - NOTES


def is_choice(schema: Schema) -> bool:
    """Alternatives and nothing else."""
    return "anyOf" in schema and not set(schema) - {"anyOf"} - NOTES
