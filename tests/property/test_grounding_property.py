"""The promise of STRICT: whatever the weights, the text and the schema, a report says nothing that the texts do not."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.catalog import Catalog
from schemas.grounding import Kinds, leaves
from schemas.reading.clock import moments, times
from schemas.reading.dates import dates
from schemas.reading.numbers import numbers
from schemas.reading.truths import truths
from schemas.validation import SecondJudge
from service.engine.engine import Engine
from service.errors import PromptTooLong, ReportInvalid, RequestInvalid
from service.evidence import QUESTION, Status
from service.generator import Generator
from service.grammars import grammar
from service.grammars.sources import Sources
from service.request import ContextItem, DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import GenerationResult
from service.weights.checkpoint import read_base
from tests import tiny
from tests.engines import RandomExecutor

NUM_EXAMPLES = int(os.environ.get("ESCRIBANO_EXAMPLES", "60"))
"""`ESCRIBANO_EXAMPLES=10000 pytest -o timeout=1200 tests/property/test_grounding_property.py` for the long run."""
STATUS = Catalog.load().get("agent_status").schema
EXAMPLES = settings(max_examples=NUM_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

WORDS = st.sampled_from([
    "Ana", "Torres", "triage-agent-2", "ana@acme.io", "on", "at", "risk", '"quoted"', "\\", '"}', "#", "{", "cafe\u0301", "👩‍💻", "مرحبا", "3", "1,204", "12.400,50", "$12.5k",
    "30%", "-7", "4.2 s", "twenty-two", "March", "14/03/2026", "2026", "Q3", "9th", "el 5 de mayo", "week", "a", "</s>", "\x7f", "O'Brien", "no", "yes", "at 9:30", "14:05 CET", "noon",
])  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", "\n", "\r\n", "\t", ", ", "\u00a0", ""])), min_size=1, max_size=25).map(lambda two: "".join(w + s for w, s in two)),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60),
).filter(lambda text: bool(text.strip()))  # fmt: skip

LEAVES: st.SearchStrategy[dict[str, Any]] = st.sampled_from([
    {"type": "string"}, {"type": "string", "maxLength": 6}, {"type": "string", "minLength": 4}, {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": "string", "x-grounding": "extract", "format": "email"}, {"type": "string", "x-grounding": "extract", "pattern": "^[a-z]+(-[a-z0-9]+)*$"},
    {"type": "string", "format": "date"}, {"type": "integer"}, {"type": "integer", "minimum": 1, "maximum": 31}, {"type": "number"}, {"type": "number", "exclusiveMinimum": 3},
    {"type": "integer", "multipleOf": 2}, {"enum": ["red", "green"]}, {"type": "boolean"}, {"type": "null"}, {"type": "string", "format": "time"},
    {"type": "string", "format": "date-time"}, {"type": "boolean", "x-grounding": "normalize"}, {"type": "string", "pattern": "^[a-z]+(-[a-z0-9]+)+$"},
])  # fmt: skip


def closed(names: list[str], inner: list[Any], required: list[bool]) -> dict[str, Any]:
    needed = [name for name, is_needed in zip(names, required, strict=False) if is_needed]
    return {"type": "object", "properties": dict(zip(names, inner, strict=False)), "required": needed, "additionalProperties": False}


def schemas(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of which every leaf is within reach of the grounding."""
    if depth == 0:
        return LEAVES
    inner = schemas(depth - 1)
    names = st.lists(st.sampled_from(["a", "b", "name", 'q"é', "enum"]), min_size=1, max_size=4, unique=True)
    return st.one_of(
        LEAVES,
        st.builds(closed, names, st.lists(inner, min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4)),
        st.builds(lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more}, inner, st.integers(0, 2), st.integers(0, 2)),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": [*branches, {"type": "null"}]}),
    )


def shared(inner: dict[str, Any]) -> dict[str, Any]:
    """The schema twice over, behind one reference."""
    holder = closed(["x"], [closed(["y"], [inner], [True])], [True])
    return closed(["one", "two"], [{"$ref": "#/$defs/held"}] * 2, [True, True]) | {"$defs": {"held": holder}}


ROOTS = st.one_of(schemas(), schemas(1).map(shared))
OPTIONS = st.builds(DecodingOptions, max_new_tokens=st.just(400), temperature=st.sampled_from([0.0, 1.0, 2.0]), seed=st.integers(0, 2**63 - 1))


@pytest.fixture(scope="module")
def generator(tiny_base: Path) -> Iterator[Generator]:
    """One that compiles a stranger's schema in this process, so that many can be tried."""
    engine = Engine(RandomExecutor(tiny.VOCAB_SIZE, num_slots=8, context_length=tiny.CONTEXT_LENGTH))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "_compile_apart", lambda *_: None)
        yield Generator(read_base(tiny_base), [], engine, Catalog.load())
    engine.close()


def written(generator: Generator, request: GenerationRequest) -> GenerationResult | None:
    try:
        return asyncio.run(generator.generate(request))
    except (ReportInvalid, PromptTooLong):
        return None
    except RequestInvalid as error:
        assert "the shortest report found takes" in str(error) or "fit the model's context" in str(error)
        return None


def folded(text: str) -> str:
    return " ".join(text.split())


