"""Truths: the words by which a text says yes or no, English and Spanish, for booleans that are to be read and not judged.

Owns the words. Which of them answers which question is the model's to say. Run: `truths("Reviewed: yes. Sin hallazgos.")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.reading.folding import flat_with_places, whole

_YES = frozenset(("yes", "yep", "yeah", "true", "si", "verdadero", "cierto", "correct", "correcto", "affirmative", "afirmativo", "confirmed", "confirmado", "confirmada", "y", "s"))
_NO = frozenset(("no", "nope", "false", "falso", "negative", "negativo", "n"))
_NEVER = frozenset(("not", "never", "nunca", "jamas", "cannot"))
"""What says no of whatever its sentence is about."""
_WORD = re.compile(r"(?P<word>[^\W\d_]+)(?P<short>(?<=n)['’]t\b)?|(?P<yes>[✓✔☑✅]|\[x\])|(?P<no>[✗✘❌☐✖]|\[\s?\])")
_ASKED = re.compile(r"(?:[:=|?→>]|\t|\s[-–—])\s*\Z")
_BEGINS = re.compile(r"(?:\A|[.!?\n])\s*\Z")
_ENDS = re.compile(r"\s*(?:\Z|[,.;!|)\n](?!\s?\d))")
_LETTERS = frozenset(("y", "n", "s"))


@dataclass(frozen=True, slots=True)
class Truth:
    """A yes or a no and the characters that say it."""

    value: bool
    start: int
    end: int


def truths(text: str) -> Iterator[Truth]:
    """Each word or sign that says yes or no, with its place."""
    words, places = flat_with_places(text)
    for found in _WORD.finditer(words):
        value = _value(found, words)
        if value is not None:
            yield Truth(value, places[found.start()], whole(text, places[found.end() - 1] + 1))


def _value(found: re.Match[str], words: str) -> bool | None:
    """What a word or sign says; "yes" and "no" only where they answer: after a label, or as a sentence of their own. "No incident" answers nothing."""
    word = found["word"]
    if word is None:
        return found["yes"] is not None
    if found["short"] or (word in _NEVER and not words.startswith(" only", found.end())):
        return False
    if word not in _YES and word not in _NO:
        return None
    asked = _ASKED.search(words, max(0, found.start() - 6), found.start())
    alone = word not in _LETTERS and _BEGINS.search(words, max(0, found.start() - 6), found.start())
    return word in _YES if (asked or alone) and _ENDS.match(words, found.end()) else None
