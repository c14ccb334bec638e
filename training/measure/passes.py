"""What a forward pass costs in each executor, and how many of them a report takes: with drafts and without, and that both write the same.

Owns the shapes that are timed, the ways of guessing that are compared and how the figures are told. Nothing else may run beside it. Run it with

    escribano-train bench-passes --output bench/
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from schemas.catalog import Catalog
from service.engine.engine import DRAFT_TOKENS, Engine
from service.engine.executor import Executor, Row
from service.engine.onnx_executor import OnnxExecutor
from service.errors import ReportInvalid
from service.generator import Generator
from service.request import DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import GenerationResult
from service.weights.adapters import Adapter, adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, Base, read_base
from training.measure.command_line import command_line
from training.measure.metrics import percentile
from training.measure.reliability import markdown_table
from training.measure.slices import DEFAULT_SEED, NOTES_SCHEMA_ID, synthetic
from training.notes.synthesize import Pair
from training.progress import bar

SHAPES = ((1, 1), (1, 4), (1, 8), (8, 1), (8, 4), (32, 1), (32, 4))
"""Rows, and tokens of each, behind a prompt of PROMPT tokens."""
PROMPT = 320
SLOTS = 32
REPEATS = 50
MODES = (("grounding off", Mode.BACKSTOP, Grounding.OFF), ("strict", Mode.BACKSTOP, Grounding.STRICT), ("free", Mode.FREE, Grounding.OFF))
GUESSES = ("no drafts", "prompt and report", "and examples")

Advance = Callable[[], None]


@dataclass(frozen=True, slots=True)
class PassTime:
    """Median milliseconds of a forward pass; ``kind`` is "prompt" or rows x tokens."""

    executor: str
    kind: str
    ms: float


@dataclass(frozen=True, slots=True)
class Passes:
    """Of the reports of some notes, one in flight: means of tokens and of seconds, and how many are letter by letter those without drafts."""

    mode: str
    guesses: str
    n: int
    tokens: float
    passes_per_token: float
    report_s: float
    same: int


# --- a pass ----------------------------------------------------------------------------------------------------------


def pass_times(executor: Executor, name: str, adapter: str | None) -> list[PassTime]:
    """In a thread of its own, as the engine runs them: where a runtime's threads come from matters (docs/performance.md)."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(lambda: list(_pass_times(executor, name, adapter))).result()


