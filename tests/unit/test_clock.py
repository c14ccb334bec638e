"""Times of day and moments: what is read in a text, what is not, and that no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.formats import CHECKS
from schemas.reading.clock import MOST_MOMENTS, MOST_OFFSETS, MOST_TOLD, clock_mentions, moments, times
from schemas.reading.truths import truths

TIMES = """
at 14:30 | 14:30:00Z | 02:30:00Z
at 2:30 | 02:30:00Z 14:30:00Z | 14:30:30Z
at 09:30 | 09:30:00Z | 21:30:00Z
14:30:05 | 14:30:05Z | 14:30:00Z
14:30:05.250 | 14:30:05.250Z | 14:30:05Z
2:30 pm | 14:30:00Z | 02:30:00Z
2:30 p.m. | 14:30:00Z | 02:30:00Z
2:30PM | 14:30:00Z | 02:30:00Z
9 am | 09:00:00Z | 21:00:00Z
9pm | 21:00:00Z | 09:00:00Z
12 am | 00:00:00Z | 12:00:00Z
12 pm | 12:00:00Z | 00:00:00Z
12:30 | 12:30:00Z | 00:30:00Z
0:05 | 00:05:00Z | 12:05:00Z
10.30am | 10:30:00Z | 22:30:00Z
14h30 | 14:30:00Z | 02:30:00Z
a las 22.15 h | 22:15:00Z | 10:15:00Z
las 9 de la mañana | 09:00:00Z | 21:00:00Z
a las 8 de la tarde | 20:00:00Z | 08:00:00Z
a las once de la noche | 23:00:00Z | 11:00:00Z
a las tres de la madrugada | 03:00:00Z | 15:00:00Z
a las dos y media | 02:30:00Z 14:30:00Z | 02:00:00Z
a las 3 menos cuarto | 02:45:00Z 14:45:00Z | 03:45:00Z
a la una y diez de la tarde | 13:10:00Z | 01:10:00Z
a las 9 en punto | 09:00:00Z 21:00:00Z | 09:30:00Z
half past two | 02:30:00Z 14:30:00Z | 02:00:00Z
a quarter to nine | 08:45:00Z 20:45:00Z | 09:15:00Z
ten past 9 in the morning | 09:10:00Z | 21:10:00Z
twenty-five to one | 12:35:00Z | 01:25:00Z
at nine in the evening | 21:00:00Z | 09:00:00Z
at nine. | 09:00:00Z 21:00:00Z | 19:00:00Z
at 9 on Monday | 09:00:00Z 21:00:00Z | 19:00:00Z
9 o'clock | 09:00:00Z 21:00:00Z | 00:09:00Z
at noon | 12:00:00Z | 00:00:00Z
around midnight | 00:00:00Z | 12:00:00Z
a mediodía | 12:00:00Z | 00:00:00Z
a medianoche | 00:00:00Z | 12:00:00Z
at 1430 UTC | 14:30:00Z | 02:30:00Z
0915 hrs | 09:15:00Z | 21:15:00Z
14:30 GMT | 14:30:00Z | 02:30:00Z
14:30Z | 14:30:00Z | 02:30:00Z
14:30 CET | 14:30:00+01:00 | 14:30:00Z
14:30 (CEST) | 14:30:00+02:00 | 14:30:00Z
2:30 pm EST | 14:30:00-05:00 | 14:30:00Z
10:15 a.m. ET | 10:15:00-05:00 10:15:00-04:00 | 10:15:00Z
21:15 GMT-3 | 21:15:00-03:00 | 21:15:00Z
21:15 UTC+5:30 | 21:15:00+05:30 | 21:15:00Z
21:15 UTC+0530 | 21:15:00+05:30 | 21:15:00Z
a las 8 de la mañana (hora UTC-5) | 08:00:00-05:00 | 08:00:00Z
14:30+02:00 | 14:30:00+02:00 | 14:30:00Z
14:30:00-0330 | 14:30:00-03:30 | 14:30:00Z
14:30+00:00 | 14:30:00+00:00 14:30:00Z | 02:30:00Z
from 14:30-16 h | 14:30:00Z 16:00:00Z | 04:00:00Z
10:00 and 11 on Friday, CET | 10:00:00Z | 10:11:00Z
22:00 CET, again at 23:10 | 22:00:00+01:00 23:10:00+01:00 23:10:00Z | 22:00:00Z
open 09:00-12:00 | 09:00:00Z 12:00:00Z | 09:00:00-12:00
from 9:00 -10:30 | 09:00:00Z 10:30:00Z | 09:00:00-10:30
2026-10-03T14:30-03:00 | 14:30:00-03:00 | 14:30:00Z
10:15 Art Smith met Pet Rescue | 10:15:00Z | 10:15:00-03:00
14:30 west gate | 14:30:00Z | 14:30:00+01:00
a las 4 y media de la tarde | 16:30:00Z | 16:00:00Z 04:00:00Z
las 4 y cuarto | 04:15:00Z 16:15:00Z | 04:00:00Z
a las 2 de la noche | 02:00:00Z | 14:00:00Z
a las 14.30 | 14:30:00Z | 02:30:00Z
at 9.30 | 09:30:00Z 21:30:00Z | 09:00:00Z
at 0930 | 09:30:00Z | 21:30:00Z
6 in the morning | 06:00:00Z | 18:00:00Z
down for 2 h 15 min | | 02:15:00Z
grew by 9.30% | | 09:30:00Z
at 9 agents | | 09:00:00Z
by 5 May | | 05:00:00Z
at 12% | | 12:00:00Z
at 12.5 | | 12:00:00Z
since 2026 | | 20:26:00Z
ratio 3:1, 16:9 | | 03:01:00Z
25:00 and 24:10 | | 01:00:00Z
10:99 | | 10:09:00Z
version 1.14.30 | | 14:30:00Z
1:2:3:4 | | 01:02:03Z
4.2 s and 850 ms | | 04:02:00Z
"""

MOMENTS = """
down on 3 October 2026 at 2:30 pm UTC | 2026-10-03T14:30:00Z | 3 October 2026 at 2:30 pm UTC
2026-10-03 14:30:05.123+02:00 | 2026-10-03T14:30:05.123+02:00 | 2026-10-03 14:30:05.123+02:00
opened 2026-10-03T14:30:00Z, closed later | 2026-10-03T14:30:00Z | 2026-10-03T14:30:00Z
el 3 de octubre de 2026 a las 14:30 | 2026-10-03T14:30:00Z | 3 de octubre de 2026 a las 14:30
a las dos y media de la tarde del 23/10/2026 | 2026-10-23T14:30:00Z | las dos y media de la tarde del 23/10/2026
noon on 3 Oct 2026 | 2026-10-03T12:00:00Z | noon on 3 Oct 2026
Report for October 2026. It broke on the 22nd at 21:05 | 2026-10-22T21:05:00Z | 22nd at 21:05
5 May 2026 at nine in the evening (EST) | 2026-05-05T21:00:00-05:00 | 5 May 2026 at nine in the evening (EST
"""


def rows(table: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("text", "read", "not_read"), rows(TIMES))
def test_times_of_day(text: str, read: str, not_read: str) -> None:
    found = {moment.value for moment in times((text,))}
    assert set(read.split()) <= found and not found & set(not_read.split()), found


@pytest.mark.parametrize(("text", "value", "words"), rows(MOMENTS))
def test_a_day_with_a_time_is_a_moment(text: str, value: str, words: str) -> None:
    assert words in {text[moment.start : moment.end] for moment in moments((text,)) if moment.value == value}


def test_a_moment_takes_its_day_from_another_text_and_then_shows_the_time_only() -> None:
    (found,) = moments(("It began at 14:30 CET.", "Incident of 3 October 2026."))
    assert (found.value, found.text, found.start, found.end) == ("2026-10-03T14:30:00+01:00", 0, 12, 21)


@pytest.mark.parametrize("text", ["on 3 October 2026", "at 14:30", "in October 2026 at 14:30", "3 May at 14:30", ""])
def test_without_a_day_or_a_time_there_is_no_moment(text: str) -> None:
    assert not moments((text,))


def test_where_there_are_too_many_each_time_keeps_the_days_beside_it() -> None:
    text = " ".join(f"{day} March {year} at {year % 24:02}:{day:02}." for year in range(2001, 2013) for day in range(1, 29))
    found = {moment.value for moment in moments((text,))}
    assert len(found) <= 3 * MOST_MOMENTS and "2002-03-07T10:07:00Z" in found and "2011-03-07T10:07:00Z" not in found


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(
    ["at", "9", "14:30", "2:30", "pm", "UTC", "+02:00", "3 May 2026", "las", "dos", "y", "media", "h", ":", "-", "noon", "é", "\u0130", "ﬁ", " ", "\n", "yes", "no", "✓"]
), max_size=20).map(" ".join)))  # fmt: skip
def test_no_text_is_too_strange(text: str) -> None:
    for clock in clock_mentions((text,)):
        assert 0 <= clock.start < clock.end <= len(text) and CHECKS["time"](f"{clock.time}Z")
    for moment in moments((text,)):
        assert 0 <= moment.start < moment.end <= len(text) and CHECKS["date-time"](moment.value)
    assert all(0 <= truth.start < truth.end <= len(text) for truth in truths(text))


@pytest.mark.parametrize("piece", ["at 9:30 on 3 May 2026, ", "1:", "at ", "a", "half past ", "las 3 y ", " ", "9 ", "[ ", "9:30 "])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    began = time.perf_counter()
    moments((text,))
    times((text,))
    list(truths(text))
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(("text", "read"), [
    ("Reviewed: yes. Sin hallazgos.", [(True, "yes")]), ("it isn't approved", [(False, "isn't")]), ("Sí, aprobado. No.", [(True, "Sí"), (False, "No")]),
    ("✓ signed [ ] paid [x]", [(True, "✓"), (False, "[ ]"), (True, "[x]")]), ("Reviewed: y\nSigned: N", [(True, "y"), (False, "N")]), ("Ana y no Luis", []),
    ("no data was lost. No. 5 is closed, no.", []), ("not only was it signed", []), ("nunca se firmó", [(False, "nunca")]), ("Si el cliente llama", []),
    ("| signed | yes | paid | no |", [(True, "yes"), (False, "no")]), ("firmado = si\u0301", [(True, "si\u0301")]), ("y", []), ("", []),
])  # fmt: skip
def test_answers(text: str, read: list[tuple[bool, str]]) -> None:
    assert [(truth.value, text[truth.start : truth.end]) for truth in truths(text)] == read


def test_no_text_tells_more_moments_than_somebody_could_mean() -> None:
    """Offsets, times and days multiply where they stand close to each other."""
    offsets = " ".join(f"10:{i:02}+{i % 14:02}:{i % 60:02}" for i in range(60))
    dense = offsets + " 3 October 2026 " + "1º1:30 " * 5000
    began = time.monotonic()
    assert len(moments((dense,))) <= MOST_TOLD + 20_000 and time.monotonic() - began < 20
    told = {moment.value[8:] for moment in times((offsets + " at 9:15",)) if moment.value.startswith("09:15")}
    assert len(told) == MOST_OFFSETS + 1 and "Z" in told
