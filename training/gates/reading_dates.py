"""A reader of dates and times of day: does that text name this day?

Owns the measure's own idea of which days a text tells, in English and Spanish; as generous as `training/gates/reading.py`, which reads numbers, and as much by itself.
Run: `date_can_be_read("2026-10-03", "on 3 October 2026")`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

from num2words import num2words

from training.gates.reading import folded_text, said, worded

_MONTHS = {
    name: month
    for month, names in enumerate(
        ("january jan enero ene", "february feb febrero", "march mar marzo", "april apr abril abr", "may mayo", "june jun junio", "july jul julio",
         "august aug agosto ago", "september sep sept septiembre setiembre set", "october oct octubre", "november nov noviembre",
         "december dec diciembre dic"), 1)
    for name in names.split()
}  # fmt: skip
_NEAR = 5
"""How many words may stand between a day and its month: "del 7 al 13 de septiembre"."""
_FULL = re.compile(
    r"(?<!\d)(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{1,2})(?:[-/.](\d{4}|\d{2}))?)(?!\d)"
)
_YEAR_MONTH = re.compile(r"(?<![\d/.-])(?:(\d{4})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{4}))(?![\d/-])")
_YEAR = re.compile(r"(?<!\d)((?:19|20|21)\d\d)(?!\d)")
_SHORT_YEAR = re.compile(r"['’](\d\d)(?!\d)|\d[-/.]\d{1,2}[-/.](\d\d)(?!\d)|\b[qthsf]y?\d?\s?['’]?(\d\d)\b")
_BARE_DAY = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th)\b|\b(?:the|day|dia|el|al|del|on|a)\s(\d{1,2})\b|day[, ]+(\d{1,2})\b|\b(?:lunes|martes|miercoles|jueves|viernes|sabado|domingo)[, ]+(\d{1,2})\b"
)
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_NTH = r"(?:(1st|first|primer|primero|primera|1\W{0,2}[oaº]?)|(2nd|second|segundo|segunda|2\W{0,2}[oaº]?)|(3rd|third|tercer|tercero|3\W{0,2}[oº]?)|(4th|fourth|cuarto|4\W{0,2}[oº]?))"
_QUARTER = re.compile(
    rf"\b[qt]\s?([1-4])(?!\d)|\b([1-4])\s?[qt]\b|\b{_NTH}\s(?:quarter|trimestre)|\b(?:quarter|trimestre)\s([1-4]|one|two|three|four|uno|dos|tres|cuatro)\b"
)
_HALF = re.compile(rf"\b[hs]\s?([12])(?!\d)|\b([12])\s?[hs]\b|\b{_NTH}\s(?:half|semestre|mitad)")
_WEEK = re.compile(r"\b(?:week|wk|w|semana|sem|s|kw|cw)\.?\s?(\d{1,2})\b")
_WEEKISH = re.compile(r"\b(?:week|wk|semana|sem)\b")


def date_can_be_read(iso_date: str, text: str) -> bool:
    """Whether a text names the day (YYYY-MM-DD): by day and month, or as first or last day of a period it names."""
    try:
        day = dt.date.fromisoformat(iso_date)
    except ValueError:
        return False
    folded = folded_text(text)
    if not _year_fits(day.year, folded):
        return False
    return _day_is_told(day, folded) or _period_is_told(day, folded) or _week_is_told(day, folded)


_HOURS = {lang: {num2words(hour, lang=lang) if (lang, hour) != ("es", 1) else "una": hour for hour in range(1, 13)} for lang in ("en", "es")}
_NIGHT = re.compile(r"\ba\.? ?m\b|\d\s?am\b|\b(?:night|morning|noche|madrugada|manana)\b")
_AT = r"(?:\b(?:at|around|by|past|to|las?)\s)"
_CLOCK = r"\s?(?:[ap]\.? ?m\b|h\b|hrs\b|o'clock\b|in the\b|de la\b|utc\b)"
_TIME = re.compile(r"[Tt](\d\d):(\d\d)")
_AFTERNOON = re.compile(r"(?<![a-z])p\.? ?m\b|\b(?:afternoon|evening|night|tarde|noche)\b")


def moment_can_be_read(moment: str, text: str) -> bool:
    """Whether a text names the day of ``YYYY-MM-DD``, and the time too of ``YYYY-MM-DDTHH:MM...``; the zone is not looked at."""
    time = _TIME.match(moment, 10)
    return date_can_be_read(moment[:10], text) and (time is None or _time_is_told(int(time[1]), int(time[2]), folded_text(text)))


def _time_is_told(hour: int, minute: int, folded: str) -> bool:
    """In digits, of 24 hours or of 12 where the text speaks of an afternoon; in words; or as noon or midnight. A figure alone needs something that makes it a time."""
    if minute == 0 and hour % 12 == 0 and re.search(r"\b(?:noon|midday|mediodia)\b" if hour else r"\b(?:midnight|medianoche)\b", folded):
        return True
    twelve = {hour % 12 or 12} if 0 < hour < 13 or _AFTERNOON.search(folded) or (hour == 0 and _NIGHT.search(folded)) else set()
    hours = {hour} | twelve
    digits = "|".join(f"0?{h}" for h in hours)
    if re.search(rf"(?<![\d.,:])(?:{digits})\s?[:.h]\s?{minute:02d}(?!\d)|(?<!\d)(?:{hour:02d}){minute:02d}\s?(?:h\b|hrs\b|hours\b|z\b|utc\b)", folded):
        return True
    hour_words = "|".join(word for words in _HOURS.values() for word, number in words.items() if number in hours) or "(?!)"  # no word
    figure = rf"(?<![\d:.,])(?:{digits})(?![\d:.,]\d|\d)"
    whole = rf"{_AT}{figure}|{figure}{_CLOCK}|{figure}\s(?:y\b|menos\b)|\b(?:{hour_words})\b"
    past = {0: rf"(?:{whole})", 15: rf"quarter past (?:{whole})|(?:{whole}) y cuarto", 30: rf"half past (?:{whole})|(?:{whole}) y media"}
    return minute in past and re.search(past[minute], folded) is not None


def _year_fits(year: int, folded: str) -> bool:
    """A year that the text gives or that is next to one, as a due day may be; any year where it gives none."""
    years = _years(folded)
    return not years or any(abs(year - known) <= 1 for known in years)


@lru_cache(maxsize=512)
def _years(folded: str) -> frozenset[int]:
    years = {int(year) for year in _YEAR.findall(folded)}
    years |= {2000 + int(part) for found in _SHORT_YEAR.findall(folded) for part in found if part}
    told = worded(folded)
    return frozenset(
        years | {year for year in range(2000, 2061) if any(phrase in told for phrase in _year_words(year))}
    )


@lru_cache(maxsize=128)
def _year_words(year: int) -> tuple[str, ...]:
    short = num2words(year % 100, lang="en") if year % 100 >= 10 else "oh " + num2words(year % 100, lang="en")
    return (*said(Decimal(year), "en"), *said(Decimal(year), "es"), worded(folded_text(f"twenty {short}")))


def _day_is_told(day: dt.date, folded: str) -> bool:
    days, bare, months = _told(folded)
    return (day.month, day.day) in days or (day.day in bare and day.month in months)


@lru_cache(maxsize=512)
def _told(folded: str) -> tuple[frozenset[tuple[int, int]], frozenset[int], frozenset[int]]:
    """What a text tells of days: (month, day) pairs, days told without their month, and months told."""
    text = _with_digits(folded)
    days = set(_written_days(text)) | set(_digit_days(folded))
    bare = {int(part) for found in _BARE_DAY.findall(text) for part in found if part}
    months = {month for month, _ in days} | set(_named_months(text)) | {m for _, m in _year_months(text)}
    for first, last in [*_quarters(folded), *_halves(folded)]:
        months |= set(range(first, last + 1))
    return frozenset(days), frozenset(bare), frozenset(months)


def _digit_days(folded: str) -> Iterator[tuple[int, int]]:
    for found in _FULL.finditer(folded):
        year, month, day, one, other, _ = found.groups()
        if year:
            yield int(month), int(day)
        else:
            yield from ((int(other), int(one)), (int(one), int(other)))


def _written_days(text: str) -> Iterator[tuple[int, int]]:
    tokens = _TOKEN.findall(text)
    for i, token in enumerate(tokens):
        if token in _MONTHS:
            near = tokens[max(0, i - _NEAR) : i + _NEAR + 1]
            yield from (
                (_MONTHS[token], int(other))
                for other in near
                if other.isascii() and other.isdigit() and len(other) <= 2
            )


def _named_months(text: str) -> Iterator[int]:
    return (_MONTHS[token] for token in _TOKEN.findall(text) if token in _MONTHS)


def _year_months(text: str) -> Iterator[tuple[int, int]]:
    for y1, m1, m2, y2 in _YEAR_MONTH.findall(text):
        yield int(y1 or y2), int(m1 or m2)


@lru_cache(maxsize=512)
def _with_digits(folded: str) -> str:
    """The text with the words for 1 to 31, cardinal and ordinal, in digits."""
    return _day_words()[1].sub(lambda found: _day_words()[0][re.sub(r"[\s-]+", " ", found[0])], folded)


@lru_cache(maxsize=1)
def _day_words() -> tuple[dict[str, str], re.Pattern[str]]:
    known: dict[str, str] = {"primero": "1", "primer": "1"}
    for day in range(31, 0, -1):
        for lang, form in (("en", "cardinal"), ("en", "ordinal"), ("es", "cardinal")):
            words = folded_text(num2words(day, lang=lang, to=form)).replace("-", " ")
            known.setdefault(words, str(day) + ("th" if form == "ordinal" else ""))
    longest_first = sorted(known, key=len, reverse=True)
    pattern = "|".join(words.replace(" ", r"[\s-]+") for words in longest_first)
    return known, re.compile(rf"\b(?:{pattern})\b")


def _period_is_told(day: dt.date, folded: str) -> bool:
    first, last = day.day == 1, (day + dt.timedelta(days=1)).day == 1
    if not (first or last):
        return False
    if day.month in _told(folded)[2] and day.month in {*_named_months(folded), *(m for _, m in _year_months(folded))}:
        return True
    spans = [*_quarters(folded), *_halves(folded), *([(1, 12)] if _years(folded) else [])]
    return any((first and day.month == start) or (last and day.month == end) for start, end in spans)


def _quarters(folded: str) -> list[tuple[int, int]]:
    return [(3 * q - 2, 3 * q) for q in _ordinals(_QUARTER, folded)]


def _halves(folded: str) -> list[tuple[int, int]]:
    return [(6 * h - 5, 6 * h) for h in _ordinals(_HALF, folded) if h <= 2]


_COUNTED = {"one": 1, "uno": 1, "two": 2, "dos": 2, "three": 3, "tres": 3, "four": 4, "cuatro": 4}


def _ordinals(pattern: re.Pattern[str], folded: str) -> Iterator[int]:
    for found in pattern.finditer(folded):
        groups = found.groups()
        direct = [g for g in (*groups[:2], *groups[6:]) if g]
        yield (
            _COUNTED.get(direct[0]) or int(direct[0]) if direct else next(i for i, g in enumerate(groups[2:6], 1) if g)
        )


def _week_is_told(day: dt.date, folded: str) -> bool:
    number = day.isocalendar().week
    if day.weekday() in (0, 4, 6) and any(int(week) == number for week in _WEEK.findall(folded)):
        return True
    starts = (day - dt.timedelta(days=days) for days in (4, 6))
    return _WEEKISH.search(folded) is not None and any(_day_is_told(start, folded) for start in starts)
