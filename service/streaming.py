"""Streaming: the values of a report while it is written.

Owns what is told, and from which tokens: a leaf is told once its text can not change any more, a number therefore only when what follows it is there. When a text is
taken up again (`service/backtrack.py`), the leaves that are no longer in it are withdrawn. Knows no engine; `service/generator.py` feeds it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from schemas.locating import finished_leaves
from schemas.nodes import Schema
from service.confidence import Calibration, masses
from service.evidence import Attestor, Evidence
from service.result import GenerationResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeafDone:
    """A value is done: its JSON text, and its evidence as far as the leaves before it tell."""

    value_json: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class LeavesWithdrawn:
    """Of the leaves told so far only the first `num_kept` stand."""

    num_kept: int


StreamEvent = LeafDone | LeavesWithdrawn | GenerationResult
"""Any number of the first two, then the result."""


class LeafStream:
    """Tells the leaves of one report. `token_ends`: token ids and their text to the character after each."""

    def __init__(
        self, schema: Schema, texts: Mapping[str, str], calibrated: Calibration, decode: Callable[[Sequence[int]], str],
        token_ends: Callable[[Sequence[int], str], list[int]],
    ) -> None:  # fmt: skip
        self._attestor, self._calibrated, self._decode, self._token_ends = Attestor(schema, texts), calibrated, decode, token_ends
        self._text = ""
        self._told: list[tuple[str, str]] = []

    def after(self, token_ids: Sequence[int], logprobs: Sequence[float]) -> Iterator[LeafDone | LeavesWithdrawn]:
        """What is new once these tokens are written."""
        text = self._decode(token_ids)
        places = list(finished_leaves(text))
        done = [(pointer, text[start:end]) for pointer, (start, end) in places]
        if not text.startswith(self._text):
            num_kept = next((i for i, (then, now) in enumerate(zip(self._told, done, strict=False)) if then != now), min(len(self._told), len(done)))
            if num_kept < len(self._told):
                del self._told[num_kept:]
                yield LeavesWithdrawn(num_kept)
        self._text = text
        if len(done) == len(self._told):
            return
        found = self._attestor.attest((pointer, json.loads(value)) for pointer, value in done)
        sure = masses(places, self._token_ends(token_ids, text), logprobs)
        for (pointer, value), evidence in zip(done[len(self._told) :], found[len(self._told) :], strict=True):
            yield LeafDone(value, replace(evidence, confidence=self._calibrated(sure[pointer])))
        self._told = done


Step = tuple[T, tuple[int, ...], tuple[float, ...]]
"""What is being written, its tokens so far and their log-probabilities."""


async def tell_steps(steps: asyncio.Queue[Step[T] | None], leaves_of: Callable[[T], LeafStream], tell: Callable[[StreamEvent], None]) -> None:
    """Tell what the steps of one report add, until None comes. Of those that came meanwhile the newest is looked at: it has the tokens of all."""
    leaves: LeafStream | None = None
    came: list[Step[T] | None] = []
    while not came or came[-1] is not None:
        came = [await steps.get()]
        while not steps.empty():
            came.append(steps.get_nowait())
        if (step := next((step for step in reversed(came) if step is not None), None)) is not None:
            written, token_ids, logprobs = step
            leaves = leaves or leaves_of(written)
            for event in await asyncio.to_thread(lambda told: list(told), leaves.after(token_ids, logprobs)):
                tell(event)
