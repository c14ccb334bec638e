"""What the shell needs of a generator, and nothing more.

Owns: the `ReportGenerator` protocol and the plain facts it tells of adapters and base.
Does not know: how reports are written (`service/generator.py`, or `tests/fakes.py`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.admission import AdmittedSchema
from schemas.catalog import Catalog
from service.request import GenerationRequest
from service.result import GenerationResult
from service.streaming import StreamEvent


class AdapterFacts(Protocol):
    """A loaded adapter, as `ListAdapters` tells of it."""

    @property
    def adapter_id(self) -> str: ...
    @property
    def schema_id(self) -> str: ...
    @property
    def schema_digest(self) -> str: ...
    @property
    def adapter_digest(self) -> str: ...
    @property
    def base_digest(self) -> str: ...
    @property
    def rank(self) -> int: ...
    @property
    def lora_alpha(self) -> float: ...
    @property
    def size_bytes(self) -> int: ...


class BaseFacts(Protocol):
    """The base model, as far as a caller is told of it."""

    @property
    def base_digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """`AdapterFacts` as plain data; `size_bytes` of the weights."""

    adapter_id: str
    schema_id: str
    schema_digest: str
    adapter_digest: str
    base_digest: str
    rank: int
    lora_alpha: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SchemaInfo:
    """A schema of the catalog without its text; `checked` are pointers to keywords enforced after decoding only. `longest_report_bytes`: None without bound."""

    schema_id: str
    schema_digest: str
    title: str
    description: str
    checked: tuple[str, ...]
    longest_report_bytes: int | None


class ReportGenerator(Protocol):
    """Writes reports. Cancelling the task that awaits `generate`, or closing what `stream` gave, cancels the decoding."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def adapters(self) -> Sequence[AdapterFacts]: ...
    @property
    def base_info(self) -> BaseFacts: ...
    @property
    def closed(self) -> bool:
        """Nothing is decoded any more: it was closed, or has died."""
        ...

    def stream(self, request: GenerationRequest, *, timeout_s: float | None = None) -> AsyncGenerator[StreamEvent]: ...

    async def generate(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult: ...

    def close(self) -> None: ...


def adapter_info(adapter: AdapterFacts) -> AdapterInfo:
    """The facts of an adapter as plain data."""
    return AdapterInfo(**{name: getattr(adapter, name) for name in AdapterInfo.__dataclass_fields__})


def schema_info(admitted: AdmittedSchema) -> SchemaInfo:
    """The facts of an admitted schema of the catalog."""
    title, description = (str(admitted.schema.get(name, "")) for name in ("title", "description"))
    return SchemaInfo(str(admitted.schema_id), admitted.digest, title, description, tuple(admitted.checked), admitted.longest_bytes)
