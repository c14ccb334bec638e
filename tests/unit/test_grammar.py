"""Grammars: what is masked, what is forced, and what becomes of a schema that a stranger sent."""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from schemas.admission import SchemaRefused, admit
from schemas.catalog import Catalog
from schemas.validation import SecondJudge
from service.errors import MatcherFailed
from service.grammars import grammar
from service.grammars.grammar import Compiled, GrammarMatcher, Grammars, without_markers
from tests import children, tiny

TOKENIZER = tiny.tokenizer()


@pytest.fixture(scope="module")
def shared() -> Grammars:
    return Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE, (tiny.EOS_ID,))


@pytest.fixture
def grammars() -> Grammars:
    return Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE, (tiny.EOS_ID,))


def matcher(grammars: Grammars, schema: dict[str, Any]) -> GrammarMatcher:
    return grammars.compiled(admit(schema), trusted=True).fresh()


def written(found: GrammarMatcher, *, forcing: bool) -> str:
    """What is written by taking the lowest allowed token each time."""
    ids: list[int] = found.forced() if forcing else []
    while (token := int(found.allowed().argmax())) != tiny.EOS_ID:
        found.consume(token)
        ids.append(token)
        if forcing:
            ids += found.forced()
    assert set(found.allowed().nonzero()[0]) == {tiny.EOS_ID} and found.forced() == []
    return TOKENIZER.decode(ids, skip_special_tokens=False)


FIXED = (
    {"const": "a</s>b"},
    {"const": "<s></s><pad>"},
    {"const": {"<s>": ["</s>", None]}},
    {"type": "object", "properties": {"</s>": {"type": "null"}, "zz": {"const": 1}}, "required": ["</s>", "zz"], "additionalProperties": False},
    {"const": "cañón 😀 \"q\" \\ \n"},
    {"enum": [12345]},
)  # fmt: skip


@pytest.mark.parametrize("schema", FIXED, ids=json.dumps)
@pytest.mark.parametrize("forcing", [True, False])
def test_a_fixed_text_is_written_even_where_it_spells_a_special_token(schema: dict[str, Any], forcing: bool, shared: Grammars) -> None:
    value = json.loads(written(matcher(shared, schema), forcing=forcing))
    assert not SecondJudge(schema).violations(value)


def test_all_of_a_fixed_text_is_forced_and_its_end_is_not(shared: Grammars) -> None:
    found = matcher(shared, {"const": {"status": "on_track"}})
    assert TOKENIZER.decode(found.forced()) == '{"status":"on_track"}'
    assert found.allowed().nonzero()[0].tolist() == [tiny.EOS_ID]


def test_the_mask_has_no_special_token_before_the_end_and_spans_the_whole_vocabulary(shared: Grammars) -> None:
    found = matcher(shared, {"type": "string"})
    allowed = found.allowed()
    assert allowed.shape == (tiny.VOCAB_SIZE,) and allowed.any() and not allowed[:3].any()


def test_there_are_no_spaces_between_tokens_and_properties_keep_their_order(shared: Grammars) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "boolean"}, "a": {"type": "null"}}, "required": ["a", "b"], "additionalProperties": False}
    assert written(matcher(shared, schema), forcing=True) in ('{"b":true,"a":null}', '{"b":false,"a":null}')


def test_a_token_that_is_not_allowed_fails_the_matcher_for_good(shared: Grammars) -> None:
    found = matcher(shared, {"type": "boolean"})
    refused = int((~found.allowed()).argmax())
    with pytest.raises(MatcherFailed) as caught:
        found.consume(refused)
    assert caught.value.detail and "token" not in str(caught.value)
    for call in (found.allowed, found.forced, lambda: found.consume(refused)):
        with pytest.raises(MatcherFailed):
            call()


@pytest.mark.parametrize("forcing", [True, False])
@pytest.mark.parametrize("name", ["agent_status", "usage_cost"])
def test_a_token_is_taken_exactly_where_the_mask_has_it(name: str, forcing: bool, shared: Grammars) -> None:
    """Along a report that is drawn from the mask, with tokens tried at each place that it has, that it has not and that begin one it has; one that is not taken leaves no trace."""
    draw, found = random.Random(name), matcher(shared, Catalog.load().get(name).schema)
    texts = [TOKENIZER.decode([token]) for token in range(tiny.VOCAB_SIZE)]
    for _ in range(60):
        if forcing:
            found.forced()
        allowed = found.allowed()
        few = draw.sample(allowed.nonzero()[0].tolist(), min(5, int(allowed.sum())))
        shorter = [token for token, text in enumerate(texts) if text and any(texts[whole].startswith(text) for whole in few)]
        some = {*draw.sample(range(tiny.VOCAB_SIZE), 40), *few, *shorter} - {tiny.EOS_ID}
        for token in some:
            assert found.copy().take(token) == allowed[token]
        refused = next((token for token in some if not allowed[token]), None)
        assert refused is None or (not found.take(refused) and (found.allowed() == allowed).all())
        if not (taken := [token for token in some if allowed[token]]):
            break
        assert found.take(draw.choice(taken))


