"""Escribano and its peers on the same weights, the same notes and the same schema: reports a second, passes a token, memory.

Owns the contestants, their runs and how the comparison is told. Each contestant runs in a process of its own, so that its memory is its own and nothing is warm from
another; what it writes is compared text by text, so that equal work is seen and not assumed. The shipped base reads its prompt both ways (`training/prefix.py`), which
llama.cpp and vLLM cannot; the peers here are what Outlines runs on transformers. Run it with

    escribano-train bench-peers --count 32 --output bench/
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console

from service.engine.loading import torch_threads
from service.generator import Generator
from training.evaluate import DEFAULT_CONCURRENCY, Decoding, evaluate, loaded_writer
from training.metrics import percentile
from training.progress import bar
from training.reliability import markdown_table
from training.slices import DEFAULT_SEED, Slice, synthetic

IN_FLIGHT = (1, 8, 32)
WARM_UP_COUNT = 2
Advance = Callable[[], None]


class PeerFailed(RuntimeError):
    """A contestant's process ended without an answer."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of writing the same reports. `mode`: with or without grounding; `reference`: by Outlines over transformers."""

    name: str
    mode: Decoding
    reference: bool = False


CONTESTANTS = (
    Contestant("Escribano", Decoding.BACKSTOP),
    Contestant("Escribano, grounding off", Decoding.MASK),
    Contestant("Outlines + transformers", Decoding.MASK, reference=True),
)
SAME_WORK = (CONTESTANTS[1].name, CONTESTANTS[2].name)


@dataclass(frozen=True, slots=True)
class Task:
    """What every contestant is given."""

    base: str | None
    adapters: tuple[Path, ...]
    count: int
    seed: int
    threads: int | None

    @property
    def notes(self) -> Slice:
        return synthetic("unseen_values", self.count, self.seed)


@dataclass(frozen=True, slots=True)
class Run:
    """`n` reports with `num_in_flight` at a time; seconds a report as the caller waits for it, tokens a second of all reports together."""

    num_in_flight: int
    n: int
    p50_s: float
    p99_s: float
    reports_per_s: float
    tokens_per_s: float
    passes_per_token: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one contestant did; `peak_bytes` is the largest resident memory of its process, `texts` its reports in the order of the notes."""

    contestant: str
    runs: tuple[Run, ...]
    valid: int
    peak_bytes: int
    texts: tuple[str, ...]


# --- in the contestant's process -------------------------------------------------------------------------------------


def _opened(contestant: Contestant, task: Task) -> Generator:
    if not contestant.reference:
        return Generator.open(task.base, task.adapters, threads=task.threads)
    import torch

    from service.reference import reference_generator

    torch.set_num_threads(torch_threads(task.threads))
    return reference_generator(task.base, task.adapters)


def _child(sender: Connection, contestant: Contestant, task: Task) -> None:
    generator = _opened(contestant, task)
    try:
        for told in _told(generator, contestant, task, lambda: sender.send(None)):
            sender.send(told)
    finally:
        generator.close()


def _told(generator: Generator, contestant: Contestant, task: Task, advance: Advance) -> Iterator[Result]:
    notes, writer = task.notes, loaded_writer(generator)

    def written(some: Slice, num_in_flight: int) -> Any:
        return evaluate(generator, some, len, writer=writer, mode=contestant.mode, concurrency=num_in_flight, advance=advance)

    written(replace(notes, pairs=notes.pairs[:WARM_UP_COUNT]), WARM_UP_COUNT)
    found = [(num_in_flight, written(notes, num_in_flight)) for num_in_flight in IN_FLIGHT]
    rows = found[0][1].rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield Result(contestant.name, tuple(_run(*one) for one in found), sum(row.valid for row in rows), peak, tuple(row.report or "" for row in rows))


def _run(num_in_flight: int, found: Any) -> Run:
    work = [row.work for row in found.rows if row.work is not None]
    seconds, tokens = [w.total_s for w in work], sum(w.num_completion_tokens for w in work)
    passes = sum(w.num_forward_passes for w in work) / tokens
    return Run(num_in_flight, len(work), percentile(seconds, 0.5), percentile(seconds, 0.99), len(work) / found.elapsed_s, tokens / found.elapsed_s, passes)


# --- the comparison --------------------------------------------------------------------------------------------------


def compete(contestant: Contestant, task: Task, advance: Advance = lambda: None) -> Result:
    """Run a contestant in a process of its own. Raises: PeerFailed when it ends without an answer; what went wrong is on its stderr."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(sender, contestant, task), daemon=True)
    child.start()
    sender.close()
    try:
        while not isinstance(told := receiver.recv(), Result):
            advance()
        return told
    except EOFError:
        raise PeerFailed(f"{contestant.name} ended without an answer") from None
    finally:
        child.join()
        receiver.close()


