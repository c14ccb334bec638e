"""Schemas that would keep a validator, or us, busy for ever are refused with a reason; those that people write are not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from schemas.admission import MAX_PATH_CHARS, MAX_PATTERNS, SchemaRefused, admit
from schemas.effort import MAX_EFFORT
from schemas.masking.mask import MAX_VALUES_WRITTEN
from schemas.prompt import SignatureTooLong, signature
from schemas.validation import ReportValidator

STEPS = 60


def chain(step: Any, last: Any) -> dict[str, Any]:
    """STEPS definitions, each of which leads to the next one as ``step`` says."""
    defs = {f"d{i}": step({"$ref": f"#/$defs/d{i + 1}"}) for i in range(STEPS)}
    return {"$ref": "#/$defs/d0", "$defs": defs | {f"d{STEPS}": last}}


@pytest.mark.parametrize("last", [{"const": None}, {"type": "string"}, {"type": "object"}])
@pytest.mark.parametrize("step", [
    lambda onward: {"allOf": [onward, onward]},
    lambda onward: {"anyOf": [onward, {"allOf": [onward]}]},
    lambda onward: {"if": onward, "then": onward, "type": "string"},
    lambda onward: {"allOf": [{"type": "array", "items": onward}, {"type": "array", "items": onward}]},
    lambda onward: {"type": "object", "properties": {"a": onward}, "additionalProperties": onward, "patternProperties": {"a": onward}},
])  # fmt: skip
def test_a_schema_that_leads_to_the_same_value_in_very_many_ways_is_refused(step: Any, last: dict[str, Any]) -> None:
    with pytest.raises(SchemaRefused, match=f"in more than {MAX_EFFORT} ways"):
        admit(chain(step, last))


def test_schemas_that_people_write_are_no_effort() -> None:
    tree = {"type": "object", "properties": {"value": {"type": "integer"}, **{side: {"anyOf": [{"$ref": "#"}, {"type": "null"}]} for side in ("left", "right")}},
            "required": ["value", "left", "right"], "additionalProperties": False}  # fmt: skip
    leaf = {"value": 1, "left": None, "right": None}
    assert not ReportValidator(admit(tree).schema).violations({**leaf, "left": leaf})
    expression = {"anyOf": [{"type": "integer"}, *({"type": "object", "properties": {name: {"type": "array", "items": {"$ref": "#"}, "maxItems": 3}}, "required": [name], "additionalProperties": False}
                                                 for name in ("sum", "product", "least", "most"))]}  # fmt: skip
    admit({**expression, "$defs": {}})
    admit(chain(lambda onward: {"type": "object", "properties": {"a": onward, "b": onward}, "required": ["a"]}, {"type": "string"}))
    admit(chain(lambda onward: {"type": "array", "items": onward, "maxItems": 1}, {"type": "string"}))


def test_a_member_of_an_object_is_looked_at_by_what_applies_to_it() -> None:
    """Ten steps of three properties are 59,049 leaves, of which an instance may have all; no one of them is looked at often."""
    defs = {f"d{i}": {"type": "object", "properties": {name: {"$ref": f"#/$defs/d{i + 1}"} for name in "abc"}} for i in range(10)}
    admit({"$ref": "#/$defs/d0", "$defs": defs | {"d10": {"type": "string"}}})


@pytest.mark.parametrize(("schema", "message"), [
    ({"type": "object", "properties": {str(i): {"type": "string", "pattern": f"^{i}"} for i in range(MAX_PATTERNS + 1)}}, "different regular expressions"),
    ({"type": "object", "patternProperties": {f"^{i}": {} for i in range(MAX_PATTERNS + 1)}}, "different regular expressions"),
    ({"type": "object", "properties": {"n" * MAX_PATH_CHARS: {"type": "string"}}}, "characters together"),
    ({"type": "string", "pattern": "(" * 480 + "a" + ")" * 480}, "nested too deep"),
    ({"type": "object", "required": [f"n{i}" for i in range(101)], "properties": {f"n{i}": {"$ref": "#/$defs/many"} for i in range(101)}, "$defs": {"many": {"enum": list(range(MAX_VALUES_WRITTEN // 100))}}}, "unfolds too far"),
    ({"type": "object", "allOf": [{"additionalProperties": {"maxLength": i}} for i in range(1000)], "required": [f"n{i}" for i in range(1000)]}, "unfolds too far"),
])  # fmt: skip
def test_a_schema_that_is_too_much_is_refused_in_time(schema: dict[str, Any], message: str) -> None:
    began = time.monotonic()
    with pytest.raises(SchemaRefused, match=message):
        admit(schema)
    assert time.monotonic() - began < 20


def test_as_many_different_patterns_as_may_be_are_admitted() -> None:
    admit({"type": "object", "properties": {str(i): {"type": "string", "pattern": f"^{i}"} for i in range(MAX_PATTERNS)}})


def test_places_that_need_each_other_are_told_apart_from_those_that_end() -> None:
    """A chain found from its end: each is alive only because the next one is."""
    defs = {f"d{i}": {"type": "object", "properties": {"next": {"$ref": f"#/$defs/d{i - 1}"}}, "required": ["next"], "additionalProperties": False} for i in range(1, 200)}
    admitted = admit({"type": "object", "properties": {f"d{i}": {"$ref": f"#/$defs/d{i}"} for i in range(200)}, "$defs": defs | {"d0": {"type": "string"}}})
    assert all(admitted.mask_schema["properties"][f"d{i}"] is not False for i in range(200))
    endless = defs | {"d0": {"$ref": "#/$defs/d199"}}
    admitted = admit({"type": "object", "properties": {f"d{i}": {"$ref": f"#/$defs/d{i}"} for i in range(200)}, "$defs": endless})
    assert all(admitted.mask_schema["properties"][f"d{i}"] is False for i in range(200)), "none of them has an instance that ends"


def test_a_chain_of_references_costs_characters_of_the_signature() -> None:
    long = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(3000)} | {"d3000": {"type": "string"}}
    schema = {"type": "object", "properties": {f"n{i}": {"$ref": "#/$defs/d0"} for i in range(1000)}, "$defs": long}
    with pytest.raises(SignatureTooLong):
        signature(schema)
