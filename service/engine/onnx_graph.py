"""The computation of a Mistral-family decoder as ONNX graphs without weights: of a sequence that goes on, of two, four and eight side by side, each with its adapter, and
of a prompt that is seen both ways.

Owns the arithmetic, which is that of transformers' MistralForCausalLM with peft's LoRA. Weights are initializers that
are not in the files: `onnx_executor.py` feeds them the arrays of the safetensors. Needs the `onnx` package, so it runs where bases are bundled, not where they are
served:

    python -m service.engine.onnx_graph service/embedded/base

Shapes: T tokens of all rows end to end, W of them with logits wanted; S of them in a row, over P positions of its own cache; R ranks of all
adapters in the pass. Projections are laid out as in the checkpoint, (out, in), which the runtime packs once; an adapter's factors, which it packs anew in every pass, the way that is quick to
pack: (in, rank) and (rank, out).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

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
    NORM,
    PLACES,
    ROWS,
    SIN,
    SIZES,
    TOTALS,
    WANTED,
    cache_names,
    columns_name,
    factor_names,
    file_of,
    matrix_name,
    norm_names,
    present_name,
    sizes_of,
)
from service.engine.lora import FUSED
from service.weights.checkpoint import EMBEDDED_BASE, CheckpointInvalid, ModelConfig, read_json

OPSET = 21
HEAD_MULTIPLE = 16
FUSED_OPS = "com.microsoft"
"""Of ONNX Runtime: operators that every build of it for a CPU has."""


@dataclass
class _Graph:
    """Nodes in order; `add` gives the name of a node's output."""

    nodes: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any) -> str:
        return self.all_of(kind, *inputs, names=[name or f"n{len(self.nodes)}"], domain=domain, **attributes)[0]

    def all_of(self, kind: str, *inputs: str, names: list[str] | None = None, outputs: int = 1, domain: str = "", **attributes: Any) -> list[str]:
        """A node of several outputs, and the names of all of them."""
        names = names or [f"n{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names

    def given(self, name: str, kind: int, *shape: int | str) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """An initializer whose data the runtime is given beside the graph."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "none"), ("offset", "0"), ("length", str(4 * math.prod(shape)))):
            tensor.external_data.add(key=key, value=value)
        self.initializers.append(tensor)
        return name

    def ints(self, name: str, *values: int) -> str:
        if name not in (known.name for known in self.initializers):
            self.initializers.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name


def build(config: ModelConfig, rows: int | None) -> onnx.ModelProto:
    """The graph for a base of these sizes and passes of so many rows; None: of one prompt."""
    c, g = config, _Graph()
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    g.given(IDS, ints, "T")
    g.given(WANTED, ints, "W")
    sizes = c.projection_sizes
    g.weight(EMBEDDING, c.vocab_size, c.hidden_size)
    attended = _of_a_prompt(g, c) if rows is None else _of_rows(g, c, rows)
    gate_and_up = g.ints("gate_and_up", c.intermediate_size, c.intermediate_size)
    own = {}
    if rows is not None and rows > 1:  # of one row every rank is its own
        g.given(ADAPTER_OF_TOKEN, ints, "T")
        own = {place: g.add("Gather", g.given(columns_name(place), floats, "A", f"R_{place}"), ADAPTER_OF_TOKEN) for place in PLACES}

    def projected(index: int, place: str, hidden: str) -> str:
        """All projections of one input, with the adapters' share."""
        names = FUSED[PLACES.index(place)]
        size = (sum(sizes[name][0] for name in names), sizes[names[0]][1])
        out = g.add("Gemm", hidden, g.weight(matrix_name(index, place), *size), transB=1)
        down, up = factor_names(index, place)
        g.given(down, floats, size[1], f"R_{place}")
        g.given(up, floats, f"R_{place}", size[0])
        low = g.add("Gemm", hidden, down)
        return g.add("Gemm", g.add("Mul", low, own[place]) if own else low, up, out)

    hidden, added = g.add("Gather", EMBEDDING, IDS), ""
    for index in range(c.num_layers):
        before, after = (g.weight(name, c.hidden_size) for name in norm_names(index))
        normed, hidden = _normed(g, hidden, added, before, c.rms_norm_eps)
        mixed = attended(index, projected(index, "qkv", normed))
        if rows is None and index == c.num_layers - 1:
            hidden = g.add("Gather", hidden, WANTED)
        added = projected(index, "o", mixed)
        normed, hidden = _normed(g, hidden, added, after, c.rms_norm_eps)
        gate, up = g.all_of("Split", projected(index, "gate_up", normed), gate_and_up, outputs=2, axis=-1)
        added = projected(index, "down", g.add("Mul", g.add("QuickGelu", gate, domain=FUSED_OPS, alpha=1.0), up))
    if rows is not None:
        hidden, added = g.add("Gather", hidden, WANTED), g.add("Gather", added, WANTED)
    normed, _ = _normed(g, g.add("Add", hidden, added), "", g.weight(NORM, c.hidden_size), c.rms_norm_eps)
    head = EMBEDDING if c.tied_embeddings else g.weight(HEAD, c.vocab_size, c.hidden_size)
    g.add("Gemm", normed, head, transB=1, name=LOGITS)
    g.outputs.append(helper.make_tensor_value_info(LOGITS, floats, ["W", c.vocab_size]))
    graph = helper.make_graph(g.nodes, "mistral", g.inputs, g.outputs, g.initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED_OPS, 1)], ir_version=10, producer_name="escribano")
    helper.set_model_props(made, {SIZES: sizes_of(config)})
    return made


