"""Currencies: which of them a text names, English and Spanish.

Owns the signs and words; a sign that several countries use names all of their currencies, and a word that mostly means something else (a pen, to try) names one only
beside a figure, or as a code in capitals. Candidates, not choices. Run: `currencies("S/ 120 y 3 dólares")`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from schemas.reading.folding import flat_with_places
from schemas.reading.number_words import is_number_word

_PESOS = ("MXN", "COP", "ARS", "CLP", "UYU", "DOP")
_DOLLARS = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD")
_NAMED: dict[str, tuple[str, ...]] = {
    "us$ u$s usd": ("USD",), "mx$": ("MXN",), "r$ reais real reales": ("BRL",), "c$ ca$": ("CAD",), "a$ au$": ("AUD",), "nz$": ("NZD",), "s$": ("SGD",), "hk$": ("HKD",),
    "$": (*_DOLLARS, *_PESOS), "dollar dollars dolar dolares buck bucks": _DOLLARS, "peso pesos": _PESOS, "€ euro euros": ("EUR",), "£ quid sterling esterlina esterlinas": ("GBP",),
    "pound pounds libra libras": ("GBP",), "s/ s/. sol soles": ("PEN",), "franc francs franco francos fr.": ("CHF",), "¥ yen yenes": ("JPY",), "cn¥ yuan yuanes rmb renminbi ¥": ("CNY",),
    "₹ rupee rupees rupia rupias": ("INR",), "boliviano bolivianos": ("BOB",), "guarani guaranies": ("PYG",), "quetzal quetzales": ("GTQ",), "kr krona kronor corona coronas": ("SEK", "NOK", "DKK"),
    "zloty zlotys": ("PLN",), "rand rands": ("ZAR",), "won wons": ("KRW",), "₺ lira liras": ("TRY",),
}  # fmt: skip
_EVERYDAY = frozenset(["bob", "cop", "try", "pen", "won", "sol", "rand", "real", "reales", "franco", "corona", "coronas", "libra", "pound", "buck", "cad", "kr", "ars"])
_FIGURE_BEFORE = re.compile(r"\d\s*[km]?\s*(?:de\s+)?$|([^\W\d_]+)\s+(?:de\s+)?$")
_FIGURE_AFTER = re.compile(r"\s*\d")
KNOWN = frozenset(code for codes in _NAMED.values() for code in codes)
"""The currencies whose signs and words are known here."""


def _codes() -> dict[str, frozenset[str]]:
    """Sign or word -> the codes it can stand for; each code stands for itself."""
    words = [*((code.lower(), (code,)) for code in KNOWN), *((word, codes) for said, codes in _NAMED.items() for word in said.split())]
    return {word: frozenset(code for other, codes in words if other == word for code in codes) for word, _ in words}


def _alone(word: str) -> str:
    """The word, where letters do not go on before or after it; figures may ("12EUR", "MXN300")."""
    return ("(?<![^\\W\\d_])" if word[0].isalpha() else "") + re.escape(word) + ("(?![^\\W\\d_])" if word[-1].isalpha() else "")


_CODES = _codes()
_ANY = re.compile("|".join(map(_alone, sorted(_CODES, key=len, reverse=True))))
_IN_CAPITALS = re.compile("|".join(rf"\b{code}\b" for code in sorted(KNOWN)))
_RUN = re.compile(r"[^\W\d_]+|[^\w\s]")
_BEGINNINGS = frozenset(run[0] for word in _CODES if (run := _RUN.match(word)))
"""Where a currency can begin: to try all of them at every character takes ten times as long."""


def currencies(*texts: str) -> frozenset[str]:
    """The ISO 4217 codes of every currency that is named."""
    return frozenset(code for text in texts for word in _words(text) for code in _CODES[word])


def _words(text: str) -> Iterator[str]:
    words, _ = flat_with_places(text)
    yield from (words[start:end] for start, end in currency_spans(words))
    for code in _IN_CAPITALS.finditer(text):
        yield code[0].lower()


@lru_cache(maxsize=8)
def currency_spans(words: str) -> tuple[tuple[int, int], ...]:
    """Where currencies are named in a text without accents and capitals (`schemas.reading.folding.flat`), one behind the other; those of the last eight texts are kept."""
    return tuple(_spans(words))


def _spans(words: str) -> Iterator[tuple[int, int]]:
    end = 0
    for run in _RUN.finditer(words):
        if run.start() >= end and run[0] in _BEGINNINGS and (found := _ANY.match(words, run.start())) and _is_meant(words, found):
            end = found.end()
            yield found.span()


def _is_meant(words: str, found: re.Match[str]) -> bool:
    if found[0] not in _EVERYDAY:
        return True
    before = _FIGURE_BEFORE.search(words, max(0, found.start() - 30), found.start())
    return _FIGURE_AFTER.match(words, found.end()) is not None or (before is not None and (before[1] is None or is_number_word(before[1])))
