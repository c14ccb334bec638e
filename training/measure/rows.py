"""What came of each pair of a slice, and the figures of them all.

Owns `Row` and `Evaluation`; figures are computed from the rows whenever they are asked for, so rows can be kept and judged again. Knows no generator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from schemas.canonical import JsonInvalid, parse_json
from training.measure.metrics import Measured, Score, Summary, Work, score, summarize
from training.measure.slices import Slice, schema_of
from training.notes.synthesize import Pair


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one pair. `report` is the text, None where the request failed; `code` is OK or the failure's.

    `valid` is the second judge's verdict (never so for a report that was cut off), `service_valid` the service's own. `confidences`: of each leaf, by pointer.
    """

    pair_id: str
    gold: str
    report: str | None
    code: str
    valid: bool
    native_valid: bool
    service_valid: bool
    finish_reason: str | None
    violations: tuple[str, ...]
    work: Work | None
    confidences: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Row:
        work = None if row["work"] is None else Work(**row["work"])
        return cls(**{**row, "violations": tuple(row["violations"]), "work": work})

    @property
    def value(self) -> Any:
        """The report's value, valid or not; None where there is no JSON."""
        try:
            return None if self.report is None else parse_json(self.report)
        except JsonInvalid:
            return None


@dataclass(frozen=True)
class Evaluation:
    """The rows of one slice, in the order of its pairs; `elapsed_s` is the wall-clock time they took together."""

    slice: Slice
    writer: str
    mode: str
    rows: tuple[Row, ...]
    elapsed_s: float

    def __post_init__(self) -> None:
        if [row.pair_id for row in self.rows] != [pair.id for pair in self.slice.pairs]:
            raise ValueError("the rows are not those of the slice's pairs")

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        return tuple(_score(pair, row) for pair, row in zip(self.slice.pairs, self.rows, strict=True))

    @cached_property
    def summary(self) -> Summary:
        return summarize([_measured(*both) for both in zip(self.rows, self.scores, strict=True)], self.elapsed_s)

    @cached_property
    def by_language(self) -> dict[str, Summary]:
        """A summary for each language of the slice; its `reports_per_s` is of no use."""
        langs = sorted({pair.lang for pair in self.slice.pairs})
        triples = list(zip(self.slice.pairs, self.rows, self.scores, strict=True))
        return {lang: summarize([_measured(r, s) for p, r, s in triples if p.lang == lang], 0.0) for lang in langs}

    @cached_property
    def judged(self) -> tuple[tuple[float, bool], ...]:
        """The confidence of every leaf that has one, and whether the leaf is right."""
        return tuple((sure, s.verdicts[where]) for row, s in zip(self.rows, self.scores, strict=True) for where, sure in row.confidences.items())

    @property
    def num_disagreements(self) -> int:
        """Reports that the service and the second judge see differently: a bug, wherever it is not 0."""
        return sum(row.report is not None and row.valid != row.service_valid for row in self.rows)


def _score(pair: Pair, row: Row) -> Score:
    return score(json.loads(row.gold), row.value, pair.sources, schema_of(pair))


def _measured(row: Row, scored: Score) -> Measured:
    return Measured(scored, row.valid, row.native_valid, row.work)
