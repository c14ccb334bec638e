"""Pre-training of the base: a small Mistral that turns any note into JSON under any schema it is shown.

Owns the optimizers, the run and its checkpoints; the notes come from `training/base/stream.py`. Run it with

    escribano-train pretrain --tokenizer runs/tokenizer --output runs/base --minutes 25      # 2 cores: see docs/training-log.md
    escribano-train pretrain ... --device cuda --tokens 600e6                                # one GPU

A killed run continues from its last checkpoint when it is started again with the same arguments.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from schemas.canonical import digest
from training.base.checkpoint import (
    MODEL,
    Progress,
    begin,
    begin_from,
    begins_whole,
    is_begun,
    restore,
    save,
    weights_of,
    wordings,
)
from training.base.export import export
from training.base.induction import write_induction
from training.base.muon import Muon
from training.base.objective import losses
from training.base.stream import CURRICULUM, Notes, Phase
from training.base.tagging import IGNORED, TagHead
from training.gates.pairs_file import read_texts
from training.progress import share_bar
from training.whole import write_json

LOOKUP_DEPTH = 2 / 3  # of the layers: those below learn what each word is about, the first heads of the next one are shown where to look
HEAD_ALONE = 1e6
"""Tokens for which a new head of tags learns from a base that has already learned, before the base learns from it: what it says at first is noise."""
ROPE_THETA = 1e6  # slow rotations, so that contents can be compared from one end of a note to the other


@dataclass(frozen=True)
class ModelSize:
    """Width and depth of a base. Each head has keys and values of its own (see `training/base/induction.py`)."""

    hidden_size: int = 384
    num_layers: int = 8
    num_heads: int = 6
    intermediate_size: int = 1024

    def config(self, tokenizer: PreTrainedTokenizerBase) -> MistralConfig:
        return MistralConfig(
            vocab_size=len(tokenizer), hidden_size=self.hidden_size, num_hidden_layers=self.num_layers, num_attention_heads=self.num_heads,
            num_key_value_heads=self.num_heads, head_dim=self.hidden_size // self.num_heads, intermediate_size=self.intermediate_size,
            max_position_embeddings=4096, rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA}, sliding_window=None, tie_word_embeddings=True, prefix_lm=True,
            lookup_layer=round(self.num_layers * LOOKUP_DEPTH),
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )  # type: ignore[call-arg]  # prefix_lm and lookup_layer are ours; configs keep what they do not know  # fmt: skip


SIZES = {"3m": ModelSize(192, 6, 3, 512), "5m": ModelSize(192, 9, 3, 512), "14m": ModelSize()}


@dataclass(frozen=True)
class PretrainPlan:
    """What a run does. The learning rate falls to zero at ``tokens`` or ``minutes``, whichever comes first.

    ``batch_scale`` multiplies the batches of the curriculum: 1 for a CPU, 16 for a large GPU.
    """

    size: str = "14m"
    tokens: float = 600e6
    minutes: float = math.inf
    batch_scale: float = 1.0
    matrix_lr: float = 0.008
    other_lr: float = 1.2e-3
    weight_decay: float = 0.01
    warmup_tokens: float = 3e5
    tagging_weight: float = 0.5
    curriculum: tuple[Phase, ...] = CURRICULUM
    seed: int = 1
    num_workers: int = 1
    checkpoint_minutes: float = 3.0
    compiled: bool = False
    kept_out: tuple[Path, ...] = ()
    """Files of notes that are measured on; no note of the run says eight of their words in a row."""

    def share(self, progress: Progress) -> float:
        """Of the run that is done."""
        return progress.share(self.tokens, self.minutes)

    def phase(self, share: float) -> Phase:
        """The phase that a share of the run belongs to."""
        return next((p for p in self.curriculum if share < p.until), self.curriculum[-1])


# --- optimization ----------------------------------------------------------------------------------------------------


def optimizers(model: nn.Module, plan: PretrainPlan) -> list[torch.optim.Optimizer]:
    """Muon on the matrices of the layers, AdamW on embeddings, norms and the tag head."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    muon = Muon(matrices, lr=plan.matrix_lr, momentum=0.95, weight_decay=plan.weight_decay, bf16=has_bf16(others[0].device.type))
    adam = torch.optim.AdamW(others, lr=plan.other_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=others[0].is_cuda)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return [muon, adam]


def lr_share(plan: PretrainPlan, progress: float, tokens: float) -> float:
    """Share of the base learning rate: linear warm-up, flat to 30% of the run, then linearly to zero."""
    warm = min(1.0, (tokens + 1) / plan.warmup_tokens)
    return warm * min(1.0, max(0.0, (1 - progress) / 0.7))


