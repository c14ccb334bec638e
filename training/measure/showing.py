"""Evaluations for people: tables for a terminal, and the worst reports beside their gold.

Owns the columns and how a figure is written. Knows no generator.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.measure.comparing import MISSING, LeafPair, leaf_pairs
from training.measure.metrics import Counts
from training.measure.rows import Evaluation

COLUMNS = (
    "slice", "writer", "mode", "n", "valid", "≥ (95%)", "native", "exact", "F1", "precision", "recall", "invented", "omitted", "interventions",
    "prompt tokens", "saved", "passes/token", "passes/report", "reports/s",
)  # fmt: skip


def cells(evaluation: Evaluation) -> tuple[str, ...]:
    """One evaluation as the texts of `COLUMNS`."""
    s = evaluation.summary
    saved = f"{s.prompt_tokens_saved_share:.1%} ({s.prompt_tokens_saved_raw_share:.1%})"
    return (
        evaluation.slice.name, evaluation.writer, evaluation.mode, f"{s.n:,}", f"{s.validity:.2%}", f"{s.validity_lower_95:.2%}",
        f"{s.native_validity:.1%}", f"{s.exact_rate:.1%}", f"{s.f1:.3f}", f"{s.precision:.3f}", f"{s.recall:.3f}", f"{s.invention_rate:.2%}",
        f"{s.omission_rate:.2%}", f"{s.interventions_per_report:.2f}", f"{s.prompt_tokens:.0f}", saved if s.prompt_tokens_saved_share else "–",
        f"{s.forward_passes_per_token:.2f}", f"{s.forward_passes_per_report:.0f}", f"{s.reports_per_s:.1f}",
    )  # fmt: skip


def tables(evaluations: Sequence[Evaluation]) -> Iterator[Table]:
    """A table for each slice: its evaluations side by side, a figure a row."""
    for name, of_slice in itertools.groupby(evaluations, key=lambda e: e.slice.name):
        yield _table(name, list(of_slice))


def _table(title: str, evaluations: Sequence[Evaluation]) -> Table:
    shown = Table("", title=title, title_justify="left", header_style="bold")
    for evaluation in evaluations:
        shown.add_column(f"{escape(evaluation.writer)}\n{evaluation.mode}", justify="right")
    rows = [cells(evaluation) for evaluation in evaluations]
    for i, name in enumerate(COLUMNS[3:], 3):
        shown.add_row(name, *(row[i] for row in rows))
    return shown


def field_table(by_field: Mapping[str, Counts]) -> Table:
    """Accuracy by field, worst first; `n` counts the leaves with content in gold or report."""
    shown = Table("field", "accuracy", "n", "null on both sides", header_style="bold")
    for path, counts in sorted(by_field.items(), key=lambda item: (item[1].accuracy, item[0])):
        if counts.either:
            shown.add_row(path, f"{counts.accuracy:.3f}", str(counts.either), str(counts.null_agreed))
    return shown


def show_worst(console: Console, evaluation: Evaluation, count: int) -> None:
    """The worst reports, each with its note, its gold and every leaf that differs."""
    triples = list(zip(evaluation.slice.pairs, evaluation.rows, evaluation.scores, strict=True))
    for pair, row, scored in sorted(triples, key=lambda t: (t[2].counts.f1, -len(t[2].invented)))[:count]:
        console.rule(f"{escape(pair.id)} · {pair.lang} · {pair.register} · F1 {scored.counts.f1:.2f} · {row.code}")
        shown = Table("note", "gold", "report", expand=True, show_lines=True)
        shown.add_row(escape(pair.text), escape(_pretty(row.gold)), escape(_pretty(row.report)))
        console.print(shown)
        for found in leaf_pairs(json.loads(row.gold), MISSING if row.value is None else row.value):
            if not found.agrees and (found.told or found.claimed):
                console.print(f"  {escape(_difference(found))}", highlight=False)
        for problem in (*(f"invented: {where}" for where in scored.invented), *row.violations):
            console.print(f"  [red]{escape(problem)}[/]", highlight=False)


def _pretty(report: str | None) -> str:
    try:
        return "(none)" if report is None else json.dumps(json.loads(report), indent=1, ensure_ascii=False)
    except ValueError:
        return str(report)


def _difference(found: LeafPair) -> str:
    gold, predicted = (
        "–" if v is MISSING else json.dumps(v, ensure_ascii=False) for v in (found.gold, found.predicted)
    )
    return f"{found.path}: {gold} ≠ {predicted}"