def _pass_times(executor: Executor, name: str, adapter: str | None) -> Iterator[PassTime]:
    prompt = tuple(3 + i % (executor.vocab_size - 3) for i in range(PROMPT))
    prompts = [Row(slot, 0, prompt, 1, adapter, PROMPT if executor.prefix_lm else 0) for slot in range(SLOTS)]
    yield PassTime(name, "prompt", _median_ms(executor, prompts[:1], REPEATS // 5))
    for row in prompts:
        executor.forward([row])
    for rows, tokens in SHAPES:
        shape = [Row(slot, PROMPT, prompt[:tokens], tokens, adapter) for slot in range(rows)]
        yield PassTime(name, f"{rows} x {tokens}", _median_ms(executor, shape, REPEATS))


def _median_ms(executor: Executor, rows: Sequence[Row], repeats: int) -> float:
    executor.forward(rows)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        executor.forward(rows)
        times.append(time.perf_counter() - began)
    return 1e3 * percentile(times, 0.5)


# --- a report --------------------------------------------------------------------------------------------------------


def passes(base: Base, adapter: Adapter, pairs: Sequence[Pair], threads: int | None, advance: Advance) -> Iterator[Passes]:
    """Every mode with every way of guessing."""
    executor = OnnxExecutor(base, num_slots=1, threads=threads)
    executor.load_adapter(adapter.adapter_digest, adapter.weights)
    plain: dict[str, list[str | None]] = {}
    for guesses in GUESSES:
        engine = Engine(executor, draft_tokens=0 if guesses == "no drafts" else DRAFT_TOKENS)
        told = adapter if guesses == "and examples" else replace(adapter, examples=())
        with closing(Generator(base, [told], engine, Catalog.load())) as generator:
            for name, mode, grounding in MODES:
                options = DecodingOptions(mode=mode, grounding=grounding)
                results = asyncio.run(_written(generator, pairs, options, advance))
                texts = [None if result is None else result.report_json for result in results]
                came = [result for result in results if result is not None]
                same = sum(one == other for one, other in zip(texts, plain.setdefault(name, texts), strict=True) if one is not None)
                tokens = sum(result.num_completion_tokens for result in came)
                per_token = sum(result.num_forward_passes for result in came) / tokens
                yield Passes(name, guesses, len(came), tokens / len(came), per_token, sum(r.total_s for r in came) / len(came), same)


async def _written(generator: Generator, pairs: Sequence[Pair], options: DecodingOptions, advance: Advance) -> list[GenerationResult | None]:
    """None for a report that was refused."""
    results: list[GenerationResult | None] = []
    for pair in pairs:
        try:
            results.append(await generator.generate(GenerationRequest(pair.question, schema_id=NOTES_SCHEMA_ID, options=options)))
        except ReportInvalid:
            results.append(None)
        advance()
    return results


# --- telling ---------------------------------------------------------------------------------------------------------


def markdown(times: Sequence[PassTime], rows: Sequence[Passes], facts: dict[str, Any]) -> str:
    """The figures as people read them."""
    executors = list(dict.fromkeys(time.executor for time in times))
    ms = {(time.executor, time.kind): f"{time.ms:.2f}" for time in times}
    kinds = list(dict.fromkeys(time.kind for time in times))
    return "\n".join((
        "# Passes", "", f"Made by `{facts['command']}` on {facts['cpu_count']} CPU cores: the shipped base with the `{NOTES_SCHEMA_ID}` adapter.", "",
        "## A forward pass, in milliseconds (median)", "",
        f"*prompt*: {PROMPT} tokens of one row. *rows x tokens*: so many sequences of {PROMPT} tokens go on by so many each.", "",
        markdown_table(("pass", *executors), [(kind, *(ms[executor, kind] for executor in executors)) for kind in kinds]), "",
        "## A report, one in flight", "",
        f"{facts['count']} notes of unseen values, greedy. *n*: reports that were not refused. *same*: reports that are letter by letter those written without drafts.", "",
        markdown_table(
            ("mode", "guessed from", "n", "tokens", "passes/token", "s/report", "same"),
            [(r.mode, r.guesses, str(r.n), f"{r.tokens:.0f}", f"{r.passes_per_token:.3f}", f"{r.report_s:.3f}", str(r.same)) for r in rows],
        ), "",
    ))  # fmt: skip


def main(*, count: int = 40, seed: int = DEFAULT_SEED, output: Path = Path("bench"), threads: int | None = None) -> tuple[list[PassTime], list[Passes]]:
    """What `escribano-train bench-passes` runs; writes passes.md and passes.json to ``output``. Raises: CheckpointInvalid, OSError."""
    import torch

    from service.engine.torch_executor import TorchExecutor

    base = read_base()
    adapter = next(found for found in map(read_adapter, adapter_directories(EMBEDDED_ADAPTERS)) if found.adapter_id == NOTES_SCHEMA_ID)
    cores = threads or os.cpu_count() or 2
    times: list[PassTime] = []
    for number in dict.fromkeys((1, cores)):
        torch.set_num_threads(number)
        named: tuple[tuple[str, Executor], ...] = (
            (f"ONNX Runtime, threads {number}", OnnxExecutor(base, num_slots=SLOTS, threads=number)), (f"torch, threads {number}", TorchExecutor(base, num_slots=SLOTS)),
        )  # fmt: skip
        for name, executor in named:
            executor.load_adapter(adapter.adapter_digest, adapter.weights)
            times += pass_times(executor, name, adapter.adapter_digest)
    pairs = synthetic("unseen_values", count, seed).pairs
    with bar("reports", len(MODES) * len(GUESSES) * count) as advance:
        rows = list(passes(base, adapter, pairs, threads, advance))
    facts = {"command": command_line("bench-passes", count=count, seed=seed, threads=threads), "count": count, "seed": seed, "cpu_count": os.cpu_count()}
    output.mkdir(parents=True, exist_ok=True)
    (output / "passes.json").write_text(json.dumps(facts | {"times": [asdict(t) for t in times], "passes": [asdict(r) for r in rows]}, indent=2) + "\n", "utf-8")
    (output / "passes.md").write_text(markdown(times, rows, facts), "utf-8")
    Console().print((output / "passes.md").read_text("utf-8"), highlight=False)
    return times, rows
