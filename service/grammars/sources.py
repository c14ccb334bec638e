"""Sources: the texts of one request, cut and read once for the grammar of its report.

Owns how a text is cut into chunks that a span never breaks (a word with its accents, an emoji with its joiners), the words that can be an id or an address, and the
dates, times, numbers and answers of all texts together. Knows no grammar. Run: `Sources(("Ana owns invoice-triage-2.",)).chunks`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate

from schemas.canonical import canonical_json
from schemas.reading.clock import moments, times
from schemas.reading.currencies import currencies
from schemas.reading.dates import dates
from schemas.reading.durations import iso_durations
from schemas.reading.numbers import numbers
from schemas.reading.truths import truths

_CHUNK = re.compile(r"\w+|\s+|[^\w\s]")
_BARE = re.compile(r"\w(?:.*\w)?[\u0300-\u036f]*", re.DOTALL)
_ID_MARKS = (r"[^\w.+%'/@\u0300-\u036f-]+", r"[^\w.+%@\u0300-\u036f-]+")
"""What ids are cut at: first what no id has, then also what an id may have."""
_PHRASE_WORDS = 8
_PHRASE_CHUNKS = 12
"""Longest phrase for a pattern that takes spaces, and longest piece of a text for one that no word fits."""


@dataclass(frozen=True)
class Sources:
    """The texts of a request."""

    texts: tuple[str, ...]

    @cached_property
    def chunks(self) -> list[list[str]]:
        """Each text in words and marks, runs of white space folded to one space."""
        return [_chunks(text) for text in self.texts]

    @cached_property
    def escaped(self) -> list[list[str]]:
        """The chunks as they stand in a JSON string."""
        return [[_escaped(chunk) for chunk in chunks] for chunks in self.chunks]

    @cached_property
    def dates(self) -> list[str]:
        """YYYY-MM-DD, in order; the year or month of a day may stand in another text."""
        return sorted(day.isoformat() for day in dates(*self.texts))

    @cached_property
    def moments(self) -> frozenset[str]:
        """Days with times of day, as format ``date-time`` writes them."""
        return frozenset(moment.value for moment in moments(self.texts))

    @cached_property
    def times(self) -> frozenset[str]:
        return frozenset(moment.value for moment in times(self.texts))

    @cached_property
    def durations(self) -> frozenset[str]:
        """As format ``duration`` writes them."""
        return frozenset(written for text in self.texts for written, _, _ in iso_durations(text))

    @cached_property
    def truths(self) -> frozenset[bool]:
        return frozenset(truth.value for text in self.texts for truth in truths(text))

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        """Zero is always among them: notes say it as "none"."""
        return frozenset({Decimal(0), *(n for text in self.texts for n in numbers(text))})

    @cached_property
    def currencies(self) -> frozenset[str]:
        return currencies(*self.texts)

    @cached_property
    def words(self) -> frozenset[str]:
        """Runs without white space: as they stand, without the marks around them, and their parts."""
        return frozenset(word for text in self.texts for run in set(text.split()) for word in _variants(run))

    @cached_property
    def cased(self) -> frozenset[str]:
        """The words in small letters and in capitals."""
        return frozenset(form for word in self.words for form in (word.lower(), word.upper()) if len(form) == len(word))

    def have(self, mark: str) -> bool:
        return any(mark in text for text in self.texts)

    def ids(self, fitting: Callable[[Collection[str]], set[str]], *, with_spaces: bool) -> set[str]:
        """The words that fit; with them phrases, where the pattern takes spaces; or, where no word fits, pieces of words.

        ``fitting`` gives those of some words that fit; ``with_spaces``: False where none with a space does, which need not be tried then.
        """
        found = fitting(self.words)
        if with_spaces and fitting(self._short_phrases):
            found |= fitting(self._all_phrases)
        return found or fitting(self._pieces)

    @cached_property
    def _short_phrases(self) -> frozenset[str]:
        """Two words, with or without a mark between."""
        return frozenset(self._phrases(3))

    @cached_property
    def _all_phrases(self) -> frozenset[str]:
        return frozenset(self._phrases(_PHRASE_WORDS))

    def _phrases(self, num_words: int) -> Iterator[str]:
        """Two words or more with spaces between, without the marks around them."""
        for text in self.texts:
            runs = text.split()
            for start in range(len(runs)):
                for end in range(start + 2, min(len(runs), start + num_words) + 1):
                    bare = _BARE.search(" ".join(runs[start:end]))
                    if bare and " " in bare[0]:
                        yield bare[0]

    @cached_property
    def _pieces(self) -> frozenset[str]:
        return frozenset(
            "".join(chunks[start:end])
            for chunks in self.chunks for start, chunk in enumerate(chunks) if chunk != " "
            for end in range(start + 1, min(len(chunks), start + _PHRASE_CHUNKS) + 1) if chunks[end - 1] != " "
        )  # fmt: skip


def _escaped(chunk: str) -> str:
    return chunk if chunk.isalnum() or chunk == " " else canonical_json(chunk)[1:-1].replace("\x7f", "\\u007f")


def _variants(run: str) -> Iterator[str]:
    yield run
    if run.isalnum():
        return
    for marks in (None, *_ID_MARKS):
        for part in [run] if marks is None else re.split(marks, run):
            bare = _BARE.search(part)
            if bare:
                yield bare[0]


def _chunks(text: str) -> list[str]:
    return [" " if chunk.isspace() else chunk for chunk in _cut(text)]


def edges(text: str) -> frozenset[int]:
    """Where a span may begin or end: characters of the text, counted from 0."""
    return frozenset(accumulate(map(len, _cut(text)), initial=0))


def _cut(text: str) -> list[str]:
    """The text in words, marks and runs of white space, nothing left out."""
    found: list[str] = []
    for chunk in _CHUNK.findall(text):
        if not chunk.isspace() and found and not found[-1].isspace() and _clings(found[-1], chunk):
            found[-1] += chunk
        else:
            found.append(chunk)
    return found


def _clings(before: str, chunk: str) -> bool:
    """Whether what follows is part of the same word or sign."""
    if _is_mark(chunk[0]) or before[-1] == "\u200d":
        return True
    if _is_flag_letter(chunk[0]):
        return _is_flag_letter(before[-1]) and len(before) % 2 == 1
    return _is_mark(before[-1]) and _is_letter(before[0]) and _is_letter(chunk[0])


def _is_mark(char: str) -> bool:
    """A combining mark, a joiner, a soft hyphen or a skin tone: nothing by itself."""
    return unicodedata.category(char).startswith("M") or char in "\u00ad\u200c\u200d" or "\U0001f3fb" <= char <= "\U0001f3ff"


def _is_letter(char: str) -> bool:
    return char.isalnum() or char == "_"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
