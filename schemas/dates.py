"""Dates: the days that can be read in texts, English and Spanish, each with the words it is read from.

Owns the forms of dates, periods and weeks, and what is left to the reader: the year of "14 October", the month of "the 22nd". Candidates, not choices: where words can be
read in two ways ("4/5/2026") both are given. Time is linear in the text, whatever it holds, but for a logarithm. Run: `dates("from 5 to 11 October 2026, due the 22nd")`.

A text becomes a string of letters, one for each token (D a day, M a month, Y a year, c "to", o "of", ...), and a form is a regular expression over these.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

from schemas.number_words import word_mentions
from schemas.readers import flat_with_places

FAR_DAYS = 200
"""A day without a year is in a year that brings it at most this near to a day that has one; where there is none, in any year that is named."""


MOST_YEARS, MOST_MONTHS = 12, 36
"""How many different years and months of the texts, the first ones, can be those that another mention leaves out."""


class Told(IntEnum):
    """How plainly a mention tells its day, plainest first."""

    DAY = 0
    """A day of a month."""
    END = 1
    """The first or last day of a month, quarter, half-year or week."""
    BARE_DAY = 2
    """A day whose month is told elsewhere."""
    YEAR_END = 3


@dataclass(frozen=True, slots=True)
class DateMention:
    """A day and the characters, ``start`` to ``end`` of text number ``text``, that it is read from (its year or month may be told elsewhere)."""

    day: dt.date
    told: Told
    text: int
    start: int
    end: int


def dates(*texts: str) -> frozenset[dt.date]:
    """Every day that can be read; what one text leaves out, another may tell."""
    return frozenset(mention.day for mention in date_mentions(texts))


def date_mentions(texts: Sequence[str]) -> list[DateMention]:
    """Each reading of each day of the texts, with its place."""
    forms = [form for number, text in enumerate(texts) for form in _forms(number, text)]
    return list(dict.fromkeys(_Calendar(forms).mentions()))


# --- tokens ----------------------------------------------------------------------------------------------------------

_MONTHS = (
    "january february march april may june july august september october november december",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday", "lunes martes miercoles jueves viernes sabado domingo",
)  # fmt: skip
_ORDINALS = {
    word: number
    for words in (
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth",
        "primero segundo tercero cuarto quinto sexto septimo octavo noveno decimo", "primer segunda tercer cuarta", "primera segunda tercera cuarta",
    )
    for number, word in enumerate(words.split(), 1)
} | {"thirtieth": 30}  # fmt: skip
_PERIODS = {"quarter": 3, "trimestre": 3, "trim": 3, "half": 6, "semestre": 6, "mitad": 6}
_WEEKISH = frozenset(("week", "weeks", "wk", "semana", "semanas", "sem", "w/c"))
_OF = frozenset(("of", "de", "month", "mes", "year", "ano", "in", "en", "this", "este"))
_THE = frozenset(("the", "el", "los", "on", "del", "day", "days", "dia", "dias", "by", "since", "from", "desde", "before", "after", "antes", "pasado", "past", "around", "sobre"))
_TO = frozenset(("to", "through", "thru", "until", "till", "til", "up", "and", "y", "e", "or", "o", "u", "al", "a", "hasta"))
_ALSO_WORDS = frozenset(("may", "mar", "march", "set", "sep", "ene", "abr", "jun", "marc", "augu", "dec", "deci"))
"""Prefixes and names of months that are words, too: a month by themselves only after "in", or before a year."""
_NO_DAY = re.compile(r"\s?(?:%|€|[$£]|percent|per cent|por ciento|pct|ms\b|k\b|mil\b|miles\b|s\b|secs?\b|segs?\b|seconds|segundos|mins?\b|minut)")
_ID_BEFORE = re.compile(r"([^\W\d_]+)[-_]\Z")

_TOKEN = re.compile(
    r"""
    (?P<iso>(?<!\d)\d{4}(?P<m1>[-/.])\d{1,2}(?P=m1)\d{1,2}(?!\d))
    |(?P<dmy>(?<!\d)\d{1,2}(?P<m2>[-/.])\d{1,2}(?P=m2)(?:\d{4}|\d{2})(?!\d))
    |(?P<named>(?<!\d)\d{1,2}(?P<m3>[-/.])[^\W\d_]{3,10}\.?(?P=m3)(?:\d{4}|\d{2})(?!\d))
    |(?P<american>(?<!\w)[^\W\d_]{3,10}\.?(?P<m4>[-/.])\d{1,2}(?P=m4)(?:\d{4}|\d{2})(?!\d))
    |(?P<ym>(?<!\d)(?:19|20)\d\d[-/](?:0?[1-9]|1[0-2])(?!\d))
    |(?P<my>(?<!\d)(?:0?[1-9]|1[0-2])[-/.](?:19|20)\d\d(?!\d))
    |(?P<dm>(?<!\d)\d{1,2}/\d{1,2}(?![\d/]))
    |(?P<quarter>(?<![^\W\d_])[qt]\s?[1-4](?!\d)|(?<!\w)[1-4]\s?[qt](?!\w)|(?<![^\W\d_])[hs]\s?[12](?!\d)|(?<!\w)[12]\s?[hs](?!\w))(?:(?:[-/]|\s?['’])(?P<short_of_quarter>\d\d)(?!\d))?
    |(?P<item>\(\d{1,2}\)|\#\s?\d+|(?m:^)[\s>*•-]*\d{1,2}\))
    |(?P<short>(?:['’]|\bfy\s?)(?:(?:19|20)\d\d|\d\d)(?!\d))
    |(?P<year>(?<![\w.,])(?:19|20)\d\d(?!\d|[.,]\d))
    |(?P<nth>\d{1,2}(?:\.?[ºª°]|(?:st|nd|rd|th|ro|er|do|to|vo|mo)\b))
    |(?P<figure>[$€£]\s?\d[\d.,]*|\d{1,2}:\d\d|\d+(?:[.,]\d{3})+(?!\d)|\d+[.,]\d{1,2}(?!\d)|\d+[^\W\d_]\w*|(?<=[^\W\d_])\d+)
    |(?P<number>\d+)
    |(?P<word>w/c|[^\W\d_]+)
    |(?P<to>[-–—→/&]|\.{2,}|…)
    |(?P<of>[,.()])
    |(?P<other>[^\s\w]|_)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    """``letter`` says what it can be; ``days``, ``month``, ``years`` what it tells; ``dated``: (year or None, month, day) it stands for by itself.

    Letters: D a day in figures or words, S one that can be nothing else ("3rd"), B day or year, M month, Y year, W day of the week, I date in digits, N one without a year, K month with its
    year, Q quarter or half, u "quarter", k "week", t "the", o "of", c "to", x anything else.
    """

    letter: str
    start: int
    end: int
    days: tuple[int, ...] = ()
    month: int = 0
    years: tuple[int, ...] = ()
    dated: tuple[tuple[int | None, int, int], ...] = ()
    months: int = 0
    word: str = ""


def _tokens(words: str) -> Iterator[_Token]:
    """The tokens of a flat text; a run of number words is one."""
    runs = _number_runs(words)
    at = 0
    while found := _TOKEN.search(words, at):
        start, at = found.span()
        if found.lastgroup == "word" and start in runs and found[0] not in _PERIODS and found[0] not in _ORDINALS:
            at, values = runs[start]
            days = tuple(v for v in values if 1 <= v <= 31)
            ordinal = _TOKEN.match(words, at + 1) if any(v in (20, 30) for v in days) and words[at : at + 1] in (" ", "-") else None
            if ordinal and ordinal[0] in _ORDINALS and _ORDINALS[ordinal[0]] < 10:
                at, days = ordinal.end(), tuple(v + _ORDINALS[ordinal[0]] for v in days if v in (20, 30))
            years = tuple(v for v in values if 1990 <= v <= 2099)
            yield _Token("B" if days and years else "Y" if years else "D" if days else "x", start, at, days, years=years)
        else:
            yield from _token(found, words)


def _number_runs(words: str) -> dict[int, tuple[int, list[int]]]:
    """Where runs of number words begin -> where they end and the whole numbers up to 2099 they can stand for."""
    runs: dict[int, tuple[int, list[int]]] = {}
    for value, start, end in word_mentions(words):
        if value == value.to_integral_value() and 0 < value <= 2099:
            runs.setdefault(start, (end, []))[1].append(int(value))
    return {start: (end, sorted(set(values))) for start, (end, values) in runs.items()}


def _token(found: re.Match[str], words: str) -> Iterator[_Token]:
    kind, said, (start, end) = str(found.lastgroup), found[0], found.span()
    parts = [int(p) for p in re.findall(r"\d+", said)] if kind != "figure" and len(said) < 40 else [0]
    if kind in ("iso", "dmy", "named", "american", "dm"):
        yield _Token("N" if kind == "dm" else "I", start, end, dated=tuple(_numeric(kind, parts, said)))
    elif kind in ("ym", "my"):
        year, month = parts if kind == "ym" else reversed(parts)
        yield _Token("K", start, end, month=month, years=(year,))
    elif kind in ("quarter", "short_of_quarter"):
        number = int(re.sub(r"\D", "", found["quarter"]))
        yield _Token("Q", start, end, month=number, months=3 if set(found["quarter"]) & set("qt") else 6, years=(2000 + parts[-1],) if kind == "short_of_quarter" else ())
    elif kind in ("short", "year"):
        yield _Token("Y", start, end, years=(parts[0] if parts[0] > 99 else 2000 + parts[0],))
    elif kind in ("nth", "number"):
        is_day = 1 <= parts[0] <= 31 and len(said) <= 5 and (kind == "nth" or not (_NO_DAY.match(words, end) or _ends_id(words, start)))
        yield _Token(("S" if kind == "nth" else "D") if is_day else "x", start, end, days=(parts[0],) if is_day else ())
    elif kind == "word":
        yield _word(said, start, end)
    else:
        yield _Token({"to": "c", "of": "o"}.get(kind, "x"), start, end)


def _ends_id(words: str, start: int) -> bool:
    """Whether a number is the last part of an id such as refund-desk-2; that of "May-5" is not."""
    before = _ID_BEFORE.search(words, max(0, start - 12), start)
    return before is not None and not _months(before[1])


def _numeric(kind: str, parts: list[int], said: str) -> Iterator[tuple[int | None, int, int]]:
    """(year, month, day) of a date in digits; days and months change places where they can."""
    if kind == "iso":
        if parts[0] and 1 <= parts[1] <= 12:
            yield parts[0], parts[1], parts[2]
        return
    year = None if kind == "dm" else parts[-1] if parts[-1] > 99 else 2000 + parts[-1]
    if kind in ("named", "american"):
        name = re.search(r"[^\W\d_]+", said)
        yield from ((year, month, parts[0]) for month in (_months(name[0]) if name else ()))
        return
    for day, month in {(parts[0], parts[1]), (parts[1], parts[0])}:
        if 1 <= month <= 12:
            yield year, month, day


def _word(word: str, start: int, end: int) -> _Token:
    if months := _months(word):
        return _Token("M", start, end, month=months[0], word=word)
    if word in _ORDINALS:
        return _Token("D", start, end, days=(_ORDINALS[word],), word=word)
    if word in _PERIODS:
        return _Token("u", start, end, months=_PERIODS[word])
    if word in _WEEKISH:
        return _Token("k", start, end)
    if (weekday := _weekday(word)) is not None:
        return _Token("W", start, end, days=(weekday,))
    return _Token("t" if word in _THE else "o" if word in _OF else "c" if word in _TO else "x", start, end, word=word)


@lru_cache(maxsize=4096)
def _months(word: str) -> tuple[int, ...]:
    if word in ("sept", "setiembre", "set"):
        return (9,)
    if len(word) < 3:
        return ()
    return tuple(dict.fromkeys(number for names in _MONTHS for number, name in enumerate(names.split(), 1) if name.startswith(word)))


@lru_cache(maxsize=4096)
def _weekday(word: str) -> int | None:
    if len(word) < 3:
        return None
    return next((number for names in _WEEKDAYS for number, name in enumerate(names.split()) if name.startswith(word)), None)


# --- forms -----------------------------------------------------------------------------------------------------------

_DAYS = "[DBS](?:[otcW]{1,4}[DBS]){0,9}"
_BEFORE = "(?:[tW][otW]{0,2})?"
_FORM = re.compile(
    rf"""
    (?P<ymd>Y[otc]{{0,2}}M[otc]{{0,2}}[DS])
    |(?P<dm>{_BEFORE}{_DAYS}[otc]{{0,3}}M(?:[otc]{{0,3}}[YB]|[ot]{{0,2}}[DS](?![otc]{{0,3}}M))?)
    |(?P<di>{_BEFORE}{_DAYS}[ot]{{0,2}}c[otc]{{0,2}}[IN])
    |(?P<q>(?:Y[otc]{{0,2}})?[ot]{{0,2}}(?:Q|[DS]u)(?:[otc]{{0,3}}Y)?)
    |(?P<md>(?:W[ot]{{0,2}}|[ot])?M[otc]{{0,2}}{_DAYS}(?:[otc]{{0,2}}Y)?)
    |(?P<my>[ot]?M[otc]{{0,3}}[YB]|Yc?M)
    |(?P<i>(?:W[ot]{{0,2}})?[IN])
    |(?P<k>K)
    |(?P<bare>(?:[tW][ot]{{0,2}}[DBS]|S)(?:[otW]{{0,2}}c[otW]{{0,2}}[DBS]){{0,9}})
    |(?P<m>o?M)
    |(?P<y>Y)
    """,
    re.VERBOSE,
)
_WEEK_LETTERS = 6
"""How many tokens before a day the word "week" may stand."""
_NUMBERED_WEEK = re.compile(r"\b(?:weeks?|wk|w|semanas?|sem|s|kw|cw)\.?\s?(\d{1,2})(?!\d)")


@dataclass(frozen=True, slots=True)
class _Form:
    """A mention as it is written. ``days`` of ``month``; none of them: all of the ``months`` that begin with it; no month: days whose month is told elsewhere.

    ``weekday``: 0 for Monday. ``week``: which of the year's, or 0 for the day as one of a week.
    """

    text: int
    start: int
    end: int
    days: tuple[int, ...] = ()
    month: int = 0
    months: int = 0
    years: tuple[int, ...] = ()
    weekday: int | None = None
    week: int | None = None


def _forms(number: int, text: str) -> Iterator[_Form]:
    words, places = flat_with_places(text)
    tokens = list(_tokens(words))
    letters = "".join(token.letter for token in tokens)
    for found in _FORM.finditer(letters):
        for form in _of_kind(str(found.lastgroup), tokens[found.start() : found.end()], number, "k" in letters[max(0, found.start() - _WEEK_LETTERS) : found.start()]):
            yield _Form(number, places[form.start], places[form.end - 1] + 1, form.days, form.month, form.months, form.years, form.weekday, form.week)
    for found in _NUMBERED_WEEK.finditer(words):
        if 1 <= int(found[1]) <= 53:
            yield _Form(number, places[found.start()], places[found.end() - 1] + 1, week=int(found[1]))


def _of_kind(kind: str, tokens: Sequence[_Token], text: int, in_week: bool) -> Iterator[_Form]:
    """The forms of the tokens that an expression has found."""
    weekday = next((token.days[0] for token in tokens[:3] if token.letter == "W"), None)
    week, end = 0 if in_week else None, tokens[-1].end
    months = [token for token in tokens if token.letter == "M"]
    days = [token for token in tokens if token.letter in "DBS"]
    years = tuple(year for token in tokens if token.letter in "YB" for year in token.years)
    if kind in ("ymd", "dm", "md"):
        if kind == "dm" and tokens[-1].letter == "B":
            days = days[:-1]  # the year
        for day in days:
            start = day.start if kind == "dm" else min(day.start, months[0].start)
            yield _Form(text, start, end, day.days, months[0].month, years=years, weekday=weekday, week=week)
        if kind == "dm" and any(token.letter == "o" and not token.word and days[-1].end <= token.start < months[0].start for token in tokens):
            yield _Form(text, months[0].start, end, month=months[0].month, months=1, years=years)  # "room 12, May 2026"
    elif kind == "di":
        dated = tokens[-1].dated
        for year, month, last in dated:
            known = () if year is None else (year,)
            yield from (_Form(text, day.start, end, day.days, month, years=known, weekday=weekday, week=week) for day in days)
            yield _Form(text, tokens[-1].start, end, (last,), month, years=known, week=week)
    elif kind == "i":
        for year, month, day_number in tokens[-1].dated:
            yield _Form(text, tokens[-1].start, end, (day_number,), month, years=() if year is None else (year,), weekday=weekday, week=week)
    elif kind == "q":
        of = next(token for token in tokens if token.letter in "Qu")
        number = of.month if of.letter == "Q" else days[0].days[0]
        if number * of.months <= 12:
            yield _Form(text, next(token.start for token in tokens if token.letter not in "ot"), end, month=(number - 1) * of.months + 1, months=of.months, years=(*years, *of.years))
    elif kind in ("my", "k", "m"):
        named = tokens[-1] if kind != "my" else months[0]
        if kind != "m" or len(tokens) == 2 or named.word not in _ALSO_WORDS:
            yield _Form(text, next(token.start for token in tokens if token.letter not in "ot"), end, month=named.month, months=1, years=years or named.years)
    elif kind == "bare":
        yield from (_Form(text, day.start, day.end, day.days, weekday=weekday, week=week) for day in days)
    else:
        yield _Form(text, tokens[0].start, end, years=years)


# --- the calendar ----------------------------------------------------------------------------------------------------


@dataclass
class _Calendar:
    """What all forms tell together: the years that are named, and the days that have one."""

    forms: Sequence[_Form]
    years: list[int] = field(default_factory=list)
    anchors: list[dt.date] = field(default_factory=list)
    told_months: dict[tuple[int, int], None] = field(default_factory=dict)

    def mentions(self) -> Iterator[DateMention]:
        self.years = sorted(list(dict.fromkeys(year for form in self.forms for year in form.years))[:MOST_YEARS])
        self.anchors = sorted({day for form in self.forms if form.years and form.month for year in form.years for day, _ in self._days(form, year)})
        for form in self.forms:
            if form.month:
                yield from self._dated(form)
        for form in self.forms:
            if not form.month:
                yield from self._undated(form)

    def _dated(self, form: _Form) -> Iterator[DateMention]:
        """Days of a month, or the ends of months; where no day is one of that month, the ends of the month."""
        for year in form.years or self._years_near(form):
            found = list(self._days(form, year)) or [(day, Told.END) for day in _ends(year, form.month, 1)]
            if len(self.told_months) < MOST_MONTHS:
                self.told_months |= {(year, month): None for month in range(form.month, form.month + max(1, form.months))}
            for day, told in found:
                yield DateMention(day, told, form.text, form.start, form.end)
                if form.week is not None and told is Told.DAY:
                    yield from (DateMention(last, Told.END, form.text, form.start, form.end) for last in _week_ends(day))

    def _undated(self, form: _Form) -> Iterator[DateMention]:
        """A day of any month that is told, a numbered week, or a year."""
        found: list[tuple[dt.date, Told]]
        if form.days:
            days = [(day, Told.BARE_DAY) for number in form.days for year, month in self.told_months for day in _valid(year, month, number)]
            found = [(day, told) for day, told in days if form.weekday in (None, day.weekday())] or days
            found += [(last, Told.END) for day, _ in found if form.week is not None for last in _week_ends(day)]
        elif form.week:
            found = [(day, Told.END) for year in self.years for day in _numbered_week(year, form.week)]
        else:
            found = [(day, Told.YEAR_END) for year in form.years for day in _ends(year, 1, 12)]
        yield from (DateMention(day, told, form.text, form.start, form.end) for day, told in found)

    def _days(self, form: _Form, year: int) -> Iterator[tuple[dt.date, Told]]:
        if form.months:
            yield from ((day, Told.END) for day in _ends(year, form.month, form.months))
        else:
            yield from ((day, Told.DAY) for number in form.days for day in _valid(year, form.month, number))

    def _years_near(self, form: _Form) -> list[int]:
        """The years that a form without one can be of: those that agree with its day of the week, where any does."""
        day = form.days[0] if form.days else 15
        near = [year for year in sorted({near for year in self.years for near in (year - 1, year, year + 1)}) if self._is_near(year, form.month, day)]
        found = near or self.years
        return [year for year in found if form.weekday in {d.weekday() for d in _valid(year, form.month, day)}] or found

    def _is_near(self, year: int, month: int, day: int) -> bool:
        for date in _valid(year, month, day):
            at = bisect_left(self.anchors, date)
            return any(abs((anchor - date).days) <= FAR_DAYS for anchor in self.anchors[max(0, at - 1) : at + 1])
        return False


def _valid(year: int, month: int, day: int) -> Iterator[dt.date]:
    if 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]:
        yield dt.date(year, month, day)


def _ends(year: int, month: int, months: int) -> Iterator[dt.date]:
    """The first and the last day of some months of a year."""
    last = month + months - 1
    if 1 <= year <= 9999 and last <= 12:
        yield dt.date(year, month, 1)
        yield dt.date(year, last, calendar.monthrange(year, last)[1])


def _week_ends(day: dt.date) -> Iterator[dt.date]:
    """The last day of a working week and of a week that begin on a day."""
    yield from (day + dt.timedelta(days=days) for days in (4, 6) if dt.date.max - day >= dt.timedelta(days=days))


def _numbered_week(year: int, week: int) -> Iterator[dt.date]:
    if week <= dt.date(year, 12, 28).isocalendar().week:
        monday = dt.date.fromisocalendar(year, week, 1)
        yield monday
        yield from _week_ends(monday)
