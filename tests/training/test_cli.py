"""The command line of the factory: what it writes, how it fails, that it goes on where it stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from training import runs
from training.cli import app
from training.failures import PairsUnfit
from training.gates.pairs_file import read_pairs
from training.measure import scaling
from training.notes.synthesize import pair
from training.options import SliceName

COMMANDS = ("tokenizer", "synthesize", "curate", "pretrain", "finetune", "evaluate", "bench", "bench-peers", "bench-masks", "bench-passes", "bench-load", "rank-table", "calibrate", "all")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def raw(tmp_path: Path, *arguments: object) -> Path:
    path = tmp_path / "raw.jsonl"
    assert run("synthesize", "--count", 12, "--seed", 2, "--output", path, *arguments).exit_code == 0  # all twelve pass the gates
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str) -> None:
    told = run(command, "--help")
    assert told.exit_code == 0
    assert "Example" in told.stdout and f"escribano-train {command}" in told.stdout


def test_without_arguments_the_commands_are_listed() -> None:
    told = run()
    assert all(command in told.output for command in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom training.cli import app\n"
        "for command in ('--help', 'all', 'pretrain', 'evaluate'):\n    CliRunner().invoke(app, [command, '--help'])\n"
        "print(*{'torch', 'transformers', 'mimesis', 'peft', 'trl', 'scipy'} & set(sys.modules))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": "."}
        ).stdout.strip()
        == ""
    )


# --- synthesize and curate -------------------------------------------------------------------------------------------


def test_synthesize_writes_the_pairs_of_its_seed(tmp_path: Path) -> None:
    found = list(read_pairs(raw(tmp_path, "--seed", 5)))
    assert len(found) == 12
    assert found[3] == pair("agent_status", "train", "5:3")[0]


@pytest.mark.parametrize(
    ("split", "of"),
    [
        ("train", ("train", "train")),
        ("unseen-values", ("heldout", "train")),
        ("unseen-wordings", ("heldout", "heldout")),
    ],
)
def test_a_split_names_value_pools_and_phrasebook(tmp_path: Path, split: str, of: tuple[str, str]) -> None:
    values, wording = of
    assert next(read_pairs(raw(tmp_path, "--split", split))) == pair("agent_status", values, "2:0", wording)[0]


def test_generated_pairs_carry_their_schema(tmp_path: Path) -> None:
    assert all(p.schema for p in read_pairs(raw(tmp_path, "--family", "generated")))


@pytest.mark.parametrize("arguments", [("--family", "wombat"), ("--split", "test"), ("--count", 0)])
def test_wrong_usage_is_refused_before_anything_is_written(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    assert run("synthesize", "--output", tmp_path / "x.jsonl", *arguments).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_curate_keeps_right_pairs_and_writes_a_card(tmp_path: Path) -> None:
    source, target, card = raw(tmp_path), tmp_path / "kept.jsonl", tmp_path / "card.md"
    told = run("curate", "--input", source, "--output", target, "--card", card)
    assert told.exit_code == 0, told.output
    assert target.read_bytes() == source.read_bytes()
    facts = json.loads(card.with_suffix(".json").read_text())
    assert facts["pairs"] == 12 and facts["sources"] == {"agent_status-train-2": 12}
    assert facts["content_hash"] in card.read_text() and facts["content_hash"] in told.stderr


def test_curate_says_why_a_pair_is_refused(tmp_path: Path) -> None:
    source = raw(tmp_path)
    first, *rest = source.read_text().splitlines()
    broken = json.loads(first) | {"id": "mine", "report": "{}"}
    source.write_text("\n".join([json.dumps(broken), *rest, *rest]))
    told = run("curate", "--input", source, "--output", tmp_path / "kept.jsonl")
    assert told.exit_code == 0
    assert "kept 11, refused 12" in told.stderr and "valid: mine:" in told.stderr and "duplicate: 8 more" in told.stderr


def test_a_curation_s_report_shows_what_was_refused_and_why(tmp_path: Path) -> None:
    source, report = raw(tmp_path), tmp_path / "told" / "refused.md"
    first, *rest = source.read_text().splitlines()
    broken = json.loads(first) | {"id": "mine", "report": "{}"}
    source.write_text("\n".join([json.dumps(broken), *rest, *rest]))
    assert run("curate", "--input", source, "--output", tmp_path / "kept.jsonl", "--report", report).exit_code == 0
    told, lines = report.read_text(), [json.loads(line) for line in report.with_name("refused.refusals.jsonl").read_text().splitlines()]
    assert "11 kept" in told and "| `valid` | The report is valid for the validator that serves. | 1 |" in told and "**mine**: " in told
    assert [line["gate"] for line in lines].count("duplicate") == 11
    for card in (tmp_path / "kept.md", tmp_path / "card.json"):  # the JSON beside it is the output; or it is its own JSON
        output = tmp_path / "kept.json"
        refused = run("curate", "--input", source, "--output", output, "--card", card)
        assert refused.exit_code == 2 and "--card" in refused.output and not output.exists()
    again = run("curate", "--input", source, "--output", tmp_path / "kept.jsonl", "--report", source)
    assert again.exit_code == 2 and "another file of this run" in again.stderr and source.read_text().startswith('{"id"')
    mine = next(line for line in lines if line["id"] == "mine")
    assert mine["report"] == "{}" and mine["note"] and "agent_id" in mine["why"]


def test_curate_keeps_evaluation_notes_out(tmp_path: Path) -> None:
    source, notes = raw(tmp_path), tmp_path / "notes.jsonl"
    notes.write_text(json.dumps({"id": "1", "text": next(read_pairs(source)).text, "gold": {}}) + "\n")
    told = run("curate", "--input", source, "--output", tmp_path / "kept.jsonl", "--notes", notes)
    assert "leak" in told.stderr
    assert pair("agent_status", "train", "1:0")[0] not in list(read_pairs(tmp_path / "kept.jsonl"))


def test_a_bad_line_is_told_with_file_line_and_field(tmp_path: Path) -> None:
    source = raw(tmp_path)
    source.write_text(source.read_text() + '{"id": 7}\n')
    told = run("curate", "--input", source, "--output", tmp_path / "kept.jsonl")
    assert told.exit_code == 1
    assert f"{source}, line 13, field 'id'" in told.stderr
    assert not (tmp_path / "kept.jsonl").exists()


def test_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    assert run("curate", "--input", tmp_path / "none.jsonl", "--output", tmp_path / "x").exit_code == 2


# --- models ----------------------------------------------------------------------------------------------------------


def test_pretraining_needs_a_budget(tmp_path: Path) -> None:
    assert run("pretrain", "--tokenizer", tmp_path, "--output", tmp_path / "base").exit_code == 2


def test_an_adapter_is_trained_for_one_schema(tmp_path: Path) -> None:
    told = run(
        "finetune",
        "--base",
        tmp_path,
        "--pairs",
        raw(tmp_path, "--family", "generated"),
        "--output",
        tmp_path / "adapter",
    )
    assert told.exit_code == 1
    assert "one schema of the catalog" in told.stderr


def test_the_schema_of_pairs_is_the_one_they_share() -> None:
    some = pair("agent_status", "train", "1:0")
    assert runs.only_schema(some) == "agent_status"
    for bad in ([], pair("generated", "train", "1:0"), [*some, *pair("generated", "train", "1:0")]):
        with pytest.raises(PairsUnfit):
            runs.only_schema(bad)


def test_the_slices_on_offer_are_those_that_can_be_measured() -> None:
    from training.measure.evaluate import SLICES

    assert tuple(SliceName) == SLICES


@pytest.mark.parametrize("command", ["evaluate", "bench"])
def test_measuring_is_told_what_was_asked_for(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option reaches a function that takes it."""
    import importlib
    import inspect

    module = importlib.import_module(f"training.measure.{command}")
    asked: dict[str, Any] = {}
    real = inspect.signature(module.main)

    def main(**options: Any) -> None:
        real.bind(**options)
        asked.update(options)

    monkeypatch.setattr(module, "main", main)
    told = run(command, "--base", "b", "--adapter", tmp_path, "--count", 3, "--output", tmp_path, "--threads", 1)
    assert told.exit_code == 0, told.output
    assert (
        asked["base"] == "b" and list(asked["adapters"]) == [tmp_path] and asked["count"] == 3 and asked["threads"] == 1
    )


