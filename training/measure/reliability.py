"""The reliability table, told in three ways: Markdown for people, JSON for machines, tables for a terminal.

Owns what a bench is made of and how it reads; every figure comes from the evaluations. Knows no generator: `training/measure/bench.py` measures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from training.gates.pairs_file import content_hash
from training.measure.metrics import Summary
from training.measure.rows import Evaluation
from training.measure.showing import COLUMNS, cells, tables
from training.measure.trust import trust

_SHOWN = tuple(i for i, name in enumerate(COLUMNS) if name not in ("precision", "recall"))


@dataclass(frozen=True, slots=True)
class Weights:
    """A file or directory of weights, and how their confidences are told."""

    digest: str
    size_bytes: int
    confidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Models:
    """What is measured."""

    base: Weights
    adapter: Weights
    adapter_id: str
    rank: int
    lora_alpha: float

    @property
    def ratio(self) -> float:
        """How many adapters make one base."""
        return self.base.size_bytes / self.adapter.size_bytes


@dataclass(frozen=True, slots=True)
class Timing:
    """What `num_in_flight` requests at a time take; seconds a report, as the caller waits for it."""

    writer: str
    num_in_flight: int
    n: int
    p50_s: float
    p99_s: float
    reports_per_s: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that was measured."""

    models: Models
    evaluations: tuple[Evaluation, ...]
    timings: tuple[Timing, ...]
    facts: dict[str, Any]


def to_json(bench: Bench) -> dict[str, Any]:
    """Everything, as JSON values."""
    models = asdict(bench.models) | {"base_to_adapter_size": bench.models.ratio}
    rows = [
        {"slice": e.slice.name, "writer": e.writer, "mode": e.mode, "elapsed_s": e.elapsed_s, "num_disagreements": e.num_disagreements,
         "pairs_digest": content_hash(e.slice.pairs)} | e.summary.to_json() | {"by_language": _languages(e), "confidence": asdict(trust(e.judged)) if e.judged else None}
        for e in bench.evaluations
    ]  # fmt: skip
    return {"made": bench.facts, "models": models, "cells": rows, "timings": [asdict(t) for t in bench.timings]}