class Learner(nn.Module):
    """The base and the head of its second lesson (`training/base/tagging.py`), which is not exported."""

    def __init__(self, model: MistralForCausalLM, tagging_weight: float, backbone: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self.tagging_weight = model, tagging_weight
        self.layer = int(model.config.lookup_layer)
        self.head = TagHead(model.config.hidden_size)
        self.head_alone = False
        self._losses: Callable[..., Any] = lambda batch: losses(model, backbone, batch, self.layer)  # in a closure: it is no second module

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """`training.base.objective.Losses`, and the loss on the tags of note and report, in nats."""
        found, hidden, _ = self._losses(batch)
        in_report = batch["labels"] != IGNORED
        tags = [batch["tags"].masked_fill(part[..., None], IGNORED) for part in (in_report, ~in_report)]
        told = hidden.detach() if self.head_alone else hidden
        tagging = sum((self.head.loss(told, part) for part in tags), in_report.new_zeros((), dtype=torch.float32))
        return *found, tagging


# --- the run ---------------------------------------------------------------------------------------------------------


_PAUSE_S = 60.0
"""A step that took longer was stopped in between (Ctrl-Z, a machine put to sleep); what is longer does not count as training."""


def pretrain(
    tokenizer_path: Path, output: Path, plan: PretrainPlan, device: str = "cpu", report: Callable[[str], None] = print, init: Path | None = None
) -> Path:  # fmt: skip
    """Train a base and return the directory of its weights (``output/model``).

    ``init``: a base of the same kind and tokenizer, of this size or a smaller one (`training/base/growing.py`), to go on from instead of the initial weights, or the
    directory of the run that made it, whose optimizers go on, too; not looked at when a checkpoint is there.

    Raises: BaseUnfit when it is of another kind; FileExistsError where ``output`` holds a run that was begun with something else.
    """
    before = init and weights_of(init)
    begin(output, {"tokenizer": digest((tokenizer_path / "tokenizer.json").read_bytes()), "size": plan.size, "seed": plan.seed, "kept out": digest(read_texts(plan.kept_out)), "init": before and digest((before / "model.safetensors").read_bytes())})
    torch.manual_seed(plan.seed)
    torch.set_float32_matmul_precision("high")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_path)
    model: Any = MistralForCausalLM(SIZES[plan.size].config(tokenizer))  # type: ignore[no-untyped-call]
    write_induction(model, plan.seed)
    learner = Learner(model, plan.tagging_weight, compiled_layers(model, device) if plan.compiled else model.model).to(device)
    steps, progress = optimizers(learner, plan), Progress()
    if is_begun(output):
        progress = restore(output, learner, steps)
        report(f"resumed at {progress.tokens / 1e6:.1f}M tokens")
    elif init is not None:
        begin_from(init, learner, model, steps, tokenizer, plan.size)
        report(f"starting from {init}")
    new_head = init is not None and not begins_whole(init, model.config)
    report(f"{plan.size}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters on {device}")
    with share_bar("pre-training") as shown:
        run = _Run(plan, device, output, learner, steps, progress, _Log(output / "log.jsonl", report, shown), new_head)
        while plan.share(progress) < 1:
            run.through(plan.phase(plan.share(progress)), tokenizer_path)
    return _finished(model, tokenizer, output, plan, progress, before)


@dataclass
class _Run:
    """A run in progress: what learns, its optimizers and where it stands."""

    plan: PretrainPlan
    device: str
    output: Path
    learner: Learner
    steps: list[torch.optim.Optimizer]
    progress: Progress
    log: _Log
    new_head: bool
    """Whether the head of tags begins anew on a base that does not."""

    def through(self, phase: Phase, tokenizer_path: Path) -> None:
        """Train until the phase ends."""
        workers = self.plan.num_workers
        kept_out = read_texts(self.plan.kept_out)
        notes = Notes(tokenizer_path, phase, self.plan.seed, self.plan.batch_scale, start=self.progress.next_seed, kept_out=kept_out)
        loader = DataLoader(notes, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None, pin_memory=self.device == "cuda")
        last = saved = time.monotonic()
        for batch in loader:
            self.learner.head_alone = self.new_head and self.progress.tokens < HEAD_ALONE
            share = lr_share(self.plan, self.plan.share(self.progress), self.progress.tokens)
            losses = _step(self.learner, self.steps, {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}, share, self.device)
            now = time.monotonic()
            self._advance(batch, now - last)
            last = now
            self.log.step(self.progress, losses, share, self.plan)
            over = self.plan.share(self.progress) >= min(1.0, phase.until)
            if over or now - saved > self.plan.checkpoint_minutes * 60:
                save(self.output, self.learner, self.steps, self.progress)
                saved = time.monotonic()
            if over:
                return

    def _advance(self, batch: dict[str, Tensor], seconds: float) -> None:
        self.progress.elapsed_s += min(seconds, _PAUSE_S)
        self.progress.tokens += int(batch["num_tokens"])
        self.progress.pairs += int(batch["num_pairs"])
        self.progress.next_seed = max(self.progress.next_seed, int(batch["next_seed"]))
        self.progress.steps += 1


