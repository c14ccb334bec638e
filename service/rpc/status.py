"""Between a `Failure` and the `google.rpc.Status` that a gRPC call ends with.

Owns: which details a status carries, and that they fit the trailing metadata (a peer drops more than 8 KiB).
Does not know: which exception is told as what (`service/errors.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from schemas.violation import Violation
from service.errors import Failure, FieldViolation
from service.pb.escribano.v1 import report_pb2 as pb
from service.rpc import wire

M = TypeVar("M", bound=Message)

DOMAIN = "escribano.v1"

MAX_MESSAGE_BYTES = 600
MAX_TEXT_BYTES = 300
MAX_VIOLATIONS_BYTES = 3_600
"""The violations that fit in this are told one by one; of fields a last one says how many there are more."""


@dataclass(frozen=True, slots=True)
class Abort:
    """The three things `ServicerContext.abort` wants."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def abort_of(failure: Failure) -> Abort:
    """How a call ends with this failure."""
    status = rpc_status.to_status(_status_of(failure))
    return Abort(status.code, status.details, tuple(status.trailing_metadata))


def failure_of_call(error: Any) -> Failure:
    """The failure of a `grpc.RpcError`, sync or aio; one that gRPC itself made has its code's name as reason."""
    code = error.code().name
    message = error.details() or ""
    details = _details_of(error)
    info = details.get(error_details_pb2.ErrorInfo, error_details_pb2.ErrorInfo(reason=code))
    bad = details.get(error_details_pb2.BadRequest, error_details_pb2.BadRequest())
    invalid = details.get(pb.InvalidReport, pb.InvalidReport())
    return Failure(
        code,
        info.reason,
        message,
        tuple(FieldViolation(v.field, v.description) for v in bad.field_violations),
        wire.to_violations(invalid.violations),
        tuple(sorted(info.metadata.items())),
    )


def _status_of(failure: Failure) -> status_pb2.Status:
    status = status_pb2.Status(code=code_pb2.Code.Value(failure.code), message=_cut(failure.message, MAX_MESSAGE_BYTES))
    for detail in _details(failure):
        status.details.add().Pack(detail)
    return status


def _details(failure: Failure) -> list[Message]:
    info = error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=dict(failure.metadata))
    details: list[Message] = [info]
    if failure.field_violations:
        details.append(error_details_pb2.BadRequest(field_violations=_field_violations(failure.field_violations)))
    if failure.report_violations:
        details.append(pb.InvalidReport(violations=_report_violations(failure.report_violations)))
    return details


def _field_violations(violations: tuple[FieldViolation, ...]) -> list[error_details_pb2.BadRequest.FieldViolation]:
    make = error_details_pb2.BadRequest.FieldViolation
    told = _fitting(make(field=_cut(v.field), description=_cut(v.description)) for v in violations)
    if num_more := len(violations) - len(told):
        told.append(make(field=_cut(violations[len(told)].field), description=f"and {num_more} more violations"))
    return told


def _report_violations(violations: tuple[Violation, ...]) -> list[pb.Violation]:
    short = (
        Violation(_cut(v.keyword), _cut(v.instance_path), _cut(v.schema_path), _cut(v.message)) for v in violations
    )
    return _fitting(wire.from_violation(violation) for violation in short)


def _fitting(messages: Iterable[M]) -> list[M]:
    told: list[M] = []
    room_bytes = MAX_VIOLATIONS_BYTES
    for message in messages:
        room_bytes -= message.ByteSize()
        if room_bytes < 0:
            break
        told.append(message)
    return told


def _cut(text: str, limit_bytes: int = MAX_TEXT_BYTES) -> str:
    encoded = text.encode("utf-8")
    return text if len(encoded) <= limit_bytes else encoded[: limit_bytes - 3].decode("utf-8", "ignore") + "…"


def _details_of(error: Any) -> dict[type[Message], Any]:
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata.get("grpc-status-details-bin", b""))
    known = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, pb.InvalidReport)
    found: dict[type[Message], Any] = {}
    for detail in status.details:
        for kind in known:
            if detail.Is(kind.DESCRIPTOR):
                found[kind] = kind.FromString(detail.value)
    return found
