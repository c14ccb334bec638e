"""What the engine needs of a model: rows of token ids in, logits out.

Owns the protocol only. `onnx_executor.py` and `torch_executor.py` implement it, `loading.py` chooses; tests bring random ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.engine.lora import LowRank

Logits = NDArray[np.float32]
"""(num_logits, vocab_size) for the last tokens of one row, unmasked."""


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens of one sequence to run: they stand at positions start .. start + len - 1 of its slot."""

    slot: int
    start: int
    token_ids: tuple[int, ...]
    num_logits: int
    """Logits are wanted for this many tokens at the row's end; 0 while a prompt is still being read."""
    adapter: str | None = None
    """Digest of the adapter to run with; None for the base."""
    num_prefix: int = 0
    """The first tokens of the row that see each other both ways; they are a whole prompt, so the row starts at 0."""

    def __post_init__(self) -> None:
        assert not self.num_prefix or (self.start == 0 and self.num_prefix <= len(self.token_ids)), "a prefix is read in one piece"


class Executor(Protocol):
    """Runs rows of several sequences, and of several adapters, in one forward pass."""

    @property
    def num_slots(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...

    @property
    def prefix_lm(self) -> bool:
        """Whether rows must give a prompt as `num_prefix`."""
        ...

    @property
    def patience(self) -> int:
        """More than so many sequences must wait, for each that runs here, before one more runs beside them; 0 where a row more in a pass costs next to nothing."""
        ...

    @property
    def adapters(self) -> Collection[str]:
        """Digests of the adapters that rows may ask for."""
        ...

    def load_adapter(self, digest: str, adapter: LowRank) -> None:
        """Make an adapter usable, also while others run. Raises: CheckpointInvalid when it fits no projection of the base."""
        ...

    def unload_adapter(self, digest: str) -> None:
        """Forget an adapter that no sequence asks for any more; called between two passes."""
        ...

    def release(self, slot: int) -> None:
        """The sequence in a slot is over; the next one begins at position 0."""
        ...

    def forward(self, rows: Sequence[Row], *, alone: bool = True) -> list[Logits]:
        """One forward pass: extends each row's slot and returns its last `num_logits` logits, in arrays that the caller may write over. ``alone``: no other executor is at work, so that all cores may be used."""
        ...
