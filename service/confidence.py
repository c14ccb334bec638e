"""Confidence: for every leaf of a report, the chance that its value is right.

Owns the formula. The mass p of a value is the product of what the model alone, without a mask and at temperature 1, gave each token that writes a character of it, a
string's quotes included: with the opening quote it chose a text over null, with the closing one it chose to end. A product of many sure steps is no chance, and a
model may be too sure of itself, so p is made one: confidence = sigmoid(logit(p) / temperature + bias), with both fitted on notes that training never saw
(`training/measure/calibration.py`) and kept beside the weights. Knows no model and no tokenizer. Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from schemas.locating import Place

LEAST = 1e-6
"""A mass is taken to be at least this and at most one less this; a confidence is never quite 0 or 1."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the mass of a value becomes the chance that it is right; as it stands, the mass itself."""

    temperature: float = 1.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(self.bias)):
            raise ValueError(f"a temperature above 0 and a finite bias, not {self.temperature} and {self.bias}")

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Calibration:
        """What the metadata of weights says under "confidence"; the mass itself where it says nothing.

        Raises: ValueError naming what is wrong.
        """
        told = facts.get("confidence", {})
        try:
            return cls(float(told.get("temperature", 1.0)), float(told.get("bias", 0.0)))
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"confidence: {error}") from None

    def __call__(self, mass: float) -> float:
        """``mass`` and the confidence are in [0, 1]."""
        return 1 / (1 + math.exp(-(logit(mass) / self.temperature + self.bias)))


UNCALIBRATED = Calibration()


def logit(mass: float) -> float:
    bounded = min(max(mass, LEAST), 1 - LEAST)
    return math.log(bounded / (1 - bounded))


def masses(places: Iterable[tuple[str, Place]], token_ends: Sequence[int], logprobs: Sequence[float]) -> dict[str, float]:
    """The mass of each leaf, by JSON Pointer.

    ``places``: where the leaves stand in the text (`schemas/locating.py`); ``token_ends``: the character after each token of it; ``logprobs``: of each token, in nats.
    """
    assert len(token_ends) == len(logprobs)
    total = [0.0, *accumulate(logprobs)]
    found = {}
    for where, (start, end) in places:
        first, last = bisect_right(token_ends, start), bisect_left(token_ends, end)
        found[where] = math.exp(min(0.0, total[last + 1] - total[first]))
    return found
