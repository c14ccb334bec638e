"""What a generation gave: the report's text and everything a caller needs to trust it or not.

Owns: `GenerationResult`, `FinishReason` and what must hold between their fields.
Does not know: gRPC, the model, or how the counts were made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import Enum

from schemas.violation import Violation
from service.evidence import Evidence
from service.request import Grounding


class FinishReason(Enum):
    """Why the decoding ended."""

    STOP = "stop"
    """The model closed the instance."""
    LENGTH = "length"
    """`max_new_tokens` was reached first: the text is cut off and is never valid."""
    BUDGET_CLOSED = "budget_closed"
    """The report was ended early so as to stay within `max_new_tokens`: it is valid, and what it leaves out may stand in the texts all the same."""


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """One report with its attestation.

    `native_valid`: valid with no intervention, a step where the mask changed the argmax. Counts are of tokens, forward
    passes and attempts; `num_completion_tokens` includes the `num_forced_tokens`. `*_s` are wall-clock seconds.
    Digests are "sha256:<64 hex>". `adapter_id` and `adapter_digest` are None where the base wrote the report.
    `prompt_tokens_saved`: how many tokens longer the prompt would be with the schema in it; 0 without an adapter.
    `evidence`: one for each leaf of a valid report.
    """

    report_json: str
    valid: bool
    native_valid: bool
    num_interventions: int
    finish_reason: FinishReason
    violations: tuple[Violation, ...]
    num_prompt_tokens: int
    num_completion_tokens: int
    num_forced_tokens: int
    num_forward_passes: int
    num_attempts: int
    queue_s: float
    prefill_s: float
    decode_s: float
    total_s: float
    schema_id: str
    schema_digest: str
    adapter_id: str | None
    adapter_digest: str | None
    base_digest: str
    prompt_tokens_saved: int = 0
    grounding: Grounding = Grounding.OFF
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        assert not (self.valid and self.finish_reason is FinishReason.LENGTH), "a cut-off report is never valid"
        assert not (self.valid and self.violations), "a valid report has no violations"
        assert self.valid or self.finish_reason is not FinishReason.BUDGET_CLOSED, "a closed report is valid"
        assert self.valid or self.violations or self.finish_reason is FinishReason.LENGTH, "invalid, but why?"
        assert not self.native_valid or self.finish_reason is FinishReason.STOP, "a report that was ended early had help"
        assert not self.native_valid or (self.valid and self.num_interventions == 0), "native_valid needs no help"
        assert (self.adapter_id is None) == (self.adapter_digest is None), "an adapter has a name and a digest"
        assert self.valid or not self.evidence, "evidence is of a valid report"
        assert self.num_attempts >= 1 and self.num_forced_tokens <= self.num_completion_tokens
        assert all(_is_measure(getattr(self, f.name)) for f in fields(self) if _is_counted(f.name)), "a count below 0"


def _is_counted(name: str) -> bool:
    return name.startswith("num_") or name.endswith("_s")


def _is_measure(value: float) -> bool:
    return value >= 0 and math.isfinite(value)
