"""Surface forms: the many ways people write a date, a period, a number, money, a duration, a share.

Owns value -> words for English and Spanish; the value is never changed. Knows nothing of notes or schemas. Locale formats come
from Babel, number words from num2words.
"""

from __future__ import annotations

import calendar
import datetime as dt
import random
from decimal import Decimal
from functools import cache, lru_cache
from typing import Literal

from babel.dates import get_day_names, get_month_names
from num2words import num2words

CURRENCIES = ("USD", "EUR", "GBP", "PEN", "MXN", "BRL")
_SYMBOL = {"USD": "$", "EUR": "€", "GBP": "£", "PEN": "S/", "MXN": "MX$", "BRL": "R$"}
_NAME = {
    "en": {"USD": ("dollars", "US dollars"), "EUR": ("euros", "euro"), "GBP": ("pounds", "pounds sterling"),
           "PEN": ("soles", "Peruvian soles"), "MXN": ("Mexican pesos", "pesos mexicanos"), "BRL": ("reais", "Brazilian reais")},
    "es": {"USD": ("dólares", "dólares americanos"), "EUR": ("euros", "euros"), "GBP": ("libras", "libras esterlinas"),
           "PEN": ("soles", "soles peruanos"), "MXN": ("pesos mexicanos", "pesos mexicanos"), "BRL": ("reales brasileños", "reais")},
}  # fmt: skip
_SPOKEN_LIMIT = 10_000
Width = Literal["wide", "abbreviated"]


@cache
def months(lang: str, width: Width = "wide") -> tuple[str, ...]:
    """Month names 1..12 (index 0 is empty)."""
    names = get_month_names(width, locale=lang)
    return ("", *(names[i].rstrip(".") for i in range(1, 13)))


@cache
def weekdays(lang: str, width: Width = "wide") -> tuple[str, ...]:
    names = get_day_names(width, locale=lang)
    return tuple(names[i].rstrip(".") for i in range(7))


@lru_cache(maxsize=100_000)
def words(number: int | Decimal, lang: str, ordinal: bool = False) -> str:
    """Number words without hyphens and commas, as a transcript has them."""
    said: str = num2words(number, lang=lang, to="ordinal" if ordinal else "cardinal")
    return said.replace("-", " ").replace(",", "")


def grouped(number: int | Decimal, lang: str, separator: str | None = None) -> str:
    """``12400`` -> ``12,400`` / ``12.400``; decimals with the language's mark."""
    text = f"{number:,}"
    thousands, mark = (",", ".") if lang == "en" else (".", ",")
    if separator is not None:
        thousands = separator
    return text.replace(",", "\0").replace(".", mark).replace("\0", thousands)


def ungrouped(number: int | Decimal, lang: str) -> str:
    return str(number) if lang == "en" else str(number).replace(".", ",")


def number(rng: random.Random, value: int, lang: str, spoken: bool = False) -> str:
    """A count: ``12,400``, ``12400``, ``12 400``, ``12.4k``, ``twelve thousand four hundred``."""
    roll = rng.random()
    if value < _SPOKEN_LIMIT and roll < (0.75 if spoken else 0.12 if value <= 20 else 0.03):
        return words(value, lang)
    if value >= 1000 and value % 100 == 0 and roll > 0.93:
        return ungrouped(Decimal(value) / 1000, lang) + rng.choice(("k", "K", " mil" if lang == "es" else "k"))
    if value >= 1000 and not spoken:
        if roll < 0.6:
            return grouped(value, lang)
        return grouped(value, lang, " ") if roll < 0.66 else str(value)
    return str(value)


def percent(rng: random.Random, value: int, lang: str, spoken: bool = False) -> str:
    word = rng.choice(("percent", "per cent", "percent", "pct")) if lang == "en" else "por ciento"
    if spoken and rng.random() < 0.8:
        return f"{words(value, lang)} {word.replace('pct', 'percent')}"
    return rng.choice((f"{value}%", f"{value}%", f"{value}%", f"{value} %", f"{value} {word}", f"{words(value, lang)} {word}"))


