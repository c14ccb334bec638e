"""A prompt is seen both ways, a report only backwards."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from training.base.prefix import attention_mask, prompt_lengths

SEEN_OF_FIVE = [
    [1, 1, 1, 0, 0],
    [1, 1, 1, 0, 0],
    [1, 1, 1, 0, 0],
    [1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1],
]


def test_a_token_of_the_prompt_sees_the_whole_prompt_and_one_of_the_report_what_stands_before_it() -> None:
    mask = attention_mask(SimpleNamespace(prefix_lm=True), torch.tensor([3, 0]), 5)
    assert mask is not None and mask.shape == (2, 1, 5, 5)
    assert (mask[0, 0] == 0).int().tolist() == SEEN_OF_FIVE
    assert (mask[1, 0] == 0).equal(torch.ones(5, 5).tril().bool()), "a row of padding is causal"


def test_a_mistral_that_says_nothing_is_causal() -> None:
    assert attention_mask(SimpleNamespace(), torch.tensor([3]), 5) is None


def test_the_prompt_ends_where_the_first_label_stands() -> None:
    assert prompt_lengths(torch.tensor([[-100, -100, 7, 8, -100], [-100] * 5])).tolist() == [2, 0]
