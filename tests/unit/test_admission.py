"""Admission: masked, checked or refused, and never silently ignored."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from schemas.admission import MAX_BYTES, SchemaRefused, admit, admit_text
from schemas.canonical import canonical_json, in_schema_order
from schemas.keywords import KEYWORDS, Treatment
from schemas.masking.rewrite import ANNOTATIONS
from schemas.validation import ReportValidator, SecondJudge
from tests.mask_engine import MaskEngine

CORPUS = sorted(Path(__file__).parents[1].joinpath("corpus").glob("schema_*.json"))
CORE = ["$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment", "$defs", "prefixItems", "items", "contains", "additionalProperties", "properties", "patternProperties", "dependentSchemas", "propertyNames", "if", "then", "else", "allOf", "anyOf", "oneOf", "not", "unevaluatedItems", "unevaluatedProperties", "type", "const", "enum", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required", "dependentRequired", "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples", "format", "contentEncoding", "contentMediaType", "contentSchema"]


def refusal(schema: Any) -> list[tuple[str, str]]:
    with pytest.raises(SchemaRefused) as caught:
        admit(schema)
    return [(finding.pointer, finding.keyword) for finding in caught.value.findings]


def test_every_keyword_of_2020_12_has_one_treatment() -> None:
    assert sorted(KEYWORDS) == sorted(CORE)
    assert {name for name, treatment in KEYWORDS.items() if treatment is Treatment.ANNOTATION} == ANNOTATIONS


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        (True, "", ""),
        ([], "", ""),
        ("{}", "", ""),
        ({"type": "strin"}, "/type", "type"),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength", "minLength"),
        ({"properties": {"a": 3}}, "/properties/a", "a"),
        ({"required": "a"}, "/required", "required"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "$schema"),
        ({"items": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}, "/items/$schema", "$schema"),
        ({"items": {"$id": "urn:x"}}, "/items/$id", "$id"),
        ({"items": {"nullable": True}}, "/items/nullable", "nullable"),
        ({"definitions": {}}, "/definitions", "definitions"),
        ({"properties": {"a/b": {"minLenght": 1}}}, "/properties/a~1b/minLenght", "minLenght"),
        ({"$ref": "http://127.0.0.1/x.json"}, "/$ref", "$ref"),
        ({"$ref": "file:///etc/hostname"}, "/$ref", "$ref"),
        ({"items": {"$ref": "#/$defs/none"}}, "/items/$ref", "$ref"),
        ({"items": {"$ref": "#name"}}, "/items/$ref", "$ref"),
        ({"enum": [{"type": "null"}], "items": {"$ref": "#/enum/0"}}, "/items/$ref", "$ref"),
        ({"$dynamicRef": "#x"}, "/$dynamicRef", "$dynamicRef"),
        ({"$anchor": "x"}, "/$anchor", "$anchor"),
        ({"$dynamicAnchor": "x"}, "/$dynamicAnchor", "$dynamicAnchor"),
        ({"$ref": "#"}, "/$ref", "$ref"),
        ({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "/anyOf/1/$ref", "$ref"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}, "/$defs/a/$ref", "$ref"),
        ({"pattern": "("}, "/pattern", "pattern"),
        ({"pattern": "^(?!a)"}, "/pattern", "pattern"),
        ({"pattern": "(a)\\1"}, "/pattern", "pattern"),
        ({"pattern": "(a{1,999}){1,999}"}, "/pattern", "pattern"),
        ({"pattern": "^\\S{1000}$"}, "/pattern", "pattern"),
        ({"patternProperties": {"[": {}}}, "/patternProperties", "patternProperties"),
        ({"format": "color"}, "/format", "format"),
        ({"maxLength": 10**6}, "/maxLength", "maxLength"),
        ({"minItems": 10**6}, "/minItems", "minItems"),
        ({"multipleOf": 1e-300}, "/multipleOf", "multipleOf"),
        (
            {"maxItems": 500, "items": {"maxItems": 500, "items": {"maxItems": 500}}},
            "/items/items/maxItems",
            "maxItems",
        ),
        ({"enum": list(range(6000))}, "/enum", "enum"),
        ({"x-grounding": "guess"}, "/x-grounding", "x-grounding"),
        ({"properties": {str(i): {} for i in range(1001)}}, "/properties", "properties"),
    ],
)
def test_what_is_not_accepted_is_refused_with_its_pointer(schema: Any, pointer: str, keyword: str) -> None:
    assert (pointer, keyword) in refusal(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": []} | {"type": "string"},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"allOf": [{"type": "null"}, False]},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}},
        {"enum": [1], "not": {"type": "integer"}},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 6},
        {"allOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "string", "minLength": 3, "maxLength": 2},
    ],
)
def test_a_schema_that_no_instance_can_satisfy_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaRefused, match=r"no instance|fewer|less"):
        admit(schema)


def test_every_finding_of_a_schema_is_told_at_once() -> None:
    assert refusal({"foo": 1, "items": {"format": "color"}}) == [("/foo", "foo"), ("/items/format", "format")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"type":"object","type":"array"}',
        "[1]",
        "NaN",
        '{"const":"\\ud800"}',
        "\ud800",
        '{"title":"' + "x" * MAX_BYTES + '"}',
        '{"items":' * 40 + "true" + "}" * 40,
        '{"not":' * 5000 + "true" + "}" * 5000,
        json.dumps({"$defs": {str(i): {"type": "null"} for i in range(5001)}}),
    ],
)
def test_a_text_that_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(SchemaRefused):
        admit_text(text)


def test_a_long_chain_of_references_is_admitted_or_refused_but_never_fails() -> None:
    chain = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}]} for i in range(1500)} | {"d1500": {"type": "null"}}
    with pytest.raises(SchemaRefused, match="too far"):
        admit({"$ref": "#/$defs/d0", "$defs": chain})


def test_a_pattern_that_backtracks_is_run_in_linear_time() -> None:
    began = time.process_time()
    admit({"properties": {"a" * 60 + "!": {"type": "null"}}, "patternProperties": {"^(a+)+$": {"type": "null"}}, "additionalProperties": False})
    assert time.process_time() - began < 2  # 0.002 s on an idle core; Python's own engine would take ages


def test_a_doubling_web_of_references_stays_small() -> None:
    web: dict[str, Any] = {
        f"d{i}": {
            "type": "object",
            "properties": {"l": {"$ref": f"#/$defs/d{i + 1}"}, "r": {"$ref": f"#/$defs/d{i + 1}"}},
        }
        for i in range(40)
    }
    found = admit({"$ref": "#/$defs/d0", "$defs": web | {"d40": {"type": "null"}}})
    assert len(json.dumps(found.mask_schema)) < 20_000


def test_the_digest_is_of_the_schema_in_the_order_it_came() -> None:
    one, other = {"type": "object", "title": "x"}, {"title": "x", "type": "object"}
    assert admit(one).digest == admit(dict(one), schema_id="s").digest != admit(other).digest


CLOSED = {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "checked"),
    [
        ({"type": "array", "items": {"type": "null"}, "uniqueItems": True}, ["/uniqueItems"]),
        ({"type": "array", "items": {"type": "null"}, "uniqueItems": True, "maxItems": 1}, []),
        ({"type": "array", "items": {"type": "null"}, "contains": {"type": "null"}}, ["/contains"]),
        (CLOSED | {"propertyNames": {"maxLength": 3}}, ["/propertyNames"]),
        ({"type": "string", "format": "date"}, []),
        ({"type": "string", "format": "email"}, ["/format"]),
        ({"type": "string", "format": "regex"}, ["/format"]),
        ({"type": "string", "pattern": "a(^b)"}, ["/pattern"]),
        ({"type": "number", "multipleOf": 0.01}, []),
        ({"type": "number", "multipleOf": 0.25}, ["/multipleOf"]),
        ({"type": "number", "maximum": 1e22}, ["/maximum"]),
        ({"type": "integer", "minimum": -(10**20)}, ["/minimum"]),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, []),
        ({"oneOf": [{"enum": [1, 2]}, {"const": 3}]}, []),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]}, ["/oneOf"]),
        ({"oneOf": [CLOSED | {"required": ["k"], "properties": {"k": {"const": i}}} for i in range(2)]}, []),
        ({"not": {"type": "null"}, "type": ["null", "string"]}, []),
        ({"type": "string", "not": {"const": "a"}}, ["/not"]),
        ({"type": "boolean", "not": {"const": True}}, []),
        (
            CLOSED | {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "dependentRequired": {"a": ["b"]}},
            [],
        ),
        (
            CLOSED | {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "minProperties": 1},
            ["/minProperties"],
        ),
        (CLOSED | {"properties": {"a": {"type": "null"}}, "required": ["a"], "maxProperties": 1}, []),
        (CLOSED | {"patternProperties": {"^a": {"type": "null"}}}, []),
        (CLOSED | {"patternProperties": {"^a": {"type": "null"}, "b$": {"type": "null"}}}, ["/patternProperties"]),
        ({"type": "object", "additionalProperties": {"type": "null"}}, []),
        (
            CLOSED
            | {
                "properties": {"k": {"enum": [1, 2]}, "v": {"type": "null"}},
                "if": {"properties": {"k": {"const": 1}}},
                "then": {"required": ["v"]},
            },
            [],
        ),
        (
            CLOSED
            | {
                "properties": {"k": {"type": "string"}, "v": {"type": "null"}},
                "if": {"properties": {"k": {"const": "a"}}},
                "then": {"required": ["v"]},
            },
            ["/if"],
        ),
    ],
)
def test_what_the_mask_cannot_hold_is_checked(schema: Any, checked: list[str]) -> None:
    assert list(admit(schema).checked) == checked


@pytest.mark.parametrize(
    ("schema", "repeatable"),
    [
        (CLOSED, []),
        ({"type": "object"}, ["/additionalProperties"]),
        ({"type": "array", "maxItems": 2}, ["/items"]),
        (CLOSED | {"patternProperties": {"^a": {"type": "null"}}}, ["/patternProperties"]),
        (CLOSED | {"properties": {"a": {}, "b": {"type": "null"}}}, ["/properties/a"]),
    ],
)
def test_places_where_the_mask_would_let_a_key_occur_twice_are_named(schema: Any, repeatable: list[str]) -> None:
    found = admit(schema)
    assert list(found.repeatable[:1]) == repeatable


def test_annotations_and_extensions_change_nothing_but_the_digest() -> None:
    plain = {"type": "string", "minLength": 1}
    told = plain | {
        "title": "t",
        "description": "d",
        "default": 3,
        "examples": [1],
        "deprecated": True,
        "$comment": "c",
        "readOnly": True,
        "writeOnly": True,
        "contentEncoding": "base64",
        "contentSchema": {},
        "x-note": [1],
    }
    assert admit(told).mask_schema == admit(plain).mask_schema


def test_leaves_of_the_mask_tell_grounding_and_format() -> None:
    mask = admit(
        {"x-grounding": "extract", "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
    ).mask_schema
    assert mask["anyOf"][0]["x-grounding"] == "extract" and mask["anyOf"][0]["x-format"] == "date"
    assert admit({"enum": ["a", "b"]}).mask_schema == {"enum": ["a", "b"], "x-grounding": "classify"}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_failure_once_seen_stays_away(path: Path) -> None:
    """Each file: {"why", "schema", "valid": [instances], "invalid": [instances], "let_by": [instances]}."""
    case = json.loads(path.read_text("utf-8"))
    found = admit(case["schema"])
    engine = MaskEngine(found.mask_schema)
    for verdict in ("valid", "invalid", "let_by"):
        for value in case.get(verdict, []):
            text = canonical_json(in_schema_order(value, case["schema"]))
            assert engine.accepts(text) == (verdict != "invalid"), (verdict, text)
            for judge in (ReportValidator(case["schema"]), SecondJudge(case["schema"])):
                assert bool(judge.violations(value)) == (verdict != "valid"), (verdict, text)
