"""A base can copy before it has seen anything."""

from __future__ import annotations

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from training.base.induction import write_induction
from training.base.pretrain import ROPE_THETA

VOCAB, SPACE, END = 600, 1, 2


def model(hidden: int = 192, heads: int = 3, kv_heads: int | None = None, layers: int = 3) -> MistralForCausalLM:
    config = MistralConfig(
        vocab_size=VOCAB, hidden_size=hidden, intermediate_size=64, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads or heads,
        head_dim=hidden // heads, rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA}, tie_word_embeddings=True, sliding_window=None,
    )  # fmt: skip
    torch.manual_seed(0)
    return MistralForCausalLM(config)  # type: ignore[no-untyped-call]


def share_copied(writer: MistralForCausalLM, text: list[int], start: int, length: int) -> float:
    """How many of the tokens after the first of a repeated span the model would have chosen."""
    span = text[start : start + length]
    ids = torch.tensor([[*text, END, *span]])
    with torch.inference_mode():
        chosen = writer(ids).logits[0, len(text) + 1 : -1].argmax(-1)
    return float((chosen == torch.tensor(span[1:])).float().mean())


@pytest.mark.parametrize("hidden", [192, 256])
def test_a_span_is_copied_from_anywhere_in_a_long_text(hidden: int) -> None:
    writer = model(hidden, hidden // 64)
    before = share_copied(writer, _text(0, 1), 0, 40)
    write_induction(writer)
    shares = [share_copied(writer, _text(seed, 1), start, 40) for seed in range(4) for start in (0, 150, 350)]
    assert before < 0.1 and sum(shares) / len(shares) > 0.9


def test_words_with_one_token_between_them_are_copied_by_the_word_before_it() -> None:
    writer = model()
    write_induction(writer)
    shares = [share_copied(writer, _text(seed, 2), start, 40) for seed in range(4) for start in (0, 100, 300)]
    assert sum(shares) / len(shares) > 0.8


def _text(seed: int, step: int) -> list[int]:
    """400 tokens, no two alike but the space that is every second one where ``step`` is 2."""
    words = (torch.randperm(VOCAB - 3, generator=torch.Generator().manual_seed(seed)) + 3).tolist()
    return [words[i // step] if i % step == 0 else SPACE for i in range(400)]


@pytest.mark.parametrize("sizes", [{"kv_heads": 1}, {"hidden": 64, "heads": 1}, {"layers": 1}])
def test_sizes_without_room_for_the_heads_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="induction heads need"):
        write_induction(model(**sizes))
