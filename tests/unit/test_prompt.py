"""The prompt: one function for training and serving, and a schema in few tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from schemas.catalog import Catalog
from schemas.prompt import MAX_SIGNATURE_CHARS, SignatureTooLong, render, signature


@dataclass(frozen=True)
class Item:
    id: str
    text: str


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}, '{"a":text,"b":int}'),
        ({"properties": {"a": {"type": "number"}}}, '{"a":num}'),
        ({"items": {"type": "boolean"}}, "[bool]"),
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "string", "pattern": "^A"}, "id"),
        ({"enum": ["low", "high", None, 3]}, "low|high|3?"),
        ({"const": "x"}, "x"),
        ({"type": ["string", "null"]}, "text?"),
        ({"type": ["array", "null"], "items": {"type": "string"}}, "[text]?"),
        ({"type": ["object", "null"], "properties": {"x": {"type": "integer"}}}, '{"x":int}?'),
        ({"anyOf": [{"type": "null"}, {"type": "string"}, {"type": "string"}]}, "text?"),
        ({"$defs": {"d": {"type": "integer"}, "e": {"$ref": "#/$defs/d"}}, "items": {"$ref": "#/$defs/e"}}, "[int]"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_a_schema_is_shown_in_few_tokens(schema: Any, shown: str) -> None:
    assert signature(schema) == shown


def test_a_signature_has_a_length_it_may_not_pass() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(12):
        deep = {"properties": {f"member_{i}": deep for i in range(4)}}
    with pytest.raises(SignatureTooLong):
        signature(deep)
    assert all(len(signature(Catalog.load().get(name).schema)) < MAX_SIGNATURE_CHARS / 10 for name in Catalog.load().ids())


def test_a_prompt_names_each_text_and_ends_where_the_report_begins() -> None:
    whole = render("What is up?", [Item("mail-1", "All well."), Item("b", "Not all.")], {"type": "string"})
    assert whole == "### Schema\ntext\n### Context mail-1\nAll well.\n### Context b\nNot all.\n### Question\nWhat is up?\n### Report\n"
    assert render("What is up?") == "### Question\nWhat is up?\n### Report\n"
