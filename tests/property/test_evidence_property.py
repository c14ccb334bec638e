"""Whatever the text holds: a span of whole words is found, every span cuts the original text to its value, and nothing crashes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reading.dates import dates
from schemas.reading.numbers import numbers
from service.evidence import QUESTION, Status, attest

SCHEMA: dict[str, Any] = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}}
DATED: dict[str, Any] = {"type": "string", "format": "date"}
WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8).filter(lambda w: w.split() == [w])
GAPS = st.sampled_from([" ", "  ", "\n", "\r\n", "\t", " \n\n "])
TELLING = st.sampled_from(["3", "May", "mayo", "2026", "14/10/2026", "12,400", "12.400,50", "4.2s", "twenty", "two", "Q3", "octubre", "week", "de", "10k", "oct.", "none."])


@st.composite
def spanned(draw: st.DrawFn) -> tuple[str, str]:
    """A text, and a run of its words with the white space folded."""
    words = draw(st.lists(st.one_of(WORDS, TELLING), min_size=1, max_size=12))
    gaps = draw(st.lists(GAPS, min_size=len(words), max_size=len(words)))
    start = draw(st.integers(0, len(words) - 1))
    end = draw(st.integers(start + 1, len(words)))
    return "".join(g + w for g, w in zip(gaps, words, strict=True)), " ".join(words[start:end])


@settings(deadline=None)
@given(spanned())
def test_words_of_the_text_are_found_and_cut_out_exactly(drawn: tuple[str, str]) -> None:
    text, value = drawn
    (found,) = attest([value], {"type": "array", "items": {"type": "string"}}, {"other": "", QUESTION: text})
    assert found.status is Status.COPIED and found.span is not None and found.span.source == QUESTION
    assert " ".join(text[found.span.start : found.span.end].split()) == value


@settings(deadline=None)
@given(st.lists(st.one_of(TELLING, WORDS), max_size=10).map(" ".join))
def test_every_number_that_is_read_has_a_place_that_it_is_read_from(text: str) -> None:
    values = [v for v in sorted(numbers(text)) if v and Decimal(str(float(v))) == v][:8]
    report = [float(v) for v in values]
    for value, found in zip(values, attest(report, {"type": "array", "items": {"type": "number"}}, {QUESTION: text}), strict=True):
        assert found.status is Status.NORMALIZED and found.span is not None
        assert value.copy_abs() in {n.copy_abs() for n in numbers(text[found.span.start : found.span.end])}


@settings(deadline=None)
@given(st.lists(st.one_of(TELLING, WORDS), max_size=10).map(" ".join))
def test_a_date_is_supported_exactly_where_it_is_read(text: str) -> None:
    told = dates(text)
    for day in [*sorted(told)[:5], dt.date(1999, 12, 30)]:
        (found,) = attest(day.isoformat(), DATED, {QUESTION: text})
        assert (found.status is Status.UNSUPPORTED) == (day not in told and day.isoformat() not in text)
        assert found.span is None or 0 <= found.span.start < found.span.end <= len(text)


@settings(deadline=None)
@given(st.text(max_size=60), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=10), st.dates().map(dt.date.isoformat)))
def test_any_leaf_of_any_text_has_evidence(text: str, value: Any) -> None:
    (found,) = attest([value], SCHEMA, {QUESTION: text})
    assert found.pointer == "/0" and (found.span is None or text[found.span.start : found.span.end].strip())