def test_what_cannot_be_measured_is_told_in_a_line(tmp_path: Path) -> None:
    told = run("evaluate", "--base", tmp_path, "--count", 1)
    assert told.exit_code == 1
    assert "error:" in told.stderr and str(tmp_path) in told.stderr


# --- all -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A full run whose stages only leave their last file; the names of those that ran."""
    ran: list[str] = []
    real = runs.stages

    def stages(at: runs.Places, plan: runs.FullPlan, say: runs.Say) -> list[runs.Stage]:
        def leaving(stage: runs.Stage) -> runs.Stage:
            def do() -> None:
                ran.append(stage.name)
                stage.made.parent.mkdir(parents=True, exist_ok=True)
                stage.made.write_text("{}")

            return runs.Stage(stage.name, stage.made, do)

        return [leaving(stage) for stage in real(at, plan, say)]

    monkeypatch.setattr(runs, "stages", stages)
    return ran


STAGES = [
    "tokenizer", "pre-training", "graphs", "confidences of the base", "pairs", "fine-tuning", "calibration", "evaluation",
    "specialist audit_finding", "specialist incident_report", "specialist risk_assessment", "specialist usage_cost", "bundle",
]  # fmt: skip


def test_a_full_run_does_every_stage_in_order(tmp_path: Path, recorded: list[str]) -> None:
    assert run("all", "--output", tmp_path / "full").exit_code == 0
    assert recorded == STAGES


