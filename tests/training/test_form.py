"""The lesson in form: what may come next, the reports of other notes, and that an adapter learns from it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from schemas.admission import admit_text
from schemas.canonical import canonical_json
from schemas.catalog import Catalog
from tests import tiny
from training.base.objective import form_loss, read
from training.base.tagging import IGNORED
from training.notes.synthesize import pair
from training.specialist.finetune import CompletionTrainer, FinetunePlan, arguments, collate, dataset
from training.specialist.form import Form, ReportUnfit
from training.specialist.strain import blurred, strained

EMBEDDED = Path(__file__).parents[2] / "service" / "embedded" / "base"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_file=str(EMBEDDED / "tokenizer.json"), bos_token="<s>", eos_token="</s>", pad_token="<pad>")


@pytest.fixture(scope="module")
def form(tokenizer: PreTrainedTokenizerFast) -> Form:
    return Form(tokenizer, len(tokenizer), Catalog.load().get("agent_status"))


def spelled(tokenizer: PreTrainedTokenizerFast, report: str) -> tuple[list[str], list[tuple[int, int]]]:
    encoded = tokenizer.backend_tokenizer.encode(report, add_special_tokens=False)
    return [report[left:right] for left, right in encoded.offsets], encoded.offsets


def allowed(form: Form, tokenizer: Tokenizer, report: str) -> list[set[str]]:
    """For each token of a report and for its end, the texts of all tokens that may stand there."""
    rows = form.places(report)
    table, words = form.table(), [tokenizer.decode([number]) for number in range(len(tokenizer))]  # type: ignore[arg-type, call-overload]
    return [{words[number] for number in table[row].nonzero().flatten().tolist()} for row in rows]


def test_every_token_of_a_right_report_may_stand_where_it_does(form: Form, tokenizer: PreTrainedTokenizerFast) -> None:
    for number in range(20):
        report = pair("agent_status", "train", f"form:{number}")[0].report
        ids = [*tokenizer.backend_tokenizer.encode(report, add_special_tokens=False).ids, tokenizer.eos_token_id]
        rows = form.places(report)
        table = form.table()
        assert len(rows) == len(ids) and all(bool(table[row, token]) for row, token in zip(rows, ids, strict=True))
        assert int(table[rows[-1]].sum()) == 1, "after the last brace a report ends"
    assert len(table) < 1000, "a mask is kept once"


def test_what_the_schema_forbids_may_not_stand_there(form: Form, tokenizer: PreTrainedTokenizerFast) -> None:
    report = json.loads(pair("agent_status", "train", "form:1")[0].report) | {"status": "at_risk", "policy_checks": []}
    text = canonical_json(report)
    pieces, _ = spelled(tokenizer, text)
    may = allowed(form, tokenizer, text)
    at = pieces.index('"status') + 1 if '"status' in pieces else next(i for i, piece in enumerate(pieces) if "at" in piece and "_risk" in "".join(pieces[i : i + 4]))
    after = next(i for i in range(at, len(pieces)) if "".join(pieces[: i + 1]).endswith('"status":"at_risk'))
    assert not any("track" in word for word in may[after]), "nothing but a risk comes after at_"
    name = next(i for i in range(len(pieces)) if "".join(pieces[: i + 1]).endswith(report["owner"]["name"]))
    assert "\n" not in may[name], "no string holds a newline"


def test_an_item_of_a_list_whose_items_must_differ_may_not_go_on_as_an_earlier_one(form: Form, tokenizer: PreTrainedTokenizerFast) -> None:
    report = json.loads(pair("agent_status", "train", "form:1")[0].report)
    report |= {"policy_checks": [{"policy": "security", "result": "pass"}, {"policy": "data_privacy", "result": "pass"}, {"policy": "data_privacy", "result": "fail"}]}
    text = canonical_json(report)
    _, offsets = spelled(tokenizer, text)
    may = allowed(form, tokenizer, text)

    def begins(words: set[str], name: str) -> bool:
        return any(word and word != '"' and (name.startswith(word) or word.startswith(name)) for word in words)

    def after(place: int) -> int:
        return next(i for i, (left, right) in enumerate(offsets) if left <= place < right)

    first, second, third = (text.index(item) + len('{"policy":"') for item in ('{"policy":"security"', '{"policy":"data_privacy","result":"pass"', '{"policy":"data_privacy","result":"fail"'))
    assert begins(may[after(first)], "security") and begins(may[after(first)], "data_privacy")
    assert not begins(may[after(second)], "security") and begins(may[after(second)], "fairness")
    assert not begins(may[after(third)], "security") and begins(may[after(third)], "data_privacy"), "it is what stands there"
    result = third + len('data_privacy","result":"')
    assert not begins(may[after(result)], "pass") and begins(may[after(result)], "not_assessed")


def test_lists_whose_items_may_be_alike_are_left_alone(form: Form, tokenizer: PreTrainedTokenizerFast) -> None:
    report = json.loads(pair("agent_status", "train", "form:1")[0].report)
    twice = report | {"next_actions": [{"action": "call Ana", "assignee": None, "due": None}, {"action": "call Ana", "assignee": None, "due": None}]}
    text = canonical_json(twice)
    assert form._repeating(text, spelled(tokenizer, text)[1]) == {}
    text = canonical_json({"names": ["the cat sat", "the cat ran"]})
    schema = {"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}, "required": ["names"], "additionalProperties": False}
    names = Form(tokenizer, len(tokenizer), admit_text(json.dumps(schema)))
    may = allowed(names, tokenizer, text)
    place = next(i for i, (left, right) in enumerate(spelled(tokenizer, text)[1]) if left <= text.index("ran") < right)
    assert any("sat".startswith(word.strip()) and word.strip() for word in may[place]), "in a text anything may come"


def test_a_report_of_another_schema_is_refused(form: Form) -> None:
    with pytest.raises(ReportUnfit):
        form.places('{"agent_id":7}')


def row(number: int, *, overfull: bool = False) -> dict[str, Any]:
    head = [IGNORED, IGNORED]
    longer: dict[str, list[int]] = {"overfull": [30 + number, 40 + number], "overfull_masks": [50, 51]} if overfull else {"overfull": [], "overfull_masks": []}
    return {"input_ids": [number, number, 10 + number], "labels": [*head, 10 + number], "masks": [*head, 20 + number]} | longer


def test_a_share_of_the_rows_is_put_under_strain_in_three_ways_by_turns() -> None:
    rows = [row(i, overfull=i == 2) for i in range(8)]
    other, blur, longer, another = strained(rows, 0.5)
    assert other == {"input_ids": [0, 0, 11], "labels": [IGNORED, IGNORED, 11], "masks": [IGNORED, IGNORED, 21]}
    assert blur["input_ids"][2:] == [11] and blur["labels"] == rows[1]["labels"] and blur["masks"] == rows[1]["masks"]
    assert longer == {"input_ids": [2, 2, 32, 42], "labels": [IGNORED, IGNORED, 32, 42], "masks": [IGNORED, IGNORED, 50, 51]}
    assert another["input_ids"] == [3, 3, 14]
    assert [made["input_ids"] for made in strained([row(i) for i in range(8)], 0.375)][2] == [2, 2, 13], "without items too many, another's report"
    assert list(strained(rows[:1], 0.5)) == [], "there is no other note"


def test_what_is_blurred_is_what_the_other_note_lacks() -> None:
    note = {"input_ids": [1, *range(100, 200), 2, 7], "labels": [IGNORED] * 102 + [7], "masks": [IGNORED] * 102 + [0]}
    other = {"input_ids": [1, *range(150, 160), 2, 9, 9], "labels": [IGNORED] * 12 + [9, 9], "masks": [IGNORED] * 12 + [0, 0]}
    made = blurred(note, other)["input_ids"]
    changed = [old for old, new in zip(note["input_ids"], made, strict=True) if old != new]
    assert 25 < len(changed) < 65 and not set(changed) & {1, 2, 7, *range(150, 160)}
    assert set(made) <= {*note["input_ids"], *other["input_ids"][:12]}, "nothing of the other's report"
    assert blurred(note, other)["input_ids"] == made, "the same again"


def test_a_list_whose_items_must_differ_is_given_what_it_does_not_tell(form: Form) -> None:
    report = json.loads(pair("agent_status", "train", "form:1")[0].report)
    mine = [{"policy": "security", "result": "pass"}]
    theirs = [{"policy": "security", "result": "fail"}, {"policy": "accuracy", "result": "fail"}]
    own, other = (canonical_json(report | {"policy_checks": checks, "incidents": []}) for checks in (mine, theirs))
    longer = form.overfull(own, other)
    assert longer == canonical_json(json.loads(own) | {"policy_checks": [*mine, theirs[1]]}), "another result of a policy that is told is no other item"
    assert form.overfull(longer, other) is None
    incident = {"title": "outage", "severity": "low", "occurred_on": None, "resolved": True, "root_cause": None}
    assert form.overfull(own, canonical_json(json.loads(own) | {"incidents": [incident]})) is None, "incidents need not differ"
    form.places(longer)


def test_the_loss_is_what_is_given_to_tokens_that_may_not_come() -> None:
    class Model:
        lm_head = staticmethod(lambda hidden: hidden)

    hidden = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]])
    labels, masks = torch.tensor([[IGNORED, 1, 2]]), torch.tensor([[IGNORED, 0, 1]])
    table = torch.tensor([[True, True, False], [True, True, True]])
    given = torch.tensor([1.0, 2.0, 3.0]).softmax(0)
    assert form_loss(Model(), hidden, labels, masks, table).item() == pytest.approx(-math.log(given[:2].sum().item()) / 2, rel=1e-5)


def test_an_adapter_learns_form_in_reports_under_strain(tmp_path: Path) -> None:
    """A tiny random base: a few steps leave less to what may not come next, in right reports and in those under strain."""
    tiny.save_base(tmp_path / "base", prefix_lm=True, lookup_layer=1)
    from transformers import AutoModelForCausalLM

    small = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "base" / "tokenizer.json"), bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    form = Form(small, tiny.VOCAB_SIZE, Catalog.load().get("agent_status"))
    plan = FinetunePlan(rank=4, batch_size=2, bf16=False)
    data, _ = dataset(small, [pair("agent_status", "train", f"loss:{i}")[0] for i in range(4)], tiny.CONTEXT_LENGTH, form=form)
    batch = collate([data[i] for i in range(len(data))], plan.strain_share)
    assert "strained_masks" in batch
    trainer = CompletionTrainer(
        model=AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32), args=arguments(plan, tmp_path / "work", "cpu"), train_dataset=data, processing_class=small,
        peft_config=plan.lora(), data_collator=collate,
    )  # fmt: skip
    plain, table = trainer.model.get_base_model(), form.table()  # type: ignore[union-attr, operator]

    def forms() -> tuple[float, float]:
        with torch.no_grad():
            rows = ({name: batch[prefix + name] for name in ("input_ids", "labels", "masks")} for prefix in ("", "strained_"))
            own, other = (form_loss(plain, read(plain, plain.model, row).last_hidden_state, row["labels"], row["masks"], table).item() for row in rows)
        return own, other

    trainer.lesson_weight = plan.lesson_weight
    torch.manual_seed(0)
    without = trainer.compute_loss(trainer.model, batch).item()
    trainer.form_weight, trainer.strain_weight, trainer.may_stand = plan.form_weight, plan.strain_weight, table
    own, other = forms()
    torch.manual_seed(0)  # which tokens it is shown wrong ones for
    assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(without + plan.form_weight * own + plan.strain_weight * other, rel=0.05), "some tokens were wrong ones"
    optimizer = torch.optim.Adam([p for p in trainer.model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        trainer._form(plain, plain.model, batch, read(plain, plain.model, batch).last_hidden_state).backward()
        optimizer.step()
    after = forms()
    assert after[0] < 0.8 * own and after[1] < 0.8 * other
