"""A result cannot contradict itself."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.violation import Violation
from service.result import FinishReason
from tests.fakes import result

BROKEN = Violation("maximum", "/a", "/properties/a/maximum", "is too large")


@pytest.mark.parametrize(
    "changes",
    [
        {"finish_reason": FinishReason.LENGTH},
        {"finish_reason": FinishReason.BUDGET_CLOSED, "valid": False, "native_valid": False, "violations": (BROKEN,)},
        {"finish_reason": FinishReason.BUDGET_CLOSED},
        {"violations": (BROKEN,)},
        {"valid": False, "native_valid": False},
        {"valid": False, "violations": (BROKEN,)},
        {"num_interventions": 1},
        {"adapter_id": None},
        {"num_attempts": 0},
        {"num_forced_tokens": 41},
        {"total_s": -1.0},
        {"decode_s": float("nan")},
    ],
    ids=str,
)
def test_a_contradiction_is_our_own_bug(changes: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        result(**changes)


def test_a_cut_off_report_is_not_valid_and_needs_no_violation() -> None:
    assert not result(finish_reason=FinishReason.LENGTH, valid=False, native_valid=False).valid


def test_an_invalid_report_says_what_it_breaks() -> None:
    assert result(valid=False, native_valid=False, violations=(BROKEN,)).violations == (BROKEN,)
