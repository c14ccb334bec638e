"""A base is trained, killed, gone on with and exported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import MistralForCausalLM, PreTrainedTokenizerFast

from service.weights.checkpoint import EMBEDDED_BASE, read_base
from training.base import pretrain
from training.base.checkpoint import begin_from
from training.base.export import load_weights
from training.base.pretrain import ModelSize, PretrainPlan, lr_share
from training.base.stream import Phase

PLAN = PretrainPlan(size="tiny", tokens=4_000, num_workers=0, warmup_tokens=500, curriculum=(Phase(0.5, {"echo": 1.0}, 1024, 128), Phase(1.0, {"copying": 1.0}, 1024, 256)))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrain.SIZES, "tiny", ModelSize(128, 2, 2, 64))


def train(folder: Path, plan: PretrainPlan, init: Path | None = None) -> tuple[Path, list[str]]:
    lines: list[str] = []
    return pretrain.pretrain(EMBEDDED_BASE, folder, plan, report=lines.append, init=init), lines


def test_a_run_leaves_a_base_that_the_server_and_transformers_load(tmp_path: Path) -> None:
    exported, _ = train(tmp_path, PLAN)
    assert read_base(exported).config.prefix_lm and json.loads((exported / "config.json").read_text())["lookup_layer"] == 1, "what serving and fine-tuning go by"
    model = MistralForCausalLM.from_pretrained(exported)
    assert model.config.num_hidden_layers == 2 and not any("linear" in name for name in load_weights(exported)), "the tag head stays behind"
    facts = json.loads((exported / "metadata.json").read_text())
    assert facts["progress"]["tokens"] >= 4_000 and facts["plan"]["tagging_weight"] == 0.5


def test_a_run_is_gone_on_with_where_it_stood_and_with_more_to_do(tmp_path: Path) -> None:
    exported, _ = train(tmp_path, PLAN)
    first = load_weights(exported)
    again, lines = train(tmp_path, replace(PLAN, tokens=6_000))
    assert lines[0].startswith("resumed at 0.0M")
    facts = json.loads((again / "metadata.json").read_text())["progress"]
    assert 6_000 <= facts["tokens"] < 9_000 and not torch.equal(first["model.embed_tokens.weight"], load_weights(again)["model.embed_tokens.weight"])


def test_a_base_of_the_same_size_can_be_begun_from(tmp_path: Path) -> None:
    exported, _ = train(tmp_path / "one", PLAN)
    again, lines = train(tmp_path / "two", PLAN, init=exported)
    assert lines[0] == f"starting from {exported}"
    assert json.loads((again / "metadata.json").read_text())["init"] == json.loads((exported / "metadata.json").read_text())


@pytest.mark.parametrize(("layers", "going_on"), [(2, True), (4, False)])
def test_from_a_run_of_the_same_size_its_head_and_optimizers_go_on_too(layers: int, going_on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path, PLAN)
    monkeypatch.setitem(pretrain.SIZES, "tiny", ModelSize(128, layers, 2, 64))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(EMBEDDED_BASE)
    model: Any = MistralForCausalLM(pretrain.SIZES["tiny"].config(tokenizer))
    learner = pretrain.Learner(model, 0.5, model.model)
    steps = pretrain.optimizers(learner, replace(PLAN, matrix_lr=0.125))
    begin_from(tmp_path, learner, model, steps, tokenizer, "tiny")
    left = torch.load(tmp_path / "checkpoint/state.pt", weights_only=True)
    assert torch.allclose(learner.state_dict()["model.model.embed_tokens.weight"], left["learner"]["model.model.embed_tokens.weight"], atol=0.01)
    names = [name for name in left["learner"] if name.startswith("head.")]
    assert names and all(torch.equal(learner.state_dict()[name], left["learner"][name]) for name in names) == going_on
    assert all(bool(optimizer.state) == going_on for optimizer in steps)
    assert steps[0].param_groups[0]["base_lr"] == 0.125, "the rate of the new plan"


@pytest.mark.parametrize("changes", [{"prefix_lm": False}, {"num_attention_heads": 4}])
def test_a_base_of_another_kind_cannot_be_begun_from(changes: dict[str, object], tmp_path: Path) -> None:
    exported, _ = train(tmp_path / "one", PLAN)
    config = json.loads((exported / "config.json").read_text())
    (exported / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ValueError, match=next(iter(changes))):
        train(tmp_path / "two", PLAN, init=exported)


def test_a_run_that_goes_on_sees_no_note_twice(tmp_path: Path) -> None:
    train(tmp_path, PLAN)
    stood = json.loads((tmp_path / "checkpoint/progress.json").read_text())
    train(tmp_path, replace(PLAN, tokens=6_000))
    assert stood["next_seed"] >= stood["pairs"] > 0
    assert json.loads((tmp_path / "checkpoint/progress.json").read_text())["next_seed"] > stood["next_seed"]


def test_a_checkpoint_holds_each_weight_once(tmp_path: Path) -> None:
    train(tmp_path, PLAN)
    names = torch.load(tmp_path / "checkpoint/state.pt", weights_only=True)["learner"]
    assert {name.split(".")[0] for name in names} == {"model", "head"}


def test_a_base_of_another_size_cannot_be_begun_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size tiny has"):
        train(tmp_path, PLAN, init=EMBEDDED_BASE)


def test_the_learning_rate_is_flat_and_then_falls_to_nothing() -> None:
    plan = replace(PLAN, warmup_tokens=100)
    shares = [lr_share(plan, progress, 1_000) for progress in (0.0, 0.2, 0.3, 0.65, 1.0)]
    assert shares == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.0]) and lr_share(plan, 0.0, 0) == pytest.approx(0.01)


def test_a_machine_that_was_put_to_sleep_has_not_trained_meanwhile() -> None:
    run: Any = SimpleNamespace(progress=pretrain.Progress())
    batch = {name: torch.tensor(1) for name in ("num_tokens", "num_pairs", "next_seed")}
    for seconds in (2.0, 3600.0):
        pretrain._Run._advance(run, batch, seconds)
    assert (run.progress.elapsed_s, run.progress.steps) == (62.0, 2)
