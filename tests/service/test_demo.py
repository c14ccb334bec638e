"""The demo shows two valid reports and leaves no server behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.client import ReportClient, ReportError
from service.command import demo
from service.command.demo import NOTES, ServerFailed

ROOT = Path(__file__).parents[2]

FAKE_ENGINE = """
import sys
from service.command import cli, demo, opening
from tests.fakes import FakeGenerator, result
opening.open_generator = lambda settings: FakeGenerator({answer})
cli.app()
"""


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """`escribano serve` with a fake engine; the processes that were started."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "serve.py").write_text(FAKE_ENGINE.format(answer=""))
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> subprocess.Popen[str]:
        assert command[:4] == [sys.executable, "-m", "service.command.cli", "serve"]
        started.append(popen([sys.executable, str(tmp_path / "serve.py"), *command[3:]], **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    yield started


def test_the_demo_shows_both_reports_and_stops_its_server(
    fake_server: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main() == 0
    shown = capsys.readouterr().out
    assert shown.count('"status": "on_track"') == 2 and shown.count("without help") == 2
    assert [process.returncode for process in fake_server] == [0]


def test_the_demo_fails_when_a_report_is_not_valid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def nobody() -> Iterator[str]:
        yield "127.0.0.1:1"

    monkeypatch.setattr(demo, "running_server", nobody)
    assert demo.main() == 1
    assert "UNAVAILABLE" in capsys.readouterr().err


def test_a_server_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCRIBANO_GRACE_S", "-1")
    monkeypatch.setenv("PYTHONPATH", os.fspath(ROOT))
    with pytest.raises(ServerFailed, match="exit code 2"), demo.running_server():
        pass


def test_a_server_of_the_demo_answers_errors_too(fake_server: list[subprocess.Popen[str]]) -> None:
    with demo.running_server() as target, ReportClient(target, timeout_s=10) as client, pytest.raises(ReportError) as e:
        client.generate("Hi", schema_id="nope")
    assert e.value.reason == "SCHEMA_UNKNOWN"


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES.keys())
def test_a_note_is_about_120_words(note: str) -> None:
    assert 100 <= len(note.split()) <= 150
