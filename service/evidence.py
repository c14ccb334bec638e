"""Evidence: for every leaf of a report, where in the texts its value stands, or that it stands nowhere.

Owns the finding of spans, after decoding and from the texts alone: the model is not asked where it looked. A text value is looked for as it is; a date or a
number is the shortest run of words from which `schemas/readers.py` reads it. Offsets count code points of the original text, end exclusive. Knows no grammar and no
model. Run: `attest(report, schema, {QUESTION: "Ana owns it since 3 May 2026"})`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import cache, partial

from schemas.canonical import Json
from schemas.grounding import Kind, Scalar, Schema, kind_at, leaves
from schemas.readers import dates, may_tell_date, may_tell_number, numbers

QUESTION = ""
"""The source that is the question; any other is the id of a context item, which is never empty."""

_WORD = re.compile(r"\S+")
_OPENING, _CLOSING = "([{\"'«“‘¿¡", ".,;:!?)]}\"'»”’…"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER_WORDS = 8
_FAR_WORDS = 14
"""Longest runs of words that are read as one number, and as one date whose parts stand apart."""
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


class Status(Enum):
    """How a value is founded on the texts."""

    COPIED = "copied"
    """It stands there as it is (white space aside)."""
    NORMALIZED = "normalized"
    """A date or a number that is read there, in another form."""
    CLASSIFIED = "classified"
    """One of the schema's own words, chosen by meaning; a 0 that no text writes is one, too ("none failed")."""
    COMPOSED = "composed"
    """Free wording, where the schema asks for it."""
    UNSTATED = "unstated"
    """null: the texts do not say."""
    UNSUPPORTED = "unsupported"
    """It stands nowhere in the texts."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters ``start`` to ``end`` of the text named ``source``."""

    source: str
    start: int
    end: int

    def __post_init__(self) -> None:
        assert 0 <= self.start < self.end


@dataclass(frozen=True, slots=True)
class Evidence:
    """One leaf: its JSON Pointer, how the schema wants it founded, how it is, and where."""

    pointer: str
    grounding: Kind
    status: Status
    span: Span | None = None

    def __post_init__(self) -> None:
        assert self.span is None or self.status in (Status.COPIED, Status.NORMALIZED)


