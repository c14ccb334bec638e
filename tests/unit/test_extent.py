"""The longest report of a schema: bounds that some report reaches, and schemas without one."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.admission import admit
from schemas.canonical import canonical_json
from tests.samples import closed

REACHED = [
    ({"enum": ["low", "high", "ñandú"]}, "ñandú"),
    ({"type": "boolean"}, False),
    ({"type": ["null", "boolean"]}, False),
    ({"type": "string", "maxLength": 2}, "\x01\x02"),
    ({"type": "string", "format": "date"}, "2026-11-22"),
    ({"type": "integer", "minimum": -100, "maximum": 7}, -100),
    ({"type": "number", "minimum": -2, "maximum": 12.5, "multipleOf": 0.01}, None),
    ({"type": "array", "items": {"enum": [1, 22]}, "maxItems": 3}, [22, 22, 22]),
    ({"type": "array", "items": {"enum": [1, 22]}, "maxItems": 0}, []),
    ({"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}], "items": False}, [None, 1]),
    ({"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}], "maxItems": 1}, [None]),
    (closed(["a"], a={"type": "boolean"}, b={"anyOf": [{"const": 1}, {"type": "null"}]}), {"a": False, "b": None}),
    (closed(["b"], a=False, b={"const": 1}), {"b": 1}),
    ({"$defs": {"flag": closed(a={"type": "boolean"})}} | closed(x={"$ref": "#/$defs/flag"}, y={"$ref": "#/$defs/flag"}), {"x": {"a": False}, "y": {"a": False}}),
]
UNBOUNDED = [
    {"type": "string"}, {"type": "string", "pattern": "^a+$"}, {"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "array", "items": {"type": "null"}}, {"type": "object"}, {"type": "object", "properties": {"a": {"const": 1}}},
    {"type": "object", "patternProperties": {"^a": {"const": 1}}, "additionalProperties": False}, {"type": "array", "maxItems": 2},
    {"$defs": {f"d{i}": closed(a={"$ref": f"#/$defs/d{i + 1}"}, b={"$ref": f"#/$defs/d{i + 1}"}) for i in range(300)} | {"d300": {"const": 1}}, "$ref": "#/$defs/d0"},
    {"$defs": {f"d{i}": closed(a={"$ref": f"#/$defs/d{i + 1}"}, b={"$ref": f"#/$defs/d{i + 1}"}) for i in range(60)} | {"d60": {"const": 1}}, "$ref": "#/$defs/d0"},
    {"$defs": {"tree": closed(left={"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]})}, "$ref": "#/$defs/tree"},
]  # fmt: skip


@pytest.mark.parametrize(("schema", "longest"), REACHED, ids=range(len(REACHED)))
def test_a_bound_is_kept_and_reached(schema: dict[str, Any], longest: Any) -> None:
    expected = len("-12.50") if longest is None else len(canonical_json(longest).encode())
    assert admit(schema).longest_bytes == expected


@pytest.mark.parametrize("schema", UNBOUNDED, ids=range(len(UNBOUNDED)))
def test_a_schema_without_a_bound_has_none(schema: dict[str, Any]) -> None:
    assert admit(schema).longest_bytes is None
