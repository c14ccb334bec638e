"""A lane: an executor and the sequences that it decodes, one forward pass a step over all of them.

Owns the slots of its executor and a step's four calls: schedule, run, accept, finish. Which sequences enter is the engine's to say (`engine.py`), which also runs each lane in a
thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

from service.engine.executor import Executor, Logits, Row
from service.engine.sequence import Job, Sequence, num_common

_Arguments = ParamSpec("_Arguments")

LONG_S = 2.0
"""Nobody waits for the end of a sequence that has run for so many seconds: it may be a report of thousands of tokens."""
MOST_LEFT = 2
"""Of how many sequences that are over keys and values are kept, in slots that are free."""


@dataclass(frozen=True, slots=True)
class _Left:
    """What a slot holds of a sequence that is over: of which report it was an attempt, the tokens that were run, and the log-probabilities of the output's."""

    report: object
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]

    def common(self, job: Job) -> int:
        """How many of a job's first tokens need not be run again."""
        if job.report is not self.report:
            return 0
        return max(0, num_common(self.token_ids, (*job.prompt_ids, *job.written_ids)) - 1)  # what follows the last is asked for


class Lane:
    """Decodes the sequences that were let in; at most `step_tokens` tokens in a forward pass, of which at most `draft_tokens` are guessed.

    `entering`: sequences that the next step starts. Running sequences never wait for new ones. Another attempt at a report goes on from what the last one has
    left behind, so that it does not read the prompt anew; a request never does from another's, whose text could be guessed from the time that it takes.
    """

    def __init__(self, executor: Executor, step_tokens: int, draft_tokens: int) -> None:
        self.executor, self.step_tokens, self.draft_tokens = executor, step_tokens, draft_tokens
        self.entering: list[Sequence] = []
        self.running: list[Sequence] = []
        self._free = list(reversed(range(executor.num_slots)))  # the first ones first
        self._left: dict[int, _Left] = {}
        """By free slot, the latest last."""

    @property
    def load(self) -> int:
        """How many sequences are in it."""
        return len(self.entering) + len(self.running)

    @property
    def num_young(self) -> int:
        """How many of them have run for less than `LONG_S`: those that are soon over, so that waiting for them is worth while."""
        now = time.monotonic()
        return len(self.entering) + sum(now - sequence.started_at < LONG_S for sequence in self.running)

    @property
    def has_room(self) -> bool:
        return len(self._free) > len(self.entering)

    def remembers(self, job: Job) -> bool:
        """Whether an attempt at the job's report has left something behind here. Safe to ask from any thread."""
        return job.report is not None and any(left.report is job.report for left in tuple(self._left.values()))

    def step(self, *, alone: bool) -> None:
        """One forward pass over every running sequence. ``alone``: no other lane is at work."""
        rows = self._schedule()
        logits = self._run(rows, alone)
        self._accept(rows, logits)
        self._finish()

    def close(self, error: Exception) -> None:
        """Fail every sequence."""
        for sequence in (*self.running, *self.entering):
            self._fail(sequence, error)
        self.entering.clear()

    def _schedule(self) -> list[tuple[Sequence, Row]]:
        """Start what enters and share out the step's tokens: decoding first, then prompts in order of arrival."""
        while self.entering:
            sequence = self.entering[0]
            if self._guarded(sequence, self._start, sequence):
                self.running.append(sequence)
            del self.entering[0]
        rows: list[tuple[Sequence, Row]] = []
        budget = self.step_tokens
        spare = max(0, budget - sum(len(sequence.pending) for sequence in self.running))  # a guess never takes the place of a token that is known
        most_drafts = min(self.draft_tokens, spare) // max(1, len(self.running))
        for sequence in sorted(self.running, key=lambda s: s.num_run < len(s.job.prompt_ids)):
            if budget <= 0:
                break
            row = sequence.row(budget, prefix_lm=self.executor.prefix_lm, most_drafts=most_drafts)
            rows.append((sequence, row))
            budget -= len(row.token_ids)
        return rows

    def _start(self, sequence: Sequence) -> None:
        """Give a sequence the slot of an attempt at the same report, or one that holds nothing, or the one that was left first."""
        common = {slot: left.common(sequence.job) for slot, left in self._left.items()}
        slot = max(common, key=lambda slot: common[slot], default=-1)
        if common.get(slot, 0):
            sequence.start(slot, common[slot], self._left[slot].logprobs)
        else:
            slot = next((slot for slot in reversed(self._free) if slot not in self._left), next(iter(self._left), -1))
            sequence.start(slot)
        self._free.remove(slot)
        self._left.pop(slot, None)

    def _run(self, rows: list[tuple[Sequence, Row]], alone: bool) -> list[Logits]:
        if not rows:
            return []
        try:
            logits = self.executor.forward([row for _, row in rows], alone=alone)
            assert [len(part) for part in logits] == [row.num_logits for _, row in rows], "the executor broke its promise"
            return logits
        except BaseException as error:  # a failing forward fails its sequences, not the server
            for sequence, _ in rows:
                self._fail(sequence, error)
            return []

    def _accept(self, rows: list[tuple[Sequence, Row]], logits: list[Logits]) -> None:
        for (sequence, row), part in zip(rows, logits, strict=False):
            self._guarded(sequence, sequence.accept, row, part)

    def _finish(self) -> None:
        """Answer what ended; drop what nobody waits for or came too late."""
        for sequence in list(self.running):
            if sequence.ending is not None:
                self._leave(sequence)
                sequence.answer()
            elif (reason := sequence.needless()) is not None:
                self._fail(sequence, reason)

    def _guarded(
        self, sequence: Sequence, call: Callable[_Arguments, None], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> bool:
        """Run a call that may hit a failing matcher; the failure is the sequence's alone."""
        try:
            call(*arguments, **named)
        except BaseException as error:  # a panic of native code is no Exception; this thread gets no KeyboardInterrupt
            self._fail(sequence, error)
            return False
        return True

    def _fail(self, sequence: Sequence, error: BaseException) -> None:
        self._release(sequence)
        sequence.fail(error)

    def _leave(self, sequence: Sequence) -> None:
        """Free the slot of a sequence that has ended, and keep for a while what it holds."""
        self.running.remove(sequence)
        self._free.append(sequence.slot)
        if sequence.job.report is None:
            self.executor.release(sequence.slot)
            return
        ids = (*sequence.job.prompt_ids, *sequence.output)[: sequence.num_run]
        self._left[sequence.slot] = _Left(sequence.job.report, ids, tuple(sequence.logprobs))
        while len(self._left) > MOST_LEFT:
            slot = next(iter(self._left))
            del self._left[slot]
            self.executor.release(slot)

    def _release(self, sequence: Sequence) -> None:
        if sequence in self.running:
            self.running.remove(sequence)
            self._free.append(sequence.slot)
            self.executor.release(sequence.slot)
