"""Fine-tuning: a LoRA adapter that knows one schema by heart, so that its prompt carries none.

Owns the recipe (peft for the adapter, trl's SFTTrainer for the loop) and what is kept: safetensors and JSON metadata, never a pickle. Works on the shipped
base and on any Mistral-family checkpoint. Run it with

    escribano-train finetune --base runs/base/model --pairs runs/pairs/train.jsonl --output runs/adapters/agent_status
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from huggingface_hub import snapshot_download
from peft import LoraConfig, prepare_model_for_kbit_training
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedTokenizerBase,
    TrainerCallback,
)
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

from schemas.admission import AdmittedSchema
from training.base.encode import PairEncoder
from training.base.objective import completion_loss, form_loss, losses, read
from training.base.pretrain import compiled_layers
from training.base.tagging import IGNORED, UNTAGGED
from training.failures import PairsUnfit
from training.notes.synthesize import Pair
from training.specialist.form import Form, ReportUnfit
from training.specialist.going_on import going_on, init_config
from training.specialist.strain import strained
from training.whole import changed_inputs, write_json

CHECKPOINT_STEPS = 25
"""How many steps a kill costs at most; a checkpoint is the adapter, its optimizer and the place in the data."""
EXAMPLES = 3
"""Reports that an adapter's metadata keeps: what serving guesses its drafts from (`service/engine/drafting.py`)."""
RECENT = 4
"""Reports, whose items are looked through for one that another report's list could wrongly have."""
TARGETS = ["q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""All projections but that of the keys: what queries look for is adapted, and a score depends on their product."""


@dataclass(frozen=True)
class FinetunePlan:
    """What a run does. ``lora_alpha`` is given as a multiple of the rank; ``epochs`` counts passes over the pairs.

    ``qlora`` keeps the frozen base in 4 bits (NF4), ``gradient_checkpointing`` computes a layer's activations anew instead of keeping them: both save memory and cost
    time, for bases of billions.
    ``compiled`` compiles the layers first, which takes a minute or two.
    ``lesson_weight`` weighs choosing, looking, naming and following (`training/base/objective.py`) against the report, ``form_weight`` form (`training/specialist/form.py`),
    ``strain_weight`` form in reports under strain (`training/specialist/strain.py`), which a ``strain_share`` of a batch's notes are given, for bases that have learned to look;
    for any other, only the report counts. Form is taught to adapters that go on from another: it keeps one that begins from nothing from learning its reports (docs/training-log.md).
    """

    rank: int = 8
    alpha_ratio: float = 2.0
    epochs: float = 1.0
    learning_rate: float = 2e-3
    batch_size: int = 8
    warmup_ratio: float = 0.05
    max_length: int = 1280
    lesson_weight: float = 0.5
    form_weight: float = 10.0
    strain_weight: float = 5.0
    strain_share: float = 0.375
    seed: int = 1
    bf16: bool = True
    qlora: bool = False
    gradient_checkpointing: bool = False
    compiled: bool = False

    @property
    def lora_alpha(self) -> int:
        return round(self.rank * self.alpha_ratio)

    def lora(self) -> LoraConfig:
        return LoraConfig(r=self.rank, lora_alpha=self.lora_alpha, target_modules=TARGETS, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM")

    def known(self, init: Path) -> Any:
        """The configuration of an adapter to go on from. Raises: AdapterUnfit where there is none, or not as planned."""
        return init_config(init, self.rank, self.lora_alpha, TARGETS)


def dataset(tokenizer: PreTrainedTokenizerBase, pairs: Iterable[Pair], max_length: int, asking: dict[str, Any] | None = None, form: Form | None = None) -> tuple[Dataset, int]:
    """Token ids with the loss on the report only, a tag for each, and, where there is a lesson in form, the number of its mask and its report with items too many; returns (dataset, number of pairs too long
    to use). Raises: PairsUnfit when none is left.
    """
    encode = PairEncoder(tokenizer, asking=asking)
    rows: list[dict[str, list[Any]]] = []
    too_long, recent = 0, deque[str](maxlen=RECENT)
    for pair in pairs:
        encoded = encode(pair, tagged=True)
        if len(encoded.token_ids) > max_length:
            too_long += 1
            continue
        labels = [t if kept else IGNORED for t, kept in zip(encoded.token_ids, encoded.completion_mask, strict=True)]
        row: dict[str, list[Any]] = {"input_ids": encoded.token_ids, "labels": labels, "tags": encoded.tags, "masks": [], "overfull": [], "overfull_masks": []}
        if form is not None:
            try:
                row["masks"] = [IGNORED] * encoded.prompt_length + form.places(pair.report)
            except ReportUnfit as error:
                raise PairsUnfit(f"pair {pair.id!r}: its report is not of the schema: {error}") from error
            if longer := next(filter(None, (form.overfull(pair.report, other) for other in recent)), None):
                row |= {"overfull": form.tokens(longer), "overfull_masks": form.places(longer)}
            recent.appendleft(pair.report)
        rows.append(row)
    if not rows:
        raise PairsUnfit(f"all {too_long} pairs are longer than {max_length} tokens; give a larger --max-length" if too_long else "there are no pairs")
    return Dataset.from_list(rows), too_long


def collate(rows: list[dict[str, list[Any]]], strain_share: float = 0.0) -> dict[str, Tensor]:
    """Right-padded (rows, length) batches without an attention mask; those of reports under strain, where there is a lesson in form, are named ``strained_...``.

    Nothing looks at what is padded on the right: a report is causal, and a prompt's mask ends with the prompt. The positions are what trl counts tokens by.
    """
    names = ("input_ids", "labels", "tags", "masks") if rows[0]["masks"] else ("input_ids", "labels", "tags")
    batch = _padded(rows, names)
    batch["position_ids"] = torch.arange(batch["input_ids"].size(1))[None].expand(len(rows), -1)
    if "masks" in names and (others := list(strained(rows, strain_share))):
        batch |= {f"strained_{name}": padded for name, padded in _padded(others, ("input_ids", "labels", "masks")).items()}
    return batch


def _padded(rows: Sequence[dict[str, list[Any]]], names: Sequence[str]) -> dict[str, Tensor]:
    length = -(-max(len(row["input_ids"]) for row in rows) // 16) * 16
    filler = {"input_ids": 0, "labels": IGNORED, "masks": IGNORED, "tags": UNTAGGED}
    return {name: torch.tensor([row[name] + [filler[name]] * (length - len(row[name])) for row in rows]) for name in names}


def arguments(plan: FinetunePlan, work: Path, device: str) -> SFTConfig:
    return SFTConfig(
        output_dir=str(work), num_train_epochs=plan.epochs, per_device_train_batch_size=plan.batch_size, learning_rate=plan.learning_rate,
        lr_scheduler_type="cosine", warmup_steps=plan.warmup_ratio, weight_decay=0.0, max_grad_norm=1.0, bf16=plan.bf16, logging_steps=50,
        save_strategy="steps", save_steps=CHECKPOINT_STEPS, save_total_limit=1, report_to=[], seed=plan.seed, data_seed=plan.seed, use_cpu=device == "cpu",
        dataset_kwargs={"skip_prepare_dataset": True}, max_length=None, train_sampling_strategy="group_by_length", remove_unused_columns=False,
        gradient_checkpointing=plan.gradient_checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False}, dataloader_num_workers=0, packing=False,
    )  # fmt: skip


class CompletionTrainer(SFTTrainer):
    """SFTTrainer that computes logits where the report is and nowhere else, and shows the heads of a base that has learned to look where to look now.

    trl's own loss takes log-probabilities, entropy and the best token of every place: a third of a step at this width.
    """

    lesson_weight = form_weight = strain_weight = 0.0
    may_stand: Tensor | None = None
    """The masks of the lesson in form, by number: (masks, vocab_size) bool."""
    compiled: Callable[..., Any] | None = None
    """The layers, compiled; they share their weights with the model's."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        plain: Any = self.model.get_base_model()  # type: ignore[union-attr, operator]
        plain.forward = lambda **batch: {"loss": self._loss(plain, batch)}

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """The loss comes out of the model's own call, so that what averages gradients over processes, which wraps that call, sees it."""
        with self.accelerator.autocast():
            loss = model(**inputs)["loss"]
        return (loss, {}) if return_outputs else loss

    def _loss(self, plain: Any, inputs: dict[str, Tensor]) -> Tensor:
        layer, backbone = getattr(plain.config, "lookup_layer", None), plain.model if self.compiled is None else self.compiled
        if layer is None or not self.lesson_weight:
            return completion_loss(plain, backbone, inputs)
        (report, *lessons), _, hidden = losses(plain, backbone, inputs, layer)
        loss: Tensor = report + self.lesson_weight * torch.stack(lessons).sum()
        if self.may_stand is not None:
            loss = loss + self._form(plain, backbone, inputs, hidden)
        return loss

    def _form(self, plain: Any, backbone: Callable[..., Any], inputs: dict[str, Tensor], hidden: Tensor) -> Tensor:
        """The weighed loss in form: of the notes' own reports, and of those under strain."""
        table = self.may_stand = self.may_stand.to(hidden.device)  # type: ignore[union-attr]
        found = self.form_weight * form_loss(plain, hidden, inputs["labels"], inputs["masks"], table)
        others = {name: inputs[f"strained_{name}"] for name in ("input_ids", "labels", "masks") if f"strained_{name}" in inputs}
        if others:
            found = found + self.strain_weight * form_loss(plain, read(plain, backbone, others).last_hidden_state, others["labels"], others["masks"], table)
        return found


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a base as the server reads it: its `tokenizer.json`, also where a `tekken.json` lies beside it and mistral-common is installed."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, mistral_format=False)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def load_base(folder: Path, plan: FinetunePlan, device: str) -> Any:
    """The frozen base: fp32 on a CPU, bf16 on a GPU, or in 4 bits.

    Source: Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs" (2023). Raises: ImportError where that takes bitsandbytes and it is missing.
    """
    dtype = torch.bfloat16 if plan.bf16 and device != "cpu" else torch.float32
    if not plan.qlora:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype)  # type: ignore[no-untyped-call]
    place = device if device == "cpu" else f"{device}:{os.environ.get('LOCAL_RANK', 0)}"  # of several processes each has its own
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, quantization_config=nf4, device_map={"": place})
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=plan.gradient_checkpointing)  # type: ignore[no-untyped-call]


