"""The promise of admission, on generated schemas: no instance is shut out, and what slips by is named."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.admission import AdmittedSchema, SchemaRefused, admit
from schemas.canonical import JsonInvalid, canonical_json, in_schema_order, parse_json
from schemas.masking.rewrite import Choice, Domain, Node, choices
from schemas.validation import ReportValidator, SecondJudge, validator
from tests.mask_engine import MaskEngine, MaskError
from tests.strategies import conditionals, documents, mutations, report_schemas, subschemas, values_near

EXAMPLES = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def engine_of(schema: AdmittedSchema) -> MaskEngine:
    """The compiled mask; a schema whose patterns and lengths contradict each other is passed over."""
    try:
        return MaskEngine(schema.mask_schema)
    except MaskError as error:
        assert "Unsatisfiable" in str(error), (str(error), schema.schema)
        assume(False)
        raise


@EXAMPLES
@given(st.data(), report_schemas())
def test_the_mask_takes_every_valid_instance_and_an_invalid_one_only_by_a_checked_keyword(
    data: st.DataObject, schema: AdmittedSchema
) -> None:
    engine, judge = engine_of(schema), ReportValidator(schema.schema)
    near = values_near(schema.schema)
    for value in data.draw(st.lists(near | near.flatmap(mutations), min_size=1, max_size=5)):
        text = canonical_json(in_schema_order(value, schema.schema))
        taken = engine.accepts(text)
        if not judge.violations(value):
            assert taken, value
            assert len(text.encode()) <= (schema.longest_bytes or math.inf), text
        elif not schema.checked:
            assert not taken, value


@EXAMPLES
@given(report_schemas(), st.integers(0, 2**32))
def test_whatever_the_mask_writes_is_valid_or_breaks_a_checked_keyword(schema: AdmittedSchema, seed: int) -> None:
    text = engine_of(schema).write(seed)
    if text is None:
        return
    assert len(text.encode()) <= (schema.longest_bytes or math.inf), text
    try:
        value = parse_json(text)
    except JsonInvalid as error:
        assert "twice" in error.reason and schema.repeatable, error.reason
        return
    if not schema.checked:
        assert not ReportValidator(schema.schema).violations(value), text


@EXAMPLES
@given(st.data(), report_schemas())
def test_both_judges_agree(data: st.DataObject, schema: AdmittedSchema) -> None:
    value = data.draw(values_near(schema.schema))
    first, second = ReportValidator(schema.schema).violations(value), SecondJudge(schema.schema).violations(value)
    assert bool(first) == bool(second), (first, second)


@EXAMPLES
@given(st.data(), documents())
def test_the_mask_schema_holds_every_instance_for_an_independent_judge(data: st.DataObject, schema: Any) -> None:
    try:
        found = admit(schema)
    except SchemaRefused as refused:
        assert all(finding.message for finding in refused.findings)
        return
    value = data.draw(values_near(schema))
    valid, masked = not SecondJudge(schema).violations(value), not SecondJudge(found.mask_schema).violations(value)
    assert masked or not valid
    if not found.checked:
        assert masked == valid


@EXAMPLES
@given(st.data(), conditionals(subschemas(0)))
def test_an_exact_rewriting_holds_the_same_instances(data: st.DataObject, schema: Any) -> None:
    whole = {"properties": schema["properties"], "required": schema.get("required", [])}
    for choice in _choices(schema):
        keywords = {"if", "then", "else"} if choice.keyword == "if" else {choice.keyword}
        before = whole | {key: schema[key] for key in keywords if key in schema}
        if choice.keyword in ("dependentRequired", "dependentSchemas") and len(schema[choice.keyword]) > 1:
            continue
        value = data.draw(values_near(before | {"type": "object", "$defs": _DEFS}))
        one = _judge(before).is_valid(value)
        other = _judge(whole | {"allOf": [_as_schema(choice)]}).is_valid(value)
        assert (one == other) if choice.exact else (other or not one), (choice, value)


def _as_schema(choice: Choice) -> Any:
    """The alternatives written as one schema; none is what no value satisfies."""
    return {"anyOf": [{"allOf": [node.schema for node in branch]} for branch in choice.branches]} if choice.branches else False


_DEFS = {"one": {"type": "integer"}, "two": {"enum": ["on", "off"]}}


def _judge(schema: Any) -> Any:
    return _compiled(json.dumps(schema | {"$defs": _DEFS}))


@cache
def _compiled(text: str) -> Any:
    return validator(json.loads(text))


def _choices(schema: Any) -> list[Choice]:
    def listed(path: tuple[str, ...]) -> Any:
        return schema["properties"].get(path[0], {}).get("enum") if len(path) == 1 else None

    return list(choices(Node("", schema), Domain(listed), lambda branches: False))
