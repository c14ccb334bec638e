"""The computation of a Mistral-family decoder as an ONNX graph without weights: one forward over rows of many sequences, each with its adapter.

Owns the arithmetic, which is that of transformers' MistralForCausalLM with peft's LoRA. Weights are initializers that
are not in the file: `onnx_executor.py` feeds it the arrays of the safetensors. Needs the `onnx` package, so it runs where bases are bundled, not where they are
served:

    python -m service.engine.onnx_graph service/embedded/base

Shapes: T tokens of all rows end to end, W of them with logits wanted; B slots of S places each (T in a rectangle), L positions of cache; R ranks of all
adapters in the pass. Projections are laid out as in the checkpoint, (out, in), which the runtime packs once; an adapter's factors, which it packs anew in every pass, the way that is quick to
pack: (in, rank) and (rank, out).
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

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
    columns_name,
    factor_names,
    matrix_name,
    norm_names,
    present_name,
    sizes_of,
)
from service.engine.lora import FUSED
from service.weights.checkpoint import EMBEDDED_BASE, ModelConfig, read_json

OPSET = 21
FUSED_OPS = "com.microsoft"
"""Of ONNX Runtime: operators that every build of it for a CPU has."""


@dataclass
class _Graph:
    """Nodes in order; `add` gives the name of a node's output."""

    nodes: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", name: str = "", **attributes: Any) -> str:
        stem = name or f"n{len(self.nodes)}"
        names = [stem, *(f"{stem}_{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return stem

    def given(self, name: str, kind: int, *shape: int | str) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """An initializer whose data the runtime is given beside the graph."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", FILE), ("offset", "0"), ("length", str(4 * math.prod(shape)))):
            tensor.external_data.add(key=key, value=value)
        self.initializers.append(tensor)
        return name

    def ints(self, name: str, *values: int) -> str:
        if name not in (known.name for known in self.initializers):
            self.initializers.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name


def build(config: ModelConfig) -> onnx.ModelProto:
    """The graph for a base of these sizes."""
    c, g = config, _Graph()
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    g.given(IDS, ints, "T")
    g.given(POSITIONS, ints, "T")
    g.given(COS, floats, "C", c.head_dim // 2)
    g.given(SIN, floats, "C", c.head_dim // 2)
    g.given(WRITES, ints, "T", c.num_kv_heads, 3)
    g.given(RECTANGLE, ints, "BS")
    g.given(TOKENS, ints, "T")
    g.given(MASK, floats, "B", 1, "S", "L")
    g.given(WANTED, ints, "W")
    g.given(ADAPTER_OF_TOKEN, ints, "T")
    sizes, query = c.projection_sizes, c.num_heads * c.head_dim
    both, keys = query + c.num_kv_heads * c.head_dim, c.num_kv_heads * c.head_dim
    g.weight(EMBEDDING, c.vocab_size, c.hidden_size)
    once = g.ints("once", 0)
    one_row, kv_heads = g.ints("one_row", 1, -1, both), g.ints("kv_heads", -1, c.num_kv_heads, c.head_dim)
    turned_and_not, query_and_key = g.ints("turned_and_not", both, keys), g.ints("query_and_key", query, keys)
    gate_and_up = g.ints("gate_and_up", c.intermediate_size, c.intermediate_size)
    positions = g.add("Unsqueeze", POSITIONS, once)
    rectangle = g.add("Concat", g.add("Shape", MASK, start=0, end=1), g.add("Shape", MASK, start=2, end=3), g.ints("query", query), axis=0)
    flat = g.ints("flat", -1, query)

    def projected(index: int, place: str, hidden: str) -> str:
        """All projections of one input, with the adapters' share."""
        names = FUSED[PLACES.index(place)]
        size = (sum(sizes[name][0] for name in names), sizes[names[0]][1])
        out = g.add("Gemm", hidden, g.weight(matrix_name(index, place), *size), transB=1)
        down, up = factor_names(index, place)
        g.given(down, floats, size[1], f"R_{place}")
        g.given(up, floats, f"R_{place}", size[0])
        low = g.add("Mul", g.add("Gemm", hidden, down), own[place])
        return g.add("Gemm", low, up, out)

    own = {place: g.add("Gather", g.given(columns_name(place), floats, "A", f"R_{place}"), ADAPTER_OF_TOKEN) for place in PLACES}
    hidden, added = g.add("Gather", EMBEDDING, IDS), ""
    for index in range(c.num_layers):
        before, after = (g.weight(name, c.hidden_size) for name in norm_names(index))
        normed, hidden = _normed(g, hidden, added, before, c.rms_norm_eps)
        split = g.add("Split", projected(index, "qkv", normed), turned_and_not, outputs=2, axis=-1)
        turned = g.add("RotaryEmbedding", g.add("Reshape", split, one_row), positions, COS, SIN, domain=FUSED_OPS, num_heads=c.num_heads + c.num_kv_heads)
        split_query = g.add("Split", turned, query_and_key, outputs=2, axis=-1)
        past_keys, past_values = (g.given(cache_name(index, which), floats, "B", c.num_kv_heads, "L", c.head_dim) for which in ("key", "value"))
        keys_now = g.add("ScatterND", past_keys, WRITES, g.add("Reshape", f"{split_query}_1", kv_heads), name=present_name(index, "key"))
        values_now = g.add("ScatterND", past_values, WRITES, g.add("Reshape", f"{split}_1", kv_heads), name=present_name(index, "value"))
        queries = g.add("Reshape", g.add("Gather", split_query, RECTANGLE, axis=1), rectangle)
        mixed = _attended(g, c, queries, keys_now, values_now)
        added = projected(index, "o", g.add("Gather", g.add("Reshape", mixed, flat), TOKENS))
        normed, hidden = _normed(g, hidden, added, after, c.rms_norm_eps)
        halves = g.add("Split", projected(index, "gate_up", normed), gate_and_up, outputs=2, axis=-1)
        silu = g.add("QuickGelu", halves, domain=FUSED_OPS, alpha=1.0)
        added = projected(index, "down", g.add("Mul", silu, f"{halves}_1"))
        for which in ("key", "value"):
            g.outputs.append(helper.make_tensor_value_info(present_name(index, which), floats, ["B", c.num_kv_heads, "L", c.head_dim]))
    last = g.add("Add", g.add("Gather", hidden, WANTED), g.add("Gather", added, WANTED))
    normed, _ = _normed(g, last, "", g.weight(NORM, c.hidden_size), c.rms_norm_eps)
    head = EMBEDDING if c.tied_embeddings else g.weight(HEAD, c.vocab_size, c.hidden_size)
    g.add("Gemm", normed, head, transB=1, name=LOGITS)
    g.outputs.append(helper.make_tensor_value_info(LOGITS, floats, ["W", c.vocab_size]))
    graph = helper.make_graph(g.nodes, "mistral", g.inputs, g.outputs, g.initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED_OPS, 1)], ir_version=10, producer_name="escribano")
    helper.set_model_props(made, {SIZES: sizes_of(config)})
    return made


