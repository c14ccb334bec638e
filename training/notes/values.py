"""Values: people, e-mails, agent ids, counts, amounts, days. Drawn from pools that training and measuring do not share.

Owns drawing of plain values; knows nothing of wordings, notes or schemas. Names and places come from mimesis; noun phrases from the
phrasebook's grammar and, so that copying is learned and not memorised, from made-up words.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import math
import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache

from mimesis import Address, Finance, Generic
from mimesis.locales import Locale

from training.exercises import spellings
from training.phrasebook import DRAWN, Phrasebook

_NAME_LOCALES = {
    "en": (Locale.EN, Locale.EN_GB, Locale.EN_AU, Locale.EN_CA, Locale.DE, Locale.FR, Locale.IT, Locale.PT_BR, Locale.TR, Locale.PL,
           Locale.SV, Locale.NO, Locale.NL, Locale.CS, Locale.DA, Locale.HU, Locale.IS, Locale.ET, Locale.ES),
    "es": (Locale.ES, Locale.ES, Locale.ES_MX, Locale.ES_MX, Locale.ES_MX, Locale.PT_BR, Locale.IT, Locale.FR, Locale.EN, Locale.DE),
}  # fmt: skip
_JUNK = re.compile(r"[?()/;Ã]|&\w+;|formerly")
_DRAWN = re.compile(r"\{(" + "|".join(DRAWN) + r")\}")
_HELDOUT_SHARE = 6  # one surname in six is kept for measuring
_SYLLABLES = ["ka", "lo", "mi", "ter", "van", "sel", "dor", "ni", "ra", "po", "tu", "ben", "cla", "shi", "ro", "ez", "lin", "fa", "gra", "mon", "pi", "xa", "qui", "ol", "ber", "ti", "ya", "zu", "hen", "wo", "kri", "pla", "ste", "ña", "cho", "lle", "ri", "am", "ik", "oro", "una", "thi", "ngu", "yen", "ob", "ade", "ola", "chi", "dze", "wa", "mba", "nko", "siw", "ska", "ova", "eva", "ric", "son", "sen", "tte", "ieu", "oux", "gar", "tch"]  # fmt: skip


def in_heldout_pool(value: str) -> bool:
    """Which side of the value split a pool entry stands on, decided by its own bytes."""
    return hashlib.blake2b(value.casefold().encode(), digest_size=2).digest()[0] % _HELDOUT_SHARE == 0


@cache
def name_pool(lang: str, split: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(given names, surnames) of a language's locales; surnames are split between training and measuring."""
    given: set[str] = set()
    surnames: set[str] = set()
    for i, locale in enumerate(dict.fromkeys(_NAME_LOCALES[lang])):
        person = Generic(locale, seed=1000 + i).person
        given.update(_tidy(person.first_name() for _ in range(400)))
        surnames.update(_tidy(person.last_name() for _ in range(700)))
    chosen = {s for s in surnames if in_heldout_pool(s) == (split == "heldout")}
    return tuple(sorted(given)), tuple(sorted(chosen))


def _tidy(names: Iterable[str]) -> Iterator[str]:
    """Without what the library's lists hold by mistake: queries, remarks in brackets, entities, letters decoded twice."""
    return (name.strip() for name in names if not _JUNK.search(name))


@cache
def place_pool(lang: str, split: str) -> tuple[str, ...]:
    cities = {c for i, loc in enumerate(_NAME_LOCALES[lang]) for a in [Address(loc, seed=i)] for c in _tidy(a.city() for _ in range(150))}
    return tuple(sorted(c for c in cities if in_heldout_pool(c) == (split == "heldout")))


@cache
def company_pool(lang: str, split: str) -> tuple[str, ...]:
    names = {c for i, loc in enumerate(_NAME_LOCALES[lang]) for f in [Finance(loc, seed=i)] for c in _tidy(f.company() for _ in range(150))}
    return tuple(sorted(c for c in names if in_heldout_pool(c) == (split == "heldout")))


def made_up_word(rng: random.Random) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 2, 3))))


def surname(rng: random.Random, lang: str, split: str) -> str:
    if rng.random() < 0.15:
        if split == "train" and rng.random() < 0.3:
            return spellings.odd_name(rng)
        return made_up_word(rng).capitalize()
    return rng.choice(name_pool(lang, split)[1])


