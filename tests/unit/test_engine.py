"""The engine gives what a plain loop of one token after another gives, whatever else it is doing; a failure is one sequence's alone."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.engine.drafting import MOST_COPIED, MOST_FORM, Hints
from service.engine.engine import AdapterGone, EngineClosed, EngineFull
from service.engine.executor import Logits, Row
from service.engine.lane import Lane
from service.engine.lora import LowRank
from service.engine.matcher import DeadEnd
from service.engine.sequence import Ending, Job, JobExpired, Sequence
from tests.engines import (
    EOS,
    VOCAB,
    WAIT_S,
    FailingMatcher,
    RandomExecutor,
    WordMatcher,
    done,
    engine_of,
    job,
    masked,
    plain,
    random_job,
)

# --- what is decoded ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_every_result_is_that_of_the_plain_loop_alone_or_in_a_crowd_and_forced_or_not(seed: int) -> None:
    draw = random.Random(seed)
    jobs = [random_job(draw) for _ in range(12)]
    want = [plain(asked, None if m is None else m.fresh(forcing=False), VOCAB, seed) for asked, m in jobs]
    with engine_of(RandomExecutor(VOCAB, num_slots=draw.randint(1, 5), seed=seed), step_tokens=draw.choice([1, 2, 5, 1024])) as engine:
        alone = [done(engine, masked(asked, m)) for asked, m in jobs]
        crowd = [future.result(WAIT_S) for future in [engine.submit(masked(asked, m)) for asked, m in jobs]]
        unforced = [done(engine, masked(asked, m, forcing=False)) for asked, m in jobs]
    for index, expected in enumerate(want):
        assert expected.same_as(alone[index]) and expected.same_as(crowd[index]) and expected.same_as(unforced[index])


def test_forced_tokens_cost_no_forward_pass_of_their_own() -> None:
    matcher = WordMatcher(((1, 2, 3, 4, 5, 6), (1, 2, 3, 7, 8, 9)), VOCAB, EOS)
    with engine_of() as engine:
        found = done(engine, job(matcher=matcher))
    assert (len(found.token_ids), len(found.token_ids) - len(found.choices), found.num_forward_passes) == (6, 5, 2)


@pytest.mark.parametrize("limit", range(1, 6))
def test_a_text_cut_within_forced_tokens_ends_with_length_and_never_with_stop(limit: int) -> None:
    with engine_of() as engine:
        found = done(engine, job(matcher=WordMatcher(((1, 2, 3, 4, 5, 6),), VOCAB, EOS), max_new_tokens=limit))
    assert found.ending is Ending.LENGTH and found.token_ids == (1, 2, 3, 4, 5, 6)[:limit]
    assert found.prefill_s >= 0 and len(found.token_ids) - len(found.choices) == limit


@pytest.mark.parametrize("words", [((1, 2, 3),), ((1, 2, 3), (1, 2, 4)), ((1, 2, 3), (4, 5, 6), (7, 8, 9))], ids=str)
def test_an_end_exactly_at_the_limit_is_a_stop(words: tuple[tuple[int, ...], ...]) -> None:
    with engine_of() as engine:
        found = done(engine, job(matcher=WordMatcher(words, VOCAB, EOS), max_new_tokens=3))
    assert found.ending is Ending.STOP and found.token_ids in words


def test_the_end_token_is_not_part_of_the_output_whichever_it_is() -> None:
    with engine_of() as engine:
        found = done(engine, job(eos_ids=(EOS, *range(2, VOCAB)), max_new_tokens=50))
    assert found.ending is Ending.STOP and set(found.token_ids) <= {1}


# --- drafts --------------------------------------------------------------------------------------------------------------

PHRASE = (3, 7, 4, 9, 5, 8, 6, 10)


def copying_job(**changes: Any) -> Job:
    """The grammar leaves a choice at every token, and the words are those of the prompt."""
    words = tuple(PHRASE[begin:end] for begin in range(3) for end in range(begin + 1, len(PHRASE) + 1))
    return job((1, 2, *PHRASE, 1, 2), matcher=WordMatcher(words, VOCAB, EOS, forcing=False), **changes)


def inclined() -> RandomExecutor:
    """Random logits that are against ending, so that phrases are copied to their end."""
    return RandomExecutor(VOCAB, bias=np.array([-20.0, *[0.0] * (VOCAB - 1)], np.float32))


def test_what_is_copied_from_the_prompt_takes_few_passes_and_reads_the_same() -> None:
    with engine_of(inclined(), draft_tokens=0) as engine:
        plainly = done(engine, copying_job())
    with engine_of(inclined()) as engine:
        drafted = done(engine, copying_job())
    assert plainly.num_forward_passes == len(plainly.token_ids) + 1
    assert drafted.num_forward_passes <= plainly.num_forward_passes // 2
    assert replace(drafted, num_forward_passes=0, queue_s=0, prefill_s=0, decode_s=0) == replace(
        plainly, num_forward_passes=0, queue_s=0, prefill_s=0, decode_s=0, logprobs=drafted.logprobs
    )
    np.testing.assert_allclose(drafted.logprobs, plainly.logprobs, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.5])
def test_a_sample_is_the_same_with_and_without_drafts(temperature: float) -> None:
    with engine_of(inclined(), draft_tokens=0) as plainly, engine_of(inclined()) as drafting:
        for seed in range(40):
            asked = [copying_job(temperature=temperature, seed=seed) for _ in range(2)]
            assert done(plainly, asked[0]).token_ids == done(drafting, asked[1]).token_ids


def test_no_more_is_guessed_than_a_pass_may_hold_and_the_output_has_room_for() -> None:
    executor = inclined()
    with engine_of(executor, draft_tokens=6) as engine:
        found = [future.result(WAIT_S) for future in [engine.submit(copying_job(max_new_tokens=5)) for _ in range(3)]]
    assert max(len(row.token_ids) for rows in executor.passes for row in rows if row.start) <= 1 + 6
    assert max(row.start + len(row.token_ids) for rows in executor.passes for row in rows) <= 12 + 5
    assert {one.ending for one in found} == {Ending.LENGTH} and {len(one.token_ids) for one in found} == {5}


def test_no_guess_is_longer_than_it_is_worth() -> None:
    executor = RandomExecutor(60)
    phrase = tuple(range(3, 59))
    for prompt, hints, most in (((1, *phrase, 2), Hints(), MOST_COPIED), ((1, 2, 3), Hints(examples=(phrase,)), MOST_FORM)):
        executor.passes.clear()
        with engine_of(executor) as engine:
            found = done(engine, job(prompt, matcher=WordMatcher((phrase,), 60, EOS, forcing=False), max_new_tokens=56, hints=hints))
        prompts, *widths, _ = [len(row.token_ids) - 1 for rows in executor.passes for row in rows]
        assert found.token_ids == phrase and {*widths} - {0} == {most} and widths.count(0) <= 1 and prompts == len(prompt) - 1


def test_guesses_never_take_the_place_of_tokens_that_are_known() -> None:
    """Three sequences and room for four tokens: whoever waits for its next token gets it in every pass."""
    executor = inclined()
    with engine_of(executor, step_tokens=4) as engine:
        executor.gate.clear()
        waiting = [engine.submit(copying_job()) for _ in range(3)]
        executor.gate.set()
        for future in waiting:
            future.result(WAIT_S)
    began = {slot: min(i for i, rows in enumerate(executor.passes) for row in rows if row.slot == slot and row.start >= 12) for slot in range(3)}
    ended = {slot: max(i for i, rows in enumerate(executor.passes) for row in rows if row.slot == slot) for slot in range(3)}
    for slot in range(3):
        assert all(slot in {row.slot for row in executor.passes[i]} for i in range(began[slot], ended[slot] + 1)), "nobody is passed over for guesses"
    assert any(len(row.token_ids) > 1 for rows in executor.passes for row in rows if row.start >= 12), "and there were guesses"


def test_other_outputs_help_to_guess_what_comes_next() -> None:
    """The prompt says nothing of it."""
    words = (PHRASE[:-1], (*PHRASE[:-2], 1, 2))
    found = {}
    for examples in ((), (PHRASE[:-1],)):
        with engine_of(inclined()) as engine:
            found[examples] = done(engine, job((1, 2, 11), matcher=WordMatcher(words, VOCAB, EOS, forcing=False), hints=Hints(examples=examples)))
    bare, helped = found.values()
    assert helped.token_ids == bare.token_ids and helped.num_forward_passes < bare.num_forward_passes / 2


def test_a_long_prompt_is_read_in_pieces_that_fit_a_step() -> None:
    executor = RandomExecutor(VOCAB)
    prompt = tuple(random.Random(1).randrange(1, VOCAB) for _ in range(50))
    with engine_of(executor, step_tokens=16) as engine:
        found = done(engine, job(prompt))
    assert [len(rows[0].token_ids) for rows in executor.passes[:4]] == [16, 16, 16, 2]
    assert [rows[0].num_logits for rows in executor.passes[:5]] == [0, 0, 0, 1, 1]
    assert plain(job(prompt), None, VOCAB).same_as(found)


def test_a_prompt_that_is_seen_both_ways_is_read_in_one_piece() -> None:
    executor = RandomExecutor(VOCAB, prefix_lm=True)
    prompts = [tuple(random.Random(i).randrange(1, VOCAB) for _ in range(50)) for i in range(3)]
    with engine_of(executor, step_tokens=16) as engine:
        found = [future.result(WAIT_S) for future in [engine.submit(job(prompt)) for prompt in prompts]]
    first = [row for rows in executor.passes for row in rows if row.start == 0]
    assert [(row.token_ids, row.num_prefix) for row in first] == [(prompt, 50) for prompt in prompts]
    assert all(plain(job(prompt), None, VOCAB).same_as(one) for prompt, one in zip(prompts, found, strict=True))


def test_what_is_written_already_follows_a_prompt_that_is_seen_both_ways() -> None:
    executor, prompt, written = RandomExecutor(VOCAB, prefix_lm=True), (3,) * 30, (1, 2, 1, 2, 1, 2)
    with engine_of(executor, step_tokens=8, draft_tokens=0) as engine:
        found = done(engine, job(prompt, written_ids=written, max_new_tokens=12))
    rows = [row for rows in executor.passes for row in rows]
    assert [(row.start, len(row.token_ids), row.num_prefix) for row in rows[:2]] == [(0, 30, 30), (30, 6, 0)]
    assert found.token_ids[:6] == written and len(found.logprobs) == len(found.token_ids)


def test_no_step_runs_more_tokens_than_allowed() -> None:
    executor = RandomExecutor(VOCAB, num_slots=3)
    with engine_of(executor, step_tokens=8) as engine:
        for future in [engine.submit(job(tuple(range(1, 12)))) for _ in range(7)]:
            future.result(WAIT_S)
    assert all(sum(len(row.token_ids) for row in rows) <= 8 for rows in executor.passes)


def test_a_long_prompt_is_not_passed_over_for_short_ones_that_came_later() -> None:
    executor = RandomExecutor(VOCAB, num_slots=3)
    executor.gate.clear()
    with engine_of(executor, step_tokens=8) as engine:
        engine.submit(job((1,), max_new_tokens=1))
        assert executor.entered.wait(WAIT_S)
        long = engine.submit(job((5,) * 40, max_new_tokens=1))
        short = [engine.submit(job((6,) * 8, max_new_tokens=1)) for _ in range(30)]
        done_before: list[int] = []  # counted in the engine's thread, at the moment the long one is answered
        long.add_done_callback(lambda _: done_before.append(sum(future.done() for future in short)))
        executor.gate.set()
        for future in (long, *short):
            future.result(WAIT_S)
        assert done_before[0] < 10


# --- sampling ----------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_sample_alone_and_in_a_crowd_and_another_seed_another() -> None:
    asked = job(temperature=1.5, seed=7, max_new_tokens=40, eos_ids=(99,))
    with engine_of() as engine:
        alone = done(engine, asked).token_ids
        futures = [engine.submit(replace(asked, seed=7 + (i % 3))) for i in range(9)]
        crowd = [future.result(WAIT_S).token_ids for future in futures]
    assert [c == alone for c in crowd] == [i % 3 == 0 for i in range(9)]
    assert len(set(crowd)) == 3


def test_sampling_never_leaves_the_mask() -> None:
    matcher = WordMatcher(((1, 2), (3, 4), (5, 6)), VOCAB, EOS)
    with engine_of() as engine:
        found = {done(engine, job(matcher=matcher.fresh(forcing=True), temperature=2.0, seed=s)).token_ids for s in range(40)}
    assert found == set(matcher.words)


@pytest.mark.parametrize("temperature", [1e-300, 1e-6, 0.01])
def test_a_temperature_near_zero_is_greedy(temperature: float) -> None:
    with engine_of() as engine:
        assert done(engine, job(temperature=temperature)).token_ids == done(engine, job()).token_ids


def test_a_sample_follows_the_softmax() -> None:
    logits = np.log(np.array([0.7, 0.2, 0.1], np.float32))
    drawn = Sequence(job(temperature=1.0), None)  # type: ignore[arg-type]
    drawn.start(0)
    counts = np.bincount([drawn._sampled(logits) for _ in range(3000)], minlength=3) / 3000
    np.testing.assert_allclose(counts, [0.7, 0.2, 0.1], atol=0.05)


# --- joining and leaving -------------------------------------------------------------------------------------------------


def test_sequences_join_while_others_run() -> None:
    executor = RandomExecutor(VOCAB, num_slots=3)
    draw = random.Random(3)
    jobs = [random_job(draw) for _ in range(30)]
    executor.gate.clear()  # the first pass waits until there are others to join
    with engine_of(executor) as engine:
        futures = []
        for asked, matcher in jobs:
            futures.append(engine.submit(masked(asked, matcher)))
            if len(futures) == 10:
                executor.gate.set()
        for (asked, matcher), future in zip(jobs, futures, strict=True):
            assert plain(asked, None if matcher is None else matcher.fresh(forcing=False), VOCAB).same_as(future.result(WAIT_S))
    assert max(map(len, executor.passes)) > 1


def test_a_cancelled_job_leaves_within_a_step_and_the_others_go_on() -> None:
    executor = RandomExecutor(VOCAB, num_slots=2)
    endless = job(eos_ids=(99,), max_new_tokens=4000)
    with engine_of(executor) as engine:
        first, second = engine.submit(endless), engine.submit(replace(endless, prompt_ids=(4, 5), max_new_tokens=400))
        while len(executor.passes) < 10:
            time.sleep(0.001)
        executor.gate.clear()
        assert first.cancel()
        at = len(executor.passes)
        executor.gate.set()
        assert len(second.result(WAIT_S).token_ids) == 400
        assert sum(any(row.slot == executor.passes[0][0].slot for row in rows) for rows in executor.passes[at + 2 :]) == 0
        assert len(engine._lanes[0]._free) == 2


def test_a_job_cancelled_in_the_queue_is_never_run_and_takes_no_place() -> None:
    executor = RandomExecutor(VOCAB, num_slots=1)
    executor.gate.clear()
    with engine_of(executor, max_queue=2) as engine:
        running = engine.submit(job())
        assert executor.entered.wait(WAIT_S)
        waiting = [engine.submit(job((9, 9, 9))) for _ in range(2)]
        with pytest.raises(EngineFull) as caught:
            engine.submit(job())
        assert caught.value.limit == 2
        assert all(future.cancel() for future in waiting)
        last = engine.submit(job((7,)))
        executor.gate.set()
        running.result(WAIT_S), last.result(WAIT_S)
    assert not any(row.token_ids == (9, 9, 9) for rows in executor.passes for row in rows)


def test_another_attempt_goes_in_front_of_those_that_wait_and_is_never_refused() -> None:
    executor = RandomExecutor(VOCAB, num_slots=1)
    executor.gate.clear()
    with engine_of(executor, max_queue=1) as engine:
        running = engine.submit(job())
        assert executor.entered.wait(WAIT_S)
        waiting = engine.submit(job((9, 9, 9)))
        again = engine.submit(job((7, 7, 7), again=True))
        with pytest.raises(EngineFull):
            engine.submit(job())
        executor.gate.set()
        for future in (running, again, waiting):
            future.result(WAIT_S)
    begun = [row.token_ids[0] for rows in executor.passes for row in rows if row.start == 0]
    assert begun == [1, 7, 9]


def test_a_deadline_ends_a_running_job_and_one_in_the_queue() -> None:
    executor = RandomExecutor(VOCAB, num_slots=1)
    endless = job(eos_ids=(99,), max_new_tokens=4000)
    with engine_of(executor) as engine:
        running = engine.submit(replace(endless, deadline=time.monotonic() + 0.1))
        waiting = engine.submit(replace(endless, prompt_ids=(9, 9, 9), deadline=time.monotonic() + 0.05))
        for late in (running, waiting):
            with pytest.raises(JobExpired):
                late.result(WAIT_S)
        assert done(engine, job()).num_forward_passes
    assert not any(row.token_ids == (9, 9, 9) for rows in executor.passes for row in rows)


# --- failures ------------------------------------------------------------------------------------------------------------


class Panic(BaseException):
    """As a panic of native code arrives in Python."""


@pytest.mark.parametrize("error", [RuntimeError("broke"), Panic("broke")], ids=["error", "panic"])
@pytest.mark.parametrize(("method", "at"), [("forced", 1), ("forced", 3), ("take", 1), ("take", 4), ("allowed", 4), ("consume", 2)])
def test_a_failing_matcher_fails_its_sequence_alone(method: str, at: int, error: BaseException) -> None:
    with engine_of() as engine:
        other = engine.submit(job(eos_ids=(99,), max_new_tokens=30))
        failed = engine.submit(job((4, 5), matcher=FailingMatcher(VOCAB, method, at, error), eos_ids=(99,), temperature=float(method in ("allowed", "consume"))))
        with pytest.raises(RuntimeError, match="broke"):  # a panic is told as an error, so that nothing above lets it by
            failed.result(WAIT_S)
        assert plain(job(eos_ids=(99,), max_new_tokens=30), None, VOCAB).same_as(other.result(WAIT_S))
        assert plain(job(), None, VOCAB).same_as(done(engine, job()))
        assert sorted(engine._lanes[0]._free) == [0, 1, 2, 3]


def test_a_matcher_that_allows_nothing_fails_its_sequence_even_where_token_0_ends_it() -> None:
    with engine_of() as engine, pytest.raises(DeadEnd):
        done(engine, job(matcher=WordMatcher((), VOCAB, EOS)))


def test_a_failing_forward_fails_the_sequences_in_it_and_the_engine_goes_on() -> None:
    executor = RandomExecutor(VOCAB, num_slots=1, poison=11)
    with engine_of(executor) as engine:
        with pytest.raises(MemoryError):
            done(engine, job((1, 11)))
        want = plain(job((5, 6)), None, VOCAB)
        if 11 not in want.token_ids:
            assert want.same_as(done(engine, job((5, 6))))
        assert engine._lanes[0]._free == [0]


def test_an_executor_that_gives_too_few_logits_fails_the_sequences() -> None:
    class Short(RandomExecutor):
        def forward(self, rows: Any, *, alone: bool = True) -> list[Logits]:
            return super().forward(rows)[:-1]

    with engine_of(Short(VOCAB)) as engine, pytest.raises(AssertionError, match="promise"):
        done(engine, job())


def test_closing_fails_what_is_not_done_and_refuses_what_comes_after() -> None:
    executor = RandomExecutor(VOCAB, num_slots=1)
    with engine_of(executor) as engine:
        futures = [engine.submit(job(eos_ids=(99,), max_new_tokens=4000)) for _ in range(3)]
        assert executor.entered.wait(WAIT_S)
        engine.close()
        for future in futures:
            with pytest.raises(EngineClosed):
                future.result(WAIT_S)
        with pytest.raises(EngineClosed):
            engine.submit(job())


def test_nobody_waits_for_ever_after_a_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)

    def broken(self: Lane) -> None:
        raise ZeroDivisionError

    with engine_of() as engine:
        monkeypatch.setattr(Lane, "_finish", broken)
        future = engine.submit(job())
        with pytest.raises(EngineClosed):
            future.result(WAIT_S)
        engine._threads[0].join(WAIT_S)
    assert [args.exc_type for args in seen] == [ZeroDivisionError], "the cause is told where threads tell it"


def test_a_job_that_cannot_fit_is_our_own_bug() -> None:
    with engine_of(RandomExecutor(VOCAB, context_length=10)) as engine:
        done(engine, job((1,) * 5, max_new_tokens=5, eos_ids=(99,)))
        with pytest.raises(AssertionError, match="room"):
            engine.submit(job((1,) * 6, max_new_tokens=5))
    with pytest.raises(AssertionError):
        job(())


def test_the_times_add_up() -> None:
    executor = RandomExecutor(VOCAB, num_slots=1)
    with engine_of(executor) as engine:
        began = time.monotonic()
        found = [future.result(WAIT_S) for future in [engine.submit(job()) for _ in range(3)]]
        total = time.monotonic() - began
    assert all(min(f.queue_s, f.prefill_s, f.decode_s) >= 0 for f in found)
    assert max(f.queue_s + f.prefill_s + f.decode_s for f in found) <= total


def test_a_row_says_where_its_tokens_stand() -> None:
    sequence = Sequence(job((1, 2, 3, 4), adapter="one"), None)  # type: ignore[arg-type]
    sequence.start(2)
    assert sequence.row(3, prefix_lm=False) == Row(2, 0, (1, 2, 3), 0, "one")
    assert sequence.row(9, prefix_lm=False) == Row(2, 0, (1, 2, 3, 4), 1, "one")
    assert sequence.row(3, prefix_lm=True) == Row(2, 0, (1, 2, 3, 4), 1, "one", 4)


def test_a_prefix_that_is_no_whole_prompt_is_our_own_bug() -> None:
    for start, num_prefix in ((1, 2), (0, 4)):
        with pytest.raises(AssertionError, match="one piece"):
            Row(0, start, (1, 2, 3), 1, None, num_prefix)


# --- adapters that come and go -----------------------------------------------------------------------------------------


def test_a_retired_adapter_is_forgotten_once_what_runs_with_it_is_done() -> None:
    executor, asked = RandomExecutor(VOCAB), job(adapter="one")
    with engine_of(executor) as engine:
        engine.load_adapter("one", LowRank({}, 1.0))
        executor.gate.clear()
        running, waiting = engine.submit(asked), engine.submit(asked)
        assert executor.entered.wait(WAIT_S)
        engine.retire_adapter("one")
        with pytest.raises(AdapterGone, match="one is not loaded"):
            engine.submit(asked)
        assert "one" in executor.adapters
        executor.gate.set()
        assert plain(asked, None, VOCAB).same_as(running.result(WAIT_S)) and plain(asked, None, VOCAB).same_as(waiting.result(WAIT_S))
        done(engine, job())  # a step after the last one with it
        assert "one" not in executor.adapters


def test_an_adapter_that_is_held_is_not_forgotten_between_the_attempts_at_a_report() -> None:
    executor, asked = RandomExecutor(VOCAB), job(adapter="one")
    with engine_of(executor) as engine:
        engine.load_adapter("one", LowRank({}, 1.0))
        with engine.holding("one"), engine.holding(None):
            first = done(engine, asked)
            engine.retire_adapter("one")
            done(engine, job())  # steps of others
            assert "one" in executor.adapters and done(engine, asked).token_ids == first.token_ids
            with pytest.raises(AdapterGone), engine.holding("one"):
                pass
        deadline = time.monotonic() + WAIT_S
        while "one" in executor.adapters and time.monotonic() < deadline:
            time.sleep(0.001)
        assert not executor.adapters
        with pytest.raises(AdapterGone):
            engine.submit(asked)


def test_an_idle_engine_forgets_a_retired_adapter_and_takes_it_again() -> None:
    executor = RandomExecutor(VOCAB)
    with engine_of(executor) as engine:
        engine.load_adapter("one", LowRank({}, 1.0))
        engine.retire_adapter("one")
        engine.retire_adapter("nobody")
        deadline = time.monotonic() + WAIT_S
        while "one" in executor.adapters and time.monotonic() < deadline:
            time.sleep(0.001)
        assert not executor.adapters
        with pytest.raises(AdapterGone):
            engine.submit(job(adapter="one"))
        engine.load_adapter("one", LowRank({}, 1.0))
        assert plain(job(adapter="one"), None, VOCAB).same_as(done(engine, job(adapter="one")))


def test_an_adapter_that_is_loaded_again_is_not_forgotten() -> None:
    executor = RandomExecutor(VOCAB)
    with engine_of(executor) as engine:
        engine.load_adapter("one", LowRank({}, 1.0))
        executor.gate.clear()
        running = engine.submit(job(adapter="one"))
        assert executor.entered.wait(WAIT_S)
        engine.retire_adapter("one")
        engine.load_adapter("one", LowRank({}, 1.0))
        executor.gate.set()
        running.result(WAIT_S)
        done(engine, job())
        done(engine, job(adapter="one"))