def test_a_stage_whose_output_is_there_is_skipped(tmp_path: Path, recorded: list[str]) -> None:
    run("all", "--output", tmp_path / "full")
    runs.Places(tmp_path / "full").card.unlink()
    told = run("all", "--output", tmp_path / "full")
    assert recorded == [*STAGES, "pairs"]
    assert "skipped" in told.stderr


def test_a_run_begun_with_another_plan_is_not_taken_for_this_one(tmp_path: Path, recorded: list[str]) -> None:
    run("all", "--output", tmp_path / "full", "--pairs", 500)
    told = run("all", "--output", tmp_path / "full", "--pairs", 600)
    assert told.exit_code == 1 and "begun with another pairs" in told.stderr
    assert recorded == STAGES


def test_the_pairs_of_a_full_run_are_curated(tmp_path: Path) -> None:
    at = runs.Places(tmp_path)
    runs.make_pairs(at.pairs, at.card, 10, 2, ())
    assert len(list(read_pairs(at.pairs))) == 10
    assert "10 pairs kept" in at.card.read_text()


def test_the_rank_table_trains_and_measures_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, float, int, float]] = []

    def make_adapter(base: str, found: Any, output: Path, plan: Any, device: str, threads: int | None) -> None:
        trained.append((plan.rank, plan.learning_rate, len(found), plan.epochs))
        output.mkdir(parents=True)
        (output / "adapter_model.safetensors").write_bytes(b"0" * 1000)
        (output / "metadata.json").write_text(json.dumps({"pairs": len(found), "steps": 2, "minutes": 0.5, "num_parameters": 50}))

    (tmp_path / "metadata.json").write_text(json.dumps({"parameters": 1000}))
    (tmp_path / "model.safetensors").write_bytes(b"one base")
    monkeypatch.setattr(scaling, "make_adapter", make_adapter)
    monkeypatch.setattr(scaling, "measured", lambda base, adapter, grid: dict.fromkeys(scaling.MEASURED, scaling.Quality(3, 1.0, 1.0, 0.5, 0.9 if adapter else 0.8)))
    grid = scaling.Grid(ranks=(4, 8), rates=(0.001, 0.002), counts=(8, 24), least_steps=2)
    for _ in range(2):
        points = scaling.main(base=tmp_path, output=tmp_path / "ranks", grid=grid)
    (tmp_path / "notes.jsonl").write_text('{"id": "one", "text": "All is well with the agent."}\n')
    runs.make_pairs(tmp_path / "pairs.jsonl", tmp_path / "card.md", 30, 2, ())
    for other in (replace(grid, eval_count=7), replace(grid, notes=(tmp_path / "notes.jsonl",)), replace(grid, source=tmp_path / "pairs.jsonl")):
        with pytest.raises(scaling.RowsOfAnother, match="another run"):
            scaling.main(base=tmp_path, output=tmp_path / "ranks", grid=other)
    with pytest.raises(PairsUnfit, match=r"pairs\.jsonl: 30 pairs pass the gates, 31 are asked for"):
        scaling.main(base=tmp_path, output=tmp_path / "others", grid=replace(grid, counts=(31,), source=tmp_path / "pairs.jsonl"))
    (tmp_path / "ranks" / "rank4-rate0.001-pairs8" / "row.json").unlink()
    with pytest.raises(scaling.RowsOfAnother, match="by another recipe"):  # a finished adapter that does not say it is the one asked for
        scaling.main(base=tmp_path, output=tmp_path / "ranks", grid=grid)
    (tmp_path / "model.safetensors").write_bytes(b"another base")
    with pytest.raises(scaling.RowsOfAnother, match="another run"):
        scaling.main(base=tmp_path, output=tmp_path / "ranks", grid=grid)
    assert trained == [(rank, rate, *rest) for rank in (4, 8) for rate in (0.001, 0.002) for rest in ((8, 2.0), (24, 1.0))]
    assert [(point.rank, point.rate, point.pairs) for point in points] == [(0, 0.0, 0), *(one[:3] for one in trained)]
    table = (tmp_path / "ranks" / "rank-table.md").read_text()
    assert "| 8 | 0.001 | 5.0% | 0.00 | 24 | 2 | 0.5 | 0.900 | 50.0% | 0.900 | 50.0% |" in table and "| no adapter |  |  |  |  |  |  | 0.800 | 50.0% |" in table
    assert (tmp_path / "ranks" / "rank-table.png").read_bytes().startswith(b"\x89PNG")

