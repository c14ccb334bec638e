"""A typed client of the service, for dashboards and routers: sync and async.

Owns: `ReportClient`, `AsyncReportClient` and `ReportError`, the one exception they raise.
Does not know: how the server works. A request that breaks the contract fails before it is sent, with the same code,
reason and fields that the server would answer.
Run:
    with ReportClient("127.0.0.1:50051") as client:
        result = client.generate("Agent invoice-triage is on track ...", schema_id="agent_status")
        print(result.report_json, result.native_valid)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import grpc

from schemas.violation import Violation
from service.errors import Failure, FieldViolation, RequestInvalid, failure_of
from service.pb.escribano.v1 import report_pb2 as pb
from service.pb.escribano.v1 import report_pb2_grpc as pb_grpc
from service.ports import AdapterInfo, SchemaInfo
from service.request import ContextItem, DecodingOptions, GenerationRequest
from service.result import GenerationResult
from service.rpc import wire
from service.rpc.status import failure_of_call
from service.streaming import StreamEvent

DEFAULT_TIMEOUT_S = 60.0

_OPTIONS = [("grpc.max_receive_message_length", 16 << 20)]


class ReportError(Exception):
    """A call failed: `code` is the gRPC status code's name, `reason` an ErrorReason of the contract."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code} ({failure.reason}): {failure.message}")
        self.failure = failure

    @property
    def code(self) -> str:
        """Name of the gRPC status code, "NOT_FOUND"."""
        return self.failure.code

    @property
    def reason(self) -> str:
        """The documented reason, "SCHEMA_UNKNOWN"; the code's name where gRPC itself failed the call."""
        return self.failure.reason

    @property
    def message(self) -> str:
        """What is wrong, in English."""
        return self.failure.message

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        """The request's fields that are to blame."""
        return self.failure.field_violations

    @property
    def report_violations(self) -> tuple[Violation, ...]:
        """What the report broke, where the reason is REPORT_INVALID."""
        return self.failure.report_violations


class ReportClient:
    """Calls the server at `target` ("host:port"); thread-safe. Every method raises `ReportError`."""

    def __init__(self, target: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._stub = pb_grpc.ReportServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def generate(
        self,
        question: str,
        *,
        context: Mapping[str, str] | None = None,
        schema_id: str | None = None,
        schema_json: str | None = None,
        adapter_id: str | None = None,
        options: DecodingOptions | None = None,
        timeout_s: float | None = None,
    ) -> GenerationResult:
        """Writes one report; `context` maps the id of each further text to it."""
        return self.send(_request(question, context, schema_id, schema_json, adapter_id, options), timeout_s=timeout_s)

    def send(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
        """Writes the report that a request asks for."""
        message = wire.from_request(request)
        return wire.to_result(self._call(self._stub.GenerateReport, message, timeout_s))

    def stream(self, request: GenerationRequest, *, timeout_s: float | None = None) -> Iterator[StreamEvent]:
        """Writes the report that a request asks for: its values as they are done, then the result. Closing the iterator stops the decoding."""
        with _typed_errors():
            call = self._stub.StreamReport(_streamed(request), timeout=self._timeout_s if timeout_s is None else timeout_s)
            try:
                for message in call:
                    if (event := wire.to_event(message)) is not None:
                        yield event
            finally:
                call.cancel()

    def schemas(self) -> tuple[SchemaInfo, ...]:
        """The catalog."""
        return tuple(map(wire.to_schema, self._call(self._stub.ListSchemas, pb.ListSchemasRequest()).schemas))

    def schema_json(self, schema_id: str) -> str:
        """The text of a schema of the catalog."""
        return str(self._call(self._stub.GetSchema, pb.GetSchemaRequest(schema_id=schema_id)).schema_json)

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """The loaded adapters."""
        return tuple(map(wire.to_adapter, self._call(self._stub.ListAdapters, pb.ListAdaptersRequest()).adapters))

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, message: Any, timeout_s: float | None = None) -> Any:
        with _typed_errors():
            return method(message, timeout=self._timeout_s if timeout_s is None else timeout_s)


class AsyncReportClient:
    """`ReportClient` for an event loop. Cancelling the task that awaits a call cancels the decoding."""

    def __init__(self, target: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
        self._stub = pb_grpc.ReportServiceStub(self._channel)  # type: ignore[no-untyped-call]

    async def generate(
        self,
        question: str,
        *,
        context: Mapping[str, str] | None = None,
        schema_id: str | None = None,
        schema_json: str | None = None,
        adapter_id: str | None = None,
        options: DecodingOptions | None = None,
        timeout_s: float | None = None,
    ) -> GenerationResult:
        """Writes one report; `context` maps the id of each further text to it."""
        request = _request(question, context, schema_id, schema_json, adapter_id, options)
        return await self.send(request, timeout_s=timeout_s)

    async def send(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
        """Writes the report that a request asks for."""
        message = wire.from_request(request)
        return wire.to_result(await self._call(self._stub.GenerateReport, message, timeout_s))

    async def stream(self, request: GenerationRequest, *, timeout_s: float | None = None) -> AsyncGenerator[StreamEvent]:
        """Writes the report that a request asks for: its values as they are done, then the result. Closing the generator stops the decoding."""
        with _typed_errors():
            call = self._stub.StreamReport(_streamed(request), timeout=self._timeout_s if timeout_s is None else timeout_s)
            try:
                async for message in call:
                    if (event := wire.to_event(message)) is not None:
                        yield event
            finally:
                call.cancel()

    async def schemas(self) -> tuple[SchemaInfo, ...]:
        """The catalog."""
        return tuple(map(wire.to_schema, (await self._call(self._stub.ListSchemas, pb.ListSchemasRequest())).schemas))

    async def schema_json(self, schema_id: str) -> str:
        """The text of a schema of the catalog."""
        return str((await self._call(self._stub.GetSchema, pb.GetSchemaRequest(schema_id=schema_id))).schema_json)

    async def adapters(self) -> tuple[AdapterInfo, ...]:
        """The loaded adapters."""
        response = await self._call(self._stub.ListAdapters, pb.ListAdaptersRequest())
        return tuple(map(wire.to_adapter, response.adapters))

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, method: Any, message: Any, timeout_s: float | None = None) -> Any:
        with _typed_errors():
            return await method(message, timeout=self._timeout_s if timeout_s is None else timeout_s)


def _streamed(request: GenerationRequest) -> pb.StreamReportRequest:
    return pb.StreamReportRequest(request=wire.from_request(request))


def _request(
    question: str,
    context: Mapping[str, str] | None,
    schema_id: str | None,
    schema_json: str | None,
    adapter_id: str | None,
    options: DecodingOptions | None,
) -> GenerationRequest:
    items = tuple(ContextItem(key, text) for key, text in (context or {}).items())
    with _typed_errors():
        return GenerationRequest(question, items, schema_id, schema_json, adapter_id, options or DecodingOptions())


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except RequestInvalid as error:
        raise ReportError(failure_of(error)) from None
    except grpc.RpcError as error:
        raise ReportError(failure_of_call(error)) from None
