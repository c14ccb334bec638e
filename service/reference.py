"""The reference engine: transformers' `generate` and Outlines' logits processors behind the same contract as `service/engine/engine.py`.

The plain way to do the same work: one token a forward pass, nothing forced, no grounding, jobs that wait run as one batch from start to end. It is what the engine is
held against, in tests for what is written and in `escribano-train bench-peers` for time, and a way to whatever Outlines and transformers run. Owns the batches and
Outlines' processors; it needs the `reference` extra. Run:

    generator = reference_generator()
    generator.generate_blocking(GenerationRequest(question="...", schema_id="agent_status")).report_json
"""

from __future__ import annotations

import json
import queue
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from outlines.backends.llguidance import LLGuidanceBackend
from outlines.models.transformers import Transformers
from peft import LoraConfig, PeftModel
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.utils import logging as transformers_logging

from schemas.admission import AdmittedSchema
from schemas.catalog import Catalog
from service.engine.engine import EngineClosed
from service.engine.matcher import DeadEnd
from service.engine.sequence import Completion, Ending, Job, JobExpired
from service.generator import MAX_CONTEXT, Generator
from service.weights.adapters import Adapter, adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, Base, read_base

_PLAIN = "__base__"


class PrefixMistral(MistralForCausalLM):  # type: ignore[no-untyped-call]
    """Mistral whose prompts see each other both ways where its config says ``prefix_lm``; the first tokens of every row, left-padded, are its prompt."""

    num_written = 0
    """How many tokens at the end of a first pass are no prompt."""

    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, **others: Any) -> Any:
        if getattr(self.config, "prefix_lm", False) and input_ids is not None and attention_mask is not None and input_ids.size(1) == attention_mask.size(1) > 1:
            attention_mask = _prefix_mask(attention_mask.bool(), self.num_written)
        return super().forward(input_ids=input_ids, attention_mask=attention_mask, **others)


def _prefix_mask(present: Tensor, num_written: int) -> Tensor:
    """(rows, 1, length, length) additive: every token of a prompt sees all of it. ``present`` (rows, length) bool is false where a row is padded."""
    length = present.size(1)
    place = torch.arange(length)
    is_prompt = place < length - num_written
    seen = (place[None] <= place[:, None]) | (is_prompt[None] & is_prompt[:, None])
    seen = (seen[None] & present[:, None, :]) | torch.eye(length, dtype=torch.bool)[None]  # padding sees itself, so that no row of the softmax is empty
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]


@dataclass(frozen=True)
class OutlinesGrammar:
    """A schema for Outlines' llguidance backend; a matcher of a job in name only: the engine makes a processor of it for each batch."""

    backend: LLGuidanceBackend
    schema_json: str

    def fresh(self) -> Any:
        return self

    def processor(self) -> Any:
        return self.backend.get_json_schema_logits_processor(self.schema_json)


class OutlinesGrammars:
    """Admitted schemas as Outlines takes them, in the canonical form; grounded ones it does not know."""

    def __init__(self, backend: LLGuidanceBackend) -> None:
        self._backend = backend

    def compiled(self, admitted: AdmittedSchema, *, trusted: bool) -> OutlinesGrammar:
        return OutlinesGrammar(self._backend, json.dumps({**admitted.mask_schema, "x-guidance": {"whitespace_flexible": False}}))

    def grounded(self, admitted: AdmittedSchema, texts: tuple[str, ...]) -> None:
        return None


