"""A reader of numbers and dates: can this value be read in that text?

Owns the measure's own idea of what a text says, in English and Spanish. It is generous (a value counts as read when some reading of the text gives it) and shares
no code with the forms that write the training notes, so that it cannot repeat their mistakes. Run: `number_can_be_read(4200, "p95 was 4.2 s")`.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

from num2words import num2words

# --- numbers ---------------------------------------------------------------------------------------------------------

_CHAIN = re.compile(r"\d+(?:[.,'’ \u00a0\u202f]\d+)*")
_SCALE = re.compile(
    r"\s?(k|mil|thousand|miles|m|mm|million|millions|millon|millones|s|secs?|segs?|seconds?|segundos?|min|mins|minutes?|minutos?)\b"
)
_UNITS = {
    "ms": (1, "ms|msecs?|millis|milliseconds?|milisegundos?"), "s": (1000, "s|secs?|segs?|seconds?|segundos?"), "min": (60_000, "min|mins|minutes?|minutos?"),
    "h": (3_600_000, "h|hs|hrs?|hours?|horas?"), "d": (86_400_000, "d|days?|dias?"), "w": (604_800_000, "w|wks?|weeks?|semanas?"),
}  # fmt: skip
_UNIT = re.compile("|".join(rf"(?P<{unit}>\s?(?:{names})\b)" for unit, (_, names) in _UNITS.items()))
"""A unit of time by its key; it stands in milliseconds."""
_SAID_UNITS = {"s": ("second", "segundo"), "min": ("minute", "minuto"), "h": ("hour", "hora"), "d": ("day", "dia"), "w": ("week", "semana")}
_HOURS_AND_MINUTES = re.compile(r"(\d+)\s?(?:h|hs|hrs?|hours?|horas?)\s?(?:,|and|y)?\s?(\d{1,2})\s?(?:m|mins?|minutes?|minutos?)?\b")
_FACTORS = {"k": 1000, "mil": 1000, "miles": 1000, "thousand": 1000, "m": 10**6, "mm": 10**6}
_ZERO = re.compile(
    r"\b(?:no|none|not|nothing|nobody|neither|without|zero|nil|free|never|\w+n['’]t|sin|nada|nadie|cero|ni|ningun[oa]?s?|nunca|jamas)\b"
)
_BELOW_ZERO = re.compile(r"[-−–]\s?\d|\b(?:minus|menos|negativ[eoa]s?|below|bajo|debajo|overdrawn|deficit)\b")
_NAMED = {
    "half": 50, "halfway": 50, "mitad": 50, "medio": 50, "media": 50, "quarter": 25, "cuarto": 25, "cuarta": 25, "three quarters": 75,
    "tres cuartos": 75, "tres cuartas": 75, "dozen": 12, "docena": 12, "single": 1, "once": 1, "twice": 2, "un": 1, "una": 1, "couple": 2, "par": 2,
}  # fmt: skip
_MARKS = {"en": "point", "es": "punto|coma"}


def number_can_be_read(value: int | float, text: str) -> bool:
    """Whether some reading of a text gives the number: digits in any grouping, with k or M, or words; with a unit of time also as so many of any other unit."""
    wanted = Decimal(repr(value))
    folded = folded_text(text)
    if wanted < 0:
        return _BELOW_ZERO.search(folded) is not None and number_can_be_read(-value, text)
    return (
        wanted in _digit_readings(folded)
        or _named(wanted, folded)
        or any(phrase in _worded(folded) for phrase in _phrases(wanted))
    )


@lru_cache(maxsize=4096)
def folded_text(text: str) -> str:
    """Case-folded, without accents, whitespace folded."""
    flat = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(flat.split())


@lru_cache(maxsize=512)
def _digit_readings(folded: str) -> frozenset[Decimal]:
    return frozenset(_readings(folded))


def _readings(folded: str) -> Iterator[Decimal]:
    for hours, minutes in _HOURS_AND_MINUTES.findall(folded):
        yield from ((Decimal(hours) * 60 + Decimal(minutes)) * _UNITS["min"][0] / other for other, _ in _UNITS.values())
    for chain in _CHAIN.finditer(folded):
        scale = _SCALE.match(folded, chain.end())
        factor = 1 if scale is None else _factor(scale[1])
        unit = _UNIT.match(folded, chain.end())
        parts = re.split(r"(\D)", chain[0])
        for first in range(0, len(parts), 2):
            for last in range(first, min(len(parts), first + 10), 2):
                for reading in _interpreted(parts[first : last + 1]):
                    yield reading
                    yield reading * factor
                    if unit is not None and unit.lastgroup is not None:
                        yield from (reading * _UNITS[unit.lastgroup][0] / other for other, _ in _UNITS.values())


def _factor(unit: str) -> int:
    if unit in _FACTORS:
        return _FACTORS[unit]
    if unit.startswith("mi") and "ll" in unit:
        return 10**6
    return 60_000 if unit.startswith("min") else 1000


def _interpreted(parts: list[str]) -> Iterator[Decimal]:
    """The numbers that digit groups (even places) with marks between them (odd places) can stand for."""
    groups, marks = parts[0::2], parts[1::2]
    grouped = all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3 and len(set(marks)) <= 1
    if grouped:
        yield Decimal("".join(groups))
    if marks and marks[-1] in ".,'’":
        thousands = groups[1:-1]
        if all(len(group) == 3 for group in thousands) and marks[-1] not in marks[:-1] and len(set(marks[:-1])) <= 1:
            yield Decimal("".join(groups[:-1]) + "." + groups[-1])
    if not marks and not grouped:
        yield Decimal(groups[0])


def _named(wanted: Decimal, folded: str) -> bool:
    if wanted == 0:
        return _ZERO.search(folded) is not None
    return any(value == wanted and re.search(rf"\b{name}\b", folded) for name, value in _NAMED.items())


@lru_cache(maxsize=512)
def _worded(folded: str) -> str:
    """The text as number words are compared: no hyphens, no commas, no "and"/"y", each word between single spaces."""
    plain = re.sub(r"[^\w\s]", " ", folded)
    return f" {' '.join(word for word in plain.split() if word not in ('and', 'y', 'a'))} "


def _phrases(wanted: Decimal) -> Iterator[str]:
    """Every way of saying a number in words, each between spaces, as `_worded` would have it."""
    for lang in ("en", "es"):
        yield from _said(wanted, lang)
        for phrase in _said(wanted / 1000, lang):
            yield from (f"{phrase}{unit}" for unit in ("second", "segundo", "thousand ", "mil ", "k "))
        for phrase in _said(wanted / 10**6, lang):
            yield f"{phrase}mill"
    for unit, told, other in ((unit, wanted * other / _UNITS[unit][0], other) for unit in _SAID_UNITS for other, _ in _UNITS.values()):
        if other != _UNITS[unit][0] and told < 1000 and told * 2 == (told * 2).to_integral_value():
            yield from (phrase for lang in ("en", "es") for phrase in _said_times(told, unit, lang))


def _said_times(told: Decimal, unit: str, lang: str) -> Iterator[str]:
    """So many of a unit in words, a half at the end told as people do: "two and a half hours", "an hour and a half", "media hora"."""
    name, half = (_SAID_UNITS[unit][0], "half") if lang == "en" else (_SAID_UNITS[unit][1], "medi")
    yield from (f"{phrase}{name}" for phrase in _said(told, lang))
    whole = told.to_integral_value(ROUND_FLOOR)
    if whole != told:
        articles = ("", "an ", "one ") if lang == "en" else ("", "un ", "una ")
        counts = _said(whole, lang) if whole > 1 else tuple(f" {article}" for article in articles)
        ends = [name, f"{name}s"] if whole else []
        yield from (f"{count}{end} {half}" for count in counts for end in ends)  # "a" and "and" are left out by `_worded`
        yield from ((f"{count}{half} {name}" for count in counts) if whole > 1 else (f" {half}{between}{name}" for between in ((" ", " an ") if lang == "en" else ("o ", "a "))) if not whole else ())


@lru_cache(maxsize=4096)
def _said(wanted: Decimal, lang: str) -> tuple[str, ...]:
    if abs(wanted) >= 10**12 or -wanted.normalize().as_tuple().exponent > 3:  # type: ignore[operator]
        return ()
    whole = wanted == wanted.to_integral_value()
    said = num2words(int(wanted) if whole else wanted.normalize(), lang=lang)
    phrase = _worded(folded_text(said))
    variants = {phrase, phrase.replace(" one hundred ", " hundred "), phrase.replace(" one thousand ", " thousand ")}
    if lang == "es":
        variants |= {v.replace("uno ", "un ") for v in variants} | {
            re.sub(r"uno $", "una ", v).replace("cientos", "cientas") for v in variants
        }
        variants |= {v.replace(" punto ", " coma ") for v in variants}
    return tuple(variants)


# --- dates -----------------------------------------------------------------------------------------------------------

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
    said = "|".join(word for words in _HOURS.values() for word, number in words.items() if number in hours) or "(?!)"  # no word
    figure = rf"(?<![\d:.,])(?:{digits})(?![\d:.,]\d|\d)"
    whole = rf"{_AT}{figure}|{figure}{_CLOCK}|{figure}\s(?:y\b|menos\b)|\b(?:{said})\b"
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
    said = _worded(folded)
    return frozenset(
        years | {year for year in range(2000, 2061) if any(phrase in said for phrase in _year_words(year))}
    )


@lru_cache(maxsize=128)
def _year_words(year: int) -> tuple[str, ...]:
    short = num2words(year % 100, lang="en") if year % 100 >= 10 else "oh " + num2words(year % 100, lang="en")
    return (*_said(Decimal(year), "en"), *_said(Decimal(year), "es"), _worded(folded_text(f"twenty {short}")))


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
    said: dict[str, str] = {"primero": "1", "primer": "1"}
    for day in range(31, 0, -1):
        for lang, form in (("en", "cardinal"), ("en", "ordinal"), ("es", "cardinal")):
            words = folded_text(num2words(day, lang=lang, to=form)).replace("-", " ")
            said.setdefault(words, str(day) + ("th" if form == "ordinal" else ""))
    longest_first = sorted(said, key=len, reverse=True)
    pattern = "|".join(words.replace(" ", r"[\s-]+") for words in longest_first)
    return said, re.compile(rf"\b(?:{pattern})\b")


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
