"""Keywords turned into alternatives."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.masking.rewrite import Choice, Domain, Node, choices, equality_key, negated, same
from schemas.masking.unfolding import Unfolding

UNKNOWN = Domain(lambda path: None)
KIND = Domain(lambda path: ["on", "off", None] if path == ("kind",) else None)


def only(schema: Any, domain: Domain = KIND) -> Choice:
    (choice,) = choices(Node("/p", schema), domain, lambda branches: False)
    return choice


def test_a_condition_over_an_enum_becomes_exact_branches() -> None:
    then, otherwise = {"required": ["a"]}, {"required": ["b"]}
    choice = only({"if": {"properties": {"kind": {"const": "on"}}}, "then": then, "else": otherwise})
    assert choice.exact and choice.keyword == "if"
    first, second = choice.branches
    assert [node.schema for node in first] == [{"properties": {"kind": {"const": "on"}}}, then]
    assert second[-2].schema == {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": ["off", None]}},
    }
    assert [node.pointer for node in second][-2:] == ["/p/if", "/p/else"]


def test_a_condition_over_free_text_is_left_to_the_check() -> None:
    choice = only({"if": {"properties": {"name": {"const": "x"}}}, "then": {"required": ["a"]}})
    assert not choice.exact and len(choice.branches) == 2


def test_a_condition_without_consequences_is_no_choice() -> None:
    assert list(choices(Node("", {"if": {"type": "null"}}), UNKNOWN, lambda branches: False)) == []


def test_dependencies_become_absence_or_demand() -> None:
    choice = only({"dependentRequired": {"a": ["b"]}})
    assert choice.exact
    assert [[node.schema for node in branch] for branch in choice.branches] == [[{"properties": {"a": False}}], [{"required": ["b"]}]]


@pytest.mark.parametrize(
    ("schema", "opposite"),
    [
        (True, []),
        (False, [True]),
        ({}, []),
        ({"title": "x"}, []),
        ({"type": "string"}, [{"type": ["null", "boolean", "number", "array", "object"]}]),
        ({"type": "integer"}, None),
        ({"type": ["integer", "number"]}, [{"type": ["null", "boolean", "string", "array", "object"]}]),
        ({"required": ["a"]}, [{"type": "object", "properties": {"a": False}}]),
        ({"properties": {"kind": {"enum": ["on", "off", None]}}}, []),
        ({"not": {"minimum": 3}}, [{"minimum": 3}]),
        ({"minimum": 3}, None),
        ({"const": 1}, None),
        ({"$ref": "#"}, None),
    ],
)
def test_the_opposite_of_a_schema_is_known_or_said_to_be_unknown(schema: Any, opposite: Any) -> None:
    assert negated(schema, KIND) == opposite


def test_json_equality_is_not_that_of_python() -> None:
    assert same(1, 1.0) and same({"a": 1, "b": [0.0]}, {"b": [-0.0], "a": 1.0})
    assert not same(1, True) and not same(0, False) and not same([1, 2], [2, 1]) and not same("1", 1)
    assert equality_key({"b": 1, "a": 2}) == '{"a":2,"b":1}'


def test_values_are_looked_for_once_however_many_ways_lead_to_them() -> None:
    """Sixty ways at each of three steps: 216,000 ways to a text, which has no list of values, and as many to 60 constants, which would be too many to list."""
    def steps(last: list[dict[str, Any]]) -> dict[str, Any]:
        onward = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 60} for i in range(3)}
        return {"$ref": "#/$defs/d0", "not": {"const": 1}, "$defs": onward | {"d3": {"anyOf": last}}}

    for last in ([{"type": "string"}] * 60, [{"const": number} for number in range(60)]):
        schema = steps(last)
        unfolding, root = Unfolding(schema), Node("", schema)
        assert unfolding.finite_of(root, 8) is None
        assert len(unfolding._finite) < 1000
    assert Unfolding(few := {"anyOf": [{"const": 1}, {"enum": [2, 3]}, {"type": "null"}]}).finite_of(Node("", few), 8) == [1, 2, 3, None]
