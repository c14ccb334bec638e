"""Durations: what is read of them in other units and as ISO 8601 ("-": nothing, "*": not looked at), what is not, and that no text takes long."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats import CHECKS
from schemas.reading.durations import durations, iso_durations
from schemas.reading.numbers import numbers

READ = """
4.2 s | 4.2 4200 | 0.07 252 | -
850 ms | 850 0.85 | 850000 | -
2,350 ms | 2350 2.35 | 2350000 | -
1.250 seg | 1250000 1.25 1250 | 75 | PT1250S
90 s | 90 90000 1.5 | 5400 | PT90S PT1M30S
3 minutes | 3 180 180000 | 0.05 3000 | PT3M
45 min | 45 2700 2700000 0.75 | 45000 | PT45M
2 h | 2 120 7200 7200000 | 2000 | PT2H
1.5 hours | 1.5 90 5400 5400000 | 150 | PT1H30M
2 days | 2 48 2880 172800 | 14 | P2D PT48H
36 hours | 36 1.5 2160 | 0.21 | PT36H
1 h 20 min | 80 4800 4800000 | 120 | PT1H20M
1h20m | 80 4800 | 1.2 | PT1H20M
1h 05min | 65 3900 | 105 | PT1H5M
1 hour and 20 minutes | 80 4800 | 21 | PT1H20M
2 hours, 5 minutes and 10 seconds | 7510 | 125.1 | PT2H5M10S
1 minuto 5 segundos | 65 65000 | 1.5 | PT1M5S
2 horas y 15 minutos | 135 8100 2.25 | 215 | PT2H15M
one point eight seconds | 1.8 1800 | 108 | *
cuatro segundos | 4 4000 | 240 | PT4S
twenty-five minutes | 25 1500 1500000 | 20000 | PT25M
half an hour | 30 1800 0.5 | 3600 | PT30M
media hora | 30 1800 | 3600 | PT30M
an hour and a half | 90 1.5 | 105 | PT1H30M
one hour and a half | 90 5400 1.5 | 150 | PT1H30M
una hora y media | 90 5400 | 105 | PT1H30M
un minuto y medio | 90 90000 | 105 | PT1M30S
dos días | 2 48 | 14 | P2D PT48H
three weeks | 3 | 21 504 | P3W
seis meses | 6 | 180 | P6M
1 year | 1 | 365 12 | P1Y
2 months and 3 days | 2 3 | 63 | P2M3D
20 min and 1 h | 20 1 | 80 | PT20M PT1H
two and a half hours | 150 9000 2.5 | 180000 | PT2H30M
dos y media horas | 150 | 180000 | PT2H30M
2 horas y media | 150 2 2.5 | 180000 | PT2H PT2H30M
a half-hour outage | 30 1800 | 180000 | PT30M
three quarters of an hour | 45 2700 | 270000 | PT45M
un cuarto de hora | 15 900 | 90000 | PT15M
1 hour and 30 seconds | 3630 | 90 | PT1H0M30S
1 year and 3 days | 1 3 | 368 | P1Y0M3D
at 14:30 h | 14 30 | 1800 108000 | -
12 400 s | 12400 12400000 | 400000 | PT12400S
1'500 s | 1500 1500000 25 | 500000 | PT1500S
1.200,5 s | 1200.5 1200500 | 500 | -
a week, 3 yrs, 2 wks | 3 2 | 21 | P1W P3Y P2W
P3D or PT1H | 3 1 | 72 | P3D PT1H
1,000,000,000,000,000,000,000,000,000 ms | 1000000000000 | 7 | -
hundred hundred hundred hundred hundred hundred hundred hundred days | | 100 | -
5 agents | 5 | 300 5000 | -
3 mins 12 tasks | 3 180 12 | 192 720 | PT3M
room 4h | 4 240 | 4000 | PT4H
4 sad hours | 4 | 240 4000 | -
"""


def rows(table: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("text", "read", "not_read", "iso"), rows(READ))
def test_what_a_duration_comes_to(text: str, read: str, not_read: str, iso: str) -> None:
    found = numbers(text)
    assert set(map(Decimal, read.split())) <= found, sorted(found)
    assert not found & set(map(Decimal, not_read.split())), sorted(found)
    written = {value for value, _, _ in iso_durations(text)}
    assert set(iso.split()) - {"-", "*"} <= written and (iso != "-" or not written), written


def test_a_duration_is_shown_with_all_of_its_words() -> None:
    text = "It was down for 1 h 20 min on Monday."
    assert {text[start:end] for value, start, end in iso_durations(text) if value == "PT1H20M"} == {"1 h 20 min"}


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(
    ["1", "20", "1,234", "4.2", "h", "min", "s", "ms", "hours", "and", "y", "half an", "hour", "media hora", "and a half", "dos", "days", "999999999", "years", "\u0130", "ﬁ", "-"]
), max_size=16).map(" ".join)))  # fmt: skip
def test_no_text_is_too_strange(text: str) -> None:
    for found in durations(text):
        assert 0 <= found.start < found.end <= len(text) and all(amount.is_finite() for amount in found.amounts())
    assert all(CHECKS["duration"](value) for value, _, _ in iso_durations(text))


@pytest.mark.parametrize("piece", ["1 h 20 min ", "h ", "1 ", "un minuto y medio ", "and a half ", "1,234", "half an "])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    began = time.perf_counter()
    numbers(text)
    assert time.perf_counter() - began < 2
