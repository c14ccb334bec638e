"""The reference engine keeps the contract, and writes what the engine writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from schemas.catalog import Catalog
from schemas.validation import SecondJudge
from service.engine.engine import EngineClosed
from service.errors import DeadlineExceeded, ShuttingDown
from service.generator import Generator
from service.reference import _prefix_mask, reference_generator
from service.request import BASE_ADAPTER_ID, DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import FinishReason, GenerationResult
from tests import tiny
from training.base.prefix import attention_mask

CHECKED = json.dumps({"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2, "uniqueItems": True})
VERDICT = json.dumps({
    "type": "object", "required": ["status", "done"], "additionalProperties": False,
    "properties": {"status": {"enum": ["on_track", "at_risk", "off_track"]}, "done": {"type": "boolean"}},
})  # fmt: skip
NOTES = ("It runs.", "The migration of Ana's team is on track; it cost 12.5 so far, and nobody minds.", "Blocked since Monday")


@pytest.fixture(scope="module", params=[False, True], ids=["causal", "prefix"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Generator, Generator]]:
    """The engine and the reference over the same random base and adapter."""
    folder = tmp_path_factory.mktemp("weights")
    tiny.save_base(folder / "base", prefix_lm=request.param)
    tiny.save_adapter(folder / "base", folder / "agent_status")
    _say_special_tokens(folder / "base")
    arguments = (str(folder / "base"), [folder / "agent_status"])
    ours, theirs = Generator.open(*arguments), reference_generator(*arguments)
    yield ours, theirs
    ours.close()
    theirs.close()


def _say_special_tokens(folder: Path) -> None:
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


def ask(question: str, **changes: Any) -> GenerationRequest:
    told: dict[str, Any] = {"schema_json": VERDICT, "options": DecodingOptions(grounding=Grounding.OFF, max_new_tokens=60)}
    return GenerationRequest(question, **(told | changes))


def free(question: str, adapter: bool) -> GenerationRequest:
    options = DecodingOptions(mode=Mode.FREE, max_new_tokens=40)
    return ask(question, schema_json=None, schema_id="agent_status", adapter_id="agent_status" if adapter else BASE_ADAPTER_ID, options=options)


async def at_once(generator: Generator, requests: list[GenerationRequest]) -> list[GenerationResult]:
    return await asyncio.gather(*map(generator.generate, requests))


@pytest.mark.parametrize("adapter", [False, True], ids=["base", "adapter"])
def test_without_a_mask_both_write_the_same_tokens_one_by_one_and_in_a_batch(both: tuple[Generator, Generator], adapter: bool) -> None:
    ours, theirs = both
    want = [ours.generate_blocking(free(note, adapter)) for note in NOTES]
    alone = [theirs.generate_blocking(free(note, adapter)) for note in NOTES]
    together = asyncio.run(at_once(theirs, [free(note, adapter) for note in NOTES]))
    for expected, one, other in zip(want, alone, together, strict=True):
        assert one.report_json == other.report_json == expected.report_json
        assert (one.finish_reason, one.num_completion_tokens) == (expected.finish_reason, expected.num_completion_tokens)


def test_base_and_adapter_are_not_the_same_writer(both: tuple[Generator, Generator]) -> None:
    _, theirs = both
    assert theirs.generate_blocking(free(NOTES[0], False)).report_json != theirs.generate_blocking(free(NOTES[0], True)).report_json


def test_under_the_mask_every_report_is_valid_and_canonical(both: tuple[Generator, Generator]) -> None:
    _, theirs = both
    for result in asyncio.run(at_once(theirs, [ask(note) for note in NOTES])):
        assert result.valid and result.finish_reason is FinishReason.STOP and result.num_forced_tokens == 0
        assert not SecondJudge(json.loads(VERDICT)).check(result.report_json).violations
        assert " " not in result.report_json and list(json.loads(result.report_json)) == ["status", "done"]
        assert [leaf.confidence is not None for leaf in result.evidence] == [True, True]


def test_what_only_validation_refuses_is_decoded_again(both: tuple[Generator, Generator]) -> None:
    _, theirs = both
    result = theirs.generate_blocking(ask(NOTES[0], schema_json=CHECKED))
    assert result.valid and sorted(json.loads(result.report_json)) == [False, True]


def test_a_report_that_is_cut_off_is_never_valid(both: tuple[Generator, Generator]) -> None:
    _, theirs = both
    result = theirs.generate_blocking(ask(NOTES[0], options=DecodingOptions(grounding=Grounding.OFF, max_new_tokens=3)))
    assert (result.finish_reason, result.valid, result.num_completion_tokens) == (FinishReason.LENGTH, False, 3)


def test_the_same_seed_gives_the_same_report(both: tuple[Generator, Generator]) -> None:
    _, theirs = both
    found = [theirs.generate_blocking(ask(NOTES[0], options=DecodingOptions(temperature=1.5, seed=seed, grounding=Grounding.OFF))) for seed in (7, 7)]
    assert found[0].report_json == found[1].report_json


def test_a_deadline_ends_the_decoding(both: tuple[Generator, Generator]) -> None:
    _, theirs = both
    with pytest.raises(DeadlineExceeded):
        theirs.generate_blocking(free(NOTES[0], True), timeout_s=0.001)
    assert theirs.generate_blocking(ask(NOTES[0])).valid, "and the next request is answered"


def test_the_prompt_of_every_row_sees_itself_both_ways_as_in_training() -> None:
    config = tiny.config(prefix_lm=True)
    want = attention_mask(config, torch.tensor([5]), 8)
    assert want is not None
    assert torch.equal(_prefix_mask(torch.ones(1, 8, dtype=torch.bool), 3) < 0, want < 0)
    padded = _prefix_mask(torch.tensor([[False] * 3 + [True] * 8]), 3)
    assert torch.equal(padded[..., 3:, 3:] < 0, want < 0) and bool((padded[..., 3:, :3] < 0).all())


def test_a_closed_reference_takes_no_work(tmp_path: Path) -> None:
    tiny.save_base(tmp_path / "base")
    _say_special_tokens(tmp_path / "base")
    generator = reference_generator(str(tmp_path / "base"), catalog=Catalog.load())
    generator.close()
    with pytest.raises(ShuttingDown):
        generator.generate_blocking(ask(NOTES[0]))
    with pytest.raises(EngineClosed):
        generator._engine.submit(None)  # type: ignore[arg-type]
