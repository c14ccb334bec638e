"""Durations: how long something takes, as texts say it, English and Spanish.

Owns the units, how pieces make one duration ("1 h 20 min"), what it comes to in other units and how ISO 8601 writes it. Numbers themselves are read by their own
readers; this one is given what stands before a unit. Run: `durations("down for 1 h 20 min")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from schemas.reading.folding import flat_with_places, whole
from schemas.reading.number_words import word_mentions

_UNITS = {
    "ms": ("ms", "msec", "msecs", "millisecond", "milliseconds", "milisegundo", "milisegundos"), "s": ("s", "sec", "secs", "seg", "segs", "second", "seconds", "segundo", "segundos"),
    "min": ("min", "mins", "minute", "minutes", "minuto", "minutos"), "h": ("h", "hr", "hrs", "hs", "hour", "hours", "hora", "horas"), "d": ("day", "days", "dia", "dias"),
    "w": ("week", "weeks", "wk", "wks", "semana", "semanas"), "mo": ("month", "months", "mes", "meses"), "y": ("year", "years", "yr", "yrs", "ano", "anos"),
}  # fmt: skip
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_MILLISECONDS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
"""Units that are so many milliseconds; a week, a month and a year are only ever themselves."""
_LEAST_SHARE = Decimal("0.5")
"""What a duration comes to at least in a unit larger than its own: nobody tells three seconds to have them written as 0.05 minutes."""
_ORDER = tuple(_UNITS)
_LETTERS = {"y": "Y", "mo": "M", "w": "W", "d": "D", "h": "H", "min": "M", "s": "S"}
_UNIT = re.compile(rf"[\s-]?({'|'.join(sorted(_UNIT_OF, key=len, reverse=True))})(?![^\W_])")
_MOST = 10**9
"""Amounts from here on are no duration that anybody tells."""
_GROUPED = re.compile(r"(\d{1,3}(?:[.,'’\u00a0\u202f ]\d{3}){1,3})([.,]\d{1,6})?")
_FIGURE = re.compile(rf"(?<![\w.,:'’])(?:{_GROUPED.pattern}|\d{{1,9}}(?:[.,]\d{{1,6}})?)(?!\d)")
_SHORT = re.compile(r"(?<![\w.,])(\d{1,3})\s?h\s?(\d{1,2})\s?m(?:in)?(?![^\W_])")
_ONE = re.compile(r"(?<!half )(?<! of )\ban?(?=\s(?:second|minute|hour|day|week|month|year)\b)")
_SHARES = {
    "half": "0.5", "half a": "0.5", "half an": "0.5", "media": "0.5", "medio": "0.5", "quarter": "0.25", "quarter of a": "0.25", "quarter of an": "0.25", "cuarto de": "0.25",
    "three quarters of a": "0.75", "three quarters of an": "0.75", "tres cuartos de": "0.75",
}  # fmt: skip
_SHARE = re.compile(rf"\b({'|'.join(sorted(_SHARES, key=len, reverse=True))})[\s-](hour|minute|second|day|year|hora|minuto|segundo|dia|ano)\b")
_AND_HALF = r"\s(?:and a half|y medi[ao])\b"
_ONE_AND_HALF = re.compile(rf"\b(?:an?\s|una?\s)?(hour|minute|day|week|month|year|hora|minuto|dia|semana|mes|ano){_AND_HALF}")
_FEW = {
    word: number
    for words in (("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), ("una", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez"))
    for number, word in enumerate(words, 1)
}  # fmt: skip
_SOME_AND_HALF = re.compile(rf"\b(\d{{1,4}}|{'|'.join(_FEW)}){_AND_HALF}[\s-]({'|'.join(sorted(_UNIT_OF, key=len, reverse=True))})(?![^\W_])")
_MORE = re.compile(_AND_HALF)
_SHARE_AT_END = re.compile(r"(?:half|halfway|medi[ao]|mitad|quarters?|cuart[oa]s?|thirds?|terci[oa]s?)\Z")
_WRITTEN = re.compile(r"\bP(?:\d+[YMWD])*(?:T(?:\d+[HMS])+)?(?![^\W_])")
_BETWEEN = re.compile(r"\s?(?:,|and|y|with|con)?\s*")


@dataclass(frozen=True, slots=True)
class Duration:
    """Amounts by unit, largest unit first, and the characters that say it."""

    parts: tuple[tuple[Decimal, str], ...]
    start: int
    end: int

    @property
    def milliseconds(self) -> Decimal | None:
        """None where a part is no fixed time, as a month."""
        known = [amount * _MILLISECONDS[unit] for amount, unit in self.parts if unit in _MILLISECONDS]
        return sum(known, Decimal(0)) if len(known) == len(self.parts) else None

    def amounts(self) -> Iterator[Decimal]:
        """What it comes to in each unit of time: in smaller ones, and in larger ones where that is a plain number."""
        total = self.milliseconds
        if total is None:
            return
        smallest = min(_ORDER.index(unit) for _, unit in self.parts)
        for unit, size in _MILLISECONDS.items():
            amount = total / size
            is_plain = amount == round(amount, 3) if unit == "s" else amount >= _LEAST_SHARE and amount == round(amount, 2)
            if _ORDER.index(unit) <= smallest or is_plain:
                yield amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()

    def iso(self) -> Iterator[str]:
        """As ISO 8601 writes it: as it is said, and in hours, minutes and seconds; the empty text for what has no whole number of these."""
        if "ms" not in (unit for _, unit in self.parts) and (all(unit != "w" for _, unit in self.parts) or len(self.parts) == 1):
            yield _iso(self.parts)
        total = self.milliseconds
        if total is not None and total == total.to_integral_value() and total % 1000 == 0 and total < 10**15:
            seconds = int(total) // 1000
            parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
            yield _iso([(Decimal(amount), unit) for amount, unit in parts if amount] or [(Decimal(0), "s")])


def _iso(parts: Sequence[tuple[Decimal, str]]) -> str:
    """Whole amounts with their letters, zeros between them as ISO 8601 wants it; of what is not whole, the empty text."""
    if any(amount != amount.to_integral_value() for amount, _ in parts):
        return ""
    told = {unit: int(amount) for amount, unit in parts}
    days, times = (_letters(told, units) for units in (("w",) if "w" in told else ("y", "mo", "d"), ("h", "min", "s")))
    return f"P{days}{'T' if times else ''}{times}"


def _letters(told: dict[str, int], units: Sequence[str]) -> str:
    """From the first of the units that is told to the last one."""
    places = [place for place, unit in enumerate(units) if unit in told]
    return "".join(f"{told.get(unit, 0)}{_LETTERS[unit]}" for unit in units[places[0] : places[-1] + 1]) if places else ""


def durations(text: str) -> list[Duration]:
    """Each duration of the text: of what a run of number words can mean each reading, and pieces that follow each other also together."""
    return list(dict.fromkeys(_durations(text)))


def iso_durations(text: str) -> Iterator[tuple[str, int, int]]:
    """Each duration as format ``duration`` writes it, with its characters; what is written so already is one too."""
    yield from ((found[0], found.start(), found.end()) for found in _WRITTEN.finditer(text) if found[0] != "P")
    yield from ((written, duration.start, duration.end) for duration in durations(text) for written in dict.fromkeys(duration.iso()) if written)


@lru_cache(maxsize=8)
def _durations(text: str) -> tuple[Duration, ...]:
    words, places = flat_with_places(text)
    pieces = sorted(_pieces(words), key=lambda piece: piece.start)
    return tuple(Duration(d.parts, places[d.start], whole(text, places[d.end - 1] + 1)) for d in (*pieces, *_together(words, pieces)))


def _pieces(words: str) -> Iterator[Duration]:
    """A number and a unit; a share of one; one and a half."""
    alone = ((Decimal(1), found.start(), found.end()) for found in _ONE.finditer(words))
    said = [(amount, found.start(), found.end()) for found in _FIGURE.finditer(words) for amount in _amounts(found[0])]
    in_words = [(amount, start, end) for amount, start, end in word_mentions(words) if not _SHARE_AT_END.search(words, start, end)]
    for amount, start, end in (*said, *alone, *in_words):
        unit = _UNIT.match(words, end)
        if unit and 0 <= amount < _MOST:
            name = _UNIT_OF[unit[1]]
            yield Duration(((amount, name),), start, unit.end())
            half = _MORE.match(words, unit.end())
            if half:  # two hours and a half
                yield Duration(((amount + Decimal("0.5"), name),), start, half.end())
    for found in _SHORT.finditer(words):
        yield Duration(((Decimal(found[1]), "h"), (Decimal(found[2]), "min")), found.start(), found.end())
    for found in _SHARE.finditer(words):
        yield Duration(((Decimal(_SHARES[found[1]]), _UNIT_OF[found[2]]),), found.start(), found.end())
    for found in _SOME_AND_HALF.finditer(words):
        amount = Decimal(_FEW.get(found[1]) or found[1])
        yield Duration(((amount + Decimal("0.5"), _UNIT_OF[found[2]]),), found.start(), found.end())
    for found in _ONE_AND_HALF.finditer(words):
        yield Duration(((Decimal("1.5"), _UNIT_OF[found[1]]),), found.start(), found.end())


def _amounts(figure: str) -> Iterator[Decimal]:
    """What digits can mean: "1,234" is 1234 and 1.234, "1.234,5" is 1234.5."""
    if grouped := _GROUPED.fullmatch(figure):
        yield Decimal(re.sub(r"\D", "", grouped[1]) + (grouped[2] or "").replace(",", "."))
    if re.fullmatch(r"\d+(?:[.,]\d+)?", figure):
        yield Decimal(figure.replace(",", "."))


def _together(words: str, pieces: Sequence[Duration]) -> Iterator[Duration]:
    """Pieces that stand one after another, each of a smaller unit than the one before; of several readings of a number the largest."""
    at: dict[int, Duration] = {}
    for piece in pieces:
        if piece.start not in at or piece.parts > at[piece.start].parts:
            at[piece.start] = piece
    so_far: Duration | None = None
    for piece in at.values():
        follows = so_far is not None and _BETWEEN.fullmatch(words, so_far.end, piece.start) and _ORDER.index(piece.parts[0][1]) < _ORDER.index(so_far.parts[-1][1])
        if so_far is not None and follows:
            so_far = Duration((*so_far.parts, *piece.parts), so_far.start, piece.end)
            yield so_far
        else:
            so_far = piece
