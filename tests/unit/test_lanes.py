"""Lanes: who enters which, what all of them share, and what an attempt at a report has read for the next one."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.engine.engine import EngineClosed
from service.engine.executor import Logits
from service.engine.lane import MOST_LEFT
from service.engine.lora import LowRank
from service.engine.sequence import Completion
from tests.engines import VOCAB, WAIT_S, RandomExecutor, done, engine_of, job, masked, plain, random_job


def several(*num_slots: int, seed: int = 0) -> list[RandomExecutor]:
    return [RandomExecutor(VOCAB, num_slots=number, seed=seed) for number in num_slots]


@pytest.mark.parametrize("seed", range(10))
def test_every_result_is_that_of_the_plain_loop_in_whichever_lane(seed: int) -> None:
    draw = random.Random(seed)
    jobs = [random_job(draw) for _ in range(40)]
    want = [plain(asked, None if m is None else m.fresh(forcing=False), VOCAB, seed) for asked, m in jobs]
    executors = several(*(draw.randint(1, 3) for _ in range(draw.randint(2, 4))), seed=seed)
    with engine_of(*executors) as engine:
        found = [future.result(WAIT_S) for future in [engine.submit(masked(asked, m)) for asked, m in jobs]]
    assert all(expected.same_as(one) for expected, one in zip(want, found, strict=True))


def test_a_lane_that_is_held_up_keeps_no_other_waiting() -> None:
    held, free = several(2, 2)
    held.gate.clear()
    free.gate.clear()
    with engine_of(held, free) as engine:
        first = [engine.submit(job()) for _ in range(2)]
        assert held.entered.wait(WAIT_S) and free.entered.wait(WAIT_S), "the second goes to the lane that has nothing to do"
        free.gate.set()
        assert plain(job(), None, VOCAB).same_as(done(engine, job()))
        assert sum(future.done() for future in first) == 1
        held.gate.set()
        assert all(plain(job(), None, VOCAB).same_as(future.result(WAIT_S)) for future in first)


def test_a_full_lane_keeps_none_from_another_that_has_room() -> None:
    one, three = several(1, 3)
    one.gate.clear()
    three.gate.clear()
    with engine_of(one, three) as engine:
        futures = [engine.submit(job()) for _ in range(4)]
        assert one.entered.wait(WAIT_S), "the short lane has its one"
        deadline = time.monotonic() + WAIT_S
        three.gate.set()
        while sum(future.done() for future in futures) < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert sum(future.done() for future in futures) == 3
        one.gate.set()
        assert all(plain(job(), None, VOCAB).same_as(future.result(WAIT_S)) for future in futures)


@pytest.mark.parametrize(("patience", "waiting", "together"), [(0, 3, 4), (2, 2, 1), (2, 3, 2), (2, 5, 2), (2, 9, 4), (4, 8, 2)])
def test_as_many_run_together_as_wait_for_it_to_be_worth_it(patience: int, waiting: int, together: int) -> None:
    executor = RandomExecutor(VOCAB, num_slots=4, patience=patience)
    executor.gate.clear()
    with engine_of(executor) as engine:
        futures = [engine.submit(job(eos_ids=(99,), max_new_tokens=3))]
        assert executor.entered.wait(WAIT_S)
        futures += [engine.submit(job()) for _ in range(waiting)]
        executor.gate.set()
        assert all(plain(job(), None, VOCAB).same_as(future.result(WAIT_S)) for future in futures[1:]), "all have their turn"
    assert len(executor.passes[1]) == together
    assert max(map(len, executor.passes)) == together


def test_nobody_waits_for_the_end_of_what_has_run_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.engine.lane.LONG_S", 0.05)
    executor = RandomExecutor(VOCAB, num_slots=4, patience=9)
    executor.gate.clear()
    with engine_of(executor) as engine:
        endless = engine.submit(job(eos_ids=(99,), max_new_tokens=4000))
        assert executor.entered.wait(WAIT_S)
        time.sleep(0.1)
        short = engine.submit(job(max_new_tokens=2))
        executor.gate.set()
        short.result(WAIT_S)
        assert not endless.done()
        endless.cancel()


def test_a_full_queue_ends_patience() -> None:
    executor = RandomExecutor(VOCAB, num_slots=4, patience=4)
    with engine_of(executor, max_queue=2) as engine:
        executor.gate.clear()
        futures = [engine.submit(job(eos_ids=(99,), max_new_tokens=20))]
        assert executor.entered.wait(WAIT_S)
        futures += [engine.submit(job()) for _ in range(2)]
        executor.gate.set()
        for future in futures:
            future.result(WAIT_S)
    assert max(map(len, executor.passes)) > 1


def test_another_attempt_at_a_report_does_not_wait_for_a_crowd() -> None:
    executor = RandomExecutor(VOCAB, num_slots=4, patience=9)
    executor.gate.clear()
    with engine_of(executor) as engine:
        first = engine.submit(job(eos_ids=(99,), max_new_tokens=3))
        assert executor.entered.wait(WAIT_S)
        waits, again = engine.submit(job()), engine.submit(job(again=True))
        executor.gate.set()
        for future in (first, waits, again):
            future.result(WAIT_S)
    assert [len(rows) for rows in executor.passes[:2]] == [1, 2] and max(map(len, executor.passes)) == 2


def test_a_pass_may_have_all_cores_where_no_other_lane_is_at_work() -> None:
    told: list[bool] = []

    class Told(RandomExecutor):
        def forward(self, rows: Any, *, alone: bool = True) -> list[Logits]:
            told.append(alone)
            return super().forward(rows, alone=alone)

    executors = [Told(VOCAB), Told(VOCAB)]
    with engine_of(*executors) as engine:
        done(engine, job())
        assert told and all(told)
        told.clear()
        for executor in executors:
            executor.gate.clear()
            executor.entered.clear()
        futures = [engine.submit(job()) for _ in range(2)]
        assert all(executor.entered.wait(WAIT_S) for executor in executors)
        for executor in executors:
            executor.gate.set()
        assert [future.result(WAIT_S) for future in futures] and not all(told)


def test_an_adapter_is_loaded_and_forgotten_in_every_lane() -> None:
    executors = several(2, 2, 2)
    with engine_of(*executors) as engine:
        engine.load_adapter("one", LowRank({}, 1.0))
        assert all("one" in executor.adapters for executor in executors)
        with engine.holding("one"):
            engine.retire_adapter("one")
            assert plain(job(adapter="one"), None, VOCAB).same_as(done(engine, job(adapter="one")))
            assert all("one" in executor.adapters for executor in executors)
        deadline = time.monotonic() + WAIT_S
        while any("one" in executor.adapters for executor in executors) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert not any(executor.adapters for executor in executors) and not engine._retired


def test_closing_ends_what_runs_in_every_lane_and_what_waits() -> None:
    executors = several(1, 1)
    for executor in executors:
        executor.gate.clear()
    with engine_of(*executors) as engine:
        futures = [engine.submit(job(eos_ids=(99,), max_new_tokens=500)) for _ in range(5)]
        assert all(executor.entered.wait(WAIT_S) for executor in executors)
        threading.Timer(0.05, lambda: [executor.gate.set() for executor in executors]).start()
        engine.close()
        for future in futures:
            with pytest.raises(EngineClosed):
                future.result(0)


# --- what sequences leave behind ---------------------------------------------------------------------------------------

LONG_PROMPT = tuple(random.Random(8).randrange(1, VOCAB) for _ in range(40))


@pytest.mark.parametrize("prefix_lm", [True, False])
def test_another_attempt_goes_on_from_what_the_first_has_left_behind(prefix_lm: bool) -> None:
    executor, report = RandomExecutor(VOCAB, prefix_lm=prefix_lm), object()
    with engine_of(executor) as engine:
        first = done(engine, job(LONG_PROMPT, eos_ids=(99,), report=report))
        executor.passes.clear()
        again = done(engine, job(LONG_PROMPT, eos_ids=(99,), report=report))
        assert executor.passes[0][0].start == len(LONG_PROMPT) - 1, "only the last token of the prompt, whose logits are wanted"
        assert told_alike(first, again)
        executor.passes.clear()
        asked = job(LONG_PROMPT, eos_ids=(99,), written_ids=(*first.token_ids[:5], 1 + first.token_ids[5] % (VOCAB - 1)), report=report)
        other = done(engine, asked)
        assert executor.passes[0][0].start == len(LONG_PROMPT) + 4, "the sixth is another one"
    with engine_of(RandomExecutor(VOCAB, prefix_lm=prefix_lm)) as fresh:
        assert told_alike(other, done(fresh, asked))


def told_alike(one: Completion, other: Completion) -> bool:
    return (one.token_ids, one.choices, one.ending, one.num_interventions) == (other.token_ids, other.choices, other.ending, other.num_interventions) and np.allclose(one.logprobs, other.logprobs)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_left_behind_changes_no_result(seed: int) -> None:
    """Attempts at more reports than are remembered, with outputs that are given, in one lane and in several."""
    draw = random.Random(seed)
    reports = [(object(), random_job(draw)[0].prompt_ids, draw.choice((None, "one"))) for _ in range(7)]
    jobs = []
    for _ in range(60):
        report, prompt_ids, adapter = draw.choice(reports)
        written = tuple(draw.randrange(1, VOCAB) for _ in range(draw.choice((0, 2, 4))))
        jobs.append(job(prompt_ids, adapter=adapter, written_ids=written, report=draw.choice((report, report, None))))
    prefix_lm = bool(seed % 2)
    with engine_of(RandomExecutor(VOCAB, seed=seed, prefix_lm=prefix_lm, num_slots=60)) as fresh:
        want = [future.result(WAIT_S) for future in [fresh.submit(replace(asked, report=None)) for asked in jobs]]
    executors = [RandomExecutor(VOCAB, seed=seed, prefix_lm=prefix_lm, num_slots=draw.randint(1, 6)) for _ in range(1 + seed % 3)]
    with engine_of(*executors) as engine:
        found = []
        for index in range(0, len(jobs), 5):
            found += [future.result(WAIT_S) for future in [engine.submit(asked) for asked in jobs[index : index + 5]]]
    assert all(told_alike(one, other) for one, other in zip(found, want, strict=True))
    for executor in executors:
        assert len(executor.slots) <= MOST_LEFT, "what is not remembered is released"


def test_a_request_never_goes_on_from_another_s() -> None:
    """How long it takes must not tell what somebody else has asked."""
    executor = RandomExecutor(VOCAB)
    with engine_of(executor) as engine:
        for report in (object(), object(), None, None):
            done(engine, job(LONG_PROMPT, report=report))
        assert [rows[0].start for rows in executor.passes if len(rows[0].token_ids) > 30] == [0] * 4


def test_another_attempt_enters_the_lane_that_knows_its_prompt() -> None:
    one, other = several(3, 3)
    report = object()
    with engine_of(one, other) as engine:
        done(engine, job(LONG_PROMPT, report=report))
        knows, stranger = (one, other) if one.passes else (other, one)
        for _ in range(4):
            done(engine, job(LONG_PROMPT, report=report))
        assert not stranger.passes and all(rows[0].start for rows in knows.passes[1:])
