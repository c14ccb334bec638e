"""A generator that writes what a test tells it to.

Owns: `FakeGenerator` and `result`, a plausible `GenerationResult` with any field replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Any

from schemas.admission import admit_text
from schemas.catalog import Catalog
from service.errors import AdapterUnknown, DeadlineExceeded
from service.evidence import QUESTION, Evidence, Span, Status
from service.ports import AdapterInfo
from service.request import BASE_ADAPTER_ID, GenerationRequest
from service.result import FinishReason, GenerationResult
from service.streaming import StreamEvent

BASE_DIGEST = "sha256:" + "b" * 64
ADAPTER = AdapterInfo(
    adapter_id="agent_status",
    schema_id="agent_status",
    schema_digest="sha256:" + "5" * 64,
    adapter_digest="sha256:" + "a" * 64,
    base_digest=BASE_DIGEST,
    rank=16,
    lora_alpha=32.0,
    size_bytes=1_234_567,
)

RESULT = GenerationResult(
    report_json='{"status":"on_track","cost":12.5}',
    valid=True,
    native_valid=True,
    num_interventions=0,
    finish_reason=FinishReason.STOP,
    violations=(),
    num_prompt_tokens=120,
    num_completion_tokens=40,
    num_forced_tokens=22,
    num_forward_passes=15,
    num_attempts=1,
    queue_s=0.001,
    prefill_s=0.01,
    decode_s=0.03,
    total_s=0.05,
    schema_id="agent_status",
    schema_digest=ADAPTER.schema_digest,
    adapter_id=ADAPTER.adapter_id,
    adapter_digest=ADAPTER.adapter_digest,
    base_digest=BASE_DIGEST,
    prompt_tokens_saved=900,
    evidence=(Evidence("/status", "classify", Status.CLASSIFIED), Evidence("/cost", "normalize", Status.NORMALIZED, Span(QUESTION, 0, 3))),
)


def result(**changes: Any) -> GenerationResult:
    """A valid result with these fields instead; an invalid one has no evidence."""
    return replace(RESULT, **({} if changes.get("valid", True) else {"evidence": ()}), **changes)


@dataclass(frozen=True, slots=True)
class FakeBase:
    """The base of a generator without weights."""

    base_digest: str = BASE_DIGEST


class FakeGenerator:
    """Answers with `answer(request)`, which may raise, after `gate` is open; remembers what was asked and cancelled."""

    def __init__(self, answer: Callable[[GenerationRequest], GenerationResult] = lambda request: RESULT) -> None:
        self.answer = answer
        self.catalog = Catalog.load()
        self.adapters: tuple[AdapterInfo, ...] = (ADAPTER,)
        self.base_info = FakeBase()
        self.requests: list[GenerationRequest] = []
        self.timeouts: list[float | None] = []
        self.num_cancelled = 0
        self.events: tuple[StreamEvent, ...] = ()
        self.closed = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def generate(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
        """What `answer` says, once the gate is open."""
        self.requests.append(request)
        self.timeouts.append(timeout_s)
        if request.schema_id is not None:
            self.catalog.get(request.schema_id)
        if request.schema_json is not None:
            admit_text(request.schema_json)
        if request.adapter_id not in (None, BASE_ADAPTER_ID, ADAPTER.adapter_id):
            raise AdapterUnknown(str(request.adapter_id), (ADAPTER.adapter_id,))
        try:
            await asyncio.wait_for(self.gate.wait(), timeout_s)
        except TimeoutError:
            raise DeadlineExceeded(timeout_s) from None
        except asyncio.CancelledError:
            self.num_cancelled += 1
            raise
        return self.answer(request)

    async def stream(self, request: GenerationRequest, *, timeout_s: float | None = None) -> AsyncGenerator[StreamEvent]:
        """The `events` that were given, then what `generate` gives."""
        for event in self.events:
            yield event
        yield await self.generate(request, timeout_s=timeout_s)

    def close(self) -> None:
        """Remembers that it was closed."""
        self.closed = True