def amount(rng: random.Random, value: Decimal, lang: str) -> str:
    """An amount of money in digits; whole amounts sometimes with two zero decimals."""
    if value == value.to_integral_value():
        value = Decimal(int(value))
        if rng.random() < 0.2:
            value = value.quantize(Decimal("0.01"))
    else:
        value = value.quantize(Decimal("0.01"))
    return grouped(value, lang) if rng.random() < 0.8 else ungrouped(value, lang)


def money(rng: random.Random, value: Decimal, currency: str, lang: str, spoken: bool = False) -> str:
    """``$2,317.60``, ``EUR 400``, ``400 euros``, ``three hundred soles``, ``4.2k €``."""
    whole = value == value.to_integral_value()
    name = rng.choice(_NAME[lang][currency])
    if whole and value < _SPOKEN_LIMIT and rng.random() < (0.8 if spoken else 0.03):
        return f"{words(int(value), lang)} {name}"
    digits = amount(rng, value, lang)
    if whole and value >= 1000 and value % 100 == 0 and rng.random() < 0.1:
        digits = ungrouped(value / 1000, lang).rstrip("0").rstrip(".,") if value % 1000 else str(int(value / 1000))
        digits += rng.choice(("k", "K"))
    symbol = rng.choice((_SYMBOL[currency], "US$")) if currency == "USD" else _SYMBOL[currency]
    roll = rng.random()
    if spoken or roll < 0.25:
        return f"{digits} {name}"
    if roll < 0.4:
        return f"{currency} {digits}" if rng.random() < 0.6 else f"{digits} {currency}"
    if currency == "EUR" and (lang == "es" or roll < 0.55):
        return rng.choice((f"{digits} €", f"{digits}€"))
    return f"{symbol} {digits}" if currency in ("PEN", "BRL") and rng.random() < 0.7 else f"{symbol}{digits}"


def duration(rng: random.Random, milliseconds: int, lang: str, spoken: bool = False) -> str:
    """A latency: ``2,350 ms``, ``2.35 s``, ``four point two seconds``."""
    long_ms = "milliseconds" if lang == "en" else "milisegundos"
    long_s = "seconds" if lang == "en" else "segundos"
    in_seconds = milliseconds >= 100 and milliseconds % 10 == 0 and rng.random() < (0.6 if milliseconds >= 1000 else 0.25)
    if in_seconds:
        seconds = (Decimal(milliseconds) / 1000).normalize()
        seconds = seconds if seconds != seconds.to_integral_value() else Decimal(int(seconds))
        if spoken and rng.random() < 0.8:
            return f"{words(seconds, lang)} {long_s if seconds != 1 else long_s[:-1]}"
        return ungrouped(seconds, lang) + rng.choice((" s", "s", f" {long_s}", f" {long_s}", " sec" if lang == "en" else " seg"))
    if spoken and rng.random() < 0.7:
        return f"{words(milliseconds, lang)} {long_ms}"
    digits = grouped(milliseconds, lang) if rng.random() < 0.6 else str(milliseconds)
    return digits + rng.choice((" ms", "ms", f" {long_ms}", " ms"))


# --- dates -----------------------------------------------------------------------------------------------------------


