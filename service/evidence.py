"""Evidence: for every leaf of a report, where in the texts its value stands, or that it stands nowhere.

Owns the finding of spans, after decoding and from the texts alone: the model is not asked where it looked. A text value is looked for as it is, a number, a date, a time or an answer where
the readers of `schemas/` read it. Offsets count code points of the original text, end exclusive. Knows no grammar and no
model. Run: `attest(report, schema, {QUESTION: "Ana owns it since 3 May 2026"})`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import cache, cached_property

from schemas.canonical import Json
from schemas.grounding import Kind, Kinds, Scalar, leaves
from schemas.nodes import Schema
from schemas.reading.clock import moments, times
from schemas.reading.dates import Told, date_mentions
from schemas.reading.durations import iso_durations
from schemas.reading.numbers import number_mentions
from schemas.reading.truths import truths
from service.grammars.sources import edges

QUESTION = ""
"""The source that is the question; any other is the id of a context item, which is never empty."""

MOST_WORDS = 16
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"(?:\d{4}-\d{2}-\d{2}T)?\d{2}:\d{2}:\d{2}.*")
_JOINED_BEFORE, _JOINED_AFTER = re.compile(r"\w[.+%@/-]?\Z"), re.compile(r"[.+%@/-]?\w")
"""What makes a word a part of a longer id or address."""


class Status(Enum):
    """How a value is founded on the texts."""

    COPIED = "copied"
    """It stands there as it is (white space aside)."""
    NORMALIZED = "normalized"
    """A date, a time, a number or an answer that is read there, or an id that is written otherwise; the year or month of a date and the day of a time may be told elsewhere."""
    CLASSIFIED = "classified"
    """One of the schema's own words, chosen by meaning; a 0 that no text writes is one, too ("none failed")."""
    COMPOSED = "composed"
    """Free wording, where the schema asks for it."""
    UNSTATED = "unstated"
    """null: the texts do not say."""
    UNSUPPORTED = "unsupported"
    """It stands nowhere in the texts."""


STANDING = (Status.COPIED, Status.NORMALIZED)
"""Of a value that has a place in the texts."""


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
    """One leaf: its JSON Pointer, how the schema wants it founded, how it is, and where.

    `confidence`: the chance, in [0, 1], that the value is right (`service/confidence.py`); None where nobody says.
    """

    pointer: str
    grounding: Kind
    status: Status
    span: Span | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        assert self.confidence is None or 0 <= self.confidence <= 1
        assert self.span is None or self.status in STANDING


def attest(report: Json, schema: Schema, texts: Mapping[str, str]) -> tuple[Evidence, ...]:
    """The evidence of each leaf, in the order of the report.

    Of several places that say the same, the one nearest to the evidence of the neighbouring leaves is taken.
    """
    return Attestor(schema, texts).attest(leaves(report))


class Attestor:
    """`attest` for the leaves of one schema and the same texts, as often as wanted; what was looked up once is kept."""

    def __init__(self, schema: Schema, texts: Mapping[str, str]) -> None:
        self._kinds, self._finder = Kinds(schema), _Finder(texts)

    def attest(self, found: Iterable[tuple[str, Scalar]]) -> tuple[Evidence, ...]:
        """The evidence of leaves, given as JSON Pointer and value, in the order of the report."""
        return _chosen([_candidates(self._finder, pointer, value, self._kinds.at(pointer)) for pointer, value in found])


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
    if isinstance(value, bool) and kind != "normalize":
        return leaf(Status.CLASSIFIED)
    if isinstance(value, str) and (places := finder.copies(value)):
        return leaf(Status.COPIED, places)
    if places := finder.answers(value) if isinstance(value, bool) else finder.readings(value):
        return leaf(Status.NORMALIZED, places)
    if isinstance(value, str) and kind == "normalize" and (places := finder.forms(value)):
        return leaf(Status.NORMALIZED, places)
    return leaf(Status.CLASSIFIED if value == 0 and not isinstance(value, bool) else Status.UNSUPPORTED)


# --- where a value stands --------------------------------------------------------------------------------------------


def _in_a_row(words: Sequence[str], text: str) -> Iterator[tuple[int, int]]:
    """Where the words stand with nothing but white space between them, one place behind the other; an expression takes a while to compile, and is quicker for many words."""
    if len(words) > MOST_WORDS:
        yield from (match.span() for match in re.finditer(r"\s+".join(map(re.escape, words)), text))
        return
    start = text.find(words[0])
    while start >= 0:
        end = _end_of(words, text, start)
        if end is not None:
            yield start, end
        start = text.find(words[0], start + 1 if end is None else end)


