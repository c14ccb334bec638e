"""Readers: the dates and numbers that can be read in a text, English and Spanish.

Owns candidates, not choices: every value that some reading of the text gives, so that a grammar can admit these and no others; which one is meant is the
model's to say. Recall comes first: a day, a month and a year that stand anywhere in the text make a candidate together, because notes leave out what the
reader knows ("the 22nd", "14 October").
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal

_MONTHS = (
    "january february march april may june july august september october november december",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth "
    "nineteenth twentieth"
).split()
_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "cero": 0, "un": 1, "uno": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "once": 11,
    "doce": 12, "trece": 13, "catorce": 14, "quince": 15, "dieciseis": 16, "diecisiete": 17, "dieciocho": 18, "diecinueve": 19, "veinte": 20, "veintiun": 21,
    "veintiuno": 21, "veintiuna": 21, "veintidos": 22, "veintitres": 23, "veinticuatro": 24, "veinticinco": 25, "veintiseis": 26, "veintisiete": 27,
    "veintiocho": 28, "veintinueve": 29, "treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80, "noventa": 90,
    "cien": 100, "ciento": 100, "doscientos": 200, "trescientos": 300, "cuatrocientos": 400, "quinientos": 500, "seiscientos": 600, "setecientos": 700,
    "ochocientos": 800, "novecientos": 900, "primero": 1, "half": 50, "media": 50, "mitad": 50,
}  # fmt: skip
_SMALL |= {w[:-2] + "as": n for w, n in _SMALL.items() if w.endswith("cientos") or w == "quinientos"}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "mil": 1_000, "millon": 1_000_000, "millones": 1_000_000}
_JOINERS = frozenset(("and", "y"))
_POINTS = frozenset(("point", "coma", "punto", "comma"))

_DIGITS = re.compile(r"\d+(?:[.,'’\u00a0\u202f ]\d+)*")
_UNIT = re.compile(r"\s?(k|m|mil|thousand|million|millones|millón|s|sec|secs|seconds?|seg|segs|segundos?)\b", re.IGNORECASE)
_FACTOR = {"k": 1000, "mil": 1000, "thousand": 1000, "m": 1_000_000, "million": 1_000_000, "millones": 1_000_000, "millón": 1_000_000}
_WORD = re.compile(r"[^\W\d_]+")
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_SHORT_YEAR = re.compile(r"(?:['’]|[./-]\d{1,2}[./-])(\d\d)(?!\d)")
_DAY = re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|º|\.º)?(?!\d)")
_MONTH_NUMBER = re.compile(r"(?<!\d)\d{1,4}[./-](\d{1,2})(?!\d)|(?<!\d)(\d{1,2})[./-]\d{4}(?!\d)")
_QUARTER = re.compile(r"\b[qt]\s?([1-4])\b|\b([1-4])\s?[qt]\b", re.IGNORECASE)
_HALF = re.compile(r"\b[hs]([12])\b", re.IGNORECASE)


def flat(text: str) -> str:
    """Lower case without accents, for looking words up; as long as the text is when it has no composed marks."""
    return "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))


# --- numbers ---------------------------------------------------------------------------------------------------------


def numbers(text: str) -> frozenset[Decimal]:
    """Every number that can be read: digits in English or Spanish grouping, k / M / thousand, words, and seconds also as milliseconds."""
    return frozenset(value for value in (*_digit_numbers(text), *_word_numbers(flat(text))) if value < Decimal(10) ** 15)


def _digit_numbers(text: str) -> Iterator[Decimal]:
    for match in _DIGITS.finditer(text):
        readings = set(_readings(match[0]))
        yield from readings
        unit = _UNIT.match(text, match.end())
        if unit:
            word = unit[1].lower()
            yield from (value * _FACTOR.get(word, 1000) for value in readings)


def _readings(digits: str) -> Iterator[Decimal]:
    """``12.400`` is 12400 and 12.4; ``12.400,50`` is 12400.5; ``10 12`` is 10 and 12 (and 1012 is not read)."""
    parts = re.split(r"[.,'’\u00a0\u202f ]", digits)
    yield from (Decimal(part) for part in parts)
    marks = re.findall(r"[.,'’\u00a0\u202f ]", digits)
    for i in range(len(parts)):
        for j in range(i + 1, len(parts) + 1):
            grouped = all(len(p) == 3 for p in parts[i + 1 : j])
            if j - i > 1 and grouped and len(parts[i]) <= 3:
                yield Decimal("".join(parts[i:j]))
            if j - i > 1 and marks[j - 2] in ".," and all(len(p) == 3 for p in parts[i + 1 : j - 1]):
                yield Decimal("".join(parts[i : j - 1]) + "." + parts[j - 1])


def _word_numbers(text: str) -> Iterator[Decimal]:
    """Runs of number words; every prefix-free grouping that adds up, and ``four point two``."""
    run: list[str] = []
    for match in _WORD.finditer(text + " ."):
        word = match[0]
        if word in _SMALL or word in _SCALES or (run and (word in _JOINERS or word in _POINTS)):
            run.append(word)
            continue
        yield from _run_values(run, word)
        run = []
    yield from _run_values(run, "")


def _run_values(run: list[str], unit: str) -> Iterator[Decimal]:
    while run and (run[-1] in _JOINERS or run[-1] in _POINTS):
        run = run[:-1]
    if not run:
        return
    values = [*_sums(run)]
    if unit.startswith(("sec", "seg")):
        values += [value * 1000 for value in values]
    yield from values


def _sums(run: list[str]) -> Iterator[Decimal]:
    """The value of the whole run and of its parts around a joiner (``twelve and thirty`` is also 12 and 30)."""
    for point in (i for i, word in enumerate(run) if word in _POINTS):
        after = [str(_SMALL[w]) for w in run[point + 1 :] if w in _SMALL and _SMALL[w] < 100]
        if point and after:
            yield Decimal(_total(run[:point])) + Decimal("0." + "".join(after))
    yield Decimal(_total(run))
    pieces: list[list[str]] = [[]]
    for word in run:
        if word in _JOINERS or word in _POINTS:
            pieces.append([])
        else:
            pieces[-1].append(word)
    yield from (Decimal(_total(piece)) for piece in pieces if piece)
    yield from (Decimal(_SMALL[word]) for word in run if word in _SMALL)


def _total(run: list[str]) -> int:
    whole, current = 0, 0
    for word in run:
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred":
            current = max(1, current) * 100
        elif word in _SCALES:
            whole, current = whole + max(1, current) * _SCALES[word], 0
    return whole + current


# --- dates -----------------------------------------------------------------------------------------------------------


def dates(text: str) -> frozenset[dt.date]:
    """Every date whose day, month and year can be read, and both ends of each month, quarter and half-year named."""
    words = flat(text)
    years = _years(text)
    found = set(_combined(_days(words), _months(text, words), years))
    found.update(_ends(text, words, years))
    return frozenset(found)


def _years(text: str) -> list[int]:
    told = {int(m[1]) for m in _YEAR.finditer(text)} | {2000 + int(m[1]) for m in _SHORT_YEAR.finditer(text)}
    told |= {int(v) for v in _word_numbers(flat(text)) if v == v.to_integral_value() and 1990 <= v <= 2099}
    return sorted(told | {year + 1 for year in told})


def _months(text: str, words: str) -> set[int]:
    found = {int(m[1] or m[2]) for m in _MONTH_NUMBER.finditer(text)}
    found |= {int(m[1]) for m in re.finditer(r"(?<!\d)(\d{1,2})[./-]\d{1,2}(?!\d)", text)}
    for match in _WORD.finditer(words):
        found.update(_month_named(match[0]))
    return {month for month in found if 1 <= month <= 12}


def _month_named(word: str) -> Iterator[int]:
    if len(word) < 3:
        return
    for names in _MONTHS:
        for number, name in enumerate(names.split(), 1):
            if name.startswith(word) or (word.startswith(name[:3]) and name[:4] == word[:4]) or (word == "sept" and number == 9):
                yield number


def _days(words: str) -> set[int]:
    found = {int(m[1]) for m in _DAY.finditer(words)}
    found |= {int(v) for v in _word_numbers(words) if v == v.to_integral_value() and v <= 31}
    for match in _WORD.finditer(words):
        found.update(i for i, name in enumerate(_ORDINALS, 1) if name == match[0])
    tens = {"twenty": 20, "thirty": 30}
    for match in re.finditer(r"\b(twenty|thirty)[ -](\w+)", words):
        if match[2] in _ORDINALS:
            found.add(tens[match[1]] + _ORDINALS.index(match[2]) + 1)
    found |= {30} if "thirtieth" in words else set()
    return {day for day in found if 1 <= day <= 31}


def _combined(days: set[int], months: set[int], years: list[int]) -> Iterator[dt.date]:
    for year in years:
        for month in months:
            last = calendar.monthrange(year, month)[1]
            yield from (dt.date(year, month, day) for day in days if day <= last)


def _ends(text: str, words: str, years: list[int]) -> Iterator[dt.date]:
    spans = [(month, month) for month in _months(text, words)]
    spans += [(3 * q - 2, 3 * q) for q in _numbered(words, _QUARTER, ("quarter", "trimestre"), 4)]
    spans += [(6 * h - 5, 6 * h) for h in _numbered(words, _HALF, ("half", "semestre"), 2)]
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
