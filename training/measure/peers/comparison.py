"""Escribano and its peers on the same weights, the same notes and the same schema: reports a second, passes a token, memory.

Owns the contestants, their runs and how the comparison is told. Each contestant runs in a process of its own, so that its memory is its own and nothing is warm from
another; what it writes is compared text by text, so that equal work is seen and not assumed. Run it with

    make bench-peers
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from schemas.catalog import Catalog
from schemas.prompt import render
from schemas.validation import ReportValidator
from service.engine.loading import torch_threads
from service.generator import Generator
from service.planning import DEFAULT_MAX_NEW_TOKENS
from service.weights.adapters import Adapter, AdapterStore, adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, Base, read_base
from training.measure.command_line import command_line
from training.measure.evaluate import DEFAULT_CONCURRENCY, Decoding, evaluate, loaded_writer
from training.measure.metrics import percentile
from training.measure.reliability import markdown_table
from training.measure.slices import DEFAULT_SEED, NOTES_SCHEMA_ID, Slice, synthetic
from training.progress import bar

IN_FLIGHT = (1, 8, 32)
WARM_UP_COUNT = 2
LLAMA_SCRIPT = Path(__file__).with_name("on_llama_cpp.py")
Advance = Callable[[], None]


class PeerFailed(RuntimeError):
    """A contestant's process ended without an answer."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of writing the same reports. `mode`: with or without grounding; `engine`: ours, "outlines" (over transformers) or "llama.cpp", the latter with weights of a `kind`."""

    name: str
    mode: Decoding
    engine: str = "escribano"
    kind: str = ""

    @property
    def is_peer(self) -> bool:
        return self.engine != "escribano"


