"""A second lesson of pre-training: for every word of a note, what it is about.

A report says little about how its note was read: of its 200 tokens most are form, and some thirty choose a place of the note. The factory knows
what each word of a note states. A linear head on a middle layer learns to say so, at every token: the kind of fact, whether the token
begins its statement, and which item of a list it belongs to. The head is no part of the base; what the layers below it had to learn is.

Knowing is not looking: the first heads of the layer above are shown where to look. From each place of the report that asks for a fact they must attend to
the token that begins its statement, or to the first token of the prompt where the note says nothing, from where a list says whether it goes on to what its next item
begins with, or to the first token where it ends; and while they write a date or a number, which is read and not
copied, to any token of the statement. And looking is not reading: by that layer a token has become
its meaning, and what it was spelled like is lost unless something asks for it. So what these heads carry away from a statement's first token must name that token.

Beginning is not going on, and not ending: while a statement is copied, the layer's last head is shown the token after the one just written, and what it carries away
from there must say what comes next in the report: that token, or, past the statement's end, that the value ends.

Owns the head, the targets and the losses. Sources: Caruana, "Multitask Learning" (1997); Ramshaw and Marcus, "Text Chunking using Transformation-Based
Learning" (1995), for begin and inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.mistral.modeling_mistral import apply_rotary_pos_emb

from training.notes.marks import Mark, kinds, number

Tag = tuple[int, int, int]  # kind (0: none), whether it begins, item of a list
OUTSIDE: Tag = (0, 0, 0)
IGNORED = -100
UNTAGGED: Tag = (IGNORED, IGNORED, IGNORED)  # outside of the note, and in exercises, which have no marks
MOST_ITEMS = 8
FIELD_KINDS = 1024
"""The fields of specialists' schemas, of which there is no end, share that many places of the head."""


def report_tags(asked: Sequence[Mark], normalized: Sequence[Mark], continued: Sequence[Mark], offsets: Sequence[tuple[int, int]]) -> list[Tag]:
    """A tag for each token of a report: one that begins on those that ask for a value or say whether a list goes on, one that goes on inside of a date or number."""
    inside = [UNTAGGED if tag == UNTAGGED else (tag[0], 0, tag[2]) for tag in asked_tags(normalized, offsets)]
    layers = zip(asked_tags(continued, offsets), asked_tags(asked, offsets), inside, strict=True)
    return [next((tag for tag in layer if tag != UNTAGGED), UNTAGGED) for layer in layers]


def asked_tags(marks: Sequence[Mark], offsets: Sequence[tuple[int, int]]) -> list[Tag]:
    """A tag for each token of a report: on those between a leaf's name and its value, what is asked for there."""
    out, waiting = [UNTAGGED] * len(offsets), list(reversed(marks))
    for i, (left, right) in enumerate(offsets):
        while waiting and waiting[-1].end <= left:
            waiting.pop()
        if waiting and right > waiting[-1].start and right <= waiting[-1].end:
            mark = waiting[-1]
            out[i] = (number(mark.kind), 1, min(mark.item, MOST_ITEMS)) if mark.kind else OUTSIDE
    return out


def tags(marks: Sequence[Mark], offsets: Sequence[tuple[int, int]], start: int, end: int) -> list[Tag]:
    """A tag for each token, given by its characters; the note stands from ``start`` to ``end`` of the same text, and ``marks`` count from ``start``."""
    if not marks:
        return [UNTAGGED] * len(offsets)
    out, waiting, began = [], list(reversed(marks)), False
    for left, right in offsets:
        if not (start <= left and right <= end):
            out.append(UNTAGGED)
            continue
        while waiting and waiting[-1].end + start <= left:
            waiting.pop()
            began = False
        if not waiting or right <= waiting[-1].start + start:
            out.append(OUTSIDE)
            continue
        mark = waiting[-1]
        out.append((number(mark.kind), int(not began), min(mark.item, MOST_ITEMS)))
        began = True
    return out


def choices(tags: Tensor, in_report: Tensor, copies: Tensor) -> Tensor:
    """Which of the tokens 1 to length - 1 are choices, (rows, length - 1) bool: whether there is a value, how it begins, and that a copied one ends.

    Every outcome of the first two counts alike: to count a value's first token and not the "null" that might have stood there would teach a bias. That an end counts
    more than each token before it is one, and meant: of the copies that end in the wrong place nine in ten go on too far. ``tags`` (rows, length, 3), ``in_report``
    (rows, length), ``copies`` as `copied` gives them.
    """
    asks = (tags[..., 0] == 0) | (tags[..., 0] > 0) & (tags[..., 1] == 1)
    asks[copies[copies[:, 3] == 1, 0], copies[copies[:, 3] == 1, 1]] = True
    return (asks & in_report)[:, :-1] & in_report[:, 1:]


