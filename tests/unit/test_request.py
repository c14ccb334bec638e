"""A request that exists is well formed; one that is not names every field to blame."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from service.errors import RequestInvalid
from service.request import LIMITS, ContextItem, DecodingOptions, GenerationRequest, Mode


def request(**changes: Any) -> GenerationRequest:
    """A good request with these fields instead."""
    return GenerationRequest(**({"question": "All is well.", "schema_id": "agent_status"} | changes))


def blamed(**changes: Any) -> list[str]:
    """The fields blamed for a request with these changes."""
    with pytest.raises(RequestInvalid) as caught:
        request(**changes)
    return [violation.field for violation in caught.value.violations]


def items(*pairs: tuple[str, str]) -> tuple[ContextItem, ...]:
    return tuple(ContextItem(*pair) for pair in pairs)


def test_what_is_unset_means_greedy_backstop_and_the_servers_default_length() -> None:
    assert request().options == DecodingOptions(Mode.BACKSTOP, None, 0.0, 0)


def test_the_largest_request_is_accepted() -> None:
    size = LIMITS.max_context_chars // LIMITS.max_context_items
    context = items(*((f"c{i}", "é" * size) for i in range(LIMITS.max_context_items)))
    options = DecodingOptions(Mode.FREE, LIMITS.max_new_tokens, LIMITS.max_temperature, LIMITS.max_seed)
    request(question="ñ" * LIMITS.max_question_chars, context=context, options=options)


@pytest.mark.parametrize("question", ["", " ", "\n\t\u00a0"])
def test_a_blank_question_is_refused(question: str) -> None:
    assert blamed(question=question) == ["question"]


def test_a_question_one_character_too_long_is_refused_and_told_by_how_much() -> None:
    with pytest.raises(RequestInvalid, match=r"question: has 20001 characters; the limit is 20000"):
        request(question="a" * 20_001)


@pytest.mark.parametrize("bad", ["\0", "\ud800", "\udfff"])
def test_nul_and_lone_surrogates_are_refused_in_every_text(bad: str) -> None:
    text = f"a{bad}b"
    assert blamed(question=text) == ["question"]
    assert blamed(context=items((text, "x"), ("c", text))) == ["context[0].id", "context[1].text"]
    assert blamed(schema_id=text) == ["schema_id"]
    assert blamed(schema_id=None, schema_json=text) == ["schema_json"]
    assert blamed(adapter_id=text) == ["adapter_id"]


def test_neither_and_both_schemas_are_refused() -> None:
    assert blamed(schema_id=None) == ["schema"]
    assert blamed(schema_json="{}") == ["schema"]


@pytest.mark.parametrize("field", ["schema_id", "adapter_id"])
@pytest.mark.parametrize("value", ["", " ", "a" * 201])
def test_an_id_is_neither_empty_nor_endless(field: str, value: str) -> None:
    assert blamed(**{field: value}) == [field]


def test_an_empty_schema_and_one_over_the_byte_limit_are_refused() -> None:
    assert blamed(schema_id=None, schema_json="") == ["schema_json"]
    assert blamed(schema_id=None, schema_json="é" * (LIMITS.max_schema_json_bytes // 2 + 1)) == ["schema_json"]


def test_context_has_a_limit_on_items_on_characters_and_its_ids_are_unique() -> None:
    assert blamed(context=items(*((str(i), "x") for i in range(17)))) == ["context"]
    assert blamed(context=items(("a", "x" * 10_000), ("b", "x" * 10_001))) == ["context"]
    assert blamed(context=items(("a", "x"), ("a", "y"), ("", "z"))) == ["context[1].id", "context[2].id"]


@pytest.mark.parametrize("value", [0, -1, LIMITS.max_new_tokens + 1])
def test_max_new_tokens_has_a_range(value: int) -> None:
    assert blamed(options=DecodingOptions(max_new_tokens=value)) == ["options.max_new_tokens"]


@pytest.mark.parametrize("value", [-0.1, 2.1, math.nan, math.inf, -math.inf])
def test_temperature_has_a_range_and_is_a_number(value: float) -> None:
    assert blamed(options=DecodingOptions(temperature=value)) == ["options.temperature"]


@pytest.mark.parametrize("value", [-1, 2**63])
def test_seed_has_a_range(value: int) -> None:
    assert blamed(options=DecodingOptions(seed=value)) == ["options.seed"]


def test_every_breach_is_told_at_once() -> None:
    options = DecodingOptions(max_new_tokens=0, temperature=3, seed=-1)
    names = ["question", "schema", "options.max_new_tokens", "options.temperature", "options.seed"]
    assert blamed(question="", schema_id=None, options=options) == names


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        request().question = ""  # type: ignore[misc]
