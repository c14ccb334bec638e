"""Readers: the dates and numbers that can be read in a text, English and Spanish.

Owns candidates, not choices: every value that some reading of the text gives, so that a grammar can admit these and no others; which one is meant is the
model's to say. Recall comes first: a day, a month and a year that stand anywhere in the text make a candidate together, because notes leave out what the
reader knows ("the 22nd", "14 October"). Time is linear in the text, whatever it holds. Run: `numbers("twenty-two runs, 4.2 s")`.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from schemas.number_words import WORD, word_mentions, word_numbers

_MONTHS = (
    "january february march april may june july august september october november december",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_ORDINALS = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
    "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
]  # fmt: skip
_MOST = Decimal(10) ** 15
_MAX_PART_CHARS = 20
_MAX_GROUPS = 5
"""The longest run of digits, and the most groups of them, that are read as one number."""

_DIGITS = re.compile(r"\d+(?:[.,'’\u00a0\u202f ]\d+)*")
_SIGN = re.compile(r"(?:(?<![\w.,)])[-−–](?:[$€£]\s?)?|\b(?:minus|menos)\s)\Z", re.IGNORECASE)
_UNIT = re.compile(
    r"\s?(k|mm|m|bn|mil millones|miles|mil|thousand|millions?|billions?|millones|mill[oó]n|s|secs?|seconds?|segs?|segundos?|mins?|minutes?|minutos?)\b",
    re.IGNORECASE,
)
_FACTORS = {"k": 1000, "mil": 1000, "miles": 1000, "thousand": 1000, "m": 10**6, "mm": 10**6, "bn": 10**9, "mil millones": 10**9}
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_SHORT_YEAR = re.compile(r"(?:['’]|[./-](?:\d{1,2}|[^\W\d_]{3,10})[./-]|\b(?:[qths]\d\s?)?fy\s?|\b[qths]\d[\s-])(\d\d)(?!\d)", re.IGNORECASE)
_DAY = re.compile(r"(?<!\d)(\d{1,2})(?!\d)")
_MONTH_NUMBER = re.compile(r"(?<!\d)\d{1,4}[./-](\d{1,2})(?!\d)")
_MONTH_FIRST = re.compile(r"(?<!\d)(\d{1,2})[./-]\d{1,4}(?!\d)")
_QUARTER = re.compile(r"\b[qt]\s?([1-4])(?!\d)|\b([1-4])\s?[qt](?![^\W\d_])", re.IGNORECASE)
_HALF = re.compile(r"\b[hs]\s?([12])(?!\d)|\b([12])\s?[hs](?![^\W\d_])", re.IGNORECASE)
_WEEK = re.compile(r"\b(?:weeks?|wk|w|semanas?|sem|s|kw|cw)\.?\s?(\d{1,2})(?!\d)")
_WEEKISH = re.compile(r"\b(?:week|wk|semana|sem)\b")


def flat(text: str) -> str:
    """Lower case without accents, for looking words up; as long as the text is when it has no composed marks."""
    return "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))


_flat_char = lru_cache(maxsize=4096)(flat)


# --- numbers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mention:
    """A number and the characters it is read from. ``whole``: from all of a figure, as 12,400 and not 400 is from "12,400"."""

    value: Decimal
    start: int
    end: int
    whole: bool


def numbers(text: str) -> frozenset[Decimal]:
    """Every number that can be read: digits in English or Spanish grouping, k / M / thousand, words, and seconds and minutes also as milliseconds.

    Below 10**15 in size; negative too where the text has a minus.
    """
    return frozenset(mention.value for mention in number_mentions(text))


def number_mentions(text: str) -> Iterator[Mention]:
    """Each reading of each number of the text, with its place."""
    words, places = _flat_with_places(text)
    said = (Mention(value, places[start], places[end - 1] + 1, True) for value, start, end in word_mentions(words))
    return (mention for mention in (*_digit_mentions(text), *said) if abs(mention.value) < _MOST)


def _flat_with_places(text: str) -> tuple[str, list[int]]:
    """`flat`, and for each of its characters the place of the one it comes from."""
    if text.isascii():
        return flat(text), list(range(len(text)))
    parts = list(map(_flat_char, text))
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


def _digit_mentions(text: str) -> Iterator[Mention]:
    for match in _DIGITS.finditer(text):
        sign = _SIGN.search(text, max(0, match.start() - 8), match.start())
        factor, unit_end = _factor(text, match.end())
        for at, whole, value in _readings(match[0]):
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
    return _FACTORS.get(word, 60_000 if word.startswith("min") else 1000), unit.end()


def _readings(digits: str) -> Iterator[tuple[int, bool, Decimal]]:
    """(which group it begins with, whether it is all of them, value): ``12.400`` is 12400 and 12.4; ``12.400,50`` is 12400.5; ``10 12`` is 10 and 12 (and 1012
    is not read)."""
    parts, marks = re.split(r"[.,'’\u00a0\u202f ]", digits), re.sub(r"\d", "", digits)
    for i, part in enumerate(parts):
        if len(part) > _MAX_PART_CHARS:
            continue
        yield i, len(parts) == 1, Decimal(part)
        whole = part
        for j in range(i + 1, min(len(parts), i + 1 + _MAX_GROUPS)):
            if marks[j - 1] in ".,":
                yield i, i == 0 and j == len(parts) - 1, Decimal(f"{whole}.{parts[j][:_MAX_PART_CHARS]}")
            if len(parts[j]) != 3 or len(part) > 3:
                break
            whole += parts[j]
            yield i, i == 0 and j == len(parts) - 1, Decimal(whole)


# --- dates -----------------------------------------------------------------------------------------------------------


def dates(text: str) -> frozenset[dt.date]:
    """Every date whose day, month and year can be read, and both ends of each week, month, quarter, half-year and year named.

    A year next to one that is told counts as told.
    """
    words = flat(text)
    years, months = _years(text, words), _months(words)
    found = set(_combined(_days(words), months, years))
    found |= {end for day in found for end in _week_ends(day)} if _WEEKISH.search(words) else set()
    found.update(_numbered_weeks(words, years), _ends(words, months, years))
    return frozenset(found)


def may_tell_date(word: str) -> bool:
    """Whether a date can begin with this word: a figure, a number or ordinal in words, a month, "week", "Q3", "first half"."""
    bare = flat(word)
    return any(c.isdigit() for c in bare) or any(True for _ in word_numbers(bare)) or any(_tells_date(found[0]) for found in WORD.finditer(bare))


def _tells_date(word: str) -> bool:
    return word in _ORDINALS or any(True for _ in _month_named(word)) or word.startswith(("week", "seman", "quarter", "trimestre", "half", "semestre", "mitad", "prim", "segund", "tercer", "cuart"))


def _years(text: str, words: str) -> list[int]:
    told = {int(m[1]) for m in _YEAR.finditer(text)} | {2000 + int(m[1]) for m in _SHORT_YEAR.finditer(text)}
    told |= {int(v) for v in word_numbers(words) if v == v.to_integral_value() and 1990 <= v <= 2099}
    return sorted({near for year in told for near in (year - 1, year, year + 1)})


def _months(words: str) -> set[int]:
    found = {int(m[1]) for pattern in (_MONTH_NUMBER, _MONTH_FIRST) for m in pattern.finditer(words)}
    for word in {match[0] for match in WORD.finditer(words)}:
        found.update(_month_named(word))
    return {month for month in found if 1 <= month <= 12}


def _month_named(word: str) -> Iterator[int]:
    if word in ("sept", "setiembre", "set"):
        yield 9
    if len(word) < 3:
        return
    for names in _MONTHS:
        yield from (number for number, name in enumerate(names.split(), 1) if name.startswith(word))


def _days(words: str) -> set[int]:
    found = {int(m[1]) for m in _DAY.finditer(words)}
    found |= {int(v) for v in word_numbers(words) if v == v.to_integral_value() and v <= 31}
    tens = {"twenty": 20, "thirty": 30}
    last = ""
    for match in WORD.finditer(words):
        if match[0] in _ORDINALS:
            found |= {_ORDINALS.index(match[0]) + 1, tens.get(last, 0) + _ORDINALS.index(match[0]) + 1}
        last = match[0]
    found |= {30} if "thirtieth" in words else set()
    return {day for day in found if 1 <= day <= 31}


def _combined(days: set[int], months: set[int], years: list[int]) -> Iterator[dt.date]:
    for year in years:
        for month in months:
            last = calendar.monthrange(year, month)[1]
            yield from (dt.date(year, month, day) for day in days if day <= last)


def _week_ends(day: dt.date) -> Iterator[dt.date]:
    """The last day of a week and of a working week that begin on a day."""
    yield day + dt.timedelta(days=4)
    yield day + dt.timedelta(days=6)


def _numbered_weeks(words: str, years: list[int]) -> Iterator[dt.date]:
    numbers = {int(m[1]) for m in _WEEK.finditer(words)}
    for year in years:
        last = dt.date(year, 12, 28).isocalendar().week
        for monday in (dt.date.fromisocalendar(year, week, 1) for week in numbers if 1 <= week <= last):
            yield monday
            yield from _week_ends(monday)


def _ends(words: str, months: set[int], years: list[int]) -> Iterator[dt.date]:
    spans = [(1, 12), *((month, month) for month in months)]
    spans += [(3 * q - 2, 3 * q) for q in _numbered(words, _QUARTER, ("quarter", "trimestre"), 4)]
    spans += [(6 * h - 5, 6 * h) for h in _numbered(words, _HALF, ("half", "semestre", "mitad"), 2)]
    for year in years:
        for first, last in spans:
            yield dt.date(year, first, 1)
            yield dt.date(year, last, calendar.monthrange(year, last)[1])


def _numbered(words: str, short: re.Pattern[str], names: tuple[str, ...], most: int) -> set[int]:
    """``Q3``, ``3T`` or any ordinal in a text that has the word."""
    found = {int(next(g for g in m.groups() if g)) for m in short.finditer(words)}
    if any(name in words for name in names):
        found.update(range(1, most + 1))
    return found
