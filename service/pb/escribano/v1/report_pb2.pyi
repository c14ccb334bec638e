from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEMA_REFUSED: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEMA_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_ADAPTER_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_ADAPTER_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_PROMPT_TOO_LONG: _ClassVar[ErrorReason]
    ERROR_REASON_REPORT_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_MATCHER_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_QUEUE_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_SHUTTING_DOWN: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_REPORT_UNGROUNDED: _ClassVar[ErrorReason]

class DecodingMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECODING_MODE_UNSPECIFIED: _ClassVar[DecodingMode]
    DECODING_MODE_FREE: _ClassVar[DecodingMode]
    DECODING_MODE_BACKSTOP: _ClassVar[DecodingMode]

class Grounding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUNDING_UNSPECIFIED: _ClassVar[Grounding]
    GROUNDING_STRICT: _ClassVar[Grounding]
    GROUNDING_OFF: _ClassVar[Grounding]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_BUDGET_CLOSED: _ClassVar[FinishReason]

class LeafGrounding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEAF_GROUNDING_UNSPECIFIED: _ClassVar[LeafGrounding]
    LEAF_GROUNDING_EXTRACT: _ClassVar[LeafGrounding]
    LEAF_GROUNDING_NORMALIZE: _ClassVar[LeafGrounding]
    LEAF_GROUNDING_CLASSIFY: _ClassVar[LeafGrounding]
    LEAF_GROUNDING_COMPOSE: _ClassVar[LeafGrounding]

class EvidenceStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVIDENCE_STATUS_UNSPECIFIED: _ClassVar[EvidenceStatus]
    EVIDENCE_STATUS_COPIED: _ClassVar[EvidenceStatus]
    EVIDENCE_STATUS_NORMALIZED: _ClassVar[EvidenceStatus]
    EVIDENCE_STATUS_CLASSIFIED: _ClassVar[EvidenceStatus]
    EVIDENCE_STATUS_COMPOSED: _ClassVar[EvidenceStatus]
    EVIDENCE_STATUS_UNSTATED: _ClassVar[EvidenceStatus]
    EVIDENCE_STATUS_UNSUPPORTED: _ClassVar[EvidenceStatus]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_REQUEST_INVALID: ErrorReason
ERROR_REASON_SCHEMA_REFUSED: ErrorReason
ERROR_REASON_SCHEMA_UNKNOWN: ErrorReason
ERROR_REASON_ADAPTER_UNKNOWN: ErrorReason
ERROR_REASON_ADAPTER_MISMATCH: ErrorReason
ERROR_REASON_PROMPT_TOO_LONG: ErrorReason
ERROR_REASON_REPORT_INVALID: ErrorReason
ERROR_REASON_MATCHER_FAILED: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_QUEUE_FULL: ErrorReason
ERROR_REASON_SHUTTING_DOWN: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_REPORT_UNGROUNDED: ErrorReason
DECODING_MODE_UNSPECIFIED: DecodingMode
DECODING_MODE_FREE: DecodingMode
DECODING_MODE_BACKSTOP: DecodingMode
GROUNDING_UNSPECIFIED: Grounding
GROUNDING_STRICT: Grounding
GROUNDING_OFF: Grounding
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_BUDGET_CLOSED: FinishReason
LEAF_GROUNDING_UNSPECIFIED: LeafGrounding
LEAF_GROUNDING_EXTRACT: LeafGrounding
LEAF_GROUNDING_NORMALIZE: LeafGrounding
LEAF_GROUNDING_CLASSIFY: LeafGrounding
LEAF_GROUNDING_COMPOSE: LeafGrounding
EVIDENCE_STATUS_UNSPECIFIED: EvidenceStatus
EVIDENCE_STATUS_COPIED: EvidenceStatus
EVIDENCE_STATUS_NORMALIZED: EvidenceStatus
EVIDENCE_STATUS_CLASSIFIED: EvidenceStatus
EVIDENCE_STATUS_COMPOSED: EvidenceStatus
EVIDENCE_STATUS_UNSTATED: EvidenceStatus
EVIDENCE_STATUS_UNSUPPORTED: EvidenceStatus

