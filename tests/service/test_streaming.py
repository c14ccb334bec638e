"""Values are told while the report is written: over the wire as they were made, from the generator as they stand in the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import canonical_json, parse_json
from schemas.grounding import leaves
from schemas.locating import finished_leaves
from service.client import ReportClient, ReportError
from service.errors import DeadlineExceeded, QueueFull
from service.evidence import QUESTION, Evidence, Span, Status
from service.generator import Generator
from service.pb.escribano.v1 import report_pb2 as pb
from service.request import DecodingOptions, GenerationRequest, Grounding
from service.result import GenerationResult
from service.streaming import LeafDone, LeavesWithdrawn, Step, StreamEvent, tell_steps
from tests import tiny
from tests.fakes import RESULT, FakeGenerator
from tests.service.harness import message, serving
from tests.strategies import values

EVENTS = (
    LeafDone('"on_track"', Evidence("/status", "classify", Status.CLASSIFIED, confidence=0.75)),
    LeafDone("12.5", Evidence("/cost", "normalize", Status.NORMALIZED, Span(QUESTION, 0, 3), 0.5)),
    LeavesWithdrawn(1),
    LeafDone("13", Evidence("/cost", "normalize", Status.UNSUPPORTED)),
)
ASKED = GenerationRequest("All is well.", schema_id="agent_status")
REPORT = {
    "type": "object", "required": ["name", "n", "checks"], "additionalProperties": False,
    "properties": {
        "name": {"type": "string"}, "n": {"type": "integer"},
        "checks": {
            "type": "array", "minItems": 4, "maxItems": 4, "uniqueItems": True,
            "items": {
                "type": "object", "required": ["policy", "result"], "additionalProperties": False,
                "properties": {"policy": {"enum": ["privacy", "security"]}, "result": {"enum": ["pass", "fail"]}},
            },
        },
    },
}  # fmt: skip
NOTE = "Ana Ruiz looked at 12 claims on 3 May; privacy passed, security did not."


async def gathered(events: AsyncIterator[StreamEvent]) -> list[StreamEvent]:
    return [event async for event in events]


# --- over the wire -------------------------------------------------------------------------------------------------------


async def test_events_arrive_in_order_and_as_they_were_made() -> None:
    async with serving() as service:
        service.generator.events = EVENTS
        assert await gathered(service.client.stream(ASKED)) == [*EVENTS, RESULT]
        assert service.generator.requests == [ASKED]


async def test_the_plain_client_streams_too() -> None:
    async with serving() as service:
        service.generator.events = EVENTS

        def stream() -> list[StreamEvent]:
            with ReportClient(f"127.0.0.1:{service.port}") as client:
                return list(client.stream(ASKED))

        assert await asyncio.to_thread(stream) == [*EVENTS, RESULT]


async def test_a_stream_fails_as_a_single_call_fails() -> None:
    def full(request: GenerationRequest) -> GenerationResult:
        raise QueueFull(8)

    async with serving(FakeGenerator(full)) as service:
        with pytest.raises(ReportError) as caught:
            await gathered(service.client.stream(ASKED))
        assert caught.value.reason == "QUEUE_FULL"
        call = service.stub.StreamReport(pb.StreamReportRequest(request=message(question=" ")))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_stops_listening_stops_the_decoding() -> None:
    async with serving() as service:
        service.generator.events = EVENTS[:1]
        service.generator.gate.clear()
        events = service.client.stream(ASKED)
        assert await anext(events) == EVENTS[0]
        await events.aclose()
        async with asyncio.timeout(10):
            while not service.generator.num_cancelled:
                await asyncio.sleep(0.01)


# --- from the generator --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generator]:
    folder = tmp_path_factory.mktemp("weights")
    tiny.save_base(folder, seed=1)
    found = Generator.open(str(folder))
    yield found
    found.close()


def ask(**options: Any) -> GenerationRequest:
    return GenerationRequest(NOTE, schema_json=json.dumps(REPORT), options=DecodingOptions(max_new_tokens=400, **options))


def standing(events: Iterable[StreamEvent]) -> list[tuple[str, Any]]:
    """The leaves that were told and not withdrawn."""
    told: list[tuple[str, Any]] = []
    for event in events:
        if isinstance(event, LeafDone):
            told.append((event.evidence.pointer, json.loads(event.value_json)))
        elif isinstance(event, LeavesWithdrawn):
            assert event.num_kept < len(told)
            del told[event.num_kept :]
    return told


@pytest.mark.parametrize("options", [{}, {"grounding": Grounding.OFF}, *({"temperature": 1.5, "seed": seed} for seed in range(6))])
async def test_what_was_told_and_stands_is_the_report(generator: Generator, options: dict[str, Any]) -> None:
    *told, result = await gathered(generator.stream(ask(**options)))
    assert isinstance(result, GenerationResult) and result.valid
    assert standing(told) == list(leaves(json.loads(result.report_json)))
    assert result.report_json == (await generator.generate(ask(**options))).report_json
    last = {event.evidence.pointer: event.evidence for event in told if isinstance(event, LeafDone)}
    for leaf in result.evidence:
        assert (last[leaf.pointer].status, last[leaf.pointer].grounding) == (leaf.status, leaf.grounding)
        assert last[leaf.pointer].confidence == pytest.approx(leaf.confidence)


async def test_a_report_that_is_taken_up_again_withdraws_what_it_takes_back(generator: Generator) -> None:
    found = [await gathered(generator.stream(ask(temperature=1.5, seed=seed))) for seed in range(6)]
    again = [events for events in found if isinstance(events[-1], GenerationResult) and events[-1].num_attempts > 1]
    assert again and all(any(isinstance(event, LeavesWithdrawn) for event in events) for events in again)


async def test_the_deadline_holds_for_what_is_told_too(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    async def told_for_ever(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("service.generator.tell_steps", told_for_ever)
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(gathered(generator.stream(ask(), timeout_s=3)), 30)


async def test_closing_a_stream_frees_the_engine(generator: Generator) -> None:
    events = generator.stream(ask())
    assert isinstance(await anext(events), LeafDone)
    await events.aclose()
    assert (await generator.generate(ask())).valid


@pytest.mark.parametrize("text", ["", '{"a":"é😀"}', "plain words", "\ufffd"])
def test_the_tokens_of_a_text_end_where_it_ends_even_where_bytes_are_no_character(generator: Generator, text: str) -> None:
    tokens = generator._base.tokenizer.encode(text, add_special_tokens=False).ids
    for token_ids in (tokens, tokens[:-1], [*tokens[1:], *tokens[:1]], tokens[::-1]):
        written = generator._decode(token_ids)
        ends = generator._token_ends(token_ids, written)
        assert len(ends) == len(token_ids) and ends[-1:] == [len(written)] * bool(token_ids)


def test_a_model_with_nothing_to_say_streams_nothing(tmp_path: Path) -> None:
    assert list(finished_leaves("")) == list(finished_leaves('{"a')) == list(finished_leaves('{"a":')) == []
    assert [where for where, _ in finished_leaves('{"a":"x","b":12')] == ["/a"], "a number is final when something follows it"
    assert [where for where, _ in finished_leaves('{"a":"x","b":12,')] == ["/a", "/b"]
    assert [where for where, _ in finished_leaves('{"a":"x","b":0.')] == ["/a"]


@settings(deadline=None)
@given(st.text(alphabet='{}[]",:01.-e \\nulNaN\n', max_size=40))
def test_whatever_a_model_writes_without_a_mask_what_is_told_is_json(text: str) -> None:
    for _, (start, end) in finished_leaves(text):
        parse_json(text[start:end])


@settings(deadline=None)
@given(values(), st.data())
def test_a_leaf_that_is_told_early_is_a_leaf_in_the_end(value: Any, data: st.DataObject) -> None:
    text = canonical_json(value)
    cut = data.draw(st.integers(0, len(text)))
    early = [(where, json.loads(text[start:end])) for where, (start, end) in finished_leaves(text[:cut])]
    assert early == list(leaves(value))[: len(early)]


@pytest.mark.asyncio
async def test_of_steps_that_came_meanwhile_only_the_newest_is_read() -> None:
    read: list[int] = []

    class Leaves:
        def after(self, token_ids: tuple[int, ...], logprobs: tuple[float, ...]) -> list[LeavesWithdrawn]:
            read.append(len(token_ids))
            return [LeavesWithdrawn(len(token_ids))]

    steps: asyncio.Queue[Step[str] | None] = asyncio.Queue()
    told: list[object] = []
    for number in (1, 2, 3):
        steps.put_nowait(("report", (0,) * number, (0.0,) * number))
    steps.put_nowait(None)
    await asyncio.wait_for(tell_steps(steps, lambda _: Leaves(), told.append), 10)  # type: ignore[arg-type, return-value]
    assert read == [3] and told == [LeavesWithdrawn(3)]