def full_name(rng: random.Random, lang: str, split: str) -> str:
    """Given name with one surname or two, now and then an initial, a particle or a made-up part."""
    given = rng.choice(name_pool(lang, split)[0]) if rng.random() < 0.9 else made_up_word(rng).capitalize()
    last = surname(rng, lang, split)
    roll = rng.random()
    if roll < (0.3 if lang == "es" else 0.06):
        return f"{given} {last} {surname(rng, lang, split)}"
    if roll < 0.36:
        middle = rng.choice(("de la", "van der", "del", "El", "Ben", "O'", "Mc", "da", "dos", "von", "al-", "Ní", "i"))
        return f"{given} {middle}{'' if middle[-1:] in chr(39) + '-c' else ' '}{last}"
    if roll < 0.4:
        return f"{given} {last}-{surname(rng, lang, split)}"
    if roll < 0.43:
        return f"{given} {rng.choice('ABCDEFGHJKLMNPRSTVW')}. {last}"
    return f"{given} {last}"


def person(rng: random.Random, book: Phrasebook) -> str:
    """Someone who acts or decides: a full name, a given name, or a role."""
    roll = rng.random()
    if roll < 0.58:
        return full_name(rng, book.lang, book.split)
    if roll < 0.76:
        return rng.choice(name_pool(book.lang, book.split)[0]) if rng.random() < 0.85 else made_up_word(rng).capitalize()
    return noun(rng, book, "role")


def ascii_word(words: str) -> str:
    flat = unicodedata.normalize("NFD", words.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", flat) or "x"


def email(rng: random.Random, name: str, book: Phrasebook) -> str:
    parts = [ascii_word(p) for p in name.split() if len(p) > 2 or len(name.split()) == 1] or ["info"]
    first, last = parts[0], parts[-1]
    local = rng.choice((f"{first}.{last}", f"{first[0]}{last}", first, f"{first}_{last}", f"{first[0]}.{last}", last, f"{first}.{last[0]}", f"{last}.{first}"))
    host = rng.choice((book.nouns.expand(rng, "agent_word"), made_up_word(rng), book.nouns.expand(rng, "agent_word") + made_up_word(rng)))
    top = rng.choice(("example", "com", "org", "example", "net", "io", "es", "mx", "pe", "co.uk", "edu", "gob.pe", "eu"))
    return f"{local}@{ascii_word(host)}.{top}"


def agent_id(rng: random.Random, book: Phrasebook) -> str:
    """Matches ``^[a-z][a-z0-9]*(-[a-z0-9]+)*$``, at most 40 characters."""

    def word() -> str:
        return ascii_word(book.nouns.expand(rng, "agent_word") if rng.random() < 0.85 else made_up_word(rng))

    role = ascii_word(book.nouns.expand(rng, "agent_role"))
    roll = rng.random()
    if roll < 0.62:
        parts = [word(), role]
    elif roll < 0.78:
        parts = [word(), word()]
    elif roll < 0.88:
        parts = [word(), role, str(rng.randrange(1, 12)) if rng.random() < 0.6 else f"v{rng.randrange(1, 9)}"]
    elif roll < 0.95:
        parts = [word(), word(), role]
    else:
        parts = [rng.choice((word(), role))]
    return "-".join(parts)[:40].strip("-") if parts[0][0].isalpha() else "agent-" + "-".join(parts)[:30].strip("-")


def count(rng: random.Random, largest: int = 250_000) -> int:
    """A positive count, log-uniform; sometimes round."""
    value = int(math.exp(rng.uniform(0, math.log(largest))))
    if value > 100 and rng.random() < 0.2:
        value -= value % 10 ** rng.randrange(1, len(str(value)))
    return max(1, value)


def amount(rng: random.Random) -> Decimal:
    cents = int(math.exp(rng.uniform(math.log(300), math.log(6_000_000))))
    if rng.random() < 0.45:
        cents -= cents % 100
    if cents > 20_000 and rng.random() < 0.25:
        cents -= cents % 10_000
    return Decimal(max(100, cents)) / 100


def as_json_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def latency_ms(rng: random.Random) -> int:
    value = int(math.exp(rng.uniform(math.log(30), math.log(60_000))))
    return value - value % rng.choice((1, 10, 10, 50, 100)) or 40


def day_between(rng: random.Random, start: dt.date, end: dt.date) -> dt.date:
    return start + dt.timedelta(days=rng.randrange((end - start).days + 1))


def period(rng: random.Random) -> tuple[dt.date, dt.date]:
    """A reporting period: month, quarter, week, working week, half-year or any range."""
    year = rng.choice((2023, 2024, 2025, 2025, 2026, 2026, 2026, 2027, 2028, rng.randrange(2012, 2036)))
    month = rng.randrange(1, 13)
    roll = rng.random()
    if roll < 0.42:
        return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])
    if roll < 0.57:
        first = (month - 1) // 3 * 3 + 1
        return dt.date(year, first, 1), dt.date(year, first + 2, calendar.monthrange(year, first + 2)[1])
    if roll < 0.6:
        first = 1 if month < 7 else 7
        return dt.date(year, first, 1), dt.date(year, first + 5, 30 if first == 1 else 31)
    start = dt.date(year, month, rng.randrange(1, 29))
    if roll < 0.83:
        start -= dt.timedelta(days=start.weekday())
        return start, start + dt.timedelta(days=rng.choice((4, 6, 6, 6)))
    return start, start + dt.timedelta(days=rng.choice((9, 11, 13, 14, 20, 27, 30, 45, rng.randrange(2, 120))))