def attest(report: Json, schema: Schema, texts: Mapping[str, str]) -> tuple[Evidence, ...]:
    """The evidence of each leaf, in the order of the report.

    Of several places that say the same, the one nearest to the evidence of the neighbouring leaves is taken.
    """
    finder = _Finder(texts)
    found = [_candidates(finder, pointer, value, kind_at(schema, pointer)) for pointer, value in leaves(report)]
    return _chosen(found)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A leaf and every place that says its value, in order."""

    evidence: Evidence
    places: tuple[Span, ...] = ()


def _candidates(finder: _Finder, pointer: str, value: Scalar, kind: Kind) -> _Leaf:
    def leaf(status: Status, places: Sequence[Span] = ()) -> _Leaf:
        return _Leaf(Evidence(pointer, kind, status), tuple(places))

    if value is None:
        return leaf(Status.UNSTATED)
    if kind in ("classify", "compose"):
        return leaf(Status.CLASSIFIED if kind == "classify" else Status.COMPOSED)
    if isinstance(value, bool):
        return leaf(Status.CLASSIFIED)
    if isinstance(value, str) and (places := finder.copies(value)):
        return leaf(Status.COPIED, places)
    if places := finder.readings(value):
        return leaf(Status.NORMALIZED, places)
    return leaf(Status.CLASSIFIED if value == 0 else Status.UNSUPPORTED)


# --- where a value stands --------------------------------------------------------------------------------------------


class _Finder:
    """Looks values up in the texts; what was found once is kept."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.words = {source: list(_WORD.finditer(text)) for source, text in texts.items()}
        self.copies = cache(self._copies)
        self.readings = cache(self._readings)

    def _copies(self, value: str) -> list[Span]:
        """Every place of a text, white space folded; whole words wherever there are any."""
        pattern = r"\s+".join(map(re.escape, value.split()))
        if not pattern:
            return []
        whole = (r"(?<!\w)" if value.split()[0][0].isalnum() else "") + pattern + (r"(?!\w)" if value.rstrip()[-1].isalnum() else "")
        return self._matches(whole) or self._matches(pattern)

    def _matches(self, pattern: str) -> list[Span]:
        return [Span(source, m.start(), m.end()) for source, text in self.texts.items() for m in re.finditer(pattern, text)]

    def _readings(self, value: Scalar) -> list[Span]:
        if isinstance(value, str):
            return self._date(dt.date.fromisoformat(value)) if _DATE.fullmatch(value) and _is_date(value) else []
        number = Decimal(str(value))
        return list(self._shortest(may_tell_number, lambda words: number in numbers(words), _NUMBER_WORDS))

    def _date(self, day: dt.date) -> list[Span]:
        """From the words alone, or else with the year, or the month and the year, that other words tell; few words first."""
        year, month = f"\n{day.year}", f"\n{_MONTHS[day.month - 1]} {day.year}"
        near = (("", 8), (year, 5), (month, 3))
        for helper, most, over_ends in (*((h, n, False) for h, n in near), *((h, _FAR_WORDS, True) for h, _ in near)):
            if helper and day in dates(helper):
                continue  # the first or last day of it: any words would do
            if found := list(self._shortest(may_tell_date, partial(_tells, day, helper), most, over_ends)):
                return found
        return []

    def _shortest(self, may_begin: Callable[[str], bool], reads: Callable[[str], bool], most: int, over_ends: bool = False) -> Iterator[Span]:
        """The runs of at most ``most`` words that are read so and hold no shorter one; over the end of a sentence or line only if ``over_ends``."""
        for source, words in self.words.items():
            last: Span | None = None
            for i in range(len(words) - 1, -1, -1):
                if not may_begin(words[i][0]):
                    continue
                found = self._run(source, i, reads, most, over_ends)
                if found is not None and (last is None or found.end < last.end):
                    yield found
                    last = found

    def _run(self, source: str, i: int, reads: Callable[[str], bool], most: int, over_ends: bool) -> Span | None:
        text, words = self.texts[source], self.words[source]
        for j in range(i, min(len(words), i + most)):
            if j > i and not over_ends and _ends(words[j - 1][0], text[words[j - 1].end() : words[j].start()]):
                return None
            if reads(text[words[i].start() : words[j].end()]):
                return _trimmed(Span(source, words[i].start(), words[j].end()), text, reads)
        return None


def _ends(word: str, gap: str) -> bool:
    """Whether a sentence or a line ends after a word; the dot of "Oct." ends nothing."""
    return "\n" in gap or word[-1] in "!?;" or (word[-1] == "." and not (word[:-1].isalpha() and len(word) <= 5))


def _tells(day: dt.date, helper: str, words: str) -> bool:
    return day in dates(words + helper)


def _trimmed(span: Span, text: str, reads: Callable[[str], bool]) -> Span:
    """Without the marks around it that say nothing."""
    start, end = span.start, span.end
    while text[start] in _OPENING and reads(text[start + 1 : end]):
        start += 1
    while text[end - 1] in _CLOSING and reads(text[start : end - 1]):
        end -= 1
    return replace(span, start=start, end=end)


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


# --- which of several places -----------------------------------------------------------------------------------------


def _chosen(found: Sequence[_Leaf]) -> tuple[Evidence, ...]:
    """One place for each leaf: first those without a choice, then the others, each near to what its neighbours have."""
    spans = {i: leaf.places[0] for i, leaf in enumerate(found) if len(leaf.places) == 1}
    for i, leaf in enumerate(found):
        if len(leaf.places) > 1:
            spans[i] = _nearest(leaf, i, found, spans)
    return tuple(replace(leaf.evidence, span=spans.get(i)) for i, leaf in enumerate(found))


def _nearest(leaf: _Leaf, place: int, found: Sequence[_Leaf], spans: Mapping[int, Span]) -> Span:
    """The place nearest to the evidence of the leaf next to it: of the same object, where one there has any."""
    parent = leaf.evidence.pointer.rpartition("/")[0]

    def apart(i: int) -> tuple[bool, int]:
        return found[i].evidence.pointer.rpartition("/")[0] != parent, abs(i - place)

    if not spans:
        return leaf.places[0]
    neighbour = spans[min(spans, key=apart)]
    return min(leaf.places, key=lambda span: (span.source != neighbour.source, abs(span.start - neighbour.start), span))
