"""The bench: {base, adapter} x {free, backstop} x slices, with sizes and latency.

Owns the grid of cells and their cache. A cell's rows are kept under the digest of everything that decided them (weights, notes, decoding code, settings), so that a
killed bench resumes and a changed one starts anew; figures are always computed afresh from the rows. Knows no metric and no table:
`training/measure/metrics.py` and `training/measure/reliability.py` do. Run it with

    escribano-train bench --count 1000 --base-count 200 --notes notes.jsonl --output bench/
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import schemas
import service
from schemas.canonical import digest
from service.errors import AdapterUnknown
from service.generator import Generator
from service.ports import ReportGenerator, adapter_info
from service.request import BASE_ADAPTER_ID
from training.gates.pairs_file import content_hash
from training.measure.command_line import command_line
from training.measure.evaluate import DEFAULT_CONCURRENCY, CountTokens, Decoding, evaluate, token_counter
from training.measure.metrics import percentile
from training.measure.reliability import Bench, Models, Timing, Weights, show, write
from training.measure.rows import Evaluation, Row
from training.measure.slices import DEFAULT_SEED, NOTES_SCHEMA_ID, SLICES, Slice, hand_written, synthetic
from training.progress import bar
from training.whole import write_whole

CACHE = Path("runs/bench")
LATENCY_COUNT = 20
WARM_UP_COUNT = 2
IN_FLIGHT = (1, 8, 32)
IN_FLIGHT_COUNT = 64
_PACKAGES = ("escribano", "onnxruntime", "numpy", "tokenizers", "llguidance", "jsonschema", "jsonschema-rs")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the cells are decoded; `threads` None is one for each core."""

    concurrency: int = DEFAULT_CONCURRENCY
    device: str = "cpu"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One corner of the grid."""

    slice: Slice
    writer: str
    mode: Decoding

    @property
    def title(self) -> str:
        return f"{self.slice.name} · {self.writer} · {self.mode.value}"

    def key(self, models: Models, settings: Settings) -> str:
        """Digest of everything that decides this cell's rows."""
        adapter = None if self.writer == BASE_ADAPTER_ID else models.adapter.digest
        facts = {
            "base": models.base.digest, "adapter": adapter, "confidence": dict((models.base if adapter is None else models.adapter).confidence), "writer": self.writer, "mode": self.mode.value, "slice": self.slice.name,
            "pairs": content_hash(self.slice.pairs), "code": decoding_code(), "settings": asdict(settings), "versions": versions(),
        }  # fmt: skip
        return digest(facts)


def decoding_code() -> str:
    """Digest of the sources that decide what is written for a request and how it is judged: schemas and service, the shell aside, and what runs and judges here."""
    folder = Path(service.__file__).parent
    shared = sorted(Path(schemas.__file__).parent.rglob("*.py"))
    decoding = [folder / f"{name}.py" for name in ("generator", "preparing", "planning", "backtrack", "evidence", "confidence", "request")]
    rooms = [file for room in ("grammars", "weights", "engine") for file in sorted((folder / room).rglob("*.py"))]
    files = [*shared, *decoding, *rooms, *(Path(__file__).with_name(f"{name}.py") for name in ("evaluate", "rows"))]
    return digest("".join(digest(file.read_bytes()) for file in files))


# --- the grid --------------------------------------------------------------------------------------------------------


def grid(adapter_slices: Sequence[Slice], base_slices: Sequence[Slice], adapter_id: str) -> Iterator[Cell]:
    """Every cell, slice by slice in the order of the base's slices, the base before the adapter."""
    of_adapter = {one.name: one for one in adapter_slices}
    for one in base_slices:
        yield from (Cell(one, BASE_ADAPTER_ID, mode) for mode in Decoding)
        if one.name in of_adapter:
            yield from (Cell(of_adapter[one.name], adapter_id, mode) for mode in Decoding)


