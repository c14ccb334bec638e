"""Guesses at what comes next: which place they go on from, how far, and what tokens are. That they change no output is tests/unit/test_engine.py's."""

from __future__ import annotations

import pytest

from service.engine.drafting import MOST_TRIED, MOST_VALUE, Hints, Lookup
from service.planning import delimiters


def test_what_followed_before_is_guessed_to_follow_again() -> None:
    lookup = Lookup.of((1, 2, 3, 4, 9, 2, 3, 5, 6, 7), Hints())
    lookup.extend((2, 3))
    assert lookup.guess(2) == (5, 6), "of two places alike the latest"
    assert lookup.guess(20) == (5, 6, 7), "to the end of the prompt"
    lookup.extend((4,))
    assert lookup.guess(10) == (9, 2, 3, 5, 6, 7), "where more is the same"
    lookup.extend((9, 4))
    assert lookup.guess(9) == (9, 4), "where the last two tokens never stood, the last one counts; the output is looked at too"
    lookup.extend((11,))
    assert lookup.guess(10) == () == lookup.guess(0), "nothing is known of it"


QUOTE, COMMA, SPACE, KEY, NEXT, CLOSE = 1, 2, 3, 4, 5, 6
A_REPORT = (KEY, QUOTE, 20, 21, QUOTE, COMMA, NEXT, QUOTE, 22, QUOTE, CLOSE)


def value_lookup(prompt: tuple[int, ...], *written: int) -> Lookup:
    """What is guessed inside of a text, one report being known beforehand."""
    lookup = Lookup.of(prompt, Hints((A_REPORT,), frozenset({QUOTE}), frozenset({COMMA, CLOSE}), frozenset({SPACE})))
    lookup.extend((KEY, QUOTE, *written))
    return lookup


def test_a_text_is_copied_to_its_end_and_closed_as_its_like_were() -> None:
    assert value_lookup((30, SPACE, 31, COMMA, 32), 30).guess(9) == (SPACE, 31, QUOTE, COMMA, NEXT, QUOTE)
    assert value_lookup((30, SPACE, 31, COMMA, 32), 30, SPACE, 31).guess(2) == (QUOTE, COMMA), "no more than there is room for"
    assert value_lookup((30, SPACE, 31), 30).guess(9) == (SPACE, 31), "where the prompt ends the text may go on"


def test_inside_of_a_text_the_prompt_goes_before_the_examples() -> None:
    assert value_lookup((SPACE, 20, 40), 20).guess(9) == (40,), "though the report has three tokens of it alike"
    assert value_lookup((SPACE, 41, 20, 40), 20).guess(9) == (21, QUOTE, COMMA, NEXT), "but only from the beginning of a word on"
    assert value_lookup((SPACE, 20, 40), 20, 21).guess(9) == (QUOTE, COMMA, NEXT, QUOTE), "and only where it has all of the text"
    assert value_lookup((20, 40, COMMA, 20, 42), 20).guess(9) == (42,), "and of its places the latest"
    assert value_lookup((SPACE, COMMA, 40), 20, 21, QUOTE, COMMA).guess(9) == (NEXT, QUOTE, 22, QUOTE), "nor is it asked behind a text"


@pytest.mark.parametrize(("length", "follows"), [(MOST_VALUE, 40), (MOST_VALUE + 1, 41)])
def test_a_long_text_is_looked_up_by_its_last_tokens(length: int, follows: int) -> None:
    words = tuple(range(50, 50 + length))
    assert value_lookup((SPACE, *words, 40, COMMA, *words[1:], 41), *words).guess(1) == (follows,)


def test_what_an_attempt_begins_with_is_known_like_all_that_is_written() -> None:
    lookup = value_lookup((SPACE, 20, 40))
    lookup.extend((20, 21, QUOTE, COMMA, NEXT, QUOTE))
    lookup.extend((20,))
    assert lookup.guess(9) == (40,)
    together = value_lookup((SPACE, 20, 40), 20, 21, QUOTE, COMMA, NEXT, QUOTE, 20)
    assert (together.opened, together.guess(9)) == (lookup.opened, (40,))


def test_of_a_prompt_of_one_word_over_and_over_only_so_many_places_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(Lookup, "_is_edge", lambda _, at: looked_at.append(at))
    assert value_lookup((SPACE, *[30] * 8_000), *[30] * 9).guess(1) == (30,)
    assert len(looked_at) == MOST_TRIED


@pytest.mark.parametrize(
    ("text", "kind"),
    [('"', "quotes"), ('":"', "quotes"), ('},{"', "quotes"), (",", "ends"), (" |", "ends"), ("\n\n", "ends"), ("%).", "ends"), ("¿", "ends"), (" -", "ends"), (" ", "spaces"), ("   ", "spaces"),
     ("-", ""), ("@", ""), ("_", ""), ("word", ""), (" word", ""), ("é", ""), ("\ufffd", ""), ("’", "ends"), ("7", ""), ("1.", ""), ("", "")],
)  # fmt: skip
def test_what_a_token_is(text: str, kind: str) -> None:
    found = delimiters(["padding", text])
    assert found.examples == ()
    assert {name for name in ("quotes", "spaces") if getattr(found, name)} == {kind} & {"quotes", "spaces"}
    assert (1 in found.ends) == (kind in {"ends", "quotes"})
    assert 0 not in found.quotes | found.ends | found.spaces