def same_texts(one: Result, other: Result) -> int:
    """How many reports both wrote letter by letter alike."""
    return sum(mine == theirs for mine, theirs in zip(one.texts, other.texts, strict=True))


def ratios(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Reports a second of each contestant over those of the last, a row for each number in flight."""
    *others, peer = results
    return [
        {"num_in_flight": theirs.num_in_flight, **{r.contestant: r.runs[i].reports_per_s / theirs.reports_per_s for r in others}}
        for i, theirs in enumerate(peer.runs)
    ]  # fmt: skip


def markdown(results: Sequence[Result], facts: dict[str, Any]) -> str:
    """The comparison as people read it."""
    by_name = {result.contestant: result for result in results}
    head = ("", "in flight", "n", "reports/s", "p50 (s)", "p99 (s)", "tokens/s", "passes/token", "peak memory")
    rows = [
        (result.contestant, str(run.num_in_flight), str(run.n), f"{run.reports_per_s:.2f}", f"{run.p50_s:.3f}", f"{run.p99_s:.3f}", f"{run.tokens_per_s:.0f}",
         f"{run.passes_per_token:.2f}", f"{result.peak_bytes / 1e6:.0f} MB")
        for result in results for run in result.runs
    ]  # fmt: skip
    names = [result.contestant for result in results[:-1]]
    times = [(str(row["num_in_flight"]), *(f"{row[name]:.1f}×" for name in names)) for row in ratios(results)]
    alike = same_texts(*(by_name[name] for name in SAME_WORK))
    return "\n".join((
        "# Peers", "", f"Made by `{facts['command']}` on {facts['cpu_count']} CPU cores, {facts['threads'] or facts['cpu_count']} threads: the same weights, {facts['count']} notes of "
        "unseen values, greedy, each contestant in a process of its own.", "",
        f"*{SAME_WORK[0]}* and *{SAME_WORK[1]}* do the same work: {alike} of {facts['count']} reports are letter by letter the same. *Escribano* also takes values from the text only.",
        f"Torch, under Outlines, has {torch_threads(facts['threads'] or facts['cpu_count'])}: in a thread that is not the process's first it is slower with as many as there are cores (docs/performance.md).",
        "The base reads its prompt both ways, which llama.cpp and vLLM cannot run.", "",
        markdown_table(head, rows), "", f"## Reports a second, {results[-1].contestant} = 1", "", markdown_table(("in flight", *names), times), "",
    ))  # fmt: skip


def plot(results: Sequence[Result], file: Path) -> None:
    """Reports a second by number in flight, a line for each contestant."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for result in results:
        axes.plot([run.num_in_flight for run in result.runs], [run.reports_per_s for run in result.runs], marker="o", label=result.contestant)
    axes.set_xscale("log", base=2)
    axes.set_xticks(IN_FLIGHT, [str(number) for number in IN_FLIGHT])
    axes.set_xlabel("requests in flight")
    axes.set_ylabel("reports a second")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def main(
    *, base: str | None = None, adapters: Sequence[Path] = (), count: int = DEFAULT_CONCURRENCY, seed: int = DEFAULT_SEED, output: Path = Path("bench"),
    threads: int | None = None,
) -> list[Result]:  # fmt: skip
    """What `escribano-train bench-peers` runs; writes peers.md, peers.json and peers.png to ``output``. Raises: PeerFailed."""
    task = Task(base, tuple(adapters), count, seed, threads)
    results = []
    for contestant in CONTESTANTS:
        with bar(contestant.name, WARM_UP_COUNT + count * len(IN_FLIGHT)) as advance:
            results.append(compete(contestant, task, advance))
    facts = {"command": f"escribano-train bench-peers --count {count}" + (f" --threads {threads}" if threads else ""), "cpu_count": os.cpu_count(), "threads": threads, "count": count, "seed": seed}
    output.mkdir(parents=True, exist_ok=True)
    told = [{name: value for name, value in asdict(result).items() if name != "texts"} for result in results]
    by_name = {result.contestant: result for result in results}
    alike = {"between": SAME_WORK, "reports": same_texts(*(by_name[name] for name in SAME_WORK)), "of": count}
    (output / "peers.json").write_text(json.dumps({"made": facts, "results": told, "same_texts": alike, "ratios": ratios(results)}, indent=2) + "\n", "utf-8")
    (output / "peers.md").write_text(markdown(results, facts), "utf-8")
    plot(results, output / "peers.png")
    Console().print((output / "peers.md").read_text("utf-8"), highlight=False)
    return results
