"""The shipped weights on the demo's notes: nothing faked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from transformers import AutoTokenizer

from schemas.catalog import Catalog
from schemas.grounding import leaves
from schemas.validation import SecondJudge
from service.checkpoint import EMBEDDED, EMBEDDED_BASE
from service.demo import NOTES
from service.evidence import Status
from service.generator import Generator
from service.request import DecodingOptions, GenerationRequest, Grounding, Mode

pytestmark = pytest.mark.skipif(not EMBEDDED_BASE.is_dir(), reason="no weights are embedded")


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    made = Generator.open()
    yield made
    made.close()


@pytest.mark.parametrize("language", NOTES)
async def test_a_demo_note_gives_a_valid_report_of_its_agent(generator: Generator, language: str) -> None:
    result = await generator.generate(GenerationRequest(NOTES[language], schema_id="agent_status"))
    report = json.loads(result.report_json)
    assert result.valid and not SecondJudge(Catalog.load().get("agent_status").schema).violations(report)
    assert result.adapter_id == "agent_status" and result.grounding is Grounding.STRICT
    assert report["agent_id"] in NOTES[language] and report["owner"]["name"] in NOTES[language]
    for found in result.evidence:
        assert found.status is not Status.UNSUPPORTED or found.grounding == "normalize"
        if found.status is Status.COPIED:
            assert found.span is not None and NOTES[language][found.span.start : found.span.end]
    assert [e.pointer for e in result.evidence] == [pointer for pointer, _ in leaves(report)]
    assert result.num_forced_tokens > 0 and result.num_forward_passes < result.num_attempts * result.num_completion_tokens


async def test_free_and_masked_reports_agree_where_the_mask_changed_nothing(generator: Generator) -> None:
    note = NOTES["English"]
    masked = await generator.generate(
        GenerationRequest(note, schema_id="agent_status", options=DecodingOptions(grounding=Grounding.OFF))
    )
    free = await generator.generate(GenerationRequest(note, schema_id="agent_status", options=DecodingOptions(mode=Mode.FREE)))
    assert masked.native_valid == (masked.num_interventions == 0)
    if masked.native_valid:
        assert masked.report_json == free.report_json


async def test_the_base_writes_under_a_schema_it_never_saw(generator: Generator) -> None:
    schema = {
        "type": "object",
        "properties": {"ticket": {"type": "string"}, "urgent": {"type": "boolean"}, "opened": {"type": "string", "format": "date"}},
        "required": ["ticket", "urgent", "opened"],
        "additionalProperties": False,
    }
    question = "ticket: printer on floor 3 is smoking\nopened: 2026-11-02\nurgent: yes"
    result = await generator.generate(GenerationRequest(question, schema_json=json.dumps(schema)))
    report = json.loads(result.report_json)
    assert result.valid and result.adapter_id is None
    assert report["opened"] == "2026-11-02" and report["ticket"] in question


def test_the_shipped_base_is_ready_for_transformers() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_BASE)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "<pad>")


def test_the_weights_are_small_and_hold_no_pickle() -> None:
    files = [f for f in EMBEDDED.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 40_000_000
    assert {f.suffix for f in files} <= {".safetensors", ".json", ".md"}
