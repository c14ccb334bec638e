"""What can go wrong, and the one table that says what a caller is told about it.

Owns: the service's typed exceptions and `TABLE`: exception -> status code, documented reason, offending fields.
Does not know: gRPC (`service/rpc/status.py` turns a `Failure` into a `google.rpc.Status`), so that the command line
tells the same of a failure in-process as over the wire.
Promise: an exception that is not in the table is told as INTERNAL with a fixed text and an error id; nothing of the
server's insides is in the message, and no message of an exception (it could hold the question) is in the log.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.admission import SchemaRefused
from schemas.catalog import SchemaUnknown
from schemas.violation import Violation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One breach of the contract by one field of the request; `field` as the proto spells it ("context[0].id")."""

    field: str
    description: str


class RequestInvalid(ValueError):
    """The request breaks the contract in at least one field."""

    def __init__(self, violations: tuple[FieldViolation, ...]) -> None:
        assert violations, "say what is wrong with the request"
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


class AdapterUnknown(LookupError):
    """No adapter of that id is loaded."""

    def __init__(self, adapter_id: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no adapter {adapter_id!r}; loaded: {', '.join(known) or 'none'}")
        self.adapter_id = adapter_id
        self.known = known


class AdapterMismatch(ValueError):
    """The adapter was made for another schema or base; `what` is "schema" or "base", the rest are digests or ids."""

    def __init__(self, adapter_id: str, what: str, expected: str, found: str) -> None:
        super().__init__(f"adapter {adapter_id!r} was made for {what} {expected}, not for {found}")
        self.adapter_id = adapter_id
        self.what = what
        self.expected = expected
        self.found = found


class PromptTooLong(ValueError):
    """The rendered prompt leaves no room in the model's context window; both figures in tokens. `parts`: the request's fields that it is made of."""

    def __init__(self, num_tokens: int, limit: int, parts: tuple[str, ...] = ("question",)) -> None:
        super().__init__(f"the prompt has {num_tokens} tokens; the limit is {limit}")
        self.num_tokens = num_tokens
        self.limit = limit
        self.parts = parts


class ReportInvalid(RuntimeError):
    """No attempt within the retry budget gave a valid report; `violations` are the last attempt's."""

    def __init__(self, violations: tuple[Violation, ...], attempts: int) -> None:
        where = "; ".join(f"{v.instance_path or '/'}: {v.keyword}" for v in violations)
        super().__init__(f"no valid report in {attempts} attempt(s); the last one broke {where}")
        self.violations = violations
        self.attempts = attempts


class ReportUngrounded(RuntimeError):
    """A report was to be grounded in its texts throughout and is not; `violations` name the values that stand nowhere in them."""

    def __init__(self, pointers: tuple[str, ...]) -> None:
        named = ", ".join(pointers[:5]) + (" ..." if len(pointers) > 5 else "")
        super().__init__(f"{len(pointers)} value(s) of the report stand nowhere in the texts: {named}")
        self.violations = tuple(Violation("x-grounding", pointer, "", "stands nowhere in the texts") for pointer in pointers)


class MatcherFailed(RuntimeError):
    """The grammar's matcher erred while decoding: the report could not be constrained, so there is none."""

    def __init__(self, detail: str) -> None:
        super().__init__("the grammar could not be followed while decoding")
        self.detail = detail


class DeadlineExceeded(RuntimeError):
    """The caller's deadline passed before the report was done."""

    def __init__(self, timeout_s: float | None = None) -> None:
        after = "" if timeout_s is None else f" of {timeout_s:.3g} s"
        super().__init__(f"the deadline{after} passed before the report was done")
        self.timeout_s = timeout_s


class QueueFull(RuntimeError):
    """As many requests wait as are allowed to; try again later."""

    def __init__(self, max_queue: int) -> None:
        super().__init__(f"{max_queue} requests are waiting already; try again later")
        self.max_queue = max_queue


class ShuttingDown(RuntimeError):
    """The server is draining and takes no new work; another instance may."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller is told: `code` is a gRPC status code's name, `reason` one of the contract's ErrorReason names."""

    code: str
    reason: str
    message: str
    field_violations: tuple[FieldViolation, ...] = ()
    report_violations: tuple[Violation, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


Fields = Callable[[Any], tuple[FieldViolation, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; `fields` names the offending fields of an exception of that type."""

    exception: type[Exception]
    code: str
    reason: str
    fields: Fields = lambda error: ()


def _field(name: str) -> Fields:
    return lambda error: (FieldViolation(name, str(error)),)


def _refusals(error: SchemaRefused) -> tuple[FieldViolation, ...]:
    return tuple(FieldViolation("schema_json", f"#{f.pointer}: {f.message}") for f in error.findings)


TABLE: tuple[Row, ...] = (
    Row(RequestInvalid, "INVALID_ARGUMENT", "REQUEST_INVALID", lambda error: error.violations),
    Row(SchemaRefused, "INVALID_ARGUMENT", "SCHEMA_REFUSED", _refusals),
    Row(SchemaUnknown, "NOT_FOUND", "SCHEMA_UNKNOWN", _field("schema_id")),
    Row(AdapterUnknown, "NOT_FOUND", "ADAPTER_UNKNOWN", _field("adapter_id")),
    Row(AdapterMismatch, "FAILED_PRECONDITION", "ADAPTER_MISMATCH", _field("adapter_id")),
    Row(PromptTooLong, "INVALID_ARGUMENT", "PROMPT_TOO_LONG", lambda error: tuple(FieldViolation(part, str(error)) for part in error.parts)),
    Row(ReportInvalid, "ABORTED", "REPORT_INVALID"),
    Row(ReportUngrounded, "FAILED_PRECONDITION", "REPORT_UNGROUNDED"),
    Row(MatcherFailed, "INTERNAL", "MATCHER_FAILED"),
    Row(DeadlineExceeded, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    Row(QueueFull, "RESOURCE_EXHAUSTED", "QUEUE_FULL"),
    Row(ShuttingDown, "UNAVAILABLE", "SHUTTING_DOWN"),
)


def failure_of(error: BaseException) -> Failure:
    """What the caller is told of `error`; logs it under a fresh error id where the table has no row for it."""
    row = next((row for row in TABLE if isinstance(error, row.exception)), None)
    if row is None:
        return _internal(error)
    report_violations = error.violations if isinstance(error, ReportInvalid | ReportUngrounded) else ()
    return Failure(row.code, row.reason, str(error), row.fields(error), report_violations)


def _internal(error: BaseException) -> Failure:
    error_id = secrets.token_hex(8)
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("internal error", extra={"error_id": error_id, "error_type": type(error).__name__, "frames": frames})
    message = f"internal error; the log has it under {error_id}"
    return Failure("INTERNAL", "INTERNAL", message, metadata=(("error_id", error_id),))