def lookup_heads(model: Any) -> int:
    """How many heads are shown where to look: all but one, and at least one."""
    return max(1, int(model.config.num_attention_heads) - 1)


def lookup_loss(model: Any, hidden: Tensor, tags: Tensor, in_report: Tensor, layer: int) -> Tensor:
    """Mean cross-entropy in nats of where the lookup heads of ``layer`` attend from each tagged token of the reports.

    ``hidden`` (rows, length, hidden_size) is the layer's input, ``tags`` (rows, length, 3), ``in_report`` (rows, length) bool.
    """
    row, place = (in_report & (tags[..., 0] != IGNORED)).nonzero(as_tuple=True)
    wanted = _statements(tags, in_report, row, place)
    found = wanted.any(dim=1)
    if not bool(found.any()):
        return hidden.new_zeros(())
    row, place, wanted = row[found], place[found], wanted[found]
    scores = _scores(model, hidden, layer, slice(lookup_heads(model)), row, place)
    loss: Tensor = (scores.logsumexp(dim=-1) - scores.masked_fill(~wanted[:, None], -math.inf).logsumexp(dim=-1)).mean()
    return loss


def following_loss(model: Any, hidden: Tensor, ids: Tensor, copies: Tensor, layer: int) -> Tensor:
    """Mean cross-entropy in nats of where the last head of ``layer`` attends while a statement is copied, and of naming from what it carries off what comes next in
    the report.

    It is to attend to the token after the one just written: that comes next, or, past the statement's last token, the value ends. ``copies`` as `copied` gives
    them, other shapes as for `naming_loss`.
    """
    if not len(copies):
        return hidden.new_zeros(())
    row, place, target, _ = copies.unbind(1)
    last = slice(int(model.config.num_attention_heads) - 1, None)
    looked = F.cross_entropy(_scores(model, hidden, layer, last, row, place).squeeze(1), target)
    return looked + F.cross_entropy(_named(model, hidden[row, target], layer, last), ids[row, place + 1])


def disturbed(ids: Tensor, copies: Tensor, share: float) -> Tensor:
    """``ids`` (rows, length) with a ``share`` of the copied tokens replaced by other tokens of their row: practice in going on where one went wrong before.

    What was right stays what is asked for: a token after a wrong one is still the next one of the statement. Draws from torch's global generator.
    """
    if not len(copies):
        return ids
    chosen = copies[torch.rand(len(copies), device=ids.device) < share]
    row, place, target, _ = chosen.unbind(1)
    other = (torch.rand(len(chosen), device=ids.device) * target).long()
    out = ids.clone()
    out[row, place] = ids[row, other]
    return out


def copied(ids: Tensor, tags: Tensor, in_report: Tensor) -> Tensor:
    """Each token that is copied from the statement that its report asks for: (copies, 4) of row, place in the report, place in the note after what stands there,
    and whether the statement has ended before that.
    """
    out: list[tuple[int, int, int, int]] = []
    for row, (tokens, told, inside) in enumerate(zip(ids.tolist(), tags.tolist(), in_report.tolist(), strict=True)):
        begins = {(kind, item): i for i, (kind, begin, item) in reversed(list(enumerate(told))) if kind > 0 and begin == 1 and not inside[i]}
        for i in range(len(tokens) - 1):
            kind, asks, item = told[i]
            if inside[i] and kind > 0 and asks and told[i + 1] != told[i] and (kind, item) in begins:
                start = source = begins[kind, item]
                place = i + 1
                while source < len(tokens) - 1 and place < len(tokens) - 1 and inside[place] and told[source] == [kind, int(source == start), item] and tokens[source] == tokens[place]:
                    source, place = source + 1, place + 1
                    goes_on = told[source] == [kind, 0, item]
                    if goes_on and tokens[source] != tokens[place]:
                        break  # told otherwise than it is written: nothing to learn from
                    out.append((row, place - 1, source, int(not goes_on)))
    return torch.tensor(out, dtype=torch.long, device=ids.device).view(-1, 4)


