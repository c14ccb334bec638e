"""Pairs drawn once and shared by the tests of this folder."""

from __future__ import annotations

import itertools
from functools import cache

from training.notes.synthesize import Family, Pair, pairs

SLICES: tuple[tuple[Family, str, str], ...] = (
    ("agent_status", "train", "train"),
    ("agent_status", "heldout", "train"),
    ("agent_status", "heldout", "heldout"),
    ("generated", "train", "train"),
    ("generated", "heldout", "heldout"),
    ("excerpt", "train", "train"),
    ("excerpt", "heldout", "heldout"),
    ("copying", "train", "train"),
    ("copying", "heldout", "heldout"),
)


@cache
def drawn(family: Family, split: str, wording: str, lang: str, count: int = 200) -> tuple[Pair, ...]:
    """The first pairs of a language."""
    of_lang = (pair for pair in pairs(family, split, 7, wording) if pair.lang == lang)
    return tuple(itertools.islice(of_lang, count))
