"""What pre-training and fine-tuning ask of a model: to write the report, to choose well in it, to look where a value is stated, to carry off what it
says and to see where it ends.

Owns the losses on a batch as mean nats; what each token is about is `training/base/tagging.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from training.base.prefix import attention_mask, prompt_lengths
from training.base.tagging import IGNORED, choices, copied, disturbed, following_loss, lookup_loss, naming_loss

DISTURBED = 0.02
"""Share of the copied tokens that a model is shown wrong ones for: one or two a report."""


class Losses(NamedTuple):
    """Means over tokens, in nats.

    ``report``: all of its tokens, most of which are form and soon known. ``choosing``: those where it says whether there is a value, how it begins and that it ends;
    they are counted again. ``looking``: where the lookup heads attend. ``naming``: which token they carry off from there. ``following``: where a copy goes on, and ends.
    """

    report: Tensor
    choosing: Tensor
    looking: Tensor
    naming: Tensor
    following: Tensor


def read(model: Any, backbone: Callable[..., Any], batch: dict[str, Tensor], *, all_layers: bool = False) -> Any:
    """The hidden states of a batch, (rows, length, hidden_size) each."""
    ids = batch["input_ids"]
    mask = attention_mask(model.config, prompt_lengths(batch["labels"]), ids.size(1))
    return backbone(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=all_layers)


def token_losses(model: Any, hidden: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in nats of each token of the reports, (tokens,), in the order of ``labels[:, 1:]``; logits are computed there only."""
    target = labels[:, 1:]
    kept = target != IGNORED
    return nn.functional.cross_entropy(model.lm_head(hidden[:, :-1][kept]).float(), target[kept], reduction="none")


def form_loss(model: Any, hidden: Tensor, labels: Tensor, masks: Tensor, table: Tensor) -> Tensor:
    """Mean nats by which what may not come next is given probability, over the tokens of reports: minus the logarithm of what all that may come next has together.

    ``hidden`` (rows, length, hidden_size) of the last layer, ``labels`` (rows, length), ``masks`` (rows, length): the rows of ``table`` (masks, vocab_size) bool that say what
    may stand at each token.
    """
    kept = labels[:, 1:] != IGNORED
    logits = model.lm_head(hidden[:, :-1][kept]).float()
    may = logits.masked_fill(~table[masks[:, 1:][kept]], -math.inf)
    loss: Tensor = (logits.logsumexp(dim=-1) - may.logsumexp(dim=-1)).mean()
    return loss


def completion_loss(model: Any, backbone: Callable[..., Any], batch: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy in nats over the reports' tokens."""
    return token_losses(model, read(model, backbone, batch).last_hidden_state, batch["labels"]).mean()


def losses(model: Any, backbone: Callable[..., Any], batch: dict[str, Tensor], layer: int) -> tuple[Losses, Tensor, Tensor]:
    """All of them for a batch with ``tags`` (rows, length, 3), and the hidden states (rows, length, hidden_size) before ``layer``, the one whose heads are shown
    where to look, and of the last layer.
    """
    ids, tags, in_report = batch["input_ids"], batch["tags"], batch["labels"] != IGNORED
    copies = copied(ids, tags, in_report)
    states = read(model, backbone, batch | {"input_ids": disturbed(ids, copies, DISTURBED)}, all_layers=True)
    hidden: Tensor = states.hidden_states[layer]
    of_token = token_losses(model, states.last_hidden_state, batch["labels"])
    chosen = of_token[choices(tags, in_report, copies)[in_report[:, 1:]]]
    found = Losses(
        of_token.mean(), chosen.mean() if len(chosen) else of_token.new_zeros(()), lookup_loss(model, hidden, tags, in_report, layer),
        naming_loss(model, hidden, ids, tags, in_report, layer), following_loss(model, hidden, ids, copies, layer),
    )  # fmt: skip
    return found, hidden, states.last_hidden_state
