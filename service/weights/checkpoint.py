"""Checkpoints of the Mistral family: a base model's weights, sizes and tokenizer, from a directory or a hub id.

Owns reading (safetensors and JSON only, nothing that could run code) and digests. Knows nothing of execution: `engine/` runs what is read here.
Needs neither torch nor transformers. Run: `read_base("path/or/hub-id")`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - numpy knows bfloat16 once it is imported
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from service.confidence import UNCALIBRATED, Calibration

EMBEDDED = Path(__file__).parents[1] / "embedded"
EMBEDDED_BASE = EMBEDDED / "base"
EMBEDDED_ADAPTERS = EMBEDDED / "adapters"


_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


class CheckpointInvalid(ValueError):
    """A checkpoint that cannot be used; names the file and what to do about it."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The sizes of a Mistral-family decoder; dimensions in elements, `context_length` in tokens.

    `prefix_lm`: the tokens of a prompt attend to each other both ways (our own bases, see training/base/prefix.py); every other Mistral is causal.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    context_length: int
    tied_embeddings: bool
    bos_id: int | None
    eos_ids: tuple[int, ...]
    prefix_lm: bool = False

    @property
    def projection_sizes(self) -> dict[str, tuple[int, int]]:
        """(out, in) of each projection of a layer."""
        heads, kv_heads = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        wide, narrow = self.intermediate_size, self.hidden_size
        return {
            "q_proj": (heads, narrow), "k_proj": (kv_heads, narrow), "v_proj": (kv_heads, narrow), "o_proj": (narrow, heads),
            "gate_proj": (wide, narrow), "up_proj": (wide, narrow), "down_proj": (narrow, wide),
        }  # fmt: skip

    @classmethod
    def from_json(cls, config: dict[str, Any], source: Path) -> ModelConfig:
        """Raises: CheckpointInvalid for another model type or activation, quantized weights, a scaled RoPE, or a missing size."""
        if config.get("model_type") != "mistral":
            raise CheckpointInvalid(f"{source}: model_type is {config.get('model_type')!r}; only 'mistral' is run")
        if config.get("hidden_act", "silu") != "silu":
            raise CheckpointInvalid(f"{source}: hidden_act is {config['hidden_act']!r}; only 'silu' is run")
        if config.get("quantization_config"):
            raise CheckpointInvalid(f"{source}: quantized weights are not run; save the checkpoint in bfloat16 or float32")
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        rope_type = rope.get("rope_type", rope.get("type", "default"))
        if rope_type != "default":
            raise CheckpointInvalid(f"{source}: rope type {rope_type!r} is not supported; only 'default' is")
        if not isinstance(config.get("prefix_lm", False), bool):
            raise CheckpointInvalid(f"{source}: prefix_lm is {config['prefix_lm']!r}; it is true or false")
        try:
            eos = config["eos_token_id"]
            return cls(
                vocab_size=config["vocab_size"],
                hidden_size=config["hidden_size"],
                intermediate_size=config["intermediate_size"],
                num_layers=config["num_hidden_layers"],
                num_heads=config["num_attention_heads"],
                num_kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
                head_dim=config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
                rms_norm_eps=config.get("rms_norm_eps", 1e-6),
                rope_theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
                context_length=min(config["max_position_embeddings"], config.get("sliding_window") or 1 << 30),
                tied_embeddings=bool(config.get("tie_word_embeddings", False)),
                bos_id=config.get("bos_token_id"),
                eos_ids=tuple(eos) if isinstance(eos, list) else (int(eos),),
                prefix_lm=config.get("prefix_lm", False),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointInvalid(f"{source}: {error} is missing or malformed") from error


@dataclass(frozen=True, slots=True)
class Base:
    """A base model read from disk; `digest` is of its weights, in order of file name, `calibration` of its confidences."""

    path: Path
    config: ModelConfig
    tokenizer: Tokenizer
    digest: str
    metadata: dict[str, Any]
    calibration: Calibration = UNCALIBRATED

    def weights(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """(name, array) of every weight, read lazily, in the dtype of the file.

        Raises: CheckpointInvalid for a file that is no safetensors.
        """
        for file in weight_files(self.path):
            yield from read_tensors(file)

    def within(self, context_length: int) -> Base:
        """The same base with its context cut to at most this many tokens."""
        return replace(self, config=replace(self.config, context_length=min(self.config.context_length, context_length)))

    def token_texts(self) -> list[str]:
        """The text of each token of the vocabulary."""
        return [self.tokenizer.decode([token], skip_special_tokens=False) for token in range(self.config.vocab_size)]

    @property
    def size_bytes(self) -> int:
        return sum(f.stat().st_size for f in weight_files(self.path))


def weight_files(path: Path) -> list[Path]:
    """The safetensors of a checkpoint; Mistral's own `consolidated` layout is not the one read here."""
    files = sorted(f for f in path.glob("*.safetensors") if not f.name.startswith("consolidated"))
    if not files:
        raise CheckpointInvalid(f"{path}: no *.safetensors; convert the checkpoint with transformers' save_pretrained")
    return files


def read_tensors(file: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """(name, array) of a safetensors file, read lazily, in its dtype.

    Raises: CheckpointInvalid for a file that is no safetensors.
    """
    try:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no iteration in safe_open
                yield name, tensors.get_tensor(name)
    except (SafetensorError, AttributeError, TypeError) as error:  # the last two: a type of numbers that numpy has not, such as float8
        raise CheckpointInvalid(f"{file}: {error}; save the checkpoint in bfloat16 or float32") from error


def digest_of(files: list[Path]) -> str:
    """sha256 over the sha256 of each file, in order; "sha256:<64 hex>"."""
    outer = hashlib.sha256()
    for file in files:
        with file.open("rb") as data:
            outer.update(hashlib.file_digest(data, "sha256").digest())
    return f"sha256:{outer.hexdigest()}"


def read_json(path: Path) -> dict[str, Any]:
    """Raises: CheckpointInvalid when the file is missing or no JSON object."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointInvalid(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointInvalid(f"{path}: not a JSON object")
    return found


def read_base(base: str | Path | None = None) -> Base:
    """Read a base from a directory, or by a hub id through huggingface_hub; None is the shipped one.

    Raises: CheckpointInvalid; whatever huggingface_hub raises when a hub id cannot be had.
    """
    path = EMBEDDED_BASE if base is None else Path(base)
    if not path.is_dir():
        if base is None or not _HUB_ID.fullmatch(str(base)):
            raise CheckpointInvalid(f"{path}: no such directory")
        path = _downloaded(str(base))
    config = ModelConfig.from_json(read_json(path / "config.json"), path / "config.json")
    tokenizer = _read_tokenizer(path / "tokenizer.json", config)
    metadata = path / "metadata.json"
    facts = read_json(metadata) if metadata.exists() else {}
    try:
        calibration = Calibration.read(facts)
    except ValueError as error:
        raise CheckpointInvalid(f"{metadata}: {error}") from None
    return Base(path, config, tokenizer, digest_of(weight_files(path)), facts, calibration)


def _read_tokenizer(file: Path, config: ModelConfig) -> Tokenizer:
    """A tokenizer that cuts nothing off, and to which a marker in a text is text like any other."""
    if not file.is_file():
        raise CheckpointInvalid(f"{file}: missing; save a fast tokenizer beside the weights")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises no narrower type
        raise CheckpointInvalid(f"{file}: {error}") from error
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= config.vocab_size:
        raise CheckpointInvalid(f"{file}: has token {largest}; the model knows {config.vocab_size} tokens")
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _downloaded(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download  # only a hub id needs it

    return Path(snapshot_download(hub_id, allow_patterns=["*.json", "*.safetensors"], ignore_patterns=["consolidated*"]))
