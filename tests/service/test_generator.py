"""The life of a report with a tiny random model: what is told of it, and how it fails."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.admission import SchemaRefused
from schemas.catalog import Catalog, SchemaUnknown
from schemas.grounding import leaves
from schemas.validation import SecondJudge
from service import generator as module
from service.backtrack import Start
from service.engine.engine import Engine
from service.engine.matcher import DeadEnd
from service.engine.sequence import Completion
from service.errors import (
    AdapterMismatch,
    AdapterUnknown,
    DeadlineExceeded,
    MatcherFailed,
    PromptTooLong,
    QueueFull,
    ReportInvalid,
    ReportUngrounded,
    RequestInvalid,
    ShuttingDown,
)
from service.evidence import Status
from service.generator import MAX_ATTEMPTS, Generator
from service.grammars import grammar, grounded
from service.grammars.closing import Closer
from service.request import BASE_ADAPTER_ID, ContextItem, DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import FinishReason
from service.weights.checkpoint import read_base
from tests import children, tiny
from tests.engines import RandomExecutor

VERDICT = {
    "type": "object", "required": ["status", "done"], "additionalProperties": False,
    "properties": {"status": {"enum": ["on_track", "at_risk", "off_track"]}, "done": {"type": "boolean"}},
}  # fmt: skip
PAIR = {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2, "uniqueItems": True}
TWINS = {"type": "array", "items": {"enum": ["yes"]}, "minItems": 2, "maxItems": 2, "uniqueItems": True}
CHECKS = {
    "type": "array", "minItems": 6, "maxItems": 6, "uniqueItems": True,
    "items": {
        "type": "object", "required": ["policy", "result"], "additionalProperties": False,
        "properties": {"policy": {"enum": ["privacy", "security", "safety"]}, "result": {"enum": ["pass", "fail"]}},
    },
}  # fmt: skip
NOTE = {"type": "object", "required": ["note"], "additionalProperties": False, "properties": {"note": {"type": "string"}}}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    path = tmp_path_factory.mktemp("catalog")
    for name, schema in (("verdict", VERDICT), ("pair", PAIR), ("twins", TWINS), ("checks", CHECKS), ("note", NOTE)):
        (path / f"{name}.json").write_text(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name, **schema}))
    return Catalog.load(path)


@pytest.fixture(scope="module")
def adapter_path(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Path:
    path = tmp_path_factory.mktemp("adapters") / "verdicts"
    tiny.save_adapter(tiny_base, path, schema_id="verdict", schema_digest=catalog.get("verdict").digest)
    return path


@pytest.fixture(scope="module")
def generator(tiny_base: Path, adapter_path: Path, catalog: Catalog) -> Iterator[Generator]:
    made = Generator.open(base=str(tiny_base), adapters=[adapter_path], max_batch_size=8, catalog=catalog)
    yield made
    made.close()


@pytest.fixture
def scripted(tiny_base: Path, catalog: Catalog) -> Iterator[tuple[Generator, RandomExecutor]]:
    """A generator on a random executor that a test can hold back."""
    executor = RandomExecutor(tiny.VOCAB_SIZE, num_slots=2, context_length=tiny.CONTEXT_LENGTH)
    made = Generator(read_base(tiny_base), [], Engine(executor, max_queue=2), catalog)
    yield made, executor
    executor.gate.set()
    made.close()


def request(schema: str | dict[str, Any] = "verdict", **changes: Any) -> GenerationRequest:
    options = DecodingOptions(**{name: changes.pop(name) for name in ("mode", "max_new_tokens", "temperature", "seed", "grounding", "require_grounded") if name in changes})
    named = {"schema_id": schema} if isinstance(schema, str) else {"schema_json": json.dumps(schema)}
    return GenerationRequest(**({"question": "All is well."} | named | {"options": options} | changes))


# --- what is told --------------------------------------------------------------------------------------------------------


async def test_a_report_is_valid_and_attested(generator: Generator, catalog: Catalog, tiny_base: Path) -> None:
    found = await generator.generate(request())
    assert found.valid and found.finish_reason is FinishReason.STOP and not SecondJudge(VERDICT).check(found.report_json).violations
    assert (found.schema_id, found.schema_digest) == ("verdict", catalog.get("verdict").digest)
    (adapter,) = generator.adapters
    assert (found.adapter_id, found.adapter_digest, found.base_digest) == ("verdicts", adapter.adapter_digest, read_base(tiny_base).digest)
    assert generator.base_info.base_digest == found.base_digest and generator.base_info.context_length == tiny.CONTEXT_LENGTH
    assert 0 < found.num_forward_passes < found.num_completion_tokens and found.num_forced_tokens > 0
    assert found.num_attempts == 1 and found.native_valid == (found.num_interventions == 0)
    assert found.total_s >= found.queue_s + found.prefill_s + found.decode_s


async def test_the_adapter_s_prompt_is_shorter_by_the_schema(generator: Generator) -> None:
    specialist, base = await asyncio.gather(generator.generate(request()), generator.generate(request(adapter_id=BASE_ADAPTER_ID)))
    assert specialist.prompt_tokens_saved == base.num_prompt_tokens - specialist.num_prompt_tokens > 0
    assert (base.adapter_id, base.adapter_digest, base.prompt_tokens_saved) == (None, None, 0)


async def test_the_base_writes_what_no_adapter_is_for(generator: Generator) -> None:
    found = await generator.generate(request(VERDICT))
    assert found.valid and found.adapter_id is None and found.schema_id == found.schema_digest
    assert (await generator.generate(request("note", max_new_tokens=20))).adapter_id is None


async def test_requests_in_a_crowd_are_answered_as_alone(generator: Generator) -> None:
    asked = [request(question=f"Note {i}", temperature=float(i % 2), seed=i, adapter_id=[None, BASE_ADAPTER_ID][i % 3 == 0]) for i in range(12)]
    alone = [(await generator.generate(one)).report_json for one in asked]
    assert [found.report_json for found in await asyncio.gather(*map(generator.generate, asked))] == alone
    assert len(set(alone)) > 1


async def test_the_context_is_part_of_the_prompt(generator: Generator) -> None:
    bare, more = request(), request(context=(ContextItem("ticket", "It is late."),))
    assert (await generator.generate(more)).num_prompt_tokens > (await generator.generate(bare)).num_prompt_tokens


def test_it_can_be_called_without_an_event_loop(generator: Generator) -> None:
    assert generator.generate_blocking(request(), timeout_s=30).valid


async def test_free_text_is_judged_and_told_as_it_is(generator: Generator) -> None:
    found = await generator.generate(request(mode=Mode.FREE, max_new_tokens=40))
    assert not found.valid and not found.native_valid and found.num_interventions == found.num_forced_tokens == 0
    assert found.violations if found.finish_reason is FinishReason.STOP else not found.violations


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_free_text_cut_off_is_told_as_length(limit: int, generator: Generator) -> None:
    found = await generator.generate(request(mode=Mode.FREE, max_new_tokens=limit))
    assert (found.finish_reason, found.valid, found.num_completion_tokens) == (FinishReason.LENGTH, False, limit)


# --- the token budget ----------------------------------------------------------------------------------------------------


async def shortest(generator: Generator, schema: str | dict[str, Any] = "verdict") -> int:
    with pytest.raises(RequestInvalid) as caught:
        await generator.generate(request(schema, max_new_tokens=1))
    ((field, told),) = ((violation.field, violation.description) for violation in caught.value.violations)
    found = re.fullmatch(r"is 1; the shortest report found takes (\d+) tokens(?:, none takes more than (\d+))?", told)
    assert field == "options.max_new_tokens" and found and int(found[1]) <= int(found[2] or found[1])
    return int(found[1])


@pytest.mark.parametrize("grounding", Grounding)
@pytest.mark.parametrize("schema", ["verdict", "note", "pair"])
async def test_any_budget_that_holds_the_shortest_report_gives_a_valid_one(schema: str, grounding: Grounding, generator: Generator, catalog: Catalog) -> None:
    least = await shortest(generator, schema)
    reasons = set()
    for seed in range(4):
        for limit in range(least, least + 12):
            found = await generator.generate(request(schema, max_new_tokens=limit, temperature=1.5, seed=seed, grounding=grounding, question="Ana sees it well."))
            assert found.valid and not SecondJudge(catalog.get(schema).schema).check(found.report_json).violations, found
            assert found.num_completion_tokens <= limit and len(found.evidence) == len(list(leaves(json.loads(found.report_json))))
            assert all(leaf.confidence is not None for leaf in found.evidence)
            reasons.add(found.finish_reason)
            if found.finish_reason is FinishReason.BUDGET_CLOSED:
                assert not found.native_valid and found.num_interventions > 0
    assert FinishReason.LENGTH not in reasons
    assert schema != "note" or reasons == {FinishReason.BUDGET_CLOSED, FinishReason.STOP}


async def test_a_wide_budget_changes_nothing(generator: Generator) -> None:
    some, much = (await asyncio.gather(*(generator.generate(request(max_new_tokens=limit)) for limit in (300, 900))))
    assert some.report_json == much.report_json and some.finish_reason is much.finish_reason is FinishReason.STOP


async def test_a_budget_that_the_texts_make_too_small_is_refused(generator: Generator) -> None:
    long = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
    least = await shortest(generator, "note")
    with pytest.raises(RequestInvalid, match=f"is {least}; the shortest report found takes [0-9]+ tokens"):
        await generator.generate(request("note", question=long, max_new_tokens=least))
    assert (await generator.generate(request("note", question=long, max_new_tokens=least, grounding=Grounding.OFF))).valid


async def test_a_report_whose_end_no_way_leads_to_is_told_as_length(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Closer, "way", lambda *_: None)
    found = await generator.generate(request(NOTE | {"title": "no way known"}, max_new_tokens=3))
    assert (found.finish_reason, found.valid, found.num_completion_tokens, found.evidence) == (FinishReason.LENGTH, False, 3, ())


# --- the retry budget ----------------------------------------------------------------------------------------------------


async def test_a_report_that_breaks_a_checked_keyword_is_decoded_again(scripted: tuple[Generator, RandomExecutor]) -> None:
    generator, executor = scripted
    found = [await generator.generate(request("pair", question=f"Note {i}")) for i in range(24)]
    assert sum(row.start == 0 for rows in executor.passes for row in rows) == 24, "another attempt does not read the prompt again"
    assert {f.report_json for f in found} == {"[true,false]", "[false,true]"} and all(f.valid for f in found)
    again = [f for f in found if f.num_attempts > 1]
    assert again and not any(f.native_valid for f in again)
    assert all(f.num_forward_passes > f.num_attempts for f in again), "the work of every attempt is told"


async def test_an_attempt_that_ends_where_nothing_is_left_to_choose_is_counted(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both must be the same word, and each word is the one asked for in turn, so the model is against one of them."""
    with closing(Generator.open(str(tiny_base))) as generator:
        decoded, ended = generator._decoded, list[str]()

        async def recorded(*asked: Any) -> Completion:
            try:
                found = await decoded(*asked)
            except DeadEnd:
                ended.append("dead")
                raise
            ended.append("written")
            return found

        monkeypatch.setattr(generator, "_decoded", recorded)
        dead = 0
        for word in ("up", "down", "yes", "no"):
            ended.clear()
            words = {"enum": ["up", "down"] if word in ("up", "down") else ["yes", "no"]}
            twice = {"type": "array", "items": words, "minItems": 2, "maxItems": 2, "contains": {"const": word}, "minContains": 2}
            found = await generator.generate(GenerationRequest("Nothing.", schema_json=json.dumps(twice)))
            assert (json.loads(found.report_json), found.num_attempts) == ([word, word], len(ended))
            dead += ended.count("dead")
        assert dead


