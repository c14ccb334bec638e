"""A reader of numbers: can this value be read in that text?

Owns the measure's own idea of what a text says, in English and Spanish. It is generous (a value counts as read when some reading of the text gives it) and shares
no code with the forms that write the training notes, so that it cannot repeat their mistakes. Run: `number_can_be_read(4200, "p95 was 4.2 s")`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

from num2words import num2words

_CHAIN = re.compile(r"\d+(?:[.,'’ \u00a0\u202f]\d+)*")
_SCALE = re.compile(
    r"\s?(k|mil|thousand|miles|m|mm|million|millions|millon|millones)\b"
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
        or any(phrase in worded(folded) for phrase in _phrases(wanted))
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


def _factor(scale: str) -> int:
    return _FACTORS.get(scale, 10**6)


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
def worded(folded: str) -> str:
    """The text as number words are compared: no hyphens, no commas, no "and"/"y", each word between single spaces."""
    plain = re.sub(r"[^\w\s]", " ", folded)
    return f" {' '.join(word for word in plain.split() if word not in ('and', 'y', 'a'))} "


def _phrases(wanted: Decimal) -> Iterator[str]:
    """Every way of saying a number in words, each between spaces, as `worded` would have it."""
    for lang in ("en", "es"):
        yield from said(wanted, lang)
        for phrase in said(wanted / 1000, lang):
            yield from (f"{phrase}{unit}" for unit in ("second", "segundo", "thousand ", "mil ", "k "))
        for phrase in said(wanted / 10**6, lang):
            yield f"{phrase}mill"
    for unit, told, other in ((unit, wanted * other / _UNITS[unit][0], other) for unit in _SAID_UNITS for other, _ in _UNITS.values()):
        if other != _UNITS[unit][0] and told < 1000 and told * 2 == (told * 2).to_integral_value():
            yield from (phrase for lang in ("en", "es") for phrase in _said_times(told, unit, lang))


def _said_times(told: Decimal, unit: str, lang: str) -> Iterator[str]:
    """So many of a unit in words, a half at the end told as people do: "two and a half hours", "an hour and a half", "media hora"."""
    name, half = (_SAID_UNITS[unit][0], "half") if lang == "en" else (_SAID_UNITS[unit][1], "medi")
    yield from (f"{phrase}{name}" for phrase in said(told, lang))
    whole = told.to_integral_value(ROUND_FLOOR)
    if whole != told:
        articles = ("", "an ", "one ") if lang == "en" else ("", "un ", "una ")
        counts = said(whole, lang) if whole > 1 else tuple(f" {article}" for article in articles)
        ends = [name, f"{name}s"] if whole else []
        yield from (f"{count}{end} {half}" for count in counts for end in ends)  # "a" and "and" are left out by `worded`
        yield from ((f"{count}{half} {name}" for count in counts) if whole > 1 else (f" {half}{between}{name}" for between in ((" ", " an ") if lang == "en" else ("o ", "a "))) if not whole else ())


@lru_cache(maxsize=4096)
def said(wanted: Decimal, lang: str) -> tuple[str, ...]:
    """A number in words, each way between spaces, as `worded` would have it; none where it has too many digits."""
    if abs(wanted) >= 10**12 or -wanted.normalize().as_tuple().exponent > 3:  # type: ignore[operator]
        return ()
    whole = wanted == wanted.to_integral_value()
    spelled = num2words(int(wanted) if whole else wanted.normalize(), lang=lang)
    phrase = worded(folded_text(spelled))
    variants = {phrase, phrase.replace(" one hundred ", " hundred "), phrase.replace(" one thousand ", " thousand ")}
    if lang == "es":
        variants |= {v.replace("uno ", "un ") for v in variants} | {
            re.sub(r"uno $", "una ", v).replace("cientos", "cientas") for v in variants
        }
        variants |= {v.replace(" punto ", " coma ") for v in variants}
    return tuple(variants)
