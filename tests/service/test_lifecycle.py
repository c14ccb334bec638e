"""A server says whether it serves, describes itself, and ends without losing a call."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from service.config import Settings
from service.rpc.server import EngineDied, PortUnavailable, ReportServer, _serve
from service.rpc.servicer import SERVICE
from tests.fakes import RESULT, FakeGenerator
from tests.service.harness import GENERATE, failure_of_awaiting, message, raw, serving

pytestmark = pytest.mark.asyncio

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["", SERVICE])
async def test_health_says_serving(name: str) -> None:
    async with serving() as service:
        check = health_pb2_grpc.HealthStub(service.channel).Check
        assert (await check(health_pb2.HealthCheckRequest(service=name))).status == SERVING


async def test_reflection_lists_the_service_and_shows_its_file() -> None:
    async with serving() as service:
        info = reflection_pb2_grpc.ServerReflectionStub(service.channel).ServerReflectionInfo
        requests = (
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        )
        listed, shown = [response async for response in info(iter(requests))]
    assert SERVICE in {s.name for s in listed.list_services_response.service}
    assert any(b"GenerateReportRequest" in f for f in shown.file_descriptor_response.file_descriptor_proto)


async def test_a_drain_tells_health_first_refuses_new_calls_and_finishes_those_in_flight() -> None:
    async with serving() as service:
        service.generator.gate.clear()
        watch = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == SERVING
        in_flight = service.stub.GenerateReport(message())
        while not service.generator.requests:
            await asyncio.sleep(0.01)
        drain = asyncio.create_task(service.server.drain(10))
        assert (await watch.read()).status == NOT_SERVING
        failure = await failure_of_awaiting(service.stub.GenerateReport(message()))
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
        assert not drain.done()
        service.generator.gate.set()
        assert (await in_flight).report_json == RESULT.report_json
        await asyncio.wait_for(drain, 5)


async def test_a_call_that_outlasts_the_grace_period_is_cancelled_and_told_so() -> None:
    async with serving() as service:
        service.generator.gate.clear()
        in_flight = service.stub.GenerateReport(message())
        while not service.generator.requests:
            await asyncio.sleep(0.01)
        await service.server.drain(0.1)
        assert service.generator.num_cancelled == 1
        assert (await failure_of_awaiting(in_flight)).reason == "SHUTTING_DOWN"


async def test_a_taken_port_is_told_not_shared() -> None:
    async with serving() as service:
        second = ReportServer(FakeGenerator(), Settings(port=service.port))
        with pytest.raises(PortUnavailable, match=str(service.port)):
            await second.start()


SERVE = """
import sys
from service import logs
from service.rpc import server
from service.config import Settings
from tests.fakes import FakeGenerator

class Slow(FakeGenerator):
    async def generate(self, request, *, timeout_s=None):
        import asyncio
        print("started", flush=True)
        await asyncio.sleep(float(request.question))
        return await super().generate(request, timeout_s=timeout_s)

    def close(self):
        print("closed", flush=True)

logs.configure("INFO", as_json=True)
server.serve(Slow(), Settings(port=0), lambda port: print(port, flush=True), lambda: print("hangup", flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_drains_the_process_and_closes_the_generator(number: signal.Signals) -> None:
    with started() as process:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{line_of(process)}") as channel:
            in_flight = call(channel, "0.5")
            assert await asyncio.to_thread(line_of, process) == "started"
            process.send_signal(number)
            assert await in_flight
        out, log = process.communicate(timeout=10)
    assert (out.split(), process.returncode) == (["closed"], 0)
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [(e["event"], e.get("code")) for e in events] == [("draining", None), ("call", "OK")]
    assert "0.5" not in [value for event in events for value in event.values()]


async def test_a_hangup_is_answered_beside_calls_as_often_as_it_comes() -> None:
    with started() as process:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{line_of(process)}") as channel:
            in_flight = call(channel, "0.5")
            assert await asyncio.to_thread(line_of, process) == "started"
            for _ in range(2):
                process.send_signal(signal.SIGHUP)
                assert await asyncio.to_thread(line_of, process) == "hangup"
            assert await in_flight
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


async def test_a_second_signal_does_not_wait_for_the_calls_in_flight() -> None:
    with started() as process:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{line_of(process)}") as channel:
            in_flight = call(channel, "60")
            assert await asyncio.to_thread(line_of, process) == "started"
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            assert (await failure_of_awaiting(in_flight)).reason == "SHUTTING_DOWN"
        assert process.wait(10) == 0


async def test_a_server_whose_engine_has_died_ends_and_says_so() -> None:
    generator = FakeGenerator()
    ready = asyncio.Event()
    serving_until = asyncio.create_task(_serve(generator, Settings(port=0), lambda _: ready.set(), None))
    await asyncio.wait_for(ready.wait(), 10)
    assert not serving_until.done()
    generator.closed = True
    with pytest.raises(EngineDied):
        await asyncio.wait_for(serving_until, 10)


def started() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVE]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def call(channel: grpc.aio.Channel, question: str) -> Awaitable[object]:
    return raw(channel, GENERATE, message(question=question).SerializeToString())
