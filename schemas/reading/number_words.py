"""Numbers said in words, English and Spanish.

Owns the words and how they add up: ``two hundred and five thousand``, ``dos mil millones``, ``four point two``, ``twenty twenty-six``. Recall comes first: a
run of words gives its whole and its parts. Knows no digits and no dates. Run: `word_mentions("twenty-two runs")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "cero": 0, "un": 1, "uno": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "once": 11,
    "doce": 12, "trece": 13, "catorce": 14, "quince": 15, "dieciseis": 16, "diecisiete": 17, "dieciocho": 18, "diecinueve": 19, "veinte": 20, "veintiun": 21,
    "veintiuno": 21, "veintiuna": 21, "veintidos": 22, "veintitres": 23, "veinticuatro": 24, "veinticinco": 25, "veintiseis": 26, "veintisiete": 27,
    "veintiocho": 28, "veintinueve": 29, "treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80, "noventa": 90,
    "cien": 100, "ciento": 100, "doscientos": 200, "trescientos": 300, "cuatrocientos": 400, "quinientos": 500, "seiscientos": 600, "setecientos": 700,
    "ochocientos": 800, "novecientos": 900, "primero": 1, "primer": 1, "oh": 0, "half": 50, "halfway": 50, "medio": 50, "media": 50, "mitad": 50,
    "dozen": 12, "docena": 12, "single": 1, "twice": 2, "couple": 2, "par": 2, "quarter": 25, "cuarto": 25, "cuarta": 25,
}  # fmt: skip
_SMALL |= {w[:-2] + "as": n for w, n in _SMALL.items() if w.endswith("cientos") or w == "quinientos"}
_SCALES = {
    "hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 10**9, "mil": 1_000, "millon": 1_000_000, "millones": 1_000_000,
}  # fmt: skip
_PHRASES = {"three quarters": 75, "tres cuartos": 75, "tres cuartas": 75, "once": 1, "a third": 33, "un tercio": 33, "two thirds": 67, "dos tercios": 67}
_ANY_PHRASE = re.compile(rf"\b(?:{'|'.join(map(re.escape, _PHRASES))})\b")
_JOINERS = frozenset(("and", "y"))
_POINTS = frozenset(("point", "coma", "punto", "comma"))
_MINUS = frozenset(("minus", "menos", "negative", "negativo", "negativa"))
WORD = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"\s+|\s*-\s*")
"""What may stand between two words of one number; any other mark ends it."""
_MAX_RUN = 16
"""The longest run of words that is read as one number."""


def is_number_word(word: str) -> bool:
    """Whether a word without accents and capitals is part of a number that is spelled out."""
    return word in _SMALL or word in _SCALES


@lru_cache(maxsize=8)
def word_mentions(text: str) -> tuple[tuple[Decimal, int, int], ...]:
    """Every number that a lower-case text without accents says in words, with the characters of the run of words it is read from; those of the last eight texts are kept, as numbers and dates ask for them one after the other."""
    return tuple(_mentions(text))


def _mentions(text: str) -> Iterator[tuple[Decimal, int, int]]:
    run: list[str] = []
    before, start, end = "", 0, 0
    for match in WORD.finditer(text):
        word = match[0]
        apart = bool(run) and _BETWEEN.fullmatch(text, end, match.start()) is None
        if run and (apart or len(run) == _MAX_RUN or not _goes_on(word)):
            yield from ((value, start, end) for value in _signed(_sums(run), before))
            run = []
        if word in _SMALL or word in _SCALES or (run and _goes_on(word)):
            start = start if run else match.start()
            run.append(word)
        else:
            before = word
        end = match.end()
    yield from ((value, start, end) for value in _signed(_sums(run), before))
    yield from ((Decimal(_PHRASES[found[0]]), found.start(), found.end()) for found in _ANY_PHRASE.finditer(text))


def _goes_on(word: str) -> bool:
    return word in _SMALL or word in _SCALES or word in _JOINERS or word in _POINTS


def _signed(values: Iterator[Decimal], before: str) -> Iterator[Decimal]:
    for value in values:
        yield value
        if before in _MINUS:
            yield -value


def _sums(run: list[str]) -> Iterator[Decimal]:
    """What a run of number words can mean: its numbers, its parts around a joiner (``twelve and thirty``; ``one hundred and five`` is 105, 100 and 5), and each word by itself."""
    yield from (Decimal(_SMALL[word]) for word in run if word in _SMALL)
    for piece in (*_pieces(run, _JOINERS | _POINTS), *_pieces(run, _POINTS)):
        numerals = [_total(numeral) for numeral in _numerals(piece)]
        yield from map(Decimal, numerals)
        for one, two in pairwise(numerals):
            if one in (19, 20) and 10 <= two <= 99:
                yield Decimal(one * 100 + two)  # twenty twenty-six
    yield from _with_point(run)


def _with_point(run: list[str]) -> Iterator[Decimal]:
    for at, word in enumerate(run):
        if word in _POINTS:
            whole, digits = _pieces(run[:at], _POINTS), _after_point(run[at + 1 :])
            if digits and whole:
                yield Decimal(f"{_total(_numerals(whole[-1])[-1])}.{digits}")


def _pieces(run: list[str], marks: frozenset[str]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for word in run:
        if word in marks:
            pieces.append([])
        else:
            pieces[-1].append(word)
    return [piece for piece in pieces if piece]


def _after_point(run: list[str]) -> str:
    """The digits said after a point: ``two five`` and ``veinticinco`` are both 25."""
    digits, before = "", 0
    for word in run:
        value = _SMALL.get(word, 100)
        if value > 99:
            break
        if before >= 20 and before % 10 == 0 and 0 < value < 10:
            digits = digits[:-1]  # twenty-five, not 205
        digits, before = digits + str(value), value
    return digits


def _numerals(run: list[str]) -> list[list[str]]:
    """A run cut where a word cannot go on the number before it: ``five | twenty two``, ``nineteen | ninety``."""
    found: list[list[str]] = []
    room = 0
    for word in run:
        value = _SMALL.get(word)
        if value is not None:
            if value == 0 or value >= room:
                found.append([])
            room = 100 if value >= 100 else 10 if value >= 20 and value % 10 == 0 else 0
        elif word in _SCALES:
            room = 100 if word == "hundred" else 1000
        if not found:
            found.append([])
        found[-1].append(word)
    return found


def _total(run: list[str]) -> int:
    whole, current = 0, 0
    for word in run:
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred":
            current = max(1, current) * 100
        elif word in _SCALES:
            scale = _SCALES[word]
            below = whole % scale + current  # dos mil millones
            whole, current = whole - whole % scale + max(1, below) * scale, 0
    return whole + current
