"""Executors and matchers without a model, for tests of the engine.

Owns: `RandomExecutor`, whose logits depend on nothing but the tokens before them (and the adapter's name); `WordMatcher`, a grammar that is a list
of words; `plain`, decoding by a loop of one token after another, which the engine's results are compared with; `engine_of` and the jobs that tests give to it.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Collection, Iterator
from collections.abc import Sequence as Rows
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.engine import Engine
from service.engine.executor import Logits, Row
from service.engine.lora import LowRank
from service.engine.matcher import Matcher
from service.engine.sequence import Completion, Ending, Job

VOCAB, EOS = 12, 0
WAIT_S = 20


def logits_after(token_ids: tuple[int, ...], vocab_size: int, seed: int = 0, adapter: str | None = None) -> Logits:
    """(vocab_size,) random but always the same after these tokens."""
    text = f"{seed}/{adapter}/".encode() + np.array(token_ids, np.int32).tobytes()
    draw = np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))
    return draw.standard_normal(vocab_size, dtype=np.float32) * 3


class _Any(frozenset[str]):
    """Any name is in it."""

    def __contains__(self, name: object) -> bool:
        return True


class RandomExecutor:
    """Implements `Executor`; checks that every row goes on exactly where its slot stands.

    `passes`: the rows of each forward pass. `gate`: closed, it holds every forward pass back. `poison`: a pass with this token in it raises.
    `bias`: (vocab_size,) added to the logits. `adapters`: those that are loaded; it takes any name until one is loaded or unloaded.
    """

    def __init__(self, vocab_size: int = 12, num_slots: int = 4, context_length: int = 4096, seed: int = 0, poison: int | None = None,
                 bias: Logits | None = None, prefix_lm: bool = False, patience: int = 0) -> None:  # fmt: skip
        self.vocab_size, self.num_slots, self.context_length, self.seed = vocab_size, num_slots, context_length, seed
        self.slots: dict[int, tuple[int, ...]] = {}
        self.passes: list[list[Row]] = []
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.poison, self.bias, self.prefix_lm, self.patience = poison, bias, prefix_lm, patience
        self.adapters: Collection[str] = _Any()

    def load_adapter(self, digest: str, adapter: LowRank) -> None:
        self.adapters = {*([] if isinstance(self.adapters, _Any) else self.adapters), digest}

    def unload_adapter(self, digest: str) -> None:
        self.adapters = {name for name in self.adapters if name != digest}

    def release(self, slot: int) -> None:
        self.slots.pop(slot, None)

    def forward(self, rows: Rows[Row], *, alone: bool = True) -> list[Logits]:
        self.entered.set()
        assert self.gate.wait(20)
        self.passes.append(list(rows))
        assert len({row.slot for row in rows}) == len(rows) <= self.num_slots
        if any(self.poison in row.token_ids for row in rows):
            raise MemoryError("poisoned")
        return [self._row(row) for row in rows]

    def _row(self, row: Row) -> Logits:
        assert bool(row.num_prefix) == (self.prefix_lm and row.start == 0), "a prompt is a prefix or it is not"
        before = self.slots.get(row.slot, ())
        assert row.token_ids and row.start <= len(before), "a gap in the cache"
        known = self.slots[row.slot] = before[: row.start] + row.token_ids
        ends = range(len(known) - row.num_logits + 1, len(known) + 1)
        found = [logits_after(known[:end], self.vocab_size, self.seed, row.adapter) for end in ends]
        logits = np.stack(found) if found else np.empty((0, self.vocab_size), np.float32)
        return logits if self.bias is None else logits + self.bias


@dataclass
class WordMatcher:
    """Lets one of these words be written, then the end; forces what all words left have in common."""

    words: tuple[tuple[int, ...], ...]
    vocab_size: int
    eos_id: int
    written: tuple[int, ...] = ()
    forcing: bool = True

    def fresh(self, *, forcing: bool) -> WordMatcher:
        return replace(self, written=(), forcing=forcing)

    def allowed(self) -> NDArray[np.bool_]:
        found = np.zeros(self.vocab_size, np.bool_)
        found[list(self._next())] = True
        return found

    def consume(self, token_id: int) -> None:
        assert token_id in self._next() and token_id != self.eos_id
        self.written += (token_id,)

    def take(self, token_id: int) -> bool:
        taken = token_id in self._next()
        self.written += (token_id,) * taken
        return taken

    def forced(self) -> list[int]:
        found: list[int] = []
        while self.forcing and len(self._next()) == 1 and self._next() != {self.eos_id}:
            (token,) = self._next()
            self.consume(token)
            found.append(token)
        return found

    def copy(self) -> WordMatcher:
        return replace(self)

    def _next(self) -> set[int]:
        at = len(self.written)
        left = [word for word in self.words if word[:at] == self.written]
        return {word[at] if len(word) > at else self.eos_id for word in left}


@dataclass
class FailingMatcher:
    """Allows everything until the call number `fails_at` of a method, which raises."""

    vocab_size: int
    method: str
    fails_at: int
    error: BaseException = field(default_factory=lambda: RuntimeError("the matcher broke"))
    calls: dict[str, int] = field(default_factory=dict)

    def _called(self, method: str) -> None:
        self.calls[method] = self.calls.get(method, 0) + 1
        if method == self.method and self.calls[method] == self.fails_at:
            raise self.error

    def allowed(self) -> NDArray[np.bool_]:
        self._called("allowed")
        return np.ones(self.vocab_size, np.bool_)

    def consume(self, token_id: int) -> None:
        self._called("consume")

    def take(self, token_id: int) -> bool:
        self._called("take")
        return True

    def forced(self) -> list[int]:
        self._called("forced")
        return []

    def copy(self) -> FailingMatcher:
        self._called("copy")
        return self


@dataclass(frozen=True)
class Plain:
    """What the plain loop gave."""

    token_ids: tuple[int, ...]
    ending: Ending
    num_interventions: int
    logprobs: tuple[float, ...]

    def same_as(self, completion: Completion) -> bool:
        """A sequence that is cut may have written more than it ran, so its last tokens may have no log-probability."""
        known = len(completion.logprobs)
        assert known == len(completion.token_ids) or completion.ending is Ending.LENGTH
        return np.allclose(self.logprobs[:known], completion.logprobs, atol=1e-5) and (self.token_ids, self.ending, self.num_interventions) == (
            completion.token_ids, completion.ending, completion.num_interventions,
        )  # fmt: skip


def plain(job: Job, matcher: Matcher | None, vocab_size: int, seed: int = 0) -> Plain:
    """Greedy decoding, one token after another, nothing forced: the definition of what the engine must give."""
    output: list[int] = []
    interventions, logprobs = 0, []
    while True:
        logits = logits_after((*job.prompt_ids, *output), vocab_size, seed, job.adapter)
        order = [int(token) for token in np.argsort(-logits, kind="stable")]
        allowed = np.ones(vocab_size, np.bool_) if matcher is None else matcher.allowed()
        token = next(token for token in order if allowed[token])
        if token in job.eos_ids:
            return Plain(tuple(output), Ending.STOP, interventions + (token != order[0]), tuple(logprobs))
        if len(output) == job.max_new_tokens:
            return Plain(tuple(output), Ending.LENGTH, interventions, tuple(logprobs))
        if matcher is not None:
            matcher.consume(token)
        interventions += token != order[0]
        logprobs.append(float(np.log(np.exp(logits - logits.max())[token] / np.exp(logits - logits.max()).sum())))
        output.append(token)


@contextmanager
def engine_of(*executors: RandomExecutor, **options: Any) -> Iterator[Engine]:
    engine = Engine(*(executors or (RandomExecutor(VOCAB),)), **options)
    try:
        yield engine
    finally:
        engine.close()
        assert not any(thread.is_alive() for thread in engine._threads)


def job(prompt: tuple[int, ...] = (1, 2, 3), **changes: Any) -> Job:
    return replace(Job(prompt, (EOS,), 12), **changes)


def random_job(draw: random.Random) -> tuple[Job, WordMatcher | None]:
    prompt = tuple(draw.randrange(1, VOCAB) for _ in range(draw.randint(1, 30)))
    words = tuple({tuple(draw.randrange(1, 4) for _ in range(draw.randint(0, 8))) for _ in range(draw.randint(1, 6))})
    matcher = draw.choice([None, WordMatcher(words, VOCAB, EOS)])
    return job(prompt, max_new_tokens=draw.randint(1, 10), adapter=draw.choice([None, "one", "two"])), matcher


def masked(asked: Job, matcher: WordMatcher | None, forcing: bool = True) -> Job:
    return replace(asked, matcher=None if matcher is None else matcher.fresh(forcing=forcing))


def done(engine: Engine, asked: Job) -> Completion:
    return engine.submit(asked).result(WAIT_S)