class ContextItem(_message.Message):
    __slots__ = ("id", "text")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class DecodingOptions(_message.Message):
    __slots__ = ("mode", "max_new_tokens", "temperature", "seed", "grounding", "require_grounded")
    MODE_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GROUNDING_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_GROUNDED_FIELD_NUMBER: _ClassVar[int]
    mode: DecodingMode
    max_new_tokens: int
    temperature: float
    seed: int
    grounding: Grounding
    require_grounded: bool
    def __init__(self, mode: _Optional[_Union[DecodingMode, str]] = ..., max_new_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., seed: _Optional[int] = ..., grounding: _Optional[_Union[Grounding, str]] = ..., require_grounded: _Optional[bool] = ...) -> None: ...

class GenerateReportRequest(_message.Message):
    __slots__ = ("question", "context", "schema_id", "schema_json", "adapter_id", "options")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    question: str
    context: _containers.RepeatedCompositeFieldContainer[ContextItem]
    schema_id: str
    schema_json: str
    adapter_id: str
    options: DecodingOptions
    def __init__(self, question: _Optional[str] = ..., context: _Optional[_Iterable[_Union[ContextItem, _Mapping]]] = ..., schema_id: _Optional[str] = ..., schema_json: _Optional[str] = ..., adapter_id: _Optional[str] = ..., options: _Optional[_Union[DecodingOptions, _Mapping]] = ...) -> None: ...