def _attended(g: _Graph, c: ModelConfig, queries: str, keys: str, values: str) -> str:
    """Attention of (B, S, query heads of head_dim) over a cache (B, KV, L, D), in the shape of the queries."""
    if c.num_heads == c.num_kv_heads:
        return g.add("MultiHeadAttention", queries, keys, values, "", "", MASK, domain=FUSED_OPS, num_heads=c.num_heads)
    group = c.num_heads // c.num_kv_heads  # query heads that share one of the cache are more places of it
    by_group = g.add("Transpose", g.add("Reshape", queries, g.ints("by_group", 0, 0, c.num_kv_heads, group, c.head_dim)), perm=[0, 2, 3, 1, 4])
    scores = g.add("FusedMatMul", by_group, g.add("Unsqueeze", keys, g.ints("second", 2)), domain=FUSED_OPS, transB=1, alpha=c.head_dim**-0.5)
    weights = g.add("Softmax", g.add("Add", scores, g.add("Unsqueeze", MASK, "second")), axis=-1)
    mixed = g.add("MatMul", weights, g.add("Unsqueeze", values, "second"))
    return g.add("Reshape", g.add("Transpose", mixed, perm=[0, 3, 1, 2, 4]), g.ints("together", 0, 0, c.num_heads * c.head_dim))


def _normed(g: _Graph, hidden: str, added: str, weight: str, eps: float) -> tuple[str, str]:
    """The RMS norm of ``hidden + added``, and that sum."""
    if not added:
        return g.add("SimplifiedLayerNormalization", hidden, weight, axis=-1, epsilon=eps, stash_type=1), hidden
    out = g.add("SkipSimplifiedLayerNormalization", hidden, added, weight, outputs=4, domain=FUSED_OPS, epsilon=eps)
    return out, f"{out}_3"


def write_graph(folder: Path) -> Path:
    """Write a base's graph beside its weights, whole. Raises: CheckpointInvalid for what is no base that is run."""
    file = folder / FILE
    beside = file.with_suffix(".part")
    onnx.save(build(ModelConfig.from_json(read_json(folder / "config.json"), folder / "config.json")), beside)
    return beside.replace(file)


if __name__ == "__main__":
    print(write_graph(Path(sys.argv[1]) if len(sys.argv) > 1 else EMBEDDED_BASE))
