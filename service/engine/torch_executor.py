"""A Mistral-family decoder in plain torch: one forward over rows of many sequences, each with its adapter.

Owns the weights, the key-value cache in slots and the adapters' low-rank factors. The rows' tokens are laid end to end, so that nothing is padded; only
attention looks at one row at a time. Knows nothing of masks, sampling or text. The arithmetic is that of transformers' MistralForCausalLM with peft's LoRA
(tests/unit/test_executors.py compares the logits).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from service.engine.executor import Logits, Row
from service.engine.lora import FUSED, PROJECTIONS, FactorsUnfit, LowRank
from service.weights.checkpoint import Base, CheckpointInvalid, ModelConfig

_QKV, _O, _GATE_UP, _DOWN = range(len(FUSED))


_Fused = dict[tuple[int, int], tuple[Tensor, Tensor]]
"""An adapter by (layer, place in FUSED): down (ranks, in) and scaled up (out, ranks) of all projections there, up in blocks."""


@dataclass(frozen=True)
class _Layer:
    """``matrices`` in the order of FUSED."""

    input_norm: Tensor
    post_norm: Tensor
    matrices: list[Tensor]


class TorchExecutor:
    """Implements `Executor` on a torch device.

    Weights are float32 on a CPU and bfloat16 on an accelerator. The cache is (layer, key/value, slot, kv_head, position, head_dim) and is only
    touched as far as it is used.
    """

    def __init__(self, base: Base, *, num_slots: int, device: str = "cpu", dtype: torch.dtype | None = None) -> None:
        self.config: ModelConfig = base.config
        self.num_slots, self.patience = num_slots, 0
        self.device = torch.device(device)
        self.dtype = dtype or (torch.float32 if self.device.type == "cpu" else torch.bfloat16)
        weights = {name: self._tensor(array) for name, array in base.weights()}
        self._embedding = self._take(weights, "model.embed_tokens.weight")
        self._norm = self._take(weights, "model.norm.weight")
        self._head = self._embedding if self.config.tied_embeddings else self._take(weights, "lm_head.weight")
        self._layers = [self._layer(weights, i) for i in range(self.config.num_layers)]
        self._cos, self._sin = self._rotations()
        c = self.config
        shape = (c.num_layers, 2, num_slots, c.num_kv_heads, c.context_length, c.head_dim)
        self._cache = torch.empty(shape, dtype=self.dtype, device=self.device)
        self._adapters: dict[str, _Fused] = {}

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
        sizes = self.config.projection_sizes
        try:
            adapter.check_fits(len(self._layers), sizes)
        except FactorsUnfit as error:
            raise CheckpointInvalid(str(error)) from None
        self._adapters[digest] = {
            (index, place): (self._tensor(fused[0]), self._tensor(fused[1]))
            for index in range(len(self._layers)) for place, names in enumerate(FUSED) if (fused := adapter.fused(index, names, sizes)) is not None
        }  # fmt: skip

    @property
    def adapters(self) -> Collection[str]:
        return self._adapters.keys()

    def unload_adapter(self, digest: str) -> None:
        """See `Executor.unload_adapter`."""
        self._adapters.pop(digest, None)

    def release(self, slot: int) -> None:
        """Nothing to do: what a slot holds is not looked at by the next sequence in it."""

    @torch.inference_mode()
    def forward(self, rows: Sequence[Row], *, alone: bool = True) -> list[Logits]:
        """See `Executor.forward`. Logits are float32 on the CPU."""
        lengths = [len(row.token_ids) for row in rows]
        assert all(lengths) and all(r.start + n <= self.context_length for r, n in zip(rows, lengths, strict=True)), "a row leaves the context"
        ids = torch.tensor([t for row in rows for t in row.token_ids], device=self.device)
        positions = torch.tensor([p for row, n in zip(rows, lengths, strict=True) for p in range(row.start, row.start + n)], device=self.device)
        groups, masks = self._groups(rows, lengths), [self._mask(row) for row in rows]
        hidden = F.embedding(ids, self._embedding)
        cos, sin = self._cos[positions], self._sin[positions]
        for index, layer in enumerate(self._layers):
            normed = self._normed(hidden, layer.input_norm)
            hidden = hidden + self._attention(index, normed, cos, sin, rows, lengths, masks, groups)
            hidden = hidden + self._mlp(index, self._normed(hidden, layer.post_norm), groups)
        wanted = [row.num_logits for row in rows]
        last = torch.cat([part[n - k :] for part, n, k in zip(torch.split(hidden, lengths), lengths, wanted, strict=True)])
        logits = F.linear(self._normed(last, self._norm), self._head).float().cpu()
        return [part.numpy() for part in torch.split(logits, wanted)]

    # --- the parts of a layer; hidden states are (tokens, hidden_size) ------------------------------------------------

    def _normed(self, hidden: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(hidden, weight.shape, weight, self.config.rms_norm_eps)

    def _project(self, index: int, place: int, hidden: Tensor, groups: Iterable[tuple[_Fused, Tensor | None]]) -> Tensor:
        out = F.linear(hidden, self._layers[index].matrices[place])
        for adapter, tokens in groups:
            factors = adapter.get((index, place))
            if factors is None:
                continue
            down, up = factors
            if tokens is None:
                out = torch.addmm(out, F.linear(hidden, down), up.T)
            else:
                out.index_add_(0, tokens, F.linear(F.linear(hidden[tokens], down), up))
        return out

    def _attention(
        self, index: int, hidden: Tensor, cos: Tensor, sin: Tensor, rows: Sequence[Row], lengths: list[int], masks: Sequence[Tensor | None],
        groups: list[tuple[_Fused, Tensor | None]],
    ) -> Tensor:  # fmt: skip
        c = self.config
        heads = self._project(index, _QKV, hidden, groups).view(-1, c.num_heads + 2 * c.num_kv_heads, c.head_dim)
        query, key, value = torch.split(heads, [c.num_heads, c.num_kv_heads, c.num_kv_heads], dim=1)
        query, key = _rotated(query, cos, sin), _rotated(key, cos, sin)
        parts = zip(rows, masks, *(torch.split(states, lengths) for states in (query, key, value)), strict=True)
        mixed = [self._attend(index, row, mask, q, k, v) for row, mask, q, k, v in parts]
        return self._project(index, _O, torch.cat(mixed), groups)

    def _attend(self, index: int, row: Row, mask: Tensor | None, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of one row over its slot, after its keys and values are stored there."""
        length, end = len(row.token_ids), row.start + len(row.token_ids)
        keys, values = self._cache[index, 0, row.slot], self._cache[index, 1, row.slot]
        keys[:, row.start : end] = key.transpose(0, 1)
        values[:, row.start : end] = value.transpose(0, 1)
        out = F.scaled_dot_product_attention(
            query.transpose(0, 1)[None], keys[None, :, :end], values[None, :, :end], attn_mask=mask,
            is_causal=_is_causal(row), enable_gqa=self.config.num_kv_heads != self.config.num_heads,
        )  # fmt: skip
        return out[0].transpose(0, 1).reshape(length, -1)

    def _mask(self, row: Row) -> Tensor | None:
        """(tokens of the row, positions up to its last): causal, but both ways inside its prefix; None where attention needs none."""
        length = len(row.token_ids)
        if length == 1 or _is_causal(row) or row.num_prefix >= length:
            return None
        mask = torch.ones((length, row.start + length), dtype=torch.bool, device=self.device).tril(row.start)
        mask[: row.num_prefix, : row.num_prefix] = True
        return mask

    def _mlp(self, index: int, hidden: Tensor, groups: list[tuple[_Fused, Tensor | None]]) -> Tensor:
        gate, up = self._project(index, _GATE_UP, hidden, groups).chunk(2, dim=-1)
        return self._project(index, _DOWN, F.silu(gate) * up, groups)

    # --- set-up -------------------------------------------------------------------------------------------------------

    def _groups(self, rows: Sequence[Row], lengths: list[int]) -> list[tuple[_Fused, Tensor | None]]:
        """(adapter, indexes of its tokens) for each adapter of the rows; None: all tokens are its own."""
        names = {row.adapter for row in rows}
        if names == {None}:
            return []
        if len(names) == 1:
            return [(self._adapters[str(next(iter(names)))], None)]
        of_token = [row.adapter for row, n in zip(rows, lengths, strict=True) for _ in range(n)]
        found: list[tuple[_Fused, Tensor | None]] = []
        for name in sorted(n for n in names if n is not None):
            tokens = torch.tensor([i for i, a in enumerate(of_token) if a == name], device=self.device)
            found.append((self._adapters[name], tokens))
        return found

    def _layer(self, weights: dict[str, Tensor], index: int) -> _Layer:
        prefix = f"model.layers.{index}."
        owner = {name: "mlp" if name in ("gate_proj", "up_proj", "down_proj") else "self_attn" for name in PROJECTIONS}
        matrices = {name: self._take(weights, f"{prefix}{owner[name]}.{name}.weight") for name in PROJECTIONS}
        return _Layer(
            self._take(weights, prefix + "input_layernorm.weight"),
            self._take(weights, prefix + "post_attention_layernorm.weight"),
            [torch.cat([matrices[name] for name in names]) for names in FUSED],
        )

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        if array.dtype.name == "bfloat16":  # which torch does not take from numpy
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).to(self.device, self.dtype)
        return torch.from_numpy(array).to(self.device, self.dtype)

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


def _is_causal(row: Row) -> bool:
    """Whether plain causal attention is all it takes."""
    return len(row.token_ids) > 1 and not row.start and not row.num_prefix


def _rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of (tokens, heads, head_dim)."""
    left, right = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-right, left), dim=-1) * sin
