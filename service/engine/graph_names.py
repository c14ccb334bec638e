"""What the graph of a base calls its file, its inputs and outputs, and its weights.

Owns the names on which `onnx_graph.py`, which writes the graph, and `onnx_executor.py`, which runs it, agree. No runtime; no arithmetic.
"""

from __future__ import annotations

from dataclasses import asdict

from service.engine.lora import FUSED
from service.weights.checkpoint import ModelConfig

SIZES = "sizes"
"""Under which a graph's metadata tells `sizes_of`."""
LAYOUT = 3
"""Of the graphs' inputs: one more whenever graphs made before do not fit any longer."""
ROWS = (1, 2, 4, 8)
"""How many rows a pass has that goes on, each with a graph of its own; places that a pass has no row for would cost a seventh of it."""
ONE, MOST = ROWS[0], ROWS[-1]
PLACES = ("qkv", "o", "gate_up", "down")
"""Where a layer multiplies by a matrix, in the order of FUSED."""
EMBEDDING, NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"
COS, SIN = "cos", "sin"
IDS, WANTED, MASK, LENGTHS, LAST, TOTALS, ADAPTER_OF_TOKEN, LOGITS = "ids", "wanted", "mask", "lengths", "last", "totals", "adapter_of_token", "logits"


def file_of(rows: int | None) -> str:
    """The graph of passes of so many rows; None: of one prompt that is seen both ways."""
    return "escribano-prompt.onnx" if rows is None else f"escribano-{rows}.onnx"


def norm_names(index: int) -> tuple[str, str]:
    """Before attention, and after it."""
    return f"model.layers.{index}.input_layernorm.weight", f"model.layers.{index}.post_attention_layernorm.weight"


def projection_names(index: int, place: str) -> list[str]:
    """The checkpoint's names of the matrices that are one under the other at a place."""
    owner = "self_attn" if place in ("qkv", "o") else "mlp"
    return [f"model.layers.{index}.{owner}.{name}.weight" for name in FUSED[PLACES.index(place)]]


def matrix_name(index: int, place: str) -> str:
    return f"layers.{index}.{place}"


def factor_names(index: int, place: str) -> tuple[str, str]:
    """Down and up."""
    return f"layers.{index}.{place}.lora_a", f"layers.{index}.{place}.lora_b"


def columns_name(place: str) -> str:
    """(adapters + 1, ranks): which of the ranks at a place are whose; the last row is nobody's."""
    return f"{place}.ranks_of_adapter"


def cache_names(num_layers: int, row: int) -> tuple[str, ...]:
    """Keys and values of each layer, of the row of that number in a pass."""
    return tuple(f"past.{row}.{index}.{which}" for index in range(num_layers) for which in ("key", "value"))


def present_name(past: str) -> str:
    """What a pass makes of keys or values that it is given."""
    return past.replace("past", "present", 1)


def sizes_of(config: ModelConfig) -> str:
    """What of a base its graph depends on, in words: kept in it, and compared when it is loaded."""
    return f"layout {LAYOUT}, " + ", ".join(f"{key} {value}" for key, value in asdict(config).items() if key not in ("context_length", "bos_id", "eos_ids", "prefix_lm"))
