"""Within its budget an output can always be ended, and nothing is changed while there is room to spare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from service.engine import budget as budget_module
from service.engine.budget import Budget
from service.engine.engine import Engine
from service.engine.matcher import DeadEnd, Matcher
from service.engine.sequence import Ending, Job
from tests.engines import RandomExecutor, WordMatcher

VOCAB, EOS = 12, 0


@dataclass
class Shortest:
    """Finds the shortest word that goes on from what is written."""

    words: tuple[tuple[int, ...], ...]
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def way(self, written: list[int], matcher: Matcher, room: int) -> tuple[int, ...] | None:
        self.asked.append(tuple(written))
        ends = [word[len(written) :] for word in self.words if word[: len(written)] == tuple(written)]
        return min((end for end in ends if len(end) <= room), key=len, default=None)


@contextmanager
def engine(seed: int) -> Iterator[Engine]:
    made = Engine(RandomExecutor(VOCAB, seed=seed))
    yield made
    made.close()


def job(words: tuple[tuple[int, ...], ...], **changes: Any) -> Job:
    return replace(Job((1, 2, 3), (EOS,), 12, matcher=WordMatcher(words, VOCAB, EOS), closer=Shortest(words), closing_room=12), **changes)


WORDS = ((1, 1, 1, 1, 1, 1, 1, 1), (1, 2), (3, 1, 4), (3, 1, 5, 9, 2, 6), (5, 5, 5, 5, 5, 5, 5), (6,))


@pytest.fixture(autouse=True)
def no_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "RESERVE", 8)


@pytest.mark.parametrize("limit", range(1, 9))
def test_whatever_the_model_wants_the_output_is_whole_and_within_the_budget(limit: int) -> None:
    endings = set()
    for seed in range(30):
        with engine(seed) as running:
            found = running.submit(job(WORDS, max_new_tokens=limit)).result(20)
            free = running.submit(job(WORDS, max_new_tokens=12)).result(20)
        assert found.token_ids in WORDS and len(found.token_ids) <= limit
        assert found.ending is (Ending.STOP if len(free.token_ids) <= limit else Ending.CLOSED), "what would have fitted is left as it was"
        assert found.token_ids == free.token_ids or found.num_interventions > 0
        assert len(found.logprobs) == len(found.token_ids)
        endings.add(found.ending)
    assert limit == 8 or Ending.CLOSED in endings


def test_without_a_closer_it_is_cut_off() -> None:
    with engine(1) as running:
        found = running.submit(job(((1, 1, 1, 1),), max_new_tokens=2, closer=None)).result(20)
    assert found.ending is Ending.LENGTH


def test_with_room_to_spare_nothing_is_looked_at() -> None:
    closer = Shortest(((1,) * 30, (1,) * 29 + (2,), (7,)))
    with engine(2) as running:
        running.submit(job(closer.words, closer=closer, max_new_tokens=100, closing_room=30)).result(20)
        assert not closer.asked
        running.submit(job(closer.words, closer=closer, max_new_tokens=100, closing_room=100)).result(20)
    assert 0 < len(closer.asked) < 8


def test_the_likeliest_token_that_can_be_afforded_is_taken() -> None:
    logits = np.array([-9, 5, 0, 4, 0, 0, 3], np.float32)
    masked = np.where(WordMatcher(WORDS, 7, EOS).allowed(), logits, -np.inf).astype(np.float32)
    for room, token in ((8, 1), (2, 1), (1, 6)):
        watch = Budget(Shortest(WORDS), room, 12, (EOS,))
        assert watch.affordable(1, masked, [], WordMatcher(WORDS, 7, EOS)) == token
        assert watch.short == (token != 1)


def test_what_is_looked_at_is_bounded_and_the_known_way_is_taken_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "MOST_WORK", 20)
    words = ((1,) * 10, (2, 1) * 10, (2, 1) * 9 + (2, 2))
    closer = Shortest(words)
    for seed in range(20):
        with engine(seed) as running:
            found = running.submit(job(words, closer=closer, max_new_tokens=20, closing_room=20)).result(20)
        assert found.token_ids in words
    assert len(closer.asked) < 20 * 4


def test_where_no_way_is_found_it_is_not_looked_for_at_every_token() -> None:
    class Nowhere(Shortest):
        def way(self, written: list[int], matcher: Matcher, room: int) -> tuple[int, ...] | None:
            self.asked.append(tuple(written))
            return None

    closer = Nowhere(())
    words = tuple((1, 2) * i + (3,) for i in range(40))
    with engine(3) as running:
        running.submit(job(words, closer=closer, max_new_tokens=70, closing_room=70)).result(20)
    assert len(closer.asked) <= 6


def test_a_matcher_that_errs_only_where_nobody_goes_harms_nobody() -> None:
    class Erring(WordMatcher):
        def copy(self) -> WordMatcher:
            raise_ = WordMatcher(self.words, self.vocab_size, self.eos_id, self.written)
            raise_.consume = lambda token: 1 / 0  # type: ignore[method-assign, assignment]
            return raise_

    with engine(1) as running:
        found = running.submit(job(WORDS, matcher=Erring(WORDS, VOCAB, EOS), max_new_tokens=12)).result(20)
    assert found.token_ids in WORDS


def test_where_the_only_way_is_vetoed_there_is_no_way() -> None:
    masked = np.full(VOCAB, -np.inf, np.float32)
    masked[1] = 0.0
    with pytest.raises(DeadEnd, match="vetoed"):
        Budget(Shortest(WORDS), 1, 12, (EOS,)).affordable(1, masked, [], WordMatcher(WORDS, VOCAB, EOS))
