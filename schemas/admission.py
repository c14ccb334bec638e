"""Whether a schema may be used, and in what form the mask engine gets it.

Owns the verdict: `admit` gives an AdmittedSchema or raises SchemaRefused with every finding. A keyword is masked
(enforced token by token), checked (enforced after decoding) or refused with a pointer; schemas/keywords.py has the
table. Compiles no grammar: a stranger's mask schema is compiled elsewhere, under a clock and a memory limit.

    >>> admit({"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True}}}).checked
    ('/properties/tags/uniqueItems',)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from schemas.canonical import Json, JsonInvalid, canonical_json, digest, parse_json
from schemas.effort import MAX_EFFORT, effort
from schemas.extent import longest_bytes
from schemas.keywords import DIALECT, Finding, Place, findings
from schemas.masking.mask import mask_of
from schemas.masking.unfolding import MaskTooLarge
from schemas.nodes import Schema, ref_parts, resolve, subschemas
from schemas.violation import parts_of, pointer

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
"""Deepest nesting of subschemas, the root being 0."""
MAX_NODES = 5_000
MAX_LEAST_ITEMS = 10_000
"""Largest product of nested minItems (or prefix lengths): the smallest report must stay writable."""
MAX_MOST_ITEMS = 1_000_000
"""Largest product of nested maxItems."""
MAX_PRODUCTS = 50_000
"""Most places with different products of nested counts."""
MAX_PATH_CHARS = 4_000
"""Longest JSON Pointer to a subschema: each is kept with the names above it."""
MAX_PATTERNS = 300
"""Most different regular expressions; each may take a hundred kilobytes where it is run."""
_META = jsonschema_rs.Draft202012Validator({"$ref": DIALECT}, offline=True)


class SchemaRefused(ValueError):
    """A schema that is not accepted; `findings` (at least one) say where and why."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        assert findings
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class AdmittedSchema:
    """A schema that may be used.

    `schema` is as it came; `digest` is of its canonical text in the order it came; `mask_schema` is what the mask
    engine compiles: it holds every instance of the schema, and more only by the `checked` keywords. `checked` are JSON
    Pointers into the schema: keywords that hold only after decoding. `repeatable` are places that let in properties
    without listing their names (additionalProperties, present or not; patternProperties; a place without demands): the
    mask would let a key occur twice there, which parsing refuses.
    Scalars of `mask_schema` carry `x-grounding`, and `x-format` where the schema names a format. No report's text takes
    more than `longest_bytes`; None where the schema sets no bound.
    """

    schema_id: str | None
    schema: dict[str, Any] = field(repr=False)
    digest: str
    mask_schema: dict[str, Any] = field(repr=False)
    checked: tuple[str, ...]
    repeatable: tuple[str, ...] = ()
    longest_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.schema_id == "":
            raise ValueError("schema_id is empty")


def admit_text(text: str, *, schema_id: str | None = None) -> AdmittedSchema:
    """The admitted schema of a JSON text.

    Raises:
        SchemaRefused: more than MAX_BYTES, not strict JSON, or refused by `admit`.
    """
    try:
        if len(text.encode("utf-8")) > MAX_BYTES:
            raise _refusal("", "", f"the schema is larger than {MAX_BYTES} bytes")
        schema = parse_json(text)
    except (JsonInvalid, UnicodeEncodeError) as error:
        raise _refusal("", "", str(error) if isinstance(error, JsonInvalid) else "a lone surrogate") from None
    return admit(schema, schema_id=schema_id)


def admit(schema: Json, *, schema_id: str | None = None) -> AdmittedSchema:
    """The admitted schema of a JSON value.

    Raises:
        SchemaRefused: not a schema, too large, a refused keyword or form, or no instance can satisfy it.
    """
    _stop_at(_shape(schema))
    _stop_at(_size(schema))
    nodes = {path: node for path, node, _ in _nodes(schema)}
    known = frozenset(nodes)
    _stop_at(found for path, node in nodes.items() if isinstance(node, dict)
             for found in findings(Place(path, node, known)))
    _stop_at(_loops(nodes))
    _stop_at(_effort(nodes))
    _stop_at(_products(schema))
    return _admitted(schema, schema_id)


def _admitted(schema: dict[str, Any], schema_id: str | None) -> AdmittedSchema:
    try:
        mask = mask_of(schema)
    except (MaskTooLarge, RecursionError) as error:
        raise _refusal("", "", "the schema nests or unfolds too far") from error
    if mask.schema is False:
        raise _refusal("", "", "no instance can satisfy this schema")
    return AdmittedSchema(schema_id, schema, digest(schema), mask.schema, mask.checked, mask.repeatable, longest_bytes(mask.schema))


def _refusal(path: str, keyword: str, message: str) -> SchemaRefused:
    return SchemaRefused((Finding(path, keyword, message),))


def _stop_at(found: Iterator[Finding]) -> None:
    refused = tuple(finding for finding, _ in zip(found, range(100), strict=False))
    if refused:
        raise SchemaRefused(refused)


