"""The process that serves: a `grpc.aio` server with health, reflection and a graceful end.

Owns: the port, the message limits, the health status and the order in which things stop.
Does not know: what a report is. TLS and authentication are a proxy's work; bind to loopback or a private network.
Run: `escribano serve`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from service.config import Settings
from service.ports import ReportGenerator
from service.rpc.servicer import SERVICE, ReportServicer

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the server looks whether its engine lives."""
FLUSH_S = 1.0
"""How long answers that are written may take to leave; health watchers are cut off after it."""


class PortUnavailable(OSError):
    """The address cannot be bound: taken, forbidden or not ours."""

    def __init__(self, address: str) -> None:
        super().__init__(f"cannot listen on {address}: another program has that port, or the address is not this machine's; choose another --port, or 0 for a free one")
        self.address = address


class EngineDied(RuntimeError):
    """What decodes has ended by a fault of its own; the process ends, so that whoever watches it starts another."""

    def __init__(self) -> None:
        super().__init__("the engine died of an error, which is in the log; the server has ended")


class ReportServer:
    """One bound server around one generator; make, start and drain it inside one event loop."""

    def __init__(self, generator: ReportGenerator, settings: Settings) -> None:
        self._settings = settings
        self._servicer = ReportServicer(generator)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=_options(settings))
        self._server.add_generic_rpc_handlers((self._servicer.handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self) -> int:
        """Binds and serves; returns the port, which the system chose if 0 was asked for.

        Raises:
            PortUnavailable: the address cannot be bound.
        """
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError:
            await self._server.stop(None)
            raise PortUnavailable(address) from None
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self, grace_s: float) -> None:
        """Tells health NOT_SERVING, refuses new calls, waits for those in flight, ends what is left after `grace_s`."""
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        logger.info("draining", extra={"grace_s": grace_s})
        if num_ended := await self._servicer.drain(grace_s):
            logger.warning("ended calls that outlasted the grace period", extra={"num_calls": num_ended})
        await self._server.stop(FLUSH_S)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for service in ("", SERVICE):
            await self._health.set(service, status)


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.so_reuseport", 0),  # two servers on one port would share its calls between them
    ]


def serve(generator: ReportGenerator, settings: Settings, on_ready: Callable[[int], None], on_hangup: Callable[[], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, or until the engine has died, then drains; a second signal ends the grace period. Closes the generator.

    ``on_hangup`` is called, in a thread of its own, at SIGHUP.

    Raises:
        PortUnavailable: the address cannot be bound.
        EngineDied: nothing can be decoded any more.
    """
    try:
        asyncio.run(_serve(generator, settings, on_ready, on_hangup))
    finally:
        generator.close()


async def _serve(generator: ReportGenerator, settings: Settings, on_ready: Callable[[int], None], on_hangup: Callable[[], None] | None) -> None:
    server = ReportServer(generator, settings)
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    hangups = asyncio.create_task(_answer_hangups(on_hangup))
    on_ready(await server.start())
    ended, dead = asyncio.create_task(signals.get()), asyncio.create_task(_died(generator))
    await asyncio.wait((ended, dead), return_when=asyncio.FIRST_COMPLETED)
    for task in (hangups, ended):
        task.cancel()
    drain = asyncio.create_task(server.drain(settings.grace_s))
    hurry = asyncio.create_task(signals.get())
    await asyncio.wait((drain, hurry), return_when=asyncio.FIRST_COMPLETED)
    if not drain.done():
        drain.cancel()
        await server.drain(0)
    hurry.cancel()
    if dead.done():
        raise EngineDied
    dead.cancel()


async def _died(generator: ReportGenerator) -> None:
    while not generator.closed:
        await asyncio.sleep(LOOK_S)


async def _answer_hangups(on_hangup: Callable[[], None] | None) -> None:
    """One after the other; without anything to do a hangup ends the process as it always does."""
    if on_hangup is None:
        return
    hangups: asyncio.Queue[None] = asyncio.Queue()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangups.put_nowait, None)
    while True:
        await hangups.get()
        await asyncio.to_thread(on_hangup)