def measured(
    generator: ReportGenerator,
    cell: Cell,
    count_tokens: CountTokens,
    settings: Settings,
    cache: Path,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluate a cell. `cache`: a file of its rows; read when it is there, else written when all of them are."""
    if cache.is_file():
        return _read(cell, cache)
    found = evaluate(
        generator, cell.slice, count_tokens, writer=cell.writer, mode=cell.mode, concurrency=settings.concurrency,
        advance=advance,
    )  # fmt: skip
    _write(found, cache)
    return found


def _read(cell: Cell, file: Path) -> Evaluation:
    head, *rows = (json.loads(line) for line in file.read_text("utf-8").split("\n") if line)
    return Evaluation(cell.slice, cell.writer, cell.mode.value, tuple(map(Row.from_json, rows)), head["elapsed_s"])


def _write(found: Evaluation, file: Path) -> None:
    """A kill leaves no half of a cell."""
    head = {"elapsed_s": found.elapsed_s, "slice": found.slice.name, "writer": found.writer, "mode": found.mode}
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in (head, *(row.to_json() for row in found.rows)))
    write_whole(file, lines)


def timings(
    generator: ReportGenerator, notes: Slice, writers: Iterable[str], count_tokens: CountTokens
) -> Iterator[Timing]:
    """Each writer one report at a time, the last one (the adapter) with more in flight too."""
    *others, last = writers
    for writer in others:
        yield timing(generator, _first(notes, LATENCY_COUNT), writer, 1, count_tokens)
    for num_in_flight in IN_FLIGHT:
        count = LATENCY_COUNT if num_in_flight == 1 else IN_FLIGHT_COUNT
        yield timing(generator, _first(notes, count), last, num_in_flight, count_tokens)


def timing(
    generator: ReportGenerator, notes: Slice, writer: str, num_in_flight: int, count_tokens: CountTokens
) -> Timing:
    """Time reports with the backstop on, after a warm-up."""
    evaluate(generator, _first(notes, WARM_UP_COUNT), count_tokens, writer=writer, concurrency=1)
    found = evaluate(generator, notes, count_tokens, writer=writer, concurrency=num_in_flight)
    seconds = [row.work.total_s for row in found.rows if row.work is not None]
    p50_s, p99_s = percentile(seconds, 0.5), percentile(seconds, 0.99)
    return Timing(writer, num_in_flight, len(seconds), p50_s, p99_s, len(seconds) / found.elapsed_s)


def _first(notes: Slice, count: int) -> Slice:
    return Slice(notes.name, notes.pairs[:count])


# --- the command -----------------------------------------------------------------------------------------------------


def main(
    *,
    base: str | None = None,
    adapters: Sequence[Path] = (),
    count: int = 1000,
    base_count: int = 200,
    seed: int = DEFAULT_SEED,
    notes: Path | None = None,
    output: Path = Path("bench"),
    cache: Path = CACHE,
    concurrency: int = DEFAULT_CONCURRENCY,
    device: str = "cpu",
    threads: int | None = None,
) -> Bench:
    """What `escribano-train bench` runs: measure what is not yet in `cache`, print, write to `output`.

    Raises: AdapterUnknown without an adapter for agent_status; FileInvalid, CheckpointInvalid, AdapterMismatch, OSError.
    """
    settings = Settings(concurrency, device, threads)
    written = [hand_written(notes)] if notes else []
    of_adapter, of_base = [*_synthetic(count, seed)[:2], *written], [*_synthetic(base_count, seed), *written]
    count_tokens = token_counter(base)
    generator = Generator.open(base, adapters, device=device, threads=threads)
    try:
        models = _models(generator)
        todo = list(grid(of_adapter, of_base, models.adapter_id))
        found = [_resumed(generator, cell, count_tokens, settings, models, cache) for cell in todo]
        timed = tuple(timings(generator, of_adapter[0], (BASE_ADAPTER_ID, models.adapter_id), count_tokens))
    finally:
        generator.close()
    facts = _facts(settings, seed, command(base, adapters, count, base_count, seed, notes, output, settings))
    bench = Bench(models, tuple(found), timed, facts)
    write(bench, output)
    show(bench)
    return bench


def _synthetic(count: int, seed: int) -> list[Slice]:
    return [synthetic(name, count, seed) for name in SLICES]


def _models(generator: Generator) -> Models:
    known = [adapter_info(adapter) for adapter in generator.adapters]
    fitting = [adapter for adapter in known if adapter.schema_id == NOTES_SCHEMA_ID]
    if not fitting:
        raise AdapterUnknown(NOTES_SCHEMA_ID, tuple(adapter.adapter_id for adapter in known))
    base, chosen = generator.base_info, fitting[0]
    adapter = Weights(chosen.adapter_digest, chosen.size_bytes, asdict(generator.calibration(chosen.adapter_id)))
    weights = Weights(base.base_digest, base.size_bytes, asdict(generator.calibration(BASE_ADAPTER_ID)))
    return Models(weights, adapter, chosen.adapter_id, chosen.rank, chosen.lora_alpha)


def _resumed(
    generator: ReportGenerator, cell: Cell, count_tokens: CountTokens, settings: Settings, models: Models, cache: Path
) -> Evaluation:
    file = cache / f"{cell.key(models, settings).removeprefix('sha256:')[:32]}.jsonl"
    with bar(cell.title, len(cell.slice.pairs)) as advance:
        return measured(generator, cell, count_tokens, settings, file, advance)


def command(
    base: str | None, adapters: Sequence[Path], count: int, base_count: int, seed: int, notes: Path | None, output: Path, settings: Settings
) -> str:  # fmt: skip
    """The command line that does it again."""
    return command_line(
        "bench", count=count, base_count=base_count, seed=seed, base=base, adapter=tuple(adapters), notes=notes,
        concurrency=None if settings.concurrency == DEFAULT_CONCURRENCY else settings.concurrency, device=settings.device, output=output, threads=settings.threads,
    )  # fmt: skip


def _facts(settings: Settings, seed: int, told: str) -> dict[str, Any]:
    return {
        "command": told, "seed": seed, "concurrency": settings.concurrency, "device": settings.device, "threads": settings.threads or os.cpu_count(),
        "cpu_count": os.cpu_count(), "machine": platform.machine(), "versions": {"python": platform.python_version(), **versions()},
        "decoding_code": decoding_code(),
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Of the packages that decide what is written."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
