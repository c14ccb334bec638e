"""A Mistral-family decoder in ONNX Runtime on a CPU: one forward over rows of many sequences, each with its adapter.

Owns the sessions and what is bound to them; where keys and values lie is `cache.py`, the adapters of a pass are `side_by_side.py`. The graphs (`onnx_graph.py` writes them beside the base) have no weights: they are
given the arrays of the safetensors. A cache is bound as input and output alike, so that a pass writes its keys and values in place. Needs neither torch nor
transformers; the arithmetic is compared with theirs in tests/unit/test_executors.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.engine.cache import STEP, Cache, Caches
from service.engine.executor import Logits, Row
from service.engine.graph_names import (
    ADAPTER_OF_TOKEN,
    COS,
    EMBEDDING,
    HEAD,
    IDS,
    LAST,
    LENGTHS,
    LOGITS,
    MASK,
    MOST,
    NORM,
    ONE,
    PLACES,
    ROWS,
    SIN,
    SIZES,
    TOTALS,
    WANTED,
    cache_names,
    file_of,
    matrix_name,
    norm_names,
    present_name,
    projection_names,
    sizes_of,
)
from service.engine.lora import Array, FactorsUnfit, LowRank
from service.engine.side_by_side import Factors, Names, SideBySide
from service.weights.checkpoint import Base, CheckpointInvalid, ModelConfig

MOST_BOUND = 64
"""How many sets of adapters are kept bound to each graph."""

PATIENCE = 4
"""With a small base a row more costs nearly what it would cost alone: two in each lane write as many reports a second as any number does, and all in a lane wait for each other
(docs/performance.md)."""

_UNSEEN = np.float32(-1e30)


@dataclass(slots=True)
class _Bound:
    """A pass's rotations and factors, and the caches of its rows as far as they were bound by a pass before.

    `caches`: their numbers; what they name may be gone, and is bound anew before it is looked at. `counts`: one integer for each row, written to where they are bound.
    """

    binding: onnxruntime.IOBinding
    caches: list[int | None]
    counts: dict[str, NDArray[Any]]


@dataclass
class _Graph:
    """A session, what is kept bound to it, and how many rows its passes have."""

    session: onnxruntime.InferenceSession = field(repr=False)
    rows: int
    bound: dict[tuple[Names, int], _Bound] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> frozenset[str]:
        return frozenset(node.name for node in self.session.get_inputs())


class OnnxExecutor:
    """Implements `Executor` on ONNX Runtime's CPU provider, in float32. `threads`: of a pass; `threads_alone`: of one while no other executor is at work."""

    patience = PATIENCE

    def __init__(self, base: Base, *, num_slots: int, threads: int | None = None, threads_alone: int | None = None) -> None:
        self.config, self.num_slots, self.prefix_lm = base.config, num_slots, base.config.prefix_lm
        self.context_length, self.vocab_size = base.config.context_length, base.config.vocab_size
        self._sizes = base.config.projection_sizes
        self._arrays = _arrays(base)  # the sessions look at them where they lie
        of_a_row: tuple[int | None, ...] = (ONE, *((None,) if self.prefix_lm else ()))
        session = partial(_session, base.path, self._arrays, base.config)
        self._graphs = {(rows, False): _Graph(session(rows, threads), rows or 1) for rows in (*ROWS, *of_a_row[1:])}
        self._graphs |= {(rows, True): _Graph(session(rows, threads_alone), rows or 1) for rows in of_a_row if threads_alone}
        self._rotations = dict(zip((COS, SIN), _rotations(base.config), strict=True))
        self._names = [cache_names(base.config.num_layers, row) for row in range(MOST)]
        self._begin()

    def _begin(self) -> None:
        """What no two executors share."""
        config = self.config
        self._side_by_side = SideBySide(config.num_layers, self._sizes, self._unbind)
        of_a_cache = (2 * config.num_layers, config.num_kv_heads, config.head_dim)
        self._caches = Caches(*of_a_cache, self.context_length)
        self._nobodys = Caches(*of_a_cache, STEP).reserve(0, 0, 1)  # for the rows of a pass that has fewer
        self._prompt_cache = np.empty(0, np.float32)

    def beside(self, num_slots: int) -> OnnxExecutor:
        """Another one for a thread of its own, with slots and adapters of its own, that shares the weights and the sessions."""
        other = copy(self)
        other.num_slots = num_slots
        other._graphs = {kind: _Graph(graph.session, graph.rows) for kind, graph in self._graphs.items()}
        other._begin()
        return other

    def load_adapter(self, digest: str, adapter: LowRank) -> None:
        """Make an adapter usable under its digest.

        Raises: CheckpointInvalid when a factor fits no projection of this base.
        """
        try:
            adapter.check_fits(self.config.num_layers, self._sizes)
        except FactorsUnfit as error:
            raise CheckpointInvalid(str(error)) from None
        self._side_by_side.adapters[digest] = adapter

    @property
    def adapters(self) -> Collection[str]:
        return self._side_by_side.adapters.keys()

    def unload_adapter(self, digest: str) -> None:
        """See `Executor.unload_adapter`; what was laid together with others is forgotten too."""
        self._side_by_side.unload(digest)

    def release(self, slot: int) -> None:
        """The sequence in a slot is over: its positions need no room any more."""
        self._caches.release(slot)

    def forward(self, rows: Sequence[Row], *, alone: bool = True) -> list[Logits]:
        """See `Executor.forward`."""
        assert all(row.token_ids and row.start + len(row.token_ids) <= self.context_length for row in rows), "a row leaves the context"
        for row in rows:
            self._caches.reserve(row.slot, row.start, row.start + len(row.token_ids))
        logits = {row: self._begun(row, alone) for row in rows if row.num_prefix}
        going_on = sorted((row for row in rows if not row.num_prefix), key=lambda row: row.slot)  # so that a pass has the rows that it had before
        for part in self._side_by_side.passes(going_on, MOST):
            logits.update(zip(part, self._gone_on(part, alone), strict=True))
        return [logits[row] for row in rows]

    # --- a pass -------------------------------------------------------------------------------------------------------

    def _begun(self, row: Row, alone: bool) -> Logits:
        """A prompt that is seen both ways, and what is known to follow it."""
        length, shape = len(row.token_ids), self._nobodys.array.shape
        if self._prompt_cache.size < (size := length * self._nobodys.array[:, :, 0].size):
            self._prompt_cache = np.empty(size, np.float32)
        found = self._prompt_cache[:size].reshape(*shape[:2], length, shape[3])
        place = np.arange(length)
        sees = np.where(place < np.maximum(place + 1, row.num_prefix)[:, None], np.float32(0), _UNSEEN)
        graph = self._graph(None, alone)
        bound = self._bound(graph, *self._laid([row], spare=0), 0)
        for name, array in zip(self._names[0], found, strict=True):
            bound.binding.bind_output(present_name(name), "cpu", 0, np.float32, (1, *array.shape), array.ctypes.data)
        (logits,) = self._run(graph, bound, [row], {IDS: np.array(row.token_ids), MASK: sees[None, None]})
        self._caches[row.slot].array[:, :, :length] = found
        return logits

    def _gone_on(self, rows: Sequence[Row], alone: bool) -> list[Logits]:
        """Rows of sequences that have begun, or that are seen one way from the start: in the least graph that holds them, the places that are left to nobody's."""
        graph = self._graph(next(size for size in ROWS if size >= len(rows)), alone)
        names, factors = self._laid(rows, spare=0 if len(rows) == 1 else 1)
        bound = self._bound(graph, names, factors, rows[0].slot // MOST)
        none = graph.rows - len(rows)
        self._bind_caches(bound, [*(self._caches[row.slot] for row in rows), *[self._nobodys] * none])
        lengths = [*(len(row.token_ids) for row in rows), *[1] * none]
        bound.counts[TOTALS][:] = [*(row.start + len(row.token_ids) for row in rows), *[1] * none]
        bound.counts[LAST][:] = bound.counts[TOTALS] - 1
        given: dict[str, Array | NDArray[np.int64]] = {IDS: np.array([*(token for row in rows for token in row.token_ids), *[0] * none])}
        if graph.rows > 1:
            bound.counts[LENGTHS][:] = lengths
            whose = [*(len(names) if row.adapter is None else names.index(row.adapter) for row in rows), *[len(names)] * none]
            given[ADAPTER_OF_TOKEN] = np.repeat(whose, lengths)
        return self._run(graph, bound, rows, given)

    def _run(self, graph: _Graph, bound: _Bound, rows: Sequence[Row], given: dict[str, Array | NDArray[np.int64]]) -> list[Logits]:
        ends = np.cumsum([len(row.token_ids) for row in rows]).tolist()
        given[WANTED] = np.array([place for row, end in zip(rows, ends, strict=True) for place in range(end - row.num_logits, end)], np.int64)
        logits = np.empty((len(given[WANTED]), self.vocab_size), np.float32)
        for name, array in given.items():
            bound.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        bound.binding.bind_output(LOGITS, "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        graph.session.run_with_iobinding(bound.binding)
        return [logits] if len(rows) == 1 else np.split(logits, np.cumsum([row.num_logits for row in rows])[:-1])

    def _graph(self, rows: int | None, alone: bool) -> _Graph:
        return self._graphs[rows, alone and (rows, True) in self._graphs]

    def _laid(self, rows: Sequence[Row], spare: int) -> tuple[Names, Factors]:
        return self._side_by_side.laid({row.adapter for row in rows if row.adapter is not None}, spare)

    def _bound(self, graph: _Graph, names: Names, factors: Factors, group: int) -> _Bound:
        """What stays the same from pass to pass is bound once: rotations, factors, and caches as long as a group of rows keeps them."""
        found = graph.bound.pop((names, group), None)
        if found is None:
            counts = {name: np.zeros(graph.rows, np.int64 if name == LENGTHS else np.int32) for name in {LAST, TOTALS, LENGTHS} & graph.inputs}
            found = _Bound(graph.session.io_binding(), [None] * graph.rows, counts)
            for name, array in (self._rotations | factors | counts).items():
                if name in graph.inputs:  # of one row every rank is its own
                    found.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        graph.bound[names, group] = found  # the latest used comes last
        while len(graph.bound) > MOST_BOUND:
            del graph.bound[next(iter(graph.bound))]
        return found

    def _bind_caches(self, bound: _Bound, caches: Sequence[Cache]) -> None:
        for row, cache in enumerate(caches):
            if bound.caches[row] == cache.number:
                continue
            bound.caches[row] = cache.number
            shape, start, step = (1, *cache.array.shape[1:]), cache.array.ctypes.data, cache.array.strides[0]
            for index, name in enumerate(self._names[row]):
                bound.binding.bind_input(name, "cpu", 0, np.float32, shape, start + index * step)
                bound.binding.bind_output(present_name(name), "cpu", 0, np.float32, shape, start + index * step)

    def _unbind(self, names: Names) -> None:
        """Factors that were laid together are not used any more."""
        for graph in self._graphs.values():
            for key in [key for key in graph.bound if key[0] == names]:
                del graph.bound[key]


def _arrays(base: Base) -> dict[str, Array]:
    """The initializers of the graph: the base's weights in float32, projections of one input under each other."""
    config, found = base.config, {name: array.astype(np.float32) for name, array in base.weights()}
    try:
        out = {name: found[name] for name in (EMBEDDING, NORM, *(() if config.tied_embeddings else (HEAD,)))}
        for index in range(config.num_layers):
            out |= {name: found[name] for name in norm_names(index)}
            out |= {matrix_name(index, place): np.concatenate([found[name] for name in projection_names(index, place)]) for place in PLACES}
    except KeyError as error:
        raise CheckpointInvalid(f"the checkpoint lacks {error.args[0]}") from None
    return out


def _session(folder: Path, arrays: dict[str, Array], config: ModelConfig, rows: int | None, threads: int | None) -> onnxruntime.InferenceSession:
    """Raises: CheckpointInvalid."""
    graph = folder / file_of(rows)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between passes the cores are others'
    options.add_external_initializers(list(arrays), [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()])
    anew = f"write it anew: python -m service.engine.onnx_graph {graph.parent}"
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own are of several types without a common one
        raise CheckpointInvalid(f"{graph} does not run with the weights beside it ({error}); {anew}") from error
    if session.get_modelmeta().custom_metadata_map.get(SIZES) != sizes_of(config):
        raise CheckpointInvalid(f"{graph} is not that of the config.json beside it; {anew}")
    return session


def _rotations(c: ModelConfig) -> tuple[Array, Array]:
    """cos and sin of the rotary angles, (positions, head_dim / 2)."""
    rates = c.rope_theta ** -(np.arange(0, c.head_dim, 2, dtype=np.float32) / np.float32(c.head_dim))
    angles = np.outer(np.arange(c.context_length, dtype=np.float32), rates.astype(np.float32))
    return np.cos(angles), np.sin(angles)
