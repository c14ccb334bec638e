"""The loss of fine-tuning is the usual one, computed only where it counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from schemas.catalog import Catalog
from tests import tiny
from training.base.objective import losses
from training.base.prefix import attention_mask, prompt_lengths
from training.failures import AdapterUnfit
from training.notes.synthesize import pair
from training.specialist import finetune as finetuning
from training.specialist.finetune import (
    EXAMPLES,
    CompletionTrainer,
    FinetunePlan,
    arguments,
    collate,
    dataset,
    examples_of,
    finetune,
    last_checkpoint,
    load_base,
)

SCHEMA = Catalog.load().get("agent_status")


@pytest.mark.parametrize("prefix_lm", [False, True])
def test_the_loss_is_that_of_transformers_over_the_report_s_tokens(prefix_lm: bool, tmp_path: Path) -> None:
    tiny.save_base(tmp_path / "base", prefix_lm=prefix_lm)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "base" / "tokenizer.json"), bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    data, too_long = dataset(tokenizer, [pair("agent_status", "train", f"loss:{i}")[0] for i in range(4)], tiny.CONTEXT_LENGTH)
    assert len(data) + too_long == 4 and len(data) >= 2
    batch = collate([data[i] for i in range(len(data))])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    with torch.no_grad():
        mask = attention_mask(model.config, prompt_lengths(batch["labels"]), batch["input_ids"].size(1))
        usual = model(input_ids=batch["input_ids"], labels=batch["labels"], attention_mask=mask).loss.item()
    assert (mask is not None) is prefix_lm
    plan = FinetunePlan(rank=4, batch_size=2, bf16=False)
    trainer = CompletionTrainer(
        model=model, args=arguments(plan, tmp_path / "work", "cpu"), train_dataset=data, processing_class=tokenizer, peft_config=plan.lora(),
        data_collator=collate,
    )  # fmt: skip
    assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(usual, rel=1e-4)
    trainer.compute_loss(trainer.model, batch).backward()
    trained = {name for name, weights in trainer.model.named_parameters() if weights.grad is not None}
    assert trained and all("lora_" in name for name in trained)


def test_a_base_that_has_learned_to_look_is_shown_where_to_look_through_its_adapter(tmp_path: Path) -> None:
    tiny.save_base(tmp_path / "base", prefix_lm=True, lookup_layer=1)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "base" / "tokenizer.json"), bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    data, _ = dataset(tokenizer, [pair("agent_status", "train", f"loss:{i}")[0] for i in range(4)], tiny.CONTEXT_LENGTH)
    batch = collate([data[i] for i in range(len(data))])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    plan = FinetunePlan(rank=4, batch_size=2, bf16=False)
    trainer = CompletionTrainer(
        model=model, args=arguments(plan, tmp_path / "work", "cpu"), train_dataset=data, processing_class=tokenizer, peft_config=plan.lora(),
        data_collator=collate,
    )  # fmt: skip
    trainer.lesson_weight = plan.lesson_weight
    optimizer = torch.optim.Adam([p for p in trainer.model.parameters() if p.requires_grad], lr=0.01)

    def lessons(plain: torch.nn.Module) -> list[float]:
        with torch.no_grad():
            torch.manual_seed(0)  # which tokens it is shown wrong ones for
            return [loss.item() for loss in losses(plain, plain.model, batch, 1)[0]]

    before = lessons(trainer.model.get_base_model())
    torch.manual_seed(0)
    assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(before[0] + plan.lesson_weight * sum(before[1:]), rel=1e-4)
    for _ in range(40):
        optimizer.zero_grad()
        trainer.compute_loss(trainer.model, batch).backward()
        optimizer.step()
    after = lessons(trainer.model.get_base_model())
    assert all(now < then for now, then in zip(after, before, strict=True)), "each of them falls"
    merged = trainer.model.merge_and_unload()
    assert lessons(merged) == pytest.approx(after, rel=1e-3), "what was shown is what the adapter does"


@pytest.mark.parametrize("qlora", [False, True])
@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_a_step_trains_the_adapter_and_leaves_the_base_as_it_was(qlora: bool, gradient_checkpointing: bool, tmp_path: Path) -> None:
    """The same few steps on a base in full precision and in 4 bits; what is written is a plain LoRA adapter for the base as it lies on the disk."""
    from service.weights.adapters import read_adapter
    from service.weights.checkpoint import read_base

    tiny.save_base(tmp_path / "base", hidden_size=64)
    (tmp_path / "base" / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}')
    before = {file.name: file.read_bytes() for file in (tmp_path / "base").glob("*.safetensors")}
    plan = FinetunePlan(rank=2, batch_size=2, bf16=False, qlora=qlora, gradient_checkpointing=gradient_checkpointing, max_length=tiny.CONTEXT_LENGTH, lesson_weight=0.0)
    model = load_base(tmp_path / "base", plan, "cpu")
    quantized = sorted({type(module).__name__ for module in model.modules() if "Linear" in type(module).__name__})
    assert quantized == (["Linear", "Linear4bit"] if qlora else ["Linear"]), "in 4 bits all but the head are"
    pairs = [pair("agent_status", "train", f"step:{i}")[0] for i in range(4)]
    facts = finetune(str(tmp_path / "base"), pairs, tmp_path / "adapter", plan, schema_id="agent_status", admitted=SCHEMA, data_hash="h")
    assert facts["steps"] >= 1 and facts["plan"]["qlora"] is qlora
    assert {file.name: file.read_bytes() for file in (tmp_path / "base").glob("*.safetensors")} == before
    adapter = read_adapter(tmp_path / "adapter")
    assert adapter.base_digest == read_base(str(tmp_path / "base")).digest and adapter.rank == 2
    assert any(bool(b.any()) for _, b in adapter.weights.factors.values()), "LoRA's B begins at zero"



def test_no_report_of_a_pair_made_by_hand_is_kept_in_an_adapter() -> None:
    drawn = [pair("agent_status", "train", f"3:{seed}")[0] for seed in range(5)]
    by_hand = [replace(one, marks=()) for one in drawn]
    assert examples_of([*by_hand, *drawn]) == [one.report for one in drawn[: EXAMPLES]] and examples_of(by_hand) == []


# --- stopped and gone on with ----------------------------------------------------------------------------------------

PLAN = FinetunePlan(rank=2, batch_size=1, bf16=False, max_length=tiny.CONTEXT_LENGTH, lesson_weight=0.0)


class Killed(BaseException):
    """What a kill is to a test."""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny.save_base(tmp_path / "base")
    (tmp_path / "base" / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}')
    return tmp_path / "base"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many losses were taken, and after how many the run is killed."""
    seen = {"losses": 0, "last": 10**9}
    take = CompletionTrainer.compute_loss

    def compute_loss(self: CompletionTrainer, *given: Any, **named: Any) -> Any:
        if seen["losses"] == seen["last"]:
            raise Killed
        seen["losses"] += 1
        return take(self, *given, **named)

    monkeypatch.setattr(CompletionTrainer, "compute_loss", compute_loss)
    monkeypatch.setattr(finetuning, "CHECKPOINT_STEPS", 2)
    return seen


