"""A real server on a port of the system's choice, and calls to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from service.client import AsyncReportClient
from service.config import Settings
from service.errors import Failure
from service.pb.escribano.v1 import report_pb2 as pb
from service.pb.escribano.v1 import report_pb2_grpc as pb_grpc
from service.rpc.server import ReportServer
from service.rpc.status import failure_of_call
from tests.fakes import FakeGenerator

GENERATE = "/escribano.v1.ReportService/GenerateReport"


@dataclass(frozen=True)
class Service:
    """A running server, and three ways to call it."""

    generator: FakeGenerator
    server: ReportServer
    port: int
    channel: grpc.aio.Channel
    stub: Any
    client: AsyncReportClient


@asynccontextmanager
async def serving(generator: FakeGenerator | None = None, **settings: Any) -> AsyncIterator[Service]:
    """A server that answers with this generator until the block ends."""
    generator = generator or FakeGenerator()
    server = ReportServer(generator, Settings(port=0, **settings))
    port = await server.start()
    target = f"127.0.0.1:{port}"
    async with grpc.aio.insecure_channel(target) as channel, AsyncReportClient(target, timeout_s=10) as client:
        stub = pb_grpc.ReportServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            yield Service(generator, server, port, channel, stub, client)
        finally:
            generator.gate.set()
            await server.drain(0)


def message(**changes: Any) -> pb.GenerateReportRequest:
    """A good request with these fields instead."""
    return pb.GenerateReportRequest(**({"question": "All is well.", "schema_id": "agent_status"} | changes))


def raw(channel: grpc.aio.Channel, method: str, data: bytes) -> Awaitable[bytes]:
    """A call with bytes, and the bytes it is answered with."""
    call: Any = channel.unary_unary(method)
    answer: Awaitable[bytes] = call(data)
    return answer


async def failure_of_awaiting(call: Awaitable[Any]) -> Failure:
    """How a call fails, as its status tells it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of_call(caught.value)
