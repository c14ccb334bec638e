"""Where the loss is: by kind of token, on fresh pairs, with gold beside it. What to look at before changing anything.

Owns the kinds of tokens, their loss and accuracy given gold so far (no decoding, no mask). Run it with

    escribano-train losses --base runs/base/model --family generated --show 3
    escribano-train losses --base runs/base/model --adapter runs/adapters/agent_status --notes bench/notes/free.jsonl
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from training.base.encode import PairEncoder
from training.base.prefix import attention_mask
from training.notes.synthesize import Pair
from training.specialist.finetune import read_tokenizer

_STRING_OR_SCALAR = re.compile(r'"((?:[^"\\]|\\.)*)"(:?)|(-?\d[\d.]*|true|false|null)')
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class TokenKind(StrEnum):
    """What a token of a report is for."""

    FORM = "form"
    KEY = "key"
    COPIED = "copied text"
    LABEL = "label"
    DATE = "date"
    NUMBER = "number"
    LITERAL = "true, false, null"
    END = "end"


_CHOSEN = (TokenKind.COPIED, TokenKind.LABEL, TokenKind.DATE, TokenKind.NUMBER)  # the first token chooses, the rest follow


@dataclass(frozen=True, slots=True)
class Judged:
    """One token of gold: its kind, whether it begins its value, its loss in nats, what the model would have written and whether that is the same token."""

    text: str
    kind: TokenKind
    begins: bool
    loss: float
    predicted: str
    right: bool


def kinds_of(report: str, note: str) -> list[TokenKind]:
    """A kind for each character of canonical JSON. A string that stands in the note is copied, any other is a label."""
    out = [TokenKind.FORM] * len(report)
    for found in _STRING_OR_SCALAR.finditer(report):
        group = 1 if found[1] is not None else 3
        out[found.start(group) : found.end(group)] = [_kind(found, note)] * len(found[group])
    return out


def _kind(found: re.Match[str], note: str) -> TokenKind:
    if found[3] is not None:
        return TokenKind.LITERAL if found[3][0] in "tfn" else TokenKind.NUMBER
    if found[2]:
        return TokenKind.KEY
    if _DATE.fullmatch(found[1]):
        return TokenKind.DATE
    words = re.escape(json.loads(f'"{found[1]}"'))
    return TokenKind.COPIED if re.search(rf"(?<!\w){words}(?!\w)", note) else TokenKind.LABEL


class Reader:
    """A base, or a base with an adapter, that is asked for the next token at each place of gold."""

    def __init__(self, base: Path, adapter: Path | None = None, schemas: dict[str, Any] | None = None) -> None:
        self.tokenizer: PreTrainedTokenizerBase = read_tokenizer(base)
        model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter)
        self.model = model.eval()
        self.encode = PairEncoder(self.tokenizer, None if adapter is not None else schemas)

    def judge(self, pair: Pair) -> list[Judged]:
        """Every token of the pair's report, and the end."""
        encoded = self.encode(pair)
        gold = torch.tensor(encoded.token_ids[encoded.prompt_length :])
        logits = self._logits(encoded.token_ids, encoded.prompt_length)
        losses = torch.nn.functional.cross_entropy(logits, gold, reduction="none").tolist()
        predicted = logits.argmax(-1).tolist()
        offsets = self.encode.backend.encode(pair.report, add_special_tokens=False).offsets
        places = [*_places(kinds_of(pair.report, pair.text), offsets), (TokenKind.END, True)]
        return [
            Judged(self._text(g), kind, begins, loss, self._text(p), g == p)
            for g, p, loss, (kind, begins) in zip(gold.tolist(), predicted, losses, places, strict=True)
        ]

    @torch.inference_mode()
    def _logits(self, ids: list[int], prompt_length: int) -> Tensor:
        mask = attention_mask(self.model.config, torch.tensor([prompt_length]), len(ids))
        logits: Tensor = self.model(input_ids=torch.tensor([ids]), attention_mask=mask).logits[0, prompt_length - 1 : -1]
        return logits

    def _text(self, token: int) -> str:
        return str(self.tokenizer.decode([token]))


def _places(kinds: Sequence[TokenKind], offsets: Iterable[tuple[int, int]]) -> Iterator[tuple[TokenKind, bool]]:
    """(kind, whether it begins a value) of each token: the kind of its first character that is no form, if it has one."""
    before = TokenKind.FORM
    for start, end in offsets:
        kind = next((k for k in kinds[start : max(end, start + 1)] if k is not TokenKind.FORM), TokenKind.FORM)
        yield kind, kind is not before
        before = kinds[max(end, start + 1) - 1]


# --- for people ------------------------------------------------------------------------------------------------------


def table(judged: Sequence[Judged]) -> Table:
    """Tokens, mean loss, accuracy and share of the whole loss for each kind, values' first tokens apart."""
    shown = Table("token", "n", "loss (nats)", "accuracy", "share of the loss", header_style="bold")
    whole = sum(one.loss for one in judged)
    for name, of_kind in (*_by_kind(judged), ("all", judged)):
        loss, right = sum(one.loss for one in of_kind), sum(one.right for one in of_kind)
        shown.add_row(name, f"{len(of_kind):,}", f"{loss / len(of_kind):.3f}", f"{right / len(of_kind):.3f}", f"{loss / whole:.1%}")
    return shown


def _by_kind(judged: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    parts: dict[str, list[Judged]] = {}
    for one in judged:
        name = f"{one.kind}, {'first' if one.begins else 'rest'}" if one.kind in _CHOSEN else str(one.kind)
        parts.setdefault(name, []).append(one)
    yield from sorted(parts.items())


def marked(judged: Sequence[Judged]) -> str:
    """The report with each wrong token as [gold|predicted]."""
    return "".join(one.text if one.right else f"[{one.text}|{one.predicted}]" for one in judged if one.kind is not TokenKind.END)


def main(reader: Reader, pairs: Iterable[Pair], count: int, show: int) -> None:
    """Judge ``count`` pairs, print the first ``show`` with their errors, then the table."""
    from training.progress import tracked

    console, judged = Console(), []
    for number, pair in enumerate(tracked(itertools.islice(pairs, count), count, "pairs")):
        tokens = reader.judge(pair)
        judged += tokens
        if number < show:
            console.rule(escape(pair.id))
            console.print(escape(pair.text), escape(marked(tokens)), sep="\n\n", highlight=False, soft_wrap=True)
    console.print(table(judged))
