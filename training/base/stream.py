"""What a base is trained on: the curriculum, and an endless stream of batches of notes, written beside training.

Owns the order of the families, the batches' shapes and how a stopped stream goes on. What a pair is, is `training/notes/synthesize.py`; a step of training is
`training/base/pretrain.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerFast

from training.base.encode import Encoded, PairEncoder
from training.base.tagging import UNTAGGED
from training.exercises import practice, vocabulary
from training.gates.curate import quoting
from training.notes.synthesize import Family, Pair, pair

Exercise = Literal["vocabulary", "practice"]
IGNORED = -100
MULTIPLE = 32  # batch lengths are rounded up to this, so that a batch holds rows of about one length


@dataclass(frozen=True)
class Phase:
    """A stretch of the curriculum: up to which share of the run, on what, in what portions.

    ``weights`` are of notes, not of tokens (an echo has about 60 tokens, the pairs of a note about 900); ``batch_tokens`` include padding.
    """

    until: float
    weights: dict[Family | Exercise, float]
    batch_tokens: int
    max_length: int


CURRICULUM = (
    Phase(0.03, {"echo": 0.3, "copying": 0.7}, 3072, 256),
    Phase(0.10, {"vocabulary": 0.2, "echo": 0.1, "copying": 0.5, "generated": 0.2}, 4096, 640),
    Phase(0.35, {"vocabulary": 0.15, "echo": 0.1, "copying": 0.2, "generated": 0.2, "excerpt": 0.2, "practice": 0.15}, 4096, 768),
    Phase(1.00, {"vocabulary": 0.06, "echo": 0.04, "copying": 0.1, "generated": 0.28, "excerpt": 0.3, "practice": 0.22}, 4096, 1600),
)
"""Short and dense first, whole notes last (docs/training-log.md)."""


class Notes(IterableDataset[dict[str, Tensor]]):
    """Endless batches of encoded pairs, sorted by length inside a pool so that little is padding.

    Worker w of n draws the notes of seeds w, w+n, ... from ``start`` on. Each batch says which seed comes after all that were drawn for it, so that a run that goes on
    starts there and sees no note twice. ``kept_out``: texts that are measured on; a note that says eight of their words in a row is left out.
    """

    def __init__(self, tokenizer_path: Path, phase: Phase, seed: int, batch_scale: float = 1.0, start: int = 0, pool: int = 1024, kept_out: Sequence[str] = ()) -> None:
        self.tokenizer_path, self.phase, self.seed, self.batch_scale, self.start, self.pool = tokenizer_path, phase, seed, batch_scale, start, pool
        self.kept_out = tuple(kept_out)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()
        index, step = (worker.id, worker.num_workers) if worker else (0, 1)
        tokenizer = PreTrainedTokenizerFast.from_pretrained(self.tokenizer_path)
        encode, pieces = PairEncoder(tokenizer), vocabulary.pieces(tokenizer)
        rng = random.Random(f"{self.seed}:{self.start}:{index}")
        number = self.start + index
        quotes = quoting(self.kept_out)
        families, weights = list(self.phase.weights), list(self.phase.weights.values())
        while True:
            encoded: list[Encoded] = []
            while len(encoded) < self.pool:
                family, name = rng.choices(families, weights)[0], f"{self.seed}:{number}"
                encoded.extend(encode(p, tagged=True) for p in _drawn(family, name, pieces) if not quotes(p.text))
                number += step
            fitting = [e for e in encoded if len(e.token_ids) <= self.phase.max_length]
            for batch in _batches(rng, fitting, round(self.phase.batch_tokens * self.batch_scale)):
                yield batch | {"next_seed": torch.tensor(number)}


def _drawn(family: Family | Exercise, name: str, pieces: tuple[str, ...]) -> list[Pair]:
    match family:
        case "vocabulary":
            return [vocabulary.pair(pieces, name)]
        case "practice":
            return practice.pairs(name)
        case _:
            return pair(family, "train", name)


def _batches(rng: random.Random, encoded: list[Encoded], batch_tokens: int) -> list[dict[str, Tensor]]:
    """Group by rounded length."""
    buckets: dict[int, list[Encoded]] = {}
    for item in encoded:
        buckets.setdefault(-(-len(item.token_ids) // MULTIPLE) * MULTIPLE, []).append(item)
    out: list[dict[str, Tensor]] = []
    for length, items in buckets.items():
        rows = max(1, batch_tokens // length)
        out.extend(collate(items[i : i + rows], length) for i in range(0, len(items), rows))
    rng.shuffle(out)
    return out


def collate(items: list[Encoded], length: int) -> dict[str, Tensor]:
    """Pad to (rows, length).

    ``input_ids`` and ``labels`` (IGNORED in prompt and padding) are (rows, length) int64, ``tags`` (rows, length, 3).
    """
    rows = len(items)
    ids = torch.zeros((rows, length), dtype=torch.long)
    labels = torch.full((rows, length), IGNORED, dtype=torch.long)
    tags = torch.tensor(UNTAGGED).repeat(rows, length, 1)
    for row, item in enumerate(items):
        size = len(item.token_ids)
        if item.tags:
            tags[row, : len(item.tags)] = torch.tensor(item.tags)
        ids[row, :size] = torch.tensor(item.token_ids)
        labels[row, item.prompt_length : size] = ids[row, item.prompt_length : size]
    return {"input_ids": ids, "labels": labels, "tags": tags, "num_tokens": torch.tensor(sum(len(i.token_ids) for i in items)), "num_pairs": torch.tensor(len(items))}
