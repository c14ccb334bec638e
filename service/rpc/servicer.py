"""The five methods of `ReportService`: message in, message or typed failure out.

Owns: the way of every call (decode, do, encode, abort, log one line) and the calls in flight.
Does not know: how a report is written, or how the server is bound. Logs codes, counts and durations, never texts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message

from schemas.canonical import canonical_json
from service.errors import DeadlineExceeded, Failure, RequestInvalid, ShuttingDown, failure_of
from service.pb.escribano.v1 import report_pb2 as pb
from service.ports import ReportGenerator, schema_info
from service.rpc import status as rpc_status
from service.rpc import wire

logger = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["ReportService"].full_name

CANCEL_S = 1.0
"""How long decodings may take to notice that they were cancelled."""

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message | None)
Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Q, Context], Awaitable[R]]


class ReportServicer:
    """Answers calls with one generator."""

    def __init__(self, generator: ReportGenerator) -> None:
        self._generator = generator
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._draining = False
        self._overdue = False
        self._idle = asyncio.Event()
        self._idle.set()

    def handler(self) -> grpc.GenericRpcHandler:
        """The handler to add to a server; its deserializers never raise, so that bad bytes get a typed answer too."""
        methods = {
            "GenerateReport": _rpc(self._guarded("GenerateReport", self.generate_report), pb.GenerateReportRequest),
            "StreamReport": _rpc(self._guarded("StreamReport", self.stream_report), pb.StreamReportRequest, grpc.unary_stream_rpc_method_handler),
            "ListSchemas": _rpc(self._guarded("ListSchemas", self.list_schemas), pb.ListSchemasRequest),
            "GetSchema": _rpc(self._guarded("GetSchema", self.get_schema), pb.GetSchemaRequest),
            "ListAdapters": _rpc(self._guarded("ListAdapters", self.list_adapters), pb.ListAdaptersRequest),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def drain(self, grace_s: float) -> int:
        """Refuses new calls, waits for those in flight, ends what is left after `grace_s` seconds as SHUTTING_DOWN.

        Returns how many calls were ended.
        """
        self._draining = True
        if await self._is_idle_within(grace_s):
            return 0
        self._overdue = True
        overdue = tuple(self._in_flight)
        for work in overdue:
            work.cancel()
        await self._is_idle_within(CANCEL_S)
        return len(overdue)

    async def generate_report(self, message: pb.GenerateReportRequest, context: Context) -> pb.GenerateReportResponse:
        """Writes one report."""
        request = wire.to_request(message)
        timeout_s = context.time_remaining()
        if timeout_s is not None and timeout_s <= 0:
            raise DeadlineExceeded
        return wire.from_result(await self._generator.generate(request, timeout_s=timeout_s))

    async def stream_report(self, message: pb.StreamReportRequest, context: Context) -> None:
        """Writes one report, its values as they are done."""
        request = wire.to_request(message.request)
        timeout_s = context.time_remaining()
        if timeout_s is not None and timeout_s <= 0:
            raise DeadlineExceeded
        async with aclosing(self._generator.stream(request, timeout_s=timeout_s)) as events:
            async for event in events:
                await context.write(wire.from_event(event))

    async def list_schemas(self, message: pb.ListSchemasRequest, context: Context) -> pb.ListSchemasResponse:
        """Lists the catalog."""
        catalog = self._generator.catalog
        infos = (schema_info(catalog.get(schema_id)) for schema_id in sorted(catalog.ids()))
        return pb.ListSchemasResponse(schemas=[wire.from_schema(info) for info in infos])

    async def get_schema(self, message: pb.GetSchemaRequest, context: Context) -> pb.GetSchemaResponse:
        """Returns one schema of the catalog."""
        admitted = self._generator.catalog.get(message.schema_id)
        info = wire.from_schema(schema_info(admitted))
        return pb.GetSchemaResponse(schema=info, schema_json=canonical_json(admitted.schema))

    async def list_adapters(self, message: pb.ListAdaptersRequest, context: Context) -> pb.ListAdaptersResponse:
        """Lists the loaded adapters."""
        adapters = sorted(self._generator.adapters, key=lambda adapter: adapter.adapter_id)
        base_digest = self._generator.base_info.base_digest
        return pb.ListAdaptersResponse(adapters=map(wire.from_adapter, adapters), base_digest=base_digest)

    def _guarded(self, name: str, method: Method[Q, R]) -> Callable[[Q | RequestInvalid, Context], Awaitable[R]]:
        async def call(message: Q | RequestInvalid, context: Context) -> R:
            started_s = time.perf_counter()
            try:
                response = await self._answer(method, message, context)
                _log(name, time.perf_counter() - started_s, "OK")
                return response
            except Exception as error:
                failure = failure_of(error)
                _log(name, time.perf_counter() - started_s, failure.code, failure.reason)
            except asyncio.CancelledError:
                _log(name, time.perf_counter() - started_s, "CANCELLED")
                raise
            await _abort(context, failure)

        return call

    async def _answer(self, method: Method[Q, R], message: Q | RequestInvalid, context: Context) -> R:
        if isinstance(message, RequestInvalid):
            raise message
        if self._draining:
            raise ShuttingDown
        work = asyncio.ensure_future(method(message, context))
        self._in_flight.add(work)
        self._idle.clear()
        try:
            return await work
        except asyncio.CancelledError:
            if self._overdue:
                raise ShuttingDown from None
            raise
        finally:
            self._forget(work)

    def _forget(self, work: asyncio.Future[Any]) -> None:
        self._in_flight.discard(work)
        if not self._in_flight:
            self._idle.set()

    async def _is_idle_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _rpc(method: Any, message_type: type[Message], handler: Any = grpc.unary_unary_rpc_method_handler) -> grpc.RpcMethodHandler[Any, Any]:
    found: grpc.RpcMethodHandler[Any, Any] = handler(
        method,
        request_deserializer=wire.decoder(message_type),
        response_serializer=lambda response: response.SerializeToString(),
    )
    return found


async def _abort(context: Context, failure: Failure) -> NoReturn:
    abort = rpc_status.abort_of(failure)
    await context.abort(abort.code, abort.details, abort.trailing_metadata)
    raise AssertionError("abort raises")


def _log(method: str, total_s: float, code: str, reason: str = "") -> None:
    fields = {"method": method, "code": code, "reason": reason, "total_s": round(total_s, 4)}
    logger.info("call", extra={key: value for key, value in fields.items() if value != ""})
