"""One sequence being decoded: what was asked, where it stands, what it will be told.

Owns the bookkeeping of a sequence and the acceptance of one step's logits. Knows token ids and a matcher's methods; no model, no text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from service.engine.budget import Budget
from service.engine.drafting import Hints, Lookup
from service.engine.executor import Logits, Row
from service.engine.matcher import Closer, DeadEnd, Matcher

NO_HINTS = Hints()
Listener = Callable[[tuple[int, ...], tuple[float, ...]], None]


class Ending(Enum):
    """Why a sequence ended."""

    STOP = "stop"
    LENGTH = "length"
    CLOSED = "closed"
    """The output is whole, and would have been longer, had there been room."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to decode. `temperature` 0 is greedy; `adapter` a digest; `deadline` on time.monotonic()'s clock.

    `written_ids` are the first tokens of the output, taken as given; `vetoed` may not follow them. `listener` is told, in the engine's thread after each step, the
    tokens that have a log-probability and these; it must be quick. With a `matcher` and a `closer`, an output that has at most
    `closing_room` tokens of room left is kept such that it can be ended (`service/engine/budget.py`). `hints`: for guesses at what comes next
    (`service/engine/drafting.py`). `report`: jobs of the same one are attempts at it, with the same prompt and adapter; a later one goes on from what an earlier one has
    read; None: from nothing. `again`: another attempt at a report that has waited before.
    """

    prompt_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    max_new_tokens: int
    adapter: str | None = None
    matcher: Matcher | None = None
    temperature: float = 0.0
    seed: int = 0
    deadline: float | None = None
    written_ids: tuple[int, ...] = ()
    vetoed: frozenset[int] = frozenset()
    listener: Listener | None = None
    closer: Closer | None = None
    closing_room: int = 0
    hints: Hints = NO_HINTS
    report: object | None = None
    again: bool = False

    def __post_init__(self) -> None:
        assert self.prompt_ids and self.eos_ids and self.max_new_tokens >= 1 and len(self.written_ids) <= self.max_new_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """What was decoded, without the end-of-sequence token. Counts of tokens and passes; seconds.

    `choices`: the indexes of the tokens that were chosen, neither forced nor written before. `logprobs`: of each token, its log-probability in nats under the
    model alone, without mask and at temperature 1.
    """

    token_ids: tuple[int, ...]
    choices: tuple[int, ...]
    logprobs: tuple[float, ...]
    ending: Ending
    num_forward_passes: int
    num_interventions: int
    queue_s: float
    prefill_s: float
    decode_s: float


class JobExpired(Exception):
    """The deadline of a job passed before its end."""


class JobCancelled(Exception):
    """Nobody waits for the job any more."""


@dataclass(slots=True, eq=False)
class Sequence:
    """A job in the engine. `pending` are tokens not yet run; the first `num_run` of prompt + output are.

    `cut`: the grammar forced more tokens than there was room for, so the matcher is ahead of the output.
    """

    job: Job
    result: Future[Completion]
    queued_at: float = field(default_factory=time.monotonic)
    slot: int = -1
    pending: list[int] = field(default_factory=list)
    num_run: int = 0
    output: list[int] = field(default_factory=list)
    choices: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    num_forward_passes: int = 0
    num_interventions: int = 0
    started_at: float = 0.0
    prefilled_at: float = 0.0
    ending: Ending | None = None
    cut: bool = False
    _draw: np.random.Generator | None = None
    _budget: Budget | None = None
    _lookup: Lookup | None = None
    _looked_up: int = 0

    def start(self, slot: int, num_run: int = 0, logprobs: tuple[float, ...] = ()) -> None:
        """Take a slot; what is written already, and tokens that the grammar forces at the very start, go in with the prompt.

        ``num_run``: how many of the first tokens, fewer than all of these, the slot holds already; ``logprobs``: of the output that they began.
        """
        self.slot, self.started_at, self.num_run = slot, time.monotonic(), num_run
        self.pending = [*self.job.prompt_ids, *self.job.written_ids][num_run:]
        self.output = list(self.job.written_ids)
        self.logprobs = list(logprobs[: max(0, num_run + 1 - len(self.job.prompt_ids))])
        self._draw = np.random.default_rng(self.job.seed)
        if self.job.closer is not None:
            self._budget = Budget(self.job.closer, self.job.max_new_tokens, self.job.closing_room, self.job.eos_ids)
        if self.job.matcher is not None:
            for token in self.job.written_ids:
                self.job.matcher.consume(token)
            self._force(self.job.matcher)

    def needless(self) -> JobCancelled | JobExpired | None:
        """Why it is not worth going on, or None."""
        if self.result.cancelled():
            return JobCancelled()
        late = self.job.deadline is not None and time.monotonic() > self.job.deadline
        return JobExpired() if late else None

    def row(self, budget: int, *, prefix_lm: bool, most_drafts: int = 0) -> Row:
        """The next tokens to run, at most ``budget``, and behind the last of them at most ``most_drafts`` that are guessed; logits from the last token known
        beforehand on.

        For a prefix language model the prompt goes in one piece, however long it is.
        """
        num_prefix = len(self.job.prompt_ids) if prefix_lm and not self.num_run else 0
        tokens = tuple(self.pending[: max(budget, num_prefix)])
        if self.output and len(tokens) == len(self.pending) and not self.cut:
            tokens += self._drafts(min(most_drafts, budget - len(tokens)))
        end = self.num_run + len(tokens)
        known = max(self.num_run, len(self.job.prompt_ids) - 1)
        return Row(self.slot, self.num_run, tokens, max(0, end - known), self.job.adapter, num_prefix)

    def _drafts(self, most: int) -> tuple[int, ...]:
        """Guesses at what follows all that is pending, within the room of the output."""
        most = min(most, self.job.max_new_tokens - len(self.output))
        if most <= 0:
            return ()
        if self._lookup is None:
            self._lookup = Lookup.of(self.job.prompt_ids, self.job.hints)
        self._lookup.extend(self.output[self._looked_up :])
        self._looked_up = len(self.output)
        return self._lookup.guess(most)

    def accept(self, row: Row, logits: Logits) -> None:
        """Take one step's logits: judge the forced tokens among them, then choose the next token if all were run, and go on as long as drafts are what is chosen.

        A draft is taken exactly where the choice, greedy or drawn, falls on it, so drafts change no output.
        """
        self.num_forward_passes += 1
        num_known = min(len(row.token_ids), len(self.pending))
        drafts = row.token_ids[num_known:]
        best = logits.argmax(axis=1).tolist() if len(logits) else []
        judged = row.num_logits - len(drafts)
        self._ran(num_known, best[:judged])
        if not self.pending:
            judged = self._go_on(logits, best, drafts)
        wanted = self.output[len(self.logprobs) : len(self.logprobs) + judged]
        if wanted:
            self.logprobs += _logprobs(logits[: len(wanted)], wanted, best)
        if self.job.listener is not None and self.prefilled_at:
            self.job.listener(tuple(self.output[: len(self.logprobs)]), tuple(self.logprobs))

    def _go_on(self, logits: Logits, best: list[int], drafts: tuple[int, ...]) -> int:
        """Choose the next token, and as many more as the drafts foresaw; gives how many of the logits were of use."""
        self.prefilled_at = self.prefilled_at or time.monotonic()
        at, right = len(best) - len(drafts), 0
        while not self.pending and self.ending is None:
            if self.cut:
                self.ending = Ending.LENGTH
            else:
                self._choose(logits[at - 1], best[at - 1])
            num_right = num_common(self.pending, drafts[right:])
            self._ran(num_right, best[at : at + num_right])
            at, right = at + num_right, right + num_right
        return at

    def _ran(self, num_tokens: int, best: list[int]) -> None:
        """The first pending tokens are run, and these are the likeliest ones that their last logits told; a forced one that the model would not have chosen itself is an
        intervention."""
        self.num_run += num_tokens
        del self.pending[:num_tokens]
        first = self.num_run - len(best) + 1 - len(self.job.prompt_ids)  # output index that best[0] is for
        known = self.output[first : first + len(best)]
        self.num_interventions += sum(index >= len(self.job.written_ids) and likeliest != token for index, (likeliest, token) in enumerate(zip(best, known, strict=False), first))

    def _choose(self, logits: Logits, best: int) -> None:
        """The next token; ``best`` is the likeliest of the model alone."""
        job, matcher = self.job, self.job.matcher
        vetoed = job.vetoed if len(self.output) == len(job.written_ids) else ()
        is_free = job.temperature == 0.0 and not vetoed and (self._budget is None or self._budget.looks_on(self.output))
        if is_free and matcher is not None and best not in job.eos_ids and len(self.output) < job.max_new_tokens and matcher.take(best):
            self._append(best, matcher)  # the likeliest of all is so of those that are allowed, too: no mask is needed
            return
        masked = logits if matcher is None else _masked(logits, matcher.allowed(), vetoed)
        wanted = token = self._sampled(masked)
        if self._budget is not None and matcher is not None:
            token = self._budget.affordable(wanted, masked, self.output, matcher)
        if token not in job.eos_ids and len(self.output) >= job.max_new_tokens:
            self.ending = Ending.LENGTH  # the token is dropped, so that the mask's hand in it counts for nothing
            return
        self.num_interventions += int(masked.argmax() != best or token != wanted)
        if token in job.eos_ids:
            self.ending = Ending.CLOSED if self._budget is not None and self._budget.short else Ending.STOP
            return
        if matcher is not None:
            matcher.consume(token)
        self._append(token, matcher)

    def _append(self, token: int, matcher: Matcher | None) -> None:
        self.choices.append(len(self.output))
        self.output.append(token)
        self.pending = [token]
        if matcher is not None:
            self._force(matcher)

    def _force(self, matcher: Matcher) -> None:
        room = self.job.max_new_tokens - len(self.output)
        forced = matcher.forced()
        self.cut = len(forced) > room
        forced = forced[:room]
        self.output.extend(forced)
        self.pending.extend(forced)

    def _sampled(self, logits: Logits) -> int:
        if self.job.temperature == 0.0:
            return int(logits.argmax())
        assert self._draw is not None
        scaled = (logits - logits.max()).astype(np.float64) / self.job.temperature
        weights = np.exp(scaled)
        return int(self._draw.choice(len(weights), p=weights / weights.sum()))

    def answer(self) -> None:
        """Tell what was decoded to who waits for it."""
        if self.result.set_running_or_notify_cancel():
            self.result.set_result(self._completion())

    def fail(self, error: BaseException) -> None:
        """Tell who waits why there is nothing."""
        if not isinstance(error, Exception):
            error = RuntimeError(f"native code panicked: {error!r}")
        if not self.result.done() and self.result.set_running_or_notify_cancel():
            self.result.set_exception(error)

    def _completion(self) -> Completion:
        assert self.ending is not None
        now = time.monotonic()
        return Completion(
            tuple(self.output), tuple(self.choices), tuple(self.logprobs), self.ending, self.num_forward_passes, self.num_interventions,
            self.started_at - self.queued_at, self.prefilled_at - self.started_at, now - self.prefilled_at,
        )  # fmt: skip


def num_common(left: Collection[int], right: Collection[int]) -> int:
    """How many tokens two sequences begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _logprobs(logits: Logits, tokens: list[int], best: list[int]) -> list[float]:
    """Of one token for each row of logits (rows, vocab_size), whose likeliest are known; the logits are not the same afterwards."""
    rows = np.arange(len(logits))
    logits -= logits[rows, best[: len(rows)]][:, None]
    chosen = logits[rows, tokens].astype(np.float64)
    np.exp(logits, out=logits)
    found: list[float] = (chosen - np.log(logits.sum(axis=1), dtype=np.float64)).tolist()
    return found


def _masked(logits: Logits, allowed: NDArray[np.bool_], vetoed: Collection[int]) -> Logits:
    if vetoed:
        allowed = allowed.copy()
        allowed[list(vetoed)] = False
    if not allowed.any():
        raise DeadEnd("nothing allowed is left to choose" if vetoed else "the grammar allows no token")
    return np.where(allowed, logits, np.float32(-np.inf))