def compiled_layers(model: Any, device: str) -> Callable[..., Any]:
    """The layers of a causal language model, compiled for batches of any shape.

    On a processor plain products take attention's place: compiled, they are quicker in bf16 than torch's fused attention, whose backward pass was a quarter of a step.
    """
    if device == "cpu":
        model.set_attn_implementation("eager")
    compiled: Callable[..., Any] = torch.compile(model.model, dynamic=True)
    return compiled


def pays_to_compile(device: str) -> bool:
    """Whether a long run is quicker compiled: on a GPU, and on a processor with native bf16 where a C++ compiler is at hand."""
    return has_bf16(device) and (device != "cpu" or any(map(shutil.which, ("c++", "g++", "clang++"))))


def has_bf16(device: str) -> bool:
    """Whether bf16 matrix products are native here; on a processor without them autocast would slow training down."""
    if device != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


def _step(learner: Learner, steps: list[torch.optim.Optimizer], batch: dict[str, Tensor], share: float, device: str) -> Tensor:
    """One step; returns the learner's losses, (6,)."""
    for optimizer in steps:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * share
    with torch.autocast(device, dtype=torch.bfloat16, enabled=has_bf16(device)):
        found = learner(batch)
    (found[0] + learner.tagging_weight * sum(found[1:])).backward()
    nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    for optimizer in steps:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return torch.stack([loss.detach() for loss in found])


class _Log:
    """Writes a line every few seconds, and moves a bar where there is one; reads the loss from the device only then."""

    def __init__(self, path: Path, report: Callable[[str], None], shown: Callable[[float, str], None] | None = None, every_s: float = 10.0) -> None:
        self.path, self.report, self.shown, self.every_s = path, report, shown, every_s
        self.losses: list[Tensor] = []
        self.since, self.tokens = time.monotonic(), 0.0

    def step(self, progress: Progress, losses: Tensor, share: float, plan: PretrainPlan) -> None:
        self.losses.append(losses)
        now = time.monotonic()
        if now - self.since < self.every_s:
            return
        mean, choosing, looking, naming, following, tagging = torch.stack(self.losses).mean(dim=0).tolist()
        rate = (progress.tokens - self.tokens) / (now - self.since) if self.tokens else float("nan")
        if self.shown is not None:
            self.shown(plan.share(progress), f"{progress.tokens / 1e6:.1f}M tokens, {rate / 1e3:.1f}k a second, loss {mean:.3f}")
        else:
            self.report(f"{plan.share(progress):6.1%}  {progress.tokens / 1e6:7.1f}M tokens  loss {mean:.4f}  chooses {choosing:.2f}  tags {tagging:.2f}  looks {looking:.2f}  names {naming:.2f}  follows {following:.2f}  lr x{share:.2f}  {rate / 1e3:.1f}k tokens/s")
        with self.path.open("a") as file:
            file.write(json.dumps({**asdict(progress), "loss": mean, "choice_loss": choosing, "tag_loss": tagging, "lookup_loss": looking, "naming_loss": naming, "following_loss": following, "tokens_per_s": rate}) + "\n")
        self.losses, self.since, self.tokens = [], now, progress.tokens


def _finished(
    model: MistralForCausalLM, tokenizer: PreTrainedTokenizerBase, output: Path, plan: PretrainPlan, progress: Progress, init: Path | None
) -> Path:  # fmt: skip
    """Write the base with its metadata, which holds that of the base it was begun from."""
    folder = output / MODEL
    export(model, tokenizer, folder)
    told = asdict(plan) | {"kept_out": [file.name for file in plan.kept_out]}
    facts = {"kind": "base", "wordings": wordings(output), "plan": {k: v if v != math.inf else None for k, v in told.items()}, "progress": asdict(progress),
             "parameters": sum(p.numel() for p in model.parameters())}  # fmt: skip
    if init is not None:
        facts["init"] = json.loads((init / "metadata.json").read_text())
    write_json(folder / "metadata.json", facts)
    return folder
