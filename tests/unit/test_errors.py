"""The table tells of every exception, and of nothing it does not know."""

from __future__ import annotations

import logging

import pytest

from schemas.admission import SchemaRefused
from schemas.catalog import SchemaUnknown
from schemas.keywords import Finding
from schemas.violation import Violation
from service import errors
from service.errors import TABLE, Failure, FieldViolation, failure_of
from service.pb.escribano.v1 import report_pb2 as pb
from service.rpc import status as rpc_status
from tests.samples import EXAMPLES

MAX_METADATA_BYTES = 8192


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_each_exception_has_its_row(error: Exception) -> None:
    row = next(row for row in TABLE if type(error) is row.exception)
    failure = failure_of(error)
    assert (failure.code, failure.reason, failure.message) == (row.code, row.reason, str(error))


def test_there_is_an_example_of_every_row() -> None:
    assert {type(error) for error in EXAMPLES} == {row.exception for row in TABLE}


def test_every_exception_of_the_module_is_in_the_table() -> None:
    defined = {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)}
    assert defined == {row.exception for row in TABLE}


def test_the_reasons_are_those_of_the_contract() -> None:
    promised = {name.removeprefix("ERROR_REASON_") for name in dict(pb.ErrorReason.items())}
    assert {row.reason for row in TABLE} | {"INTERNAL", "UNSPECIFIED"} == promised


def test_a_refused_schema_blames_each_place() -> None:
    findings = (Finding("/properties/a", "$ref", "is remote"), Finding("", "type", "is missing"))
    assert [v.description for v in failure_of(SchemaRefused(findings)).field_violations] == [
        "#/properties/a: is remote",
        "#: is missing",
    ]


def test_an_unknown_exception_is_internal_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        failure = failure_of(KeyError("the question's secret"))
    error_id = dict(failure.metadata)["error_id"]
    assert failure.code == failure.reason == "INTERNAL"
    assert failure.message == f"internal error; the log has it under {error_id}"
    record = vars(caplog.records[-1])
    assert (record["error_id"], record["error_type"]) == (error_id, "KeyError")
    assert "secret" not in str(record)


def test_two_unknown_exceptions_have_two_ids() -> None:
    assert failure_of(OSError()).metadata != failure_of(OSError()).metadata


@pytest.mark.parametrize(
    "failure",
    [
        Failure("NOT_FOUND", "SCHEMA_UNKNOWN", "😀" * 5000, (FieldViolation("schema_id", "😀" * 5000),)),
        Failure("INVALID_ARGUMENT", "SCHEMA_REFUSED", "x", (FieldViolation("schema_json", "é" * 300),) * 5000),
        Failure(
            "ABORTED", "REPORT_INVALID", "x", (), (Violation("k" * 9999, "/é" * 999, "/é" * 999, "é" * 999),) * 999
        ),
        failure_of(SchemaUnknown("a" * 200, tuple(f"schema_{i}" for i in range(5000)))),
    ],
    ids=["long texts", "many fields", "many violations", "many known schemas"],
)
def test_a_status_fits_the_trailing_metadata(failure: Failure) -> None:
    abort = rpc_status.abort_of(failure)
    in_percent_encoding = len(abort.details.encode()) * 3
    assert in_percent_encoding + sum(len(value) * 4 / 3 for _, value in abort.trailing_metadata) < MAX_METADATA_BYTES


def test_violations_left_out_are_counted() -> None:
    abort = rpc_status.abort_of(failure_of(errors.RequestInvalid((FieldViolation("question", "bad"),) * 999)))
    assert b"more violations" in dict(abort.trailing_metadata)["grpc-status-details-bin"]
