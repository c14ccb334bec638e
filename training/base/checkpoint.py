"""What a run of pre-training leaves on disk, and how it, or another one, goes on from there.

Owns the files of a run: `inputs.json` (what it was begun with), `checkpoint/` (where it stands: weights, the head that is not exported, optimizers) and the weights
that another run begins from. The run itself is `training/base/pretrain.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from training.base.export import load_weights
from training.base.growing import grow
from training.failures import BaseUnfit
from training.phrasebook import books_digest
from training.whole import changed_inputs, write_json

_FOLDER, _STATE, _PROGRESS, _INPUTS, MODEL = "checkpoint", "state.pt", "progress.json", "inputs.json", "model"


@dataclass
class Progress:
    """Where a run stands; saved with each checkpoint."""

    tokens: float = 0
    pairs: int = 0
    next_seed: int = 0
    steps: int = 0
    elapsed_s: float = 0.0

    def share(self, tokens: float, minutes: float) -> float:
        """Of a run that ends after so many tokens or minutes, whichever comes first."""
        return min(1.0, max(self.tokens / tokens, self.elapsed_s / 60 / minutes))


def is_begun(output: Path) -> bool:
    """Whether a run has left a checkpoint in its directory."""
    return (output / _FOLDER / _PROGRESS).exists()


def begin(output: Path, told: dict[str, Any]) -> None:
    """Note what a run is begun with, and by which books each of its parts is written.

    Raises: FileExistsError where the directory holds the steps of another one.
    """
    file = output / _INPUTS
    if is_begun(output) and (changed := changed_inputs(file, told)):
        raise FileExistsError(f"{output} holds a run that was begun with another {', '.join(changed)}; choose another --output, or delete it")
    books = wordings(output) if is_begun(output) and file.exists() else []
    write_json(file, told | {"wordings": list(dict.fromkeys([*books, books_digest()]))})


def wordings(output: Path) -> list[str]:
    """Digests of the books that a run's notes were written by."""
    found: list[str] = json.loads((output / _INPUTS).read_text("utf-8"))["wordings"]
    return found


def save(output: Path, learner: nn.Module, steps: Sequence[torch.optim.Optimizer], progress: Progress) -> None:
    """Write beside and swap, so that a kill leaves the old checkpoint or the new one."""
    folder = output / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"learner": learner.state_dict(), "optimizers": [o.state_dict() for o in steps], "progress": asdict(progress)}, folder / "state.new")
    os.replace(folder / "state.new", folder / _STATE)
    write_json(folder / _PROGRESS, asdict(progress))


def restore(output: Path, learner: nn.Module, steps: Sequence[torch.optim.Optimizer]) -> Progress:
    """Take up a run's weights and its optimizers' memory, at the rates that are planned now; returns where it stood."""
    state = torch.load(output / _FOLDER / _STATE, map_location="cpu", weights_only=True)
    learner.load_state_dict(state["learner"])
    for optimizer, saved in zip(steps, state["optimizers"], strict=True):
        planned = [group["base_lr"] for group in optimizer.param_groups]
        optimizer.load_state_dict(saved)
        for group, rate in zip(optimizer.param_groups, planned, strict=True):
            group["base_lr"] = rate
    return Progress(**state["progress"])


def weights_of(init: Path) -> Path:
    """The directory of the weights that a run begins from; ``init`` is that one, or the directory of the run that wrote it."""
    return init / MODEL if is_begun(init) else init


def begins_whole(init: Path, config: MistralConfig) -> bool:
    """Whether a base of this configuration begins with all that a run has learned: the head that is not exported and the optimizers, too."""
    return is_begun(init) and all(getattr(MistralConfig.from_pretrained(weights_of(init)), key) == getattr(config, key) for key in ("num_hidden_layers", "intermediate_size"))


def begin_from(
    init: Path, learner: nn.Module, model: MistralForCausalLM, steps: Sequence[torch.optim.Optimizer], tokenizer: PreTrainedTokenizerBase, size: str
) -> None:
    """Begin where another base stands: from its weights; from its run, where that is given and of the same size, with the head that was not exported and the optimizers.

    Raises: BaseUnfit when it is of another kind.
    """
    folder = weights_of(init)
    theirs, ours = MistralConfig.from_pretrained(folder), model.config
    for key in ("prefix_lm", "hidden_size", "num_attention_heads", "head_dim", "rope_parameters"):
        if getattr(theirs, key, None) != getattr(ours, key):
            raise BaseUnfit(f"{folder}: {key} is {getattr(theirs, key, None)}, a base of size {size} has {getattr(ours, key)}")
    if PreTrainedTokenizerFast.from_pretrained(folder).get_vocab() != tokenizer.get_vocab():
        raise BaseUnfit(f"{folder} has another tokenizer")
    try:
        grow(model, load_weights(folder), theirs)
    except ValueError as error:
        raise BaseUnfit(f"{folder}: its weights are not those of a base of size {size} or less: {error}") from error
    if begins_whole(init, ours):
        restore(init, learner, steps)
