"""The whole run: what ``make train`` does.

Owns which stages a run has, where each leaves its files and when one is skipped (its output is there: a killed run
goes on where it stopped). How a stage works is its own module's business. Run them with

    escribano-train all --output runs/full --minutes 150
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.canonical import digest
from schemas.catalog import DEFAULT_DIRECTORY, Catalog
from training.failures import PairsUnfit
from training.gates import datacard
from training.gates.curate import curate
from training.gates.pairs_file import content_hash, read_pairs, read_texts, write_pairs
from training.notes.synthesize import Family, Pair, pairs
from training.progress import tracked
from training.whole import changed_inputs, write_json

if TYPE_CHECKING:
    from training.specialist.finetune import FinetunePlan

Say = Callable[[str], None]

SPLITS: dict[str, tuple[str, str]] = {
    "train": ("train", "train"),
    "unseen-values": ("heldout", "train"),
    "unseen-wordings": ("heldout", "heldout"),
}
"""What may be asked for -> (value pools, phrasebook)."""
SCHEMA_ID = "agent_status"
LONG_MINUTES, MANY_PAIRS = 10, 2000
"""From when on a run makes up for the minute or two that compiling takes."""


def drawn(family: Family, split: str, seed: int, count: int) -> Iterator[Pair]:
    """The first ``count`` pairs of a family, split (a key of SPLITS) and seed."""
    values, wording = SPLITS[split]
    return itertools.islice(pairs(family, values, seed, wording), count)


# --- make train ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FullPlan:
    """A whole run. ``minutes`` bound the pre-training of the base; the other stages take what they take. ``specialist_pairs``: for each of the catalog's other schemas."""

    size: str = "3m"
    minutes: float = 150.0
    tokenizer_pairs: int = 40_000
    pairs: int = 8_000
    specialist_pairs: int = 1_200
    rank: int = 8
    epochs: float = 1.0
    eval_count: int = 300
    seed: int = 1
    device: str = "cpu"
    threads: int | None = None
    notes: tuple[Path, ...] = ()
    """Notes that are measured on; the adapter is told apart on the first file."""


@dataclass(frozen=True)
class Stage:
    """One step of a run: skipped when ``made`` is there, which it must write last."""

    name: str
    made: Path
    do: Callable[[], None]


@dataclass(frozen=True)
class Places:
    """Where a full run leaves its files."""

    root: Path

    @property
    def tokenizer(self) -> Path:
        return self.root / "tokenizer"

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs" / f"{SCHEMA_ID}.jsonl"

    @property
    def card(self) -> Path:
        return self.root / "pairs" / "data-card.md"

    @property
    def adapter(self) -> Path:
        return self.root / "adapters" / SCHEMA_ID

    @property
    def calibration(self) -> Path:
        return self.root / "scores" / "calibration.json"

    @property
    def scores(self) -> Path:
        return self.root / "scores" / "summary.json"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs.json"

    @property
    def base_calibration(self) -> Path:
        return self.root / "scores" / "calibration-of-the-base.json"

    def specialist(self, schema_id: str) -> Path:
        """The directory of another schema's run."""
        return self.root / "specialists" / schema_id

    @property
    def bundle(self) -> Path:
        """Base and adapters as they are shipped: what stands in `service/embedded`."""
        return self.root / "bundle"


def full(output: Path, plan: FullPlan, say: Say = print) -> Places:
    """Tokenizer, base, adapters, confidences, scores, bundle: everything that is shipped, from nothing. Started again, it goes on where it stopped.

    Raises: FileExistsError where ``output`` holds a run that was begun with another plan.
    """
    at = Places(output)
    _same_plan(at, plan)
    go_through(stages(at, plan, say), say)
    return at


def go_through(stages: Iterable[Stage], say: Say) -> None:
    """Do every stage whose output is not there, in order."""
    for stage in stages:
        if stage.made.exists():
            say(f"{stage.name}: {stage.made} is there, skipped")
            continue
        say(f"{stage.name} ...")
        stage.do()


