"""Two reports side by side: which leaf stands for which, and whether they say the same.

Owns the comparison of scalars and the matching of list items; every function is pure. Knows no schema, no text and no figure: `training/measure/metrics.py` counts. Run:
`leaf_pairs(gold, predicted)`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from schemas.canonical import Json
from schemas.violation import pointer

_Path = tuple[str, ...]
MISSING: Final = object()
"""Stands for a value that one side does not have at all; null is a value."""

_ARTICLE = re.compile(r"^(?:the|an|a|el|la|los|las|unos|unas|una|un)\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class LeafPair:
    """A leaf of gold and the prediction's leaf in its place; `path` has "*" for a list index, `where` is the prediction's pointer (None where it has none)."""

    path: str
    gold: Any
    predicted: Any
    where: str | None = None

    @property
    def agrees(self) -> bool:
        return self.gold is not MISSING and self.predicted is not MISSING and same(self.gold, self.predicted)

    @property
    def told(self) -> bool:
        """Gold has content here."""
        return self.gold is not MISSING and self.gold is not None

    @property
    def claimed(self) -> bool:
        """The prediction has content here."""
        return self.predicted is not MISSING and self.predicted is not None


def same(gold: Json, predicted: Json) -> bool:
    """Whether two scalars say the same: strings after `plain_words`, numbers by value, the rest exactly."""
    if isinstance(gold, str) and isinstance(predicted, str):
        return plain_words(gold) == plain_words(predicted)
    if isinstance(gold, bool) or isinstance(predicted, bool):
        return gold is predicted
    return type(gold) is type(predicted) or _numeric(gold, predicted) if gold == predicted else False


def _numeric(*values: Json) -> bool:
    return all(isinstance(value, (int, float)) for value in values)


def plain_words(words: str) -> str:
    """A string case-folded, without outer punctuation, quotes and spaces, and without a leading article."""
    folded = words.casefold()
    return _trimmed(_ARTICLE.sub("", _trimmed(folded), count=1)) or folded


def _trimmed(words: str) -> str:
    start, end = 0, len(words)
    while start < end and _is_outer(words[start]):
        start += 1
    while end > start and _is_outer(words[end - 1]):
        end -= 1
    return words[start:end]


def _is_outer(char: str) -> bool:
    return char.isspace() or char in "`´" or unicodedata.category(char)[0] in "PZ"


def leaf_pairs(gold: Json, predicted: Json) -> list[LeafPair]:
    """Each leaf of either side with its counterpart; list items are matched one to one for the most agreeing leaves.

    Where one side has an object or a list and the other has not, one pair of MISSING marks that the shapes differ.
    """
    return list(_pairs((), (), gold, predicted))


def _pairs(path: _Path, where: _Path, gold: Json, predicted: Json) -> Iterator[LeafPair]:
    """``path`` with "*" for indices, ``where`` in the prediction."""
    if isinstance(gold, dict) and isinstance(predicted, dict):
        for key in dict.fromkeys((*gold, *predicted)):
            yield from _pairs((*path, key), (*where, key), gold.get(key, MISSING), predicted.get(key, MISSING))
    elif isinstance(gold, list) and isinstance(predicted, list):
        yield from _item_pairs((*path, "*"), where, gold, predicted)
    elif isinstance(gold, (dict, list)) or isinstance(predicted, (dict, list)):
        yield LeafPair(pointer(path), MISSING, MISSING)
        yield from (LeafPair(of_leaf, value, MISSING) for of_leaf, _, value in _alone(path, (), gold))
        yield from (LeafPair(of_leaf, MISSING, value, there) for of_leaf, there, value in _alone(path, where, predicted))
    else:
        yield LeafPair(pointer(path), gold, predicted, None if predicted is MISSING else pointer(where))


def _alone(path: _Path, where: _Path, value: Json) -> Iterator[tuple[str, str, Json]]:
    """The leaves of one side: path with "*" for indices, pointer and value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _alone((*path, key), (*where, key), inner)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _alone((*path, "*"), (*where, str(i)), inner)
    elif value is not MISSING:
        yield pointer(path), pointer(where), value


def _item_pairs(path: _Path, where: _Path, gold: list[Json], predicted: list[Json]) -> Iterator[LeafPair]:
    table = [[list(_pairs(path, (*where, str(j)), g, p)) for j, p in enumerate(predicted)] for g in gold]
    matches = dict(_aligned(table)) if gold and predicted else {}
    for i, item in enumerate(gold):
        yield from table[i][matches[i]] if i in matches else _pairs(path, where, item, MISSING)
    for j in sorted(set(range(len(predicted))) - set(matches.values())):
        yield from _pairs(path, (*where, str(j)), MISSING, predicted[j])


def _aligned(table: list[list[list[LeafPair]]]) -> Iterator[tuple[int, int]]:
    """(gold index, predicted index) of the best one-to-one match; ties go to agreeing nulls, then to the same place."""
    worth = [[_worth(pairs) + (i == j) for j, pairs in enumerate(row)] for i, row in enumerate(table)]
    rows, columns = linear_sum_assignment(np.array(worth, dtype=np.float64), maximize=True)
    return zip(map(int, rows), map(int, columns), strict=True)


def _worth(pairs: list[LeafPair]) -> int:
    agreed = [pair for pair in pairs if pair.agrees]
    return 1_000_000 * sum(pair.told for pair in agreed) + 1_000 * len(agreed)
