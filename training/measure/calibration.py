"""The fit that makes a confidence a chance.

Owns the fitting of `service/confidence.py`'s two numbers; how far they can be trusted (`training/measure/trust.py`) is measured on reports that the fit did not see. They go into
the metadata beside the weights, where the server finds them. Run it with

    escribano-train calibrate --adapter runs/adapters/agent_status --base runs/base/model --count 200

Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), for the temperature; Platt (1999) for the bias.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.optimize import minimize

from service.confidence import Calibration, logit
from service.generator import Generator
from service.request import BASE_ADAPTER_ID
from service.weights.adapters import read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, read_base
from training.measure.evaluate import Decoding, evaluate, loaded_writer, token_counter
from training.measure.rows import Evaluation
from training.measure.slices import Slice, SliceName, synthetic
from training.measure.trust import CannotFit, Judged, columns, trust
from training.progress import bar
from training.whole import write_json

DEFAULT_SEED = 40_001
"""Other notes than those that are measured on."""
MOST_TEMPERATURE = 20.0


def fit(judged: Judged, now: Calibration) -> Calibration:
    """The calibration with the least log loss on leaves whose confidences were told under ``now``.

    Raises: CannotFit unless there are both right and wrong leaves.
    """
    sure, right = columns(judged)
    if not 0 < right.sum() < len(right):
        raise CannotFit(f"{int(right.sum())} of {len(right)} leaves are right; to fit a confidence takes right ones and wrong ones")
    raw = (np.array([logit(one) for one in sure]) - now.bias) * now.temperature

    def loss(parameters: np.ndarray[Any, Any]) -> float:
        scores = raw * np.exp(-parameters[0]) + parameters[1]
        return float(np.mean(np.logaddexp(0.0, np.where(right == 1, -scores, scores))))

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-np.log(MOST_TEMPERATURE), np.log(MOST_TEMPERATURE)), (-20.0, 20.0)]).x
    return Calibration(float(np.exp(found[0])), float(found[1]))


def applied(judged: Judged, now: Calibration, then: Calibration) -> list[tuple[float, bool]]:
    """What was told under one calibration as another would tell it."""
    def mass(sure: float) -> float:
        return 1 / (1 + float(np.exp(-(logit(sure) - now.bias) * now.temperature)))

    return [(then(mass(sure)), right) for sure, right in judged]


# --- the command -----------------------------------------------------------------------------------------------------


def main(
    *, base: str | None = None, adapter: Path | None = None, writer: str | None = None, count: int = 200, seed: int = DEFAULT_SEED,
    device: str = "cpu", threads: int | None = None, notes: Sequence[Slice] | None = None,
) -> Calibration:  # fmt: skip
    """What `escribano-train calibrate` runs: write reports, fit on every second one, measure on the others, and keep the fit beside the weights.

    An adapter writes ``count`` notes, half of them in wordings that training never saw; the base notes over made-up schemas; for an adapter of another schema
    give the ``notes``.
    Raises: CannotFit; CheckpointInvalid, AdapterMismatch, AdapterUnknown, OSError.
    """
    generator = Generator.open(base, [adapter] if adapter else [], device=device, threads=threads)
    try:
        who = writer or (read_adapter(adapter).adapter_id if adapter else loaded_writer(generator))
        of_each = -(-count // len(_slices(who)))
        wanted = notes if notes is not None else [synthetic(name, of_each, seed) for name in _slices(who)]
        found = [_written(generator, one, base, who) for one in wanted]
        now = generator.calibration(who)
    finally:
        generator.close()
    learned, kept = ([one for e in found for one in _half(e, i)] for i in (0, 1))
    if not kept:
        raise CannotFit("no report is left to measure the fit on; it takes two of each slice at the least")
    then = fit(learned, now)
    before, after = trust(applied(kept, now, Calibration())), trust(applied(kept, now, then))
    if after.calibration_error > before.calibration_error:
        _drop(_folder(base, adapter, who) / "metadata.json")
        raise CannotFit(f"on the reports that it was not fitted on the fit is worse than none ({before.calibration_error:.3f} -> {after.calibration_error:.3f}); confidences stay as the model tells them")
    facts = {
        **asdict(then), "fitted_on": {"slices": [one.name for one in wanted], "seed": seed, "reports": sum(len(e.rows) for e in found), "leaves": len(learned)},
        "measured": {"leaves": before.num_leaves, "ece_before": round(before.calibration_error, 4), "ece_after": round(after.calibration_error, 4),
                     "right": round(after.right, 4), "right_at_90_percent": round(after.right_when_sure, 4)},
    }  # fmt: skip
    file = _folder(base, adapter, who) / "metadata.json"
    _keep(file, facts)
    Console().print(f"{file}: temperature {then.temperature:.3f}, bias {then.bias:+.3f}; expected calibration error {before.calibration_error:.3f} -> {after.calibration_error:.3f}, "
                    f"{after.right:.1%} of {after.num_leaves:,} leaves right, {after.right_when_sure:.1%} of the surest nine in ten", highlight=False)  # fmt: skip
    return then


def _slices(writer: str) -> tuple[SliceName, ...]:
    return ("unseen_schemas",) if writer == BASE_ADAPTER_ID else ("unseen_values", "unseen_wordings")


def _written(generator: Generator, notes: Slice, base: str | None, writer: str) -> Evaluation:
    with bar(f"{notes.name} · {writer}", len(notes.pairs)) as advance:
        return evaluate(generator, notes, token_counter(base), writer=writer, mode=Decoding.BACKSTOP, advance=advance)


def _half(evaluation: Evaluation, which: int) -> list[tuple[float, bool]]:
    """The leaves of every second report, so that none is learned from and measured on."""
    both = list(zip(evaluation.rows, evaluation.scores, strict=True))[which::2]
    return [(sure, scored.verdicts[where]) for row, scored in both for where, sure in row.confidences.items()]


def _folder(base: str | None, adapter: Path | None, writer: str) -> Path:
    if writer == BASE_ADAPTER_ID:
        return read_base(base).path
    return adapter or EMBEDDED_ADAPTERS / writer


def _drop(file: Path) -> None:
    """Confidences as the model tells them."""
    if file.exists():
        write_json(file, {name: fact for name, fact in json.loads(file.read_text("utf-8")).items() if name != "confidence"})


def _keep(file: Path, facts: dict[str, Any]) -> None:
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    write_json(file, known | {"confidence": facts})
