"""The commands that measure: ``escribano-train evaluate | bench | bench-peers | bench-masks | bench-passes | bench-load | rank-table | readme | losses | calibrate``.

Owns their options and help; what is measured and how it is shown is ``training.measure.evaluate``, ``training.measure.bench``, ``training.runs``, ``training.measure.losses`` and
``training.measure.calibration``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from training.options import (
    Adapters,
    Base,
    Compiled,
    Count,
    Device,
    FamilyName,
    Notes,
    Output,
    Seed,
    SliceName,
    Split,
    Threads,
    failures_shown,
    say,
)


def evaluate(
    base: Base = None,
    adapter: Adapters = None,
    writer: Annotated[str | None, typer.Option(help='Adapter id, or "base"; unset: the adapter loaded for the schema of the notes, or the base.')] = None,
    mode: Annotated[Literal["backstop", "mask", "free"], typer.Option(help="mask: without grounding; free: without either.")] = "backstop",
    slices: Annotated[
        list[SliceName] | None,
        typer.Option(
            "--slice", help="Synthetic notes to measure on; may be given several times. Unset: unseen values and unseen wordings, or none where --notes are given."
        ),
    ] = None,
    notes: Notes = None,
    schema_file: Annotated[Path | None, typer.Option(help="The schema that the gold of --notes follows; unset: agent_status.", exists=True, dir_okay=False)] = None,
    count: Count = 200,
    seed: Seed = 20_001,
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Reports worked on at once.")] = 16,
    show: Annotated[int, typer.Option(min=0, help="Print the worst reports beside note and gold.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for rows and summary.", file_okay=False)
    ] = None,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Measure validity, exactness, F1, invention and omission on notes that training never saw.

    Notes of your own are a line of JSON each: {"text": "what somebody wrote", "gold": {the right report}}, and "id", "lang", "style" if you like. The report is one
    under agent_status, or under the schema of --schema-file.

    [bold]Examples[/]

      escribano-train evaluate --count 200
      escribano-train evaluate --notes my-notes.jsonl --show 5
      escribano-train evaluate --notes my-notes.jsonl --schema-file my-schema.json --adapter runs/specialists/my_schema/my_schema
      escribano-train evaluate --base runs/base/model --adapter runs/adapters/agent_status --slice unseen_wordings
      escribano-train evaluate --writer base --slice unseen_schemas --mode free
    """
    from schemas.admission import SchemaRefused, admit_text
    from training.measure.evaluate import SETUP_ERRORS, main

    if schema_file and (slices or not notes):
        raise typer.BadParameter("it is the schema of the gold of --notes, which are then measured on alone", param_hint="--schema-file")
    chosen = slices if slices or notes else [SliceName.UNSEEN_VALUES, SliceName.UNSEEN_WORDINGS]
    with failures_shown(*SETUP_ERRORS, SchemaRefused):
        main(
            own_schema=admit_text(schema_file.read_text("utf-8")) if schema_file else None,
            base=base,
            adapters=adapter or (),
            writer=writer,
            mode=mode,
            slices=[one.value for one in chosen or ()],
            count=count,
            seed=seed,
            notes=notes,
            concurrency=concurrency,
            show=show,
            output=output,
            device=device,
            threads=threads,
        )