def examples_of(pairs: Sequence[Pair]) -> list[str]:
    """The first reports of pairs that were drawn. What people wrote by hand, which has no marks, may name real people and is not kept in an adapter."""
    return [pair.report for pair in pairs if pair.marks][:EXAMPLES]


def finetune(base: str, pairs: Iterable[Pair], output: Path, plan: FinetunePlan, *, schema_id: str, admitted: AdmittedSchema, data_hash: str,
             device: str = "cpu", asking: dict[str, Any] | None = None, init: Path | None = None) -> dict[str, Any]:  # fmt: skip
    """Train an adapter and write it to ``output``; a killed run resumes from ``output/.work``. Returns its metadata.

    ``init``: an adapter of the same rank to go on from, such as that of the base which this one was begun from.

    Started once in each of several processes (`accelerate launch`), the steps are theirs together, ``plan.batch_size`` pairs each, and the first one writes.

    ``asking``: where the pairs bring their schema along, what its leaves ask for; the prompts carry none in any case.
    Raises: FileExistsError where ``output`` holds a finished adapter, or a run that was begun with something else; AdapterUnfit where ``init`` is of another shape.
    """
    folder = local_base(base)
    work = output / ".work"
    _begin(output, work, {"base": weights_digest(folder), "data": data_hash, "schema": admitted.digest, "plan": asdict(plan) | {"compiled": None}, "init": init and weights_digest(init)})
    tokenizer = read_tokenizer(folder)
    model = load_base(folder, plan, device)
    if init is not None:
        before = {name: value for name, value in json.loads((init / "metadata.json").read_text("utf-8")).items() if name != "examples"}
        model = going_on(model, init, plan.known(init))
    pairs = list(pairs)
    taught = init is not None and plan.form_weight and plan.lesson_weight and getattr(model.config, "lookup_layer", None) is not None
    form = Form(tokenizer, model.config.vocab_size, admitted) if taught else None
    data, too_long = dataset(tokenizer, pairs, plan.max_length, asking, form)
    trainer = CompletionTrainer(
        model=model, args=arguments(plan, work, device), train_dataset=data, processing_class=tokenizer, peft_config=plan.lora() if init is None else None,
        data_collator=partial(collate, strain_share=plan.strain_share),
    )  # fmt: skip
    trainer.lesson_weight, trainer.form_weight, trainer.strain_weight = plan.lesson_weight, plan.form_weight, plan.strain_weight
    trainer.may_stand = None if form is None else form.table()
    if plan.compiled:
        trainer.compiled = compiled_layers(trainer.model.get_base_model(), device)  # type: ignore[union-attr, operator]
    spent = _Spent(work / "spent.json")
    trainer.add_callback(spent)
    result = trainer.train(resume_from_checkpoint=last_checkpoint(work))
    facts = {
        "examples": examples_of(pairs),
        "kind": "adapter", "adapter_id": output.name, "schema_id": schema_id, "schema_digest": admitted.digest, "base_digest": weights_digest(folder),
        "rank": plan.rank, "lora_alpha": plan.lora_alpha, "plan": asdict(plan), "pairs": len(data), "pairs_too_long": too_long, "data_hash": data_hash,
        "processes": trainer.accelerator.num_processes, "steps": trainer.state.global_step, "train_loss": result.training_loss, "minutes": round(spent.seconds() / 60, 2),
        "num_parameters": _num_trainable(trainer.model),
    }  # fmt: skip
    if init is not None:
        facts["init"] = before
    if trainer.is_world_process_zero():
        save(trainer.model, output, facts)
        shutil.rmtree(work, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return facts


def _begin(output: Path, work: Path, told: dict[str, Any]) -> None:
    """Refuse to write over an adapter, or to go on with another one's steps."""
    if (output / "metadata.json").exists():
        raise FileExistsError(f"{output} holds a finished adapter; choose another --output, or delete it")
    begun = work / "inputs.json"
    if changed := changed_inputs(begun, told):
        raise FileExistsError(f"{output} holds a run that was begun with another {', '.join(changed)}; choose another --output, or delete it")
    if os.environ.get("RANK", "0") == "0":  # of several processes the first one writes
        write_json(begun, told)


class _Spent(TrainerCallback):
    """The seconds of a run, those before it was killed included."""

    def __init__(self, file: Path) -> None:
        self._file, self._began = file, time.monotonic()
        self._before = float(json.loads(file.read_text("utf-8"))) if file.exists() else 0.0

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def on_save(self, *_: Any, **__: Any) -> None:
        if os.environ.get("RANK", "0") == "0":
            write_json(self._file, self.seconds())


def last_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end: the trainer's state is what is written last."""
    for folder in sorted(work.glob("checkpoint-*"), key=lambda found: int(found.name.rpartition("-")[2]), reverse=True):
        try:
            json.loads((folder / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        return str(folder)
    return None


def _num_trainable(model: Any) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def save(model: Any, output: Path, facts: dict[str, Any]) -> None:
    """Write the adapter in bf16 safetensors with its config and metadata; trl's pickles are left behind."""
    output.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(output, safe_serialization=True)
    for extra in ("training_args.bin", "README.md"):
        (output / extra).unlink(missing_ok=True)
    config_path = output / "adapter_config.json"
    config = json.loads(config_path.read_text()) | {"base_model_name_or_path": facts["base_digest"]}
    write_json(config_path, dict(sorted(config.items())))
    write_json(output / "metadata.json", facts)


def local_base(base: str) -> Path:
    """The directory of a base; one given by hub id is fetched first, so that its weights can be named by their digest."""
    if Path(base).is_dir():
        return Path(base)
    return Path(snapshot_download(base, allow_patterns=["*.json", "*.safetensors"], ignore_patterns=["consolidated*"]))


def weights_digest(folder: Path) -> str:
    """Digest of the weights of a base or an adapter: SHA-256 over the SHA-256 of each safetensors file, in order of name, as the server computes it."""
    files = sorted(f for f in folder.glob("*.safetensors") if not f.name.startswith("consolidated"))
    outer = hashlib.sha256()
    for file in files:
        with file.open("rb") as data:
            outer.update(hashlib.file_digest(data, "sha256").digest())
    return f"sha256:{outer.hexdigest()}"