class ReferenceEngine:
    """Runs jobs in batches by `generate`; jobs of one batch share adapter, schema and temperature. The contract is `Engine`'s."""

    def __init__(self, model: Any, pad_id: int, *, max_batch_size: int = 32) -> None:
        self._model, self._pad_id, self._max_batch_size = model, pad_id, max_batch_size
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="escribano-reference", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        return self._closed

    def submit(self, job: Job) -> Future[Completion]:
        """Queue a job. Raises: EngineClosed."""
        if self._closed:
            raise EngineClosed("the engine is closed")
        waiting = _Waiting(job, Future(), time.monotonic())
        self._waiting.put(waiting)
        return waiting.result

    def holding(self, adapter: str | None) -> AbstractContextManager[None]:
        """Nothing to hold: its adapters stay."""
        return nullcontext()

    def close(self) -> None:
        """Stop after the batch that runs; jobs not done fail with EngineClosed."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _loop(self) -> None:
        held: list[_Waiting] = []
        while not self._closed:
            if not held and (first := self._waiting.get()) is not None:
                held.append(first)
            while not self._waiting.empty() and (more := self._waiting.get()) is not None:
                held.append(more)
            held = [one for one in held if one.is_wanted()]
            batch = [one for one in held if held[0].goes_with(one)][: self._max_batch_size]
            held = [one for one in held if one not in batch]
            if batch and not self._closed:
                self._run(batch)
        while not self._waiting.empty():
            if (late := self._waiting.get()) is not None:
                held.append(late)
        for one in held:
            one.fail(EngineClosed("the engine was closed"))

    def _run(self, batch: Sequence[_Waiting]) -> None:
        try:
            for one, completion in zip(batch, self._completions(batch), strict=True):
                one.answer(completion)
        except Exception as error:
            for one in batch:
                one.fail(error)

    @torch.inference_mode()
    def _completions(self, batch: Sequence[_Waiting]) -> list[Completion | JobExpired]:
        jobs, began = [one.job for one in batch], time.monotonic()
        first = jobs[0]
        rows = [[*job.prompt_ids, *job.written_ids] for job in jobs]
        length = max(map(len, rows))
        ids = torch.tensor([[self._pad_id] * (length - len(row)) + row for row in rows])
        present = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        watch, late = _Watch(jobs), _Late(batch)
        self._model.get_base_model().num_written = len(first.written_ids)
        self._model.set_adapter(first.adapter or _PLAIN)
        torch.manual_seed(first.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a row of a batch that has ended goes on with padding, which Outlines' matchers complain of at every token
            out = self._model.generate(
                input_ids=ids, attention_mask=present, max_new_tokens=max(job.max_new_tokens - len(job.written_ids) for job in jobs) + 1,
                do_sample=first.temperature > 0, **({"temperature": first.temperature, "top_k": 0, "top_p": 1.0} if first.temperature > 0 else {}),
                eos_token_id=list(first.eos_ids), pad_token_id=self._pad_id, logits_processor=LogitsProcessorList([watch]), stopping_criteria=StoppingCriteriaList([late]),
            )  # fmt: skip
        return [watch.completion(i, out[i, length:].tolist(), one, began, late.since) for i, one in enumerate(batch)]


@dataclass(eq=False)
class _Waiting:
    """A job and whom to tell."""

    job: Job
    result: Future[Completion]
    queued_at: float

    def is_wanted(self) -> bool:
        if self.result.cancelled():
            return False
        if self.is_late():
            self.fail(JobExpired())
            return False
        return True

    def is_late(self) -> bool:
        return self.job.deadline is not None and time.monotonic() > self.job.deadline

    def goes_with(self, other: _Waiting) -> bool:
        """Whether both can be rows of one `generate`: sampling draws from one stream, and what is written already has one length."""
        mine, theirs = self.job, other.job
        alike = (mine.adapter, mine.temperature, mine.eos_ids, mine.matcher) == (theirs.adapter, theirs.temperature, theirs.eos_ids, theirs.matcher)
        return self is other or (alike and mine.temperature == 0 and not (mine.written_ids or theirs.written_ids or mine.vetoed or theirs.vetoed))

    def answer(self, found: Completion | BaseException) -> None:
        if isinstance(found, BaseException):
            self.fail(found)
        elif self.result.set_running_or_notify_cancel():
            self.result.set_result(found)

    def fail(self, error: BaseException) -> None:
        if not self.result.done() and self.result.set_running_or_notify_cancel():
            self.result.set_exception(error)


class _Late(StoppingCriteria):
    """Ends a batch that nobody waits for any more; a row of it that is late is told so when the batch has ended."""

    def __init__(self, batch: Sequence[_Waiting]) -> None:
        self.batch, self.since = batch, 0.0

    def __call__(self, input_ids: Tensor, scores: Any, **others: Any) -> Any:
        self.since = self.since or time.monotonic()
        over = all(one.result.cancelled() or one.is_late() for one in self.batch)
        return torch.full((input_ids.size(0),), over, dtype=torch.bool)


class _Watch(LogitsProcessor):
    """Applies Outlines' processor and keeps what a completion tells: what the model alone would have chosen and how sure it was."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        matcher: Any = jobs[0].matcher
        self.mask = None if matcher is None else matcher.processor()
        self.best: list[list[int]] = [[] for _ in jobs]
        self.helped: list[list[int]] = [[] for _ in jobs]
        self.logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if not self.logprobs:
            self._catch_up(input_ids, scores)
        self.logprobs.append(scores.log_softmax(-1))
        masked = scores if self.mask is None else self.mask(input_ids, scores.clone())
        if len(self.logprobs) == 1 and self.jobs[0].vetoed:
            masked = masked.clone()
            masked[:, list(self.jobs[0].vetoed)] = -torch.inf
            if not bool(masked.isfinite().any()):
                raise DeadEnd("nothing allowed is left to choose")
        for i, (alone, helped) in enumerate(zip(scores.argmax(-1).tolist(), masked.argmax(-1).tolist(), strict=True)):
            self.best[i].append(alone)
            self.helped[i].append(helped)
        return masked

    def _catch_up(self, input_ids: Tensor, scores: Tensor) -> None:
        """Show the processor what is written already, token by token."""
        if self.mask is not None:
            for left in range(len(self.jobs[0].written_ids), 0, -1):
                self.mask(input_ids[:, : input_ids.size(1) - left], scores.clone())

    def completion(self, row: int, written: list[int], one: _Waiting, began: float, prefilled: float) -> Completion | JobExpired:
        job, room = one.job, one.job.max_new_tokens - len(one.job.written_ids)
        end = next((i for i, token in enumerate(written) if token in job.eos_ids), None)
        if end is None and len(written) <= room:
            return JobExpired()
        kept = written[: room if end is None or end > room else end]
        stopped = end is not None and end <= room
        steps = len(kept) + stopped
        first = len(job.written_ids)
        helped = sum(a != b for a, b in zip(self.best[row][:steps], self.helped[row][:steps], strict=True))
        sure = [float(self.logprobs[i][row, token]) for i, token in enumerate(kept)]
        return Completion(
            (*job.written_ids, *kept), tuple(range(first, first + len(kept))), (*[0.0] * first, *sure), Ending.STOP if stopped else Ending.LENGTH, steps, helped,
            began - one.queued_at, prefilled - began, time.monotonic() - prefilled,
        )  # fmt: skip