def branches_of(root: dict[str, Any], node: Any) -> Iterator[dict[str, Any]]:
    if "$ref" in node:
        yield from branches_of(root, root["$defs"][node["$ref"].rpartition("/")[2]])
    elif "anyOf" in node:
        for branch in node["anyOf"]:
            yield from branches_of(root, branch)
    else:
        yield node


def nodes_at(root: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """Every node without alternatives that may describe the value at a pointer."""
    nodes = list(branches_of(root, root))
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        inner = [n["items"] if n.get("type") == "array" else n["properties"][name] for n in nodes if n.get("type") == "array" or name in n.get("properties", {})]
        nodes = [branch for node in inner for branch in branches_of(root, node)]
    return nodes


def is_founded(value: Any, node: dict[str, Any], texts: tuple[str, ...]) -> bool:
    """Whether a leaf's node takes the value for a reason: it is in the texts, or the texts offer the node nothing, or it needs none."""
    judge = SecondJudge(node)
    if judge.violations(value):
        return False
    kind = node.get("x-grounding") or Kinds(node).at("")
    if kind == "classify" or value is None:
        return True
    if node["type"] == "boolean":
        said = {truth.value for text in texts for truth in truths(text)}
        return value in said or not said
    if node.get("format") in ("date-time", "time"):
        told = {moment.value for moment in (moments if node["format"] == "date-time" else times)(texts)}
        return value in told or not told
    if node["type"] == "string" and node.get("format") == "date":
        read = {day.isoformat() for day in dates(*texts)}
        return value in read or not read
    if node["type"] in ("integer", "number"):
        fits = {n for text in texts for n in (*numbers(text), Decimal(0)) if not judge.violations(int(n) if n == n.to_integral_value() else float(n))}
        return float(value) in map(float, fits) or not fits
    if kind == "normalize":
        read = {day.isoformat() for day in dates(*texts)}
        return value in read or any(value.casefold() in text.casefold() for text in texts) or not offered(node, texts)
    return any(value in folded(text) for text in texts) or not offered(node, texts)



def offered(node: dict[str, Any], texts: tuple[str, ...]) -> bool:
    judge, sources = SecondJudge(node), Sources(texts)
    if "pattern" in node or "format" in node:
        if Kinds(node).at("") == "normalize" and not all(map(judge.violations, sources.cased)):
            return True
        return bool(sources.ids(lambda words: {word for word in words if not judge.violations(word)}, with_spaces=True))
    spans = ("".join(c[i:j]) for c in sources.chunks for i in range(len(c)) for j in range(i + 1, len(c) + 1))
    return any(span == span.strip() and not judge.violations(span) for span in spans)


@EXAMPLES
@given(schema=ROOTS, question=TEXTS, context=st.lists(TEXTS, max_size=2), options=OPTIONS)
def test_every_leaf_of_a_strict_report_is_in_the_texts(
    generator: Generator, schema: dict[str, Any], question: str, context: list[str], options: DecodingOptions
) -> None:
    items = tuple(ContextItem(str(i), text) for i, text in enumerate(context))
    found = written(generator, GenerationRequest(question, items, schema_json=json.dumps(schema), options=options))
    if found is None or not found.valid:
        return
    assert found.grounding is Grounding.STRICT
    assert not SecondJudge(schema).check(found.report_json).violations, found.report_json
    report = json.loads(found.report_json)
    for path, value in leaves(report):
        assert any(is_founded(value, node, (question, *context)) for node in nodes_at(schema, path)), (path, value)
    assert_spans_cut(found, {QUESTION: question, **{item.id: item.text for item in items}})


def assert_spans_cut(found: GenerationResult, texts: dict[str, str]) -> None:
    """Every span lies in its text, and cuts out what was copied."""
    values = dict(leaves(json.loads(found.report_json)))
    assert [leaf.pointer for leaf in found.evidence] == list(values)
    for leaf in found.evidence:
        if leaf.span is not None:
            assert 0 <= leaf.span.start < leaf.span.end <= len(texts[leaf.span.source])
            cut = folded(texts[leaf.span.source][leaf.span.start : leaf.span.end])
            assert leaf.status is not Status.COPIED or cut == folded(str(values[leaf.pointer])), leaf


@EXAMPLES
@given(question=TEXTS, context=st.lists(TEXTS, max_size=2), options=OPTIONS)
def test_every_leaf_of_a_strict_status_report_is_in_the_texts(generator: Generator, question: str, context: list[str], options: DecodingOptions) -> None:
    items = tuple(ContextItem(str(i), text) for i, text in enumerate(context))
    found = written(generator, GenerationRequest(question, items, schema_id="agent_status", options=replace(options, max_new_tokens=900)))
    if found is None or not found.valid:
        return
    assert found.grounding is Grounding.STRICT
    for path, value in leaves(json.loads(found.report_json)):
        assert any(is_founded(value, node, (question, *context)) for node in nodes_at(STATUS, path)), (path, value)


@settings(EXAMPLES, max_examples=10)
@given(schema=ROOTS, question=TEXTS)
def test_without_a_mask_nothing_is_grounded(generator: Generator, schema: dict[str, Any], question: str) -> None:
    options = DecodingOptions(mode=Mode.FREE, max_new_tokens=20)
    found = written(generator, GenerationRequest(question, schema_json=json.dumps(schema), options=options))
    assert found is None or found.grounding is Grounding.OFF