async def test_what_was_forced_in_an_earlier_attempt_and_kept_is_counted(scripted: tuple[Generator, RandomExecutor], monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _ = scripted
    decoded, ran = generator._decoded, list[tuple[Start, Completion]]()

    async def recorded(plan: Any, options: Any, start: Start, *rest: Any) -> Completion:
        ran.append((start, await decoded(plan, options, start, *rest)))
        return ran[-1][1]

    monkeypatch.setattr(generator, "_decoded", recorded)
    more = 0
    for i in range(24):
        ran.clear()
        found = await generator.generate(request("pair", question=f"Note {i}"))
        start, last = ran[-1]
        own = len(last.token_ids) - len(start.token_ids) - len(last.choices)
        assert own <= found.num_forced_tokens <= own + len(start.token_ids)
        more += found.num_forced_tokens > own
    assert more


async def test_every_repeated_item_is_replaced_and_what_stood_before_it_is_kept(scripted: tuple[Generator, RandomExecutor], monkeypatch: Any) -> None:
    generator, _ = scripted
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 60)  # six items of six possible ones: the hardest there is
    for i in range(5):
        found = await generator.generate(request("checks", question=f"Note {i}"))
        assert found.valid and len({json.dumps(item) for item in json.loads(found.report_json)}) == 6