def trained(base: Path, output: Path, data_hash: str = "h", init: Path | None = None, **changes: Any) -> dict[str, Any]:
    pairs = [pair("agent_status", "train", f"stop:{i}")[0] for i in range(8)]
    return finetune(str(base), pairs, output, replace(PLAN, **changes), schema_id="agent_status", admitted=SCHEMA, data_hash=data_hash, init=init)


def test_a_killed_run_goes_on_from_its_last_checkpoint_and_ends_where_it_would_have(base: Path, tmp_path: Path, counted: dict[str, int]) -> None:
    whole = trained(base, tmp_path / "whole")
    total, counted["losses"], counted["last"] = counted["losses"], 0, 3
    with pytest.raises(Killed):
        trained(base, tmp_path / "killed")
    assert not (tmp_path / "killed" / "metadata.json").exists(), "nothing half-written is left as if whole"
    counted.update(losses=0, last=10**9)
    again = trained(base, tmp_path / "killed")
    assert counted["losses"] == total - 2 and again["steps"] == whole["steps"]
    one, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "killed"))
    for name, found in one.items():
        torch.testing.assert_close(other[name], found)


def test_a_run_is_not_gone_on_with_by_another_nor_an_adapter_written_over(base: Path, tmp_path: Path, counted: dict[str, int]) -> None:
    counted["last"] = 3
    with pytest.raises(Killed):
        trained(base, tmp_path / "adapter")
    with pytest.raises(FileExistsError, match="begun with another data"):
        trained(base, tmp_path / "adapter", data_hash="other pairs")
    counted["last"] = 10**9
    trained(base, tmp_path / "adapter")
    with pytest.raises(FileExistsError, match="holds a finished adapter"):
        trained(base, tmp_path / "adapter")


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((8, '{"global_step": 8}'), (10, '{"global_st'), (12, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-8")
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_an_adapter_is_gone_on_with(base: Path, tmp_path: Path) -> None:
    first = trained(base, tmp_path / "one")
    again = trained(base, tmp_path / "two", init=tmp_path / "one", learning_rate=1e-9)
    assert again["init"]["steps"] == first["steps"] and "examples" not in again["init"]
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys() and any(bool(weights.any()) for name, weights in one.items() if "lora_B" in name)
    for name, found in one.items():
        torch.testing.assert_close(two[name], found)


@pytest.mark.parametrize(("hidden_size", "changes", "message"), [(None, {"rank": 4}, "has rank 2.*planned: rank 4"), (64, {}, "does not fit this base")])
def test_an_adapter_of_another_shape_is_not_gone_on_with(hidden_size: int | None, changes: dict[str, Any], message: str, base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path / "one")
    if hidden_size:
        tiny.save_base(base, hidden_size=hidden_size)
    with pytest.raises(AdapterUnfit, match=message):
        trained(base, tmp_path / "two", init=tmp_path / "one", **changes)
    assert not (tmp_path / "two" / "metadata.json").exists()


def test_an_adapter_goes_on_where_its_base_has_grown(base: Path, tmp_path: Path) -> None:
    """Its layers stand where those of the smaller base do; what the larger one has been given begins without it."""
    for folder, changes in (("small", {"num_hidden_layers": 3, "lookup_layer": 2}), ("large", {"num_hidden_layers": 6, "lookup_layer": 4})):
        tiny.save_base(tmp_path / folder, prefix_lm=True, **changes)
        (tmp_path / folder / "tokenizer_config.json").write_bytes((base / "tokenizer_config.json").read_bytes())
    trained(tmp_path / "small", tmp_path / "one")
    trained(tmp_path / "large", tmp_path / "two", init=tmp_path / "one", learning_rate=1e-9)
    one, two = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "two"))
    of_one = {0: 0, 1: 1, 4: 2}  # two below the layer whose heads look words up, and that one
    for name, found in two.items():
        layer = int(name.partition(".layers.")[2].partition(".")[0])
        if layer in of_one:
            torch.testing.assert_close(found, one[name.replace(f".layers.{layer}.", f".layers.{of_one[layer]}.")])
        elif "lora_B" in name:
            assert float(found.abs().max()) < 1e-7, "five steps at next to no rate"
    with pytest.raises(AdapterUnfit, match="does not fit this base"):
        trained(tmp_path / "small", tmp_path / "three", init=tmp_path / "two")


def test_form_is_taught_to_an_adapter_that_goes_on_and_to_no_beginner(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save_base(base, prefix_lm=True, lookup_layer=1)
    weigh, taught = CompletionTrainer._form, []

    def form(self: CompletionTrainer, *given: Any) -> torch.Tensor:
        taught.append(weigh(self, *given))
        return taught[-1]

    monkeypatch.setattr(CompletionTrainer, "_form", form)
    trained(base, tmp_path / "one", lesson_weight=0.5)
    assert not taught
    trained(base, tmp_path / "two", init=tmp_path / "one", lesson_weight=0.5)
    assert taught and all(loss.item() > 0 for loss in taught)
