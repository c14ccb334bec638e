"""How much an adapter needs: its quality by rank and by the number of pairs that it learned from.

Owns the grid of adapters, what is measured of each and how that is shown; a point whose row is there is not made again, so a killed run goes on. Run it with

    escribano-train rank-table --base runs/base/model --output runs/ranks --rank 8 --rank 32 --pairs 500 --pairs 1500
    escribano-train rank-table --base runs/base/model --output runs/curve --rank 32 --pairs 50 --pairs 150 --pairs 500 --pairs 1500 --pairs 5000
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from training.gates.curate import curate
from training.measure import evaluate
from training.measure.reliability import markdown_table
from training.measure.slices import SliceName, synthetic
from training.notes.synthesize import Pair
from training.progress import tracked
from training.runs import SCHEMA_ID, drawn, make_adapter
from training.specialist.finetune import FinetunePlan, base_digest

MEASURED: tuple[SliceName, ...] = ("unseen_values", "unseen_wordings")
_SPARE = 1.3
"""How many pairs are drawn for each that is wanted: some are refused by the gates."""


class RowsOfAnother(ValueError):
    """A directory that holds adapters of another base, or measured otherwise."""


@dataclass(frozen=True)
class Grid:
    """Which adapters are made and how. ``least_steps``: with few pairs as many passes over them as it takes to make so many steps."""

    ranks: tuple[int, ...] = (8, 32)
    counts: tuple[int, ...] = (50, 150, 500, 1500, 5000)
    least_steps: int = 60
    eval_count: int = 100
    seed: int = 1
    device: str = "cpu"
    threads: int | None = None
    compiled: bool = False

    def plan(self, rank: int, count: int) -> FinetunePlan:
        plan = FinetunePlan(rank=rank, seed=self.seed)
        is_long = count >= self.least_steps * plan.batch_size
        return FinetunePlan(rank=rank, seed=self.seed, epochs=1.0 if is_long else self.least_steps * plan.batch_size / count, compiled=self.compiled and is_long)


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
    """An adapter of the grid. ``parameters``: its share of the base's."""

    rank: int
    pairs: int
    steps: int
    minutes: float
    size_bytes: int
    parameters: float
    quality: dict[str, Quality]


def main(*, base: Path, output: Path, grid: Grid) -> list[Point]:
    """What `escribano-train rank-table` runs: trains and measures each point; writes rank-table.md, .json and .png to ``output``. Raises: as `evaluate.main`; RowsOfAnother."""
    most = max(grid.counts)
    pairs = curate(tracked(drawn("agent_status", "train", grid.seed, round(most * _SPARE)), round(most * _SPARE), "pairs")).kept[:most]
    points = [_point(base, output, pairs[:count], rank, grid) for rank in grid.ranks for count in grid.counts]
    facts = {"command": f"escribano-train rank-table --base {base} {' '.join(_options(grid))}", "grid": asdict(grid), "points": [asdict(point) for point in points]}
    (output / "rank-table.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    (output / "rank-table.md").write_text(markdown(points, str(facts["command"])), "utf-8")
    plot(points, output / "rank-table.png")
    return points


def _options(grid: Grid) -> Iterator[str]:
    yield from (f"--rank {rank}" for rank in grid.ranks)
    yield from (f"--pairs {count}" for count in grid.counts)
    yield f"--least-steps {grid.least_steps} --eval-count {grid.eval_count} --seed {grid.seed}"
    yield from (["--compiled"] if grid.compiled else [])


def _point(base: Path, output: Path, pairs: Sequence[Pair], rank: int, grid: Grid) -> Point:
    adapter = output / f"rank{rank}-pairs{len(pairs)}"
    row, made = adapter / "row.json", {"base": base_digest(base), "least_steps": grid.least_steps, "eval_count": grid.eval_count, "seed": grid.seed}
    if row.exists():
        known = json.loads(row.read_text("utf-8"))
        if known["made"] != made:
            raise RowsOfAnother(f"{row} is of another run ({known['made']}); choose another --output")
        return Point(**known["point"] | {"quality": {name: Quality(**found) for name, found in known["point"]["quality"].items()}})
    if not (adapter / "metadata.json").exists():
        make_adapter(str(base), pairs, adapter, grid.plan(rank, len(pairs)), grid.device, grid.threads)
    facts, base_facts = (json.loads((folder / "metadata.json").read_text("utf-8")) for folder in (adapter, base))
    size = (adapter / "adapter_model.safetensors").stat().st_size
    point = Point(rank, len(pairs), facts["steps"], facts["minutes"], size, facts["num_parameters"] / base_facts["parameters"], measured(base, adapter, grid))
    row.write_text(json.dumps({"made": made, "point": asdict(point)}, indent=2) + "\n", "utf-8")
    return point


def measured(base: Path, adapter: Path, grid: Grid) -> dict[str, Quality]:
    """Of an adapter on each slice, with the backstop."""
    wanted = [synthetic(name, grid.eval_count) for name in MEASURED]
    found = evaluate.measured(wanted, [adapter.name], base=str(base), adapters=[adapter], device=grid.device, threads=grid.threads)
    told = {one.slice.name: one.summary for one in found}
    return {name: Quality(s.n, s.validity, s.native_validity, s.exact_rate, s.f1) for name, s in told.items()}


def markdown(points: Sequence[Point], command: str) -> str:
    """The points as people read them."""
    head = ["rank", "of the base", "MB", "pairs", "steps", "minutes", *(f"{name.replace('_', ' ')}: {what}" for name in MEASURED for what in ("F1", "exact", "needed no help"))]
    rows = [
        [str(p.rank), f"{p.parameters:.1%}", f"{p.size_bytes / 1e6:.2f}", f"{p.pairs:,}", f"{p.steps:,}", f"{p.minutes:.1f}",
         *(shown for name in MEASURED for q in [p.quality[name]] for shown in (f"{q.f1:.3f}", f"{q.exact:.1%}", f"{q.native_valid:.1%}"))]
        for p in points
    ]  # fmt: skip
    n = points[0].quality[MEASURED[0]].n
    return "\n".join((
        "# What an adapter needs", "", f"Made by `{command}`: adapters for `{SCHEMA_ID}` of the same pairs, the first so many of them; n {n} notes of each slice, as they are served.", "",
        "![F1 by pairs](rank-table.png)", "", markdown_table(head, rows), "",
    ))  # fmt: skip


def plot(points: Sequence[Point], file: Path) -> None:
    """F1 by pairs, a panel for each slice and a line for each rank."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(MEASURED), figsize=(8.4, 3.4), sharey=True, layout="constrained")
    for axes, name in zip(panels, MEASURED, strict=True):
        for rank in dict.fromkeys(point.rank for point in points):
            mine = [point for point in points if point.rank == rank]
            axes.plot([point.pairs for point in mine], [point.quality[name].f1 for point in mine], marker="o", label=f"rank {rank}")
        counts = sorted({point.pairs for point in points})
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{count:,}" for count in counts])
        axes.minorticks_off()
        axes.set_title(name.replace("_", " "), fontsize=10)
        axes.set_xlabel("pairs")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("content F1")
    panels[0].legend(frameon=False, loc="lower right")
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