async def test_a_report_that_no_attempt_makes_valid_fails_with_its_violations(scripted: tuple[Generator, RandomExecutor]) -> None:
    generator, _ = scripted
    with pytest.raises(ReportInvalid) as caught:
        await generator.generate(request("twins"))
    assert 1 < caught.value.attempts <= MAX_ATTEMPTS and [v.keyword for v in caught.value.violations] == ["uniqueItems"]


DATED = {
    "type": "object", "required": ["due", "done"], "additionalProperties": False,
    "properties": {"due": {"type": "string", "format": "date"}, "done": {"type": "boolean"}},
}  # fmt: skip


async def test_a_value_that_stands_nowhere_is_told_and_fails_a_report_that_must_be_grounded(generator: Generator) -> None:
    loose = request(DATED, question="It will be done soon.")
    told = {leaf.pointer: leaf.status for leaf in (await generator.generate(loose)).evidence}
    assert told["/due"] is Status.UNSUPPORTED
    with pytest.raises(ReportUngrounded, match="/due") as caught:
        await generator.generate(replace(loose, options=DecodingOptions(require_grounded=True)))
    assert [(v.keyword, v.instance_path) for v in caught.value.violations] == [("x-grounding", "/due")]
    dated = replace(loose, question="It will be done on 3 May 2026.", options=DecodingOptions(require_grounded=True))
    assert json.loads((await generator.generate(dated)).report_json)["due"] == "2026-05-03"


