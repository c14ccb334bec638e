"""One example of every exception that the service tells of, and the shape of most schemas in tests."""

from __future__ import annotations

from typing import Any

from schemas.admission import SchemaRefused
from schemas.catalog import SchemaUnknown
from schemas.keywords import Finding
from schemas.violation import Violation
from service import errors

EXAMPLES: tuple[Exception, ...] = (
    errors.RequestInvalid((errors.FieldViolation("question", "must not be empty or blank"),)),
    SchemaRefused((Finding("/properties/a/$ref", "$ref", "is remote"),)),
    SchemaUnknown("nope", ("agent_status",)),
    errors.AdapterUnknown("nope", ("agent_status",)),
    errors.AdapterMismatch("agent_status", "schema", "sha256:1", "sha256:2"),
    errors.PromptTooLong(5000, 4096),
    errors.ReportInvalid(
        (Violation("uniqueItems", "/policy_checks", "/properties/policy_checks/uniqueItems", "twice"),), 3
    ),
    errors.ReportUngrounded(("/due", "/owner/name")),
    errors.MatcherFailed("token 17 in state 3"),
    errors.DeadlineExceeded(1.5),
    errors.QueueFull(256),
    errors.ShuttingDown(),
)


def closed(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    """An object of these properties and no others, all of them required unless it is said which."""
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required, "additionalProperties": False}
