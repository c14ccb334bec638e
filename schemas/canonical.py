"""The one canonical JSON text of a value, the strict reader that goes with it, and digests.

Owns spelling: no spaces, UTF-8 unescaped, numbers without exponent, keys in the order given (the caller puts them in
schema order with
`in_schema_order`). Knows no keyword but those that name properties. Equal JSON values (1 and 1.0,
0 and -0.0) have equal canonical texts.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

Json = Any
"""A JSON value as Python holds it: None, bool, int, float, str, list or dict with str keys."""

MAX_NESTING = 128
"""Deepest array/object nesting read or written; reports need under 10."""
MAX_NUMBER_CHARS = 400
"""Longest number read, in characters; a double needs at most 326."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonInvalid(ValueError):
    """A text that is not strict JSON, or a value that JSON cannot hold; `reason` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def canonical_json(value: Json) -> str:
    """The canonical text of a value, its keys in the order given.

    Raises:
        JsonInvalid: NaN, infinity, a lone surrogate, a key that is no string, a type JSON lacks, or nesting too deep.
    """
    return "".join(_written(value, 0))


def _written(value: Json, depth: int) -> Iterator[str]:
    if depth > MAX_NESTING:
        raise JsonInvalid(f"nested deeper than {MAX_NESTING}")
    if isinstance(value, dict):
        yield from _written_members(value, depth)
    elif isinstance(value, (list, tuple)):
        yield "["
        for i, item in enumerate(value):
            yield "," if i else ""
            yield from _written(item, depth + 1)
        yield "]"
    else:
        yield _written_scalar(value)


def _written_members(members: dict[str, Json], depth: int) -> Iterator[str]:
    yield "{"
    for i, (key, item) in enumerate(members.items()):
        if not isinstance(key, str):
            raise JsonInvalid(f"a key is {type(key).__name__}, not a string")
        yield ("," if i else "") + _written_string(key) + ":"
        yield from _written(item, depth + 1)
    yield "}"


def _written_scalar(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _bounded_number(value)
    if isinstance(value, float):
        return _written_float(value)
    if isinstance(value, str):
        return _written_string(value)
    raise JsonInvalid(f"JSON has no {type(value).__name__}")


def _bounded_number(value: int) -> str:
    if value.bit_length() > 1329 or len(str(value)) > MAX_NUMBER_CHARS:  # 10**400 has 1329 bits; longer ones are slow to write
        raise JsonInvalid(f"a number of more than {MAX_NUMBER_CHARS} characters")
    return str(value)


def _written_float(value: float) -> str:
    if not math.isfinite(value):
        raise JsonInvalid(f"JSON has no {value}")
    if value.is_integer():
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def _written_string(value: str) -> str:
    if _SURROGATE.search(value):
        raise JsonInvalid("a string holds a lone surrogate")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_json(text: str) -> Json:
    """The value of a strict RFC 8259 text; integers stay int, numbers with a fraction or exponent become float.

    Raises:
        JsonInvalid: not JSON, NaN or Infinity, a number beyond a double's range, a duplicate key, a lone surrogate,
            or nesting too deep.
    """
    _refuse_deep(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant,
                           parse_int=_read_int, parse_float=_read_float)
    except json.JSONDecodeError as error:
        raise JsonInvalid(f"not JSON at character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise JsonInvalid(f"nested deeper than {MAX_NESTING}") from None
    _refuse_surrogates(value)
    return value


def _refuse_deep(text: str) -> None:
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', text, re.DOTALL):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket.group(), 0)
        if depth > MAX_NESTING:
            raise JsonInvalid(f"nested deeper than {MAX_NESTING}")


def _unique(members: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in members:
        if key in found:
            raise JsonInvalid(f"the key {key!r} occurs twice in one object")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise JsonInvalid(f"JSON has no {name}")


def _read_int(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARS:
        raise JsonInvalid(f"a number of more than {MAX_NUMBER_CHARS} characters")
    return int(digits)


def _read_float(digits: str) -> float:
    value = float(digits) if len(digits) <= MAX_NUMBER_CHARS else math.inf
    if not math.isfinite(value):
        raise JsonInvalid("a number beyond the range of a double")
    return value


def _refuse_surrogates(value: Json) -> None:
    if isinstance(value, str) and _SURROGATE.search(value):
        raise JsonInvalid("a string holds a lone surrogate")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_surrogates(item)


def in_schema_order(value: Json, schema: Any) -> Json:
    """The value with the keys of every object in the order of the schema's properties, unknown keys last."""
    from schemas.ordering import SchemaOrder  # ordering stands on canonical, so it cannot be imported above

    return SchemaOrder(schema).apply(value)


def digest(value: Json | bytes) -> str:
    """'sha256:' + 64 hex digits of bytes as they are, of a str's UTF-8, or of any other value's canonical text."""
    if isinstance(value, str):
        value = value.encode("utf-8")
    elif not isinstance(value, (bytes, bytearray, memoryview)):
        value = canonical_json(value).encode("utf-8")
    return "sha256:" + hashlib.sha256(value).hexdigest()