# --- failures ------------------------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_told_by_name(generator: Generator) -> None:
    with pytest.raises(SchemaUnknown):
        await generator.generate(request("nope"))
    with pytest.raises(AdapterUnknown):
        await generator.generate(request(adapter_id="nope"))
    with pytest.raises(AdapterMismatch):
        await generator.generate(request("note", adapter_id="verdicts"))


def test_an_adapter_of_another_base_stops_the_start_and_leaves_no_thread(tmp_path: Path, adapter_path: Path, catalog: Catalog) -> None:
    import threading

    tiny.save_base(tmp_path, seed=99)
    with pytest.raises(AdapterMismatch, match="made for base"):
        Generator.open(base=str(tmp_path), adapters=[adapter_path], catalog=catalog)
    time.sleep(0.01)
    assert sum(thread.name == "escribano-engine" and thread.is_alive() for thread in threading.enumerate()) <= 1


async def test_a_prompt_without_room_for_a_report_is_refused(generator: Generator) -> None:
    with pytest.raises(PromptTooLong) as caught:
        await generator.generate(request(question="word " * 1500))
    assert caught.value.num_tokens >= caught.value.limit


async def test_more_tokens_than_there_is_room_for_are_refused_by_name(generator: Generator) -> None:
    with pytest.raises(RequestInvalid, match="max_new_tokens") as caught:
        await generator.generate(request(max_new_tokens=tiny.CONTEXT_LENGTH))
    (violation,) = caught.value.violations
    room = int(violation.description.split("at most ")[1].split()[0])
    assert (await generator.generate(request(max_new_tokens=room))).num_prompt_tokens == tiny.CONTEXT_LENGTH - room
    with pytest.raises(RequestInvalid):
        await generator.generate(request(max_new_tokens=room + 1))


# --- grounding -----------------------------------------------------------------------------------------------------------


async def test_strict_is_the_default_and_the_report_says_only_what_the_texts_say(generator: Generator) -> None:
    context = (ContextItem("a", "Torres"),)
    found = await generator.generate(request("note", question="Ana", context=context))
    assert found.grounding is Grounding.STRICT and json.loads(found.report_json)["note"] in ("Ana", "Torres")


