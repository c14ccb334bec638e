"""A speaker: one writer's habits (language, register, book of wordings) put to single values.

Owns value -> annotated words: the date with or without its year, the count that is corrected in mid-sentence. Knows nothing of which
facts a note states; that is ``training.notes.verbalize``.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from training.notes import forms, values
from training.notes.text import Text, literal, stated
from training.phrasebook import Phrasebook

_CORRECTED = 0.025  # share of numbers, dates and amounts that are first told wrong


@dataclass(frozen=True)
class Speaker:
    """One writer. ``spoken``: a transcript (words for digits, no marks); ``terse``: bullets, tables and pastes."""

    rng: random.Random
    book: Phrasebook
    start: dt.date
    end: dt.date
    spoken: bool = False
    terse: bool = False

    @property
    def lang(self) -> str:
        return self.book.lang

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def say(self, *kind: str, have: dict[str, Text] | None = None, need: tuple[str, ...] = ()) -> Text:
        """A wording of a kind filled with values; empty when no wording fits."""
        slots = have or {}
        chosen = self.book.pick(self.rng, *kind, have=slots, need=need)
        return chosen.fill(slots) if chosen else []

    def number(self, value: int, path: str) -> Text:
        return self._corrected(lambda v: forms.number(self.rng, v, self.lang, self.spoken), value, lambda v: values.count(self.rng, max(10, 2 * v)), path)

    def percent(self, value: int, path: str) -> Text:
        return self._corrected(lambda v: forms.percent(self.rng, v, self.lang, self.spoken), value, lambda v: self.rng.randrange(1, 100), path)

    def money(self, value: Decimal, currency: str, path: str) -> Text:
        render = lambda v: forms.money(self.rng, v, currency, self.lang, self.spoken)  # noqa: E731
        return self._corrected(render, value, lambda _: values.amount(self.rng), path)

    def person(self, name: str, path: str) -> Text:
        """Who acts or decides; a role in lower case often has its article, which is not part of the value."""
        if name in self.book.roles and name[:1].islower() and self.chance(0.6):
            return [*literal("the " if self.lang == "en" else _article(name)), *stated(name, path)]
        if self.lang == "en" and name in self.book.roles and self.chance(0.2):
            return [*literal("the "), *stated(name, path)]
        return stated(name, path)

    def duration(self, milliseconds: int, path: str) -> Text:
        return stated(forms.duration(self.rng, milliseconds, self.lang, self.spoken), path)

    def period(self) -> Text:
        return stated(forms.period(self.rng, self.start, self.end, self.lang, self.spoken), "period")

    def moment(self, at: dt.datetime, path: str) -> Text:
        """A day of the period and a time on it."""
        return stated(forms.moment(self.rng, self._dated(at.date())(at.date()), at, self.lang, self.spoken), path)

    def date(self, day: dt.date, path: str) -> Text:
        """A day; the year is left out only where the period gives it, the month only within a one-month period."""
        render = self._dated(day)
        wrong = lambda d: d + dt.timedelta(days=self.rng.choice((-1, 1, 1, 2, 7)))  # noqa: E731
        return self._corrected(render, day, wrong, path)

    def _dated(self, day: dt.date) -> Callable[[dt.date], str]:
        """Writes days as this one may be written."""
        next_year = day.year == self.end.year + 1 and self.end.month >= 10 and day.month <= 3
        year_known = (day.year == self.end.year == self.start.year) or (next_year and self.chance(0.3))
        month_known = (self.start.year, self.start.month) == (self.end.year, self.end.month) == (day.year, day.month)
        return lambda d: forms.date(self.rng, d, self.lang, year_known=year_known, month_known=month_known, spoken=self.spoken, terse=self.terse)

    def _corrected(self, render: Callable, value, wrong: Callable, path: str) -> Text:  # type: ignore[no-untyped-def, type-arg]
        right = stated(render(value), path)
        if self.terse or not self.chance(_CORRECTED):
            return right
        mistaken = wrong(value)
        if mistaken == value:
            return right
        return self.say("correction", have={"wrong": literal(render(mistaken)), "right": right}, need=("wrong", "right")) or right


def _article(role: str) -> str:
    """The Spanish article of a role, by the ending of its first word."""
    first = role.split()[0]
    if first.endswith("s"):
        return "las " if first.endswith(("as", "iones")) else "los "
    return "la " if first.endswith(("a", "ión", "dad")) else "el "