def made_up_phrase(rng: random.Random, book: Phrasebook) -> str:
    """A span no grammar would give: made-up words, or words of several pools thrown together; in training also letters and signs that no phrase has."""
    pools = ("unit", "agent_word", "agent_role")

    def pick() -> str:
        if book.split == "train" and rng.random() < 0.25:
            return spellings.odd_word(rng)
        return made_up_word(rng) if rng.random() < 0.4 else noun(rng, book, rng.choice(pools))

    return " ".join(pick() for _ in range(rng.choice((1, 2, 3, 3, 4, 5))))


def noun(rng: random.Random, book: Phrasebook, key: str) -> str:
    """A phrase of the book's grammars, as people would write it."""
    return drawn(rng, book, book.nouns.expand(rng, key))


def drawn(rng: random.Random, book: Phrasebook, words: str) -> str:
    """A phrase with its names, companies, cities, made-up words, codes and numbers put in."""
    makers: dict[str, Callable[[], str]] = {
        "given": lambda: rng.choice(name_pool(book.lang, book.split)[0]), "surname": lambda: surname(rng, book.lang, book.split),
        "company": lambda: rng.choice(company_pool(book.lang, book.split)), "city": lambda: rng.choice(place_pool(book.lang, book.split)),
        "word": lambda: made_up_word(rng), "code": lambda: f"{''.join(rng.choices('ABCDEFGHKLMNPRSTVXZ', k=rng.choice((1, 2, 2, 3))))}-{rng.randrange(2, 1000)}",
        "n": lambda: str(rng.randrange(2, 41)),
    }  # fmt: skip
    return _DRAWN.sub(lambda found: makers[found[1]](), words)


def disturbed(rng: random.Random, book: Phrasebook, words: str) -> str:
    """A phrase with a word or two that do not belong there: where it ends is to be told by what stands around it, not by what is likely inside it."""
    parts = words.split(" ")
    for place in rng.sample(range(len(parts)), min(len(parts), rng.choice((1, 1, 2)))):
        roll = rng.random()
        parts[place] = spellings.odd_word(rng) if roll < 0.2 else made_up_word(rng) if roll < 0.6 else noun(rng, book, rng.choice(("unit", "agent_word", "agent_role")))
    return " ".join(parts)


def phrase(rng: random.Random, book: Phrasebook, key: str) -> str:
    """A noun (or infinitive) phrase of a kind, at most 120 characters."""
    for _ in range(8):
        words = noun(rng, book, key) if rng.random() < 0.9 or key == "action" else made_up_phrase(rng, book)
        if book.split == "train" and rng.random() < 0.1:  # notes to measure on hold phrases as people write them
            words = disturbed(rng, book, words)
        if len(words) <= 110:
            return words
    return words[:110].rsplit(" ", 1)[0]
