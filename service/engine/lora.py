"""What every executor knows of a decoder's projections: which stand on one input, and an adapter's low-rank factors for them.

Owns the names of the projections and how an adapter's factors are laid together for those of one input. Plain arrays; no device, no runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FUSED = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
"""Projections of the same input are one matrix, one under the other."""
PROJECTIONS = tuple(name for names in FUSED for name in names)

Sizes = Mapping[str, tuple[int, int]]
"""(out, in) of each projection."""


class FactorsUnfit(ValueError):
    """A factor that fits no projection of the base."""


@dataclass(frozen=True)
class LowRank:
    """An adapter's factors by (layer, projection): down (rank, in), up (out, rank); `scale` = lora_alpha / rank."""

    factors: dict[tuple[int, str], tuple[Array, Array]]
    scale: float

    @cached_property
    def rank(self) -> int:
        """The largest of its factors' ranks; 0 without any."""
        return max((down.shape[0] for down, _ in self.factors.values()), default=0)

    def check_fits(self, num_layers: int, sizes: Sizes) -> None:
        """Raises: FactorsUnfit naming the layer and projection."""
        for (index, name), (down, up) in self.factors.items():
            if index >= num_layers or name not in sizes:
                raise FactorsUnfit(f"the base has no {name} in a layer {index} for the adapter")
            if not (np.isfinite(down.astype(np.float32)).all() and np.isfinite(up.astype(np.float32)).all()):
                raise FactorsUnfit(f"layer {index}: the adapter's {name} holds numbers that are not finite")
            if down.ndim != 2 or up.ndim != 2 or (up.shape[0], down.shape[1]) != sizes[name] or up.shape[1] != down.shape[0]:
                raise FactorsUnfit(f"layer {index}: the adapter's {name} is {tuple(up.shape)} x {tuple(down.shape)}, the base's is {sizes[name]}")

    def fused(self, index: int, names: Sequence[str], sizes: Sizes) -> tuple[Array, Array] | None:
        """The factors of the projections of one input as one pair, None where the adapter has none of them.

        down (ranks, in) and scaled up (out, ranks) of all of them, up in blocks.
        """
        found = {name: self.factors[index, name] for name in names if (index, name) in self.factors}
        if not found:
            return None
        up = np.zeros((sum(sizes[name][0] for name in names), sum(down.shape[0] for down, _ in found.values())), np.float32)
        at = 0
        for name, (down, own_up) in found.items():
            top = sum(sizes[before][0] for before in names[: names.index(name)])
            up[top : top + own_up.shape[0], at : at + down.shape[0]] = own_up.astype(np.float32) * self.scale
            at += down.shape[0]
        return np.concatenate([down for down, _ in found.values()]).astype(np.float32), up