def _same_plan(at: Places, plan: FullPlan) -> None:
    """Refuse to call a stage done that another plan has done; where nothing is done yet, begin anew."""
    told = asdict(plan) | {"device": None, "threads": None, "notes": digest(read_texts(plan.notes))}
    if changed := changed_inputs(at.inputs, told):
        raise FileExistsError(f"{at.root} holds a run that was begun with another {', '.join(changed)}; choose another --output, or delete it")
    write_json(at.inputs, told)


def stages(at: Places, plan: FullPlan, say: Say) -> Sequence[Stage]:
    """The stages of a full run, in order."""
    return (
        Stage(
            "tokenizer",
            at.tokenizer / "tokenizer.json",
            lambda: make_tokenizer(at.tokenizer, plan.tokenizer_pairs, plan.seed),
        ),
        Stage("pre-training", at.model / "metadata.json", lambda: _pretrain(at, plan, say)),
        Stage("graphs", at.model / "escribano-prompt.onnx", lambda: _graph(at)),
        Stage("confidences of the base", at.base_calibration, lambda: _calibrate_base(at, plan)),
        Stage("pairs", at.card, lambda: make_pairs(at.pairs, at.card, plan.pairs, plan.seed, plan.notes)),
        Stage("fine-tuning", at.adapter / "metadata.json", lambda: _finetune(at, plan)),
        Stage("calibration", at.calibration, lambda: _calibrate(at, plan)),
        Stage("evaluation", at.scores, lambda: _evaluate(at, plan)),
        *(Stage(f"specialist {name}", at.specialist(name) / "report.md", partial(_specialist, at, plan, name, say)) for name in others()),
        Stage("bundle", at.bundle / "sizes.json", lambda: _bundle(at)),
    )


def others() -> Sequence[str]:
    """The catalog's schemas that the factory makes specialists for; agent_status has a recipe of its own."""
    return tuple(name for name in sorted(Catalog.load().ids()) if name != SCHEMA_ID)


def make_tokenizer(output: Path, count: int, seed: int, vocab_size: int | None = None) -> None:
    """Train a tokenizer on ``count`` pairs and write it."""
    from training.base import tokenizer

    trained = tokenizer.train(seed, count, vocab_size or tokenizer.VOCAB_SIZE)
    tokenizer.save(trained, output)


def make_pairs(output: Path, card: Path, count: int, seed: int, notes: Sequence[Path]) -> None:
    """Draw, curate and write training pairs with their data card."""
    texts = read_texts(notes)
    found = curate(tracked(drawn("agent_status", "train", seed, count), count, "pairs"), texts)
    write_pairs(output, found.kept)
    datacard.write(datacard.card(found), card)


def _pretrain(at: Places, plan: FullPlan, say: Say) -> None:
    from training.base.pretrain import PretrainPlan, pays_to_compile

    base = PretrainPlan(size=plan.size, minutes=plan.minutes, tokens=1e12, seed=plan.seed, compiled=plan.minutes >= LONG_MINUTES and pays_to_compile(plan.device), kept_out=plan.notes)
    if plan.device != "cpu":
        base = replace(base, batch_scale=16.0, warmup_tokens=5e6, num_workers=max(1, (os.cpu_count() or 2) - 1))
    make_base(at.tokenizer, at.base, base, plan.device, plan.threads, say)


def make_base(tokenizer: Path, output: Path, plan: Any, device: str, threads: int | None, say: Say = print, init: Path | None = None) -> Path:
    """Pre-train a base by a ``training.base.pretrain.PretrainPlan``; returns the directory of its weights."""
    import torch

    from training.base.pretrain import pretrain

    if threads:
        torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    return pretrain(tokenizer, output, plan, device, say, init)


