"""The catalog, and the dashboard's contract in it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from schemas.admission import SchemaRefused
from schemas.catalog import Catalog, SchemaUnknown
from schemas.nodes import mapped, subschemas
from schemas.validation import ReportValidator, SecondJudge
from tests.mask_engine import MaskEngine

CONTRACT = Path(os.environ.get("ESCRIBANO_CONTRACT", "../shared/contract")) / "agent_status.schema.json"
ANNOTATIONS = ("title", "description", "x-grounding")
CONTRACT_SHA256 = "35d31357b8e49c7f95caa35d4992b415a014a23d9cc0688a9ee0ae7372a8c2ce"
"""Of the contract's text without annotations, as `json.dumps` writes it."""


def report() -> dict[str, Any]:
    """A full, valid agent_status report."""
    return {
        "agent_id": "invoice-triage-2",
        "owner": {"name": "Ana Ruiz", "email": None},
        "period": {"start": "2026-10-01", "end": "2026-10-31"},
        "status": "on_track",
        "progress_percent": 45,
        "oversight": "unspecified",
        "usage": {
            "tasks_completed": 12400,
            "tasks_failed": None,
            "cost": {"amount": 310.5, "currency": "EUR"},
            "p95_latency_ms": 4200,
        },
        "incidents": [],
        "policy_checks": [{"policy": "fairness", "result": "pass"}],
        "risks": [],
        "next_actions": [],
        "approval": {"status": "pending", "approver": None, "decided_on": None},
        "escalated_to": None,
    }


def test_the_catalog_has_agent_status_under_its_file_stem() -> None:
    catalog = Catalog.load()
    assert "agent_status" in catalog.ids()
    assert catalog.get("agent_status").schema["$id"] == "urn:escribano:schema:agent_status"


def test_an_unknown_schema_names_the_known_ones() -> None:
    with pytest.raises(SchemaUnknown, match="agent_status") as caught:
        Catalog.load().get("nope")
    assert caught.value.schema_id == "nope" and "agent_status" in caught.value.known


def test_a_catalog_with_a_refused_schema_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"type": "object", "$anchor": "x"}')
    with pytest.raises(SchemaRefused):
        Catalog.load(tmp_path)


def bare(node: dict[str, Any]) -> dict[str, Any]:
    """A schema's node without what asserts nothing."""
    return {key: value for key, value in node.items() if key not in ANNOTATIONS}


def test_agent_status_is_the_contract_with_nothing_but_annotations_added() -> None:
    """By its digest where the contract is not beside this checkout; the order of keys counts too."""
    ours = json.dumps(mapped(Catalog.load().get("agent_status").schema, bare))
    assert hashlib.sha256(ours.encode()).hexdigest() == CONTRACT_SHA256
    if CONTRACT.exists():
        assert ours == json.dumps(mapped(json.loads(CONTRACT.read_text("utf-8")), bare))


def test_every_property_of_agent_status_has_a_title_and_a_description() -> None:
    def untold(node: Any, path: str) -> list[str]:
        found = [
            sub for inner, item in subschemas(node) for sub in untold(item, path + "/" + "/".join(map(str, inner)))
        ]
        named = path.rpartition("/")[0].endswith(("properties", "$defs"))
        return found + ([path] if named and not ("title" in node and "description" in node) else [])

    schema = Catalog.load().get("agent_status").schema
    told = {key: value for key, value in schema["properties"]["approval"].items() if key not in ("if", "then")}
    schema = schema | {"properties": schema["properties"] | {"approval": told}}
    assert untold(schema, "") == []


@pytest.mark.parametrize(
    ("change", "keyword"),
    [
        ({"approval": {"status": "approved", "approver": None, "decided_on": None}}, "type"),
        ({"agent_id": "Invoice"}, "pattern"),
        ({"status": "late"}, "enum"),
        ({"progress_percent": 101}, "anyOf"),
        ({"period": {"start": "2026-02-29", "end": "2026-03-01"}}, "format"),
        ({"extra": 1}, "additionalProperties"),
        ({"policy_checks": [{"policy": "fairness", "result": "pass"}] * 2}, "uniqueItems"),
    ],
)
def test_both_judges_refuse_what_the_contract_refuses(change: dict[str, Any], keyword: str) -> None:
    schema = Catalog.load().get("agent_status").schema
    assert not ReportValidator(schema).violations(report()) and not SecondJudge(schema).violations(report())
    assert [found.keyword for found in ReportValidator(schema).violations(report() | change)] == [keyword]
    assert [found.keyword for found in SecondJudge(schema).violations(report() | change)] == [keyword]


def test_the_mask_of_agent_status_leaves_two_keywords_to_check() -> None:
    admitted = Catalog.load().get("agent_status")
    assert admitted.checked == (
        "/properties/owner/properties/email/anyOf/0/format",
        "/properties/policy_checks/uniqueItems",
    )
    engine = MaskEngine(admitted.mask_schema)
    assert engine.accepts(json.dumps(report(), separators=(",", ":")))
    approved = {"status": "approved", "approver": None, "decided_on": None}
    assert not engine.accepts(json.dumps(report() | {"approval": approved}, separators=(",", ":")))
    approved["approver"] = "Ana"
    assert engine.accepts(json.dumps(report() | {"approval": approved}, separators=(",", ":")))
