"""The tokens of a text as dates see it: what each word or figure can be, and the number, month or years it tells.

Owns the words and signs; how tokens make a date is `schemas/reading/dates.py`. Run: `[token.letter for token in tokens("from 5 to 11 october 2026")]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.reading.number_words import word_mentions

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
_NO_DAY = re.compile(r"\s?(?:%|€|[$£]|percent|per cent|por ciento|pct|ms\b|k\b|mil\b|miles\b|s\b|secs?\b|segs?\b|seconds|segundos|mins?\b|minut)")
_FIGURES = re.compile(r"\d+")
_ID_BEFORE = re.compile(r"([^\W\d_]+)[-_]\Z")

_TOKEN = re.compile(
    r"""
    (?P<listed>(?m:^)[\s>*•-]{0,40}\d{1,2}\))
    |[^\S\n]?(?:
    (?P<plain>[^\W\d_]{3,}+(?=[\s,;!?)]))
    |(?P<iso>(?<!\d)\d{4}(?P<m1>[-/.])\d{1,2}(?P=m1)\d{1,2}(?!\d))
    |(?P<dmy>(?<!\d)\d{1,2}(?P<m2>[-/.])\d{1,2}(?P=m2)(?:\d{4}|\d{2})(?!\d))
    |(?P<named>(?<!\d)\d{1,2}(?P<m3>[-/.])[^\W\d_]{3,10}\.?(?P=m3)(?:\d{4}|\d{2})(?!\d))
    |(?P<american>(?<!\w)[^\W\d_]{3,10}\.?(?P<m4>[-/.])\d{1,2}(?P=m4)(?:\d{4}|\d{2})(?!\d))
    |(?P<ym>(?<!\d)(?:19|20)\d\d[-/](?:0?[1-9]|1[0-2])(?!\d))
    |(?P<my>(?<!\d)(?:0?[1-9]|1[0-2])[-/.](?:19|20)\d\d(?!\d))
    |(?P<dm>(?<!\d)\d{1,2}/\d{1,2}(?![\d/]))
    |(?P<quarter>(?<![^\W\d_])[qt]\s?[1-4](?!\d)|(?<!\w)[1-4]\s?[qt](?!\w)|(?<![^\W\d_])[hs]\s?[12](?!\d)|(?<!\w)[12]\s?[hs](?!\w))(?:(?:[-/]|\s?['’])(?P<short_of_quarter>\d\d)(?!\d))?
    |(?P<item>\(\d{1,2}\)|\#\s?\d+)
    |(?P<short>(?:['’]|\bfy\s?)(?:(?:19|20)\d\d|\d\d)(?!\d))
    |(?P<year>(?<![\w.,])(?:19|20)\d\d(?!\d|[.,]\d))
    |(?P<nth>\d{1,2}(?:\.?[ºª°]|(?:st|nd|rd|th|ro|er|do|to|vo|mo)\b))
    |(?P<figure>[$€£]\s?\d[\d.,]*|\d{1,2}:\d\d|\d+(?:[.,]\d{3})+(?!\d)|\d+[.,]\d{1,2}(?!\d)|\d+[^\W\d_]\w*|(?<=[^\W\d_])\d+)
    |(?P<number>\d+)
    |(?P<word>w/c|[^\W\d_]+)
    |(?P<to>[-–—→/&]|\.{2,}|…)
    |(?P<of>[,.()])
    |(?P<other>[^\s\w]|_))
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
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


_ANY_WORD = Token("x", 0, 0)
"""What most words are. No form holds one, so nobody asks where it stands."""


def tokens(words: str) -> Iterator[Token]:
    """The tokens of a flat text; a run of number words is one."""
    runs = _number_runs(words)
    at = 0
    while found := _TOKEN.search(words, at):
        said, at = found[0].lstrip(), found.end()
        start = at - len(said)
        is_word = found.lastgroup in ("plain", "word")
        if is_word and start in runs and said not in _PERIODS and said not in _ORDINALS:
            at, values = runs[start]
            days = tuple(v for v in values if 1 <= v <= 31)
            ordinal = _TOKEN.match(words, at + 1) if any(v in (20, 30) for v in days) and words[at : at + 1] in (" ", "-") else None
            if ordinal and ordinal[0] in _ORDINALS and _ORDINALS[ordinal[0]] < 10:
                at, days = ordinal.end(), tuple(v + _ORDINALS[ordinal[0]] for v in days if v in (20, 30))
            years = tuple(v for v in values if 1990 <= v <= 2099)
            yield Token("B" if days and years else "Y" if years else "D" if days else "x", start, at, days, years=years)
        elif is_word:
            meaning = _MEANINGS.get(said)
            yield _ANY_WORD if meaning is None else Token(meaning[0], start, at, meaning[1], meaning[2], months=meaning[3], word=said)
        else:
            yield _token(found, said, start, words)


def _number_runs(words: str) -> dict[int, tuple[int, list[int]]]:
    """Where runs of number words begin -> where they end and the whole numbers up to 2099 they can stand for."""
    runs: dict[int, tuple[int, list[int]]] = {}
    for value, start, end in word_mentions(words):
        if value == value.to_integral_value() and 0 < value <= 2099:
            runs.setdefault(start, (end, []))[1].append(int(value))
    return {start: (end, sorted(set(values))) for start, (end, values) in runs.items()}


def _token(found: re.Match[str], said: str, start: int, words: str) -> Token:
    """The token of figures and marks."""
    kind, end = str(found.lastgroup), found.end()
    parts = [int(p) for p in _FIGURES.findall(said)] if kind != "figure" and len(said) < 40 else [0]
    if kind in ("iso", "dmy", "named", "american", "dm"):
        return Token("N" if kind == "dm" else "I", start, end, dated=tuple(_numeric(kind, parts, said)))
    if kind in ("ym", "my"):
        year, month = parts if kind == "ym" else reversed(parts)
        return Token("K", start, end, month=month, years=(year,))
    if kind in ("quarter", "short_of_quarter"):
        number = int(re.sub(r"\D", "", found["quarter"]))
        return Token("Q", start, end, month=number, months=3 if set(found["quarter"]) & set("qt") else 6, years=(2000 + parts[-1],) if kind == "short_of_quarter" else ())
    if kind in ("short", "year"):
        return Token("Y", start, end, years=(parts[0] if parts[0] > 99 else 2000 + parts[0],))
    if kind in ("nth", "number"):
        is_day = 1 <= parts[0] <= 31 and len(said) <= 5 and (kind == "nth" or not (_NO_DAY.match(words, end) or _ends_id(words, start)))
        return Token(("S" if kind == "nth" else "D") if is_day else "x", start, end, days=(parts[0],) if is_day else ())
    return Token({"to": "c", "of": "o"}.get(kind, "x"), start, end)


def _ends_id(words: str, start: int) -> bool:
    """Whether a number is the last part of an id such as refund-desk-2; that of "May-5" is not."""
    before = _ID_BEFORE.search(words, max(0, start - 12), start)
    return before is not None and not months_named(before[1])


def _numeric(kind: str, parts: list[int], said: str) -> Iterator[tuple[int | None, int, int]]:
    """(year, month, day) of a date in digits; days and months change places where they can."""
    if kind == "iso":
        if parts[0] and 1 <= parts[1] <= 12:
            yield parts[0], parts[1], parts[2]
        return
    year = None if kind == "dm" else parts[-1] if parts[-1] > 99 else 2000 + parts[-1]
    if kind in ("named", "american"):
        name = re.search(r"[^\W\d_]+", said)
        yield from ((year, month, parts[0]) for month in (months_named(name[0]) if name else ()))
        return
    for day, month in {(parts[0], parts[1]), (parts[1], parts[0])}:
        if 1 <= month <= 12:
            yield year, month, day


def months_named(word: str) -> tuple[int, ...]:
    """The months whose name begins with a word of at least three letters, 1 for January."""
    return _MONTHS_NAMED.get(word, ())


def _prefixes(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Each beginning of at least three letters of the names of several lists -> the places, from 0, of the names that begin so."""
    found: dict[str, tuple[int, ...]] = {}
    for listed in names:
        for number, name in enumerate(listed.split()):
            for end in range(3, len(name) + 1):
                found[name[:end]] = tuple(dict.fromkeys((*found.get(name[:end], ()), number)))
    return found


_MONTHS_NAMED = {word: tuple(number + 1 for number in numbers) for word, numbers in _prefixes(_MONTHS).items()} | dict.fromkeys(("sept", "setiembre", "set"), (9,))
_WEEKDAYS_NAMED = {word: numbers[0] for word, numbers in _prefixes(_WEEKDAYS).items()}
_MEANINGS: dict[str, tuple[str, tuple[int, ...], int, int]] = {
    **{word: ("c", (), 0, 0) for word in _TO}, **{word: ("o", (), 0, 0) for word in _OF}, **{word: ("t", (), 0, 0) for word in _THE},
    **{word: ("W", (number,), 0, 0) for word, number in _WEEKDAYS_NAMED.items()}, **{word: ("k", (), 0, 0) for word in _WEEKISH},
    **{word: ("u", (), 0, months) for word, months in _PERIODS.items()}, **{word: ("D", (day,), 0, 0) for word, day in _ORDINALS.items()},
    **{word: ("M", (), months[0], 0) for word, months in _MONTHS_NAMED.items()},
}  # fmt: skip
"""(letter, days, month, months) of each word that has a meaning, of several the last one here; a weekday's number stands among the days."""
