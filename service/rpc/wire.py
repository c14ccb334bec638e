"""Between the messages of the contract and the service's own dataclasses, in both directions.

Owns: `Decoded` requests, also of bytes that are no such message, and every message <-> dataclass pair.
Does not know: who is calling or what answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from schemas.grounding import Kind
from schemas.violation import Violation
from service.errors import FieldViolation, RequestInvalid
from service.evidence import STANDING, Evidence, Span, Status
from service.pb.escribano.v1 import report_pb2 as pb
from service.ports import AdapterFacts, AdapterInfo, SchemaInfo, adapter_info
from service.request import ContextItem, DecodingOptions, GenerationRequest, Grounding, Mode
from service.result import FinishReason, GenerationResult
from service.streaming import LeafDone, LeavesWithdrawn, StreamEvent

M = TypeVar("M", bound=Message)

_MODES = {Mode.FREE: pb.DECODING_MODE_FREE, Mode.BACKSTOP: pb.DECODING_MODE_BACKSTOP}
_GROUNDINGS = {Grounding.STRICT: pb.GROUNDING_STRICT, Grounding.OFF: pb.GROUNDING_OFF}
_GROUNDINGS_OF = {pb.GROUNDING_UNSPECIFIED: Grounding.STRICT} | {number: kind for kind, number in _GROUNDINGS.items()}
_MODES_OF = {pb.DECODING_MODE_UNSPECIFIED: Mode.BACKSTOP} | {number: mode for mode, number in _MODES.items()}
_GROUNDINGS_TOLD = {number: kind for kind, number in _GROUNDINGS.items()}
_FINISH = {FinishReason.STOP: pb.FINISH_REASON_STOP, FinishReason.LENGTH: pb.FINISH_REASON_LENGTH, FinishReason.BUDGET_CLOSED: pb.FINISH_REASON_BUDGET_CLOSED}
_FINISH_OF = {number: reason for reason, number in _FINISH.items()}
_LEAF_GROUNDINGS: dict[Kind, Any] = {
    "extract": pb.LEAF_GROUNDING_EXTRACT, "normalize": pb.LEAF_GROUNDING_NORMALIZE, "classify": pb.LEAF_GROUNDING_CLASSIFY,
    "compose": pb.LEAF_GROUNDING_COMPOSE,
}  # fmt: skip
_LEAF_GROUNDINGS_OF = {number: kind for kind, number in _LEAF_GROUNDINGS.items()}
_STATUSES: dict[Status, Any] = {status: pb.EvidenceStatus.Value(f"EVIDENCE_STATUS_{status.name}") for status in Status}
_STATUSES_OF = {number: status for status, number in _STATUSES.items()}
_SAME_NAME = (
    "report_json", "valid", "native_valid", "num_interventions", "num_prompt_tokens", "num_completion_tokens",
    "num_forced_tokens", "num_forward_passes", "num_attempts", "prompt_tokens_saved", "queue_s", "prefill_s",
    "decode_s", "total_s", "schema_id", "schema_digest", "base_digest",
)  # fmt: skip


def decoder(message_type: type[M]) -> Callable[[bytes], M | RequestInvalid]:
    """A deserializer that never raises: bytes that are no such message become the `RequestInvalid` to answer with."""

    def decode(data: bytes) -> M | RequestInvalid:
        try:
            return message_type.FromString(data)
        except (DecodeError, UnicodeDecodeError):
            return RequestInvalid(tuple(_undecodable(message_type.DESCRIPTOR, data)))

    return decode


def _undecodable(descriptor: Any, data: bytes) -> Iterator[FieldViolation]:
    try:
        names = list(_fields_not_utf8(descriptor, data, ""))
    except DecodeError:
        names = []
    if not names:
        yield FieldViolation("request", f"is not a message of type {descriptor.full_name}")
    for name in names:
        yield FieldViolation(name.removeprefix("request."), "is not UTF-8 (a lone surrogate, perhaps)")  # what streams wraps the request of the other method


def _fields_not_utf8(descriptor: Any, data: bytes, prefix: str) -> Iterator[str]:
    """Reads the bytes as a message without fields, whose unknown fields are then the strings to look at."""
    fields = descriptor.fields_by_number
    counts: dict[int, int] = {}
    unknown_fields: Any = UnknownFieldSet(Empty.FromString(data))
    for unknown in unknown_fields:
        field = fields.get(unknown.field_number)
        if field is None or not isinstance(unknown.data, bytes):
            continue
        index = counts[field.number] = counts.get(field.number, -1) + 1
        name = f"{prefix}{field.name}[{index}]" if field.is_repeated else f"{prefix}{field.name}"
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _fields_not_utf8(field.message_type, unknown.data, f"{name}.")
        elif field.type == FieldDescriptor.TYPE_STRING and not _is_utf8(unknown.data):
            yield name


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def to_request(message: pb.GenerateReportRequest) -> GenerationRequest:
    """The request that a message asks for.

    Raises:
        RequestInvalid: it breaks the contract; names every field that does.
    """
    unknown = tuple(_unknown_members(message.options))
    try:
        request = GenerationRequest(
            question=message.question,
            context=tuple(ContextItem(item.id, item.text) for item in message.context),
            schema_id=message.schema_id if message.HasField("schema_id") else None,
            schema_json=message.schema_json if message.HasField("schema_json") else None,
            adapter_id=message.adapter_id if message.HasField("adapter_id") else None,
            options=_to_options(message.options),
        )
    except RequestInvalid as error:
        raise RequestInvalid((*error.violations, *unknown)) from None
    if unknown:
        raise RequestInvalid(unknown)
    return request


def _unknown_members(message: pb.DecodingOptions) -> Iterator[FieldViolation]:
    if message.mode not in _MODES_OF:
        yield FieldViolation("options.mode", f"is {message.mode}; there is no such mode")
    if message.grounding not in _GROUNDINGS_OF:
        yield FieldViolation("options.grounding", f"is {message.grounding}; there is no such one")


def _to_options(message: pb.DecodingOptions) -> DecodingOptions:
    """What they say; a member that is not known reads as unset."""
    return DecodingOptions(
        mode=_MODES_OF.get(message.mode, Mode.BACKSTOP),
        max_new_tokens=message.max_new_tokens if message.HasField("max_new_tokens") else None,
        temperature=message.temperature,  # unset reads as 0, which is what unset means
        seed=message.seed,
        grounding=_GROUNDINGS_OF.get(message.grounding, Grounding.STRICT),
        require_grounded=message.require_grounded,
    )


def from_request(request: GenerationRequest) -> pb.GenerateReportRequest:
    """The message that asks for a request; what is None stays unset."""
    options = request.options
    return pb.GenerateReportRequest(
        question=request.question,
        context=[pb.ContextItem(id=item.id, text=item.text) for item in request.context],
        schema_id=request.schema_id,
        schema_json=request.schema_json,
        adapter_id=request.adapter_id,
        options=pb.DecodingOptions(
            mode=_MODES[options.mode],
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            seed=options.seed,
            grounding=_GROUNDINGS[options.grounding],
            require_grounded=options.require_grounded,
        ),
    )


def from_result(result: GenerationResult) -> pb.GenerateReportResponse:
    """The response that tells of a result."""
    return pb.GenerateReportResponse(
        **{name: getattr(result, name) for name in _SAME_NAME},
        finish_reason=_FINISH[result.finish_reason],
        grounding=_GROUNDINGS[result.grounding],
        violations=map(from_violation, result.violations),
        evidence=map(from_evidence, result.evidence),
        adapter_id=result.adapter_id,
        adapter_digest=result.adapter_digest,
    )


def to_result(message: pb.GenerateReportResponse) -> GenerationResult:
    """The result that a response tells of; a member of a later version reads as the one that claims least."""
    ending = FinishReason.STOP if message.native_valid else FinishReason.BUDGET_CLOSED if message.valid else FinishReason.LENGTH
    return GenerationResult(
        **{name: getattr(message, name) for name in _SAME_NAME},
        finish_reason=_FINISH_OF.get(message.finish_reason, ending),
        grounding=_GROUNDINGS_TOLD.get(message.grounding, Grounding.OFF),
        violations=to_violations(message.violations),
        evidence=tuple(map(to_evidence, message.evidence)),
        adapter_id=message.adapter_id if message.HasField("adapter_id") else None,
        adapter_digest=message.adapter_digest if message.HasField("adapter_digest") else None,
    )


def from_event(event: StreamEvent) -> pb.StreamReportResponse:
    """The message of what happened to a report that is being written."""
    match event:
        case LeafDone():
            return pb.StreamReportResponse(leaf=pb.Leaf(value_json=event.value_json, evidence=from_evidence(event.evidence)))
        case LeavesWithdrawn():
            return pb.StreamReportResponse(withdrawn=pb.Withdrawn(num_leaves_kept=event.num_kept))
        case _:
            return pb.StreamReportResponse(report=from_result(event))


def to_event(message: pb.StreamReportResponse) -> StreamEvent | None:
    """What a message tells; None for an event of a later version."""
    match message.WhichOneof("event"):
        case "leaf":
            return LeafDone(message.leaf.value_json, to_evidence(message.leaf.evidence))
        case "withdrawn":
            return LeavesWithdrawn(message.withdrawn.num_leaves_kept)
        case "report":
            return to_result(message.report)
        case _:
            return None


def from_evidence(evidence: Evidence) -> pb.Evidence:
    """The message of a leaf's evidence."""
    span = None if evidence.span is None else pb.Span(context_id=evidence.span.source, start=evidence.span.start, end=evidence.span.end)
    return pb.Evidence(pointer=evidence.pointer, grounding=_LEAF_GROUNDINGS[evidence.grounding], status=_STATUSES[evidence.status], span=span, confidence=evidence.confidence)


