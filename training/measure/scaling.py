"""How much an adapter needs: its quality by rank, by learning rate and by the number of pairs that it learned from, beside the base without any.

Owns the grid of adapters, what is measured of each and how that is shown; a point whose row is there is not made again, so a killed run goes on. Run it with

    escribano-train rank-table --base runs/base/model --output runs/ranks --rank 8 --rank 32 --pairs 500 --pairs 1500
    escribano-train rank-table --base runs/base/model --output runs/curve --rank 32 --notes my-notes.jsonl
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from schemas.canonical import digest
from service.request import BASE_ADAPTER_ID
from training.failures import PairsUnfit
from training.gates.curate import curate
from training.gates.pairs_file import content_hash, count_lines, read_pairs, read_texts
from training.measure import evaluate
from training.measure.reliability import markdown_table
from training.measure.slices import SliceName, hand_written, synthetic
from training.notes.synthesize import Pair
from training.progress import tracked
from training.runs import SCHEMA_ID, drawn, make_adapter
from training.specialist.finetune import FinetunePlan, weights_digest
from training.whole import write_json, write_whole

MEASURED: tuple[SliceName, ...] = ("unseen_values", "unseen_wordings")
_SPARE = 1.3
"""How many pairs are drawn for each that is wanted: some are refused by the gates."""


class RowsOfAnother(ValueError):
    """A directory that holds adapters of another base, or measured otherwise."""


@dataclass(frozen=True)
class Grid:
    """Which adapters are made and how. ``least_steps``: with few pairs as many passes over them as it takes to make so many steps.

    ``notes``: files of hand-written notes, each measured on beside the synthetic slices. ``source``: a file of pairs to learn from, the first ones of it; None draws them.
    """

    ranks: tuple[int, ...] = (8, 32)
    rates: tuple[float, ...] = (FinetunePlan.learning_rate,)
    counts: tuple[int, ...] = (50, 150, 500, 1500, 5000)
    least_steps: int = 60
    eval_count: int = 100
    notes: tuple[Path, ...] = ()
    source: Path | None = None
    seed: int = 1
    device: str = "cpu"
    threads: int | None = None
    compiled: bool = False

    def plan(self, rank: int, rate: float, count: int) -> FinetunePlan:
        plan = FinetunePlan(rank=rank, learning_rate=rate, seed=self.seed)
        is_long = count >= self.least_steps * plan.batch_size
        return replace(plan, epochs=1.0 if is_long else self.least_steps * plan.batch_size / count, compiled=self.compiled and is_long)

    @property
    def measuring(self) -> dict[str, Any]:
        """What figures depend on beside the adapter."""
        return {"eval_count": self.eval_count, "notes": digest(read_texts(self.notes))}


@dataclass(frozen=True, slots=True)
class Quality:
    """Of an adapter on the notes of one slice, as it is served; ``native_valid``: the share that needed no help."""

    n: int
    valid: float
    native_valid: float
    exact: float
    f1: float


@dataclass(frozen=True, slots=True)
class Point:
    """An adapter of the grid, or the base without one (rank 0). ``parameters``: its share of the base's."""

    rank: int
    rate: float
    pairs: int
    steps: int
    minutes: float
    size_bytes: int
    parameters: float
    quality: dict[str, Quality]


def main(*, base: Path, output: Path, grid: Grid) -> list[Point]:
    """What `escribano-train rank-table` runs: trains and measures each point; writes rank-table.md, .json and .png to ``output``. Raises: as `evaluate.main`; RowsOfAnother; PairsUnfit, FileInvalid."""
    pairs = _pairs(grid, max(grid.counts))
    asked = [(rank, rate, pairs[:count]) for rank in grid.ranks for rate in grid.rates for count in grid.counts]
    points = [_base_point(base, output, grid), *(_adapter_point(base, output, found, rank, rate, grid) for rank, rate, found in asked)]
    command = f"escribano-train rank-table --base {base} {' '.join(_options(grid))}"
    facts = {"command": command, "base_digest": weights_digest(base), "grid": asdict(grid), "points": [asdict(point) for point in points]}
    write_json(output / "rank-table.json", facts)
    write_whole(output / "rank-table.md", markdown(points, command))
    plot(points, output / "rank-table.png")
    return points


def _pairs(grid: Grid, most: int) -> Sequence[Pair]:
    drawing = round(most * _SPARE)
    found = drawn("agent_status", "train", grid.seed, drawing) if grid.source is None else read_pairs(grid.source)
    texts = read_texts(grid.notes)
    kept = curate(tracked(found, drawing if grid.source is None else count_lines(grid.source), "pairs"), texts).kept[:most]
    if len(kept) < most:
        raise PairsUnfit(f"{grid.source or 'what was drawn'}: {len(kept)} pairs pass the gates, {most} are asked for")
    return kept


def _options(grid: Grid) -> Iterator[str]:
    yield from (f"--rank {rank}" for rank in grid.ranks)
    yield from (f"--learning-rate {rate:g}" for rate in grid.rates)
    yield from (f"--pairs {count}" for count in grid.counts)
    yield f"--least-steps {grid.least_steps} --eval-count {grid.eval_count} --seed {grid.seed}"
    yield from (f"--notes {file}" for file in grid.notes)
    yield from (["--compiled"] if grid.compiled else [])
    yield from ([f"--input {grid.source}"] if grid.source else [])


def _base_point(base: Path, output: Path, grid: Grid) -> Point:
    made = {"base": weights_digest(base), **grid.measuring}
    return _once(output / "base" / "row.json", made, lambda: Point(0, 0.0, 0, 0, 0.0, 0, 0.0, measured(base, None, grid)))


