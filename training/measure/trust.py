"""How far a confidence can be trusted: figures over confidences, each with whether its value is right.

Every function is pure; knows no report and no weights. Sources: Guo et al., "On Calibration of Modern Neural Networks" (2017), for the error; Nixon et al., "Measuring
Calibration in Deep Learning" (2019), for groups of equal size. Run: `trust([(0.9, True), (0.4, False)])`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Judged = Sequence[tuple[float, bool]]
"""Confidences in [0, 1], each with whether its leaf is right."""

NUM_GROUPS = 15
COVERAGE = 0.9


class CannotFit(ValueError):
    """The reports do not tell what a confidence is worth: no value was told, or every one is right, or every one is wrong."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Shares of `num_leaves` leaves: right; right of the nine in ten with the highest confidence and of the others; and the expected calibration error."""

    num_leaves: int
    right: float
    calibration_error: float
    right_when_sure: float
    right_when_unsure: float


def trust(judged: Judged) -> Trust:
    """The figures of at least one leaf."""
    sure, right = columns(judged)
    order = np.argsort(-sure, kind="stable")
    kept = max(1, round(COVERAGE * len(order)))
    rest = right[order[kept:]]
    return Trust(len(order), float(right.mean()), calibration_error(judged), float(right[order[:kept]].mean()), float(rest.mean()) if len(rest) else 1.0)


def calibration_error(judged: Judged, num_groups: int = NUM_GROUPS) -> float:
    """Mean absolute gap between mean confidence and share right over groups of equal size, in order of confidence."""
    sure, right = columns(judged)
    order = np.argsort(sure, kind="stable")
    groups = [group for group in np.array_split(order, num_groups) if len(group)]
    return float(sum(len(group) * abs(sure[group].mean() - right[group].mean()) for group in groups) / len(order))


def columns(judged: Judged) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Confidences and verdicts (1.0: right), (leaves,) each, of at least one leaf. Raises: CannotFit without any."""
    if not judged:
        raise CannotFit("no value was told, so there is nothing to learn a confidence from")
    return np.array([sure for sure, _ in judged]), np.array([right for _, right in judged], dtype=np.float64)
