"""Keys and values of many sequences: where the positions of each slot lie.

Owns blocks, arrays of one length that hold a few slots side by side so that a pass can run them as one rectangle, and which slot is in which of them. Attention looks at
every position of a rectangle, written or not, so a sequence lies among others of about its own length and moves to a longer block when it outgrows its own. Plain
arrays; `onnx_executor.py` binds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from mmap import mmap
from typing import Any

import numpy as np

from service.engine.lora import Array

PLACES = 8
"""Slots of a block."""
STEP = 128
"""Blocks have a multiple of so many positions."""
ROOM = 256
"""Positions beyond what is needed when a sequence gets a place: about what a report takes."""
SPARE_BLOCKS = 2
"""How many blocks without a sequence are kept for the next ones."""


@dataclass
class Block:
    """Arrays by name, each (PLACES, kv_heads, length, head_dim). `ends`: positions written, by place. `bound`: whatever a runtime keeps of the arrays."""

    number: int
    length: int
    arrays: dict[str, Array]
    slots: list[int | None]
    ends: list[int]
    bound: dict[Any, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return all(slot is None for slot in self.slots)


class Cache:
    """Places for sequences of up to `context_length` positions. A slot has one from `reserve` with `start` 0 to `release`."""

    def __init__(self, names: Sequence[str], num_heads: int, head_dim: int, context_length: int) -> None:
        self._names, self._num_heads, self._head_dim, self._context_length = names, num_heads, head_dim, context_length
        self._places: dict[int, tuple[Block, int]] = {}
        self._numbers = count()
        self.blocks: list[Block] = []

    def place(self, slot: int) -> tuple[Block, int]:
        """Where a slot's sequence lies."""
        return self._places[slot]

    def reserve(self, slot: int, start: int, end: int) -> None:
        """Room for positions up to ``end``, of which ``start`` are written and are kept; 0 begins a sequence."""
        if start == 0:
            self.release(slot)
        old = self._places.get(slot)
        if old is None or old[0].length < end:
            block, place = self._free(min(self._context_length, -(-(end + ROOM) // STEP) * STEP))
            block.slots[place] = slot  # before anything is released: an empty block may be dropped
            if old is not None:
                for name, array in old[0].arrays.items():
                    block.arrays[name][place, :, :start] = array[old[1], :, :start]
                self.release(slot)
            self._places[slot] = (block, place)
        block, place = self._places[slot]
        block.ends[place] = max(block.ends[place], end)  # guesses that were wrong are written too

    def release(self, slot: int) -> None:
        """The sequence in a slot is over."""
        if slot not in self._places:
            return
        block, place = self._places.pop(slot)
        block.slots[place] = None
        empty = [block for block in self.blocks if block.is_empty]
        for block in empty[: max(0, len(empty) - SPARE_BLOCKS)]:
            self.blocks.remove(block)

    def _free(self, length: int) -> tuple[Block, int]:
        """A place of a length, in the fullest block that has one."""
        fitting = [block for block in self.blocks if block.length == length and None in block.slots]
        block = min(fitting, key=lambda block: block.slots.count(None), default=None) or self._new(length)
        place = block.slots.index(None)
        for array in block.arrays.values():  # numbers of an earlier sequence that were not finite would be seen through any mask
            array[place, :, : block.ends[place]] = 0.0
        block.ends[place] = 0
        return block, place

    def _new(self, length: int) -> Block:
        shape = (PLACES, self._num_heads, length, self._head_dim)
        block = Block(next(self._numbers), length, {name: _zeros(shape) for name in self._names}, [None] * PLACES, [0] * PLACES)
        self.blocks.append(block)
        return block


def _zeros(shape: tuple[int, ...]) -> Array:
    """Pages of its own, which take memory as they are written to and are given back when the block is: a heap of blocks that come and go would keep them."""
    return np.ndarray(shape, np.float32, mmap(-1, 4 * math.prod(shape)))
