"""Keys and values of the sequences in flight: where the positions of each slot lie.

Owns how long a sequence's own array is, that it moves to a longer one when it outgrows it, and which arrays are kept for the sequences to come. Plain arrays;
`onnx_executor.py` binds them.
"""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import numpy as np

from service.engine.lora import Array

STEP = 128
"""Arrays have a multiple of so many positions."""
ROOM = 384
"""Positions beyond what is needed when a sequence gets an array: what nearly every report takes."""
SPARE = 2
"""How many arrays without a sequence are kept for the next ones: their pages are there already."""

LARGE_PAGE = 2 << 20
_NUMBERS = count()


@dataclass(frozen=True, slots=True, eq=False)
class Cache:
    """Of one sequence: (arrays, kv_heads, positions, head_dim). `number`: no two caches have the same."""

    number: int
    array: Array

    @property
    def num_positions(self) -> int:
        return int(self.array.shape[2])


class Caches:
    """A cache for each slot, of up to `most_positions`, from `reserve` with `start` 0 to `release`."""

    def __init__(self, num_arrays: int, num_heads: int, head_dim: int, most_positions: int) -> None:
        self._num_arrays, self._num_heads, self._head_dim, self._most_positions = num_arrays, num_heads, head_dim, most_positions
        self._of_slot: dict[int, Cache] = {}
        self._spare: list[Cache] = []

    def __getitem__(self, slot: int) -> Cache:
        return self._of_slot[slot]

    def reserve(self, slot: int, start: int, end: int) -> Cache:
        """A cache with room for positions up to ``end``, of which ``start`` are written and are kept; 0 begins a sequence."""
        if start == 0:
            self.release(slot)
        old = self._of_slot.get(slot)
        if old is not None and old.num_positions >= end:
            return old
        new = self._free(min(self._most_positions, -(-(end + ROOM) // STEP) * STEP))
        if old is not None:
            new.array[:, :, :start] = old.array[:, :, :start]
            self.release(slot)
        self._of_slot[slot] = new
        return new

    def release(self, slot: int) -> None:
        """The sequence in a slot is over."""
        if slot in self._of_slot:
            self._spare = [*self._spare, self._of_slot.pop(slot)][-SPARE:]

    def _free(self, num_positions: int) -> Cache:
        """The shortest spare one that is long enough and not twice as long, or a new one."""
        fitting = [cache for cache in self._spare if num_positions <= cache.num_positions <= 2 * num_positions]
        if fitting:
            found = min(fitting, key=lambda cache: cache.num_positions)
            self._spare.remove(found)
            return found
        return Cache(next(_NUMBERS), _zeros((self._num_arrays, self._num_heads, num_positions, self._head_dim)))


def _zeros(shape: tuple[int, ...]) -> Array:
    """Pages of its own, which take memory as they are written to and are given back when the array is: a heap of arrays that come and go would keep them. Large pages
    where there are any, since attention reads them from end to end in each pass (docs/performance.md)."""
    pages = mmap.mmap(-1, -(-4 * math.prod(shape) // LARGE_PAGE) * LARGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(AttributeError, OSError):  # where the system knows of them, and gives them
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.ndarray(shape, np.float32, pages)
