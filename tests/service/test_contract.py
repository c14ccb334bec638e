"""The proto is the contract: it lints, the committed stubs come from it, and it is all a stranger needs."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.evidence import Status
from service.pb.escribano.v1 import report_pb2 as pb
from service.request import LIMITS, Grounding
from service.result import FinishReason
from service.rpc import generate_stubs, wire
from service.rpc.generate_stubs import PROTO, ROOT
from tests.fakes import RESULT
from tests.service.harness import serving

STRANGER = """
import json, sys
import grpc
from escribano.v1 import report_pb2 as pb, report_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = report_pb2_grpc.ReportServiceStub(channel)
    response = stub.GenerateReport(pb.GenerateReportRequest(question="Hi", schema_id="agent_status"), timeout=10)
    print(json.dumps([response.report_json, response.valid, pb.FinishReason.Name(response.finish_reason)]))
"""


def test_members_of_a_later_version_claim_least() -> None:
    """The proto's promise: a value you do not know is treated as UNSPECIFIED."""
    message = wire.from_result(RESULT)
    message.finish_reason, message.grounding = 99, 99  # type: ignore[assignment]
    message.evidence.add(pointer="/a", grounding=99, status=99, span=pb.Span(start=1, end=2))  # type: ignore[arg-type]
    read = wire.to_result(message)
    assert (read.finish_reason, read.grounding, read.valid) == (FinishReason.STOP, Grounding.OFF, True)
    assert (read.evidence[-1].grounding, read.evidence[-1].status, read.evidence[-1].span) == ("extract", Status.UNSUPPORTED, None)
    message.native_valid = False
    assert wire.to_result(message).finish_reason is FinishReason.BUDGET_CLOSED
    message.valid = False
    del message.evidence[:]
    assert wire.to_result(message).finish_reason is FinishReason.LENGTH


@pytest.mark.asyncio
async def test_a_client_made_from_the_proto_alone_gets_a_report(tmp_path: Path) -> None:
    shutil.copytree(PROTO, tmp_path / "proto")
    protoc = "-m grpc_tools.protoc --proto_path=proto --python_out=. --grpc_python_out=. escribano/v1/report.proto"
    subprocess.run([sys.executable, *protoc.split()], cwd=tmp_path, check=True)
    (tmp_path / "stranger.py").write_text(STRANGER)
    async with serving() as service:
        command = [sys.executable, "stranger.py", f"127.0.0.1:{service.port}"]
        run = asyncio.to_thread(subprocess.run, command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
        told = json.loads((await run).stdout)
    assert told == [RESULT.report_json, True, "FINISH_REASON_STOP"]


def test_the_committed_stubs_are_not_stale() -> None:
    assert generate_stubs.main(["--check"]) == 0


def test_a_changed_a_missing_and_a_left_over_stub_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_stubs, "PB", tmp_path)
    stubs = {tmp_path / name: "right" for name in ("same.py", "changed.py", "missing.pyi")}
    for name, text in {"same.py": "right", "changed.py": "wrong", "left_over.py": ""}.items():
        (tmp_path / name).write_text(text)
    stale = sorted(path.name for path in generate_stubs.find_stale(stubs))
    assert stale == ["changed.py", "left_over.py", "missing.pyi"]
    generate_stubs.write(stubs)
    assert list(generate_stubs.find_stale(stubs)) == []


def test_a_stale_stub_makes_the_check_fail_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_stubs, "ROOT", tmp_path)
    monkeypatch.setattr(generate_stubs, "generate", lambda: {tmp_path / "service" / "pb" / "a_pb2.py": ""})
    monkeypatch.setattr(generate_stubs, "PB", tmp_path / "service" / "pb")
    assert generate_stubs.main(["--check"]) == 1
    assert "stale: service/pb/a_pb2.py" in capsys.readouterr().err


def test_the_proto_lints() -> None:
    buf = shutil.which("buf", path=f"{Path(sys.executable).parent}") or shutil.which("buf")
    if buf is None:
        pytest.skip("buf is not installed (it is in the dev dependencies)")
    subprocess.run([buf, "lint"], cwd=ROOT, check=True, timeout=60)
    subprocess.run([buf, "format", "--diff", "--exit-code"], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize(
    "limit",
    [
        LIMITS.max_question_chars,
        LIMITS.max_context_items,
        LIMITS.max_context_chars,
        LIMITS.max_id_chars,
        LIMITS.max_schema_json_bytes,
        LIMITS.max_new_tokens,
    ],
)
def test_the_limits_promised_are_the_limits_kept(limit: int) -> None:
    text = (PROTO / "escribano/v1/report.proto").read_text("utf-8")
    assert re.search(rf"(?<![\d,]){limit:,}(?![\d,])", text)


def test_reports_travel_as_text_never_as_struct() -> None:
    assert not any("google/protobuf/struct" in file.name for file in pb.DESCRIPTOR.dependencies)
