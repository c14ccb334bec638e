"""Every keyword of JSON Schema 2020-12 and what is done with it.

Owns the one table keyword -> Treatment, and one check per keyword that needs more than the meta-schema's word: same
signature, yielding findings. A keyword that is not in the table and does not start with `x-` is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from schemas.canonical import Json, JsonInvalid, canonical_json
from schemas.formats import FORMATS
from schemas.grounding import ANNOTATION, KINDS
from schemas.nodes import RefUnresolved, ref_parts
from schemas.patterns import PatternRefused, parse_pattern
from schemas.violation import pointer

MAX_LENGTH = 100_000
"""Largest minLength or maxLength, in characters."""
MAX_ITEMS = 10_000
"""Largest minItems, maxItems, minProperties or maxProperties."""
MAX_MEMBERS = 1_000
"""Most properties of one object schema, branches of one keyword, or prefix items."""
MAX_VALUES = 5_000
"""Most values of one enum."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a schema is refused: where (a JSON Pointer into the schema), which keyword, and what is wrong with it."""

    pointer: str
    keyword: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"


class Treatment(Enum):
    """What becomes of a keyword."""

    MASKED = "enforced token by token, but for the forms named in docs/keywords.md, which are checked"
    REWRITTEN = "enforced token by token where an exact rewriting into alternatives exists, checked elsewhere"
    CHECKED = "enforced after decoding"
    ANNOTATION = "describes, and never makes an instance invalid"
    REFUSED = "not accepted"


_BY_TREATMENT = {
    Treatment.MASKED: (
        "$ref", "allOf", "anyOf", "type", "const", "enum", "properties", "patternProperties", "additionalProperties",
        "required", "minProperties", "maxProperties", "prefixItems", "items", "minItems", "maxItems", "minLength",
        "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    Treatment.REWRITTEN: ("oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    Treatment.CHECKED: ("uniqueItems", "contains", "minContains", "maxContains", "propertyNames", "unevaluatedItems",
                        "unevaluatedProperties"),
    Treatment.ANNOTATION: (
        "$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly",
        "writeOnly", "contentEncoding", "contentMediaType", "contentSchema"),
    Treatment.REFUSED: ("$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary"),
}
KEYWORDS: dict[str, Treatment] = {name: treatment for treatment, names in _BY_TREATMENT.items() for name in names}

_INSTEAD = {
    "definitions": "$defs", "dependencies": "dependentRequired or dependentSchemas", "additionalItems": "items",
    "$recursiveRef": "$ref", "$recursiveAnchor": "$defs", "id": "$id", "nullable": '"type": [..., "null"]',
}


@dataclass(frozen=True, slots=True)
class Place:
    """A schema node where it stands: its pointer, whether it is the root, and every node's pointer in the document."""

    pointer: str
    node: dict[str, Any]
    nodes: frozenset[str]


Check = Callable[[Place, Any], Iterator[str]]


def findings(place: Place) -> Iterator[Finding]:
    """Everything wrong with one node's own keywords, in the order of the node."""
    for keyword, value in place.node.items():
        where = place.pointer + pointer([keyword])
        yield from (Finding(where, keyword, message) for message in _messages(place, keyword, value))


def _messages(place: Place, keyword: str, value: Any) -> Iterator[str]:
    if keyword not in KEYWORDS and not keyword.startswith("x-"):
        hint = f"; use {_INSTEAD[keyword]}" if keyword in _INSTEAD else ""
        yield f"{keyword} is no keyword of JSON Schema 2020-12{hint}"
    elif KEYWORDS.get(keyword) is Treatment.REFUSED:
        yield f"{keyword} is not supported"
    elif keyword in CHECKS:
        yield from CHECKS[keyword](place, value)


def _dialect(place: Place, value: str) -> Iterator[str]:
    if value.removesuffix("#") != DIALECT:
        yield f"the dialect is not {DIALECT}"
    if place.pointer:
        yield "$schema belongs at the root"


def _identifier(place: Place, value: str) -> Iterator[str]:
    if place.pointer:
        yield "$id belongs at the root"


def _reference(place: Place, value: str) -> Iterator[str]:
    try:
        target = pointer(ref_parts(value))
    except RefUnresolved as error:
        yield f"{value} {error.reason}"
        return
    if target not in place.nodes:
        yield f"{value} points at no schema of this document"


def _pattern(place: Place, value: str) -> Iterator[str]:
    try:
        parse_pattern(value)
    except PatternRefused as error:
        yield f"the regular expression is outside the supported dialect: {error.reason}"


def _patterns(place: Place, value: dict[str, Any]) -> Iterator[str]:
    yield from _few(place, value)
    for text in value:
        yield from _pattern(place, text)


def _format(place: Place, value: str) -> Iterator[str]:
    if value not in FORMATS:
        yield f"the format {value!r} is not among {', '.join(sorted(FORMATS))}"


def _length(place: Place, value: float) -> Iterator[str]:
    if value > MAX_LENGTH:
        yield f"more than {MAX_LENGTH}"


def _count(place: Place, value: float) -> Iterator[str]:
    if value > MAX_ITEMS:
        yield f"more than {MAX_ITEMS}"


def _few(place: Place, value: Any) -> Iterator[str]:
    if len(value) > MAX_MEMBERS:
        yield f"more than {MAX_MEMBERS} members"


def _values(place: Place, value: list[Json]) -> Iterator[str]:
    if len(value) > MAX_VALUES:
        yield f"more than {MAX_VALUES} values"
    yield from _value(place, value)


def _value(place: Place, value: Json) -> Iterator[str]:
    try:
        canonical_json(value)
    except JsonInvalid as error:
        yield error.reason


def _step(place: Place, value: float) -> Iterator[str]:
    if not 1e-12 <= value <= 1e12:
        yield "multipleOf is not between 1e-12 and 1e12"


def _kind(place: Place, value: Json) -> Iterator[str]:
    if value not in KINDS:
        yield f"{ANNOTATION} is not one of {', '.join(KINDS)}"


CHECKS: dict[str, Check] = {
    "$schema": _dialect, "$id": _identifier, "$ref": _reference, "pattern": _pattern, "patternProperties": _patterns,
    "format": _format, "minLength": _length, "maxLength": _length, "minItems": _count, "maxItems": _count,
    "minProperties": _count, "maxProperties": _count, "minContains": _count, "maxContains": _count,
    "properties": _few, "required": _few, "prefixItems": _few, "allOf": _few, "anyOf": _few, "oneOf": _few,
    "enum": _values, "const": _value, "multipleOf": _step, ANNOTATION: _kind,
}
