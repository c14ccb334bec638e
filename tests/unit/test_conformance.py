"""The public conformance suite: admitted schemas judge as it says, refused ones name a pointer."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from schemas.admission import AdmittedSchema, SchemaRefused, admit
from schemas.canonical import canonical_json, in_schema_order
from schemas.validation import ReportValidator
from tests.mask_engine import MaskEngine, MaskError

SUITE = Path(os.environ.get("ESCRIBANO_CONFORMANCE", "../shared/conformance/jsts_2020_12.jsonl"))
pytestmark = pytest.mark.skipif(not SUITE.exists(), reason=f"no conformance suite at {SUITE}")

DEPARTURES: dict[str, str] = {}
"""Cases where this project departs from the suite on purpose, with the reason."""


@cache
def cases() -> tuple[tuple[dict[str, Any], AdmittedSchema | SchemaRefused], ...]:
    found: list[tuple[dict[str, Any], AdmittedSchema | SchemaRefused]] = []
    for line in SUITE.read_text("utf-8").strip().split("\n"):
        case = json.loads(line)
        if not case["assert_format"] and _names_format(case["schema"]):
            continue  # here format always asserts; those cases say that it does not
        try:
            found.append((case, admit(case["schema"])))
        except SchemaRefused as refused:
            found.append((case, refused))
    return tuple(found)


def _names_format(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "format" in schema or any(map(_names_format, schema.values()))
    return isinstance(schema, list) and any(map(_names_format, schema))


def test_every_admitted_schema_judges_as_the_suite_says() -> None:
    wrong, tally = [], Counter[str]()
    for case, found in cases():
        tally["refused" if isinstance(found, SchemaRefused) else "admitted"] += 1
        if isinstance(found, SchemaRefused) or case["id"] in DEPARTURES:
            continue
        judge = ReportValidator(found.schema)
        wrong += [(case["id"], value) for value in case["valid_instances"] if judge.violations(value)]
        wrong += [(case["id"], value) for value in case["invalid_instances"] if not judge.violations(value)]
    print(dict(tally))
    assert wrong == []
    assert tally["admitted"] >= 200


def test_every_refused_schema_names_a_place() -> None:
    for case, found in cases():
        if isinstance(found, SchemaRefused):
            assert all(finding.message for finding in found.findings), case["id"]
            assert isinstance(case["schema"], bool) or any(
                finding.pointer or "no instance" in finding.message for finding in found.findings
            ), case["id"]


def test_the_mask_takes_every_valid_instance_of_the_suite() -> None:
    shut_out = []
    for case, found in cases():
        if isinstance(found, SchemaRefused) or case["id"] in DEPARTURES:
            continue
        try:
            engine = MaskEngine(found.mask_schema)
        except MaskError as error:
            shut_out.append((case["id"], str(error)[:200]))
            continue
        shut_out += [
            (case["id"], value)
            for value in case["valid_instances"]
            if not engine.accepts(canonical_json(in_schema_order(value, found.schema)))
        ]
    assert shut_out == []


def test_the_mask_refuses_invalid_instances_of_schemas_with_nothing_to_check() -> None:
    let_by = []
    for case, found in cases():
        if isinstance(found, SchemaRefused) or found.checked:
            continue
        engine = MaskEngine(found.mask_schema)
        let_by += [
            (case["id"], value)
            for value in case["invalid_instances"]
            if engine.accepts(canonical_json(in_schema_order(value, found.schema)))
        ]
    assert let_by == []
