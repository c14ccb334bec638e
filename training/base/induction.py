"""Initial weights that can already copy: previous-token heads and an induction head, set by hand before training.

Every value of a report stands in the text, so a model that writes reports must copy. From random weights the heads that do it (some mark each token with
the tokens before it, others look for the place where the last tokens stood before and take what followed) are found late and at once, and
nothing else is learned meanwhile. Here they are written down. Training is free to change them.

Sources: Olsson et al., "In-context Learning and Induction Heads" (2022); Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers" (2023).

Layout of the residual stream, by dimension: 0 is the same for every token; then the token; the last `head_dim` hold the marks of the token before (first
half) and of the one before that (second half). A mark is a random projection of a token.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import MistralConfig, MistralForCausalLM

TOKEN_STD = 0.08  # of the embedding in the token's dimensions
CONSTANT = 6.0  # the constant dimension, in units of TOKEN_STD
LOCALITY = 50.0  # product of query and key per rotary pair of the previous-token head
SHARPNESS = 120.0  # product of query and key where one mark is equal
COPY_GAIN = 3.0  # how much more the copied token weighs than the current one
SLOW = 2.5e-3  # rotary pairs turning slower than this, in radians per token, can compare contents a note apart


@torch.no_grad()
def write_induction(model: MistralForCausalLM, seed: int = 0) -> None:
    """Overwrite the weights: embedding, layers 0 and 1 as above, and no output from any other head or MLP.

    The copied token passes through every head of layer 1, `head_dim` dimensions each, so each query head needs its own key-value head.

    Raises: ValueError for sizes that do not allow it.
    """
    config = model.config
    width, size, heads = int(config.hidden_size), int(config.head_dim or 0), int(config.num_attention_heads)
    if config.num_key_value_heads != heads or heads * size != width or config.num_hidden_layers < 2 or heads < 2:
        raise ValueError("induction heads need as many key-value heads as heads, at least two of them and two layers, and heads * head_dim = hidden_size")
    rates = _rates(config)
    generator = torch.Generator().manual_seed(seed)
    tokens = slice(1, width - size)
    embedding = model.model.embed_tokens.weight
    embedding.zero_()
    drawn = torch.randn(embedding.size(0), width - size - 1, generator=generator)
    embedding[:, tokens] = TOKEN_STD * (width - size - 1) ** 0.5 * torch.nn.functional.normalize(drawn)  # of one length, so that the heads of layer 0 see places only
    embedding[:, 0] = CONSTANT * TOKEN_STD
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    mark = torch.linalg.qr(torch.randn(width - size - 1, size // 2, generator=generator))[0].T  # (head_dim / 2, token dimensions), orthonormal rows
    variance = (CONSTANT**2 + width - size - 1) / width  # mean square of an embedding, in units of TOKEN_STD squared
    _previous_tokens(model.model.layers[0].self_attn, rates, mark, tokens, CONSTANT / variance**0.5, TOKEN_STD * variance**0.5)
    variance = (CONSTANT**2 + width - 1) / width
    _induction(model.model.layers[1].self_attn, rates, mark, tokens, TOKEN_STD * variance**0.5)


def _rates(config: MistralConfig) -> Tensor:
    """Radians per token of each rotary pair, (head_dim / 2,)."""
    size, theta = int(config.head_dim or 0), float(config.rope_parameters["rope_theta"])  # type: ignore[index,arg-type]
    return theta ** -(torch.arange(0, size, 2, dtype=torch.float32) / size)


def _previous_tokens(attention: Any, rates: Tensor, mark: Tensor, tokens: slice, constant: float, scale: float) -> None:
    """Head h attends to the h+1st token before; the first two write the mark of what they saw.

    A query and a key that are the same everywhere meet at a distance by their rotations alone: the key is turned ahead by that distance.
    """
    half = mark.size(0)
    size, fast = 2 * half, min(8, half // 2)
    amplitude = LOCALITY**0.5 / constant
    for name in ("q_proj", "k_proj"):
        getattr(attention, name).weight.zero_()
    for head in range(attention.q_proj.weight.size(0) // size):
        turn, start = rates[:fast] * (head + 1), head * size
        attention.q_proj.weight[start : start + fast, 0] = amplitude
        attention.k_proj.weight[start : start + fast, 0] = amplitude * turn.cos()
        attention.k_proj.weight[start + half : start + half + fast, 0] = amplitude * turn.sin()
    for head in range(2):
        start, end = head * size, head * size + half
        attention.v_proj.weight[start:end] = 0
        attention.v_proj.weight[start:end, tokens] = mark
        attention.o_proj.weight[head * half - size :, start:end][:half] = scale * torch.eye(half)


def _induction(attention: Any, rates: Tensor, mark: Tensor, tokens: slice, scale: float) -> None:
    """Find where the marks of the two tokens before equal those of the current token and the one before it, and take the token there."""
    half, width = mark.size(0), int(attention.q_proj.weight.size(1))
    size = 2 * half
    slow = int((rates < SLOW).nonzero()[0])  # the first rotary pair slow enough
    for name in ("q_proj", "k_proj", "v_proj"):
        getattr(attention, name).weight.zero_()
    count = half - slow  # components of a mark that find room among the slow pairs, one mark in each half of them
    strength = (SHARPNESS / count) ** 0.5
    for start in range(0, width - size, size):  # the heads that carry a part of the token
        shown = (torch.arange(count) + start // size * (half - count)) % half  # other components in each head
        first, second = start + slow + torch.arange(count), start + half + slow + torch.arange(count)
        attention.q_proj.weight[first, tokens] = strength * mark[shown]
        attention.k_proj.weight[first, width - size + shown] = strength
        attention.q_proj.weight[second, width - size + shown] = strength
        attention.k_proj.weight[second, width - half + shown] = strength
        part = torch.arange(min(size, width - size - 1 - start))
        attention.v_proj.weight[start + part, 1 + start + part] = 1.0
        attention.o_proj.weight[1 + start + part, start + part] = COPY_GAIN * scale
