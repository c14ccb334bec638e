"""What a caller asks for, checked where it is built.

Owns: `GenerationRequest`, its parts and the `Limits` on them. A request that exists is well formed: every breach of a
limit is found and told at once, with the field's name as `proto/escribano/v1/report.proto` spells it.
Does not know: gRPC, whether a schema or an adapter of that name exists, or how many tokens a text makes.
Run: `GenerationRequest(question="...", schema_id="agent_status")`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from service.errors import FieldViolation, RequestInvalid

BASE_ADAPTER_ID = "base"
"""The `adapter_id` that asks for the base model itself, with the schema in its prompt."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Mode(Enum):
    """How the decoding is constrained."""

    FREE = "free"
    """No mask: whatever the model writes, validated afterwards. For measuring."""
    BACKSTOP = "backstop"
    """The mask plus the validation after decoding."""


class Grounding(Enum):
    """Where values may come from."""

    STRICT = "strict"
    """Text values are spans of the texts, dates and numbers are ones that can be read there."""
    OFF = "off"
    """The schema alone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest request that is served. Sizes are in characters (code points) where not said otherwise."""

    max_question_chars: int = 20_000
    max_context_items: int = 16
    max_context_chars: int = 20_000
    max_id_chars: int = 200
    max_schema_json_bytes: int = 256 * 1024
    max_new_tokens: int = 4_096
    max_temperature: float = 2.0
    max_seed: int = 2**63 - 1


LIMITS = Limits()
"""The limits the public contract promises."""


@dataclass(frozen=True, slots=True)
class ContextItem:
    """A further text the report may draw its facts from."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How to decode: `max_new_tokens` None is the server's default; `temperature` 0 is greedy and ignores `seed`; `require_grounded` fails a report with a value that
    stands nowhere in the texts."""

    mode: Mode = Mode.BACKSTOP
    max_new_tokens: int | None = None
    temperature: float = 0.0
    seed: int = 0
    grounding: Grounding = Grounding.STRICT
    require_grounded: bool = False

    def anew(self, attempt: int, least_temperature: float) -> DecodingOptions:
        """Those of another attempt, which must differ from the first: at least so hot, with a seed of its own."""
        return replace(self, temperature=max(self.temperature, least_temperature), seed=self.seed ^ (attempt << 32))


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One report to write; `adapter_id` None: the server takes the adapter for the schema or, without one, the base.

    Raises:
        RequestInvalid: any field is outside `LIMITS` or malformed; holds every breach, not the first one only.
    """

    question: str
    context: tuple[ContextItem, ...] = ()
    schema_id: str | None = None
    schema_json: str | None = None
    adapter_id: str | None = None
    options: DecodingOptions = field(default_factory=DecodingOptions)

    def __post_init__(self) -> None:
        if violations := tuple(_violations(self)):
            raise RequestInvalid(violations)


def _violations(request: GenerationRequest) -> Iterator[FieldViolation]:
    yield from _question_violations(request.question)
    yield from _context_violations(request.context)
    yield from _schema_violations(request)
    if request.adapter_id is not None:
        yield from _id_violations("adapter_id", request.adapter_id)
    yield from _option_violations(request.options)


def _question_violations(question: str) -> Iterator[FieldViolation]:
    if not question.strip():
        yield FieldViolation("question", "must not be empty or blank")
    if len(question) > LIMITS.max_question_chars:
        yield _too_long("question", len(question), LIMITS.max_question_chars)
    yield from _text_violations("question", question)


def _context_violations(context: tuple[ContextItem, ...]) -> Iterator[FieldViolation]:
    if len(context) > LIMITS.max_context_items:
        yield FieldViolation("context", f"has {len(context)} items; the limit is {LIMITS.max_context_items}")
        return
    num_chars = sum(len(item.text) for item in context)
    if num_chars > LIMITS.max_context_chars:
        yield _too_long("context", num_chars, LIMITS.max_context_chars)
    seen: dict[str, int] = {}
    for index, item in enumerate(context):
        yield from _id_violations(f"context[{index}].id", item.id)
        yield from _text_violations(f"context[{index}].text", item.text)
        if seen.setdefault(item.id, index) != index:
            yield FieldViolation(f"context[{index}].id", f"repeats the id of context[{seen[item.id]}]")


def _schema_violations(request: GenerationRequest) -> Iterator[FieldViolation]:
    if (request.schema_id is None) == (request.schema_json is None):
        yield FieldViolation("schema", "exactly one of schema_id and schema_json must be set")
    if request.schema_id is not None:
        yield from _id_violations("schema_id", request.schema_id)
    if request.schema_json is not None:
        yield from _schema_json_violations(request.schema_json)


def _schema_json_violations(schema_json: str) -> Iterator[FieldViolation]:
    num_bytes = len(schema_json.encode("utf-8", "surrogatepass"))
    if not schema_json.strip():
        yield FieldViolation("schema_json", "must not be empty")
    if num_bytes > LIMITS.max_schema_json_bytes:
        yield FieldViolation("schema_json", f"has {num_bytes} bytes; the limit is {LIMITS.max_schema_json_bytes}")
    yield from _text_violations("schema_json", schema_json)


def _id_violations(name: str, value: str) -> Iterator[FieldViolation]:
    if not value.strip():
        yield FieldViolation(name, "must not be empty")
    if len(value) > LIMITS.max_id_chars:
        yield _too_long(name, len(value), LIMITS.max_id_chars)
    yield from _text_violations(name, value)


def _text_violations(name: str, text: str) -> Iterator[FieldViolation]:
    if "\0" in text:
        yield FieldViolation(name, f"has a NUL character at position {text.index(chr(0))}")
    if match := _LONE_SURROGATE.search(text):
        yield FieldViolation(name, f"has a lone surrogate at position {match.start()}")


def _option_violations(options: DecodingOptions) -> Iterator[FieldViolation]:
    limit = options.max_new_tokens
    if limit is not None and not 1 <= limit <= LIMITS.max_new_tokens:
        yield FieldViolation("options.max_new_tokens", f"is {limit}; must be from 1 to {LIMITS.max_new_tokens}")
    temperature = options.temperature
    if math.isnan(temperature) or not 0.0 <= temperature <= LIMITS.max_temperature:
        yield FieldViolation("options.temperature", f"is {temperature}; must be from 0 to {LIMITS.max_temperature:g}")
    if not 0 <= options.seed <= LIMITS.max_seed:
        yield FieldViolation("options.seed", f"is {options.seed}; must be from 0 to {LIMITS.max_seed}")


def _too_long(name: str, num_chars: int, limit: int) -> FieldViolation:
    return FieldViolation(name, f"has {num_chars} characters; the limit is {limit}")