async def test_off_and_free_are_told_as_off(generator: Generator) -> None:
    for changes in ({"grounding": Grounding.OFF}, {"mode": Mode.FREE}, {"mode": Mode.FREE, "grounding": Grounding.STRICT}):
        assert (await generator.generate(request("note", max_new_tokens=20, **changes))).grounding is Grounding.OFF


async def test_a_grounded_grammar_that_cannot_be_made_is_told_as_off(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounded, "MAX_GRAMMAR_CHARS", 1)
    found = await generator.generate(request())
    assert found.valid and found.grounding is Grounding.OFF


async def test_a_failing_matcher_fails_the_request_and_never_goes_on_unmasked(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Any) -> Any:
        raise MatcherFailed("inside")

    with monkeypatch.context() as patched:
        patched.setattr(grammar.GrammarMatcher, "allowed", failing)
        with pytest.raises(MatcherFailed):
            await generator.generate(request())
    assert (await generator.generate(request())).valid


@pytest.mark.parametrize("timeout_s", [0.0, 0.05])
async def test_a_deadline_ends_the_decoding(timeout_s: float, scripted: tuple[Generator, RandomExecutor]) -> None:
    generator, executor = scripted
    executor.gate.clear()
    with pytest.raises(DeadlineExceeded) as caught:
        await generator.generate(request(), timeout_s=timeout_s)
    assert caught.value.timeout_s == timeout_s
    executor.gate.set()
    assert (await generator.generate(request(), timeout_s=30)).valid


async def test_a_deadline_does_not_wait_for_a_slow_schema(scripted: tuple[Generator, RandomExecutor], monkeypatch: pytest.MonkeyPatch) -> None:
    generator, _ = scripted
    monkeypatch.setattr(grammar, "_child", children.sleep)
    monkeypatch.setattr(grammar, "COMPILE_TIMEOUT_S", 5.0)
    began = time.monotonic()
    strangers = [generator.generate(request({"const": i}), timeout_s=0.1) for i in range(8)]
    known = await generator.generate(request(), timeout_s=30)
    failed = await asyncio.gather(*strangers, return_exceptions=True)
    assert time.monotonic() - began < 4.5 and known.valid, "neither the deadline nor the catalog waits for strangers"
    assert all(isinstance(error, DeadlineExceeded) for error in failed)


async def test_cancelling_the_task_frees_its_slot(scripted: tuple[Generator, RandomExecutor]) -> None:
    generator, executor = scripted
    executor.gate.clear()
    tasks = [asyncio.create_task(generator.generate(request("note"))) for _ in range(2)]
    await asyncio.to_thread(executor.entered.wait, 10)
    for task in tasks:
        task.cancel()
    assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True))
    executor.gate.set()
    assert (await generator.generate(request())).valid
    assert sorted(generator._engine._lanes[0]._free) == [0, 1]


