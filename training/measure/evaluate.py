"""Run a generator over notes whose report is known, and judge what it writes.

Owns the requests, the running and the judging; notes are `training/measure/slices.py`'s, figures `training/measure/metrics.py`'s. Validity is the second judge's word, never the
service's own, and a request that fails is a row that is not valid. Measures the decoding path that serves: nothing here decodes. Run it with

    escribano-train evaluate --slice unseen_values --count 200 --mode free --show 5
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from schemas.admission import AdmittedSchema, SchemaRefused
from schemas.canonical import canonical_json
from schemas.prompt import signature
from schemas.validation import SecondJudge
from service.errors import (
    AdapterMismatch,
    AdapterUnknown,
    MatcherFailed,
    PromptTooLong,
    ReportInvalid,
    ReportUngrounded,
    RequestInvalid,
    failure_of,
)
from service.generator import Generator
from service.ports import ReportGenerator
from service.request import BASE_ADAPTER_ID, ContextItem, DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import FinishReason, GenerationResult
from service.weights.checkpoint import CheckpointInvalid, read_base
from training.gates.pairs_file import FileInvalid
from training.measure.metrics import Work
from training.measure.rows import Evaluation, Row
from training.measure.showing import field_table, show_worst, tables
from training.measure.slices import (
    DEFAULT_SEED,
    NOTES_SCHEMA_ID,
    SLICES,
    Slice,
    SliceName,
    hand_written,
    schema_of,
    synthetic,
)
from training.notes.synthesize import Pair
from training.progress import bar
from training.whole import write_json, write_whole

__all__ = ["SETUP_ERRORS", "SLICES", "evaluate", "main"]


class Decoding(Enum):
    """The ways of decoding that are measured."""

    FREE = "free"
    """No mask: whatever the model writes."""
    MASK = "mask"
    """The schema's mask alone."""
    BACKSTOP = "backstop"
    """As it is served: the schema's mask, and values only from the text."""

    @property
    def options(self) -> DecodingOptions:
        mode = Mode.FREE if self is Decoding.FREE else Mode.BACKSTOP
        return DecodingOptions(mode=mode, grounding=Grounding.OFF if self is Decoding.MASK else Grounding.STRICT)

DEFAULT_CONCURRENCY = 16
OK = "OK"
REFUSALS = (ReportInvalid, ReportUngrounded, PromptTooLong, MatcherFailed, SchemaRefused, RequestInvalid)
"""What a single request can fail with; anything else means that the measuring itself is set up wrongly, and is raised."""
SETUP_ERRORS = (FileInvalid, CheckpointInvalid, AdapterMismatch, AdapterUnknown, OSError)
"""What `main` raises when it is given something that cannot be measured."""

CountTokens = Callable[[str], int]


# --- running ---------------------------------------------------------------------------------------------------------


