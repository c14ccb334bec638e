"""Ways to the end of a report: legal, short, from the start and from anywhere on."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from schemas.admission import admit
from schemas.catalog import Catalog
from schemas.validation import SecondJudge
from service.grammars.closing import Closer
from service.grammars.grammar import Compiled, Grammars
from tests import tiny
from tests.samples import closed

TOKENIZER = tiny.tokenizer()
GRAMMARS = Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE, (tiny.EOS_ID,))
CLOSER = Closer([TOKENIZER.decode([i], skip_special_tokens=False) for i in range(tiny.VOCAB_SIZE)], (tiny.EOS_ID,))

SHORTEST: list[tuple[dict[str, Any], str]] = [
    ({"type": "null"}, "null"),
    ({"type": "array", "items": {"type": "string"}}, "[]"),
    ({"type": "array", "items": {"type": "array", "items": {}}, "minItems": 2}, "[[],[]]"),
    ({"type": "object"}, "{}"),
    ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "additionalProperties": False}, "{}"),
    (closed(a={"anyOf": [{"type": "string"}, {"type": "null"}]}), '{"a":null}'),
    (closed(a={"anyOf": [{"type": "array", "items": {"type": "null"}, "minItems": 1}, {"type": "array", "maxItems": 0}]}), '{"a":[]}'),
    (closed(a=closed(b=closed(c={"const": 12}))), '{"a":{"b":{"c":12}}}'),
    (closed(a={"type": "string"}, b={"enum": ["no"]}), '{"a":"","b":"no"}'),
    ({"anyOf": [{"type": "string", "minLength": 50}, closed(a={"type": "null"})]}, '{"a":null}'),
    ({"anyOf": [{"type": "string", "pattern": "^[a-z]{50}$"}, {"type": "array", "items": {"const": True}, "minItems": 1}]}, "[true]"),
]
LEGAL: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 1000}, {"type": "number", "exclusiveMinimum": 0.5, "maximum": 0.6}, {"type": "string", "minLength": 30},
    {"type": "string", "pattern": "^[a-f]{3}-[0-9]+x$"}, {"type": "string", "format": "date-time"}, {"type": "string", "format": "uuid"},
    {"enum": ["on_track", "at_risk"]}, {"enum": ["a long story", 3, None, ["x"]]}, {"type": "array", "items": closed(a={"type": "boolean"}), "minItems": 3},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string", "minLength": 1}], "minItems": 2},
    {"type": "object", "properties": {"q\"\\": {"type": "string", "minLength": 2}}, "required": ["q\"\\"], "minProperties": 2},
    {"$ref": "#/$defs/tree", "$defs": {"tree": closed(leaf={"type": "boolean"}, more={"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]})}},
]  # fmt: skip


def compiled(schema: dict[str, Any]) -> Compiled:
    return GRAMMARS.compiled(admit(schema), trusted=True)


def text_of(tokens: tuple[int, ...] | list[int]) -> str:
    return TOKENIZER.decode(list(tokens), skip_special_tokens=False)


@pytest.mark.parametrize(("schema", "text"), SHORTEST, ids=str)
def test_the_shortest_report_is_found(schema: dict[str, Any], text: str) -> None:
    way = CLOSER.way((), compiled(schema).fresh(), 60)
    assert way is not None and text_of(way) == text


@pytest.mark.parametrize("schema", LEGAL, ids=str)
def test_every_way_is_a_report_of_the_schema(schema: dict[str, Any]) -> None:
    way = CLOSER.way((), compiled(schema).fresh(), 100)
    assert way is not None and not SecondJudge(schema).check(text_of(way)).violations, way


@pytest.mark.parametrize("schema", [*(schema for schema, _ in SHORTEST), *LEGAL, Catalog.load().get("agent_status").schema], ids=lambda schema: str(schema)[:40])
@pytest.mark.parametrize("seed", range(5))
def test_from_anywhere_a_way_leads_to_a_report_of_the_schema(schema: dict[str, Any], seed: int) -> None:
    draw, matcher, written = random.Random(seed), compiled(schema).fresh(), list[int]()
    for _ in range(draw.randrange(40)):
        allowed = [int(token) for token in matcher.allowed().nonzero()[0]]
        if not allowed or tiny.EOS_ID in allowed:
            break
        written.append(draw.choice(allowed))
        matcher.consume(written[-1])
    ahead = matcher.copy()
    way = CLOSER.way(written, ahead, 400)
    assert way is not None, text_of(written)
    for token in way:
        assert matcher.allowed()[token]
        matcher.consume(token)
    assert matcher.allowed()[tiny.EOS_ID]
    json.loads(text_of([*written, *way]))


def test_there_is_no_way_in_less_room_than_it_takes() -> None:
    way = CLOSER.way((), compiled(SHORTEST[-1][0]).fresh(), 60)
    assert way is not None
    assert CLOSER.way((), compiled(SHORTEST[-1][0]).fresh(), len(way)) == way
    assert CLOSER.way((), compiled(SHORTEST[-1][0]).fresh(), len(way) - 1) is None


@pytest.mark.parametrize("schema", [{"type": "string", "minLength": 100_000}, {"type": "string", "pattern": "^[a-z]{900}$"}, {"type": "string", "minLength": 900}], ids=str)
def test_a_string_of_thousands_of_letters_is_looked_into_for_a_moment_only(schema: dict[str, Any]) -> None:
    matcher = compiled(schema).fresh()
    copies = 0

    class Counted:
        allowed, consume, forced = staticmethod(matcher.allowed), staticmethod(matcher.consume), staticmethod(matcher.forced)

        def copy(self) -> Any:
            nonlocal copies
            copies += 1
            return matcher.copy()

    CLOSER.way((), Counted(), 1500)
    assert copies <= 250


def test_a_dead_end_has_no_way() -> None:
    class Dead:
        def allowed(self) -> Any:
            return compiled({"type": "null"}).fresh().allowed() & False

        def consume(self, token_id: int) -> None: ...

        def take(self, token_id: int) -> bool:
            return False

        def forced(self) -> list[int]:
            return []

        def copy(self) -> Dead:
            return self

    assert CLOSER.way((), Dead(), 10) is None
