"""The two judges."""

from __future__ import annotations

import random
from typing import Any

import pytest

from schemas.validation import ReportValidator, SecondJudge, is_multiple
from schemas.violation import Violation, parts_of, pointer

JUDGES = [ReportValidator, SecondJudge]


@pytest.mark.parametrize("judge", JUDGES)
def test_a_violation_says_which_keyword_where_in_instance_and_schema(judge: Any) -> None:
    schema = {"properties": {"a/b": {"items": {"$ref": "#/$defs/n"}}}, "$defs": {"n": {"minimum": 3}}}
    (found,) = judge(schema).violations({"a/b": [5, 1]})
    assert (found.keyword, found.instance_path) == ("minimum", "/a~1b/1")
    assert found.schema_path.endswith("/minimum") and "1" in found.message


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("text", ["NaN", '{"a":1,"a":1}', "{", '"\\ud800"', "1e999"])
def test_a_text_that_is_not_strict_json_breaks_the_keyword_json(judge: Any, text: str) -> None:
    checked = judge({}).check(text)
    assert not checked.valid and checked.value is None
    assert [found.keyword for found in checked.violations] == ["json"]


@pytest.mark.parametrize("judge", JUDGES)
def test_a_valid_text_gives_its_value(judge: Any) -> None:
    checked = judge({"type": "object"}).check('{"a":[1,2.5]}')
    assert checked.valid and checked.value == {"a": [1, 2.5]}


@pytest.mark.parametrize("judge", JUDGES)
def test_money_is_a_multiple_of_a_cent(judge: Any) -> None:
    cents, dimes = judge({"multipleOf": 0.01}), judge({"multipleOf": 0.1})
    draw = random.Random(5)
    for _ in range(500):
        amount = draw.randint(0, 10**9) / 100
        assert not cents.violations(amount), amount
        assert bool(dimes.violations(amount)) == (not is_multiple(amount, 0.1)), amount
    assert cents.violations(0.015) and cents.violations(19.999) and not cents.violations(4.35)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_pattern_means_the_same_to_both(judge: Any) -> None:
    word = judge({"pattern": "^\\w+$"})
    assert not word.violations("a_1") and word.violations("é") and word.violations("a\n") and word.violations("٣")
    assert not judge({"pattern": "^\\s$"}).violations("\u00a0") and judge({"pattern": "^\\s$"}).violations("\x1c")
    assert judge({"patternProperties": {"^a$": False}}).violations({"a": 1})
    assert not judge({"patternProperties": {"^a$": False}}).violations({"a\n": 1})


@pytest.mark.parametrize("judge", JUDGES)
def test_nothing_is_fetched(judge: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)resource|resolv|unresolvable"):
        judge({"$ref": "http://127.0.0.1:1/x"}).violations(1)


def test_the_serving_judge_takes_linear_time_over_a_cruel_pattern() -> None:
    assert ReportValidator({"pattern": "^(a+)+$"}).violations("a" * 50_000 + "!")


def test_the_number_of_violations_is_bounded() -> None:
    assert len(ReportValidator({"items": {"type": "null"}}).violations([1] * 1000)) == 100


def test_paths_are_json_pointers() -> None:
    assert pointer(["a/b", 0, "c~"]) == "/a~1b/0/c~0" and parts_of("/a~1b/0/c~0") == ("a/b", "0", "c~")
    assert parts_of("") == () and str(Violation("type", "", "", "no")) == "/: no (type)"
    with pytest.raises(ValueError, match="Pointer"):
        Violation("type", "a", "", "no")