def _suffix(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _date_en(rng: random.Random, day: dt.date, year: str, spoken: bool) -> str:
    month = months("en")[day.month] if rng.random() < 0.6 or spoken else months("en", "abbreviated")[day.month]
    nth = f"{day.day}{_suffix(day.day)}"
    if spoken and rng.random() < 0.7:
        said = words(day.day, "en", ordinal=True)
        tail = f" {words(day.year, 'en')}" if year and rng.random() < 0.3 else f" {year}" if year else ""
        return rng.choice((f"the {said} of {month}{tail}", f"{month} {said}{tail}", f"{month} the {said}{tail}"))
    tail, comma = (f" {year}", f", {year}") if year else ("", "")
    choices = [f"{day.day} {month}{tail}", f"{day.day} {month}{tail}", f"{month} {day.day}{comma}", f"{month} {nth}{comma}",
               f"{nth} {month}{tail}", f"{nth} of {month}{tail}", f"the {nth} of {month}{tail}", f"{day.day}-{month}{'-' + year if year else ''}"]  # fmt: skip
    form = rng.choice(choices)
    if rng.random() < 0.1:
        name = weekdays("en")[day.weekday()] if rng.random() < 0.6 else weekdays("en", "abbreviated")[day.weekday()]
        form = f"{name}{rng.choice((' ', ', '))}{form.removeprefix('the ')}"
    return form


def _date_es(rng: random.Random, day: dt.date, year: str, spoken: bool) -> str:
    month = months("es")[day.month] if rng.random() < 0.75 or spoken else months("es", "abbreviated")[day.month]
    number_ = words(day.day, "es") if spoken and rng.random() < 0.7 else str(day.day)
    if day.day == 1 and rng.random() < 0.4:
        number_ = "primero" if spoken or rng.random() < 0.5 else "1.º"
    tail = rng.choice((f" de {year}", f" de {year}", f" del {year}", f" {year}")) if year else ""
    choices = [f"{number_} de {month}{tail}"] * 5 + [f"{number_} {month}{tail}", f"día {number_} de {month}{tail}"]
    form = rng.choice(choices)
    if rng.random() < 0.1:
        form = f"{weekdays('es')[day.weekday()]}{rng.choice((' ', ', '))}{form.removeprefix('día ')}"
    return form


def _date_digits(rng: random.Random, day: dt.date, with_year: bool) -> str:
    mark = rng.choice(("/", "/", "/", "-", "."))
    d, m = (f"{day.day:02d}", f"{day.month:02d}") if rng.random() < 0.6 else (str(day.day), str(day.month))
    if not with_year:
        return f"{d}/{m}"
    year = f"{day.year}" if rng.random() < 0.88 else f"{day.year % 100:02d}"
    return f"{d}{mark}{m}{mark}{year}"


def date(
    rng: random.Random, day: dt.date, lang: str, *, year_known: bool = False, month_known: bool = False,
    spoken: bool = False, terse: bool = False,
) -> str:  # fmt: skip
    """A day in words or digits.

    ``year_known``: another date of the note gives the year, so it may be left out; ``month_known``: likewise the month
    ("the 14th"). Digits are day first, or ISO.
    """
    omit_year = year_known and rng.random() < 0.72
    if not spoken:
        roll = rng.random()
        if month_known and roll < 0.06:
            return f"the {day.day}{_suffix(day.day)}" if lang == "en" else f"día {day.day}"
        if roll < (0.4 if terse else 0.16):
            return day.isoformat()
        if roll < (0.7 if terse else 0.36 if lang == "es" else 0.3):
            return _date_digits(rng, day, not omit_year)
    elif month_known and rng.random() < 0.08:
        return f"the {words(day.day, 'en', ordinal=True)}" if lang == "en" else f"día {words(day.day, 'es')}"
    year = "" if omit_year else str(day.year)
    return (_date_en if lang == "en" else _date_es)(rng, day, year, spoken)


# --- times of day ----------------------------------------------------------------------------------------------------

_PARTS_ES = ((0, "de la madrugada"), (6, "de la mañana"), (13, "de la tarde"), (20, "de la noche"))
_PARTS_EN = ((0, "in the morning"), (12, "in the afternoon"), (18, "in the evening"))
_SAID = {"en": {0: "", 15: "quarter past", 30: "half past"}, "es": {0: "", 15: "y cuarto", 30: "y media"}}


def clock(rng: random.Random, hour: int, minute: int, lang: str, spoken: bool = False) -> str:
    """A time of day, ``hour`` 0 to 23, as it stands after "at" or "a las"; it always tells which half of the day."""
    if minute == 0 and hour in (0, 12) and rng.random() < 0.5:
        return ("noon" if hour else "midnight") if lang == "en" else ("mediodía" if hour else "medianoche")
    twelve = hour % 12 or 12
    if spoken and minute in _SAID["en"]:
        part = [words for begins, words in (_PARTS_EN if lang == "en" else _PARTS_ES) if begins <= hour][-1]
        said, tail = words(twelve, lang) if lang == "en" or twelve > 1 else "una", _SAID[lang][minute]
        return " ".join(word for word in ((tail, said, part) if lang == "en" else (said, tail, part)) if word)
    if rng.random() < 0.6:
        return f"{hour:02d}:{minute:02d}{rng.choice(('', '', '', ' h', ' UTC', ' hrs') if lang == 'en' else ('', '', '', ' h', ' h', ' UTC'))}"
    short = f"{twelve}" if minute == 0 and rng.random() < 0.6 else f"{twelve}:{minute:02d}"
    if lang == "en":
        return short + rng.choice((" am", "am", " AM", " a.m.") if hour < 12 else (" pm", "pm", " PM", " p.m."))
    return f"{short} {[words for begins, words in _PARTS_ES if begins <= hour][-1]}" if rng.random() < 0.6 else short + (" a. m." if hour < 12 else " p. m.")


def moment(rng: random.Random, day: str, at: dt.datetime, lang: str, spoken: bool = False) -> str:
    """A day, already in words, and a time on it, in UTC or without a zone."""
    if not spoken and rng.random() < 0.15:
        return at.strftime(rng.choice(("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%MZ")))
    time = clock(rng, at.hour, at.minute, lang, spoken)
    if lang == "en":
        return rng.choice((f"{day} at {time}", f"{day} at {time}", f"{day}, {time}", f"{time} on {day}", f"{day} around {time}"))
    to = "a " if time in ("mediodía", "medianoche") else "a la " if time.startswith(("una", "1:", "1 ")) else "a las "
    return rng.choice((f"{day} {to}{time}", f"{day} {to}{time}", f"{day}, {time}", f"{to}{time} del {day.removeprefix('el ')}"))


# --- periods ---------------------------------------------------------------------------------------------------------

_ORDINAL = {"en": ("", "first", "second", "third", "fourth"), "es": ("", "primer", "segundo", "tercer", "cuarto")}


def month_period(rng: random.Random, start: dt.date, lang: str, spoken: bool) -> str:
    month, year = months(lang)[start.month], start.year
    if lang == "en":
        choices = [f"{month} {year}"] * 5 + [f"the month of {month} {year}", f"{month}, {year}", f"{months('en', 'abbreviated')[start.month]} {year}",
                   f"the whole of {month} {year}"]  # fmt: skip
    else:
        choices = [f"{month} de {year}"] * 4 + [f"{month} {year}", f"el mes de {month} de {year}", f"{month} del {year}", f"todo {month} de {year}"]
    if not spoken:
        choices += [f"{year}-{start.month:02d}", f"{start.month:02d}/{year}", f"{months(lang, 'abbreviated')[start.month]} {year}"]
    return rng.choice(choices)


def quarter_period(rng: random.Random, start: dt.date, lang: str, spoken: bool) -> str:
    q, year = (start.month + 2) // 3, start.year
    nth = _ORDINAL[lang][q]
    if lang == "en":
        choices = [f"the {nth} quarter of {year}", f"{nth} quarter {year}", f"Q{q} {year}", f"Q{q} of {year}"]
        written = [f"{year} Q{q}", f"Q{q}/{year}", f"Q{q} {year}", f"{year}-Q{q}", f"Q{q} '{year % 100:02d}"]
    else:
        choices = [f"el {nth} trimestre de {year}", f"{nth} trimestre de {year}", f"{nth} trimestre {year}", f"el {nth} trimestre del {year}"]
        written = [f"T{q} {year}", f"{year}-T{q}", f"Q{q} {year}", f"{q}T {year}", f"{q}.º trimestre de {year}", f"T{q} de {year}"]
    return rng.choice(choices if spoken else choices + written)


def half_period(rng: random.Random, start: dt.date, lang: str, spoken: bool) -> str:
    h, year = (1 if start.month == 1 else 2), start.year
    if lang == "en":
        return rng.choice((f"the {_ORDINAL['en'][h]} half of {year}", f"H{h} {year}", f"{year} H{h}"))
    return rng.choice((f"el {_ORDINAL['es'][h]} semestre de {year}", f"{_ORDINAL['es'][h]} semestre de {year}", f"S{h} {year}"))


def range_period(rng: random.Random, start: dt.date, end: dt.date, lang: str, spoken: bool, week: bool) -> str:
    """Both ends told: same month, same year or full dates."""
    if not spoken and rng.random() < 0.25:
        joint = rng.choice((" to ", "..", " - ", " – ", "/", " until ", " → ") if lang == "en" else (" a ", "..", " - ", " – ", "/", " al ", " hasta "))
        if rng.random() < 0.65:
            return f"{start}{joint}{end}"
        mark = rng.choice("/-.")
        joint = rng.choice((" to ", " - ", " – ")) if lang == "en" else rng.choice((" a ", " - ", " al "))
        return f"{start:%d{mark}%m{mark}%Y}{joint}{end:%d{mark}%m{mark}%Y}"
    width = "wide" if spoken or rng.random() < 0.6 else "abbreviated"
    first, last = months(lang, width)[start.month], months(lang, width)[end.month]
    d1, d2 = (words(start.day, lang), words(end.day, lang)) if spoken and rng.random() < 0.6 else (str(start.day), str(end.day))
    if lang == "en":
        return _range_en(rng, (d1, first, start.year), (d2, last, end.year), spoken, week)
    return _range_es(rng, (d1, first, start.year), (d2, last, end.year), spoken, week)


def _range_en(rng: random.Random, a: tuple[str, str, int], b: tuple[str, str, int], spoken: bool, week: bool) -> str:
    (d1, m1, y1), (d2, m2, y2) = a, b
    dash = " to " if spoken else rng.choice((" to ", "-", "–", " – ", " through ", " - "))
    if rng.random() < 0.15 and d1.isdigit():
        d1, d2 = d1 + _suffix(int(d1)), d2 + _suffix(int(d2))
    if (m1, y1) == (m2, y2):
        form = rng.choice((f"{d1}{dash}{d2} {m1} {y1}", f"{m1} {d1}{dash}{d2}, {y1}", f"{m1} {d1}{dash}{d2} {y1}"))
    elif y1 == y2:
        form = rng.choice((f"{d1} {m1}{dash}{d2} {m2} {y2}", f"{m1} {d1}{dash}{m2} {d2}, {y2}"))
    else:
        form = f"{d1} {m1} {y1}{dash}{d2} {m2} {y2}"
    if week:
        return rng.choice((f"the week of {form}", f"week {form}", f"the week {form}", f"wk of {form}", form))
    return form


def _range_es(rng: random.Random, a: tuple[str, str, int], b: tuple[str, str, int], spoken: bool, week: bool) -> str:
    (d1, m1, y1), (d2, m2, y2) = a, b
    of = rng.choice((" de ", " de ", " del ", " "))
    same_year = "" if y1 == y2 else f"{of}{y1}"
    if (m1, y1) == (m2, y2):
        body = rng.choice((f"del {d1} al {d2} de {m1}{of}{y1}", f"{d1} al {d2} de {m1}{of}{y1}", f"{d1}-{d2} de {m1}{of}{y1}"))
    else:
        body = rng.choice((f"del {d1} de {m1}{same_year} al {d2} de {m2}{of}{y2}", f"{d1} de {m1}{same_year} a {d2} de {m2}{of}{y2}"))
    if week and body.startswith("del"):
        return rng.choice((f"la semana {body}", f"semana {body}", f"la semana {body}", f"sem. {body}"))
    return body


def period(rng: random.Random, start: dt.date, end: dt.date, lang: str, spoken: bool = False) -> str:
    """A reporting period as a bare noun phrase; the shortest honest form is chosen among those that denote it."""
    last_day = calendar.monthrange(end.year, end.month)[1]
    whole_months = start.day == 1 and end.day == last_day and start.year == end.year
    length = end.month - start.month + 1
    if whole_months and rng.random() < 0.85:
        if length == 1:
            return month_period(rng, start, lang, spoken)
        if length == 3 and start.month % 3 == 1:
            return quarter_period(rng, start, lang, spoken)
        if length == 6 and start.month in (1, 7):
            return half_period(rng, start, lang, spoken)
    return range_period(rng, start, end, lang, spoken, week=(end - start).days in (4, 6))