def _shape(schema: Json) -> Iterator[Finding]:
    """Whether the value is a schema at all: an object that can be written as JSON and that the meta-schema takes."""
    if not isinstance(schema, dict):
        yield Finding("", "", "a report schema is a JSON object")
        return
    try:
        text = canonical_json(schema)
    except JsonInvalid as error:
        yield Finding("", "", error.reason)
        return
    size = len(text.encode("utf-8"))
    if "\\u007f" in text or "\x7f" in text:
        yield Finding("", "", "the schema holds the control character DEL, which the mask engine misreads in names")
    if size > MAX_BYTES:
        yield Finding("", "", f"the schema is larger than {MAX_BYTES} bytes")
    elif schema.get("$schema", DIALECT) == DIALECT:
        for broken in _META.iter_errors(schema):
            path = pointer(broken.instance_path)
            yield Finding(path, (parts_of(path) or ("",))[-1], broken.message)
    else:
        yield Finding("/$schema", "$schema", f"the dialect is not {DIALECT}")


def _nodes(schema: Schema) -> Iterator[tuple[str, Schema, int]]:
    """Every schema node with its pointer and depth, in document order."""
    waiting: list[tuple[str, Schema, int]] = [("", schema, 0)]
    while waiting:
        path, node, depth = waiting.pop()
        yield path, node, depth
        waiting.extend((path + pointer(inner), sub, depth + 1) for inner, sub in reversed(list(subschemas(node))))


def _size(schema: Schema) -> Iterator[Finding]:
    patterns: set[str] = set()
    for count, (path, node, depth) in enumerate(_nodes(schema), start=1):
        patterns.update(_patterns(node))
        if len(patterns) > MAX_PATTERNS:
            yield Finding("", "", f"more than {MAX_PATTERNS} different regular expressions")
            return
        if len(path) > MAX_PATH_CHARS:
            yield Finding(path[:MAX_PATH_CHARS], "", f"the names that lead here have more than {MAX_PATH_CHARS} characters together")
            return
        if depth > MAX_DEPTH:
            yield Finding(path, "", f"subschemas nested deeper than {MAX_DEPTH}")
            return
        if count > MAX_NODES:
            yield Finding("", "", f"more than {MAX_NODES} subschemas")
            return


def _patterns(node: Schema) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (text for text in (node.get("pattern"), *node.get("patternProperties", ())) if isinstance(text, str))


_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")


def _loops(nodes: dict[str, Schema]) -> Iterator[Finding]:
    """References that come back to themselves without going down into the instance."""
    steps = {path: list(_steps(path, node)) for path, node in nodes.items()}
    waits = {path: len(targets) for path, targets in steps.items()}
    users: dict[str, list[str]] = {path: [] for path in nodes}
    for path, targets in steps.items():
        for target in targets:
            users[target].append(path)
    free = [path for path, count in waits.items() if count == 0]
    while free:
        for user in users[free.pop()]:
            waits[user] -= 1
            if waits[user] == 0:
                free.append(user)
    circular = [path for path, count in waits.items() if count and "$ref" in nodes[path]]
    if circular:
        yield Finding(circular[0] + "/$ref", "$ref", "the reference leads back to itself")


def _steps(path: str, node: Schema) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield pointer(ref_parts(node["$ref"]))
        yield from (path + pointer(inner) for inner, _ in subschemas(node) if inner[0] in _IN_PLACE)


def _effort(nodes: dict[str, Schema]) -> Iterator[Finding]:
    if effort(nodes, _steps, _IN_PLACE) > MAX_EFFORT:
        yield Finding("", "", f"leads a validator to the same value in more than {MAX_EFFORT} ways")


def _products(schema: Schema) -> Iterator[Finding]:
    """Arrays in arrays whose counts multiply beyond what can be written or masked; recursion counts once."""
    waiting: list[tuple[str, Schema, int, int, frozenset[str]]] = [("", schema, 1, 1, frozenset())]
    seen: set[tuple[str, int, int]] = set()
    while waiting:
        path, node, least, most, trail = waiting.pop()
        if not isinstance(node, dict) or path in trail or (path, least, most) in seen:
            continue
        seen.add((path, least, most))
        if len(seen) > MAX_PRODUCTS:
            yield Finding("", "", f"nested arrays have more than {MAX_PRODUCTS} products of their counts")
            return
        least, most = least * max(1, int(node.get("minItems", 1))), most * max(1, int(node.get("maxItems", 1)))
        if least > MAX_LEAST_ITEMS:
            yield Finding(path + "/minItems", "minItems", f"nested minItems multiply beyond {MAX_LEAST_ITEMS}")
        elif most > MAX_MOST_ITEMS:
            yield Finding(path + "/maxItems", "maxItems", f"nested maxItems multiply beyond {MAX_MOST_ITEMS}")
        else:
            waiting += [(inner, sub, least, most, trail | {path}) for inner, sub in _below(schema, path, node)]


def _below(root: Schema, path: str, node: dict[str, Any]) -> Iterator[tuple[str, Schema]]:
    yield from ((path + pointer(inner), sub) for inner, sub in subschemas(node) if inner[0] != "$defs")
    if "$ref" in node:
        yield pointer(ref_parts(node["$ref"])), resolve(root, node["$ref"])
