"""The run that makes a specialist: pairs, gates, adapter, figures, bundle, report.

Owns the stages and where each leaves its files; a stage whose output is there is skipped, so a killed run goes on where it stopped. Run it with

    escribano-train specialist my-schema.json --name my_schema
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.admission import AdmittedSchema, SchemaRefused, admit_text
from schemas.canonical import digest
from training.gates import datacard
from training.gates.curate import curate
from training.gates.pairs_file import content_hash, read_golden, read_pairs, read_texts, write_pairs
from training.measure.reliability import markdown_table
from training.measure.slices import DEFAULT_SEED, Slice
from training.notes.synthesize import Pair
from training.progress import bar, tracked
from training.runs import Say, Stage, go_through
from training.specialist.fields import SchemaUnfit
from training.specialist.notes import Specialty
from training.specialist.teacher import Teacher, TeacherUnreachable, taught
from training.whole import changed_inputs, write_json, write_whole

if TYPE_CHECKING:
    from training.specialist.finetune import FinetunePlan

SLICES = {"unseen_values": "train", "unseen_wordings": "heldout"}
"""Slice -> whose wordings; the values are held out in both."""
_MOST_REFUSED = 0.3
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class SpecialistFailed(ValueError):
    """A run that cannot go on; says what to change."""


@dataclass(frozen=True)
class SpecialistPlan:
    """A whole run. ``passes`` are over the pairs; ``eval_count`` notes of each slice are measured on; the others as in `training.specialist.finetune.FinetunePlan`."""

    pairs: int = 500
    passes: float = 3.0
    rank: int = 8
    learning_rate: float = 2e-3
    batch_size: int = 8
    max_length: int = 1280
    qlora: bool = False
    gradient_checkpointing: bool = False
    compiled: bool = False
    eval_count: int = 100
    seed: int = 1
    device: str = "cpu"
    threads: int | None = None


@dataclass(frozen=True)
class Places:
    """Where a run leaves its files."""

    root: Path
    name: str

    @property
    def inputs(self) -> Path:
        return self.root / "inputs.json"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs" / "train.jsonl"

    @property
    def card(self) -> Path:
        return self.root / "pairs" / "data-card.md"

    @property
    def adapter(self) -> Path:
        return self.root / "training" / self.name

    @property
    def calibration(self) -> Path:
        return self.root / "scores" / "calibration.json"

    @property
    def scores(self) -> Path:
        return self.root / "scores" / "summary.json"

    @property
    def bundle(self) -> Path:
        """What is given to the server: the adapter with its card, and the schema."""
        return self.root / self.name

    @property
    def report(self) -> Path:
        return self.root / "report.md"


EXPECTED = (SchemaRefused, SchemaUnfit, SpecialistFailed, TeacherUnreachable)
"""What is wrong with what a run was given."""


def specialist(schema: Path, name: str, output: Path, plan: SpecialistPlan, *, base: str | None = None, book: Path | None = None, golden: Path | None = None,
               init: Path | None = None, notes: Sequence[Path] = (), teacher: Teacher | None = None, say: Say = print) -> Places:  # fmt: skip
    """Make a specialist for the schema of a file.

    ``base`` None is the shipped one. ``book``: a field book to train on beside or instead of what the schema's titles give. ``golden``: hand-made pairs that go
    through the same gates and are trained on too. ``init``: an adapter of the same rank to go on from. ``notes``: files of texts that no pair may quote. ``teacher``: says each note once more in other words.
    Raises: SchemaRefused, SchemaUnfit, PhrasebookError, FileInvalid, SpecialistFailed, AdapterUnfit, TeacherUnreachable, OSError.
    """
    if not _NAME.fullmatch(name) or name == "base":
        raise SpecialistFailed(f"--name {name!r}: small letters, digits, '_' and '-' with a letter first, and not 'base', which asks for the base itself")
    at = Places(output, name)
    specialty = Specialty.read(name, _admitted(schema), book)
    begun_with = None
    if init is not None:
        from training.specialist.finetune import weights_digest

        _recipe(plan).known(init)
        begun_with = weights_digest(init)
    inputs = _inputs(specialty, plan, base, teacher, {"field book": book, "golden": golden}) | {"init": begun_with, "notes": [digest(path.read_text("utf-8")) for path in notes]}
    _same_inputs(at, inputs)
    stages = (
        Stage("pairs", at.card, lambda: _make_pairs(at, specialty, plan, golden, notes, teacher, say)),
        Stage("fine-tuning", at.adapter / "metadata.json", lambda: _finetune(at, specialty, plan, base, init)),
        Stage("calibration", at.calibration, lambda: _calibrate(at, specialty, plan, base)),
        Stage("evaluation", at.scores, lambda: _evaluate(at, specialty, plan, base)),
        Stage("bundle", at.report, lambda: _bundle(at, specialty, schema)),
    )
    go_through(stages, say)
    return at


def _admitted(file: Path) -> AdmittedSchema:
    """The schema of a file. Raises: SpecialistFailed naming file and place."""
    try:
        return admit_text(file.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise SpecialistFailed(f"{file}: is not UTF-8 at byte {error.start}") from None
    except SchemaRefused as error:
        raise SpecialistFailed(f"{file}: {error}") from error


def _inputs(specialty: Specialty, plan: SpecialistPlan, base: str | None, teacher: Teacher | None, files: dict[str, Path | None]) -> dict[str, Any]:
    """What a run is made of; two runs with the same are the same run."""
    return {
        "name": specialty.name, "schema": specialty.admitted.digest, "base": base, "plan": {**asdict(plan), "device": None, "threads": None, "compiled": None},
        "teacher": teacher and [teacher.url, teacher.model, teacher.temperature],
        "wordings": {split: digest(found.entries) for split, found in specialty.books.items()},
        **{label: path and digest(path.read_text("utf-8")) for label, path in files.items()},
    }  # fmt: skip


def _same_inputs(at: Places, told: dict[str, Any]) -> None:
    """Refuse to go on with what was made for something else; where nothing is made yet, begin anew."""
    made = (at.card, at.adapter / "metadata.json", at.calibration, at.scores, at.report)
    if any(file.exists() for file in made) and (changed := changed_inputs(at.inputs, told)):
        raise SpecialistFailed(f"{at.root} holds a run that was begun with another {', '.join(changed)}; choose another --output, or delete it")
    write_json(at.inputs, told)


def drawn(specialty: Specialty, split: str, seed: int, wording: str, count: int) -> Iterator[Pair]:
    return itertools.islice(specialty.pairs(split, seed, wording), count)


def _make_pairs(at: Places, specialty: Specialty, plan: SpecialistPlan, golden: Path | None, notes: Sequence[Path], teacher: Teacher | None, say: Say) -> None:
    """Pairs that passed the gates, as many as the plan asks for, the golden ones, and what a teacher made of all of them."""
    texts = read_texts(notes)
    line_of = {id(pair): (line, pair) for line, pair in read_golden(golden, specialty.admitted.schema)} if golden else {}
    own = [pair for _, pair in line_of.values()]
    judged = curate(own, texts)
    if judged.refused:
        first = judged.refused[0]
        line, _ = line_of[id(first.pair)]
        raise SpecialistFailed(f"{golden}: line {line}, pair {first.pair_id!r}, is refused by the gate {first.gate!r}: {first.why}")
    count = round(plan.pairs / (1 - _MOST_REFUSED))
    found = curate(itertools.chain(own, tracked(drawn(specialty, "train", plan.seed, "train", count), count, "pairs")), texts)
    if len(found.kept) < plan.pairs + len(own):
        first = found.refused[0]
        raise SpecialistFailed(f"{len(found.refused)} of {count} notes drawn for this schema break it; the first, by the gate {first.gate!r}: {first.why}")
    kept, lessons = found.kept[: plan.pairs + len(own)], None
    if teacher is not None:
        with bar("paraphrases", len(kept)) as advance:
            lessons = taught(teacher, kept, advance)
        kept = curate(itertools.chain(kept, lessons.pairs), texts).kept
        say(f"teacher: {len(lessons.pairs):,} paraphrases, {sum(lessons.dropped.values()):,} dropped ({', '.join(f'{why} {n}' for why, n in lessons.dropped.most_common()) or 'none'})")
    write_pairs(at.pairs, kept)
    facts = datacard.card(replace(found, kept=kept)) | {"schemas": {specialty.name: datacard.schema_card(specialty.admitted.schema, kept)}, "generated": {}}
    datacard.write(facts | ({"teacher": lessons.to_json()} if lessons else {}), at.card)


def _recipe(plan: SpecialistPlan) -> FinetunePlan:
    from training.base.pretrain import has_bf16
    from training.specialist.finetune import FinetunePlan

    return FinetunePlan(
        rank=plan.rank, epochs=plan.passes, learning_rate=plan.learning_rate, batch_size=plan.batch_size, max_length=plan.max_length, seed=plan.seed,
        bf16=has_bf16(plan.device), qlora=plan.qlora, gradient_checkpointing=plan.gradient_checkpointing, compiled=plan.compiled,
    )  # fmt: skip


def _finetune(at: Places, specialty: Specialty, plan: SpecialistPlan, base: str | None, init: Path | None) -> None:
    import torch

    from training.bundle import EMBEDDED
    from training.specialist.finetune import finetune

    if plan.threads:
        torch.set_num_threads(plan.threads)
    found = list(read_pairs(at.pairs))
    finetune(
        base or str(EMBEDDED / "base"), found, at.adapter, _recipe(plan), schema_id=specialty.name, admitted=specialty.admitted,
        data_hash=content_hash(found), device=plan.device, asking=specialty.asking, init=init,
    )  # fmt: skip


def slices(specialty: Specialty, count: int, seed: int = DEFAULT_SEED) -> list[Slice]:
    """Notes of unseen values, in the wordings of training and in others."""
    return [Slice(name, tuple(_valid(specialty, seed, wording, count)), one_schema=True) for name, wording in SLICES.items()]


def _valid(specialty: Specialty, seed: int, wording: str, count: int) -> Iterator[Pair]:
    """The first that pass the gates: a note whose noise spoiled an id has no right report."""
    found = curate(drawn(specialty, "heldout", seed, wording, round(count / (1 - _MOST_REFUSED)) + 10))
    yield from found.kept[:count]


def _calibrate(at: Places, specialty: Specialty, plan: SpecialistPlan, base: str | None) -> None:
    """Fit the adapter's confidences on notes that are not measured on; where there is nothing to fit they stay as they are, and the file says why."""
    from training.measure import calibration, trust

    notes = slices(specialty, -(-plan.eval_count // 2), calibration.DEFAULT_SEED)
    try:
        told = asdict(calibration.main(base=base, adapter=at.adapter, notes=notes, device=plan.device, threads=plan.threads))
    except trust.CannotFit as error:
        told = {"not fitted": str(error)}
    write_json(at.calibration, told)


def _evaluate(at: Places, specialty: Specialty, plan: SpecialistPlan, base: str | None) -> None:
    from training.measure import evaluate

    found = evaluate.measured(
        slices(specialty, plan.eval_count), ["base", specialty.name], base=base, adapters=[at.adapter], device=plan.device, threads=plan.threads
    )
    evaluate.show_all(found)
    evaluate.save(found, at.scores.parent)


def _bundle(at: Places, specialty: Specialty, schema: Path) -> None:
    from training.bundle import pack_adapter

    rows = json.loads(at.scores.read_text("utf-8"))
    ours = [row for row in rows if row["writer"] == specialty.name]
    pack_adapter(at.adapter, at.bundle, {f"F1, {row['slice'].replace('_', ' ')} (n {row['n']})": round(row["f1"], 3) for row in ours})
    shutil.copyfile(schema, at.bundle / "schema.json")
    write_whole(at.report, report(specialty.admitted, json.loads((at.adapter / "metadata.json").read_text("utf-8")), rows, at))


def report(admitted: AdmittedSchema, facts: dict[str, Any], rows: list[dict[str, Any]], at: Places) -> str:
    """The report of a run as Markdown: how good, field by field, and how to use it."""
    from training.bundle import learned

    total = learned(facts)
    before = f" (with those that it went on from {total['pairs']:,.0f} pairs, {total['steps']:,.0f} steps, {total['minutes']:.1f} minutes)" if total["runs"] > 1 else ""
    head = (
        f"# Specialist `{at.name}`\n\n{admitted.schema.get('title', at.name)}: rank {facts['rank']}, {facts['pairs']:,} pairs ({facts['pairs_too_long']} more were too long), "
        f"{facts['steps']:,} steps, {facts['minutes']} minutes{before}, {(at.adapter / 'adapter_model.safetensors').stat().st_size / 1e6:.2f} MB. "
        f"What was learned from: [pairs/data-card.md](pairs/data-card.md).\n"
    )
    table = markdown_table(
        ["notes", "writer", "n", "valid", "needed no help", "exact", "F1", "invented"],
        [[row["slice"].replace("_", " "), row["writer"], str(row["n"]), f"{row['validity']:.1%}", f"{row['native_validity']:.1%}", f"{row['exact_rate']:.1%}", f"{row['f1']:.3f}",
          f"{row['invention_rate']:.2%}"] for row in rows],
    )  # fmt: skip
    ours = {row["slice"]: row["by_field"] for row in rows if row["writer"] == at.name}
    fields = markdown_table(
        ["field", *(name.replace("_", " ") for name in ours)],
        [[f"`{path}`", *(f"{found[path]['accuracy']:.3f} (n {found[path]['either']})" if path in found and found[path]["either"] else "" for found in ours.values())]
         for path in sorted({path for found in ours.values() for path in found})],
    )  # fmt: skip
    use = (
        f"```sh\nescribano serve --adapter-dir {at.bundle}\nescribano generate --schema-file {at.bundle}/schema.json --adapter-dir {at.bundle} --question \"...\"\n```\n\n"
        "A request that brings this very schema (`schema_json`) is answered by this adapter; its prompt carries no schema.\n"
    )  # fmt: skip
    return "\n".join((head, "## How good\n", table, "\n## Field by field (accuracy)\n", fields, "\n## How to use it\n", use))
