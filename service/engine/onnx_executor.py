"""A Mistral-family decoder in ONNX Runtime on a CPU: one forward over rows of many sequences, each with its adapter.

Owns the session and the rectangles that are run; where keys and values lie is `cache.py`, the adapters of a pass are `side_by_side.py`. The graph (`onnx_graph.py` writes it beside the base) has no weights: it is
given the arrays of the safetensors. The cache is bound as input and output alike, so that a pass writes its keys and values in place. Needs neither torch nor
transformers; the arithmetic is compared with theirs in tests/unit/test_executors.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.engine.cache import PLACES as PLACES_OF_BLOCK
from service.engine.cache import Block, Cache
from service.engine.executor import Logits, Row
from service.engine.graph_names import (
    ADAPTER_OF_TOKEN,
    COS,
    EMBEDDING,
    FILE,
    HEAD,
    IDS,
    LOGITS,
    MASK,
    NORM,
    PLACES,
    POSITIONS,
    RECTANGLE,
    SIN,
    SIZES,
    TOKENS,
    WANTED,
    WRITES,
    cache_name,
    matrix_name,
    norm_names,
    projection_names,
    sizes_of,
)
from service.engine.lora import Array, FactorsUnfit, LowRank
from service.engine.side_by_side import Factors, Names, SideBySide
from service.weights.checkpoint import Base, CheckpointInvalid, ModelConfig

LONG = 17
"""A row of more tokens is run by itself: beside short ones it would make a rectangle of mostly nothing."""
MOST_BINDINGS = 64
"""How many sets of adapters and of neighbouring places of a block are kept bound."""

_UNSEEN = np.float32(-1e30)


class OnnxExecutor:
    """Implements `Executor` on ONNX Runtime's CPU provider, in float32."""

    def __init__(self, base: Base, *, num_slots: int, threads: int | None = None) -> None:
        self.config, self.num_slots, self.prefix_lm = base.config, num_slots, base.config.prefix_lm
        self.context_length, self.vocab_size = base.config.context_length, base.config.vocab_size
        self._sizes = base.config.projection_sizes
        self._arrays = _arrays(base)  # the session looks at them where they lie
        self._session = _session(base.path / FILE, self._arrays, base.config, threads)
        self._side_by_side = SideBySide(base.config.num_layers, self._sizes, self._unbind)
        self._rotations = dict(zip((COS, SIN), _rotations(base.config), strict=True))
        names = [cache_name(index, which) for index in range(base.config.num_layers) for which in ("key", "value")]
        self._cache = Cache(names, base.config.num_kv_heads, base.config.head_dim, self.context_length)

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
        self._cache.release(slot)

    def forward(self, rows: Sequence[Row]) -> list[Logits]:
        """See `Executor.forward`."""
        assert all(row.token_ids and row.start + len(row.token_ids) <= self.context_length for row in rows), "a row leaves the context"
        for row in rows:
            self._cache.reserve(row.slot, row.start, row.start + len(row.token_ids))
        logits: dict[Row, Logits] = {}
        for together in self._by_block(rows):
            for short in self._side_by_side.passes([row for row in together if len(row.token_ids) <= LONG]):
                logits.update(zip(short, self._run(short), strict=True))
            logits.update((row, self._run([row])[0] if row.start else self._begun(row)) for row in together if len(row.token_ids) > LONG)
        return [logits[row] for row in rows]

    def _by_block(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        """The rows of each block, in the order in which they lie there."""
        places = {row: self._cache.place(row.slot) for row in rows}
        in_order = sorted(rows, key=lambda row: (places[row][0].number, places[row][1]))
        return (list(group) for _, group in groupby(in_order, lambda row: places[row][0].number))

    # --- a pass -------------------------------------------------------------------------------------------------------

    def _begun(self, row: Row) -> Logits:
        """A long row that is the first of its sequence: in a cache of its own size, so that it need not look past its end."""
        (block, place), length = self._cache.place(row.slot), len(row.token_ids)
        fresh = {name: np.empty((1, array.shape[1], length, array.shape[3]), np.float32) for name, array in block.arrays.items()}
        logits = self._run([row], fresh)[0]
        for name, array in block.arrays.items():
            array[place, :, :length] = fresh[name][0]
        return logits

    def _run(self, rows: Sequence[Row], fresh: dict[str, Array] | None = None) -> list[Logits]:
        """One pass over the places of a block from the first to the last of the rows, or over a cache that is only theirs."""
        block, first = self._cache.place(rows[0].slot)
        places = [self._cache.place(row.slot)[1] - first for row in rows]
        slots, length = places[-1] + 1, block.length if fresh is None else len(rows[0].token_ids)
        lengths = np.array([len(row.token_ids) for row in rows])
        width, ends = int(lengths.max()), lengths.cumsum()
        of_row = np.repeat(np.arange(len(rows)), lengths)
        slot = np.array(places)[of_row]
        place = np.arange(ends[-1]) - (ends - lengths)[of_row]
        position = np.array([row.start for row in rows])[of_row] + place
        prefix = np.array([row.num_prefix for row in rows])[of_row]
        in_rectangle = slot * width + place
        rectangle = np.zeros(slots * width, np.int64)
        rectangle[in_rectangle] = np.arange(len(place))
        heads = np.arange(self.config.num_kv_heads)
        sees = np.full((slots * width, length), _UNSEEN)
        sees[in_rectangle] = np.where(np.arange(length) < np.where(place < prefix, prefix, position + 1)[:, None], np.float32(0), _UNSEEN)
        names, factors = self._side_by_side.laid({row.adapter for row in rows if row.adapter is not None})
        whose = np.array([len(names) if row.adapter is None else names.index(row.adapter) for row in rows])
        logits = np.empty((sum(row.num_logits for row in rows), self.vocab_size), np.float32)
        given = {
            IDS: np.array([token for row in rows for token in row.token_ids]), POSITIONS: position,
            WRITES: np.stack(np.broadcast_arrays(slot[:, None], heads, position[:, None]), axis=-1), RECTANGLE: rectangle, TOKENS: in_rectangle,
            MASK: sees.reshape(slots, 1, width, length), WANTED: np.concatenate([np.arange(e - r.num_logits, e) for r, e in zip(rows, ends, strict=True)]),
            ADAPTER_OF_TOKEN: whose[of_row],
        }  # fmt: skip
        bound = self._bound(names, factors, block, first, first + slots) if fresh is None else self._binding(factors, fresh)
        kept = [_bind_input(bound, name, array) for name, array in given.items()]
        bound.bind_output(LOGITS, "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        self._session.run_with_iobinding(bound)
        del kept
        return np.split(logits, np.cumsum([row.num_logits for row in rows])[:-1])

    def _bound(self, names: Names, factors: Factors, block: Block, first: int, end: int) -> onnxruntime.IOBinding:
        """What stays the same from pass to pass is bound once: the cache of neighbouring places, and factors."""
        found = block.bound.pop((names, first, end), None)
        if found is None:
            found = self._binding(factors, {name: array[first:end] for name, array in block.arrays.items()})
        block.bound[names, first, end] = found  # the latest used comes last
        while len(block.bound) > MOST_BINDINGS:
            del block.bound[next(iter(block.bound))]
        return found

    def _unbind(self, names: Names) -> None:
        """Factors that were laid together are not used any more."""
        for block in self._cache.blocks:
            for key in [key for key in block.bound if key[0] == names]:
                del block.bound[key]

    def _binding(self, factors: Factors, caches: dict[str, Array]) -> onnxruntime.IOBinding:
        bound = self._session.io_binding()
        for name, array in (self._rotations | factors | caches).items():
            bound.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, cache in caches.items():
            bound.bind_output(name.replace("past", "present", 1), "cpu", 0, np.float32, cache.shape, cache.ctypes.data)
        return bound


def _bind_input(bound: onnxruntime.IOBinding, name: str, array: Array | NDArray[np.int64]) -> onnxruntime.OrtValue:
    """Bind an array where it lies; what is returned must outlive the pass."""
    value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
    bound.bind_ortvalue_input(name, value)
    return value


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


def _session(graph: Path, arrays: dict[str, Array], config: ModelConfig, threads: int | None) -> onnxruntime.InferenceSession:
    """Raises: CheckpointInvalid."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
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
    """cos and sin of the rotary angles, (positions, head_dim / 2); as many positions as a pass may have tokens, which the operator asks for."""
    rates = c.rope_theta ** -(np.arange(0, c.head_dim, 2, dtype=np.float32) / np.float32(c.head_dim))
    angles = np.outer(np.arange(max(c.context_length, PLACES_OF_BLOCK * LONG), dtype=np.float32), rates.astype(np.float32))
    return np.cos(angles), np.sin(angles)
