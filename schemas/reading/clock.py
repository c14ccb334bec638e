"""Clock: the times of day that can be read in texts, English and Spanish, and with a day the moments they tell.

Owns the forms of times and time zones. Candidates, not choices: "at 9" may be 09:00 or 21:00, and a time may belong to any day that is told. RFC 3339 wants an offset:
it is the one told beside the time, else one told anywhere in the texts or Z: a time that no text gives a zone is taken as UTC. Nothing is converted from one zone to another.
Time is linear in the text, whatever it holds. Run: `moments(("down on 3 October 2026 at 2:30 pm UTC",))`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest
from itertools import islice

from schemas.reading.dates import DateMention, Told, date_mentions
from schemas.reading.folding import flat_with_places, whole

MOST_CLOCKS = 64
"""How many times of the texts, the first ones, may be of a day that does not stand beside them."""
MOST_MOMENTS = 4096
"""How many moments the texts can tell so: where there are more, each time keeps the days that stand nearest to it."""
MOST_OFFSETS = 8
"""How many offsets that are told somewhere, the first ones, a time without one may have."""
MOST_TOLD = 20_000
"""No more moments are told than this: no text that somebody wrote has so many."""

_ENGLISH = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SPANISH = ("una", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce")
_HOURS = {word: number for words in (_ENGLISH, _SPANISH) for number, word in enumerate(words, 1)}
_MINUTES = {
    "five": 5, "ten": 10, "quarter": 15, "a quarter": 15, "twenty": 20, "twenty-five": 25, "twenty five": 25, "half": 30,
    "cinco": 5, "diez": 10, "cuarto": 15, "veinte": 20, "veinticinco": 25, "media": 30,
}  # fmt: skip
_ZONES = {
    "z": ("Z",), "utc": ("Z",), "gmt": ("Z",), "zulu": ("Z",), "wet": ("Z",), "cet": ("+01:00",), "west": ("+01:00",), "bst": ("+01:00",), "cest": ("+02:00",),
    "eet": ("+02:00",), "eest": ("+03:00",), "ist": ("+05:30",), "jst": ("+09:00",), "est": ("-05:00",), "edt": ("-04:00",), "et": ("-05:00", "-04:00"),
    "cst": ("-06:00",), "cdt": ("-05:00",), "mst": ("-07:00",), "mdt": ("-06:00",), "pst": ("-08:00",), "pdt": ("-07:00",), "pt": ("-08:00", "-07:00"),
    "art": ("-03:00",), "brt": ("-03:00",), "clt": ("-04:00",), "clst": ("-03:00",), "cot": ("-05:00",), "pet": ("-05:00",), "vet": ("-04:00",),
}  # fmt: skip
"""What people call zones, by the offsets that they may mean."""


def _any(words: Sequence[str] | dict[str, int] | dict[str, tuple[str, ...]]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_AT = r"(?:\b(?:at|by|before|after|around|about|until|till|since|from|las|la|desde|hasta|sobre|hacia)\s|@\s?|(?<=:\d\d)[–—-]|(?<=:\d\d\s)(?:[–—-]|and|to|y|a)\s)"
_PART = (
    r"\s?(?:(?P<am>a\.?\s?m\b\.?|(?:in\s)?(?:the\s)?morning\b|(?:de|por)\sla\s(?:manana|madrugada)\b)"
    r"|(?P<pm>p\.?\s?m\b\.?|(?:in\sthe\s|this\s)?(?:afternoon|evening)\b|at\snight\b|(?:de|por)\sla\s(?:tarde|noche)\b|del\smediodia\b))"
)
_HALF = r"\s(?:[ap]\.?\s?m\b|in\sthe\s(?:morning|afternoon|evening)\b|at\snight\b|(?:de|por)\sla\s(?:manana|madrugada|tarde|noche)\b)"
"""What makes hours in words a time of day: which half of it they are of."""
_OFFSET = r"(?:0\d|1[0-4]):?[0-5]\d"
_AFTER_SECONDS = r"(?:(?<=:\d\d:\d\d)|(?<=:\d\d[.,]\d{3})|(?<=t\d\d:\d\d))"
"""Where a minus is the sign of an offset: "09:00-12:00" is two times."""
_ZONE = rf"\s?[(\[]?(?:hora\s)?(?:(?P<offset>\+{_OFFSET}|{_AFTER_SECONDS}[−-]{_OFFSET}|[−-](?:0\d|1[0-4])[0-5]\d)(?![\d:])|(?P<zone>{_any(_ZONES)})(?![^\W_])(?P<shift>\s?[+−-]\d{{1,2}}(?::?[0-5]\d)?)?)"
_ALONE = rf"(?:(?:on|el|del|sharp|today|tomorrow|yesterday|hoy|ayer|and|y|to|a)\b|(?:{_any(_ZONES)})(?![^\W_]))"
"""What may follow a bare hour, which anything else makes a count: "at 9 on Monday", "at 9 agents"."""
_CLOCK = re.compile(
    rf"""
    (?:
      (?<![\d:.,])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,](?P<fraction>\d{{1,9}}))?)?(?![\d:])(?:\s?(?:h|hs|hrs|hours|horas)\b)?
      |(?<![\w:.,])(?P<hour_h>[01]?\d|2[0-3])\s?h\s?(?P<minute_h>[0-5]\d)\b(?!\s?m)
      |(?<![\w:.,])(?P<hour_dot>[01]?\d|2[0-3])\.(?P<minute_dot>[0-5]\d)(?=\s?(?:[ap]\.?\s?m\b|h\b|hs\b|hrs\b|horas\b))(?:\s?(?:h|hs|hrs|horas)\b)?
      |(?<![\w:.,])(?P<military>(?:[01]\d|2[0-3])[0-5]\d)(?=\s?(?:h\b|hrs\b|hours\b|z\b|utc\b|gmt\b))(?:\s?(?:h|hrs|hours)\b)?
      |(?<![\w:.,/-])(?P<even>1[0-2]|0?[1-9])(?=\s?(?:o['’]clock\b|en\spunto\b|[ap]\.?\s?m\b)|{_HALF})(?:\s?(?:o['’]clock|en\spunto))?
      |(?P<at_dot>{_AT})(?P<hour_at>[01]?\d|2[0-3])\.(?P<minute_at>[0-5]\d)\b(?![.,]?\d|\s?%)
      |(?P<at_four>{_AT})(?P<four>0\d[0-5]\d)\b(?!\s?(?:%|[a-z]))
      |(?P<las>\blas?\s)?\b(?P<hour_y>1[0-2]|[1-9]|{_any(_SPANISH)})\s(?P<y>y|menos)\s(?P<minute_y>{_any(_MINUTES)})\b(?(las)|(?={_HALF}))
      |(?P<at>{_AT})(?P<plain>[01]?\d|2[0-3])(?:\s?(?:h|hs|hrs|horas)\b)?(?![\w/%:]|[.,-]\d|\s?(?:%|(?!{_ALONE})[a-z]))
      |\b(?P<past>{_any(_MINUTES)})(?:\sminutes)?\s(?P<to>past|to)\s(?P<hour_past>1[0-2]|[1-9]|{_any(_ENGLISH)})\b
      |(?P<at_word>{_AT})?\b(?P<word>{_any(_HOURS)})(?(at_word)(?={_HALF}|\s(?:o['’]clock|en\spunto)\b|[.,;!?)]|$|\n)|(?={_HALF}|\s(?:o['’]clock|en\spunto)\b))(?:\s(?:o['’]clock|en\spunto))?
      |\b(?P<named>noon|midday|midnight|mediodia|medianoche)\b
    )(?:{_PART})?(?:{_ZONE})?
    """,
    re.VERBOSE,
)
_NAMED = {"noon": 12, "midday": 12, "mediodia": 12, "midnight": 0, "medianoche": 0}
_NEAR = 60  # characters between a day and a time that are shown as one


@dataclass(frozen=True, slots=True)
class ClockMention:
    """A time of day, ``HH:MM:SS`` with a fraction where one is written, the offsets that are told beside it, and its characters in text number ``text``."""

    time: str
    offsets: tuple[str, ...]
    text: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A day and a time on it: ``value`` as RFC 3339 writes it, and the characters of the time, with those of the day where the two stand together."""

    value: str
    text: int
    start: int
    end: int


def clock_mentions(texts: Sequence[str]) -> list[ClockMention]:
    """Each reading of each time of day, with its place."""
    return [mention for number, text in enumerate(texts) for mention in _clocks(number, text)]


def times(texts: Sequence[str]) -> list[Moment]:
    """Each time of day as format ``time`` writes it, ``14:30:00Z``."""
    found = clock_mentions(texts)
    told = _offsets_told(found)
    return [Moment(f"{clock.time}{offset}", clock.text, clock.start, clock.end) for clock in found for offset in clock.offsets or told]


def moments(texts: Sequence[str]) -> list[Moment]:
    """Each day with each time, as format ``date-time`` writes it, ``2026-10-03T14:30:00Z``; those of a day beside the time are among them in any case."""
    clocks = clock_mentions(texts)
    days = sorted((day for day in date_mentions(texts) if day.told in (Told.DAY, Told.BARE_DAY)), key=lambda day: (day.text, day.start)) if clocks else []
    places = [(day.text, day.start) for day in days]
    some = {(clock.text, clock.start) for clock in clocks[: 2 * MOST_CLOCKS]}
    kept = max(1, MOST_MOMENTS // max(1, len(some)))
    told = _offsets_told(clocks)
    found: dict[Moment, None] = {}
    for clock in clocks:
        beside = days[bisect_left(places, (clock.text, clock.start - 2 * _NEAR)) : bisect_left(places, (clock.text, clock.end + _NEAR))]
        nearest = beside if (clock.text, clock.start) not in some else days if len(days) <= kept else nsmallest(kept, days, key=partial(_apart, clock))
        if len(found) > MOST_TOLD:
            break
        for day in nearest:
            start, end = _together(day, clock)
            found |= {Moment(f"{day.day.isoformat()}T{clock.time}{offset}", clock.text, start, end): None for offset in clock.offsets or told}
    return list(found)


def _offsets_told(clocks: Sequence[ClockMention]) -> tuple[str, ...]:
    """What a time without an offset may have: those of the others, or Z."""
    told = dict.fromkeys(offset for clock in clocks for offset in clock.offsets if offset != "Z")
    return (*islice(told, MOST_OFFSETS), "Z")


def _apart(clock: ClockMention, day: DateMention) -> tuple[bool, int]:
    """How far the two stand from each other."""
    return day.text != clock.text, max(day.start - clock.end, clock.start - day.end)


def _together(day: DateMention, clock: ClockMention) -> tuple[int, int]:
    """The characters of both where they stand together, else those of the time."""
    elsewhere, gap = _apart(clock, day)
    return (clock.start, clock.end) if elsewhere or gap > _NEAR else (min(day.start, clock.start), max(day.end, clock.end))


def _clocks(number: int, text: str) -> Iterator[ClockMention]:
    words, places = flat_with_places(text)
    for found in _CLOCK.finditer(words):
        start = next((found.end(at) for at in ("at", "at_word", "at_dot", "at_four") if found[at]), found.start())
        named = found.span("zone") if found["zone"] else None
        is_zone = named is None or text[places[named[0]] : places[named[1] - 1] + 1].isupper()  # "10:15 Art Smith"
        end = found.end() if is_zone or named is None else len(words[: named[0]].rstrip(" (["))
        offsets = _told_offsets(found) if is_zone else ()
        for hour in _hours(found):
            yield ClockMention(f"{hour:02}:{_minute(found)}", offsets, number, places[start], whole(text, places[end - 1] + 1))


def _hours(found: re.Match[str]) -> list[int]:
    """The hours it may be: of both halves of the day where nothing says which."""
    if found["named"]:
        return [_NAMED[found["named"]]]
    said = next(found[name] for name in ("hour", "hour_h", "hour_dot", "hour_at", "even", "plain", "word", "hour_past", "hour_y", "military", "four") if found[name])
    hour = _HOURS[said] if said in _HOURS else int(said[:2])
    if found["to"] == "to" or found["y"] == "menos":
        hour = (hour - 1) % 12 or 12
    half = found["am"] or found["pm"]
    if half and hour == 12:
        return [0, 12] if half.endswith("manana") else [0] if found["am"] or half.endswith(("night", "noche")) else [12]
    if half and hour < 6 and half.endswith(("night", "noche")):
        return [hour]  # "a las 2 de la noche"
    if half:
        return [hour % 12 + (12 if found["pm"] else 0)] if 1 <= hour <= 12 else [hour]
    in_digits = said.isdigit() and (said.startswith("0") or len(said) == 4 or bool(found["hour_h"]) or bool(found["fraction"]))
    return [hour, hour + 12] if 1 <= hour <= 11 and not in_digits else [hour]


def _minute(found: re.Match[str]) -> str:
    """Minutes and seconds, ``MM:SS``, with the fraction as it is written."""
    if four := found["military"] or found["four"]:
        return f"{four[2:]}:00"
    if found["past"]:
        minutes = _MINUTES[found["past"]]
        return f"{60 - minutes if found['to'] == 'to' else minutes:02}:00"
    if found["minute_y"]:
        minutes = _MINUTES[found["minute_y"]]
        return f"{60 - minutes if found['y'] == 'menos' else minutes:02}:00"
    minute = found["minute"] or found["minute_h"] or found["minute_dot"] or found["minute_at"] or "00"
    fraction = f".{found['fraction']}" if found["fraction"] else ""
    return f"{minute}:{found['second'] or '00'}{fraction}"


def _told_offsets(found: re.Match[str]) -> tuple[str, ...]:
    """As RFC 3339 writes it; "+00:00" may also be meant as Z."""
    if found["offset"]:
        digits = re.sub(r"\D", "", found["offset"])
        offset = f"{'+' if found['offset'][0] == '+' else '-'}{digits[:2]}:{digits[2:]}"
        return (offset, "Z") if offset == "+00:00" else (offset,)
    if found["shift"]:
        shift = found["shift"].strip()
        hours, _, minutes = shift[1:].partition(":") if ":" in shift or len(shift) < 4 else (shift[1:-2], "", shift[-2:])
        return (f"{'+' if shift[0] == '+' else '-'}{int(hours):02}:{minutes or '00'}",) if int(hours) <= 14 else ()
    return _ZONES.get(found["zone"] or "", ())