def _finetune(at: Places, plan: FullPlan) -> None:
    from training.base.pretrain import pays_to_compile
    from training.specialist.finetune import FinetunePlan

    make_adapter(
        str(at.model),
        list(read_pairs(at.pairs)),
        at.adapter,
        FinetunePlan(rank=plan.rank, epochs=plan.epochs, seed=plan.seed, compiled=plan.pairs >= MANY_PAIRS and pays_to_compile(plan.device)),
        plan.device,
        plan.threads,
    )


def make_adapter(
    base: str, found: Sequence[Pair], output: Path, plan: FinetunePlan, device: str = "cpu", threads: int | None = None, init: Path | None = None
) -> dict[str, Any]:
    """Fine-tune an adapter, anew or from another one, for the one catalog schema that the pairs are of; returns its metadata.

    Raises: PairsUnfit when the pairs are of several schemas, of none of the catalog, or missing; AdapterUnfit when ``init`` is of another shape.
    """
    import torch

    from training.base.pretrain import has_bf16
    from training.specialist.finetune import finetune

    schema_id = only_schema(found)
    if threads:
        torch.set_num_threads(threads)
    return finetune(
        base,
        found,
        output,
        replace(plan, bf16=plan.bf16 and has_bf16(device)),
        schema_id=schema_id,
        admitted=Catalog.load().get(schema_id),
        data_hash=content_hash(found),
        device=device,
        init=init,
    )


def only_schema(found: Iterable[Pair]) -> str:
    """The schema id that all pairs share. Raises: PairsUnfit."""
    ids = {pair.schema_id for pair in found}
    if len(ids) != 1 or None in ids:
        shown = ", ".join(sorted(schema_id or "schemas of their own" for schema_id in ids)) or "nothing"
        raise PairsUnfit(f"an adapter is trained for one schema of the catalog; these pairs are of {shown}")
    return str(ids.pop())


def _calibrate(at: Places, plan: FullPlan) -> None:
    """Fit the adapter's confidences; weights that get everything wrong keep theirs as they are, and the file says why."""
    from training.measure import calibration, trust

    try:
        told = asdict(calibration.main(base=str(at.model), adapter=at.adapter, count=plan.eval_count, device=plan.device, threads=plan.threads))
    except trust.CannotFit as error:
        told = {"not fitted": str(error)}
    write_json(at.calibration, told)


def _graph(at: Places) -> None:
    from training.bundle import make_graph

    make_graph(at.model)


def _calibrate_base(at: Places, plan: FullPlan) -> None:
    """The base's confidences, on notes over made-up schemas."""
    from training.measure import calibration, trust

    try:
        told = asdict(calibration.main(base=str(at.model), writer="base", count=plan.eval_count // 2, device=plan.device, threads=plan.threads))
    except trust.CannotFit as error:
        told = {"not fitted": str(error)}
    write_json(at.base_calibration, told)


def _specialist(at: Places, plan: FullPlan, name: str, say: Say) -> None:
    from training.specialist.factory import SpecialistPlan, specialist

    recipe = SpecialistPlan(pairs=plan.specialist_pairs, passes=1.0, rank=plan.rank, eval_count=max(1, plan.eval_count // 6), seed=plan.seed, device=plan.device, threads=plan.threads)
    specialist(DEFAULT_DIRECTORY / f"{name}.json", name, at.specialist(name), recipe, base=str(at.model), notes=plan.notes, say=say)


def _bundle(at: Places) -> None:
    from training.bundle import bundle_adapter, bundle_base, check_size

    bundle_base(at.model, at.bundle)
    for adapter in (at.adapter, *(at.specialist(name) / name for name in others())):
        bundle_adapter(adapter, at.bundle)
    write_json(at.bundle / "sizes.json", {"bytes": check_size(at.bundle)})


def _evaluate(at: Places, plan: FullPlan) -> None:
    from training.measure import evaluate

    evaluate.main(
        base=str(at.model),
        adapters=[at.adapter],
        writer=at.adapter.name,
        slices=evaluate.SLICES,
        count=plan.eval_count,
        notes=plan.notes[0] if plan.notes else None,
        output=at.scores.parent,
        device=plan.device,
        threads=plan.threads,
    )
