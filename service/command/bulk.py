"""Many requests from JSON lines: one line out for every line in, in order, many in flight.

Owns: how a line is read, told and never lost. In: {"id", "question", "context"?: [{"id", "text"}]}.
Out: {"id", "code", "report", "valid", "native_valid", ...}; a line that cannot be answered has its code, reason,
message ("line 7: ...") and offending fields in place of a report.
Does not know: whether its requests go to a server or to this process, or how to show progress.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import IO, Any

from schemas.canonical import JsonInvalid, canonical_json, parse_json
from service.client import ReportError
from service.errors import Failure, FieldViolation, QueueFull, failure_of
from service.evidence import Evidence
from service.request import ContextItem, DecodingOptions, GenerationRequest
from service.result import GenerationResult

Send = Callable[[GenerationRequest], Awaitable[GenerationResult]]

BACKOFF_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Waits before a line is sent again to a server whose queue is full, the last one again and again."""
PATIENCE_S = 60.0
"""How long a line is sent again."""

_KEYS = frozenset({"id", "question", "context"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What every line's request shares."""

    schema_id: str | None = None
    schema_json: str | None = None
    adapter_id: str | None = None
    options: DecodingOptions = field(default_factory=DecodingOptions)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one line; `ok` if it has a valid report. `code`: OK, NOT_VALID, or what its call failed with."""

    text: str
    ok: bool
    code: str = "OK"


class LineInvalid(ValueError):
    """The line is no request: not UTF-8, not JSON, or not of the documented form."""


async def answer_lines(
    lines: IO[bytes], send: Send, defaults: Defaults, *, num_in_flight: int, patience_s: float = PATIENCE_S
) -> AsyncGenerator[Answer]:
    """An answer for each line, in order and as soon as it is its turn; at most `num_in_flight` lines are held, and one is sent again for `patience_s` while a queue is full."""
    patient = partial(_send_patiently, send, patience_s)
    places = asyncio.Semaphore(num_in_flight)
    answers: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()

    async def read_all() -> None:
        for number in itertools.count(1):
            await places.acquire()
            line = await _next_line(lines)
            if not line:
                break
            answers.put_nowait(asyncio.create_task(_answer(number, line, patient, defaults)))

    reader = asyncio.create_task(read_all())
    reader.add_done_callback(lambda _: answers.put_nowait(None))
    try:
        while (task := await answers.get()) is not None:
            yield await task
            places.release()
        await reader
    finally:
        reader.cancel()
        while not answers.empty():
            if (left := answers.get_nowait()) is not None:
                left.cancel()


async def _next_line(lines: IO[bytes]) -> bytes:
    """Read in a thread that nobody waits for: a pipe or a terminal may keep it waiting when all else has ended."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        try:
            tell = partial(_set, found, lines.readline(), None)
        except Exception as error:
            tell = partial(_set, found, b"", error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=read, name="escribano-lines", daemon=True).start()
    return await found


def _set(found: asyncio.Future[bytes], line: bytes, error: Exception | None) -> None:
    if found.done():
        return
    if error is None:
        found.set_result(line)
    else:
        found.set_exception(error)


async def _answer(number: int, line: bytes, send: Send, defaults: Defaults) -> Answer:
    line_id: object = None
    try:
        record = read_line(line)
        line_id = record.get("id")
        canonical_json(line_id)  # what cannot be told back is refused before the work
        result = await send(to_request(record, defaults))
        return Answer(canonical_json({"id": line_id} | told(result)), ok=result.valid, code="OK" if result.valid else "NOT_VALID")
    except Exception as error:
        failure = failure_from(error)
        return Answer(canonical_json(_failed(number, line_id, failure)), ok=False, code=failure.code)


async def _send_patiently(send: Send, patience_s: float, request: GenerationRequest) -> GenerationResult:
    until = time.monotonic() + patience_s
    for wait_s in itertools.chain(BACKOFF_S, itertools.repeat(BACKOFF_S[-1])):
        try:
            return await send(request)
        except (QueueFull, ReportError) as error:  # of this process, or of a server
            if (isinstance(error, ReportError) and error.reason != "QUEUE_FULL") or time.monotonic() + wait_s > until:
                raise
        await asyncio.sleep(wait_s)
    raise AssertionError("there is always another wait")


def read_line(line: bytes) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        LineInvalid: it is not one.
    """
    try:
        record = parse_json(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise LineInvalid(f"is not UTF-8 at byte {error.start}") from None
    except JsonInvalid as error:
        raise LineInvalid(f"is {error.reason}" if line.strip() else "is empty") from None
    if not isinstance(record, dict):
        raise LineInvalid("is not a JSON object")
    return record


def to_request(record: dict[str, Any], defaults: Defaults) -> GenerationRequest:
    """The request of a line's object.

    Raises:
        LineInvalid: it has not the documented form.
        RequestInvalid: it breaks the contract.
    """
    if unknown := sorted(record.keys() - _KEYS):
        raise LineInvalid(f"has unknown keys: {', '.join(unknown)}")
    if not isinstance(record.get("id"), (str, int)) or isinstance(record["id"], bool):
        raise LineInvalid('has no "id" that is a string or an integer')
    if not isinstance(record.get("question"), str):
        raise LineInvalid('has no "question" that is a string')
    return GenerationRequest(
        question=record["question"],
        context=_context(record.get("context")),
        schema_id=defaults.schema_id,
        schema_json=defaults.schema_json,
        adapter_id=defaults.adapter_id,
        options=defaults.options,
    )


def _context(value: object) -> tuple[ContextItem, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(_is_context_item(item) for item in value):
        raise LineInvalid('has a "context" that is no list of {"id": string, "text": string}')
    return tuple(ContextItem(item["id"], item["text"]) for item in value)


def _is_context_item(value: object) -> bool:
    return (
        isinstance(value, dict) and value.keys() == {"id", "text"} and all(isinstance(v, str) for v in value.values())
    )


def failure_from(error: Exception) -> Failure:
    """What an exception of a line, of this process or of a server is told as."""
    if isinstance(error, ReportError):
        return error.failure
    if isinstance(error, LineInvalid):
        return Failure("INVALID_ARGUMENT", "REQUEST_INVALID", str(error), (FieldViolation("line", str(error)),))
    return failure_of(error)


def _failed(number: int, line_id: object, failure: Failure) -> dict[str, Any]:
    return {
        "id": line_id if isinstance(line_id, (str, int)) else None,
        "code": failure.code,
        "report": None,
        "valid": False,
        "native_valid": False,
        "reason": failure.reason,
        "message": f"line {number}: {failure.message}",
        "field_violations": [asdict(violation) for violation in failure.field_violations],
        "violations": [asdict(violation) for violation in failure.report_violations],
    }


def _founded(evidence: Evidence) -> dict[str, Any]:
    span = {} if evidence.span is None else {"source": evidence.span.source, "start": evidence.span.start, "end": evidence.span.end}
    sure = {} if evidence.confidence is None else {"confidence": round(evidence.confidence, 4)}
    return {"pointer": evidence.pointer, "grounding": evidence.grounding, "status": evidence.status.name} | span | sure


def told(result: GenerationResult) -> dict[str, Any]:
    """A result as a JSON object; a report that is no JSON stands as "report_text" beside a null report."""
    fields = asdict(result) | {"finish_reason": result.finish_reason.name, "grounding": result.grounding.name}
    fields["evidence"] = [_founded(evidence) for evidence in result.evidence]
    text = fields.pop("report_json")
    first = {"code": "OK", "report": None}
    try:
        first["report"] = parse_json(text)
    except JsonInvalid:
        first["report_text"] = text.encode("utf-8", "replace").decode("utf-8")
    return first | fields