SAME_WORK = "Escribano, grounding off"
"""What the peers do as well; every other report is compared with this one's."""
CONTESTANTS = (
    Contestant("Escribano", Decoding.BACKSTOP),
    Contestant(SAME_WORK, Decoding.MASK),
    Contestant("Outlines + transformers", Decoding.MASK, "outlines"),
    Contestant("llama.cpp, f32", Decoding.MASK, "llama.cpp", "f32"),
    Contestant("llama.cpp, f16", Decoding.MASK, "llama.cpp", "f16"),
    Contestant("llama.cpp, f16, no grammar", Decoding.FREE, "llama.cpp", "f16"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """What every contestant is given."""

    base: str | None
    adapters: tuple[Path, ...]
    count: int
    seed: int
    threads: int | None
    peers_python: Path | None = None

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
    if contestant.engine == "escribano":
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
    yield Result(contestant.name, tuple(_run(*one) for one in found), sum(row.valid for row in rows), _peak_bytes(), tuple(row.report or "" for row in rows))


def _peak_bytes() -> int:
    """The most memory this process ever had resident, as `on_llama_cpp.py` reads it too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _run(num_in_flight: int, found: Any) -> Run:
    work = [row.work for row in found.rows if row.work is not None]
    seconds, tokens = [w.total_s for w in work], sum(w.num_completion_tokens for w in work)
    passes = sum(w.num_forward_passes for w in work) / tokens
    return Run(num_in_flight, len(work), percentile(seconds, 0.5), percentile(seconds, 0.99), len(work) / found.elapsed_s, tokens / found.elapsed_s, passes)


# --- llama.cpp ---------------------------------------------------------------------------------------------------------


def llama_work(contestant: Contestant, task: Task, folder: Path) -> dict[str, Any]:
    """What `on_llama_cpp.py` is to do: the adapter's weights are added to the base's, and the prompts are tokens already. Raises: CheckpointInvalid, PeerFailed."""
    base, admitted = read_base(task.base), Catalog.load().get(NOTES_SCHEMA_ID)
    paths = [*(adapter_directories(EMBEDDED_ADAPTERS) if task.base is None else ()), *task.adapters]
    adapter = AdapterStore(map(read_adapter, paths), base.digest).resolve(None, admitted.digest)
    if adapter is None:
        raise PeerFailed(f"{contestant.name} needs an adapter for {NOTES_SCHEMA_ID}")
    np.savez(folder / "weights.npz", **merged(base, adapter))
    told = json.loads(base.tokenizer.to_str())
    ids = sorted(base.tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    special = {token["id"] for token in told["added_tokens"] if token["special"]}
    bos = [] if base.config.bos_id is None else [base.config.bos_id]
    return {
        "weights": str(folder / "weights.npz"), "sizes": asdict(base.config), "kind": contestant.kind, "threads": task.threads or os.cpu_count(),
        "vocab": {
            "tokens": [token for token, _ in ids], "special": [number in special for _, number in ids], "eos_id": base.config.eos_ids[0],
            "merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in told["model"]["merges"]],
        },
        "prompts": [[*bos, *base.tokenizer.encode(render(pair.question, (), None), add_special_tokens=False).ids] for pair in task.notes.pairs],
        "schema": None if contestant.mode is Decoding.FREE else _as_llama_reads(admitted.mask_schema), "grammar": None,
        "in_flight": IN_FLIGHT, "warm_up": WARM_UP_COUNT, "max_new_tokens": DEFAULT_MAX_NEW_TOKENS,
    }  # fmt: skip


def _as_llama_reads(schema: dict[str, Any]) -> str:
    """The schema's JSON with its patterns in the spelling that llama.cpp's converter reads: plain groups, no escaped point or hyphen. The same ones for the schema of the bench; others may change."""
    return json.dumps(schema).replace("(?:", "(").replace(r"\\-", "-").replace(r"\\.", "[.]")


def merged(base: Base, adapter: Adapter) -> dict[str, Any]:
    """The base's weights in float32 by name, with the adapter's added."""
    weights = {name: array.astype(np.float32) for name, array in base.weights()}
    for (layer, projection), (down, up) in adapter.weights.factors.items():
        part = "self_attn" if projection[0] in "qkvo" else "mlp"
        weights[f"model.layers.{layer}.{part}.{projection}.weight"] += adapter.weights.scale * (up.astype(np.float32) @ down.astype(np.float32))
    return weights


def _llama(contestant: Contestant, task: Task, advance: Advance) -> Result:
    base, validator = read_base(task.base), ReportValidator(Catalog.load().get(NOTES_SCHEMA_ID).schema)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "work.json"
        file.write_text(json.dumps(llama_work(contestant, task, Path(folder))), "utf-8")
        told: dict[str, Any] = {}
        with subprocess.Popen([str(task.peers_python), str(LLAMA_SCRIPT), str(file)], stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout or ():
                told = json.loads(line)
                advance()
    if "runs" not in told:
        raise PeerFailed(f"{contestant.name} ended without an answer")
    texts = tuple(base.tokenizer.decode(report["ids"], skip_special_tokens=False) if report["ended"] else "" for report in told["runs"][0]["reports"])
    valid = sum(not validator.check(text).violations for text in texts)
    return Result(contestant.name, tuple(map(_llama_run, told["runs"])), valid, told["peak_bytes"], texts)


def _llama_run(run: dict[str, Any]) -> Run:
    reports, elapsed = run["reports"], run["elapsed_s"]
    tokens, seconds = sum(len(report["ids"]) for report in reports), [report["seconds"] for report in reports]
    return Run(run["num_in_flight"], len(reports), percentile(seconds, 0.5), percentile(seconds, 0.99), len(reports) / elapsed, tokens / elapsed, run["num_passes"] / tokens)


# --- the comparison --------------------------------------------------------------------------------------------------


def compete(contestant: Contestant, task: Task, advance: Advance = lambda: None) -> Result:
    """Run a contestant in a process of its own. Raises: PeerFailed when it ends without an answer; what went wrong is on its stderr."""
    if contestant.engine == "llama.cpp":
        return _llama(contestant, task, advance)
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
    """Our reports a second over those of each peer, a row for each peer and number in flight."""
    peers = {contestant.name for contestant in CONTESTANTS if contestant.is_peer}
    ours = [result for result in results if result.contestant not in peers]
    return [
        {"peer": peer.contestant, "num_in_flight": theirs.num_in_flight, **{r.contestant: r.runs[i].reports_per_s / theirs.reports_per_s for r in ours}}
        for peer in results if peer.contestant in peers for i, theirs in enumerate(peer.runs)
    ]  # fmt: skip


def markdown(results: Sequence[Result], facts: dict[str, Any]) -> str:
    """The comparison as people read it."""
    equal = next(result for result in results if result.contestant == SAME_WORK)
    head = ("", "in flight", "reports/s", "p50 (s)", "p99 (s)", "tokens/s", "passes/token", "valid", "same", "peak memory")
    rows = [
        (result.contestant, str(run.num_in_flight), f"{run.reports_per_s:.2f}", f"{run.p50_s:.3f}", f"{run.p99_s:.3f}", f"{run.tokens_per_s:.0f}", f"{run.passes_per_token:.2f}",
         f"{result.valid}/{run.n}", f"{same_texts(equal, result)}/{run.n}", f"{result.peak_bytes / 1e6:.0f} MB")
        for result in results for run in result.runs
    ]  # fmt: skip
    found = ratios(results)
    names = [name for name in (found[0] if found else {}) if name not in ("peer", "num_in_flight")]
    times = [(row["peer"], str(row["num_in_flight"]), *(f"{row[name]:.1f}×" for name in names)) for row in found]
    left_out = "" if any("llama.cpp" in result.contestant for result in results) else " llama.cpp was left out: `make bench-peers` builds it."
    return "\n".join((
        "# Peers", "", f"Made by `{facts['command']}` on {facts['cpu_count']} CPU cores, {facts['threads'] or facts['cpu_count']} threads: the same weights, {facts['count']} notes of "
        f"unseen values, greedy, each contestant in a process of its own.{left_out}", "",
        f"*{SAME_WORK}* does what the peers do: the schema, and no more. *Escribano* also takes values from the text only, and gives evidence for each. *valid*: reports that the schema accepts; *same*: reports that are letter by letter those of *{SAME_WORK}*; both with one in flight.",
        "*Outlines*: its llguidance backend over transformers' `generate`, the adapter by peft, waiting requests as one batch. "
        f"Torch has {torch_threads(facts['threads'] or facts['cpu_count'])} of the threads there: in a thread that is not the process's first it is slower with as many as there are cores (docs/performance.md). "
        "*llama.cpp*: the adapter added to the weights, its own JSON-schema grammar, one batched pass a step for all that are in flight; the greedy choice is held against the grammar first, and the whole vocabulary only where that refuses it. "
        "The weights read a prompt both ways, for which it switches causal attention off and on. Its grammar allows spaces where our canonical form has none.", "",
        markdown_table(head, rows), "", "## Our reports a second over theirs", "", markdown_table(("", "in flight", *names), times), "",
    ))  # fmt: skip


def plot(results: Sequence[Result], file: Path) -> None:
    """Reports a second by number in flight, a line for each contestant."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.4, 3.6), layout="constrained")
    for result in results:
        axes.plot([run.num_in_flight for run in result.runs], [run.reports_per_s for run in result.runs], marker="o", label=result.contestant)
    axes.set_xscale("log", base=2)
    axes.set_xticks(IN_FLIGHT, [str(number) for number in IN_FLIGHT])
    axes.set_xlabel("requests in flight")
    axes.set_ylabel("reports a second")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def main(
    *, base: str | None = None, adapters: Sequence[Path] = (), count: int = DEFAULT_CONCURRENCY, seed: int = DEFAULT_SEED, output: Path = Path("bench"),
    threads: int | None = None, peers_python: Path | None = None,
) -> list[Result]:  # fmt: skip
    """What `escribano-train bench-peers` runs; writes peers.md, peers.json and peers.png to ``output``. ``peers_python``: of an environment with llama.cpp; without one it is left out.

    Raises: PeerFailed, CheckpointInvalid.
    """
    task = Task(base, tuple(adapters), count, seed, threads, peers_python)
    results = []
    for contestant in CONTESTANTS:
        if contestant.engine == "llama.cpp" and peers_python is None:
            continue
        with bar(contestant.name, WARM_UP_COUNT + count * len(IN_FLIGHT)) as advance:
            results.append(compete(contestant, task, advance))
    facts = {"command": command_line("bench-peers", count=count, seed=seed, base=base, adapter=tuple(adapters), threads=threads), "cpu_count": os.cpu_count(), "threads": threads, "count": count, "seed": seed}
    output.mkdir(parents=True, exist_ok=True)
    equal = next(result for result in results if result.contestant == SAME_WORK)
    told = [{name: value for name, value in asdict(result).items() if name != "texts"} | {"same_texts": same_texts(equal, result)} for result in results]
    (output / "peers.json").write_text(json.dumps({"made": facts, "results": told, "ratios": ratios(results)}, indent=2) + "\n", "utf-8")
    (output / "peers.md").write_text(markdown(results, facts), "utf-8")
    plot(results, output / "peers.png")
    Console().print((output / "peers.md").read_text("utf-8"), highlight=False)
    return results
