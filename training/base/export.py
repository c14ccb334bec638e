"""A base as files that transformers loads.

Owns what is written of a model: bf16 safetensors, its config, its tokenizer. What it was made of is told by who made it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import MistralForCausalLM, PreTrainedTokenizerBase

from training.whole import write_json


def export(model: MistralForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write weights, config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(AttributeError):
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    state = {name: tensor.detach().to("cpu", torch.bfloat16).contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", model.config.to_dict() | {"architectures": ["MistralForCausalLM"], "dtype": "bfloat16"})
    tokenizer.save_pretrained(folder)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors that were written."""
    return load_file(folder / "model.safetensors")
