"""The commands that make adapters: ``escribano-train finetune | specialist``.

Owns their options and help; the work is done by ``training.runs`` and ``training.specialist``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from training.options import Base, Compiled, Device, KeptOut, Output, Seed, Threads, failures_shown, say

Init = Annotated[Path | None, typer.Option(help="An adapter of the same rank to go on from, such as that of the base which --base was begun from.", exists=True, file_okay=False)]
Rank = Annotated[int, typer.Option(min=1, max=512, help="Rank of the adapter.")]
LearningRate = Annotated[float, typer.Option(min=1e-8, max=1.0, help="Highest learning rate; a base of billions wants about 2e-4.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Pairs of a step, in each process.")]
MaxLength = Annotated[int, typer.Option(min=16, help="Longest pair in tokens, prompt and report together; longer ones are left out and counted.")]
QLoRA = Annotated[bool, typer.Option("--qlora", help="Keep the base in 4 bits (NF4); needs pip install -e '.\\[qlora]'.")]
Checkpointing = Annotated[bool, typer.Option("--gradient-checkpointing", help="Compute activations anew instead of keeping them: less memory, a third more time.")]


def finetune(
    base: Annotated[str, typer.Option(help="Base model: a local path or hub id of a Mistral-family model.")],
    pairs: Annotated[
        Path,
        typer.Option(
            help="JSON lines of curated pairs, all of one schema of the catalog.", exists=True, dir_okay=False
        ),
    ],
    output: Output,
    init: Init = None,
    rank: Rank = 8,
    epochs: Annotated[float, typer.Option(min=0.001, help="Passes over the pairs.")] = 1.0,
    learning_rate: LearningRate = 2e-3,
    batch_size: BatchSize = 8,
    qlora: QLoRA = False,
    gradient_checkpointing: Checkpointing = False,
    max_length: MaxLength = 1280,
    compiled: Compiled = False,
    device: Device = "cpu",
    threads: Threads = None,
    seed: Seed = 1,
) -> None:
    """Train a LoRA adapter that knows one schema by heart; the name of its directory becomes its adapter_id.

    Started again with the same options, a killed run goes on from its last checkpoint.

    [bold]Examples[/]

      escribano-train finetune --base runs/base/model --pairs runs/pairs/train.jsonl --output runs/adapters/agent_status
      escribano-train finetune --base runs/newer/model --init runs/adapters/agent_status --pairs more.jsonl --output runs/newer/agent_status --learning-rate 1e-3
      escribano-train finetune --base mistralai/Mistral-7B-v0.3 --pairs train.jsonl --output my-adapter --learning-rate 2e-4 --device cuda --qlora --gradient-checkpointing
    """
    from training import runs
    from training.gates import pairs_file
    from training.specialist.finetune import FinetunePlan

    _need_bitsandbytes(qlora)
    plan = FinetunePlan(rank=rank, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size, max_length=max_length, seed=seed, qlora=qlora, gradient_checkpointing=gradient_checkpointing, compiled=compiled)
    with failures_shown():
        facts = runs.make_adapter(base, list(pairs_file.read_pairs(pairs)), output, plan, device, threads, init)
    say(
        f"wrote {output}: {facts['pairs']:,} pairs, {facts['steps']:,} steps, {facts['minutes']} minutes, {facts['num_parameters']:,} parameters"
    )


def specialist(
    schema: Annotated[Path, typer.Argument(help="A JSON Schema.", exists=True, dir_okay=False)],
    name: Annotated[str, typer.Option(help="What the adapter is called: its adapter_id.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Directory of the run; unset: runs/specialists/NAME.", file_okay=False)] = None,
    phrasebook: Annotated[
        Path | None, typer.Option(help="A field book (YAML): how people put these fields into words; unset: the shipped one of that name, if any, and else the schema's own titles.", exists=True, dir_okay=False)
    ] = None,
    golden: Annotated[Path | None, typer.Option(help='Pairs made by hand, JSON lines; they pass the same gates and are trained on too. A line: {"text": "what somebody wrote", "gold": {the right report}}, or a pair as `synthesize` writes it.', exists=True, dir_okay=False)] = None,
    teacher: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible endpoint (up to /v1) that says each note once more in other words; its key is read from ESCRIBANO_TEACHER_KEY.")] = None,
    teacher_model: Annotated[str, typer.Option(help="Name of the model behind --teacher.")] = "default",
    base: Base = None,
    init: Init = None,
    pairs: Annotated[int, typer.Option(min=8, help="Synthetic pairs to train on.")] = 500,
    passes: Annotated[float, typer.Option(min=0.1, help="Passes over the pairs.")] = 3.0,
    rank: Rank = 8,
    learning_rate: LearningRate = 2e-3,
    batch_size: BatchSize = 8,
    max_length: MaxLength = 1280,
    qlora: QLoRA = False,
    gradient_checkpointing: Checkpointing = False,
    eval_count: Annotated[int, typer.Option(min=1, help="Notes of each slice to measure on.")] = 100,
    notes: KeptOut = None,
    compiled: Compiled = False,
    device: Device = "cpu",
    threads: Threads = None,
    seed: Seed = 1,
) -> None:
    """Make a specialist for any schema: notes, gates, adapter, figures and a bundle to serve, without a line of code.

    What the notes say comes from the schema: titles, enum members, formats, patterns, examples and bounds. Good titles make good notes; a field book makes
    better ones. A stage whose output is there is skipped, and a killed stage goes on from its last checkpoint. Read OUTPUT/report.md at the end.

    [bold]Examples[/]

      escribano-train specialist my-schema.json --name my_schema
      escribano-train specialist my-schema.json --name my_schema --phrasebook my-words.yaml --pairs 2000 --passes 1
      escribano-train specialist my-schema.json --name my_schema --output runs/more --init runs/specialists/my_schema/my_schema --learning-rate 1e-3 --seed 2
      escribano-train specialist my-schema.json --name my_schema --teacher http://127.0.0.1:8000/v1 --teacher-model big
      escribano serve --adapter-dir runs/specialists/my_schema/my_schema
    """
    from training.specialist.factory import EXPECTED, SpecialistPlan
    from training.specialist.factory import specialist as make
    from training.specialist.teacher import Teacher

    _need_bitsandbytes(qlora)
    plan = SpecialistPlan(
        pairs=pairs, passes=passes, rank=rank, learning_rate=learning_rate, batch_size=batch_size, max_length=max_length, qlora=qlora,
        gradient_checkpointing=gradient_checkpointing, compiled=compiled, eval_count=eval_count, seed=seed, device=device, threads=threads,
    )  # fmt: skip
    with failures_shown(*EXPECTED):
        at = make(schema, name, output or Path("runs/specialists") / name, plan, base=base, book=phrasebook, golden=golden, init=init, notes=tuple(notes or ()), teacher=Teacher(teacher, teacher_model) if teacher else None, say=say)
    say(f"adapter to serve: {at.bundle}\nreport: {at.report}")


def _need_bitsandbytes(qlora: bool) -> None:
    if qlora and find_spec("bitsandbytes") is None:
        raise typer.BadParameter("--qlora needs bitsandbytes: pip install -e '.[qlora]' in the repository")
