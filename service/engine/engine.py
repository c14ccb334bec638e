"""The engine: many sequences, one forward pass a step; a sequence joins and leaves at any step.

Owns the queue, the slots and the thread. A step is four calls: schedule, run, accept, finish. Run: `Engine(executor).submit(job).result()`.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import ParamSpec, Protocol

from service.engine.executor import Executor, Logits, Row
from service.engine.lora import LowRank
from service.engine.sequence import Completion, Job, Sequence

_Arguments = ParamSpec("_Arguments")

STEP_TOKENS = 1024
"""Most tokens in one forward pass; a longer prompt is run in several, so that others are not kept waiting (but that of a prefix language model in one)."""


DRAFT_TOKENS = 64
"""Most guessed tokens in one forward pass, shared among its sequences: the more of these, the less there is to win for each."""


class EngineFull(RuntimeError):
    """The queue holds `limit` jobs already."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the queue is full ({limit} jobs)")
        self.limit = limit


class AdapterGone(RuntimeError):
    """A job asks for an adapter that is not loaded, perhaps not any more."""


class EngineClosed(RuntimeError):
    """The engine takes no more jobs."""


class Decoder(Protocol):
    """What runs jobs: `Engine`, or the one it is held against (`service/reference.py`)."""

    @property
    def closed(self) -> bool: ...
    def submit(self, job: Job) -> Future[Completion]: ...
    def holding(self, adapter: str | None) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class Engine:
    """Decodes jobs in a thread of its own. First come, first served; running sequences never wait for new ones.

    Cancelling the future of a job ends its decoding at the next step.
    """

    def __init__(self, executor: Executor, *, max_queue: int = 256, step_tokens: int = STEP_TOKENS, draft_tokens: int = DRAFT_TOKENS) -> None:
        self.executor, self.max_queue, self.step_tokens, self.draft_tokens = executor, max_queue, step_tokens, draft_tokens
        self._queue: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._free = list(reversed(range(executor.num_slots)))  # the first ones first
        self._wake = threading.Condition()
        self._retired: set[str] = set()
        self._held: Counter[str] = Counter()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="escribano-engine", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[Completion]:
        """Queue a job. Raises: EngineFull, EngineClosed, AdapterGone."""
        assert len(job.prompt_ids) + job.max_new_tokens <= self.executor.context_length, "the caller checks the room"
        sequence = Sequence(job, Future())
        with self._wake:
            if self._closed:
                raise EngineClosed("the engine is closed")
            if job.adapter is not None and not self._held[job.adapter]:
                self._check_loaded(job.adapter)
            if len(self._queue) >= self.max_queue:
                self._drop_waiting()
            if len(self._queue) >= self.max_queue:
                raise EngineFull(self.max_queue)
            self._queue.append(sequence)
            self._wake.notify()
        return sequence.result

    def load_adapter(self, digest: str, adapter: LowRank) -> None:
        """Make an adapter usable, while others run. Raises: CheckpointInvalid when it fits no projection of the base."""
        with self._wake:
            self._retired.discard(digest)
            self.executor.load_adapter(digest, adapter)

    def retire_adapter(self, digest: str) -> None:
        """Take no more jobs for an adapter; it is forgotten once those that wait or run are done."""
        with self._wake:
            if digest in self.executor.adapters:
                self._retired.add(digest)
                self._wake.notify()

    @contextmanager
    def holding(self, adapter: str | None) -> Iterator[None]:
        """Jobs for an adapter are taken while this lasts, retired or not, so that all attempts at a report are made with one. Raises: AdapterGone."""
        if adapter is None:
            yield
            return
        with self._wake:
            self._check_loaded(adapter)
            self._held[adapter] += 1
        try:
            yield
        finally:
            with self._wake:
                self._held -= Counter((adapter,))
                self._wake.notify()

    def _check_loaded(self, adapter: str) -> None:
        if adapter in self._retired or adapter not in self.executor.adapters:
            raise AdapterGone(f"the adapter {adapter} is not loaded")

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Stop at the next step; jobs not done fail with EngineClosed."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    # --- a step ---------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One forward pass over every running sequence."""
        rows = self._schedule()
        logits = self._run(rows)
        self._accept(rows, logits)
        self._finish()

    def _schedule(self) -> list[tuple[Sequence, Row]]:
        """Admit queued sequences to free slots and share out the step's tokens: decoding first, then prompts in order of arrival."""
        with self._wake:
            self._drop_waiting()
            self._unload_retired()
            while self._queue and self._free:
                sequence = self._queue.popleft()
                if self._guarded(sequence, sequence.start, self._free[-1]):
                    self._free.pop()
                    self._running.append(sequence)
        rows: list[tuple[Sequence, Row]] = []
        budget = self.step_tokens
        spare = max(0, budget - sum(len(sequence.pending) for sequence in self._running))  # a guess never takes the place of a token that is known
        most_drafts = min(self.draft_tokens, spare) // max(1, len(self._running))
        for sequence in sorted(self._running, key=lambda s: s.num_run < len(s.job.prompt_ids)):
            if budget <= 0:
                break
            row = sequence.row(budget, prefix_lm=self.executor.prefix_lm, most_drafts=most_drafts)
            rows.append((sequence, row))
            budget -= len(row.token_ids)
        return rows

    def _run(self, rows: list[tuple[Sequence, Row]]) -> list[Logits]:
        if not rows:
            return []
        try:
            logits = self.executor.forward([row for _, row in rows])
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
        for sequence in list(self._running):
            if sequence.ending is not None:
                self._answer(sequence)
            elif (reason := sequence.needless()) is not None:
                self._fail(sequence, reason)

    def _drop_waiting(self) -> None:
        """Drop from the queue what nobody waits for or came too late: it takes no place there and no forward pass."""
        for sequence in list(self._queue):
            if (reason := sequence.needless()) is not None:
                self._queue.remove(sequence)
                self._fail(sequence, reason)

    def _unload_retired(self) -> None:
        for digest in self._retired - self._held.keys() - {sequence.job.adapter for sequence in (*self._queue, *self._running)}:
            self.executor.unload_adapter(digest)
            self._retired.discard(digest)

    # --- endings --------------------------------------------------------------------------------------------------

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

    def _answer(self, sequence: Sequence) -> None:
        self._release(sequence)
        if sequence.result.set_running_or_notify_cancel():
            sequence.result.set_result(sequence.completion())

    def _fail(self, sequence: Sequence, error: BaseException) -> None:
        self._release(sequence)
        if not isinstance(error, Exception):
            error = RuntimeError(f"native code panicked: {error!r}")
        if not sequence.result.done() and sequence.result.set_running_or_notify_cancel():
            sequence.result.set_exception(error)

    def _release(self, sequence: Sequence) -> None:
        if sequence in self._running:
            self._running.remove(sequence)
            self._free.append(sequence.slot)
            self.executor.release(sequence.slot)

    # --- the thread -----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        try:
            while self._has_work():
                self.step()
        finally:  # even after a bug of ours nobody may wait for ever
            with self._wake:
                self._closed = True
            for sequence in [*self._running, *self._queue]:
                self._fail(sequence, EngineClosed("the engine was closed"))
            self._queue.clear()

    def _has_work(self) -> bool:
        """Wait for a job; False once the engine is closed."""
        with self._wake:
            while not (self._queue or self._running or self._retired - self._held.keys() or self._closed):
                self._wake.wait()
            return not self._closed
