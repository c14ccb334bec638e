"""Annotated text: pieces of a note that remember which fact they state.

Owns filling of templates, sentence assembly and noise. Knows nothing of facts, schemas or registers.

A ``Text`` is a list of pieces ``(string, path)``; ``path`` names the fact the string states (``"incidents.0.title"``), or, after a ``~``, the fact it
tells by its meaning (``"~status"``), or is None for connecting words. Noise changes strings, never paths, so the gold of a text fact is always read back from
the finished note and is verbatim by construction.
"""

from __future__ import annotations

import random
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

Piece = tuple[str, str | None]
Text = list[Piece]

MEANING = "~"
AS_WRITTEN = ("agent", "email", "code", "date_time")
"""Last parts of paths whose letters stay as they are, at the beginning of a sentence too."""

_SLOT = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True)
class Template:
    """A wording: literal strings and slot names in turn, ``parts[0::2]`` literals, ``parts[1::2]`` slots."""

    parts: tuple[str, ...]

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(self.parts[1::2])

    @property
    def source(self) -> str:
        return "".join(part if i % 2 == 0 else "{" + part + "}" for i, part in enumerate(self.parts))

    def fill(self, values: Mapping[str, Text]) -> Text:
        """Return the wording with each slot replaced. Raises: KeyError for a slot without a value."""
        out: Text = []
        for i, part in enumerate(self.parts):
            if i % 2:
                out.extend(values[part])
            elif part:
                out.append((part, None))
        return out


@lru_cache(maxsize=65536)
def template(source: str) -> Template:
    """Parse ``"{who} fixed it"`` into a Template."""
    return Template(tuple(_SLOT.split(source)))


def plain(text: Text) -> str:
    """The characters of a text, without its annotations."""
    return "".join(piece for piece, _ in text)


def literal(words: str) -> Text:
    return [(words, None)] if words else []


def stated(words: str, path: str) -> Text:
    return [(words, path)]


def meaning(text: Text, path: str) -> Text:
    """Mark the connecting words of a clause that tells a fact without its value: "slipping", for a status."""
    return [(piece, own or MEANING + path) for piece, own in text]


def is_copied(path: str | None) -> bool:
    """Whether a piece states a value, rather than connecting words or a meaning."""
    return path is not None and not path.startswith(MEANING)


def join(parts: Iterable[Text], separator: str) -> Text:
    """Concatenate texts with a plain separator, skipping empty ones."""
    out: Text = []
    for part in parts:
        if not part:
            continue
        if out and separator:
            out.append((separator, None))
        out.extend(part)
    return out


def capitalized(text: Text) -> Text:
    """Upper-case the first letter, unless it belongs to a value that must stay as it is (an id, a code or an e-mail)."""
    for i, (piece, path) in enumerate(text):
        if not piece:
            continue
        if (path or "").rpartition(".")[2] in AS_WRITTEN or not piece[0].islower():
            return text
        return [*text[:i], (piece[0].upper() + piece[1:], path), *text[i + 1 :]]
    return text


def ended(text: Text, mark: str) -> Text:
    """Append a closing mark unless the text already closes with one."""
    last = plain(text).rstrip()[-1:]
    return text if last in ".!?:;…" else [*text, (mark, None)]


def mapped(text: Text, change: Callable[[str, str | None], str]) -> Text:
    return [(change(piece, path), path) for piece, path in text]


def contracted(text: Text) -> Text:
    """Spanish contractions across pieces: ``a el`` -> ``al``, ``de el`` -> ``del``."""
    out: Text = []
    for piece, path in text:
        if not is_copied(path) and out and not is_copied(out[-1][1]) and piece.startswith("el ") and out[-1][0].endswith((" a ", " de ")):
            out[-1] = (out[-1][0][:-1] + "l ", out[-1][1])
            piece = piece[3:]
        if piece:
            out.append((piece, path))
    return out


def spans(text: Text) -> dict[str, str]:
    """First string stated for each path."""
    found: dict[str, str] = {}
    for piece, path in text:
        if path is not None:
            found.setdefault(path, piece)
    return found


# --- noise -----------------------------------------------------------------------------------------------------------


def without_accents(words: str) -> str:
    """Drop acute accents and diaereses, keep ñ and ç (what a hurried Spanish writer does)."""
    kept = [c if c in "ñÑçÇ" else unicodedata.normalize("NFD", c)[0] for c in words]
    return "".join(kept)


def _typo(rng: random.Random, word: str) -> str:
    i = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1 :]
    if kind == 1:
        return word[:i] + word[i] + word[i:]
    if kind == 2:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return word[:i] + rng.choice(string.ascii_lowercase) + word[i + 1 :]


def with_typos(rng: random.Random, words: str, rate: float) -> str:
    """Misspell a share ``rate`` of the words of four letters and more."""
    return _WORD.sub(lambda m: _typo(rng, m[0]) if rng.random() < rate else m[0], words)