def _adapter_point(base: Path, output: Path, pairs: Sequence[Pair], rank: int, rate: float, grid: Grid) -> Point:
    adapter, plan = output / f"rank{rank}-rate{rate:g}-pairs{len(pairs)}", grid.plan(rank, rate, len(pairs))
    recipe = {name: value for name, value in asdict(plan).items() if name not in ("compiled", "bf16")}  # how fast it learns, not what
    made = {"base": weights_digest(base), "data": content_hash(pairs), "recipe": recipe}

    def make() -> Point:
        if (adapter / "metadata.json").exists():
            _same_adapter(adapter, made)
        else:
            make_adapter(str(base), pairs, adapter, plan, grid.device, grid.threads)
        facts, base_facts = (json.loads((folder / "metadata.json").read_text("utf-8")) for folder in (adapter, base))
        size = (adapter / "adapter_model.safetensors").stat().st_size
        share = facts["num_parameters"] / base_facts["parameters"]
        return Point(rank, rate, len(pairs), facts["steps"], facts["minutes"], size, share, measured(base, adapter, grid))

    return _once(adapter / "row.json", made | {"seed": grid.seed, **grid.measuring}, make)


def _same_adapter(adapter: Path, made: dict[str, Any]) -> None:
    """Whether a finished adapter is the one that is asked for. Raises: RowsOfAnother."""
    facts = json.loads((adapter / "metadata.json").read_text("utf-8"))
    plan = facts.get("plan", {})
    if {"base": facts.get("base_digest"), "data": facts.get("data_hash"), "recipe": {name: plan.get(name) for name in made["recipe"]}} != made:
        raise RowsOfAnother(f"{adapter} holds an adapter of other pairs, of another base or by another recipe; choose another --output")


def _once(file: Path, made: dict[str, Any], make: Callable[[], Point]) -> Point:
    """The point that a file holds, or a new one that it will hold. Raises: RowsOfAnother."""
    if file.exists():
        known = json.loads(file.read_text("utf-8"))
        if known["made"] != made:
            raise RowsOfAnother(f"{file} is of another run ({known['made']}); choose another --output")
        return Point(**known["point"] | {"quality": {name: Quality(**found) for name, found in known["point"]["quality"].items()}})
    point = make()
    write_json(file, {"made": made, "point": asdict(point)})
    return point


def measured(base: Path, adapter: Path | None, grid: Grid) -> dict[str, Quality]:
    """Of an adapter, or of the base where it is None, on each slice, with the backstop."""
    wanted = [*(synthetic(name, grid.eval_count) for name in MEASURED), *(replace(hand_written(file), name=f"notes {file.stem}") for file in grid.notes)]
    writer, adapters = (BASE_ADAPTER_ID, []) if adapter is None else (adapter.name, [adapter])
    found = evaluate.measured(wanted, [writer], base=str(base), adapters=adapters, device=grid.device, threads=grid.threads)
    told = {one.slice.name: one.summary for one in found}
    return {name: Quality(s.n, s.validity, s.native_validity, s.exact_rate, s.f1) for name, s in told.items()}


def markdown(points: Sequence[Point], command: str) -> str:
    """The points as people read them."""
    measured_on = points[0].quality
    head = ["rank", "rate", "of the base", "MB", "pairs", "steps", "minutes", *(f"{name.replace('_', ' ')}: {what}" for name in measured_on for what in ("F1", "exact"))]
    rows = [
        [*([str(p.rank), f"{p.rate:g}", f"{p.parameters:.1%}", f"{p.size_bytes / 1e6:.2f}", f"{p.pairs:,}", f"{p.steps:,}", f"{p.minutes:.1f}"] if p.rank else ["no adapter", *[""] * 6]),
         *(shown for q in p.quality.values() for shown in (f"{q.f1:.3f}", f"{q.exact:.1%}"))]
        for p in points
    ]  # fmt: skip
    counts = ", ".join(f"{quality.n} of {name.replace('_', ' ')}" for name, quality in measured_on.items())
    return "\n".join((
        "# What an adapter needs", "", f"Made by `{command}`: adapters for `{SCHEMA_ID}` of the same pairs, the first so many of them; notes measured on, as they are served: {counts}.",
        "Without an adapter the schema stands in the prompt.", "", "![F1 by pairs](rank-table.png)", "", markdown_table(head, rows), "",
    ))  # fmt: skip


def plot(points: Sequence[Point], file: Path) -> None:
    """F1 by pairs, a panel for each slice and a line for each rank."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(points[0].quality)
    figure, panels = pyplot.subplots(1, len(names), figsize=(1.2 + 3.2 * len(names), 3.4), sharey=True, layout="constrained")
    adapters = [point for point in points if point.rank]
    counts = sorted({point.pairs for point in adapters})
    for axes, name in zip(panels, names, strict=True):
        for rank, rate in dict.fromkeys((point.rank, point.rate) for point in adapters):
            mine = [point for point in adapters if (point.rank, point.rate) == (rank, rate)]
            axes.plot([point.pairs for point in mine], [point.quality[name].f1 for point in mine], marker="o", label=f"rank {rank}, rate {rate:g}")
        for point in points:
            if not point.rank:
                axes.axhline(point.quality[name].f1, color="0.5", linestyle="--", label="no adapter")
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.minorticks_off()
        axes.set_title(f"{name.replace('_', ' ')} (n {points[0].quality[name].n})", fontsize=10)
        axes.set_xlabel("pairs")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("content F1")
    panels[0].legend(frameon=False, loc="lower right", fontsize=8)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
