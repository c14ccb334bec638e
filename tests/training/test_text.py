"""Annotated text: pieces keep track of what they state, whatever noise does to them."""

from __future__ import annotations

import random

import pytest

from training.notes.text import (
    capitalized,
    contracted,
    ended,
    join,
    literal,
    mapped,
    plain,
    spans,
    stated,
    template,
    with_typos,
    without_accents,
)


def test_a_wording_is_filled_slot_by_slot() -> None:
    told = template("{who} fixed {what}.").fill({"who": stated("Ana", "owner"), "what": literal("it")})
    assert plain(told) == "Ana fixed it."
    assert spans(told) == {"owner": "Ana"}


def test_a_wording_names_its_slots_and_its_source() -> None:
    wording = template("{who} fixed {what}")
    assert wording.slots == {"who", "what"}
    assert wording.source == "{who} fixed {what}"


def test_a_slot_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="what"):
        template("{who} fixed {what}").fill({"who": literal("Ana")})


def test_the_first_string_stated_for_a_fact_is_its_span() -> None:
    assert spans([*stated("Ana Ruiz", "owner"), *literal(" / "), *stated("Ana", "owner")]) == {"owner": "Ana Ruiz"}


@pytest.mark.parametrize("path", ["agent", "email"])
def test_an_identifier_keeps_its_case_at_the_start_of_a_sentence(path: str) -> None:
    assert plain(capitalized(stated("bot-1", path))) == "bot-1"


def test_other_sentences_start_with_a_capital() -> None:
    assert plain(capitalized([*literal(""), *stated("queue jam", "incidents.0.title")])) == "Queue jam"


@pytest.mark.parametrize(
    ("words", "closed"), [("done", "done."), ("done!", "done!"), ("really?", "really?"), ("wait… ", "wait… ")]
)
def test_a_sentence_is_closed_once(words: str, closed: str) -> None:
    assert plain(ended(literal(words), ".")) == closed


@pytest.mark.parametrize(("before", "after"), [("se pasó a ", "se pasó al "), ("la cola de ", "la cola del ")])
def test_spanish_contracts_across_pieces(before: str, after: str) -> None:
    told = contracted([*literal(before), *literal("el "), *stated("gerente", "escalated")])
    assert plain(told) == after + "gerente"
    assert spans(told) == {"escalated": "gerente"}


def test_a_value_is_never_contracted() -> None:
    assert plain(contracted([*literal("se pasó a "), *stated("el Salvador", "escalated")])) == "se pasó a el Salvador"


def test_empty_parts_leave_no_separator() -> None:
    assert plain(join([literal("a"), [], literal("b")], ", ")) == "a, b"


def test_noise_changes_words_and_never_what_they_state() -> None:
    told = mapped([*literal("el "), *stated("Ñandú", "owner")], lambda words, _: words.lower())
    assert told == [("el ", None), ("ñandú", "owner")]


def test_typos_touch_long_words_only_and_leave_figures_alone() -> None:
    rng = random.Random(1)
    noisy = with_typos(rng, "on the 12,400 queue of invoices", 1.0)
    assert noisy.split()[:3] == ["on", "the", "12,400"]
    assert noisy.split()[3] != "queue" or noisy.split()[5] != "invoices"


def test_accents_go_and_eñes_stay() -> None:
    assert without_accents("pingüino, mañana, acción, façade") == "pinguino, mañana, accion, façade"
