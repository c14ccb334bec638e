"""The verdict on a report: is this text strict JSON, and is its value valid under the schema?

Owns two independent judges with one interface: `ReportValidator` (jsonschema-rs: fast, used for serving) and
`SecondJudge` (jsonschema: slow, used for curation and tests). Neither fetches anything. Knows no mask and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any, Protocol

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import jsonschema_rs
import referencing

from schemas.canonical import Json, JsonInvalid, parse_json
from schemas.formats import CHECKS
from schemas.nodes import Schema, mapped
from schemas.patterns import LINEAR, PatternRefused, parse_pattern
from schemas.violation import Violation, pointer

MAX_VIOLATIONS = 100
"""The most violations reported for one instance; an invalid instance always reports at least one."""


@dataclass(frozen=True, slots=True)
class CheckedText:
    """A text with its value (None unless it parsed) and everything wrong with it."""

    value: Json
    violations: tuple[Violation, ...]

    @property
    def valid(self) -> bool:
        return not self.violations


class Judge(Protocol):
    """What both judges can do."""

    def violations(self, value: Json) -> tuple[Violation, ...]: ...

    def check(self, text: str) -> CheckedText: ...


def _checked(judge: Judge, text: str) -> CheckedText:
    try:
        value = parse_json(text)
    except JsonInvalid as error:
        return CheckedText(None, (Violation("json", "", "", error.reason),))
    return CheckedText(value, judge.violations(value))


def validator(schema: Schema, registry: jsonschema_rs.Registry | None = None) -> jsonschema_rs.Draft202012Validator:
    """jsonschema-rs with formats on, nothing fetched, regular expressions in linear time and bounded memory.

    Its multipleOf is right for decimals such as 0.01, which tests/unit/test_validation.py holds it to.
    """
    return jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, offline=True, registry=registry,
        pattern_options=LINEAR,
        email_options=jsonschema_rs.EmailOptions(allow_display_text=False))


class ReportValidator:
    """The judge that serves, on jsonschema-rs."""

    def __init__(self, schema: Schema) -> None:
        self._judge = validator(schema)

    def violations(self, value: Json) -> tuple[Violation, ...]:
        """Everything wrong with a value, at most MAX_VIOLATIONS, in the order of the schema's keywords."""
        return tuple(map(_from_rust, islice(self._judge.iter_errors(value), MAX_VIOLATIONS)))

    def check(self, text: str) -> CheckedText:
        """The value of a text and everything wrong with it; a text that is not strict JSON breaks keyword 'json'."""
        return _checked(self, text)


def _from_rust(error: jsonschema_rs.ValidationError) -> Violation:
    keyword = str(error.schema_path[-1]) if error.kind.name == "falseSchema" and error.schema_path else error.kind.name
    return Violation(keyword, pointer(error.instance_path), pointer(error.schema_path), error.message)


class SecondJudge:
    """The judge that shares no engine with the first, on jsonschema; for curation and tests only.

    Regular expressions run in Python's `re`, which can take exponential time: give it schemas you trust.
    """

    def __init__(self, schema: Schema) -> None:
        self._judge = _Draft202012(_in_python(schema), registry=referencing.Registry(), format_checker=_formats())

    def violations(self, value: Json) -> tuple[Violation, ...]:
        """Everything wrong with a value, at most MAX_VIOLATIONS."""
        return tuple(map(_from_python, islice(self._judge.iter_errors(value), MAX_VIOLATIONS)))

    def check(self, text: str) -> CheckedText:
        """As `ReportValidator.check`."""
        return _checked(self, text)


def _from_python(error: Any) -> Violation:
    keyword = error.validator if error.validator is not None else "false"
    return Violation(keyword, pointer(error.absolute_path), pointer(error.absolute_schema_path), error.message)


def is_multiple(value: int | float, divisor: int | float) -> bool:
    """Whether a number is an exact multiple of another, both taken as the decimals they are written as."""
    return (Fraction(repr(value)) / Fraction(repr(divisor))).denominator == 1


def _multiple_of(judge: Any, divisor: float, instance: Json, schema: Schema) -> Iterator[Any]:
    if judge.is_type(instance, "number") and not is_multiple(instance, divisor):
        yield jsonschema.ValidationError(f"{instance!r} is not a multiple of {divisor}")


_extend: Any = jsonschema.validators.extend
_Draft202012 = _extend(jsonschema.Draft202012Validator, {"multipleOf": _multiple_of})


def _formats() -> Any:
    checker = jsonschema.FormatChecker(formats=())
    for name, check in CHECKS.items():
        checker.checks(name)(lambda value, check=check: not isinstance(value, str) or check(value))
    return checker


def _in_python(schema: Schema) -> Schema:
    """The schema with its regular expressions respelled for Python's `re`; those outside the dialect stay."""
    return mapped(schema, _respelled)


def _respelled(node: dict[str, Any]) -> dict[str, Any]:
    found = dict(node)
    if isinstance(node.get("pattern"), str):
        found["pattern"] = _python_pattern(node["pattern"])
    if "patternProperties" in node:
        found["patternProperties"] = {_python_pattern(text): sub for text, sub in node["patternProperties"].items()}
    return found


def _python_pattern(text: str) -> str:
    try:
        return parse_pattern(text).python
    except PatternRefused:
        return text


def agreed(judges: Iterable[Judge], value: Json) -> bool:
    """Whether every judge finds nothing wrong with a value."""
    return all(not judge.violations(value) for judge in judges)
