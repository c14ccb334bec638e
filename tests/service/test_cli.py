"""The command line: one report, many reports in order with none lost, and help that teaches."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from schemas.violation import Violation
from service import logs
from service.command import cli, opening, terminal
from service.command.bulk import Defaults, answer_lines
from service.command.opening import OpenFailed
from service.errors import MatcherFailed, QueueFull, ReportInvalid
from service.evidence import QUESTION, Evidence, Span, Status
from service.request import DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import FinishReason, GenerationResult
from tests.fakes import RESULT, FakeGenerator, result
from tests.service.harness import serving

Generator = Callable[..., FakeGenerator]


@pytest.fixture(autouse=True)
def _logging_is_pytests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda level, *, as_json: None)


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Generator:
    """Makes the in-process generator of the command line."""

    def make(answer: Callable[[GenerationRequest], GenerationResult] = lambda request: RESULT) -> FakeGenerator:
        fake = FakeGenerator(answer)
        monkeypatch.setattr(opening, "open_generator", lambda settings: fake)
        return fake

    return make


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), input=stdin, env={"COLUMNS": "200"})


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def question_line(number: int) -> str:
    return json.dumps({"id": f"q{number}", "question": f"note {number}"}) + "\n"


def test_one_question_prints_its_report_on_stdout_and_the_rest_on_stderr(generator: Generator) -> None:
    fake = generator()
    done = run("generate", "--schema", "agent_status", "--question", "All is well.", "--seed", "7", "--mode", "free")
    assert (done.exit_code, done.stdout) == (0, RESULT.report_json + "\n")
    assert "valid · without help" in done.stderr and "15 forward passes" in done.stderr
    options = DecodingOptions(Mode.FREE, seed=7)
    assert fake.requests == [GenerationRequest("All is well.", schema_id="agent_status", options=options)]
    assert fake.closed


def test_a_report_is_explained_by_the_words_it_stands_on(generator: Generator) -> None:
    question = "12½ all in, and it is going well"
    found = (Evidence("/status", "classify", Status.CLASSIFIED), Evidence("/cost", "normalize", Status.NORMALIZED, Span(QUESTION, 0, 3)))
    generator(lambda request: result(evidence=found))
    done = run("generate", "--schema", "agent_status", "--question", question, "--explain")
    assert (done.exit_code, done.stdout) == (0, RESULT.report_json + "\n"), "what is said to a person goes to stderr"
    rows = [line.split() for line in done.stderr.splitlines()]
    assert ["/status", '"on_track"', "CLASSIFIED"] in rows and ["/cost", "12.5", "NORMALIZED", "question", "0-3:", "12½"] in rows
    assert run("generate", "--schema", "agent_status", "--input", "-", "--explain", stdin="").exit_code == 2
    generator(lambda request: result(evidence=(replace(found[1], confidence=0.876),)))
    rows = [line.split() for line in run("generate", "--schema", "agent_status", "--question", question, "--explain").stderr.splitlines()]
    assert ["/cost", "12.5", "88%", "NORMALIZED", "question", "0-3:", "12½"] in rows


def test_what_a_reader_should_doubt_is_told_without_being_asked_for(generator: Generator) -> None:
    found = (
        Evidence("/owner/name", "extract", Status.UNSUPPORTED, confidence=0.2), Evidence("/status", "classify", Status.CLASSIFIED, confidence=0.38),
        Evidence("/cost", "normalize", Status.NORMALIZED, Span(QUESTION, 0, 3), confidence=0.97),
    )  # fmt: skip
    generator(lambda request: result(evidence=found))
    done = run("generate", "--schema", "agent_status", "--question", "12½ all in")
    assert done.exit_code == 0
    assert "stands nowhere in the text: /owner/name;" in done.stderr and "--require-grounded" in done.stderr
    assert "more likely wrong than right: /status (38%)" in done.stderr and "/cost" not in done.stderr


def test_a_file_s_answers_are_counted(generator: Generator) -> None:
    generator(lambda request: result(finish_reason=FinishReason.LENGTH, valid=False, native_valid=False, report_json="{") if request.question == "bad" else result())
    lines = "".join(json.dumps({"id": i, "question": text}) + "\n" for i, text in enumerate(("one", "bad", "two"))) + "nonsense\n"
    done = run("generate", "--schema", "agent_status", "--input", "-", stdin=lines)
    assert done.exit_code == 1 and len(lines_of(done.stdout)) == 4
    assert "4 lines, 2 with a valid report; 2 without one (INVALID_ARGUMENT 1, NOT_VALID 1)" in done.stderr
    fine = run("generate", "--schema", "agent_status", "--input", "-", stdin='{"id": 1, "question": "one"}\n')
    assert fine.exit_code == 0 and "1 lines, 1 with a valid report" in fine.stderr


def test_options_of_this_process_are_refused_beside_a_server() -> None:
    done = run("generate", "--schema", "agent_status", "--question", "x", "--server", "127.0.0.1:1", "--device", "cuda", "--base", "x")
    assert done.exit_code == 2 and "--base" in done.stderr and "--device" in done.stderr


def test_no_server_is_told_with_what_to_do() -> None:
    done = run("generate", "--schema", "agent_status", "--question", "x", "--server", "127.0.0.1:1", "--timeout", "5")
    assert done.exit_code == 1
    assert done.stderr.startswith("UNAVAILABLE: ") and "no server answers at 127.0.0.1:1" in done.stderr


def test_the_words_in_colour_are_those_of_the_span_whatever_ends_the_lines() -> None:
    text = "a\r\nb\r\nAna owns it"
    shown = terminal._coloured(text, QUESTION, [Evidence("/name", "extract", Status.COPIED, Span(QUESTION, 6, 9))])
    assert [shown.plain[span.start : span.end] for span in shown.spans] == ["Ana"]


def test_a_line_tells_the_evidence_of_its_report(generator: Generator) -> None:
    generator()
    (line,) = lines_of(run("generate", "--schema", "agent_status", "--input", "-", stdin=question_line(1)).stdout)
    assert line["evidence"] == [
        {"pointer": "/status", "grounding": "classify", "status": "CLASSIFIED"},
        {"pointer": "/cost", "grounding": "normalize", "status": "NORMALIZED", "source": "", "start": 0, "end": 3},
    ]
    generator(lambda request: result(evidence=(Evidence("/status", "classify", Status.CLASSIFIED, confidence=0.87654),)))
    (line,) = lines_of(run("generate", "--schema", "agent_status", "--input", "-", stdin=question_line(1)).stdout)
    assert line["evidence"] == [{"pointer": "/status", "grounding": "classify", "status": "CLASSIFIED", "confidence": 0.8765}]


def test_grounding_is_strict_unless_it_is_switched_off(generator: Generator) -> None:
    fake = generator(lambda r: result(grounding=r.options.grounding))
    one = ("generate", "--schema", "agent_status")
    assert run(*one, "--question", "x").exit_code == run(*one, "--question", "x", "--grounding", "off").exit_code == 0
    done = run(*one, "--input", "-", "--grounding", "off", stdin=question_line(1))
    assert [r.options.grounding for r in fake.requests] == [Grounding.STRICT, Grounding.OFF, Grounding.OFF]
    assert lines_of(done.stdout)[0]["grounding"] == "OFF"
    refused = run(*one, "--question", "x", "--grounding", "loose")
    assert refused.exit_code == 2 and "loose" in refused.stderr and len(fake.requests) == 3


def test_a_report_that_is_cut_off_makes_the_exit_code_1(generator: Generator) -> None:
    cut_off = result(finish_reason=FinishReason.LENGTH, valid=False, native_valid=False, report_json="{")
    generator(lambda request: cut_off)
    done = run("generate", "--schema", "agent_status", "--question", "x")
    assert done.exit_code == 1 and "not valid" in done.stderr and "LENGTH" in done.stderr


def test_a_report_that_is_ended_early_is_told_as_such(generator: Generator) -> None:
    closed = result(finish_reason=FinishReason.BUDGET_CLOSED, native_valid=False)
    generator(lambda request: closed)
    done = run("generate", "--schema", "agent_status", "--question", "x", "--max-new-tokens", "99")
    assert done.exit_code == 0 and "BUDGET_CLOSED" in done.stderr and "ended early" in done.stderr and done.stdout


def test_a_failure_names_code_reason_and_fields(generator: Generator) -> None:
    generator()
    done = run("generate", "--schema", "nope", "--question", "x")
    assert done.exit_code == 1 and done.stdout == ""
    assert "NOT_FOUND (SCHEMA_UNKNOWN)" in done.stderr and "schema_id" in done.stderr


def test_a_schema_of_ones_own_is_sent_as_text(generator: Generator, tmp_path: Path) -> None:
    fake = generator()
    (tmp_path / "mine.json").write_text('{"type":"object"}', "utf-8")
    assert run("generate", "--schema-file", str(tmp_path / "mine.json"), "--question", "x").exit_code == 0
    assert fake.requests[0].schema_json == '{"type":"object"}'


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--question", "x", "--input", "-"),
        ("--question", "x", "--schema-file", "/nowhere.json"),
        ("--question", "x", "--in-flight", "0"),
        ("--question", "x", "--mode", "none"),
    ],
    ids=str,
)
def test_wrong_usage_has_exit_code_2(generator: Generator, arguments: tuple[str, ...]) -> None:
    generator()
    assert run("generate", *arguments).exit_code == 2


def test_a_model_that_cannot_be_loaded_is_told_and_leaves_the_output_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(settings: object) -> FakeGenerator:
        raise OpenFailed("cannot load the model: no such directory")

    monkeypatch.setattr(opening, "open_generator", fail)
    (tmp_path / "out").write_text("old")
    done = run(
        "generate",
        "--schema",
        "agent_status",
        "--input",
        "-",
        "--output",
        str(tmp_path / "out"),
        stdin=question_line(1),
    )
    assert (done.exit_code, done.stderr.strip()) == (1, "cannot load the model: no such directory")
    assert (tmp_path / "out").read_text() == "old"


def test_many_lines_keep_their_order_however_long_each_takes(generator: Generator, tmp_path: Path) -> None:
    fake = generator(lambda request: result(report_json=json.dumps({"q": request.question})))
    at_once = _slow_down(fake)
    (tmp_path / "in").write_text("".join(question_line(i) for i in range(60)))
    files = ("--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"))
    assert run("generate", "--schema", "agent_status", "--in-flight", "8", *files).exit_code == 0
    told = lines_of((tmp_path / "out").read_text())
    assert [(line["id"], line["report"]) for line in told] == [(f"q{i}", {"q": f"note {i}"}) for i in range(60)]
    assert 1 < max(at_once) <= 8


def _slow_down(fake: FakeGenerator) -> list[int]:
    at_once = [0]
    num_now = 0
    generate = fake.generate

    async def slow(request: GenerationRequest, *, timeout_s: float | None = None) -> GenerationResult:
        nonlocal num_now
        num_now += 1
        at_once.append(num_now)
        await asyncio.sleep(int(request.question.split()[1]) * 5 % 7 / 100)
        num_now -= 1
        return await generate(request, timeout_s=timeout_s)

    fake.generate = slow  # type: ignore[method-assign]
    return at_once


def test_a_line_has_all_that_is_known_of_its_report(generator: Generator) -> None:
    generator(lambda request: result(native_valid=False, num_interventions=2))
    [line] = lines_of(run("generate", "--schema", "agent_status", "--input", "-", stdin=question_line(1)).stdout)
    assert list(line)[:7] == ["id", "code", "report", "valid", "native_valid", "num_interventions", "finish_reason"]
    assert (line["code"], line["num_interventions"], line["finish_reason"]) == ("OK", 2, "STOP")
    assert line["report"] == {"status": "on_track", "cost": 12.5}


def test_context_goes_with_its_line(generator: Generator) -> None:
    fake = generator()
    line = {"id": 1, "question": "x", "context": [{"id": "mail", "text": "y"}]}
    assert run("generate", "--schema", "agent_status", "--input", "-", stdin=json.dumps(line)).exit_code == 0
    assert [(item.id, item.text) for item in fake.requests[0].context] == [("mail", "y")]


BAD_LINES: dict[bytes, str] = {
    b"": "is empty",
    b"nonsense": "not JSON",
    b"[1]": "is not a JSON object",
    b'{"id":"a","question":"\xff"}': "is not UTF-8",
    b'{"id":"a","question":"\\ud800"}': "lone surrogate",
    b'{"id":"a","id":"b","question":"x"}': "twice",
    b'{"question":"x"}': 'no "id"',
    b'{"id":true,"question":"x"}': 'no "id"',
    b'{"id":"a"}': 'no "question"',
    b'{"id":"a","question":7}': 'no "question"',
    b'{"id":"a","question":"x","contxt":[]}': "unknown keys: contxt",
    b'{"id":"a","question":"x","context":{"mail":"y"}}': '"context"',
    b'{"id":"a","question":""}': "question: must not be empty",
    b'{"id":"a","question":"x\\u0000"}': "NUL",
    b'{"id":"a","question":"x","context":[{"id":"","text":""}]}': "context[0].id",
}


def test_a_bad_line_is_told_with_its_number_and_no_line_is_lost(generator: Generator) -> None:
    generator()
    stdin = b"".join(line + b"\n" + question_line(i).encode() for i, line in enumerate(BAD_LINES))
    done = run("generate", "--schema", "agent_status", "--input", "-", stdin=stdin)
    told = lines_of(done.stdout)
    assert done.exit_code == 1 and len(told) == 2 * len(BAD_LINES)
    assert [line["code"] for line in told] == ["INVALID_ARGUMENT", "OK"] * len(BAD_LINES)
    for number, (line, why) in enumerate(zip(told[::2], BAD_LINES.values(), strict=True)):
        assert line["message"].startswith(f"line {2 * number + 1}: ") and why in line["message"]
        assert line["report"] is None and line["field_violations"]


def test_the_id_of_a_line_is_kept_when_its_question_is_bad(generator: Generator) -> None:
    generator()
    [line] = lines_of(
        run("generate", "--schema", "agent_status", "--input", "-", stdin='{"id":7,"question":""}').stdout
    )
    assert (line["id"], line["reason"]) == (7, "REQUEST_INVALID")


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (
            ReportInvalid((Violation("uniqueItems", "/a", "/properties/a/uniqueItems", "twice"),), 3),
            "ABORTED",
            "REPORT_INVALID",
        ),
        (MatcherFailed("x"), "INTERNAL", "MATCHER_FAILED"),
        (KeyError("secret"), "INTERNAL", "INTERNAL"),
    ],
    ids=["ReportInvalid", "MatcherFailed", "KeyError"],
)
def test_a_line_that_fails_has_its_code_and_the_others_go_on(
    generator: Generator, caplog: pytest.LogCaptureFixture, error: Exception, code: str, reason: str
) -> None:
    def answer(request: GenerationRequest) -> GenerationResult:
        if request.question == "note 1":
            raise error
        return RESULT

    generator(answer)
    with caplog.at_level(logging.ERROR):
        done = run("generate", "--schema", "agent_status", "-i", "-", stdin="".join(map(question_line, range(3))))
    told = lines_of(done.stdout)
    assert [line["code"] for line in told] == ["OK", code, "OK"]
    assert (told[1]["reason"], done.exit_code) == (reason, 1)
    assert "secret" not in done.stdout


def test_text_that_is_no_json_is_kept_beside_a_null_report(generator: Generator) -> None:
    cut_off = result(finish_reason=FinishReason.LENGTH, valid=False, native_valid=False, report_json='{"a":')
    generator(lambda request: cut_off)
    done = run("generate", "--schema", "agent_status", "-i", "-", stdin=question_line(1))
    [line] = lines_of(done.stdout)
    assert (line["code"], line["report"], line["report_text"], line["valid"]) == ("OK", None, '{"a":', False)
    assert done.exit_code == 1


def test_a_full_queue_is_waited_for(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.command.bulk.BACKOFF_S", (0.0, 0.1))
    num_left = [5]

    def answer(request: GenerationRequest) -> GenerationResult:
        if num_left[0]:
            num_left[0] -= 1
            raise QueueFull(1)
        return RESULT

    generator(answer)
    assert run("generate", "--schema", "agent_status", "-i", "-", stdin=question_line(1)).exit_code == 0
    num_left[0] = 10**9
    [line] = lines_of(run("generate", "--schema", "agent_status", "-i", "-", "--timeout", "1", stdin=question_line(1)).stdout)
    assert (line["code"], line["reason"]) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")


def test_nobody_waits_for_a_line_that_does_not_come() -> None:
    """A pipe that stays open, as a terminal does, and an answer that nobody takes."""
    reading, writing = os.pipe()
    lines = os.fdopen(reading, "rb")

    async def first_answer() -> None:
        async def send(request: GenerationRequest) -> GenerationResult:
            return RESULT

        os.write(writing, question_line(1).encode())
        answers = answer_lines(lines, send, Defaults(schema_id="agent_status"), num_in_flight=4)
        assert (await anext(answers)).ok
        await answers.aclose()

    thread = threading.Thread(target=asyncio.run, args=(first_answer(),), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    os.close(writing)
    lines.close()


def test_no_lines_make_no_lines(generator: Generator) -> None:
    generator()
    done = run("generate", "--schema", "agent_status", "--input", "-", stdin="")
    assert (done.exit_code, done.stdout) == (0, "")


def test_the_input_is_never_overwritten(generator: Generator, tmp_path: Path) -> None:
    generator()
    both = tmp_path / "both"
    both.write_text(question_line(1))
    done = run("generate", "--schema", "agent_status", "--input", str(both), "--output", str(both))
    assert done.exit_code == 1 and "overwritten" in done.stderr
    assert both.read_text() == question_line(1)


@pytest.mark.parametrize("option", ["--input", "--output"])
def test_a_file_that_cannot_be_opened_is_told(generator: Generator, tmp_path: Path, option: str) -> None:
    generator()
    other = {"--input": (), "--output": ("--input", "-")}[option]
    path = str(tmp_path / "no" / "file")
    done = run("generate", "--schema", "agent_status", option, path, *other, stdin=question_line(1))
    assert (done.exit_code, done.stderr.strip()) == (1, f"{path}: No such file or directory")


@pytest.mark.asyncio
async def test_a_server_answers_the_same_as_this_process(generator: Generator) -> None:
    generator()
    lines = question_line(1) + '{"id":2,"question":""}\n' + question_line(3)
    here = await asyncio.to_thread(run, "generate", "--schema", "agent_status", "-i", "-", stdin=lines)
    async with serving() as service:
        server = ("--server", f"127.0.0.1:{service.port}")
        there = await asyncio.to_thread(run, "generate", "--schema", "agent_status", "-i", "-", *server, stdin=lines)
        assert (there.stdout, there.exit_code) == (here.stdout, here.exit_code)
        for command in ("schemas", "adapters"):
            local = await asyncio.to_thread(run, command)
            remote = await asyncio.to_thread(run, command, *server)
            assert "agent_status" in remote.stdout and (remote.stdout, remote.exit_code) == (local.stdout, 0)


def test_a_server_that_is_not_there_fails_each_line_and_loses_none() -> None:
    arguments = ("generate", "--schema", "agent_status", "-i", "-", "--server", "127.0.0.1:1", "--timeout", "5")
    told = lines_of(run(*arguments, stdin="".join(map(question_line, range(3)))).stdout)
    assert [(line["id"], line["code"]) for line in told] == [(f"q{i}", "UNAVAILABLE") for i in range(3)]


def test_a_schema_is_printed_for_a_pipe() -> None:
    done = run("schemas", "agent_status")
    assert done.exit_code == 0 and json.loads(done.stdout)["$id"] == "urn:escribano:schema:agent_status"
    assert run("schemas", "nope").exit_code == 1


def test_a_setting_out_of_range_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("serve", "--port", "70000").exit_code == 2
    monkeypatch.setenv("ESCRIBANO_GRACE_S", "-1")
    done = run("schemas")
    assert done.exit_code == 2 and "grace_s" in done.stderr


def test_a_list_that_is_no_json_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCRIBANO_ADAPTERS", "./my-adapter")
    done = run("schemas")
    assert done.exit_code == 2 and "adapters" in done.stderr and "JSON" in done.stderr


def test_a_taken_port_is_told_and_the_generator_closed(generator: Generator) -> None:
    fake = generator()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert done.exit_code == 1
    assert done.stderr.strip().startswith(f"cannot listen on 127.0.0.1:{port}: another program has that port") and "--port" in done.stderr
    assert fake.closed


@pytest.mark.parametrize("command", ["serve", "generate", "schemas", "adapters"])
def test_help_teaches_by_example(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0 and f"escribano {command}" in done.stdout


def test_help_lists_the_commands() -> None:
    assert all(name in run("--help").stdout for name in ("serve", "generate", "schemas", "adapters"))
