"""What load costs: fifty adapters in flight beside one, memory for each, and how long a report takes at half the rate that the engine can keep up with.

Owns the crowd of adapters (copies of the shipped one under digests of their own, so that the work is the same), the arrivals and how the figures are told. Nothing else
may run beside it. Run it with

    escribano-train bench-load --output bench/
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from schemas.catalog import Catalog
from service.engine.engine import Engine
from service.engine.loading import executors_for
from service.engine.lora import LowRank
from service.generator import Generator
from service.request import GenerationRequest
from service.weights.adapters import Adapter, adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, read_base
from training.measure.command_line import command_line
from training.measure.metrics import percentile
from training.measure.reliability import markdown_table
from training.measure.slices import DEFAULT_SEED, NOTES_SCHEMA_ID, synthetic
from training.progress import bar

NUM_ADAPTERS = 50
NUM_IN_FLIGHT = 32
Advance = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Reports a second of `n` reports, with so many in flight and so many adapters among them; resident bytes before the adapters, with them, and afterwards."""

    num_adapters: int
    n: int
    reports_per_s: float
    before_bytes: int
    loaded_bytes: int
    after_bytes: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Reports that come at random times, `rate` a second on average: seconds from arrival to answer."""

    rate: float
    n: int
    p50_s: float
    p99_s: float


def copies(adapter: Adapter, count: int) -> list[Adapter]:
    """The same adapter under other names and digests, each with arrays of its own."""

    def copied(weights: LowRank) -> LowRank:
        return LowRank({key: (down.copy(), up.copy()) for key, (down, up) in weights.factors.items()}, weights.scale)

    return [replace(adapter, adapter_id=f"copy-{i}", adapter_digest=f"{adapter.adapter_digest}:{i}", weights=copied(adapter.weights)) for i in range(count)]


def resident_bytes() -> int:
    """Of this process, now. Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def crowded(generator: Generator, notes: Sequence[str], adapter_ids: Sequence[str], advance: Advance) -> float:
    """Write the reports of the notes, the adapters taking turns; reports a second."""
    places = asyncio.Semaphore(NUM_IN_FLIGHT)

    async def one(i: int) -> None:
        async with places:
            await generator.generate(GenerationRequest(notes[i], schema_id=NOTES_SCHEMA_ID, adapter_id=adapter_ids[i % len(adapter_ids)]))
            advance()

    began = time.perf_counter()
    await asyncio.gather(*(one(i) for i in range(len(notes))))
    return len(notes) / (time.perf_counter() - began)


def crowd(num_adapters: int, notes: Sequence[str], threads: int | None) -> Crowd:
    """Open an engine, load so many adapters and write the notes with them. Its memory is the process's: run each in one of its own."""
    base = read_base()
    shipped = next(found for found in map(read_adapter, adapter_directories(EMBEDDED_ADAPTERS)) if found.schema_id == NOTES_SCHEMA_ID)
    engine = Engine(*executors_for(base, num_slots=NUM_IN_FLIGHT, threads=threads))
    before = resident_bytes()
    adapters = copies(shipped, num_adapters)
    for adapter in adapters:
        engine.load_adapter(adapter.adapter_digest, adapter.weights)
    loaded = resident_bytes()
    with closing(Generator(base, adapters, engine, Catalog.load())) as generator:
        ids = [adapter.adapter_id for adapter in adapters]
        asyncio.run(crowded(generator, notes[:NUM_IN_FLIGHT], ids, lambda: None))
        with bar(f"{num_adapters} adapters", len(notes)) as advance:
            rate = asyncio.run(crowded(generator, notes, ids, advance))
        return Crowd(num_adapters, len(notes), rate, before, loaded, resident_bytes())


async def arriving(generator: Generator, notes: Sequence[str], rate: float, seed: int, advance: Advance) -> Arrivals:
    """Reports that arrive as a Poisson process."""
    draw, seconds = random.Random(seed), list[float]()

    async def one(note: str) -> None:
        began = time.perf_counter()
        await generator.generate(GenerationRequest(note, schema_id=NOTES_SCHEMA_ID))
        seconds.append(time.perf_counter() - began)
        advance()

    tasks = []
    for note in notes:
        tasks.append(asyncio.create_task(one(note)))
        await asyncio.sleep(draw.expovariate(rate))
    await asyncio.gather(*tasks)
    return Arrivals(rate, len(seconds), percentile(seconds, 0.5), percentile(seconds, 0.99))


def markdown(crowds: Sequence[Crowd], arrivals: Arrivals, file_bytes: int, facts: dict[str, Any]) -> str:
    """The figures as people read them."""
    one, many = crowds
    rows = [
        (str(c.num_adapters), str(c.n), f"{c.reports_per_s:.2f}", f"{(c.loaded_bytes - c.before_bytes) / c.num_adapters / 1e6:.2f} MB", f"{c.after_bytes / 1e6:.0f} MB") for c in crowds
    ]  # fmt: skip
    return "\n".join((
        "# Load", "", f"Made by `{facts['command']}` on {facts['cpu_count']} CPU cores, values from the text only, {NUM_IN_FLIGHT} in flight.", "",
        "## Many adapters", "", f"Copies of the shipped adapter, whose file has {file_bytes / 1e6:.2f} MB, taking turns. *each*: what loading one adds to the resident memory.", "",
        markdown_table(("adapters", "n", "reports/s", "each", "memory at the end"), rows), "",
        f"{many.num_adapters} adapters taking turns write {1 - many.reports_per_s / one.reports_per_s:.0%} fewer reports a second than one.", "",
        "## At half the load", "", "Reports that arrive at random at half the rate above; seconds from arrival to answer.", "",
        markdown_table(("reports/s", "n", "p50 (s)", "p99 (s)", "p99 / p50"), [(f"{arrivals.rate:.2f}", str(arrivals.n), f"{arrivals.p50_s:.3f}", f"{arrivals.p99_s:.3f}", f"{arrivals.p99_s / arrivals.p50_s:.1f}")]), "",
    ))  # fmt: skip


def main(*, count: int = 100, seed: int = DEFAULT_SEED, output: Path = Path("bench"), threads: int | None = None) -> tuple[list[Crowd], Arrivals]:
    """What `escribano-train bench-load` runs; writes load.md and load.json to ``output``. Raises: CheckpointInvalid, OSError."""
    notes = [pair.question for pair in synthetic("unseen_values", count, seed).pairs]
    crowds = []
    for num_adapters in (1, NUM_ADAPTERS):
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            crowds.append(apart.submit(crowd, num_adapters, notes, threads).result())
    with closing(Generator.open(threads=threads)) as generator, bar("half the load", count) as advance:
        asyncio.run(arriving(generator, notes[:4], 10.0, seed, lambda: None))
        arrivals = asyncio.run(arriving(generator, notes, crowds[0].reports_per_s / 2, seed, advance))
        file_bytes = next(adapter.size_bytes for adapter in generator.adapters if adapter.schema_id == NOTES_SCHEMA_ID)
    facts = {"command": command_line("bench-load", count=count, seed=seed, threads=threads), "cpu_count": os.cpu_count(), "seed": seed}
    output.mkdir(parents=True, exist_ok=True)
    told = facts | {"file_bytes": file_bytes, "crowds": [asdict(c) for c in crowds], "arrivals": asdict(arrivals)}
    (output / "load.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    (output / "load.md").write_text(markdown(crowds, arrivals, file_bytes, facts), "utf-8")
    Console().print((output / "load.md").read_text("utf-8"), highlight=False)
    return crowds, arrivals
