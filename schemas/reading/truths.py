"""Truths: the words by which a text says yes or no, English and Spanish, for booleans that are to be read and not judged.

Owns the words. Which of them answers which question is the model's to say. Run: `truths("Reviewed: yes. Sin hallazgos.")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.reading.folding import flat_with_places

_YES = frozenset(
    ("yes", "yep", "yeah", "true", "si", "verdadero", "cierto", "correct", "correcto", "affirmative", "afirmativo", "confirmed",
     "confirmado", "confirmada", "done", "hecho", "y", "s")
)  # fmt: skip
_NO = frozenset(
    ("no", "nope", "not", "never", "none", "nothing", "nobody", "nowhere", "neither", "nor", "without", "false", "cannot", "nunca",
     "jamas", "ningun", "ninguno", "ninguna", "nada", "nadie", "ni", "sin", "tampoco", "falso", "negativo", "negative", "pending", "pendiente", "n")
)  # fmt: skip
_LETTERS = frozenset("yns")  # answers only where an answer stands: "Reviewed: y"
_WORD = re.compile(r"(?P<word>[^\W\d_]+)(?P<short>(?<=n)['’]t\b)?|(?P<yes>[✓✔☑✅]|\[x\])|(?P<no>[✗✘❌☐✖]|\[\s?\])")
_ASKED = re.compile(r"[:=|?]\s*\Z")


@dataclass(frozen=True, slots=True)
class Truth:
    """A yes or a no and the characters that say it."""

    value: bool
    start: int
    end: int


def truths(text: str) -> Iterator[Truth]:
    """Each word or sign that says yes or no, with its place; a letter by itself does where it answers something ("Reviewed: y")."""
    words, places = flat_with_places(text)
    for found in _WORD.finditer(words):
        value = _value(found, words)
        if value is not None:
            yield Truth(value, places[found.start()], places[found.end() - 1] + 1)


def _value(found: re.Match[str], words: str) -> bool | None:
    word = found["word"]
    if word is None:
        return found["yes"] is not None
    if found["short"]:
        return False
    if word in _LETTERS and _ASKED.search(words, max(0, found.start() - 4), found.start()) is None:
        return None
    return True if word in _YES else False if word in _NO else None