def bench(
    base: Base = None,
    adapter: Adapters = None,
    output: Output = Path("bench"),
    count: Annotated[int, typer.Option(min=1, help="Notes of each slice for the adapter.")] = 1000,
    base_count: Annotated[
        int, typer.Option(min=1, help="Notes of each slice for the base, whose prompts are longer.")
    ] = 200,
    notes: Notes = None,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Measure base and adapter, free and with the backstop, on every slice: the table of the README.

    Writes reliability.md and reliability.json. What was measured before is kept, so a killed run goes on where it stopped.

    [bold]Examples[/]

      escribano-train bench
      escribano-train bench --count 1000 --base-count 200 --notes bench/notes/free.jsonl --output bench/
    """
    from training.measure.bench import main
    from training.measure.evaluate import SETUP_ERRORS

    with failures_shown(*SETUP_ERRORS):
        main(
            base=base,
            adapters=adapter or (),
            output=output,
            count=count,
            base_count=base_count,
            notes=notes,
            device=device,
            threads=threads,
        )


def bench_peers(
    base: Base = None,
    adapter: Adapters = None,
    output: Output = Path("bench"),
    count: Annotated[int, typer.Option(min=2, help="Notes that each contestant writes the reports of, at 1, 8 and 32 in flight.")] = 32,
    seed: Seed = 20_001,
    threads: Threads = None,
    peers_python: Annotated[
        Path, typer.Option(metavar="<file>", help="The Python of an environment with llama-cpp-python and gguf, which `make bench-peers` makes; without it llama.cpp is left out.")
    ] = Path(".venv-peers/bin/python"),
) -> None:
    """Measure time and memory beside llama.cpp and Outlines over transformers: same weights, same notes, same schema.

    Writes peers.md, peers.json and peers.png. Run nothing else beside it.

    [bold]Examples[/]

      escribano-train bench-peers
      escribano-train bench-peers --count 64 --threads 2 --output bench/
    """
    from training.measure.evaluate import SETUP_ERRORS
    from training.measure.peers.comparison import PeerFailed, main

    with failures_shown(*SETUP_ERRORS, PeerFailed):
        main(base=base, adapters=adapter or (), count=count, seed=seed, output=output, threads=threads, peers_python=peers_python if peers_python.exists() else None)


def bench_masks(
    base: Base = None,
    output: Output = Path("bench"),
    count: Annotated[int, typer.Option(min=1, help="Notes of each length.")] = 100,
    seed: Seed = 20_001,
) -> None:
    """Measure what grounding costs: building the grammar of a note, and computing a mask with it.

    Writes masks.md and masks.json. Run nothing else beside it.

    [bold]Example[/]

      escribano-train bench-masks --count 100 --output bench/
    """
    from training.measure.evaluate import SETUP_ERRORS
    from training.measure.masks import main

    with failures_shown(*SETUP_ERRORS):
        main(base=base, count=count, seed=seed, output=output)


def bench_passes(
    output: Output = Path("bench"),
    count: Annotated[int, typer.Option(min=1, help="Notes whose reports are written in each mode, with drafts and without.")] = 40,
    seed: Seed = 20_001,
    threads: Threads = None,
) -> None:
    """Measure what a forward pass of the shipped weights costs in each executor, and how many of them a report takes.

    Writes passes.md and passes.json. Run nothing else beside it.

    [bold]Example[/]

      escribano-train bench-passes --count 40 --output bench/
    """
    from training.measure.evaluate import SETUP_ERRORS
    from training.measure.passes import main

    with failures_shown(*SETUP_ERRORS):
        main(count=count, seed=seed, output=output, threads=threads)


def bench_load(
    output: Output = Path("bench"),
    count: Annotated[int, typer.Option(min=2, help="Notes whose reports are written with one adapter, with fifty, and arriving at random.")] = 100,
    seed: Seed = 20_001,
    threads: Threads = None,
) -> None:
    """Measure what load costs: fifty adapters in flight beside one, memory for each, and latency at half the rate that can be kept up with.

    Writes load.md and load.json. Run nothing else beside it.

    [bold]Example[/]

      escribano-train bench-load --count 100 --output bench/
    """
    from training.measure.evaluate import SETUP_ERRORS
    from training.measure.load import main

    with failures_shown(*SETUP_ERRORS):
        main(count=count, seed=seed, output=output, threads=threads)


def rank_table(
    base: Annotated[Path, typer.Option(help="Directory of a base.", exists=True, file_okay=False)],
    output: Output,
    ranks: Annotated[list[int] | None, typer.Option("--rank", min=1, help="May be given several times; unset: 8, 32.")] = None,
    rates: Annotated[list[float] | None, typer.Option("--learning-rate", min=1e-8, max=1.0, help="May be given several times; unset: 0.002.")] = None,
    counts: Annotated[list[int] | None, typer.Option("--pairs", min=8, help="May be given several times; unset: 50, 150, 500, 1500, 5000.")] = None,
    least_steps: Annotated[int, typer.Option(min=1, help="With few pairs, as many passes over them as make so many steps.")] = 60,
    eval_count: Annotated[int, typer.Option(min=1, help="Notes of each slice that an adapter is measured on.")] = 100,
    notes: Annotated[list[Path] | None, typer.Option("--notes", help="Hand-written notes to measure on too; may be given several times.", exists=True, dir_okay=False)] = None,
    source: Annotated[Path | None, typer.Option("--input", "-i", help="Pairs to learn from, JSON lines; unset: drawn.", exists=True, dir_okay=False)] = None,
    seed: Seed = 1,
    compiled: Compiled = False,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Find out what rank, learning rate and how many pairs an adapter needs: trains and measures each combination.

    Writes a table and a plot of F1 by pairs. Started again with the same options, a killed run goes on with the next combination.

    [bold]Examples[/]

      escribano-train rank-table --base runs/base/model --output runs/ranks --rank 8 --rank 32 --pairs 500 --pairs 1500
      escribano-train rank-table --base runs/base/model --output runs/curve --rank 32 --learning-rate 1e-3 --learning-rate 2e-3 --notes my-notes.jsonl --compiled
    """
    from training.measure import scaling
    from training.measure.evaluate import SETUP_ERRORS

    unset = scaling.Grid()
    grid = scaling.Grid(
        tuple(ranks or unset.ranks), tuple(rates or unset.rates), tuple(sorted(counts or unset.counts)), least_steps, eval_count, tuple(notes or ()), source, seed, device, threads, compiled
    )
    with failures_shown(*SETUP_ERRORS, scaling.RowsOfAnother):
        scaling.main(base=base, output=output, grid=grid)
    print((output / "rank-table.md").read_text("utf-8"), end="")


def readme(
    root: Annotated[Path, typer.Argument(help="The repository.", exists=True, file_okay=False)] = Path("."),
) -> None:
    """Put the figures of bench/ and of the shipped weights into the tables of README.md. A test fails while they differ.

    [bold]Example[/]

      escribano-train readme
    """
    from training.measure import front_page

    with failures_shown(KeyError):
        changed = front_page.main(root)
    say("README.md: new figures" if changed else "README.md: nothing has changed")


def losses(
    base: Annotated[Path, typer.Option(help="Directory of a base.", exists=True, file_okay=False)],
    adapter: Annotated[
        Path | None, typer.Option(help="Directory of an adapter; unset: the base, with the schema in its prompt.", exists=True, file_okay=False)
    ] = None,
    family: Annotated[FamilyName, typer.Option(help="What kind of pairs; an adapter is always judged on agent_status.")] = "generated",
    split: Annotated[Split, typer.Option(help="Which values and wordings.")] = Split.TRAIN,
    notes: Notes = None,
    count: Annotated[int, typer.Option(min=1, help="How many pairs; of --notes always all.")] = 40,
    seed: Seed = 777,
    show: Annotated[int, typer.Option(min=0, help="Print the first reports with each wrong token as [gold|predicted].")] = 0,
) -> None:
    """Find out where the loss is: by kind of token, on fresh pairs, given gold so far.

    No decoding and no mask: it shows what the weights know. The first token of a value is the choice of a place in the note; the rest is copying.

    [bold]Examples[/]

      escribano-train losses --base runs/base/model --show 3
      escribano-train losses --base runs/base/model --adapter runs/adapters/agent_status --notes bench/notes/free.jsonl
    """
    from schemas.catalog import Catalog
    from training import runs
    from training.measure.losses import Reader, main
    from training.measure.slices import hand_written

    with failures_shown():
        written = hand_written(notes).pairs if notes else ()
        count = len(written) or count
        drawn = written or runs.drawn("agent_status" if adapter else family, split.value, seed, count)
        main(Reader(base, adapter, {"agent_status": Catalog.load().get("agent_status").schema}), drawn, count, show)


def calibrate(
    base: Base = None,
    adapter: Annotated[Path | None, typer.Option(help="Directory of an adapter; unset: the shipped one.", exists=True, file_okay=False)] = None,
    writer: Annotated[str | None, typer.Option(help='"base" calibrates the base itself.')] = None,
    count: Annotated[int, typer.Option(min=2, help="Notes to write reports of.")] = 200,
    seed: Seed = 40_001,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Make confidences chances: fit them on notes that training never saw, and keep the fit in the metadata beside the weights.

    Every second report is learned from; the calibration error, before and after, is measured on the others.

    [bold]Examples[/]

      escribano-train calibrate
      escribano-train calibrate --base runs/base/model --adapter runs/adapters/agent_status --count 400
      escribano-train calibrate --base runs/base/model --writer base
    """
    from training.measure.calibration import main
    from training.measure.evaluate import SETUP_ERRORS
    from training.measure.trust import CannotFit

    with failures_shown(*SETUP_ERRORS, CannotFit):
        main(base=base, adapter=adapter, writer=writer, count=count, seed=seed, device=device, threads=threads)