def test_matchers_of_one_grammar_are_strangers_to_each_other(shared: Grammars) -> None:
    compiled = shared.compiled(admit({"enum": ["ab", "cd"]}), trusted=True)
    one, other = compiled.fresh(), compiled.fresh()
    one.forced()
    one.consume(int(one.allowed().argmax()))
    assert other.forced() and compiled.fresh().forced()


def test_several_ends_are_all_allowed_at_the_end() -> None:
    grammars = Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE, (tiny.EOS_ID, 0))
    found = matcher(grammars, {"const": 1})
    found.forced()
    assert found.allowed().nonzero()[0].tolist() == [0, tiny.EOS_ID]


def test_a_model_with_more_rows_than_the_tokenizer_has_tokens_gets_a_mask_of_its_own_width() -> None:
    grammars = Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE + 33, (tiny.EOS_ID,))
    allowed = matcher(grammars, {"type": "string"}).allowed()
    assert len(allowed) == tiny.VOCAB_SIZE + 33 and not allowed[tiny.VOCAB_SIZE :].any()


def test_the_markers_of_a_unigram_tokenizer_are_hidden_too() -> None:
    made = Tokenizer(models.Unigram([("<unk>", 0.0), ("</s>", 0.0), ("a", -1.0)], unk_id=0))
    made.add_special_tokens(["</s>"])
    hidden = without_markers(made.to_str())
    assert "</s>" not in hidden and Tokenizer.from_str(hidden).get_vocab_size() == 3


# --- the cache -----------------------------------------------------------------------------------------------------------


def test_a_grammar_is_compiled_once_and_the_least_used_is_forgotten(grammars: Grammars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "CACHE_ENTRIES", 2)
    first, second, third = (admit({"const": number}) for number in range(3))

    def compiled(schema: Any) -> Compiled:
        return grammars.compiled(schema, trusted=True)

    one, two = compiled(first), compiled(second)
    assert compiled(first) is one
    compiled(third)
    assert compiled(first) is one and compiled(second) is not two


def test_large_grammars_are_forgotten_sooner(grammars: Grammars, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small, other = admit({"enum": ["x" * 5_000, "y"]}), admit({"const": "small"}), admit({"const": "other"})
    kept = [grammars.compiled(schema, trusted=True) for schema in (large, small)]
    assert kept[0].size_bytes > kept[1].size_bytes + 5_000
    monkeypatch.setattr(grammar, "CACHE_BYTES", 2 * kept[1].size_bytes + 100)
    third = grammars.compiled(other, trusted=True)
    assert [grammars.compiled(schema, trusted=True) for schema in (small, other)] == [kept[1], third]
    again = grammars.compiled(large, trusted=True)
    assert again is not kept[0] and again is grammars.compiled(large, trusted=True), "one is kept, however large"


def test_the_catalog_compiles_without_a_process_of_its_own(grammars: Grammars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_compile_apart", lambda *_: pytest.fail("a process for the catalog"))
    catalog = Catalog.load()
    for schema_id in catalog.ids():
        grammars.compiled(catalog.get(schema_id), trusted=True)


# --- a stranger's schema -------------------------------------------------------------------------------------------------


def test_a_stranger_s_schema_is_compiled_apart_and_then_as_any_other(grammars: Grammars, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = admit({"const": "</s>"})
    compiled = grammars.compiled(schema, trusted=False)
    assert TOKENIZER.decode(compiled.fresh().forced()) == '"</s>"'
    monkeypatch.setattr(grammar, "_compile_apart", lambda *_: pytest.fail("compiled again"))
    assert grammars.compiled(schema, trusted=False) is compiled


@pytest.mark.parametrize(("child", "why"), [(children.crash, "crashed"), (children.hungry, "memory"), (children.sleep, "longer than")])
def test_a_compilation_that_dies_or_grows_or_lasts_is_refused_and_killed(
    child: Any, why: str, grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar, "_child", child)
    if child is children.sleep:
        monkeypatch.setattr(grammar, "COMPILE_TIMEOUT_S", 0.2)
    began = time.monotonic()
    with pytest.raises(SchemaRefused, match=why):
        grammars.compiled(admit({"const": 1}), trusted=False)
    assert time.monotonic() - began < 15
    assert not multiprocessing.active_children()


def test_a_grammar_that_llguidance_refuses_is_told_in_one_line(grammars: Grammars) -> None:
    for trusted in (True, False):
        with pytest.raises(SchemaRefused, match="no grammar could be made of it") as caught:
            grammars.compiled(admit({"type": "string", "pattern": "^a$", "minLength": 5}), trusted=trusted)
        assert "\n" not in caught.value.findings[0].message


def test_a_signal_to_the_whole_group_does_not_end_a_compilation() -> None:
    """Ctrl-C reaches the child too; were it to die of that, a good schema would be told as one that cannot be compiled."""
    script = """
import os, signal
from llguidance import LLMatcher
from service.grammars.grammar import _child
from tests import tiny

class Sender:
    def send(self, error):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        print(repr(error))

_child(Sender(), LLMatcher.grammar_from_json_schema('{"type":"boolean"}'), (tiny.tokenizer().to_str(), tiny.VOCAB_SIZE, [tiny.EOS_ID]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "''\n"), done.stderr
