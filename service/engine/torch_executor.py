"""A Mistral-family decoder in plain torch: one forward over rows of many sequences, each with its adapter.

Owns the weights, the key-value cache in slots and the adapters' low-rank factors. The rows' tokens are laid end to end, so that nothing is padded; only
attention looks at one row at a time. Knows nothing of masks, sampling or text. The arithmetic is that of transformers' MistralForCausalLM with peft's LoRA
(tests/unit/test_torch_executor.py compares the logits).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from service.checkpoint import Base, CheckpointInvalid, ModelConfig
from service.engine.executor import Logits, Row

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class LowRank:
    """An adapter's factors by (layer, projection): down (rank, in), up (out, rank); `scale` = lora_alpha / rank."""

    factors: dict[tuple[int, str], tuple[Tensor, Tensor]]
    scale: float


@dataclass(frozen=True)
class _Layer:
    input_norm: Tensor
    post_norm: Tensor
    projections: dict[str, Tensor]


class TorchExecutor:
    """Implements `Executor` on a torch device.

    Weights are float32 on a CPU and bfloat16 on an accelerator. The cache is (layer, key/value, slot, kv_head, position, head_dim) and is only
    touched as far as it is used.
    """

    def __init__(self, base: Base, *, num_slots: int, device: str = "cpu", dtype: torch.dtype | None = None) -> None:
        self.config: ModelConfig = base.config
        self.num_slots = num_slots
        self.device = torch.device(device)
        self.dtype = dtype or (torch.float32 if self.device.type == "cpu" else torch.bfloat16)
        weights = {name: tensor.to(self.device, self.dtype) for name, tensor in base.weights()}
        self._embedding = self._take(weights, "model.embed_tokens.weight")
        self._norm = self._take(weights, "model.norm.weight")
        self._head = self._embedding if self.config.tied_embeddings else self._take(weights, "lm_head.weight")
        self._layers = [self._layer(weights, i) for i in range(self.config.num_layers)]
        self._cos, self._sin = self._rotations()
        c = self.config
        shape = (c.num_layers, 2, num_slots, c.num_kv_heads, c.context_length, c.head_dim)
        self._cache = torch.empty(shape, dtype=self.dtype, device=self.device)
        self._adapters: dict[str, LowRank] = {}

    @property
    def context_length(self) -> int:
        return self.config.context_length

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    @property
    def prefix_lm(self) -> bool:
        return self.config.prefix_lm

    def load_adapter(self, digest: str, adapter: LowRank) -> None:
        """Make an adapter usable under its digest.

        Raises: CheckpointInvalid when a factor fits no projection of this base.
        """
        for key, factors in adapter.factors.items():
            self._check_fits(key, *factors)
        moved = {key: (a.to(self.device, self.dtype), b.to(self.device, self.dtype)) for key, (a, b) in adapter.factors.items()}
        self._adapters[digest] = LowRank(moved, adapter.scale)

    def _check_fits(self, key: tuple[int, str], down: Tensor, up: Tensor) -> None:
        index, name = key
        if index >= len(self._layers) or name not in PROJECTIONS:
            raise CheckpointInvalid(f"the base has no {name} in a layer {index} for the adapter")
        size = tuple(self._layers[index].projections[name].shape)
        if (up.shape[0], down.shape[1]) != size or up.shape[1] != down.shape[0]:
            raise CheckpointInvalid(f"layer {index}: the adapter's {name} is {tuple(up.shape)} x {tuple(down.shape)}, the base's is {size}")

    def unload_adapter(self, digest: str) -> None:
        self._adapters.pop(digest, None)

    @torch.inference_mode()
    def forward(self, rows: Sequence[Row]) -> list[Logits]:
        """See `Executor.forward`. Logits are float32 on the CPU."""
        lengths = [len(row.token_ids) for row in rows]
        assert all(lengths) and all(r.start + n <= self.context_length for r, n in zip(rows, lengths, strict=True)), "a row leaves the context"
        ids = torch.tensor([t for row in rows for t in row.token_ids], device=self.device)
        positions = torch.tensor([p for row, n in zip(rows, lengths, strict=True) for p in range(row.start, row.start + n)], device=self.device)
        groups = self._groups(rows, lengths)
        hidden = F.embedding(ids, self._embedding)
        cos, sin = self._cos[positions], self._sin[positions]
        for index, layer in enumerate(self._layers):
            normed = self._normed(hidden, layer.input_norm)
            hidden = hidden + self._attention(index, layer, normed, cos, sin, rows, lengths, groups)
            hidden = hidden + self._mlp(index, layer, self._normed(hidden, layer.post_norm), groups)
        wanted = [row.num_logits for row in rows]
        last = torch.cat([part[n - k :] for part, n, k in zip(torch.split(hidden, lengths), lengths, wanted, strict=True)])
        logits = F.linear(self._normed(last, self._norm), self._head).float().cpu()
        return [part.numpy() for part in torch.split(logits, wanted)]

    # --- the parts of a layer; hidden states are (tokens, hidden_size) ------------------------------------------------

    def _normed(self, hidden: Tensor, weight: Tensor) -> Tensor:
        wide = hidden.float()
        return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.config.rms_norm_eps)).to(self.dtype)

    def _project(self, index: int, layer: _Layer, name: str, hidden: Tensor, groups: Iterable[tuple[LowRank, Tensor | None]]) -> Tensor:
        out = F.linear(hidden, layer.projections[name])
        for adapter, tokens in groups:
            factors = adapter.factors.get((index, name))
            if factors is None:
                continue
            down, up = factors
            if tokens is None:
                out = out + F.linear(F.linear(hidden, down), up) * adapter.scale
            else:
                out.index_add_(0, tokens, F.linear(F.linear(hidden[tokens], down), up) * adapter.scale)
        return out

    def _attention(
        self, index: int, layer: _Layer, hidden: Tensor, cos: Tensor, sin: Tensor, rows: Sequence[Row], lengths: list[int],
        groups: list[tuple[LowRank, Tensor | None]],
    ) -> Tensor:  # fmt: skip
        c = self.config
        query = self._project(index, layer, "q_proj", hidden, groups).view(-1, c.num_heads, c.head_dim)
        key = self._project(index, layer, "k_proj", hidden, groups).view(-1, c.num_kv_heads, c.head_dim)
        value = self._project(index, layer, "v_proj", hidden, groups).view(-1, c.num_kv_heads, c.head_dim)
        query, key = _rotated(query, cos, sin), _rotated(key, cos, sin)
        parts = zip(rows, *(torch.split(states, lengths) for states in (query, key, value)), strict=True)
        mixed = [self._attend(index, row, q, k, v) for row, q, k, v in parts]
        return self._project(index, layer, "o_proj", torch.cat(mixed), groups)

    def _attend(self, index: int, row: Row, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of one row over its slot, after its keys and values are stored there: causal, but both ways inside its prefix."""
        length, end = len(row.token_ids), row.start + len(row.token_ids)
        keys, values = self._cache[index, 0, row.slot], self._cache[index, 1, row.slot]
        keys[:, row.start : end] = key.transpose(0, 1)
        values[:, row.start : end] = value.transpose(0, 1)
        causal = length > 1 and not row.start and not row.num_prefix
        mask = None
        if length > 1 and not causal and row.num_prefix < length:
            mask = torch.ones((length, end), dtype=torch.bool, device=self.device).tril(row.start)
            mask[: row.num_prefix, : row.num_prefix] = True
        out = F.scaled_dot_product_attention(
            query.transpose(0, 1)[None], keys[None, :, :end], values[None, :, :end], attn_mask=mask,
            is_causal=causal, enable_gqa=self.config.num_kv_heads != self.config.num_heads,
        )  # fmt: skip
        return out[0].transpose(0, 1).reshape(length, -1)

    def _mlp(self, index: int, layer: _Layer, hidden: Tensor, groups: list[tuple[LowRank, Tensor | None]]) -> Tensor:
        gate = F.silu(self._project(index, layer, "gate_proj", hidden, groups))
        return self._project(index, layer, "down_proj", gate * self._project(index, layer, "up_proj", hidden, groups), groups)

    # --- set-up -------------------------------------------------------------------------------------------------------

    def _groups(self, rows: Sequence[Row], lengths: list[int]) -> list[tuple[LowRank, Tensor | None]]:
        """(adapter, indexes of its tokens) for each adapter of the rows; None: all tokens are its own."""
        names = {row.adapter for row in rows}
        if names == {None}:
            return []
        if len(names) == 1:
            return [(self._adapters[str(next(iter(names)))], None)]
        of_token = [row.adapter for row, n in zip(rows, lengths, strict=True) for _ in range(n)]
        found: list[tuple[LowRank, Tensor | None]] = []
        for name in sorted(n for n in names if n is not None):
            tokens = torch.tensor([i for i, a in enumerate(of_token) if a == name], device=self.device)
            found.append((self._adapters[name], tokens))
        return found

    def _layer(self, weights: dict[str, Tensor], index: int) -> _Layer:
        prefix = f"model.layers.{index}."
        owner = {name: "mlp" if name in ("gate_proj", "up_proj", "down_proj") else "self_attn" for name in PROJECTIONS}
        return _Layer(
            self._take(weights, prefix + "input_layernorm.weight"),
            self._take(weights, prefix + "post_attention_layernorm.weight"),
            {name: self._take(weights, f"{prefix}{owner[name]}.{name}.weight") for name in PROJECTIONS},
        )

    @staticmethod
    def _take(weights: dict[str, Tensor], name: str) -> Tensor:
        try:
            return weights[name]
        except KeyError as error:
            raise CheckpointInvalid(f"the checkpoint lacks {name}") from error

    def _rotations(self) -> tuple[Tensor, Tensor]:
        """cos and sin of the rotary angles, (context_length, 1, head_dim)."""
        c = self.config
        rates = c.rope_theta ** -(torch.arange(0, c.head_dim, 2, dtype=torch.float32) / c.head_dim)
        angles = torch.outer(torch.arange(c.context_length, dtype=torch.float32), rates)
        angles = torch.cat((angles, angles), dim=-1)[:, None, :]
        return angles.cos().to(self.device, self.dtype), angles.sin().to(self.device, self.dtype)


def _rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of (tokens, heads, head_dim)."""
    left, right = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-right, left), dim=-1) * sin
