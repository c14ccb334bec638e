"""The life of a report: request -> schema -> adapter -> prompt -> grammar -> engine -> validation.

Owns the order of these and the retry budget. Each step is a module of its own; nothing here knows gRPC or a tensor. Run:

    generator = Generator.open()
    generator.generate_blocking(GenerationRequest(question="...", schema_id="agent_status")).report_json
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from tokenizers.decoders import DecodeStream

from schemas.catalog import Catalog
from schemas.locating import leaf_places
from schemas.validation import CheckedText
from service.backtrack import Backtracking, Start
from service.confidence import Calibration, masses
from service.engine.engine import AdapterGone, Decoder, Engine, EngineClosed, EngineFull
from service.engine.loading import executors_for
from service.engine.matcher import DeadEnd
from service.engine.sequence import Completion, Ending, Job, JobExpired, Listener
from service.errors import DeadlineExceeded, QueueFull, ReportInvalid, ReportUngrounded, ShuttingDown
from service.evidence import QUESTION, Evidence, attest
from service.evidence import Status as Evidenced
from service.grammars.closing import Closer
from service.grammars.grammar import Grammars, GrammarSource
from service.planning import Plan, Planner, delimiters
from service.preparing import Preparing
from service.request import BASE_ADAPTER_ID, DecodingOptions, GenerationRequest, Mode
from service.result import FinishReason, GenerationResult
from service.streaming import LeafStream, Step, StreamEvent, tell_steps
from service.weights.adapters import Adapter, AdapterStore, adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, Base, CheckpointInvalid, read_base

MAX_CONTEXT = 8192
"""Longest context served, in tokens: the cache of every slot is this long at most."""
MAX_ATTEMPTS = 12
"""How often a report that only a checked keyword refuses is decoded, the first time included."""
HOT_ATTEMPTS = 2
"""How many of them, the last ones, begin anew and hotter; those between go back to what was wrong (`service/backtrack.py`)."""
RETRY_TEMPERATURE = 0.7
"""An attempt anew must differ from the first: it is sampled at least this hot, from a seed of its own."""


@dataclass(frozen=True, slots=True)
class BaseInfo:
    """The base that is served; `size_bytes` of its weights."""

    base_digest: str
    size_bytes: int
    context_length: int


_Listen = Callable[[Plan, tuple[int, ...], tuple[float, ...]], None]


class Generator:
    """Writes reports with one base and its adapters. Safe to use from several tasks and threads."""

    def __init__(
        self, base: Base, adapters: Iterable[Adapter], engine: Decoder, catalog: Catalog, grammars: GrammarSource | None = None, most_preparing: int = 288
    ) -> None:
        """``most_preparing``: how many requests may be or wait to be made ready, a quarter of them with schemas of their own."""
        self.catalog, self._base, self._engine = catalog, base, engine
        self._store = AdapterStore(adapters, base.digest)
        texts = base.token_texts()
        closer = Closer(texts, base.config.eos_ids) if grammars is None else None  # another engine's matchers cannot be copied
        source = grammars or Grammars(base.tokenizer.to_str(), base.config.vocab_size, base.config.eos_ids)
        self._planner = Planner(base, self._store, catalog, source, closer, delimiters(texts))
        self._preparing = Preparing(self._planner, most_preparing, lambda: engine.closed)

    @classmethod
    def open(
        cls, base: str | None = None, adapters: Iterable[Path] = (), device: str = "cpu", threads: int | None = None,
        max_batch_size: int = 32, max_queue: int = 256, catalog: Catalog | None = None,
    ) -> Generator:  # fmt: skip
        """Load a base (None: the shipped one) and adapters (of the shipped base: the shipped ones too).

        Raises: CheckpointInvalid, AdapterMismatch, OSError.
        """
        loaded = read_base(base).within(MAX_CONTEXT)
        paths = [*(adapter_directories(EMBEDDED_ADAPTERS) if base is None else ()), *map(Path, adapters)]
        found = [read_adapter(path) for path in paths]
        AdapterStore(found, loaded.digest)  # an adapter of another base is told as that, not as factors that do not fit
        executors = executors_for(loaded, num_slots=max_batch_size, device=device, threads=threads)
        engine = Engine(*executors, max_queue=max_queue)
        try:
            for adapter in found:
                engine.load_adapter(adapter.adapter_digest, adapter.weights)
            return cls(loaded, found, engine, catalog or Catalog.load(), most_preparing=max_batch_size + max_queue)
        except BaseException:
            engine.close()
            raise

    @property
    def adapters(self) -> list[Adapter]:
        return list(self._store)

    @property
    def base_info(self) -> BaseInfo:
        return BaseInfo(self._base.digest, self._base.size_bytes, self._base.config.context_length)

    def load_adapter(self, path: Path) -> Adapter:
        """Serve an adapter from now on, in the place of one of the same name; reports in flight are not touched.

        Raises: CheckpointInvalid, AdapterMismatch when it was made for another base.
        """
        adapter = read_adapter(path)
        self._store.check(adapter)
        self._loading.load_adapter(adapter.adapter_digest, adapter.weights)
        old = self._store.put(adapter)
        if old is not None and old.adapter_digest != adapter.adapter_digest:
            self._retire(old)
        return adapter

    def unload_adapter(self, adapter_id: str) -> None:
        """Serve an adapter no more; its memory is free once the reports in flight are done. Raises: AdapterUnknown."""
        self._retire(self._store.remove(adapter_id))

    def _retire(self, adapter: Adapter) -> None:
        if all(other.adapter_digest != adapter.adapter_digest for other in self._store):  # the same weights may have two names
            self._loading.retire_adapter(adapter.adapter_digest)

    @property
    def _loading(self) -> Engine:
        """The engine, where it can load adapters while it runs; the one it is held against cannot."""
        if not isinstance(self._engine, Engine):
            raise CheckpointInvalid("this engine keeps the adapters that it was opened with")
        return self._engine

    @property
    def closed(self) -> bool:
        return self._engine.closed

    def calibration(self, writer: str) -> Calibration:
        """How the confidences of an adapter's reports, or of "base"'s, are told. Raises: AdapterUnknown."""
        if writer == BASE_ADAPTER_ID:
            return self._base.calibration
        return self._store.named(writer).calibration

    def close(self) -> None:
        """Stop decoding; reports not done fail with ShuttingDown."""
        self._engine.close()
        self._preparing.close()

    def generate_blocking(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
        """`generate` without an event loop."""
        return asyncio.run(self.generate(request, timeout_s=timeout_s))

    async def generate(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
        """Write a report; cancelling the task ends it.

        Raises: the exceptions of `service.errors` and SchemaUnknown, SchemaRefused.
        """
        async with _within(timeout_s) as deadline:
            return await self._generated(request, deadline)

    async def stream(self, request: GenerationRequest, *, timeout_s: float | None = None) -> AsyncGenerator[StreamEvent]:
        """Write a report and tell its values as they are done, then the result; closing the generator ends it at the next step. Raises: what `generate` raises."""
        events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()
        work = asyncio.ensure_future(self._streamed(request, timeout_s, events.put_nowait))
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield await work
        finally:
            work.cancel()

    async def _streamed(self, request: GenerationRequest, timeout_s: float | None, tell: Callable[[StreamEvent], None]) -> GenerationResult:
        """`generate`, with what is done told on the way."""
        steps: asyncio.Queue[Step[Plan] | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def leaves_of(plan: Plan) -> LeafStream:
            return LeafStream(plan.admitted.schema, _texts(request), self._calibration(plan), self._decode, self._token_ends)

        def listen(plan: Plan, token_ids: tuple[int, ...], logprobs: tuple[float, ...]) -> None:
            loop.call_soon_threadsafe(steps.put_nowait, (plan, token_ids, logprobs))

        telling = asyncio.ensure_future(tell_steps(steps, leaves_of, tell))
        try:
            async with _within(timeout_s) as deadline:
                result = await self._generated(request, deadline, listen)
                steps.put_nowait(None)
                await telling
                return result
        finally:
            telling.cancel()

    async def _generated(self, request: GenerationRequest, deadline: float | None, listen: _Listen | None = None) -> GenerationResult:
        began = time.monotonic()
        while True:
            plan = await self._preparing.plan(request)
            try:
                with self._engine.holding(None if plan.adapter is None else plan.adapter.adapter_digest):
                    return await self._written(request, plan, began, deadline, None if listen is None else partial(listen, plan))
            except AdapterGone:  # replaced or unloaded since the request was made ready
                if request.adapter_id is not None:
                    self._store.named(request.adapter_id)  # AdapterUnknown, unless another has come in its place

    async def _written(self, request: GenerationRequest, plan: Plan, began: float, deadline: float | None, listener: Listener | None) -> GenerationResult:
        spent: list[Completion] = []
        checked, search, report = CheckedText(None, ()), Backtracking(self._decode), object()
        start: Start | None = Start()
        closed, chosen = False, list[int]()
        for attempt in range(MAX_ATTEMPTS):
            if start is None or attempt >= MAX_ATTEMPTS - HOT_ATTEMPTS:
                options, start = request.options.anew(attempt, RETRY_TEMPERATURE), None
            else:
                options = request.options
            try:
                spent.append(await self._decoded(plan, options, start or Start(), report, attempt > 0, deadline, listener))
            except DeadEnd:
                if start is None or not start.vetoed:
                    raise
                start = search.dead()
                continue
            closed = spent[-1].ending is Ending.CLOSED or (closed and start is not None)  # an attempt may begin with what an earlier one wrote
            chosen = [*(i for i in chosen if start is not None and i < len(start.token_ids)), *spent[-1].choices]
            text = self._text(spent[-1])
            checked = await asyncio.to_thread(plan.validator.check, text)
            if checked.valid or spent[-1].ending is Ending.LENGTH or request.options.mode is Mode.FREE:
                evidence = await asyncio.to_thread(self._attested, request, plan, checked, text, spent[-1])
                unsupported = tuple(leaf.pointer for leaf in evidence if leaf.status is Evidenced.UNSUPPORTED)
                if request.options.require_grounded and unsupported:
                    raise ReportUngrounded(unsupported)
                return self._result(plan, spent, attempt + 1, chosen, closed, text, checked, evidence, time.monotonic() - began)
            if start is not None:
                start = search.after(spent[-1].token_ids, spent[-1].choices, spent[-1].logprobs, text, checked.value, checked.violations)
        raise ReportInvalid(checked.violations, MAX_ATTEMPTS)

    # --- the steps ------------------------------------------------------------------------------------------------

    async def _decoded(self, plan: Plan, options: DecodingOptions, start: Start, report: object, again: bool, deadline: float | None, listener: Listener | None) -> Completion:
        """One attempt, waited for."""
        matcher = None if plan.grammar is None else plan.grammar.fresh()
        adapter = None if plan.adapter is None else plan.adapter.adapter_digest
        job = Job(
            plan.prompt_ids, self._base.config.eos_ids, plan.max_new_tokens, adapter, matcher, options.temperature, options.seed, deadline,
            start.token_ids, start.vetoed, listener, plan.closer, plan.closing_room, plan.hints, report, again,
        )  # fmt: skip
        try:
            return await asyncio.wrap_future(self._engine.submit(job))
        except EngineFull as error:
            raise QueueFull(error.limit) from None
        except EngineClosed:
            raise ShuttingDown() from None

    def _text(self, completion: Completion) -> str:
        return self._decode(completion.token_ids)

    def _decode(self, token_ids: Sequence[int]) -> str:
        return self._base.tokenizer.decode(list(token_ids), skip_special_tokens=False)

    def _attested(self, request: GenerationRequest, plan: Plan, checked: CheckedText, text: str, completion: Completion) -> tuple[Evidence, ...]:
        """The evidence of a valid report and the confidence of each of its values."""
        if not checked.valid or completion.ending is Ending.LENGTH:
            return ()
        found = attest(checked.value, plan.admitted.schema, _texts(request))
        sure = masses(leaf_places(text), self._token_ends(completion.token_ids, text), completion.logprobs)
        calibrated = self._calibration(plan)
        return tuple(replace(one, confidence=calibrated(sure[one.pointer])) for one in found)

    def _calibration(self, plan: Plan) -> Calibration:
        return self._base.calibration if plan.adapter is None else plan.adapter.calibration

    def _token_ends(self, token_ids: Sequence[int], text: str) -> list[int]:
        """The character of the text after each token; a character of several tokens ends with the last of them."""
        stream = DecodeStream(skip_special_tokens=False)
        try:
            pieces = [stream.step(self._base.tokenizer, token) or "" for token in token_ids]
        except Exception:  # bytes that are no character; tokenizers raises no narrower type
            pieces = ["no text of ours"]
        if "".join(pieces) == text:
            return list(accumulate(map(len, pieces)))
        return [len(self._decode(token_ids[: i + 1])) for i in range(len(token_ids))]  # a tokenizer whose tokens change what stands before them

    def _result(
        self, plan: Plan, spent: list[Completion], num_attempts: int, chosen: list[int], closed: bool, text: str, checked: CheckedText, evidence: tuple[Evidence, ...], total_s: float
    ) -> GenerationResult:  # fmt: skip
        last, adapter = spent[-1], plan.adapter
        reason = FinishReason.LENGTH if last.ending is Ending.LENGTH else FinishReason.BUDGET_CLOSED if closed else FinishReason.STOP
        valid = checked.valid and reason is not FinishReason.LENGTH
        return GenerationResult(
            report_json=text, valid=valid, native_valid=valid and len(spent) == 1 and last.num_interventions == 0,
            num_interventions=sum(c.num_interventions for c in spent),
            finish_reason=reason, violations=() if reason is FinishReason.LENGTH else checked.violations,
            num_prompt_tokens=len(plan.prompt_ids), num_completion_tokens=len(last.token_ids), num_forced_tokens=len(last.token_ids) - len(chosen),
            num_forward_passes=sum(c.num_forward_passes for c in spent), num_attempts=num_attempts,
            queue_s=sum(c.queue_s for c in spent), prefill_s=sum(c.prefill_s for c in spent), decode_s=sum(c.decode_s for c in spent), total_s=total_s,
            schema_id=plan.admitted.schema_id or plan.admitted.digest, schema_digest=plan.admitted.digest,
            adapter_id=None if adapter is None else adapter.adapter_id, adapter_digest=None if adapter is None else adapter.adapter_digest,
            base_digest=self._base.digest, prompt_tokens_saved=plan.prompt_tokens_saved, grounding=plan.grounding,
            evidence=evidence if valid else (),
        )  # fmt: skip


@asynccontextmanager
async def _within(timeout_s: float | None) -> AsyncIterator[float | None]:
    """The deadline on time.monotonic()'s clock. Raises: DeadlineExceeded."""
    try:
        async with asyncio.timeout(timeout_s):
            yield None if timeout_s is None else time.monotonic() + timeout_s
    except (TimeoutError, JobExpired):
        raise DeadlineExceeded(timeout_s) from None


def _texts(request: GenerationRequest) -> dict[str, str]:
    return {QUESTION: request.question, **{item.id: item.text for item in request.context}}
