"""Attention both ways over the prompt, causal over the report: a prefix language model.

A note often tells what a phrase is after the phrase ("Ana Ruiz is who answers for it"). Under causal attention the phrase's own tokens cannot know;
under this mask they do, and a report's token finds its phrase in one look. The base's config.json says so under ``prefix_lm``; the server honours it
(`service/engine/torch_executor.py`). Checkpoints without the key are causal, as Mistral is.

Owns the mask for transformers. Source: Raffel et al., "Exploring the Limits of Transfer Learning" (2020), section 3.2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def attention_mask(config: Any, prompt_lengths: Tensor, length: int) -> Tensor | None:
    """The additive float32 mask (rows, 1, length, length) of a prefix language model; None for a causal one.

    ``prompt_lengths`` (rows,) int: how many tokens of each row see each other both ways.
    """
    if getattr(config, "prefix_lm", False) is not True:
        return None
    place = torch.arange(length, device=prompt_lengths.device)
    in_prompt = place < prompt_lengths[:, None]
    seen = (place <= place[:, None]) | (in_prompt[:, None, :] & in_prompt[:, :, None])
    return torch.zeros(seen.shape, device=seen.device).masked_fill_(~seen, torch.finfo(torch.float32).min)[:, None]


def prompt_lengths(labels: Tensor, ignored: int = -100) -> Tensor:
    """How many tokens stand before the first that has a label, (rows,); 0 for rows without labels."""
    return (labels != ignored).int().argmax(dim=1)
