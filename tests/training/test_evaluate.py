"""Evaluation: every pair becomes one row, whatever happens to it, and the second judge has the word."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from schemas.admission import admit
from schemas.canonical import canonical_json
from service.errors import PromptTooLong, QueueFull, ReportInvalid
from service.ports import ReportGenerator
from service.request import GenerationRequest, Mode
from service.result import FinishReason, GenerationResult
from tests.fakes import ADAPTER, FakeGenerator, result
from tests.samples import EXAMPLES
from training.gates.pairs_file import FileInvalid
from training.measure import evaluate as evaluation
from training.measure import showing
from training.measure.evaluate import Decoding, evaluate
from training.measure.rows import Evaluation, Row
from training.measure.slices import Slice, hand_written, synthetic

COUNT = 6


def words(text: str) -> int:
    """A token counter for tests."""
    return len(text.split())


class Writer:
    """A fake that writes gold, but for the questions it is told to answer otherwise."""

    def __init__(self, slice_: Slice, **otherwise: object) -> None:
        self.gold = {pair.text: pair.report for pair in slice_.pairs}
        self.otherwise = {slice_.pairs[int(index[1:])].text: answer for index, answer in otherwise.items()}

    def __call__(self, request: GenerationRequest) -> GenerationResult:
        text = "\n".join((request.question, *(item.text for item in request.context)))
        answer = self.otherwise.get(text, result(report_json=self.gold[text]))
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, GenerationResult)
        return answer


@pytest.fixture(scope="module")
def values() -> Slice:
    return synthetic("unseen_values", COUNT, seed=5)


def evaluated(slice_: Slice, *, concurrency: int = 3, mode: Decoding = Decoding.BACKSTOP, **otherwise: object) -> Evaluation:
    return evaluate(FakeGenerator(Writer(slice_, **otherwise)), slice_, words, mode=mode, concurrency=concurrency)


def test_gold_written_out_is_valid_exact_and_complete(values: Slice) -> None:
    found = evaluated(values)
    assert (found.summary.n, found.summary.valid, found.summary.exact, found.summary.f1) == (COUNT, COUNT, COUNT, 1.0)
    assert found.num_disagreements == 0
    assert [row.pair_id for row in found.rows] == [pair.id for pair in values.pairs]


@pytest.mark.parametrize(
    "failure", [e for e in EXAMPLES if isinstance(e, evaluation.REFUSALS)], ids=lambda e: type(e).__name__
)
def test_a_request_that_fails_is_a_row_that_is_not_valid(values: Slice, failure: Exception) -> None:
    found = evaluated(values, _2=failure)
    row = found.rows[2]
    assert (row.valid, row.native_valid, row.report, row.work) == (False, False, None, None)
    assert row.code != "OK" and row.violations
    assert (found.summary.n, found.summary.valid, found.summary.failed) == (COUNT, COUNT - 1, 1)
    assert found.summary.recall < 1.0


def test_a_fault_of_the_set_up_is_raised(values: Slice) -> None:
    with pytest.raises(QueueFull):
        evaluated(values, _1=QueueFull(8))


def test_a_report_that_was_cut_off_is_never_valid_even_where_it_reads_as_one(values: Slice) -> None:
    cut = result(report_json=values.pairs[0].report, finish_reason=FinishReason.LENGTH, valid=False, native_valid=False)
    row = evaluated(values, _0=cut).rows[0]
    assert (row.valid, row.native_valid, row.finish_reason) == (False, False, "length")


def test_the_second_judge_has_the_word_and_its_dissent_is_counted(values: Slice) -> None:
    found = evaluated(values, _0=result(report_json='{"agent_id":"x"}'), _1=result(report_json="no JSON"))
    assert [row.valid for row in found.rows[:3]] == [False, False, True]
    assert found.rows[0].service_valid and found.num_disagreements == 2
    assert found.scores[0].counts.predicted == 1 and found.scores[1].counts.predicted == 0


def test_help_makes_a_report_valid_but_not_native(values: Slice) -> None:
    gold = [pair.report for pair in values.pairs]
    masked = result(report_json=gold[0], num_interventions=1, native_valid=False)
    again = result(report_json=gold[1], num_attempts=2, native_valid=False)
    rows = evaluated(values, _0=masked, _1=again).rows
    assert [(row.valid, row.native_valid) for row in rows[:3]] == [(True, False), (True, False), (True, True)]


def test_requests_say_writer_mode_schema_and_context(values: Slice) -> None:
    generator = FakeGenerator(Writer(values))
    evaluate(generator, values, words, writer="base", mode=Decoding.FREE)
    asked = {request.question: request for request in generator.requests}
    for pair in values.pairs:
        request = asked[pair.question]
        assert (request.adapter_id, request.options.mode, request.schema_id) == ("base", Mode.FREE, "agent_status")
        assert [item.text for item in request.context] == [item.text for item in pair.context]


def test_no_more_requests_are_in_flight_than_asked_for(values: Slice) -> None:
    class Busy(FakeGenerator):
        now = most = 0

        async def generate(self, request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            self.now -= 1
            return await super().generate(request, timeout_s=timeout_s)

    generator = Busy(Writer(values))
    evaluate(generator, values, words, concurrency=2)
    assert generator.most == 2


def test_progress_advances_once_a_pair(values: Slice) -> None:
    ticks: list[None] = []
    evaluate(FakeGenerator(Writer(values)), values, words, advance=lambda: ticks.append(None))
    assert len(ticks) == COUNT


def test_what_is_saved_of_the_prompt_is_told_against_signature_and_json(values: Slice) -> None:
    work = evaluated(values).rows[0].work
    assert work is not None
    assert work.num_supplied_tokens == sum(
        map(words, (values.pairs[0].question, *(c.text for c in values.pairs[0].context)))
    )
    assert work.num_saved_tokens == 900 < work.num_saved_raw_tokens


def test_rows_survive_a_round_trip_through_json(values: Slice) -> None:
    rows = evaluated(values, _1=PromptTooLong(5000, 4096)).rows
    assert tuple(Row.from_json(json.loads(json.dumps(row.to_json()))) for row in rows) == rows


def test_rows_of_other_pairs_are_refused(values: Slice) -> None:
    rows = evaluated(values).rows
    with pytest.raises(ValueError, match="not those"):
        Evaluation(values, "base", "free", rows[::-1], 1.0)


# --- slices ----------------------------------------------------------------------------------------------------------


def test_slices_are_deterministic_and_differ_in_what_they_hold_back(values: Slice) -> None:
    assert synthetic("unseen_values", COUNT, seed=5) == values
    wordings, others = synthetic("unseen_wordings", COUNT, seed=5), synthetic("unseen_schemas", COUNT, seed=5)
    assert [pair.question for pair in wordings.pairs] != [pair.question for pair in values.pairs]
    assert others.base_only and not wordings.base_only and not values.base_only
    assert all(pair.schema is not None for pair in others.pairs)


def test_schemas_of_the_caller_are_sent_along() -> None:
    others = synthetic("unseen_schemas", 3, seed=5)
    generator = FakeGenerator(lambda request: result(report_json="{}"))
    evaluate(generator, others, words, writer="base")
    sent = {request.schema_json for request in generator.requests}
    assert sent == {canonical_json(pair.schema) for pair in others.pairs}


def test_hand_written_notes_are_read(tmp_path: Path, values: Slice) -> None:
    gold = json.loads(values.pairs[0].report)
    lines = [{"id": "n1", "lang": "es", "style": "mail", "text": "Hola.", "gold": gold}, {"text": "Hi.", "gold": gold}]
    file = tmp_path / "notes.jsonl"
    file.write_text("\n\n".join(json.dumps(line) for line in lines), "utf-8")
    first, second = hand_written(file).pairs
    assert (first.id, first.lang, first.register, first.question, first.report) == (
        "n1",
        "es",
        "mail",
        "Hola.",
        values.pairs[0].report,
    )
    assert second.id == "3"


@pytest.mark.parametrize(
    ("line", "told"),
    [("{", "line 1: not JSON"), ("[]", "line 1: not a JSON object"), ('{"gold":{}}', "field 'text'"), ('{"text":"x","gold":"y"}', "field 'gold'"), ("", "no notes")],
)  # fmt: skip
def test_a_bad_notes_file_is_told_by_line_and_field(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text(line, "utf-8")
    with pytest.raises(FileInvalid, match=told):
        hand_written(file)


def test_notes_may_be_of_a_schema_of_ones_own(tmp_path: Path) -> None:
    own, file = admit({"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer"}}, "required": ["a", "n"], "additionalProperties": False}), tmp_path / "notes.jsonl"
    file.write_text(json.dumps({"text": "Two of Ana.", "gold": {"n": 2, "a": "Ana"}}), "utf-8")
    found = hand_written(file, own)
    assert [(pair.schema, pair.schema_id, pair.report) for pair in found.pairs] == [(own.schema, None, '{"a":"Ana","n":2}')] and not found.base_only
    file.write_text(json.dumps({"text": "Two of Ana.", "gold": {"n": "2", "a": "Ana"}}), "utf-8")
    with pytest.raises(FileInvalid, match=r"field 'gold/n': breaks the schema"):
        hand_written(file, own)
    generator = FakeGenerator()
    assert evaluation.loaded_writer(generator, own) == "base"
    generator.adapters = (replace(ADAPTER, adapter_id="mine", schema_digest=own.digest),)
    assert evaluation.loaded_writer(generator, own) == "mine"


# --- showing and keeping ---------------------------------------------------------------------------------------------


def test_the_worst_reports_are_shown_with_what_differs(values: Slice) -> None:
    bad = json.loads(values.pairs[1].report) | {"agent_id": "nobody-at-all"}
    found = evaluated(values, _1=result(report_json=canonical_json(bad)), _2=ReportInvalid((), 3))
    out = io.StringIO()
    showing.show_worst(Console(file=out, width=160), found, 2)
    assert '"nobody-at-all"' in out.getvalue() and "invented: /agent_id" in out.getvalue()
    assert "REPORT_INVALID" in out.getvalue()


def test_rows_and_summary_are_kept(tmp_path: Path, values: Slice) -> None:
    found = evaluated(values)
    evaluation.save([found], tmp_path)
    assert len((tmp_path / "unseen_values-agent_status-backstop.jsonl").read_text("utf-8").splitlines()) == COUNT
    (summary,) = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert (summary["slice"], summary["n"], summary["validity"]) == ("unseen_values", COUNT, 1.0)
    assert summary["by_field"]["/agent_id"]["accuracy"] == 1.0


def test_tables_have_a_cell_for_every_column(values: Slice) -> None:
    found = evaluated(values)
    assert len(showing.cells(found)) == len(showing.COLUMNS)
    out = io.StringIO()
    console = Console(file=out, width=160)
    console.print(*showing.tables([found]))
    console.print(showing.field_table(found.summary.by_field))
    assert "100.00%" in out.getvalue() and "/owner/name" in out.getvalue()


def test_the_real_decoding_path_is_measured(
    tiny_base: Path, tiny_adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = evaluation.main(
        base=str(tiny_base), adapters=[tiny_adapter], slices=("unseen_values",), count=2, seed=5, show=1, output=tmp_path / "out", threads=1
    )  # fmt: skip
    assert found.writer == tiny_adapter.name and found.summary.n == 2
    assert found.num_disagreements == 0
    assert all(row.work is None or row.work.num_saved_raw_tokens > row.work.num_saved_tokens > 0 for row in found.rows)
    assert "unseen_values" in capsys.readouterr().out and (tmp_path / "out" / "summary.json").is_file()


def test_a_generator_is_what_is_measured() -> None:
    generator: ReportGenerator = FakeGenerator()
    assert evaluation.loaded_writer(generator) == "agent_status"