_Attended = Callable[[int, str], str]
"""Attention of a layer: its number and the queries, keys and values (T, all heads of head_dim) of all rows, one after the other, in; (T, query heads of head_dim) out."""


def _of_rows(g: _Graph, c: ModelConfig, rows: int) -> _Attended:
    """Each row over its own cache, which the node writes in place: a token sees those before it."""
    width = (c.num_heads + 2 * c.num_kv_heads) * c.head_dim
    packed, flat = g.ints("packed", 1, -1, width), g.ints("flat", -1, c.num_heads * c.head_dim)
    cos, sin = _rotations(g, c)
    last, totals = (g.given(name, TensorProto.INT32, rows) for name in (LAST, TOTALS))
    each = [1] * rows
    lasts, all_totals = ([name] if rows == 1 else g.all_of("Split", name, g.ints("each", *each), outputs=rows) for name in (last, totals))
    lengths = g.given(LENGTHS, TensorProto.INT64, rows) if rows > 1 else ""

    def attended(index: int, qkv: str) -> str:
        together = g.add("Reshape", qkv, packed)
        own = g.all_of("Split", together, lengths, outputs=rows, axis=1) if rows > 1 else [together]
        mixed = []
        for row, (qkv_of_row, row_last, total) in enumerate(zip(own, lasts, all_totals, strict=True)):
            past = cache_names(c.num_layers, row)[2 * index : 2 * index + 2]
            for name in past:
                g.given(name, TensorProto.FLOAT, 1, c.num_kv_heads, f"P_{row}", c.head_dim)
                g.outputs.append(helper.make_tensor_value_info(present_name(name), TensorProto.FLOAT, [1, c.num_kv_heads, f"P_{row}", c.head_dim]))
            names = [f"mixed_{index}_{row}", *map(present_name, past)]
            mixed += g.all_of("GroupQueryAttention", qkv_of_row, "", "", *past, row_last, total, cos, sin, names=names, domain=FUSED_OPS,
                              num_heads=c.num_heads, kv_num_heads=c.num_kv_heads, do_rotary=1)[:1]  # fmt: skip
        return g.add("Reshape", g.add("Concat", *mixed, axis=1) if rows > 1 else mixed[0], flat)

    return attended


