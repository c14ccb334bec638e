"""The backstop's promise: whatever the logits and whatever the schema, a report that stopped is valid, or the request failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.admission import AdmittedSchema, SchemaRefused
from schemas.catalog import Catalog
from schemas.validation import SecondJudge
from service.engine.engine import Engine
from service.engine.matcher import Matcher
from service.engine.sequence import Completion, Job
from service.errors import PromptTooLong, ReportInvalid, RequestInvalid
from service.generator import Generator
from service.grammars import grammar
from service.grammars.grammar import Compiled, Grammars
from service.request import DecodingOptions, GenerationRequest, Mode
from service.result import FinishReason, GenerationResult
from service.weights.checkpoint import read_base
from tests import tiny
from tests.engines import RandomExecutor
from tests.strategies import report_schemas

EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
TOKENIZER = tiny.tokenizer()


def ending_bias() -> np.ndarray:
    """Random logits rarely end a string; these lean to what closes one."""
    texts = [TOKENIZER.decode([i]) for i in range(tiny.VOCAB_SIZE)]
    bias = np.array([4.0 if any(mark in text for mark in '"]}') else 0.0 for text in texts], np.float32)
    bias[tiny.EOS_ID] = 4.0
    return bias


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(RandomExecutor(tiny.VOCAB_SIZE, num_slots=8, context_length=tiny.CONTEXT_LENGTH, bias=ending_bias()))
    yield made
    made.close()


@pytest.fixture(scope="module")
def generator(tiny_base: Path, engine: Engine) -> Iterator[Generator]:
    """One that compiles a stranger's schema in this process, so that many can be tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "_compile_apart", lambda *_: None)
        yield Generator(read_base(tiny_base), [], engine, Catalog.load())


GRAMMARS = Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE, (tiny.EOS_ID,))
OPTIONS = st.builds(
    DecodingOptions, max_new_tokens=st.sampled_from([1, 5, 20, 60, 60]), temperature=st.sampled_from([0.0, 0.0, 1.0, 2.0]), seed=st.integers(0, 2**63 - 1)
)


def asked(schema: AdmittedSchema, options: DecodingOptions, question: str = "?") -> GenerationRequest:
    return GenerationRequest(question, schema_json=json.dumps(schema.schema), options=options)


async def written(generator: Generator, request: GenerationRequest) -> GenerationResult | type[Exception]:
    """The result, or how the request failed; any other failure is a finding."""
    try:
        return await generator.generate(request)
    except (ReportInvalid, PromptTooLong, SchemaRefused, RequestInvalid) as error:
        assert not isinstance(error, RequestInvalid) or "the shortest report found takes" in str(error), str(error)
        assert not isinstance(error, SchemaRefused) or "Unsatisfiable" in str(error) or "unfolds" in str(error), str(error)
        return type(error)


def plain_facts(found: GenerationResult | type[Exception]) -> object:
    """What must be the same each time: everything but the clock."""
    return found if isinstance(found, type) else replace(found, queue_s=0, prefill_s=0, decode_s=0, total_s=0)


@EXAMPLES
@given(schema=report_schemas(), options=OPTIONS, question=st.sampled_from(["a", "b", "c"]))
def test_a_report_that_stopped_is_valid_for_another_judge(
    generator: Generator, schema: AdmittedSchema, options: DecodingOptions, question: str
) -> None:
    found = asyncio.run(written(generator, asked(schema, options, question)))
    if isinstance(found, type):
        return
    assert found.num_completion_tokens <= (options.max_new_tokens or 0)
    assert found.valid == (found.finish_reason is not FinishReason.LENGTH)
    if found.valid:
        assert not SecondJudge(schema.schema).check(found.report_json).violations, found.report_json


@EXAMPLES
@given(schema=report_schemas(depth=1), options=OPTIONS)
def test_the_same_request_gives_the_same_report_again_and_in_a_crowd(generator: Generator, schema: AdmittedSchema, options: DecodingOptions) -> None:
    async def crowd() -> list[GenerationResult | type[Exception]]:
        requests = [asked(schema, options), *(asked(schema, replace(options, seed=s, temperature=1.0), "other") for s in range(3))]
        return await asyncio.gather(*(written(generator, request) for request in [*requests, requests[0]]))

    alone = asyncio.run(written(generator, asked(schema, options)))
    first, *_, last = asyncio.run(crowd())
    assert plain_facts(first) == plain_facts(last) == plain_facts(alone)


@EXAMPLES
@given(schema=report_schemas(), options=OPTIONS)
def test_free_text_is_told_valid_only_where_another_judge_agrees(generator: Generator, schema: AdmittedSchema, options: DecodingOptions) -> None:
    found = asyncio.run(written(generator, asked(schema, replace(options, mode=Mode.FREE))))
    if not isinstance(found, type):
        assert found.num_attempts == 1
        assert found.valid == (found.finish_reason is FinishReason.STOP and not SecondJudge(schema.schema).check(found.report_json).violations)


class Unforced:
    """A matcher that forces nothing: the masked loop of one token after another."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self.allowed, self.consume, self.take = matcher.allowed, matcher.consume, matcher.take

    def copy(self) -> Unforced:
        return Unforced(self._matcher.copy())

    def forced(self) -> list[int]:
        return []


@EXAMPLES
@given(schema=report_schemas(), limit=st.sampled_from([3, 40]), prompt=st.integers(3, 50))
def test_forced_tokens_never_change_what_is_written(engine: Engine, schema: AdmittedSchema, limit: int, prompt: int) -> None:
    compiled = compiled_or_passed_over(schema)
    job = Job((tiny.BOS_ID, prompt), (tiny.EOS_ID,), limit)
    forced = engine.submit(replace(job, matcher=compiled.fresh())).result(30)
    unforced = engine.submit(replace(job, matcher=Unforced(compiled.fresh()))).result(30)
    assert told(forced) == told(unforced)
    assert forced.num_forward_passes <= unforced.num_forward_passes


def compiled_or_passed_over(schema: AdmittedSchema) -> Compiled:
    try:
        return GRAMMARS.compiled(schema, trusted=True)
    except SchemaRefused as error:
        assert "Unsatisfiable" in str(error), str(error)
        assume(False)
        raise


def told(completion: Completion) -> tuple[object, ...]:
    return completion.token_ids, completion.ending, completion.num_interventions
