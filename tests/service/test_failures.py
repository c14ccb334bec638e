"""Every failure has its code, reason and fields over a real channel; the server goes on; its insides stay inside."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import Any

import pytest

from service.client import ReportError
from service.errors import TABLE, failure_of
from service.pb.escribano.v1 import report_pb2 as pb
from tests.fakes import RESULT, FakeGenerator
from tests.samples import EXAMPLES
from tests.service.harness import GENERATE, Service, failure_of_awaiting, message, raw, serving

pytestmark = pytest.mark.asyncio


def failing(error: BaseException) -> FakeGenerator:
    def answer(request: object) -> Any:
        raise error

    return FakeGenerator(answer)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
async def test_each_row_of_the_table_reaches_the_caller(error: Exception) -> None:
    async with serving(failing(error)) as service:
        assert await failure_of_awaiting(service.stub.GenerateReport(message())) == failure_of(error)


async def test_the_table_is_covered() -> None:
    assert {type(error) for error in EXAMPLES} == {row.exception for row in TABLE}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("error", [KeyError("secret"), RuntimeError("secret"), MemoryError("secret")], ids=repr)
async def test_nothing_of_an_unexpected_exception_is_told(error: Exception) -> None:
    async with serving(failing(error)) as service:
        failure = await failure_of_awaiting(service.stub.GenerateReport(message()))
        assert failure.code == failure.reason == "INTERNAL"
        assert "secret" not in str(failure) and type(error).__name__ not in str(failure)
        assert dict(failure.metadata)["error_id"] in failure.message
        await still_serves(service)


BAD_REQUESTS: dict[str, tuple[dict[str, Any], str, str, list[str]]] = {
    "an empty question": ({"question": ""}, "INVALID_ARGUMENT", "REQUEST_INVALID", ["question"]),
    "a question over the limit": ({"question": "a" * 20_001}, "INVALID_ARGUMENT", "REQUEST_INVALID", ["question"]),
    "a NUL": ({"question": "a\0"}, "INVALID_ARGUMENT", "REQUEST_INVALID", ["question"]),
    "no schema": ({"schema_id": None}, "INVALID_ARGUMENT", "REQUEST_INVALID", ["schema"]),
    "an unknown schema": ({"schema_id": "nope"}, "NOT_FOUND", "SCHEMA_UNKNOWN", ["schema_id"]),
    "an unknown adapter": ({"adapter_id": "nope"}, "NOT_FOUND", "ADAPTER_UNKNOWN", ["adapter_id"]),
    "an empty adapter id": ({"adapter_id": ""}, "INVALID_ARGUMENT", "REQUEST_INVALID", ["adapter_id"]),
    "no tokens": (
        {"options": pb.DecodingOptions(max_new_tokens=0)},
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["options.max_new_tokens"],
    ),
    "too many tokens": (
        {"options": pb.DecodingOptions(max_new_tokens=4097)},
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["options.max_new_tokens"],
    ),
    "a temperature that is no number and a negative seed": (
        {"options": pb.DecodingOptions(temperature=math.nan, seed=-1)},
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["options.temperature", "options.seed"],
    ),
    "a mode that is none": (
        {"options": pb.DecodingOptions(mode=99)},  # type: ignore[arg-type]
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["options.mode"],
    ),
    "a grounding that is none": (
        {"options": pb.DecodingOptions(grounding=99)},  # type: ignore[arg-type]
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["options.grounding"],
    ),
    "all of that at once": (
        {"question": "", "options": pb.DecodingOptions(mode=99, grounding=98, max_new_tokens=4097)},  # type: ignore[arg-type]
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["question", "options.max_new_tokens", "options.mode", "options.grounding"],
    ),
    "a repeated context id": (
        {"context": [pb.ContextItem(id="a", text="x"), pb.ContextItem(id="a", text="y")]},
        "INVALID_ARGUMENT",
        "REQUEST_INVALID",
        ["context[1].id"],
    ),
}


@pytest.mark.parametrize("case", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
async def test_a_bad_request_has_its_code_and_its_fields(case: tuple[dict[str, Any], str, str, list[str]]) -> None:
    changes, code, reason, fields = case
    async with serving() as service:
        failure = await failure_of_awaiting(service.stub.GenerateReport(message(**changes)))
        assert (failure.code, failure.reason) == (code, reason)
        assert [violation.field for violation in failure.field_violations] == fields
        await still_serves(service)


BAD_SCHEMAS = {
    "not JSON": "{",
    "a duplicate key": '{"type":"object","type":"object"}',
    "a lone surrogate": '{"title":"\\ud800"}',
    "not a schema": '{"type":"nonsense"}',
    "no object": "7",
    "a remote $ref": '{"type":"object","properties":{"a":{"$ref":"http://127.0.0.1:1/a.json"}}}',
    "a $ref to a file": '{"$ref":"file:///etc/passwd"}',
    "a refused keyword": '{"type":"object","unevaluatedProperties":false,"$dynamicRef":"#a"}',
    "another draft": '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}',
    "nesting without end": '{"properties":{"a":' * 40 + "{}" + "}}" * 40,
}


@pytest.mark.parametrize("schema_json", BAD_SCHEMAS.values(), ids=BAD_SCHEMAS.keys())
async def test_a_bad_schema_is_refused_with_a_pointer(schema_json: str) -> None:
    async with serving() as service:
        request = message(schema_id=None, schema_json=schema_json)
        failure = await failure_of_awaiting(service.stub.GenerateReport(request))
        assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "SCHEMA_REFUSED")
        assert all(v.field == "schema_json" and v.description.startswith("#") for v in failure.field_violations)
        await still_serves(service)


def length_delimited(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


SURROGATE = "\ud800".encode("utf-8", "surrogatepass")
BAD_BYTES = {
    "a lone surrogate in the question": (length_delimited(1, SURROGATE), ["question"]),
    "a lone surrogate in the second context": (
        length_delimited(1, b"q") + length_delimited(2, b"") + length_delimited(2, length_delimited(2, SURROGATE)),
        ["context[1].text"],
    ),
    "a lone surrogate in the schema": (length_delimited(4, SURROGATE), ["schema_json"]),
    "no message at all": (b"\xff\xff\xff", ["request"]),
    "a message cut short": (message().SerializeToString()[:-3], ["request"]),
}


@pytest.mark.parametrize("case", BAD_BYTES.values(), ids=BAD_BYTES.keys())
async def test_bytes_that_are_no_request_are_a_typed_failure_too(case: tuple[bytes, list[str]]) -> None:
    data, fields = case
    async with serving() as service:
        failure = await failure_of_awaiting(raw(service.channel, GENERATE, data))
        assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
        assert [violation.field for violation in failure.field_violations] == fields
        await still_serves(service)


async def test_a_stream_names_the_same_field_as_a_call() -> None:
    data, fields = BAD_BYTES["a lone surrogate in the second context"]
    async with serving() as service:
        stream = service.channel.unary_stream("/escribano.v1.ReportService/StreamReport", request_serializer=bytes, response_deserializer=bytes)
        failure = await failure_of_awaiting(anext(aiter(stream(length_delimited(1, data)))))
        assert [violation.field for violation in failure.field_violations] == fields


async def test_a_message_over_the_size_limit_is_refused_by_grpc() -> None:
    async with serving(max_message_bytes=1 << 16) as service:
        failure = await failure_of_awaiting(service.stub.GenerateReport(message(question="a" * (1 << 17))))
        assert failure.code == failure.reason == "RESOURCE_EXHAUSTED"
        await still_serves(service)


async def test_a_method_that_is_none_is_unimplemented() -> None:
    async with serving() as service:
        call = raw(service.channel, "/escribano.v1.ReportService/Nope", b"")
        assert (await failure_of_awaiting(call)).code == "UNIMPLEMENTED"


async def test_get_schema_of_an_unknown_schema_names_the_field() -> None:
    async with serving() as service:
        failure = await failure_of_awaiting(service.stub.GetSchema(pb.GetSchemaRequest(schema_id="nope")))
    assert (failure.code, failure.reason) == ("NOT_FOUND", "SCHEMA_UNKNOWN")
    assert [violation.field for violation in failure.field_violations] == ["schema_id"]


async def test_an_expired_deadline_ends_the_decoding() -> None:
    async with serving() as service:
        service.generator.gate.clear()
        failure = await failure_of_awaiting(service.stub.GenerateReport(message(), timeout=0.2))
        assert failure.code == failure.reason == "DEADLINE_EXCEEDED"
        [timeout_s] = service.generator.timeouts
        assert timeout_s is not None and 0 < timeout_s <= 0.25, "what is left of it, by the clock of gRPC"
        service.generator.gate.set()
        await still_serves(service)


async def test_a_cancelled_call_cancels_the_decoding() -> None:
    async with serving() as service:
        service.generator.gate.clear()
        call = service.stub.GenerateReport(message())
        await until(lambda: bool(service.generator.requests))
        call.cancel()
        await until(lambda: service.generator.num_cancelled == 1)
        service.generator.gate.set()
        await still_serves(service)


async def test_the_client_tells_a_bad_request_as_the_server_does() -> None:
    async with serving() as service:
        local = await report_error(service.client.generate("", schema_id="agent_status"))
        remote = await failure_of_awaiting(service.stub.GenerateReport(message(question="")))
    assert local.failure == remote
    assert service.generator.requests == []


async def test_the_client_raises_what_the_server_told() -> None:
    async with serving() as service:
        error = await report_error(service.client.generate("Hi", schema_id="nope"))
    assert (error.code, error.reason) == ("NOT_FOUND", "SCHEMA_UNKNOWN")
    assert [violation.field for violation in error.field_violations] == ["schema_id"]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with serving() as service:
        await service.server.drain(0)
        error = await report_error(service.client.generate("Hi", schema_id="agent_status"))
    assert error.code == error.reason == "UNAVAILABLE"


async def report_error(call: Awaitable[Any]) -> ReportError:
    with pytest.raises(ReportError) as caught:
        await call
    return caught.value


async def still_serves(service: Service) -> None:
    service.generator.answer = lambda request: RESULT
    response = await service.stub.GenerateReport(message())
    assert response.report_json == RESULT.report_json


async def until(holds: Any, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)
