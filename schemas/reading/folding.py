"""Folding: text in lower case without accents, for looking words up, and where each of its characters stood.

Owns this one form of a text and the way back; readers, dates and currencies look words up in it. Run: `flat("Céntimos")`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache


def flat(text: str) -> str:
    """Lower case without accents, for looking words up; as long as the text is when it has no composed marks."""
    low = text.casefold()
    return low if low.isascii() else "".join(c for c in unicodedata.normalize("NFD", low) if not unicodedata.combining(c))


_flat_char = lru_cache(maxsize=4096)(flat)


@lru_cache(maxsize=8)
def flat_with_places(text: str) -> tuple[str, Sequence[int]]:
    """`flat`, and for each of its characters the place of the one it comes from; those of the last eight texts are kept, as a text's readers ask for it one after another."""
    if text.isascii():
        return flat(text), range(len(text))
    parts = list(map(_flat_char, text))
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


def whole(text: str, end: int) -> int:
    """The end of a stretch of a text, moved past the marks that belong to its last letter: an accent of its own is part of what it stands on."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