def _languages(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    def short(s: Summary) -> dict[str, float]:
        return {"n": s.n, "validity": s.validity, "exact_rate": s.exact_rate, "f1": s.f1}

    return {lang: short(summary) for lang, summary in evaluation.by_language.items()}


_HOW_READ = """\
*base*: the base model with the schema's signature in its prompt; *{adapter}*: the same weights with the adapter, no schema in the prompt. *free*: no mask, whatever
the model writes; *mask*: the schema enforced token by token; *backstop*: as it is served, values from the text only as well. Slices: *unseen_values*: synthetic notes whose names, ids and noun phrases were kept from training;
*unseen_wordings*: their wordings were, too; *unseen_schemas*: notes over schemas made up for measuring; *notes*: written by hand, never trained on.

- **valid**: share that an independent validator accepts; **≥ (95%)**: its exact one-sided lower bound (Clopper–Pearson). A request that failed counts as not valid.
- **native**: valid and the mask changed nothing. **interventions**: steps a report in which the mask changed the model's choice.
- **exact**: the whole report agrees. **F1**: over leaves with content in gold or report, list items aligned one to one.
- **invented**: share of texts, dates and numbers in the reports that can be read in no supplied text. **omitted**: share of gold leaves left out.
- **saved**: how much shorter the prompt is than with the schema's signature (in brackets: than with the schema's JSON), the note's own tokens left aside.
"""


_HOW_SURE = """\
How far a leaf's confidence can be trusted, as it is served. *right*: share of the leaves that are right, nulls too. *ECE*: expected calibration error, the mean gap between
confidence and share right over groups of equal size. *right at 90%*: share right of the nine in ten leaves with the highest confidence; *least sure tenth*: of the others.
"""


def markdown(bench: Bench) -> str:
    """The table that people read."""
    models, made = bench.models, bench.facts
    fields = markdown_table(*_field_rows(bench.evaluations, models.adapter_id))
    return "\n".join((
        "# Reliability", "", f"Made by `{made['command']}` on {made['cpu_count']} CPU cores, device {made['device']}, {made['threads']} threads,",
        f"onnxruntime {made['versions']['onnxruntime']}, llguidance {made['versions']['llguidance']}; {made['concurrency']} reports in flight, seed {made['seed']}.", "",
        markdown_table(
            ("weights", "size", "digest"),
            [("base", _megabytes(models.base.size_bytes), f"`{models.base.digest[:19]}`"),
             (f"adapter {models.adapter_id} (rank {models.rank})", _megabytes(models.adapter.size_bytes), f"`{models.adapter.digest[:19]}`")]),
        "", f"The base is {models.ratio:.1f} times as large as the adapter.", "", _HOW_READ.format(adapter=models.adapter_id),
        markdown_table([COLUMNS[i] for i in _SHOWN], [[cells(e)[i] for i in _SHOWN] for e in bench.evaluations]),
        "", "## Languages", "", markdown_table(*_language_rows(bench.evaluations)),
        "", "## Confidence", "", _HOW_SURE, markdown_table(*_confidence_rows(bench.evaluations)),
        "", "## Time", "", "Seconds a report with the backstop, as the caller waits for it, apart from the runs above.", "",
        markdown_table(*_timing_rows(bench.timings)),
        "", "## Fields", "", f"Accuracy of {models.adapter_id} with the backstop: right ÷ content in gold or report (how many).", "", fields, "",
    ))  # fmt: skip


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar inside of a cell is escaped."""
    lines = chain([head, ["---"] * len(head)], rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _language_rows(evaluations: Sequence[Evaluation]) -> tuple[list[str], list[list[str]]]:
    head = ["slice", "writer", "mode", "language", "n", "valid", "exact", "F1"]
    return head, [
        [e.slice.name, e.writer, e.mode, lang or "–", str(s.n), f"{s.validity:.2%}", f"{s.exact_rate:.1%}", f"{s.f1:.3f}"]
        for e in evaluations
        for lang, s in e.by_language.items()
    ]  # fmt: skip


def _confidence_rows(evaluations: Sequence[Evaluation]) -> tuple[list[str], list[list[str]]]:
    head = ["slice", "writer", "leaves", "right", "ECE", "right at 90%", "least sure tenth"]
    found = [(e, trust(e.judged)) for e in evaluations if e.mode == "backstop" and e.judged]
    return head, [
        [e.slice.name, e.writer, f"{t.num_leaves:,}", f"{t.right:.1%}", f"{t.calibration_error:.3f}", f"{t.right_when_sure:.1%}", f"{t.right_when_unsure:.1%}"]
        for e, t in found
    ]  # fmt: skip


def _timing_rows(found: Sequence[Timing]) -> tuple[list[str], list[list[str]]]:
    head = ["writer", "in flight", "n", "p50 (s)", "p99 (s)", "reports/s"]
    return head, [
        [t.writer, str(t.num_in_flight), str(t.n), f"{t.p50_s:.3f}", f"{t.p99_s:.3f}", f"{t.reports_per_s:.2f}"] for t in found
    ]  # fmt: skip


def _field_rows(evaluations: Sequence[Evaluation], adapter_id: str) -> tuple[list[str], list[list[str]]]:
    shown = [e for e in evaluations if e.writer == adapter_id and e.mode == "backstop"]
    known = [e.summary.by_field for e in shown]
    paths = dict.fromkeys(path for fields in known for path, counts in sorted(fields.items()) if counts.either)
    rows = [
        [path, *(f"{f[path].accuracy:.3f} ({f[path].either})" if path in f and f[path].either else "–" for f in known)]
        for path in paths
    ]
    return ["field", *(e.slice.name for e in shown)], rows


def write(bench: Bench, output: Path) -> None:
    """Write reliability.md and reliability.json."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "reliability.md").write_text(markdown(bench), "utf-8")
    text = json.dumps(to_json(bench), indent=2, ensure_ascii=False)
    (output / "reliability.json").write_text(text + "\n", "utf-8")


def show(bench: Bench) -> None:
    """The tables on the terminal."""
    console = Console()
    console.print(*tables(bench.evaluations), sep="\n")
    for t in bench.timings:
        told = f"p50 {t.p50_s:.3f} s, p99 {t.p99_s:.3f} s, {t.reports_per_s:.2f} reports/s (n {t.n})"
        console.print(f"{t.writer}, {t.num_in_flight} in flight: {told}", highlight=False)
    models = bench.models
    sizes = f"base {_megabytes(models.base.size_bytes)}, adapter {_megabytes(models.adapter.size_bytes)}"
    console.print(f"{sizes}: {models.ratio:.1f} to 1", highlight=False)
    if wrong := sum(e.num_disagreements for e in bench.evaluations):
        console.print(f"[red]{wrong} reports judged differently by the service[/]")
