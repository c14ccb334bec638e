"""Where values stand in a text, the mass of each, and the chance it is told as."""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.grounding import leaves
from schemas.locating import leaf_places, span_of
from service.confidence import UNCALIBRATED, Calibration, logit, masses
from tests.strategies import values


@settings(deadline=None)
@given(values(), st.sampled_from([None, 2]), st.sampled_from(["", " ", "\n\t"]))
def test_every_leaf_is_found_where_it_stands(value: Any, indent: int | None, around: str) -> None:
    text = around + json.dumps(value, indent=indent, ensure_ascii=False) + around
    found = dict(leaf_places(text))
    assert {where: json.loads(text[start:end]) for where, (start, end) in found.items()} == dict(leaves(value))
    assert list(found) == [where for where, _ in leaves(value)], "in the order of the text"


def test_a_value_is_found_by_its_path_and_nothing_else_is() -> None:
    text = '{"a": [1, {"b": "x\\"y"}]}'
    assert text[slice(*span_of(text, ("a", "1", "b")))] == '"x\\"y"'
    assert span_of(text, ()) == (0, len(text))
    with pytest.raises(KeyError):
        span_of(text, ("a", "2"))


def test_the_mass_of_a_value_is_that_of_the_tokens_that_write_it_quotes_and_all() -> None:
    pieces = ['{"', "name", '":"', "An", "a", '","', "n", '":', "1", "2", ',"', "x", '":', "null", "}"]
    logprobs = [-0.01 * (i + 1) for i in range(len(pieces))]
    found = masses(leaf_places("".join(pieces)), list(accumulate(map(len, pieces))), logprobs)
    assert found.keys() == {"/name", "/n", "/x"}
    assert found["/name"] == pytest.approx(math.exp(sum(logprobs[2:6])))
    assert found["/n"] == pytest.approx(math.exp(sum(logprobs[8:10])))
    assert found["/x"] == pytest.approx(math.exp(logprobs[13]))


def test_a_token_that_is_a_part_of_a_character_counts_for_the_value_it_is_in() -> None:
    pieces, ends = ['{"a":"', "", "", "é", '"}'], [6, 6, 6, 7, 9]
    (mass,) = masses(leaf_places("".join(pieces)), ends, [0.0, -1.0, -2.0, -4.0, -8.0]).values()
    assert mass == pytest.approx(math.exp(-15))


@settings(deadline=None)
@given(values(), st.data())
def test_whatever_the_cut_of_the_tokens_a_mass_is_a_share(value: Any, data: st.DataObject) -> None:
    text = canonical_json(value)
    cuts = sorted({*data.draw(st.lists(st.integers(1, len(text)), max_size=12)), len(text)})
    found = masses(leaf_places(text), cuts, [-data.draw(st.floats(0, 60)) for _ in cuts])
    assert found.keys() == dict(leaves(value)).keys()
    assert all(0 <= mass <= 1 for mass in found.values())


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 20), st.floats(-20, 20))
def test_a_confidence_is_a_chance_and_grows_with_the_mass(one: float, other: float, temperature: float, bias: float) -> None:
    told = Calibration(temperature, bias)
    assert 0 <= told(one) <= 1
    assert one > other or told(one) <= told(other)


def test_uncalibrated_a_confidence_is_the_mass() -> None:
    for mass in (0.001, 0.3, 0.999):
        assert UNCALIBRATED(mass) == pytest.approx(mass)
    assert 0 < UNCALIBRATED(0.0) < 1e-5 and 1 - 1e-5 < UNCALIBRATED(1.0) < 1
    assert logit(0.5) == 0


@pytest.mark.parametrize("told", [{"temperature": 0}, {"temperature": "warm"}, {"bias": None}, {"temperature": float("nan")}, ["no object"]])
def test_a_calibration_that_is_none_is_named(told: object) -> None:
    with pytest.raises(ValueError, match=r"^confidence: "):
        Calibration.read({"confidence": told})
    assert Calibration.read({}) == UNCALIBRATED
    assert Calibration.read({"confidence": {"temperature": 2, "bias": -0.5, "fitted_on": {}}}) == Calibration(2.0, -0.5)
