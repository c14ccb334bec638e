"""The adapters of one pass, side by side: which rows share a pass, and the factors that the graph is given for them.

Every token is multiplied by the ranks of all adapters in its pass and keeps those of its own, so that no adapter copies the base. Owns how many ranks a pass may have and
what is kept laid out. Arrays in, arrays out; the graph's names come from `graph_names.py`, the session is the executor's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.engine.executor import Row
from service.engine.graph_names import PLACES, columns_name, factor_names
from service.engine.lora import FUSED, Array, LowRank, Sizes

MOST_RANKS = 96
"""How many ranks the adapters of a pass have together, unless one alone has more."""
MOST_LAID = 48
"""How many adapters are kept laid out alone, and as many together with others."""

Names = tuple[str, ...]
Factors = dict[str, Array]
"""By the graph's names: down (in, ranks) and up (ranks, out) of each layer and place, and which of the ranks at a place are whose."""


@dataclass(frozen=True)
class _Laid:
    """Factors of just these objects: one that is loaded again under its name is another."""

    adapters: Sequence[LowRank]
    factors: Factors


class SideBySide:
    """The adapters that rows may ask for. ``forgotten`` is told of each set of names whose factors are not used any more."""

    def __init__(self, num_layers: int, sizes: Sizes, forgotten: Callable[[Names], None]) -> None:
        self.adapters: dict[str, LowRank] = {}
        self._num_layers, self._sizes, self._forgotten = num_layers, sizes, forgotten
        self._alone: dict[str, _Laid] = {}
        self._sets: dict[Names, _Laid] = {}

    def unload(self, name: str) -> None:
        """Forget an adapter and every set it is in."""
        self.adapters.pop(name, None)
        self._alone.pop(name, None)
        for names in [names for names in self._sets if name in names]:
            self._forget(names)

    def passes(self, rows: Sequence[Row], most_rows: int) -> Iterator[list[Row]]:
        """The rows in as few passes as their number and their ranks allow, in each in the order in which they came."""
        of_adapter: dict[str | None, list[int]] = {}
        for place, row in enumerate(rows):
            of_adapter.setdefault(row.adapter, []).append(place)
        together, room = list[int](), MOST_RANKS
        for name, places in of_adapter.items():
            rank = self._named(name).rank if name is not None else 0
            for place in places:
                is_new = all(rows[other].adapter != name for other in together)
                if together and (len(together) == most_rows or (is_new and rank > room)):
                    yield [rows[other] for other in sorted(together)]
                    together, room, is_new = [], MOST_RANKS, True
                room -= rank * is_new
                together.append(place)
        if together:
            yield [rows[other] for other in sorted(together)]

    def laid(self, wanted: set[str], spare: int = 0) -> tuple[Names, Factors]:
        """Adapters, those that are wanted and at most ``spare`` more, and their factors. Raises: KeyError naming one that is not loaded."""
        kept = [names for names in self._sets if wanted <= set(names) and len(names) <= len(wanted) + spare]
        names = min(kept, key=len, default=tuple(sorted(wanted)))
        found = self._sets.pop(names, None)
        if found is None or any(self.adapters.get(name) is not one for name, one in zip(names, found.adapters, strict=True)):
            self._forget(names)
            names = tuple(sorted(wanted))
            found = _Laid([self._named(name) for name in names], self._together([self._own(name) for name in names]))
        self._sets[names] = found  # the latest used comes last
        while len(self._sets) > 1 and sum(map(len, self._sets)) > MOST_LAID:
            self._forget(next(iter(self._sets)))
        return names, found.factors

    def _named(self, name: str) -> LowRank:
        if name not in self.adapters:
            raise KeyError(f"the adapter {name} is not loaded")
        return self.adapters[name]

    def _forget(self, names: Names) -> None:
        self._sets.pop(names, None)
        self._forgotten(names)

    def _own(self, name: str) -> Factors:
        adapter, found = self._named(name), self._alone.pop(name, None)
        if found is None or found.adapters[0] is not adapter:
            found = _Laid([adapter], self._laid_out(adapter))
        self._alone[name] = found
        while len(self._alone) > MOST_LAID:
            del self._alone[next(iter(self._alone))]
        return found.factors

    def _laid_out(self, adapter: LowRank) -> Factors:
        """An adapter's factors as the graph takes them; the layers that have none at a place get zeros there."""
        laid: Factors = {}
        for place, names in zip(PLACES, FUSED, strict=True):
            layers = [adapter.fused(index, names, self._sizes) for index in range(self._num_layers)]
            ranks = max((factors[0].shape[0] for factors in layers if factors is not None), default=0)
            num_out, num_in = sum(self._sizes[name][0] for name in names), self._sizes[names[0]][1]
            for index, factors in enumerate(layers):
                down, up = np.zeros((num_in, ranks), np.float32), np.zeros((ranks, num_out), np.float32)
                if factors is not None:
                    down[:, : len(factors[0])], up[: len(factors[0])] = (factor.T for factor in factors)
                laid.update(zip(factor_names(index, place), (down, up), strict=True))
        return laid

    def _together(self, all_factors: Sequence[Factors]) -> Factors:
        """Down side by side, up one under the other. Without any adapter there is one rank of zeros: the graph wants one."""
        mixed: Factors = {}
        for place, names in zip(PLACES, FUSED, strict=True):
            own = [factors[factor_names(0, place)[1]].shape[0] for factors in all_factors]
            none = max(0, 1 - sum(own))
            mixed[columns_name(place)] = _columns(own, none)
            num_out, num_in = sum(self._sizes[name][0] for name in names), self._sizes[names[0]][1]
            for index in range(self._num_layers):
                down, up = factor_names(index, place)
                mixed[down] = _joined([*(factors[down] for factors in all_factors), np.zeros((num_in, none), np.float32)], 1)
                mixed[up] = _joined([*(factors[up] for factors in all_factors), np.zeros((none, num_out), np.float32)], 0)
        return mixed


def _columns(ranks: Sequence[int], none: int) -> Array:
    """(adapters + 1, ranks): ones where a rank is an adapter's; the last row is nobody's."""
    columns = np.zeros((len(ranks) + 1, sum(ranks) + none), np.float32)
    ends = np.cumsum(ranks)
    for number, (end, rank) in enumerate(zip(ends, ranks, strict=True)):
        columns[number, end - rank : end] = 1.0
    return columns


def _joined(arrays: Iterable[Array], axis: int) -> Array:
    """As they lie where it is only one."""
    filled = [array for array in arrays if array.size]
    return filled[0] if len(filled) == 1 else np.concatenate(filled, axis)