def _end_of(words: Sequence[str], text: str, start: int) -> int | None:
    at = start + len(words[0])
    for word in words[1:]:
        space = at
        while at < len(text) and text[at].isspace():
            at += 1
        if at == space or not text.startswith(word, at):
            return None
        at += len(word)
    return at


class _Finder:
    """Looks values up in the texts; what was read once is kept."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.copies, self.readings = cache(self._copies), cache(self._readings)

    # as it stands

    def _copies(self, value: str) -> tuple[Span, ...]:
        """The places where the value is made of whole words; those that are no part of a longer id or address come first where there are any."""
        words = value.split()
        if not words:
            return ()
        places = [span for source, text in self.texts.items() for span in self._matches(words, source, text)]
        alone = [span for span in places if _is_alone(self.texts[span.source], span)]
        return tuple(alone or places)

    def _matches(self, words: Sequence[str], source: str, text: str) -> Iterator[Span]:
        may_end = self._edges[source]
        return (Span(source, start, end) for start, end in _in_a_row(words, text) if start in may_end and end in may_end)

    @cached_property
    def _edges(self) -> dict[str, frozenset[int]]:
        return {source: edges(text) for source, text in self.texts.items()}

    # as it is read

    def _readings(self, value: Scalar) -> tuple[Span, ...]:
        if isinstance(value, str):
            if _MOMENT.fullmatch(value):
                return tuple(sorted(self._moments.get(value, ())))
            if value.startswith("P"):
                return tuple(sorted(self._durations.get(value, ())))
            day = _date(value)
            places = [] if day is None else self._days.get(day, [])
            plainest = min((told for told, _ in places), default=None)
            return tuple(sorted({span for told, span in places if told is plainest}))
        whole, part = self._mentions
        number = Decimal(str(value))
        return tuple(sorted(whole.get(number, ()))) or (tuple(sorted(part.get(number, ()))) if number else ())

    def answers(self, value: bool) -> tuple[Span, ...]:
        """The places that say yes or no."""
        return tuple(Span(source, truth.start, truth.end) for source, text in self.texts.items() for truth in truths(text) if truth.value is value)

    def forms(self, value: str) -> tuple[Span, ...]:
        """The places where the value stands in other letters, small or capital; none of a value without any."""
        if not value:
            return ()
        pattern = re.compile(re.escape(value), re.IGNORECASE)
        spans = (Span(source, m.start(), m.end()) for source, text in self.texts.items() for m in pattern.finditer(text))
        return tuple(span for span in spans if {span.start, span.end} <= self._edges[span.source])

    @cached_property
    def _moments(self) -> dict[str, set[Span]]:
        """The places of each day with a time, and of each time."""
        sources, texts, found = list(self.texts), tuple(self.texts.values()), defaultdict[str, set[Span]](set)
        for moment in (*moments(texts), *times(texts)):
            found[moment.value].add(Span(sources[moment.text], moment.start, moment.end))
        return found

    @cached_property
    def _durations(self) -> dict[str, set[Span]]:
        found = defaultdict[str, set[Span]](set)
        for source, text in self.texts.items():
            for written, start, end in iso_durations(text):
                found[written].add(Span(source, start, end))
        return found

    @cached_property
    def _mentions(self) -> tuple[dict[Decimal, set[Span]], dict[Decimal, set[Span]]]:
        """The places of each number: of whole figures, and of parts of one."""
        whole: dict[Decimal, set[Span]] = {}
        part: dict[Decimal, set[Span]] = {}
        for source, text in self.texts.items():
            for mention in number_mentions(text):
                (whole if mention.whole else part).setdefault(_as_written(mention.value), set()).add(Span(source, mention.start, mention.end))
        return whole, part

    @cached_property
    def _days(self) -> dict[dt.date, list[tuple[Told, Span]]]:
        """The places that tell each day, and how plainly."""
        sources, found = list(self.texts), defaultdict[dt.date, list[tuple[Told, Span]]](list)
        for mention in date_mentions(list(self.texts.values())):
            found[mention.day].append((mention.told, Span(sources[mention.text], mention.start, mention.end)))
        return found


def _as_written(number: Decimal) -> Decimal:
    """A number as a report's value tells it, which of a fraction keeps what a double does."""
    return number if number == number.to_integral_value() else Decimal(str(float(number)))


def _is_alone(text: str, span: Span) -> bool:
    return not (_JOINED_BEFORE.search(text, max(0, span.start - 2), span.start) or _JOINED_AFTER.match(text, span.end))


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if _ISO.fullmatch(text) else None
    except ValueError:
        return None


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
