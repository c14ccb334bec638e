"""Rows in which a report is put under strain, for the lesson in form (`training.specialist.form`): what an adapter meets where it does not understand a note.

Three kinds, by turns: the report of another note, which contradicts the note from its first value to its last; the note's own report after a note whose words are blurred,
so that nothing says which member of an enum, or which item, comes next; and the note's own report with items too many, as where a list was not ended in time. Only form is
learned from them, never what they say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from training.base.tagging import IGNORED

BLURRED = 0.5
"""Of the tokens of a note that the other note lacks: the words that tell facts, rather than those that stand around them."""

Row = dict[str, list[int]]


def strained(rows: Sequence[dict[str, Any]], share: float) -> Iterator[Row]:
    """Rows (``input_ids``, ``labels``, ``masks``; IGNORED in the prompt) under strain: of a share of ``rows``, each beside the row after it.

    ``overfull`` and ``overfull_masks`` of a row: the tokens of its report with items too many, and their masks; empty where there is none.
    """
    for place in range(math.ceil(len(rows) * share) if len(rows) > 1 else 0):
        row, other = rows[place], rows[(place + 1) % len(rows)]
        if place % 3 == 1:
            yield blurred(row, other)
        elif place % 3 == 2 and row["overfull"]:
            yield _after(row, row["overfull"], row["overfull"], row["overfull_masks"])
        else:
            before = _prompt(other)
            yield _after(row, other["input_ids"][before:], other["labels"][before:], other["masks"][before:])


def blurred(row: Row, other: Row) -> Row:
    """The row with many of its note's words replaced by tokens of the other's prompt. The same rows are blurred the same way."""
    prompt, others = row["input_ids"][: _prompt(row)], other["input_ids"][: _prompt(other)]
    rng = np.random.default_rng([len(prompt), *prompt])
    shared = set(others)
    ids = [int(rng.choice(others)) if token not in shared and rng.random() < BLURRED else token for token in prompt]
    return {"input_ids": ids + row["input_ids"][len(prompt) :], "labels": row["labels"], "masks": row["masks"]}


def _prompt(row: Row) -> int:
    return sum(label == IGNORED for label in row["labels"])


def _after(row: Row, ids: list[int], labels: list[int], masks: list[int]) -> Row:
    head = [IGNORED] * _prompt(row)
    return {"input_ids": row["input_ids"][: len(head)] + ids, "labels": head + labels, "masks": head + masks}
