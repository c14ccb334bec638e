"""Surface forms: whatever way a value is written, it can be read back."""

from __future__ import annotations

import datetime as dt
import random
import re
from decimal import Decimal

import pytest

from schemas.reading.clock import moments
from training.gates.reading_dates import moment_can_be_read
from training.notes import forms
from training.phrasebook import LANGS

SEEDS = range(300)
DIGITS = re.compile(r"\d[\d.,  ]*")


def read(written: str, lang: str) -> Decimal:
    """The number of plain digits, grouped as the language does."""
    thousands, mark = (",", ".") if lang == "en" else (".", ",")
    return Decimal(written.strip(" .,").replace(thousands, "").replace(" ", "").replace(mark, "."))


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("spoken", [False, True])
def test_a_count_can_be_read_back(lang: str, spoken: bool) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        value = rng.choice(
            (rng.randrange(20), rng.randrange(10_000), rng.randrange(250_000), rng.randrange(1, 250) * 100)
        )
        written = forms.number(rng, value, lang, spoken)
        if not written[0].isdigit():
            assert written == forms.words(value, lang)
        else:
            digits, unit = re.fullmatch(r"([\d., ]*\d)(k|K| mil)?", written).groups()  # type: ignore[union-attr]
            # A decimal mark before k, a thousands mark otherwise.
            assert read(digits, lang) * (1000 if unit else 1) == value or digits == str(value)


@pytest.mark.parametrize(("lang", "written"), [("en", "1,234,567.89"), ("es", "1.234.567,89")])
def test_groups_and_decimals_follow_the_language(lang: str, written: str) -> None:
    assert forms.grouped(Decimal("1234567.89"), lang) == written


@pytest.mark.parametrize("lang", LANGS)
def test_an_amount_of_money_can_be_read_back_with_its_currency(lang: str) -> None:
    signs = {"USD": ("$", "dollar", "dólar", "dólares"), "EUR": ("€", "euro"), "GBP": ("£", "pound", "libra"), "PEN": ("S/", "sol"), "MXN": ("MX$", "peso"),
             "BRL": ("R$", "reais", "real")}  # fmt: skip
    for seed in SEEDS:
        rng = random.Random(seed)
        value, currency = Decimal(rng.randrange(100, 5_000_000)) / 100, rng.choice(forms.CURRENCIES)
        written = forms.money(rng, value, currency, lang)
        assert currency in written or any(sign in written for sign in signs[currency]), written
        if found := DIGITS.search(written):
            thousand = re.search(r"\d[kK]", written)
            assert read(found[0], lang) * (1000 if thousand else 1) == value, written


@pytest.mark.parametrize("lang", LANGS)
def test_a_thousand_short_hand_keeps_the_amount(lang: str) -> None:
    for seed in range(2000):
        value = Decimal(seed % 90 + 10) * 100
        written = forms.money(random.Random(seed), value, "EUR", lang)
        if re.search(r"\d[kK]", written):
            assert read(DIGITS.search(written)[0], lang) * 1000 == value, (written, value)  # type: ignore[index]


@pytest.mark.parametrize("lang", LANGS)
def test_a_duration_can_be_read_back(lang: str) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        value = rng.choice((rng.randrange(30, 1000), rng.randrange(3, 6000) * 10))
        written = forms.duration(rng, value, lang)
        found = DIGITS.match(written)
        assert found is not None, written
        unit = written[found.end() :].strip()
        assert read(found[0], lang) * (1 if unit.startswith("m") else 1000) == value, written


@pytest.mark.parametrize("lang", LANGS)
def test_a_share_tells_its_figure(lang: str) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        value = rng.randrange(101)
        written = forms.percent(rng, value, lang)
        assert re.match(rf"{value}\D", written) or written.startswith(forms.words(value, lang) + " ")


@pytest.mark.parametrize("lang", LANGS)
def test_a_date_tells_its_day_month_and_year(lang: str) -> None:
    names = {w.casefold(): i for width in ("wide", "abbreviated") for i, w in enumerate(forms.months(lang, width)) if w}  # type: ignore[arg-type]
    for seed in range(1000):
        rng = random.Random(seed)
        day = dt.date(2012, 1, 1) + dt.timedelta(days=rng.randrange(8000))
        written = forms.date(rng, day, lang)
        numbers = [int(n) for n in re.findall(r"\d+", written)]
        if written == day.isoformat():
            continue
        said = [names[w] for w in re.findall(r"[^\W\d_]+", written.casefold()) if w in names]
        if said:
            assert said == [day.month], written
            assert day.year in numbers and (day.day in numbers or "primero" in written), written
        else:
            assert numbers in ([day.day, day.month, day.year], [day.day, day.month, day.year % 100]), written


@pytest.mark.parametrize("lang", LANGS)
def test_a_moment_can_be_read_back_by_the_server_and_by_the_measure(lang: str) -> None:
    for seed in SEEDS:
        rng = random.Random(seed)
        at = dt.datetime(2026, rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.choice((0, 0, 15, 30, 45, rng.randrange(60))))
        spoken = rng.random() < 0.3
        written = forms.moment(rng, forms.date(rng, at.date(), lang, spoken=spoken), at, lang, spoken)
        assert f"{at.isoformat()}Z" in {moment.value for moment in moments((written,))}, written
        assert moment_can_be_read(f"{at.isoformat()}Z", written), written
        assert not moment_can_be_read(f"{(at + dt.timedelta(hours=5, minutes=7)).isoformat()}Z", written), written


@pytest.mark.parametrize("lang", LANGS)
def test_a_date_loses_its_year_only_where_another_date_gives_it(lang: str) -> None:
    day = dt.date(2026, 10, 14)
    with_year = [forms.date(random.Random(seed), day, lang) for seed in SEEDS]
    without = [forms.date(random.Random(seed), day, lang, year_known=True) for seed in SEEDS]
    assert all("26" in written for written in with_year)
    assert any("26" not in written for written in without)


@pytest.mark.parametrize("lang", LANGS)
def test_a_whole_month_quarter_or_half_names_its_year(lang: str) -> None:
    ends = (
        (dt.date(2026, 2, 1), dt.date(2026, 2, 28)),
        (dt.date(2026, 4, 1), dt.date(2026, 6, 30)),
        (dt.date(2026, 7, 1), dt.date(2026, 12, 31)),
    )
    for seed in SEEDS:
        start, end = ends[seed % 3]
        assert "26" in forms.period(random.Random(seed), start, end, lang), seed


@pytest.mark.parametrize("lang", LANGS)
def test_a_range_tells_both_of_its_days(lang: str) -> None:
    start, end = dt.date(2026, 3, 9), dt.date(2026, 4, 17)
    for seed in SEEDS:
        numbers = [int(n) for n in re.findall(r"\d+", forms.period(random.Random(seed), start, end, lang))]
        assert {9, 17, 2026} <= set(numbers)


@pytest.mark.parametrize("lang", LANGS)
def test_the_same_seed_writes_the_same_words(lang: str) -> None:
    once, again = ([forms.money(random.Random(s), Decimal("1234.5"), "PEN", lang) for s in SEEDS] for _ in range(2))
    assert once == again
