"""Each token of a report has a kind, and its loss is the model's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from schemas.catalog import Catalog
from schemas.prompt import render
from tests import tiny
from training.base.prefix import attention_mask
from training.measure.losses import Reader, TokenKind, kinds_of, marked, table
from training.notes.synthesize import Pair, pair

NOTE = 'Owner is Ana "La Jefa" Ruiz, on track, 12,5 euros by 3 May'
REPORT = '{"owner":"Ana \\"La Jefa\\" Ruiz","status":"on_track","due":"2026-05-03","cost":12.5,"done":false,"tags":[]}'


def spelled(kind: TokenKind) -> str:
    return "".join(c for c, k in zip(REPORT, kinds_of(REPORT, NOTE), strict=True) if k is kind)


def test_each_character_of_a_report_has_a_kind() -> None:
    assert spelled(TokenKind.COPIED) == 'Ana \\"La Jefa\\" Ruiz' and spelled(TokenKind.LABEL) == "on_track"
    assert (spelled(TokenKind.DATE), spelled(TokenKind.NUMBER), spelled(TokenKind.LITERAL)) == ("2026-05-03", "12.5", "false")
    assert spelled(TokenKind.KEY) == "ownerstatusduecostdonetags" and spelled(TokenKind.FORM) == '{"":"","":"","":"","":,"":,"":[]}'


@pytest.fixture(params=[False, True], ids=["causal", "prefix_lm"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tiny.save_base(tmp_path, prefix_lm=request.param)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), **names).save_pretrained(tmp_path)
    return tmp_path


def test_every_token_is_judged_and_values_begin_once(base: Path) -> None:
    schema = {"type": "object", "properties": {name: {} for name in json.loads(REPORT)}}
    one = Pair("1", None, "en", "", NOTE, REPORT, schema=schema)
    reader = Reader(base)
    judged = reader.judge(one)
    assert "".join(t.text for t in judged[:-1]) == REPORT and judged[-1].kind is TokenKind.END
    for kind in (TokenKind.COPIED, TokenKind.LABEL, TokenKind.DATE, TokenKind.NUMBER, TokenKind.LITERAL):
        of_kind = [t for t in judged if t.kind is kind]
        assert [t.begins for t in of_kind] == [True] + [False] * (len(of_kind) - 1)
    assert marked(judged).count("[") >= sum(not t.right for t in judged[:-1])


def test_the_mean_loss_is_that_of_transformers(base: Path) -> None:
    schema = Catalog.load().get("agent_status").schema
    (one,) = pair("agent_status", "train", "losses:1")
    reader = Reader(base, None, {"agent_status": schema})
    judged = reader.judge(one)
    prompt, report = (reader.encode.text_ids(text) for text in (render(one.question, one.context, schema), one.report))
    ids = torch.tensor([[tiny.BOS_ID, *prompt, *report, tiny.EOS_ID]])
    labels = ids.clone()
    labels[:, : len(prompt) + 1] = -100
    mask = attention_mask(reader.model.config, torch.tensor([len(prompt) + 1]), ids.size(1))
    wanted = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)(input_ids=ids, labels=labels, attention_mask=mask).loss.item()
    assert sum(t.loss for t in judged) / len(judged) == pytest.approx(wanted, rel=1e-4)
    assert len(judged) == len(report) + 1


def test_the_table_has_a_row_for_each_kind_and_one_for_all(base: Path) -> None:
    judged = Reader(base).judge(Pair("1", None, "en", "", NOTE, REPORT, schema={"type": "object"}))
    console = Console(width=120, record=True)
    console.print(table(judged))
    shown = console.export_text()
    assert all(name in shown for name in ("copied text, first", "copied text, rest", "label, first", "form", "key", "end", "all"))
