"""A random Mistral of a few thousand weights with a tokenizer and LoRA adapters, saved as transformers and peft save them.

Owns: making checkpoints in a directory of the test's choice. The models are random, so what they write means nothing; the mask makes it valid.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import MistralConfig, MistralForCausalLM

from schemas.catalog import Catalog
from service.engine.onnx_graph import write_graphs
from service.weights.checkpoint import digest_of, weight_files

VOCAB_SIZE = 400
CONTEXT_LENGTH = 2048
BOS_ID, EOS_ID = 1, 2
TEXTS = (
    '{"name":"Ana","status":"on_track","cost":12.5,"tags":["a","b"],"done":true}',
    '{"status":"at_risk","risks":[{"title":"slow tests","level":"high"}],"due":"2026-02-28"}',
    '{"kind":"on","a":null,"b":false,"x1":[1,2,3],"note":"cañón y pingüino"}',
    "### Question\nThe migration of Ana's team is on track; it cost 12.5 so far.\n### Report\n",
)


def tokenizer() -> Tokenizer:
    """A byte-level BPE of VOCAB_SIZE tokens, special ones at 0, 1 and 2."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE, special_tokens=["<pad>", "<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(TEXTS * 3, trainer=trainer)
    return made


def config(**changes: Any) -> MistralConfig:
    """Two layers of width 32; `changes` as MistralConfig takes them."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCAB_SIZE, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": CONTEXT_LENGTH, "sliding_window": None, "bos_token_id": BOS_ID,
        "eos_token_id": EOS_ID, "pad_token_id": 0, "tie_word_embeddings": True, "initializer_range": 0.3,
    }  # fmt: skip
    return MistralConfig(**(sizes | changes))


def save_base(path: Path, *, seed: int = 0, **changes: Any) -> MistralForCausalLM:
    """Save a random base with its tokenizer and graph; gives the model in float32, ready to compare with."""
    torch.manual_seed(seed)
    model = MistralForCausalLM(config(**changes)).eval()
    model.save_pretrained(path)
    tokenizer().save(str(path / "tokenizer.json"))
    write_graphs(path)
    return model


def save_adapter(base: Path, path: Path, *, seed: int = 1, rank: int = 4, schema_id: str = "agent_status", **facts: str) -> torch.nn.Module:
    """Save a random adapter of a base; gives the model with it. `facts` stand in metadata.json instead of what is true."""
    torch.manual_seed(seed)
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, task_type="CAUSAL_LM", target_modules=[
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])  # fmt: skip
    model = get_peft_model(MistralForCausalLM.from_pretrained(base, dtype=torch.float32), lora).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_" in name:
                weights.normal_(0.0, 0.2)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    model.save_pretrained(path)
    told = {
        "adapter_id": path.name, "schema_id": schema_id, "schema_digest": Catalog.load().get("agent_status").digest,
        "base_digest": digest_of(weight_files(base)),
    }  # fmt: skip
    (path / "metadata.json").write_text(json.dumps(told | facts))
    return model