def _of_a_prompt(g: _Graph, c: ModelConfig) -> _Attended:
    """One row that begins, each token over what the mask (0 or far below) lets it see; keys and values are given back.

    In the last layer only the tokens with logits wanted attend: all that is asked of the others is their keys and values.
    """
    query, keys = c.num_heads * c.head_dim, c.num_kv_heads * c.head_dim
    g.given(MASK, TensorProto.FLOAT, 1, 1, "T", "T")
    cos, sin = _rotations(g, c)
    packed, flat = g.ints("packed", 1, -1, query + 2 * keys), g.ints("flat", -1, query)
    turned_and_not, query_and_key, by_head = g.ints("turned_and_not", query + keys, keys), g.ints("query_and_key", query, keys), g.ints("by_head", 1, -1, c.num_kv_heads, c.head_dim)
    first = g.ints("first", 0)

    def attended(index: int, qkv: str) -> str:
        to_turn, values = g.all_of("Split", g.add("Reshape", qkv, packed), turned_and_not, outputs=2, axis=-1)
        turned = g.add("RotaryEmbedding", to_turn, first, cos, sin, domain=FUSED_OPS, num_heads=c.num_heads + c.num_kv_heads)
        queries, own_keys = g.all_of("Split", turned, query_and_key, outputs=2, axis=-1)
        seen_keys, seen_values = map(present_name, cache_names(c.num_layers, 0)[2 * index : 2 * index + 2])
        for name, of in ((seen_keys, own_keys), (seen_values, values)):
            g.add("Transpose", g.add("Reshape", of, by_head), perm=[0, 2, 1, 3], name=name)
            g.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, c.num_kv_heads, "T", c.head_dim]))
        mask = MASK
        if index == c.num_layers - 1:
            queries, mask = g.add("Gather", queries, WANTED, axis=1), g.add("Gather", MASK, WANTED, axis=2)
        return g.add("Reshape", _masked(g, c, queries, seen_keys, seen_values, mask), flat)

    return attended


def _rotations(g: _Graph, c: ModelConfig) -> tuple[str, str]:
    """cos and sin of the rotary angles by position."""
    return g.given(COS, TensorProto.FLOAT, "C", c.head_dim // 2), g.given(SIN, TensorProto.FLOAT, "C", c.head_dim // 2)


def _masked(g: _Graph, c: ModelConfig, queries: str, keys: str, values: str, mask: str) -> str:
    """Attention of (1, Q, query heads of head_dim) over (1, KV, T, head_dim), in the shape of the queries; mask (1, 1, Q, T)."""
    if c.num_heads == c.num_kv_heads:
        return g.add("MultiHeadAttention", queries, keys, values, "", "", mask, domain=FUSED_OPS, num_heads=c.num_heads)
    group = c.num_heads // c.num_kv_heads  # query heads that share one of the cache are more places of it
    by_group = g.add("Transpose", g.add("Reshape", queries, g.ints("by_group", 0, 0, c.num_kv_heads, group, c.head_dim)), perm=[0, 2, 3, 1, 4])
    scores = g.add("FusedMatMul", by_group, g.add("Unsqueeze", keys, g.ints("second", 2)), domain=FUSED_OPS, transB=1, alpha=c.head_dim**-0.5)
    weights = g.add("Softmax", g.add("Add", scores, g.add("Unsqueeze", mask, "second")), axis=-1)
    mixed = g.add("MatMul", weights, g.add("Unsqueeze", values, "second"))
    return g.add("Reshape", g.add("Transpose", mixed, perm=[0, 3, 1, 2, 4]), g.ints("together", 0, 0, c.num_heads * c.head_dim))


def _normed(g: _Graph, hidden: str, added: str, weight: str, eps: float) -> tuple[str, str]:
    """The RMS norm of ``hidden + added``, and that sum."""
    if not added:
        return g.add("SimplifiedLayerNormalization", hidden, weight, axis=-1, epsilon=eps, stash_type=1), hidden
    out, _, _, total = g.all_of("SkipSimplifiedLayerNormalization", hidden, added, weight, outputs=4, domain=FUSED_OPS, epsilon=eps)
    return out, total


def write_graphs(folder: Path) -> list[Path]:
    """Write a base's graphs beside its weights, each whole. Raises: CheckpointInvalid for what is no base that is run so."""
    config = ModelConfig.from_json(read_json(folder / "config.json"), folder / "config.json")
    if config.head_dim % HEAD_MULTIPLE:
        raise CheckpointInvalid(f"{folder}: heads of {config.head_dim} dimensions; ONNX Runtime's attention wants a multiple of {HEAD_MULTIPLE}. Without graphs beside it torch runs the base")
    return [_write(build(config, rows), folder / file_of(rows)) for rows in (*ROWS, *((None,) if config.prefix_lm else ()))]


def _write(graph: onnx.ModelProto, file: Path) -> Path:
    beside = file.with_suffix(".part")
    onnx.save(graph, beside)
    return beside.replace(file)


if __name__ == "__main__":
    for file in write_graphs(Path(sys.argv[1]) if len(sys.argv) > 1 else EMBEDDED_BASE):
        print(file)