def reference_generator(base: str | None = None, adapters: Iterable[Path] = (), *, max_batch_size: int = 32, catalog: Catalog | None = None) -> Generator:
    """A `Generator` over the reference engine, in float32 on the CPU; ``base`` and ``adapters`` as `Generator.open` takes them.

    Raises: CheckpointInvalid, AdapterMismatch, OSError.
    """
    loaded = read_base(base).within(MAX_CONTEXT)
    paths = [*(adapter_directories(EMBEDDED_ADAPTERS) if base is None else ()), *map(Path, adapters)]
    found = [read_adapter(path) for path in paths]
    tokenizer = PreTrainedTokenizerFast.from_pretrained(loaded.path)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = _with_adapters(_loaded(loaded), list(zip(found, paths, strict=True)))
    grammars = OutlinesGrammars(LLGuidanceBackend(Transformers(model, tokenizer)))
    engine = ReferenceEngine(model, int(tokenizer.pad_token_id), max_batch_size=max_batch_size)
    return Generator(loaded, found, engine, catalog or Catalog.load(), grammars)


def _loaded(base: Base) -> Any:
    kind: Any = PrefixMistral if base.config.prefix_lm else AutoModelForCausalLM
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    return kind.from_pretrained(base.path, dtype=torch.float32, attn_implementation="sdpa").eval()


def _with_adapters(model: Any, adapters: Sequence[tuple[Adapter, Path]]) -> Any:
    """The base with every adapter under its digest, and under a name of its own one that changes nothing."""
    wrapped: Any = PeftModel(model, LoraConfig(r=1, target_modules=["q_proj"], init_lora_weights=True, inference_mode=True), adapter_name=_PLAIN)
    for adapter, path in adapters:
        wrapped.load_adapter(str(path), adapter_name=adapter.adapter_digest)
    return wrapped.eval()
