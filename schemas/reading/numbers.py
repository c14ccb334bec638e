"""Readers: the numbers that can be read in a text, English and Spanish. Dates are read by `schemas/reading/dates.py`.

Owns candidates, not choices: every value that some reading of the text gives, so that a grammar can admit these and no others; which one is meant is the
model's to say. Time is linear in the text, whatever it holds. Run: `numbers("twenty-two runs, 4.2 s")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from schemas.reading.currencies import currency_spans
from schemas.reading.durations import durations
from schemas.reading.folding import flat, flat_with_places
from schemas.reading.number_words import word_mentions

_MOST = Decimal(10) ** 15
_MAX_PART_CHARS = 20
_MAX_GROUPS = 5
"""The longest run of digits, and the most groups of them, that are read as one number."""

_DIGITS = re.compile(r"\d+(?:[.,'’\u00a0\u202f ]\d+)*")
_MARK = r"[.,'’\u00a0\u202f ]"
_SIGN = re.compile(r"(?:(?<![\w.,)])[-−–](?:[$€£]\s?)?|\b(?:minus|menos)\s)\Z", re.IGNORECASE)
_UNIT = re.compile(
    r"\s?(k|mm|m|bn|mil millones|miles|mil|thousand|millions?|billions?|millones|mill[oó]n)\b",
    re.IGNORECASE,
)
_BESIDE = 2  # characters between an amount and its currency at most
_FACTORS = {"k": 1000, "mil": 1000, "miles": 1000, "thousand": 1000, "m": 10**6, "mm": 10**6, "bn": 10**9, "mil millones": 10**9}


@dataclass(frozen=True, slots=True)
class Mention:
    """A number and the characters it is read from. ``whole``: from all of a figure, as 12400 and not 400 is from "12 400"."""

    value: Decimal
    start: int
    end: int
    whole: bool


def numbers(text: str) -> frozenset[Decimal]:
    """Every number that can be read: digits in English or Spanish grouping, k / M / thousand, words, and a duration also in other units of time.

    Below 10**15 in size; negative too where the text has a minus.
    """
    return frozenset(mention.value for mention in number_mentions(text))


def number_mentions(text: str) -> Iterator[Mention]:
    """Each reading of each number of the text, with its place."""
    words, places = flat_with_places(text)
    said = (Mention(value, places[start], places[end - 1] + 1, True) for value, start, end in word_mentions(words))
    lasting = (Mention(amount, found.start, found.end, True) for found in durations(text) for amount in found.amounts())
    return (mention for mention in (*_digit_mentions(text, _beside_currencies(words, places)), *said, *lasting) if abs(mention.value) < _MOST)


def _beside_currencies(words: str, places: Sequence[int]) -> frozenset[int]:
    """Where the digits of an amount of money may begin or end."""
    found = [(places[start], places[end - 1] + 1) for start, end in currency_spans(words)]
    return frozenset(at for start, end in found for at in (*range(start - _BESIDE, start + 1), *range(end, end + _BESIDE + 1)))


def _digit_mentions(text: str, beside: frozenset[int]) -> Iterator[Mention]:
    for match in _DIGITS.finditer(text):
        sign = _SIGN.search(text, max(0, match.start() - 8), match.start())
        factor, unit_end = _factor(text, match.end())
        money = factor == 1 and (match.start() in beside or match.end() in beside)
        for at, whole, value in _readings(match[0], money=money):
            yield Mention(value, match.start(), match.end(), whole)
            yield Mention(value * factor, match.start(), unit_end, whole)
            if sign is not None and at == 0:
                yield Mention(-value, sign.start(), match.end(), whole)
                yield Mention(-value * factor, sign.start(), unit_end, whole)


def _factor(text: str, at: int) -> tuple[int, int]:
    """What a unit that follows multiplies by, and where it ends."""
    unit = _UNIT.match(text, at)
    if unit is None:
        return 1, at
    word = flat(unit[1])
    if word.startswith(("mill", "bill")):
        return (10**9 if word.startswith("bill") else 10**6), unit.end()
    return _FACTORS[word], unit.end()


def _readings(digits: str, *, money: bool) -> Iterator[tuple[int, bool, Decimal]]:
    """(which group it begins with, whether it is all of them, value): ``12.400`` is 12400 and 12.4, as money 12400 only; ``12.400,50`` is 12400.5 and nothing else;
    ``12 400`` is 12400, 12 and 400; ``10,12,14`` is no number as a whole, so its parts are read."""
    parts, marks = re.split(_MARK, digits), re.sub(r"\d", "", digits)
    last = len(parts) - 1
    found = list(_runs(parts, marks))
    begins, ends = {0, *(i + 1 for i, mark in enumerate(marks) if mark == " ")}, {last, *(i for i, mark in enumerate(marks) if mark == " ")}
    figures = {(i, j) for i, j, _ in found if i in begins and j in ends}
    grouped = {(i, j) for i, j, value in found if value.as_tuple().exponent == 0}
    piece = _pieces(begins, len(parts))
    for i, j, value in found:
        if (i, j) not in figures and piece[i] in figures:
            continue
        if money and value.as_tuple().exponent == -3 and (i, j) in grouped:
            continue
        yield i, (i, j) == (0, last), value


def _pieces(begins: set[int], count: int) -> list[tuple[int, int]]:
    """For each group, the first and the last one of those that no space parts from it."""
    starts = sorted(begins)
    return [(start, end - 1) for start, end in zip(starts, [*starts[1:], count], strict=True) for _ in range(start, end)]


def _runs(parts: list[str], marks: str) -> Iterator[tuple[int, int, Decimal]]:
    """(first group, last group, value) of every run of groups that reads as a number."""
    for i, part in enumerate(parts):
        if len(part) > _MAX_PART_CHARS:
            continue
        yield i, i, Decimal(part)
        whole = part
        for j in range(i + 1, min(len(parts), i + 1 + _MAX_GROUPS)):
            if marks[j - 1] in ".,":
                yield i, j, Decimal(f"{whole}.{parts[j][:_MAX_PART_CHARS]}")
            if len(parts[j]) != 3 or len(part) > 3 or part.startswith("0"):
                break
            whole += parts[j]
            yield i, j, Decimal(whole)
