"""A request reaches the generator as it was sent, and its result the caller as it was made."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

from schemas.canonical import parse_json
from schemas.catalog import Catalog
from schemas.grounding import Kind
from schemas.violation import Violation
from service.client import ReportClient
from service.evidence import Evidence, Span, Status
from service.pb.escribano.v1 import report_pb2 as pb
from service.ports import AdapterInfo
from service.request import LIMITS, ContextItem, DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import FinishReason, GenerationResult
from tests.fakes import ADAPTER, RESULT, FakeGenerator, result
from tests.service.harness import message, serving

pytestmark = pytest.mark.asyncio

FULL = GenerationRequest(
    question="¿Cómo va? 😀",
    context=(ContextItem("mail", "Está bien."), ContextItem("log", "ok")),
    schema_json='{"type":"object"}',
    adapter_id="base",
    options=DecodingOptions(Mode.FREE, 17, 0.5, LIMITS.max_seed, Grounding.OFF),
)
NUMBERS = {Grounding.STRICT: pb.GROUNDING_STRICT, Grounding.OFF: pb.GROUNDING_OFF}
BROKEN = Violation("maximum", "/a", "/properties/a/maximum", "is too large")


@pytest.mark.parametrize("request_", [FULL, GenerationRequest("Hi", schema_id="agent_status")], ids=["full", "bare"])
async def test_a_request_arrives_as_it_was_sent(request_: GenerationRequest) -> None:
    async with serving() as service:
        await service.client.send(request_)
    assert service.generator.requests == [request_]


async def test_what_is_unset_on_the_wire_is_unset_in_the_request() -> None:
    async with serving() as service:
        await service.stub.GenerateReport(message())
    assert service.generator.requests == [GenerationRequest("All is well.", schema_id="agent_status")]
    assert service.generator.timeouts == [None]


@pytest.mark.parametrize(
    "made",
    [
        RESULT,
        result(native_valid=False, num_interventions=3, num_attempts=2),
        result(finish_reason=FinishReason.LENGTH, valid=False, native_valid=False, report_json='{"a":'),
        result(finish_reason=FinishReason.BUDGET_CLOSED, native_valid=False),
        result(valid=False, native_valid=False, violations=(BROKEN,)),
        result(adapter_id=None, adapter_digest=None, prompt_tokens_saved=0),
        result(report_json='{"n":9007199254740993,"x":0.1,"s":"ñ"}'),
        result(evidence=tuple(Evidence(f"/{kind}/{status.name}", kind, status) for kind in get_args(Kind) for status in Status)),
        result(evidence=(Evidence("/a~1b", "extract", Status.COPIED, Span("mail-1", 7, 9)),)),
    ],
    ids=["native", "helped", "cut off", "closed", "invalid", "base", "numbers", "every status", "a span of the context"],
)
async def test_a_result_arrives_as_it_was_made(made: GenerationResult) -> None:
    async with serving(FakeGenerator(lambda request: made)) as service:
        assert await service.client.send(FULL) == made


@pytest.mark.parametrize("asked", Grounding)
async def test_the_grounding_arrives_as_asked_and_is_told_as_applied(asked: Grounding) -> None:
    async with serving(FakeGenerator(lambda r: result(grounding=r.options.grounding))) as service:
        made = await service.client.generate("Hi", schema_id="agent_status", options=DecodingOptions(grounding=asked))
        answer = await service.stub.GenerateReport(message(options=pb.DecodingOptions(grounding=NUMBERS[asked])))
    assert [r.options.grounding for r in service.generator.requests] == [asked, asked]
    assert made.grounding is asked and answer.grounding == NUMBERS[asked]


@pytest.mark.parametrize("options", [None, pb.DecodingOptions(), pb.DecodingOptions(grounding=pb.GROUNDING_UNSPECIFIED)])
async def test_grounding_is_strict_unless_it_is_told_otherwise(options: pb.DecodingOptions | None) -> None:
    async with serving(FakeGenerator(lambda r: result(grounding=Grounding.OFF))) as service:
        answer = await service.stub.GenerateReport(message(options=options))
    assert service.generator.requests[0].options.grounding is Grounding.STRICT
    assert answer.grounding == pb.GROUNDING_OFF, "what was applied, not what was asked"


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async with serving(FakeGenerator(lambda r: result(report_json=f'{{"q":"{r.question}"}}'))) as service:
        calls = [service.client.generate(f"note {i}", schema_id="agent_status") for i in range(100)]
        reports = [parse_json(made.report_json)["q"] for made in await asyncio.gather(*calls)]
    assert reports == [f"note {i}" for i in range(100)]


async def test_the_largest_request_fits_the_message_limit() -> None:
    context = {f"c{i}": "😀" * 1250 for i in range(16)}
    schema_json = '{"title":"%s"}' % ("a" * (LIMITS.max_schema_json_bytes - 12))
    async with serving() as service:
        await service.client.generate("😀" * 20_000, context=context, schema_json=schema_json)


async def test_the_catalog_is_listed_and_its_schemas_are_told_as_text() -> None:
    catalog = Catalog.load()
    async with serving() as service:
        listed = await service.client.schemas()
        texts = {info.schema_id: await service.client.schema_json(info.schema_id) for info in listed}
    assert [info.schema_id for info in listed] == sorted(catalog.ids())
    for info in listed:
        admitted = catalog.get(info.schema_id)
        assert (info.schema_digest, info.title, info.checked) == (
            admitted.digest,
            admitted.schema["title"],
            admitted.checked,
        )
        assert parse_json(texts[info.schema_id]) == admitted.schema
        assert list(parse_json(texts[info.schema_id])["properties"]) == list(admitted.schema["properties"])


async def test_the_adapters_are_listed_by_id() -> None:
    other = AdapterInfo("aaa", "agent_status", "d", "d", "d", 8, 16.0, 1)
    generator = FakeGenerator()
    generator.adapters = (ADAPTER, other)
    async with serving(generator) as service:
        assert await service.client.adapters() == (other, ADAPTER)


async def test_the_sync_client_says_what_the_async_one_says() -> None:
    async with serving() as service:

        def ask() -> tuple[object, ...]:
            with ReportClient(f"127.0.0.1:{service.port}", timeout_s=10) as client:
                made = client.generate("Hi", context={"c": "x"}, schema_id="agent_status")
                return made, client.schemas(), client.adapters(), client.schema_json("agent_status")

        told = await asyncio.to_thread(ask)
        schema_json = await service.client.schema_json("agent_status")
        assert told == (RESULT, await service.client.schemas(), (ADAPTER,), schema_json)
