"""Dates: the days that can be read in texts, English and Spanish, each with the words it is read from.

Owns the forms of dates, periods and weeks, and what is left to the reader: the year of "14 October", the month of "the 22nd". Candidates, not choices: where words can be
read in two ways ("4/5/2026") both are given. Time is linear in the text, whatever it holds, but for a logarithm. Run: `dates("from 5 to 11 October 2026, due the 22nd")`.

A text becomes a string of letters, one for each token (`schemas/reading/date_tokens.py`: D a day, M a month, Y a year, c "to", o "of", ...), and a form is a regular expression over these.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from schemas.reading.date_tokens import Token, tokens
from schemas.reading.folding import flat_with_places

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


# --- forms -----------------------------------------------------------------------------------------------------------

_DAYS = "[DBS](?:[otcW]{1,4}[DBS]){0,9}"
_BEFORE = "(?:[tW][otW]{0,2})?"
_ALSO_WORDS = frozenset(("may", "mar", "march", "set", "sep", "ene", "abr", "jun", "marc", "augu", "dec", "deci"))
"""Prefixes and names of months that are words, too: a month by themselves only after "in", or before a year."""
_FORM = re.compile(
    rf"""
    (?P<ymd>Y[otc]{{0,2}}M[otc]{{0,2}}[DS])
    |(?P<dm>{_BEFORE}{_DAYS}[otc]{{0,3}}M(?:[otc]{{0,3}}[YB]|[ot]{{0,2}}[DS](?![otc]{{0,3}}M))?)
    |(?P<di>{_BEFORE}{_DAYS}[ot]{{0,2}}c[otc]{{0,2}}[IN])
    |(?P<q>(?:Y[otc]{{0,2}})?[ot]{{0,2}}(?:Q|[DS]u)(?:[otc]{{0,3}}Y)?)
    |(?P<md>(?:W[ot]{{0,2}}|[ot])?M[otc]{{0,2}}{_DAYS}(?:[otc]{{0,2}}Y|[ot]{{0,2}}B)?)
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
    found_tokens = list(tokens(words))
    letters = "".join(token.letter for token in found_tokens)
    for found in _FORM.finditer(letters):
        for form in _of_kind(str(found.lastgroup), found_tokens[found.start() : found.end()], number, "k" in letters[max(0, found.start() - _WEEK_LETTERS) : found.start()]):
            yield replace(form, start=places[form.start], end=places[form.end - 1] + 1)
    for found in _NUMBERED_WEEK.finditer(words):
        if 1 <= int(found[1]) <= 53:
            yield _Form(number, places[found.start()], places[found.end() - 1] + 1, week=int(found[1]))


def _of_kind(kind: str, tokens: Sequence[Token], text: int, in_week: bool) -> Iterator[_Form]:
    """The forms of the tokens that an expression has found."""
    weekday = next((token.days[0] for token in tokens[:3] if token.letter == "W"), None)
    week, end = 0 if in_week else None, tokens[-1].end
    months = [token for token in tokens if token.letter == "M"]
    days = [token for token in tokens if token.letter in "DBS"]
    years = tuple(year for token in tokens if token.letter in "YB" for year in token.years)
    if kind in ("ymd", "dm", "md"):
        if tokens[-1].letter == "B" and (kind == "dm" or len(days) > 1):
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
