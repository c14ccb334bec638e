"""Canonical JSON and the strict reader."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import JsonInvalid, canonical_json, digest, in_schema_order, parse_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"b":1,"a":[true,null]}'),
        ("ñ😀/\u2028", '"ñ😀/\u2028"'),
        ('"\\\n\x1e\x7f', '"\\"\\\\\\n\\u001e\\u007f"'),
        (1.0, "1"),
        (-0.0, "0"),
        (12400.5, "12400.5"),
        (1e-7, "0.0000001"),
        (1e22, "1" + "0" * 22),
        (2**53 + 1, str(2**53 + 1)),
    ],
)
def test_a_value_has_one_canonical_text(value: Any, text: str) -> None:
    assert canonical_json(value) == text


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_the_canonical_text_reads_back_as_the_same_value(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert parse_json(text) == value
    assert canonical_json(parse_json(text)) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"\udfff": 1}, {1: 2}, {1, 2}, b"x", 10**400])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(JsonInvalid):
        canonical_json([value])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "NaN"),
        ("[-Infinity]", "Infinity"),
        ('{"a":1,"b":{"c":1,"c":2}}', "twice"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udc00":1}', "surrogate"),
        ("1e400", "range"),
        ("1" * 5000, "characters"),
        ("[" * 200 + "]" * 200, "nested"),
        ("[" * 100_000, "nested"),
        ("", "not JSON"),
        ("{}x", "not JSON"),
        ("01", "not JSON"),
        ("'a'", "not JSON"),
        ('"\n"', "not JSON"),
        ("[1,]", "not JSON"),
        ("\ufeff{}", "not JSON"),
        ("١", "not JSON"),
    ],
)
def test_the_reader_is_strict(text: str, reason: str) -> None:
    with pytest.raises(JsonInvalid, match=reason):
        parse_json(text)


def test_a_string_that_never_ends_is_refused_in_no_time() -> None:
    began = time.process_time()
    with pytest.raises(JsonInvalid, match="not JSON"):
        parse_json('"' + '\\"' * 128_000)
    assert time.process_time() - began < 2  # 0.01 s on an idle core


@pytest.mark.parametrize("number", [10**399, -(10**398)])
def test_the_longest_integer_that_is_read_is_written(number: int) -> None:
    assert parse_json(canonical_json(number)) == number
    with pytest.raises(JsonInvalid, match="characters"):
        canonical_json(number * 10)


def test_the_reader_keeps_integers_and_decimals_apart() -> None:
    assert [type(item) for item in parse_json("[1,1.0,1e2]")] == [int, float, float]
    assert parse_json("9007199254740993") == 9007199254740993


def test_brackets_within_strings_are_no_nesting() -> None:
    assert parse_json(json.dumps("[" * 500 + '"{')) == "[" * 500 + '"{'


def test_a_digest_is_of_the_bytes_or_of_the_canonical_text() -> None:
    assert digest(b"{}") == digest("{}") == digest({})
    assert digest({"a": 1.0}) == digest({"a": 1}) != digest({"a": 2})
    assert digest("").startswith("sha256:") and len(digest("")) == 7 + 64


ORDERED: dict[str, Any] = {
    "type": "object",
    "required": ["r", "a"],
    "$defs": {"n": {"properties": {"y": {}, "x": {}}}},
    "properties": {"b": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}, "a": {"items": {"$ref": "#/$defs/n"}}},
    "anyOf": [
        {"properties": {"k": {"const": 1}, "p": {}, "q": {}}, "required": ["k"]},
        {"properties": {"q": {}, "p": {}}},
    ],
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {"z": 1, "r": 1, "a": [{"x": 1, "y": 2}], "b": {"x": 1, "y": 2}},
            '{"b":{"y":2,"x":1},"a":[{"y":2,"x":1}],"r":1,"z":1}',
        ),
        ({"p": 1, "q": 1, "k": 1}, '{"k":1,"p":1,"q":1}'),
        ({"p": 1, "q": 1, "k": 2}, '{"q":1,"p":1,"k":2}'),
        ([{"b": 1}], '[{"b":1}]'),
    ],
)
def test_keys_follow_the_schema(value: Any, text: str) -> None:
    assert canonical_json(in_schema_order(value, ORDERED)) == text


def test_an_object_listed_in_an_enum_takes_the_order_it_has_there() -> None:
    assert canonical_json(in_schema_order({"a": 1, "b": 2}, {"enum": [{"b": 2, "a": 1}]})) == '{"b":2,"a":1}'