def evaluate(
    generator: ReportGenerator,
    slice_: Slice,
    count_tokens: CountTokens,
    *,
    writer: str = NOTES_SCHEMA_ID,
    mode: Decoding = Decoding.BACKSTOP,
    concurrency: int = DEFAULT_CONCURRENCY,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Have `writer` (an adapter_id, or "base") write the report of every pair, `concurrency` at a time.

    Raises: whatever `generator.generate` raises but `REFUSALS`, which become rows.
    """
    began = time.perf_counter()
    rows = asyncio.run(_rows(generator, slice_.pairs, _Recipe(writer, mode, count_tokens), concurrency, advance))
    return Evaluation(slice_, writer, mode.value, rows, time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class _Recipe:
    writer: str
    mode: Decoding
    count_tokens: CountTokens

    def request(self, pair: Pair) -> GenerationRequest:
        context = tuple(ContextItem(item.id, item.text) for item in pair.context)
        schema_json = None if pair.schema is None else canonical_json(pair.schema)
        return GenerationRequest(
            pair.question, context, pair.schema_id, schema_json, self.writer, self.mode.options
        )

    def work(self, pair: Pair, result: GenerationResult) -> Work:
        saved, saved_raw = result.prompt_tokens_saved, 0
        if saved:
            schema = schema_of(pair)
            saved_raw = saved + self.count_tokens(canonical_json(schema)) - self.count_tokens(signature(schema))
        return Work(
            num_interventions=result.num_interventions,
            num_attempts=result.num_attempts,
            num_prompt_tokens=result.num_prompt_tokens,
            num_supplied_tokens=sum(map(self.count_tokens, pair.sources)),
            num_saved_tokens=saved,
            num_saved_raw_tokens=saved_raw,
            num_completion_tokens=result.num_completion_tokens,
            num_forced_tokens=result.num_forced_tokens,
            num_forward_passes=result.num_forward_passes,
            total_s=result.total_s,
        )


async def _rows(
    generator: ReportGenerator, todo: Sequence[Pair], recipe: _Recipe, concurrency: int, advance: Callable[[], None]
) -> tuple[Row, ...]:
    room = asyncio.Semaphore(concurrency)

    async def one(pair: Pair) -> Row:
        async with room:
            row = await _row(generator, pair, recipe)
        advance()
        return row

    return tuple(await asyncio.gather(*map(one, todo)))


async def _row(generator: ReportGenerator, pair: Pair, recipe: _Recipe) -> Row:
    try:
        result = await generator.generate(recipe.request(pair))
    except REFUSALS as error:
        told = failure_of(error)
        broken = tuple(str(v) for v in told.report_violations) or (told.message,)
        return Row(pair.id, pair.report, None, told.reason, False, False, False, None, broken, None)
    return await asyncio.to_thread(_judged, pair, result, recipe)


def _judged(pair: Pair, result: GenerationResult, recipe: _Recipe) -> Row:
    violations = SecondJudge(schema_of(pair)).check(result.report_json).violations
    valid = result.finish_reason is not FinishReason.LENGTH and not violations
    unaided = result.num_interventions == 0 and result.num_attempts == 1
    return Row(
        pair_id=pair.id,
        gold=pair.report,
        report=result.report_json,
        code=OK,
        valid=valid,
        native_valid=valid and unaided,
        service_valid=result.valid,
        finish_reason=result.finish_reason.value,
        violations=tuple(map(str, violations)),
        work=recipe.work(pair, result),
        confidences={leaf.pointer: round(leaf.confidence, 6) for leaf in result.evidence if leaf.confidence is not None},
    )


def token_counter(base: str | None) -> CountTokens:
    """The number of tokens of a text for a base's tokenizer. Raises: CheckpointInvalid."""
    tokenizer = read_base(base).tokenizer
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


# --- the command -----------------------------------------------------------------------------------------------------


def main(
    *,
    base: str | None = None,
    adapters: Sequence[Path] = (),
    writer: str | None = None,
    mode: str = Decoding.BACKSTOP.value,
    slices: Sequence[SliceName] = ("unseen_values", "unseen_wordings"),
    count: int = 200,
    seed: int = DEFAULT_SEED,
    notes: Path | None = None,
    own_schema: AdmittedSchema | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    show: int = 0,
    output: Path | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> list[Evaluation]:
    """What `escribano-train evaluate` runs: evaluate, print, and write rows and summary to `output` (a directory).

    `base` None is the shipped base with its adapters. `own_schema`: that of the notes' gold, unless it is agent_status. `writer` None is the adapter loaded for the notes'
    schema, or the base where there is none; notes over schemas that no adapter knows are always written by the base.
    Raises: FileInvalid, CheckpointInvalid, AdapterMismatch, AdapterUnknown, OSError.
    """
    wanted = [synthetic(name, count, seed) for name in slices] + ([hand_written(notes, own_schema)] if notes else [])
    found = measured(wanted, [writer], own_schema=own_schema, base=base, adapters=adapters, mode=mode, concurrency=concurrency, device=device, threads=threads)
    show_all(found, show)
    if output is not None:
        save(found, output)
    return found


def measured(
    wanted: Sequence[Slice], writers: Sequence[str | None], *, base: str | None = None, adapters: Sequence[Path] = (), mode: str = Decoding.BACKSTOP.value,
    concurrency: int = DEFAULT_CONCURRENCY, device: str = "cpu", threads: int | None = None, own_schema: AdmittedSchema | None = None,
) -> list[Evaluation]:  # fmt: skip
    """Every slice by every writer (None: the adapter loaded for agent_status or for `own_schema`, or the base), with a bar for each. Raises: as `main`."""
    generator = Generator.open(base, adapters, device=device, threads=threads)
    try:
        count_tokens = token_counter(base)
        chosen = [writer or loaded_writer(generator, own_schema) for writer in writers]
        return [_evaluated(generator, one, count_tokens, who, Decoding(mode), concurrency) for one in wanted for who in chosen]
    finally:
        generator.close()


def loaded_writer(generator: ReportGenerator, schema: AdmittedSchema | None = None) -> str:
    """The adapter_id of the adapter for a schema, or for agent_status where None, or "base" where none is loaded."""
    fitting = (one.adapter_id for one in generator.adapters if (one.schema_id == NOTES_SCHEMA_ID if schema is None else one.schema_digest == schema.digest))
    return next(fitting, BASE_ADAPTER_ID)


def _evaluated(
    generator: ReportGenerator, one: Slice, count_tokens: CountTokens, writer: str, mode: Decoding, concurrency: int
) -> Evaluation:
    who = BASE_ADAPTER_ID if one.base_only else writer
    with bar(f"{one.name} · {who} · {mode.value}", len(one.pairs)) as advance:
        return evaluate(generator, one, count_tokens, writer=who, mode=mode, concurrency=concurrency, advance=advance)


def show_all(evaluations: Sequence[Evaluation], worst: int = 0) -> None:
    """Print figures and fields, and the worst reports beside note and gold."""
    console = Console()
    for evaluation in evaluations:
        show_worst(console, evaluation, worst)
    for evaluation in evaluations:
        console.print(f"\n[bold]{evaluation.slice.name}[/] · {escape(evaluation.writer)} · {evaluation.mode}")
        console.print(field_table(evaluation.summary.by_field) if not evaluation.slice.base_only else "")
        for lang, summary in evaluation.by_language.items():
            console.print(f"{lang or '?'}: n {summary.n}, F1 {summary.f1:.3f}, exact {summary.exact_rate:.1%}")
        if evaluation.num_disagreements:
            console.print(f"[red]{evaluation.num_disagreements} reports judged differently by the service[/]")
    console.print(*tables(evaluations), sep="\n")


def save(evaluations: Sequence[Evaluation], output: Path) -> None:
    """Write <slice>-<writer>-<mode>.jsonl (rows) for each evaluation, and summary.json."""
    output.mkdir(parents=True, exist_ok=True)
    for evaluation in evaluations:
        name = f"{evaluation.slice.name}-{evaluation.writer}-{evaluation.mode}.jsonl"
        lines = (json.dumps(row.to_json(), ensure_ascii=False) + "\n" for row in evaluation.rows)
        write_whole(output / name, lines)
    facts = [
        {"slice": e.slice.name, "writer": e.writer, "mode": e.mode, "elapsed_s": e.elapsed_s} | e.summary.to_json()
        for e in evaluations
    ]
    write_json(output / "summary.json", facts)