async def test_no_more_requests_than_may_wait_are_made_ready(tiny_base: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = RandomExecutor(tiny.VOCAB_SIZE, num_slots=2, context_length=tiny.CONTEXT_LENGTH)
    generator = Generator(read_base(tiny_base), [], Engine(executor), catalog, most_preparing=2)
    gate, plan = threading.Event(), generator._planner.plan
    monkeypatch.setattr(generator._planner, "plan", lambda request: gate.wait(20) and plan(request))
    tasks = [asyncio.create_task(generator.generate(request())) for _ in range(3)]
    (refused,), waiting = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert isinstance(error := refused.exception(), QueueFull) and error.max_queue == 2
    gate.set()
    assert all(found.valid for found in await asyncio.gather(*waiting)) and (await generator.generate(request())).valid
    generator.close()


async def test_strangers_schemas_leave_places_for_those_of_the_catalog(tiny_base: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = RandomExecutor(tiny.VOCAB_SIZE, num_slots=2, context_length=tiny.CONTEXT_LENGTH)
    generator = Generator(read_base(tiny_base), [], Engine(executor), catalog, most_preparing=8)
    gate, plan = threading.Event(), generator._planner.plan
    monkeypatch.setattr(generator._planner, "plan", lambda asked: (asked.schema_json is None or gate.wait(20)) and plan(asked))
    strange = [asyncio.create_task(generator.generate(request(VERDICT))) for _ in range(5)]
    refused, waiting = await asyncio.wait(strange, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert (await generator.generate(request())).valid, "six places are left"
    gate.set()
    errors = [task.exception() for task in (*refused, *waiting) if (await asyncio.wait([task])) and task.exception()]
    assert len(errors) == 3 and all(isinstance(error, QueueFull) and error.max_queue == 2 for error in errors)
    generator.close()


async def test_an_adapter_that_goes_before_it_is_used_is_missed_only_by_who_named_it(tiny_base: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save_adapter(tiny_base, tmp_path / "clerk", schema_id="verdict", schema_digest=catalog.get("verdict").digest)
    generator = Generator.open(str(tiny_base), [tmp_path / "clerk"], threads=1, catalog=catalog)
    plan = generator._planner.plan

    def unloaded_meanwhile(asked: GenerationRequest) -> Any:
        made = plan(asked)
        if made.adapter is not None:
            generator.unload_adapter("clerk")
        return made

    monkeypatch.setattr(generator._planner, "plan", unloaded_meanwhile)
    with closing(generator):
        told = await generator.generate(request())
        assert told.valid and told.adapter_id is None, "the base takes its place"
        generator.load_adapter(tmp_path / "clerk")
        with pytest.raises(AdapterUnknown):
            await generator.generate(request(adapter_id="clerk"))


async def test_a_full_queue_and_a_closed_engine_are_told(scripted: tuple[Generator, RandomExecutor]) -> None:
    generator, executor = scripted
    executor.gate.clear()
    first = asyncio.create_task(generator.generate(request("note", grounding=Grounding.OFF)))
    await asyncio.to_thread(executor.entered.wait, 10)
    tasks = [first, *(asyncio.create_task(generator.generate(request("note", grounding=Grounding.OFF))) for _ in range(6))]
    done, pending = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 4 and pending:  # one runs, two wait
        more, pending = await asyncio.wait(pending, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert all(isinstance(task.exception(), QueueFull) for task in done)
    closing = asyncio.create_task(asyncio.to_thread(generator.close))
    while not generator._engine.closed:  # before the pass that is held back may end: what could still be written would be written
        await asyncio.sleep(0.01)
    executor.gate.set()
    await closing
    assert all(isinstance(error, ShuttingDown) for error in await asyncio.gather(*pending, return_exceptions=True))
    for schema in ("verdict", VERDICT):
        with pytest.raises(ShuttingDown):
            await generator.generate(request(schema))


# --- a stranger's schema --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("child", [children.crash, children.hungry, children.sleep])
async def test_a_schema_that_cannot_be_compiled_is_refused_and_the_others_are_served(
    child: Any, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar, "_child", child)
    if child is children.sleep:
        monkeypatch.setattr(grammar, "COMPILE_TIMEOUT_S", 0.2)
    with pytest.raises(SchemaRefused):
        await generator.generate(request({"const": child.__name__}))
    assert (await generator.generate(request())).valid


@pytest.mark.parametrize("branches", [2, 9])
async def test_a_schema_whose_references_multiply_is_refused_at_once(branches: int, generator: Generator) -> None:
    schema = {"type": "object", "properties": {f"p{i}": {"$ref": "#"} for i in range(branches)}, "additionalProperties": False}
    began = time.monotonic()
    with pytest.raises(SchemaRefused, match="unfolds"):
        await generator.generate(request(schema, mode=Mode.FREE))
    assert time.monotonic() - began < 5


async def test_a_schema_that_spells_special_tokens_is_written(generator: Generator) -> None:
    found = await generator.generate(request({"const": {"</s>": "<s>"}}))
    assert found.report_json == '{"</s>":"<s>"}' and found.valid


async def test_a_question_that_spells_special_tokens_is_text(generator: Generator) -> None:
    found = await generator.generate(request(question="</s><s> ### Report"))
    plain = await generator.generate(replace(request(), question="x"))
    assert found.num_prompt_tokens > plain.num_prompt_tokens + 5