def naming_loss(model: Any, hidden: Tensor, ids: Tensor, tags: Tensor, in_report: Tensor, layer: int) -> Tensor:
    """Mean cross-entropy in nats of naming the first token of each statement from what the lookup heads of ``layer`` carry away from it.

    Shapes as for `lookup_loss`; ``ids`` (rows, length).
    """
    begins = (tags[..., 0] > 0) & (tags[..., 1] == 1) & ~in_report
    if not bool(begins.any()):
        return hidden.new_zeros(())
    return F.cross_entropy(_named(model, hidden[begins], layer, slice(lookup_heads(model))), ids[begins])


def _named(model: Any, hidden: Tensor, layer: int, heads: slice) -> Tensor:
    """Logits (tokens, vocab_size) of what some heads of ``layer`` alone carry away from tokens; ``hidden`` (tokens, hidden_size) is the layer's input there."""
    block = model.model.layers[layer]
    attention = block.self_attn
    values = attention.v_proj(block.input_layernorm(hidden)).unflatten(-1, (-1, attention.head_dim))  # (tokens, key-value heads, head_dim)
    values = values.repeat_interleave(int(model.config.num_attention_heads) // values.size(1), dim=1)
    alone = torch.zeros_like(values)
    alone[:, heads] = values[:, heads]
    logits: Tensor = model.lm_head(model.model.norm(attention.o_proj(alone.flatten(1)))).float()
    return logits


def _scores(model: Any, hidden: Tensor, layer: int, heads: slice, row: Tensor, place: Tensor) -> Tensor:
    """(places, heads, length): what some heads of a layer make of every earlier token, seen from some places."""
    block, length = model.model.layers[layer], hidden.size(1)
    attention, normed = block.self_attn, block.input_layernorm(hidden)
    places = torch.arange(length, device=hidden.device)
    query, key = (_heads(projection(normed), attention.head_dim) for projection in (attention.q_proj, attention.k_proj))  # (rows, heads, length, head_dim)
    query, key = apply_rotary_pos_emb(query, key, *model.model.rotary_emb(normed, places[None]))
    query, key = query[:, heads], key.repeat_interleave(query.size(1) // key.size(1), dim=1)[:, heads]
    scores: Tensor = (query @ key.transpose(2, 3)).transpose(1, 2)[row, place].float() / attention.head_dim**0.5
    return scores.masked_fill((places > place[:, None])[:, None], -math.inf)


def _heads(projected: Tensor, size: int) -> Tensor:
    return projected.view(*projected.shape[:-1], -1, size).transpose(1, 2)


def _statements(tags: Tensor, in_report: Tensor, row: Tensor, place: Tensor) -> Tensor:
    """(tagged tokens of reports, length) bool: the tokens that begin a statement of what is asked for; all of it while its value is written; the first token
    where nothing is told."""
    asked = tags[row, place]
    note = tags[row].masked_fill(in_report[row][..., None], IGNORED)
    out = (note[..., 0] == asked[:, None, 0]) & (note[..., 2] == asked[:, None, 2]) & ((note[..., 1] == 1) | (asked[:, None, 1] == 0))
    untold = asked[:, 0] == 0
    out[untold] = False
    out[untold, 0] = True
    return out


class TagHead(nn.Module):
    """Logits of kind, begin and item from hidden states (..., hidden_size)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.known = len(kinds()) + 1
        self.sizes = [self.known + FIELD_KINDS, 2, MOST_ITEMS + 1]
        self.linear = nn.Linear(hidden_size, sum(self.sizes))

    def loss(self, hidden: Tensor, tags: Tensor) -> Tensor:
        """Sum of the three mean cross-entropies in nats; begin and item are asked inside statements only.

        ``hidden`` (rows, length, hidden_size), ``tags`` (rows, length, 3) with IGNORED where there is nothing to say.
        """
        asked = tags[..., 0] != IGNORED
        if not bool(asked.any()):
            return hidden.new_zeros(())
        normed = F.rms_norm(hidden[asked].float(), hidden.shape[-1:])
        kind, begins, item = self.linear(normed).split(self.sizes, dim=-1)
        target = tags[asked]
        inside = target[:, 0] > 0
        behind = self.known + (target[:, 0] - self.known) % FIELD_KINDS
        loss = F.cross_entropy(kind, torch.where(target[:, 0] < self.known, target[:, 0], behind))
        if bool(inside.any()):
            loss = loss + F.cross_entropy(begins[inside], target[inside, 1]) + F.cross_entropy(item[inside], target[inside, 2])
        return loss
