"""How leaves are grounded."""

from __future__ import annotations

import time
from typing import Any

import pytest

from schemas.catalog import Catalog
from schemas.grounding import Kinds, KindUnknown, grounding, leaves

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "code": {"type": "string", "pattern": "^a"},
        "note": {"type": "string", "x-grounding": "compose"},
        "level": {"anyOf": [{"$ref": "#/$defs/level"}, {"type": "null"}]},
        "tree": {"$ref": "#/$defs/tree"},
        "pair": {"prefixItems": [{"type": "integer"}, {"const": 1}], "items": {"type": "string"}},
    },
    "additionalProperties": {"type": "number"},
    "$defs": {
        "level": {"enum": ["low", "high"]},
        "tree": {
            "type": "object",
            "properties": {"v": {"format": "date"}, "kids": {"items": {"$ref": "#/$defs/tree"}}},
        },
    },
}


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ({"type": "string"}, "extract"),
        ({"type": "string", "maxLength": 4}, "extract"),
        ({}, "extract"),
        (True, "extract"),
        ({"type": "string", "format": "date"}, "normalize"),
        ({"type": "string", "format": "email"}, "normalize"),
        ({"type": "string", "pattern": "^a"}, "normalize"),
        ({"type": ["integer", "null"]}, "normalize"),
        ({"type": "number"}, "normalize"),
        ({"enum": ["a"]}, "classify"),
        ({"const": 1}, "classify"),
        ({"type": "boolean"}, "classify"),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, "classify"),
        ({"x-grounding": "compose", "enum": ["a"]}, "compose"),
        ({"x-grounding": "extract", "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "extract"),
    ],
)
def test_a_leaf_is_grounded_as_annotated_or_as_its_type_suggests(node: Any, kind: str) -> None:
    assert grounding(node) == kind


def test_an_unknown_annotation_is_an_error() -> None:
    with pytest.raises(KindUnknown, match="guess"):
        grounding({"x-grounding": "guess"})


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/name", "extract"),
        ("/code", "normalize"),
        ("/note", "compose"),
        ("/level", "classify"),
        ("/other", "normalize"),
        ("/tree/kids/0/kids/12/v", "normalize"),
        ("/pair/0", "normalize"),
        ("/pair/1", "classify"),
        ("/pair/7", "extract"),
        ("/no/such/leaf", "extract"),
    ],
)
def test_the_kind_of_a_leaf_is_found_by_its_pointer(path: str, kind: str) -> None:
    assert Kinds(SCHEMA).at(path) == kind


def test_a_leaf_whose_name_fits_a_pattern_or_comes_with_another_has_its_kind() -> None:
    schema = {
        "properties": {"a": {}},
        "patternProperties": {"^risk_": {"enum": ["low", "high"]}, "^said_": {"x-grounding": "compose"}},
        "additionalProperties": {"type": "integer"},
        "dependentSchemas": {"a": {"properties": {"b": {"format": "date"}}}},
    }
    assert [Kinds(schema).at(f"/{name}") for name in ("a", "risk_a", "said_a", "other", "b")] == ["extract", "classify", "compose", "normalize", "normalize"]


def test_leaves_come_in_document_order_with_their_pointers() -> None:
    found = list(leaves({"a/b": [1, {"c~": None}], "d": {}, "e": "x"}))
    assert found == [("/a~1b/0", 1), ("/a~1b/1/c~0", None), ("/e", "x")]


def test_the_leaves_of_agent_status_are_annotated() -> None:
    schema = Catalog.load().get("agent_status").schema
    wanted = {"/usage/cost/amount": "normalize", "/incidents/3/title": "extract", "/agent_id": "extract", "/approval/status": "classify"}
    assert {path: Kinds(schema).at(path) for path in wanted} == wanted


def test_a_leaf_of_a_recursive_schema_has_its_kind_at_any_depth() -> None:
    assert Kinds(SCHEMA).at("/tree/v") == Kinds(SCHEMA).at("/tree/kids/0/kids/1/v") == "normalize"


def test_a_schema_whose_branches_multiply_is_walked_once() -> None:
    depth = 60
    levels = {f"n{i}": {"type": "object", "properties": {"c": {"anyOf": [{"$ref": f"#/$defs/n{i + 1}"}, {"$ref": f"#/$defs/n{i + 1}"}]}}} for i in range(depth)}
    schema = {"$ref": "#/$defs/n0", "$defs": levels | {f"n{depth}": {"enum": ["a"]}}}
    assert Kinds(schema).at("/c" * depth) == "classify"


def test_what_describes_the_items_of_a_list_is_looked_up_once() -> None:
    views = [{"items": {"type": "string", "x-grounding": "compose"}}, *({"items": {"type": "string"}} for _ in range(2000)), {"prefixItems": [{"x-grounding": "classify"}]}]
    kinds = Kinds({"allOf": views})
    assert kinds.at("/0") == "compose", "what stands first"
    began = time.perf_counter()
    assert {kinds.at(f"/{i}") for i in range(1, 2000)} == {"compose"}
    assert time.perf_counter() - began < 1, "some four million steps, were they taken anew for each"


def test_members_named_by_digits_are_no_items() -> None:
    kinds = Kinds({"type": "object", "properties": {"1": {"x-grounding": "compose"}}, "additionalProperties": {"x-grounding": "classify"}})
    assert [kinds.at(path) for path in ("/0", "/1", "/2", "/1")] == ["classify", "compose", "classify", "compose"]
