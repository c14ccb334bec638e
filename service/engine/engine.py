"""The engine: many sequences, in lanes side by side, one forward pass of a lane a step; a sequence joins and leaves at any step.

Owns the queue, the threads, who enters which lane and which adapters are loaded; a step is `lane.py`. Run: `Engine(executor).submit(job).result()`.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from service.engine.executor import Executor
from service.engine.lane import Lane
from service.engine.lora import LowRank
from service.engine.sequence import Completion, Job, Sequence

logger = logging.getLogger(__name__)

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
    """Decodes jobs, in a lane and a thread for each executor. First come, first served, by the lane that has the least to do; running sequences never wait for new ones.
    How many run at a time grows with how many wait, where an executor's rows slow each other down (`Executor.patience`).

    Cancelling the future of a job ends its decoding at the next step.
    """

    def __init__(self, *executors: Executor, max_queue: int = 256, step_tokens: int = STEP_TOKENS, draft_tokens: int = DRAFT_TOKENS) -> None:
        self.max_queue = max_queue
        self._lanes = [Lane(executor, step_tokens, draft_tokens) for executor in executors]
        self._queue: deque[Sequence] = deque()
        self._wake = threading.Condition()
        self._retired: dict[str, list[Executor]] = {}
        """Adapters that take no more jobs, and where they are loaded still."""
        self._held: Counter[str] = Counter()
        self._closed = False
        self._threads = [threading.Thread(target=self._loop, args=(lane,), name=f"escribano-engine-{number}", daemon=True) for number, lane in enumerate(self._lanes)]
        for thread in self._threads:
            thread.start()

    @property
    def executors(self) -> list[Executor]:
        return [lane.executor for lane in self._lanes]

    def submit(self, job: Job) -> Future[Completion]:
        """Queue a job, behind all others; another attempt in front of them, since its report has waited. Raises: EngineFull, EngineClosed, AdapterGone."""
        assert len(job.prompt_ids) + job.max_new_tokens <= self.executors[0].context_length, "the caller checks the room"
        sequence = Sequence(job, Future())
        with self._wake:
            if self._closed:
                raise EngineClosed("the engine is closed")
            if job.adapter is not None and not self._held[job.adapter]:
                self._check_loaded(job.adapter)
            if job.again:
                self._queue.appendleft(sequence)
            else:
                self._append(sequence)
            self._wake.notify()
        return sequence.result

    def _append(self, sequence: Sequence) -> None:
        if len(self._queue) >= self.max_queue:
            self._drop_waiting()
        if len(self._queue) >= self.max_queue:
            raise EngineFull(self.max_queue)
        self._queue.append(sequence)

    def load_adapter(self, digest: str, adapter: LowRank) -> None:
        """Make an adapter usable, while others run. Raises: CheckpointInvalid when it fits no projection of the base."""
        with self._wake:
            self._retired.pop(digest, None)
        for executor in reversed(self.executors):  # the first comes last: jobs are taken by what it has
            executor.load_adapter(digest, adapter)

    def retire_adapter(self, digest: str) -> None:
        """Take no more jobs for an adapter; it is forgotten once those that wait or run are done."""
        with self._wake:
            if digest in self.executors[0].adapters:
                self._retired.setdefault(digest, self.executors)
                self._wake.notify_all()

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
                self._wake.notify_all()

    def _check_loaded(self, adapter: str) -> None:
        if adapter in self._retired or adapter not in self.executors[0].adapters:
            raise AdapterGone(f"the adapter {adapter} is not loaded")

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Stop at the next step; jobs not done fail with EngineClosed."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    # --- a lane's thread ------------------------------------------------------------------------------------------

    def _loop(self, lane: Lane) -> None:
        try:
            while self._has_work(lane):
                lane.step(alone=not any(other.load for other in self._lanes if other is not lane))
        except BaseException:
            logger.critical("the engine died", exc_info=True)
            raise
        finally:  # even after a bug of ours nobody may wait for ever
            with self._wake:
                self._closed = True
                self._wake.notify_all()
                waiting, self._queue = self._queue, deque()
            lane.close(EngineClosed("the engine was closed"))
            for sequence in waiting:
                sequence.fail(EngineClosed("the engine was closed"))

    def _has_work(self, lane: Lane) -> bool:
        """Wait for something to do and let waiting sequences into the lane; False once the engine is closed."""
        with self._wake:
            while not self._closed:
                self._drop_waiting()
                self._unload_retired(lane.executor)
                while self._queue and self._takes_another(lane):
                    self._let_in(self._queue.popleft(), lane)
                if lane.load:
                    return True
                self._wake.wait()
            return False

    def _takes_another(self, lane: Lane) -> bool:
        """Whether the first that waits enters a lane: one that has the least to do, and enough that wait for it to be worth what those that run lose by it."""
        if not lane.has_room or lane.load > min(other.load for other in self._lanes if other.has_room):
            return False
        return self._queue[0].job.again or len(self._queue) > min(lane.num_young * lane.executor.patience, self.max_queue - 1)

    def _let_in(self, sequence: Sequence, lane: Lane) -> None:
        """Into the lane of the last attempt at the same report, where that has room, or this one."""
        home = next((other for other in self._lanes if other.has_room and other.remembers(sequence.job)), lane)
        home.entering.append(sequence)
        if home is not lane:
            self._wake.notify_all()

    def _drop_waiting(self) -> None:
        """Drop from the queue what nobody waits for or came too late: it takes no place there and no forward pass."""
        for sequence in list(self._queue):
            if (reason := sequence.needless()) is not None:
                self._queue.remove(sequence)
                sequence.fail(reason)

    def _unload_retired(self, executor: Executor) -> None:
        """In the executor's own thread, between two passes."""
        for digest in self._retired and self._retired.keys() - self._held.keys() - self._wanted():
            left = [other for other in self._retired[digest] if other is not executor]
            if len(left) < len(self._retired[digest]):
                executor.unload_adapter(digest)
            self._retired[digest] = left
            if not left:
                del self._retired[digest]

    def _wanted(self) -> set[str | None]:
        sequences = (*self._queue, *(sequence for lane in self._lanes for sequence in (*lane.entering, *lane.running)))
        return {sequence.job.adapter for sequence in sequences}
