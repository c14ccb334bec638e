"""Where requests of the command line go: into this process or to a server.

Owns: making a generator from settings, and one `Backend` of either kind.
Does not know: the command line, or how a report is written. The engine is imported when it is needed, not before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.canonical import canonical_json
from schemas.catalog import Catalog
from service.client import AsyncReportClient, ReportClient
from service.command.bulk import Send
from service.config import Settings
from service.ports import AdapterInfo, ReportGenerator, SchemaInfo, adapter_info, schema_info
from service.request import GenerationRequest
from service.result import GenerationResult

if TYPE_CHECKING:
    from service.generator import Generator


class OpenFailed(RuntimeError):
    """The model cannot be loaded with these settings; told to whoever started the program, never to a caller."""


def open_generator(settings: Settings) -> Generator:
    """The generator of these settings, its weights loaded.

    Raises:
        OpenFailed: a base or an adapter is missing, unreadable or made for another.
    """
    from service.generator import Generator
    from service.rpc.reloading import adapters_below

    try:
        root = settings.adapter_root
        generator = Generator.open(
            base=settings.base,
            adapters=(*settings.adapters, *(adapters_below(root) if root else ())),
            device=settings.device,
            threads=settings.threads,
            max_batch_size=settings.max_batch_size,
            max_queue=settings.max_queue,
        )
    except (OSError, ValueError, LookupError) as error:
        raise OpenFailed(f"cannot load the model: {error}") from error
    return generator


def reloader(generator: Generator, settings: Settings) -> Callable[[], None] | None:
    """What looks through the adapters' directory again; None where there is none.

    Raises: OpenFailed.
    """
    from service.rpc.reloading import AdapterRoot
    from service.weights.adapters import adapter_directories
    from service.weights.checkpoint import EMBEDDED_ADAPTERS

    if settings.adapter_root is None:
        return None
    try:
        shipped = adapter_directories(EMBEDDED_ADAPTERS) if settings.base is None else ()
        return AdapterRoot(generator, settings.adapter_root, (*shipped, *settings.adapters)).reload
    except (OSError, ValueError) as error:
        raise OpenFailed(f"cannot load the adapters: {error}") from error


@dataclass(frozen=True, slots=True)
class Backend:
    """What answers the command line: the server at `server` ("host:port") or, where it is None, this process."""

    settings: Settings
    server: str | None
    timeout_s: float

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[Send]:
        """A function that sends one request, for as long as the context is open."""
        if self.server is None:
            generator = open_generator(self.settings)
            try:
                yield self._in_process(generator)
            finally:
                generator.close()
        else:
            async with AsyncReportClient(self.server, timeout_s=self.timeout_s) as client:
                yield client.send

    def schemas(self) -> tuple[SchemaInfo, ...]:
        """The catalog, by id."""
        if self.server is None:
            catalog = Catalog.load()
            return tuple(schema_info(catalog.get(schema_id)) for schema_id in sorted(catalog.ids()))
        with ReportClient(self.server, timeout_s=self.timeout_s) as client:
            return client.schemas()

    def schema_json(self, schema_id: str) -> str:
        """The text of one schema of the catalog."""
        if self.server is None:
            return canonical_json(Catalog.load().get(schema_id).schema)
        with ReportClient(self.server, timeout_s=self.timeout_s) as client:
            return client.schema_json(schema_id)

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """The loaded adapters, by id."""
        if self.server is None:
            generator = open_generator(self.settings)
            try:
                return tuple(adapter_info(a) for a in sorted(generator.adapters, key=lambda a: a.adapter_id))
            finally:
                generator.close()
        with ReportClient(self.server, timeout_s=self.timeout_s) as client:
            return client.adapters()

    def _in_process(self, generator: ReportGenerator) -> Send:
        async def send(request: GenerationRequest) -> GenerationResult:
            return await generator.generate(request, timeout_s=self.timeout_s)

        return send
