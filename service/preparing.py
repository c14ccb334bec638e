"""Requests made ready off the event loop, so many at once and no more; a stranger's schema keeps nobody waiting who brings none.

Owns the threads in which that is done and the places for what waits; what a plan is, is `service/planning.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from service.errors import QueueFull, ShuttingDown
from service.planning import Plan, Planner
from service.request import GenerationRequest

STRANGERS_AT_ONCE = 2
"""How many requests with a schema of their own are made ready at once; those of the catalog never wait for them."""
STRANGERS_SHARE = 4
"""One in so many of the places may be taken by them."""


class Preparing:
    """Makes plans. Safe to use from several tasks."""

    def __init__(self, planner: Planner, most: int, is_closed: Callable[[], bool]) -> None:
        """``most``: how many requests may be or wait to be made ready. ``is_closed``: whether no more are."""
        self._planner, self._is_closed = planner, is_closed
        self._threads = ThreadPoolExecutor(STRANGERS_AT_ONCE, thread_name_prefix="escribano-schema")
        self._places, self._strange_places = _Places(most), _Places(max(1, most // STRANGERS_SHARE))

    async def plan(self, request: GenerationRequest) -> Plan:
        """Raises: QueueFull, ShuttingDown, and what `Planner.plan` raises."""
        is_strange = request.schema_json is not None
        with self._strange_places.taken() if is_strange else nullcontext(), self._places.taken():
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads if is_strange else None, self._planned, request)
            except RuntimeError:
                if self._is_closed():
                    raise ShuttingDown() from None
                raise

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    def _planned(self, request: GenerationRequest) -> Plan:
        if self._is_closed():
            raise ShuttingDown()
        try:
            return self._planner.plan(request)
        except Exception:
            raise
        except BaseException as error:  # a panic of native code is no Exception; this thread gets no KeyboardInterrupt
            raise RuntimeError(f"native code panicked: {error!r}") from error


class _Places:
    """So many at once and no more."""

    def __init__(self, number: int) -> None:
        self._number, self._free = number, threading.BoundedSemaphore(number)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One of them, while there is one. Raises: QueueFull."""
        if not self._free.acquire(blocking=False):
            raise QueueFull(self._number)
        try:
            yield
        finally:
            self._free.release()