class Violation(_message.Message):
    __slots__ = ("keyword", "instance_path", "schema_path", "message")
    KEYWORD_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_PATH_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    keyword: str
    instance_path: str
    schema_path: str
    message: str
    def __init__(self, keyword: _Optional[str] = ..., instance_path: _Optional[str] = ..., schema_path: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class InvalidReport(_message.Message):
    __slots__ = ("violations",)
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    violations: _containers.RepeatedCompositeFieldContainer[Violation]
    def __init__(self, violations: _Optional[_Iterable[_Union[Violation, _Mapping]]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("context_id", "start", "end")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    start: int
    end: int
    def __init__(self, context_id: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("pointer", "grounding", "status", "span", "confidence")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    GROUNDING_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    grounding: LeafGrounding
    status: EvidenceStatus
    span: Span
    confidence: float
    def __init__(self, pointer: _Optional[str] = ..., grounding: _Optional[_Union[LeafGrounding, str]] = ..., status: _Optional[_Union[EvidenceStatus, str]] = ..., span: _Optional[_Union[Span, _Mapping]] = ..., confidence: _Optional[float] = ...) -> None: ...

class GenerateReportResponse(_message.Message):
    __slots__ = ("report_json", "valid", "native_valid", "num_interventions", "finish_reason", "violations", "num_prompt_tokens", "num_completion_tokens", "num_forced_tokens", "num_forward_passes", "num_attempts", "prompt_tokens_saved", "queue_s", "prefill_s", "decode_s", "total_s", "schema_id", "schema_digest", "adapter_id", "adapter_digest", "base_digest", "grounding", "evidence")
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    VALID_FIELD_NUMBER: _ClassVar[int]
    NATIVE_VALID_FIELD_NUMBER: _ClassVar[int]
    NUM_INTERVENTIONS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    NUM_PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NUM_COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NUM_FORCED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NUM_FORWARD_PASSES_FIELD_NUMBER: _ClassVar[int]
    NUM_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_SAVED_FIELD_NUMBER: _ClassVar[int]
    QUEUE_S_FIELD_NUMBER: _ClassVar[int]
    PREFILL_S_FIELD_NUMBER: _ClassVar[int]
    DECODE_S_FIELD_NUMBER: _ClassVar[int]
    TOTAL_S_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_ID_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BASE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    GROUNDING_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    report_json: str
    valid: bool
    native_valid: bool
    num_interventions: int
    finish_reason: FinishReason
    violations: _containers.RepeatedCompositeFieldContainer[Violation]
    num_prompt_tokens: int
    num_completion_tokens: int
    num_forced_tokens: int
    num_forward_passes: int
    num_attempts: int
    prompt_tokens_saved: int
    queue_s: float
    prefill_s: float
    decode_s: float
    total_s: float
    schema_id: str
    schema_digest: str
    adapter_id: str
    adapter_digest: str
    base_digest: str
    grounding: Grounding
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    def __init__(self, report_json: _Optional[str] = ..., valid: _Optional[bool] = ..., native_valid: _Optional[bool] = ..., num_interventions: _Optional[int] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., violations: _Optional[_Iterable[_Union[Violation, _Mapping]]] = ..., num_prompt_tokens: _Optional[int] = ..., num_completion_tokens: _Optional[int] = ..., num_forced_tokens: _Optional[int] = ..., num_forward_passes: _Optional[int] = ..., num_attempts: _Optional[int] = ..., prompt_tokens_saved: _Optional[int] = ..., queue_s: _Optional[float] = ..., prefill_s: _Optional[float] = ..., decode_s: _Optional[float] = ..., total_s: _Optional[float] = ..., schema_id: _Optional[str] = ..., schema_digest: _Optional[str] = ..., adapter_id: _Optional[str] = ..., adapter_digest: _Optional[str] = ..., base_digest: _Optional[str] = ..., grounding: _Optional[_Union[Grounding, str]] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ...) -> None: ...

class StreamReportRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: GenerateReportRequest
    def __init__(self, request: _Optional[_Union[GenerateReportRequest, _Mapping]] = ...) -> None: ...

class StreamReportResponse(_message.Message):
    __slots__ = ("leaf", "withdrawn", "report")
    LEAF_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    leaf: Leaf
    withdrawn: Withdrawn
    report: GenerateReportResponse
    def __init__(self, leaf: _Optional[_Union[Leaf, _Mapping]] = ..., withdrawn: _Optional[_Union[Withdrawn, _Mapping]] = ..., report: _Optional[_Union[GenerateReportResponse, _Mapping]] = ...) -> None: ...

class Leaf(_message.Message):
    __slots__ = ("value_json", "evidence")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    value_json: str
    evidence: Evidence
    def __init__(self, value_json: _Optional[str] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Withdrawn(_message.Message):
    __slots__ = ("num_leaves_kept",)
    NUM_LEAVES_KEPT_FIELD_NUMBER: _ClassVar[int]
    num_leaves_kept: int
    def __init__(self, num_leaves_kept: _Optional[int] = ...) -> None: ...

class ListSchemasRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSchemasResponse(_message.Message):
    __slots__ = ("schemas",)
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    schemas: _containers.RepeatedCompositeFieldContainer[Schema]
    def __init__(self, schemas: _Optional[_Iterable[_Union[Schema, _Mapping]]] = ...) -> None: ...

class Schema(_message.Message):
    __slots__ = ("schema_id", "schema_digest", "title", "description", "checked_pointers", "longest_report_bytes")
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CHECKED_POINTERS_FIELD_NUMBER: _ClassVar[int]
    LONGEST_REPORT_BYTES_FIELD_NUMBER: _ClassVar[int]
    schema_id: str
    schema_digest: str
    title: str
    description: str
    checked_pointers: _containers.RepeatedScalarFieldContainer[str]
    longest_report_bytes: int
    def __init__(self, schema_id: _Optional[str] = ..., schema_digest: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., checked_pointers: _Optional[_Iterable[str]] = ..., longest_report_bytes: _Optional[int] = ...) -> None: ...

class GetSchemaRequest(_message.Message):
    __slots__ = ("schema_id",)
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    schema_id: str
    def __init__(self, schema_id: _Optional[str] = ...) -> None: ...

class GetSchemaResponse(_message.Message):
    __slots__ = ("schema", "schema_json")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    schema: Schema
    schema_json: str
    def __init__(self, schema: _Optional[_Union[Schema, _Mapping]] = ..., schema_json: _Optional[str] = ...) -> None: ...

class ListAdaptersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAdaptersResponse(_message.Message):
    __slots__ = ("adapters", "base_digest")
    ADAPTERS_FIELD_NUMBER: _ClassVar[int]
    BASE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    adapters: _containers.RepeatedCompositeFieldContainer[Adapter]
    base_digest: str
    def __init__(self, adapters: _Optional[_Iterable[_Union[Adapter, _Mapping]]] = ..., base_digest: _Optional[str] = ...) -> None: ...

class Adapter(_message.Message):
    __slots__ = ("adapter_id", "schema_id", "schema_digest", "adapter_digest", "base_digest", "rank", "lora_alpha", "size_bytes")
    ADAPTER_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BASE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    LORA_ALPHA_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    adapter_id: str
    schema_id: str
    schema_digest: str
    adapter_digest: str
    base_digest: str
    rank: int
    lora_alpha: float
    size_bytes: int
    def __init__(self, adapter_id: _Optional[str] = ..., schema_id: _Optional[str] = ..., schema_digest: _Optional[str] = ..., adapter_digest: _Optional[str] = ..., base_digest: _Optional[str] = ..., rank: _Optional[int] = ..., lora_alpha: _Optional[float] = ..., size_bytes: _Optional[int] = ...) -> None: ...