def to_evidence(message: pb.Evidence) -> Evidence:
    """The evidence of a message; a member of a later version reads as the one that claims least, which has no place in the text."""
    status = _STATUSES_OF.get(message.status, Status.UNSUPPORTED)
    has_span = message.HasField("span") and status in STANDING
    span = Span(message.span.context_id, message.span.start, message.span.end) if has_span else None
    confidence = message.confidence if message.HasField("confidence") else None
    return Evidence(message.pointer, _LEAF_GROUNDINGS_OF.get(message.grounding, "extract"), status, span, confidence)


def from_violation(violation: Violation) -> pb.Violation:
    """The message of a violation."""
    return pb.Violation(**asdict(violation))


def to_violations(messages: Iterable[pb.Violation]) -> tuple[Violation, ...]:
    """The violations of messages."""
    return tuple(Violation(m.keyword, m.instance_path, m.schema_path, m.message) for m in messages)


def from_schema(schema: SchemaInfo) -> pb.Schema:
    """The message of a schema's facts."""
    return pb.Schema(
        schema_id=schema.schema_id,
        schema_digest=schema.schema_digest,
        title=schema.title,
        description=schema.description,
        checked_pointers=schema.checked,
        longest_report_bytes=schema.longest_report_bytes,
    )


def to_schema(message: pb.Schema) -> SchemaInfo:
    """A schema's facts of a message."""
    checked = tuple(message.checked_pointers)
    longest = message.longest_report_bytes if message.HasField("longest_report_bytes") else None
    return SchemaInfo(message.schema_id, message.schema_digest, message.title, message.description, checked, longest)


def from_adapter(adapter: AdapterFacts) -> pb.Adapter:
    """The message of an adapter's facts."""
    return pb.Adapter(**asdict(adapter_info(adapter)))


def to_adapter(message: pb.Adapter) -> AdapterInfo:
    """An adapter's facts of a message."""
    return AdapterInfo(**{name: getattr(message, name) for name in AdapterInfo.__dataclass_fields__})
