"""The command line of the factory: ``escribano-train tokenizer | synthesize | curate | pretrain | finetune | specialist | evaluate | bench | bench-peers | bench-masks | bench-passes | bench-load | rank-table | readme | losses | calibrate | all``.

Owns the commands that make pairs and bases, and all of it; those that make adapters are in ``training.cli_adapt``, those that measure in ``training.cli_measure``. Heavy imports wait until a command runs; the work is done by
``training.runs`` and the modules it calls.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from training import cli_adapt, cli_measure
from training.options import (
    Compiled,
    Count,
    Device,
    FamilyName,
    KeptOut,
    Output,
    Seed,
    SizeName,
    Split,
    Threads,
    failures_shown,
    say,
)

app = typer.Typer(
    name="escribano-train",
    help="Make a specialist: from a JSON Schema to synthetic notes, a base model, an adapter, and the figures that say how good they are.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.command()
def tokenizer(
    output: Output,
    count: Annotated[int, typer.Option(min=100, help="Pairs to learn from.")] = 40_000,
    vocab_size: Annotated[int, typer.Option(min=512, help="Entries of the vocabulary.")] = 4096,
    seed: Seed = 0,
) -> None:
    """Learn the byte-level BPE vocabulary of a new base.

    [bold]Example[/]

      escribano-train tokenizer --output runs/tokenizer
    """
    from training import runs

    with failures_shown():
        runs.make_tokenizer(output, count, seed, vocab_size)
    say(f"wrote {output}")


@app.command()
def synthesize(
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON lines to write.", dir_okay=False)],
    family: Annotated[
        FamilyName,
        typer.Option(
            help="agent_status: notes for that schema; generated: any note under any schema; copying: labelled values."
        ),
    ] = "agent_status",
    split: Annotated[
        Split,
        typer.Option(
            help="unseen-values: names and nouns training never draws; unseen-wordings: another phrasebook as well."
        ),
    ] = Split.TRAIN,
    count: Count = 1000,
    seed: Seed = 1,
) -> None:
    """Write synthetic pairs: facts first, words second, so that the report is right by construction.

    A line is {"id", "schema_id" or "schema", "lang", "register", "question", "context"?, "report"}.

    [bold]Examples[/]

      escribano-train synthesize --count 8000 --output runs/pairs/raw.jsonl
      escribano-train synthesize --family generated --count 20 --output look.jsonl
      escribano-train synthesize --split unseen-wordings --seed 7 --output test.jsonl
    """
    from training import runs
    from training.gates import pairs_file
    from training.progress import tracked

    with failures_shown():
        written = pairs_file.write_pairs(output, tracked(runs.drawn(family, split.value, seed, count), count, "pairs"))
    say(f"wrote {written:,} pairs to {output}")


@app.command()
def curate(
    source: Annotated[Path, typer.Option("--input", "-i", help="JSON lines of pairs.", exists=True, dir_okay=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="JSON lines of the pairs that passed.", dir_okay=False)
    ],
    card: Annotated[
        Path | None, typer.Option(help="Data card to write (Markdown, with its JSON beside it).", dir_okay=False)
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Report on what was refused and why to write (Markdown, with all refusals as JSON lines beside it).", dir_okay=False)] = None,
    notes: KeptOut = None,
) -> None:
    """Keep the pairs that may be learned from; say why the others may not.

    A pair must be canonical, valid for two independent validators, true to its text letter by letter, and new. With --notes, no 8 words in a row
    of an evaluation note may stand in it.

    [bold]Examples[/]

      escribano-train curate --input raw.jsonl --output train.jsonl --card data-card.md
      escribano-train curate --input raw.jsonl --output train.jsonl --notes bench/notes/free.jsonl --report refused.md
    """
    from training.gates import curate as gate
    from training.gates import datacard, pairs_file, refusals
    from training.progress import tracked

    taken = {source.resolve(), output.resolve()}
    for option, path, beside in (("--card", card, card and card.with_suffix(".json")), ("--report", report, report and refusals.lines_of(report))):
        files = {file.resolve() for file in (path, beside) if file}
        if path and (taken & files or len(files) < 2):
            raise typer.BadParameter(f"{path}, or what is written beside it, would be written over another file of this run", param_hint=option)
        taken |= files
    with failures_shown():
        texts = pairs_file.read_texts(notes or ())
        total = pairs_file.count_lines(source)
        found = gate.curate(tracked(pairs_file.read_pairs(source), total, "pairs"), texts)
        pairs_file.write_pairs(output, found.kept)
        if card is not None:
            datacard.write(datacard.card(found), card)
        if report is not None:
            refusals.write(found, report)
    say(f"kept {len(found.kept):,}, refused {len(found.refused):,}: {output} {found.content_hash}")
    for line in refusals.lines(found):
        say(f"  {line}")


@app.command()
def pretrain(
    tokenizer: Annotated[Path, typer.Option(help="Directory of a tokenizer.", exists=True, file_okay=False)],
    output: Output,
    size: Annotated[SizeName, typer.Option(help="Parameters of the base, roughly.")] = "14m",
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after these minutes of training.")] = None,
    tokens: Annotated[float | None, typer.Option(min=1, help="Stop after this many tokens, such as 600e6.")] = None,
    init: Annotated[
        Path | None, typer.Option(help="A base of this tokenizer to go on from, of this size or a smaller one, which then grows, or the --output of its run, whose optimizers go on, too: only the last part of the curriculum, at a lower learning rate. Give another --seed than it had, so that the notes are new.", file_okay=False)
    ] = None,
    notes: KeptOut = None,
    batch_scale: Annotated[float, typer.Option(min=0.01, help="Times the curriculum's batches: 1 on a CPU, 16 on a large GPU.")] = 1.0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that write notes beside training.")] = 1,
    compiled: Compiled = False,
    device: Device = "cpu",
    threads: Threads = None,
    seed: Seed = 1,
) -> None:
    """Train a base that turns any note into JSON under any schema it is shown.

    Notes are written while it trains. The learning rate falls to zero at --minutes or --tokens, whichever comes first, so give at least one of them. Started
    again with the same options, a killed run goes on from its last checkpoint.

    [bold]Examples[/]

      escribano-train pretrain --tokenizer runs/tokenizer --output runs/base --size 3m --minutes 60
      escribano-train pretrain --tokenizer runs/tokenizer --output runs/base --tokens 600e6 --device cuda --workers 14 --batch-scale 16 --compiled
    """
    if minutes is None and tokens is None:
        raise typer.BadParameter("give --minutes, --tokens or both")
    from training import runs
    from training.base.pretrain import PretrainPlan
    from training.base.stream import CURRICULUM

    plan = PretrainPlan(
        size=size,
        minutes=minutes or math.inf,
        tokens=tokens or math.inf,
        batch_scale=batch_scale,
        num_workers=workers,
        compiled=compiled,
        seed=seed,
        warmup_tokens=3e5 * batch_scale,
        kept_out=tuple(notes or ()),
        curriculum=CURRICULUM[-1:] if init else CURRICULUM,
        **({"matrix_lr": 0.0025, "other_lr": 4e-4} if init else {}),  # at twice that a base first gives back what it had (docs/training-log.md)
    )
    with failures_shown():
        where = runs.make_base(tokenizer, output, plan, device, threads, say, init)
    say(f"wrote {where}")


app.command()(cli_adapt.finetune)
app.command()(cli_adapt.specialist)
app.command()(cli_measure.evaluate)
app.command()(cli_measure.bench)
app.command("bench-peers")(cli_measure.bench_peers)
app.command("bench-masks")(cli_measure.bench_masks)
app.command("bench-passes")(cli_measure.bench_passes)
app.command("bench-load")(cli_measure.bench_load)
app.command("rank-table")(cli_measure.rank_table)
app.command()(cli_measure.readme)
app.command()(cli_measure.losses)
app.command()(cli_measure.calibrate)


@app.command("all")
def everything(
    output: Output = Path("runs/full"),
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Minutes for the base; all the rest takes about as long as its --pairs ask.")
    ] = 150.0,
    size: Annotated[SizeName, typer.Option(help="Parameters of the base, roughly.")] = "3m",
    pairs: Annotated[int, typer.Option(min=1, help="Pairs for the adapter of agent_status.")] = 8_000,
    specialist_pairs: Annotated[int, typer.Option(min=8, help="Pairs for the adapter of each other schema of the catalog.")] = 1_200,
    rank: cli_adapt.Rank = 8,
    epochs: Annotated[float, typer.Option(min=0.001, help="Passes over the pairs.")] = 1.0,
    tokenizer_pairs: Annotated[int, typer.Option(min=100, help="Pairs the tokenizer learns from.")] = 40_000,
    eval_count: Annotated[int, typer.Option(min=1, help="Notes of each slice to measure on.")] = 300,
    notes: KeptOut = None,
    device: Device = "cpu",
    threads: Threads = None,
    seed: Seed = 1,
) -> None:
    """Rebuild everything that is shipped, from nothing: tokenizer, base, all adapters, scores, bundle. This is [bold]make train[/].

    By default two and a half hours for the base on a CPU and roughly an hour and a half for the rest. A stage whose output is there is skipped, and a killed stage goes
    on from its last checkpoint; delete an output to make it anew.

    [bold]Examples[/]

      escribano-train all
      escribano-train all --output runs/try --minutes 5 --pairs 500 --tokenizer-pairs 4000
      escribano-train all --output runs/big --size 14m --minutes 120 --device cuda
    """
    from training import runs

    plan = runs.FullPlan(
        size=size,
        minutes=minutes,
        tokenizer_pairs=tokenizer_pairs,
        pairs=pairs,
        specialist_pairs=specialist_pairs,
        rank=rank,
        epochs=epochs,
        eval_count=eval_count,
        seed=seed,
        device=device,
        threads=threads,
        notes=tuple(notes or ()),
    )
    with failures_shown():
        at = runs.full(output, plan, say)
    say(f"base: {at.model}\nadapter: {at.adapter}\nscores: {at.scores}\nall of it as it ships: {at.bundle}")


def main() -> None:
    """The program: the commands, and one line where what they need is not installed."""
    try:
        app()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("training", "schemas", "service"):
            raise
        say(f"error: no module named {error.name}; escribano-train needs more than the server: pip install -e '.[train]' in the repository")
        sys.exit(1)


if __name__ == "__main__":
    main()
