"""What a report is worth: content, faithfulness and validity, as numbers.

Owns the definitions (validity with its exact bound, content-leaf F1, exact, per-field accuracy, invention, omission, work); every function is pure. Does not know
how reports are made: `training/measure/evaluate.py` makes and judges them. Run: `score(gold, predicted, (note,), schema)`, then `summarize(measured, elapsed_s)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from scipy.stats import beta

from schemas.canonical import Json
from training.gates.founding import can_be_read, founded_on_text
from training.measure.comparing import MISSING, LeafPair, leaf_pairs

# --- one report ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """Leaves with content: in gold, in the prediction, in either, rightly predicted; and nulls on both sides."""

    gold: int = 0
    predicted: int = 0
    either: int = 0
    correct: int = 0
    null_agreed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__dataclass_fields__))

    @property
    def precision(self) -> float:
        """Of what is predicted, how much is right; 0 where nothing is predicted although gold has content."""
        return _ratio(self.correct, self.predicted) if self.predicted or not self.gold else 0.0

    @property
    def recall(self) -> float:
        return _ratio(self.correct, self.gold)

    @property
    def f1(self) -> float:
        return _ratio(2 * self.correct, self.gold + self.predicted)

    @property
    def accuracy(self) -> float:
        return _ratio(self.correct, self.either)


def _ratio(part: float, whole: float) -> float:
    """A share; of nothing it is 1: nothing was asked, and nothing was got wrong."""
    return part / whole if whole else 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """One report against its gold.

    `exact`: the whole object agrees, list items in any order. `omitted`: gold leaves that the prediction leaves null or out. `invented`: pointers of
    the predicted texts, numbers and dates that are in no supplied text, of `num_founded_on_text` that should be. `verdicts`: whether each predicted leaf is
    right, nulls too, by pointer.
    """

    counts: Counts
    exact: bool
    omitted: int
    invented: tuple[str, ...]
    num_founded_on_text: int
    by_field: Mapping[str, Counts]
    verdicts: Mapping[str, bool]


def score(gold: Json, predicted: Json | None, sources: Sequence[str], schema: dict[str, Any]) -> Score:
    """Compare a report with its gold; `predicted` None is no report at all; `sources` are the texts it may draw from."""
    pairs = leaf_pairs(gold, MISSING if predicted is None else predicted)
    by_field: dict[str, Counts] = {}
    for pair in pairs:
        if pair.gold is not MISSING or pair.predicted is not MISSING:
            by_field[pair.path] = by_field.get(pair.path, Counts()) + _counted(pair)
    founded = [] if predicted is None else list(founded_on_text(predicted, schema))
    return Score(
        counts=sum(by_field.values(), Counts()), exact=all(pair.agrees for pair in pairs), omitted=sum(pair.told and not pair.claimed for pair in pairs),
        invented=tuple(where for where, value in founded if not can_be_read(value, sources)), num_founded_on_text=len(founded), by_field=by_field,
        verdicts={pair.where: pair.agrees for pair in pairs if pair.where is not None},
    )  # fmt: skip


def _counted(pair: LeafPair) -> Counts:
    either = pair.told or pair.claimed
    return Counts(pair.told, pair.claimed, either, either and pair.agrees, pair.gold is None and pair.predicted is None)


# --- many reports ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """What a report cost. Prompt counts are tokens: `num_supplied_tokens` of question and context themselves,

    `num_saved_tokens` and `num_saved_raw_tokens` what the schema would add as its signature and as raw JSON.
    """

    num_interventions: int
    num_attempts: int
    num_prompt_tokens: int
    num_supplied_tokens: int
    num_saved_tokens: int
    num_saved_raw_tokens: int
    num_completion_tokens: int
    num_forced_tokens: int
    num_forward_passes: int
    total_s: float

    @property
    def saved_share(self) -> float:
        """How much shorter the prompt is without the schema's signature, the supplied text left aside."""
        return _shorter(self.num_prompt_tokens - self.num_supplied_tokens, self.num_saved_tokens)

    @property
    def saved_raw_share(self) -> float:
        """How much shorter the prompt is than with the schema as JSON, the supplied text left aside."""
        return _shorter(self.num_prompt_tokens - self.num_supplied_tokens, self.num_saved_raw_tokens)


def _shorter(num_tokens: int, num_saved: int) -> float:
    return 1 - num_tokens / (num_tokens + num_saved) if num_saved else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One request and what came of it; a request that failed is not valid, has no work and an empty score."""

    score: Score
    valid: bool
    native_valid: bool
    work: Work | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Many reports in one row. `valid`, `native_valid`, `exact`, `failed` are numbers of reports of `n`; rates are shares.

    F1, precision, recall, invention and omission pool the leaves of all reports. Durations are seconds; token and
    forward-pass figures are means over the reports that came back.
    """

    n: int
    valid: int
    native_valid: int
    failed: int
    validity_lower_95: float
    native_validity_lower_95: float
    exact: int
    precision: float
    recall: float
    f1: float
    invention_rate: float
    omission_rate: float
    interventions_per_report: float
    prompt_tokens: float
    prompt_tokens_saved_share: float
    prompt_tokens_saved_raw_share: float
    completion_tokens: float
    forward_passes_per_token: float
    forward_passes_per_report: float
    p50_s: float
    p99_s: float
    reports_per_s: float
    by_field: Mapping[str, Counts] = field(repr=False)

    @property
    def validity(self) -> float:
        return _share(self.valid, self.n)

    @property
    def native_validity(self) -> float:
        return _share(self.native_valid, self.n)

    @property
    def exact_rate(self) -> float:
        return _share(self.exact, self.n)

    def to_json(self) -> dict[str, Any]:
        """Everything, with the derived rates, as JSON values."""
        fields = {
            path: asdict(counts) | {"accuracy": counts.accuracy} for path, counts in sorted(self.by_field.items())
        }
        rates = {"validity": self.validity, "native_validity": self.native_validity, "exact_rate": self.exact_rate}
        return asdict(self) | rates | {"by_field": fields}


def summarize(measured: Sequence[Measured], elapsed_s: float) -> Summary:
    """Pool the reports of one slice; `elapsed_s` is the wall-clock time they took together."""
    n, scores = len(measured), [m.score for m in measured]
    work = [m.work for m in measured if m.work is not None]
    counts = sum((s.counts for s in scores), Counts())
    valid, native = sum(m.valid for m in measured), sum(m.native_valid for m in measured)
    seconds = [w.total_s for w in work]
    founded = sum(s.num_founded_on_text for s in scores)
    return Summary(
        n=n, valid=valid, native_valid=native, failed=n - len(work), validity_lower_95=clopper_pearson_lower(valid, n),
        native_validity_lower_95=clopper_pearson_lower(native, n), exact=sum(s.exact for s in scores),
        precision=counts.precision, recall=counts.recall, f1=counts.f1,
        invention_rate=_share(sum(len(s.invented) for s in scores), founded), omission_rate=_share(sum(s.omitted for s in scores), counts.gold),
        interventions_per_report=_mean([w.num_interventions for w in work]), prompt_tokens=_mean([w.num_prompt_tokens for w in work]),
        prompt_tokens_saved_share=_mean([w.saved_share for w in work]), prompt_tokens_saved_raw_share=_mean([w.saved_raw_share for w in work]),
        completion_tokens=_mean([w.num_completion_tokens for w in work]),
        forward_passes_per_token=_share(sum(w.num_forward_passes for w in work), sum(w.num_completion_tokens for w in work)),
        forward_passes_per_report=_mean([w.num_forward_passes for w in work]),
        p50_s=percentile(seconds, 0.5), p99_s=percentile(seconds, 0.99), reports_per_s=_share(n, elapsed_s), by_field=_by_field(scores),
    )  # fmt: skip


def _by_field(scores: Sequence[Score]) -> dict[str, Counts]:
    pooled: dict[str, Counts] = {}
    for one in scores:
        for path, counts in one.by_field.items():
            pooled[path] = pooled.get(path, Counts()) + counts
    return pooled


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _mean(values: Sequence[float]) -> float:
    return _share(sum(values), len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least that share of the values does not exceed (nearest rank); 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def clopper_pearson_lower(successes: int, n: int, confidence: float = 0.95, *, two_sided: bool = False) -> float:
    """The exact lower bound of a success rate: at `confidence` one-sided, or the lower end of the two-sided interval.

    One-sided, 0.999 at 95% takes 2,995 trials without a failure (two-sided: 3,688).
    Source: Clopper & Pearson, Biometrika 26 (1934).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if successes == 0:
        return 0.0
    tail = (1 - confidence) / (2 if two_sided else 1)
    return float(beta.ppf(tail, successes, n - successes + 1))
