"""Keywords turned into alternatives that a mask can follow.

Owns the logic of `anyOf`, `oneOf`, `if`/`then`/`else`, `not`, `dependentRequired` and `dependentSchemas`: each becomes
a list of branches, of which an instance must satisfy at least one. `exact` says whether the branches hold exactly the
instances the keyword holds; otherwise they hold more, and the keyword must be checked after decoding.
Knows no mask engine. `negated` is where `if` and `not` over an enum, a const, a type or presence become branches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.canonical import Json, canonical_json
from schemas.nodes import Schema
from schemas.violation import pointer

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
ANNOTATIONS = frozenset({
    "$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly",
    "writeOnly", "contentEncoding", "contentMediaType", "contentSchema"})


@dataclass(frozen=True, slots=True)
class Node:
    """A subschema with the pointer of the keyword it stands for; `made` marks one that is not in the document."""

    pointer: str
    schema: Schema
    made: bool = False

    @property
    def key(self) -> str:
        """What tells this node from every other: its pointer, and its text when it was made."""
        return self.pointer + (" " + json.dumps(self.schema, sort_keys=True) if self.made else "")

    def child(self, *path: str | int) -> Node:
        schema = self.schema
        for part in path:
            schema = schema[part]
        return Node(self.pointer + pointer(path), schema, self.made)

    def make(self, keyword: str, schema: Schema) -> Node:
        return Node(self.pointer + pointer([keyword]), schema, made=True)


def having(nodes: Sequence[Node], keyword: str) -> list[tuple[Node, Any]]:
    """The nodes that have a keyword, each with its value."""
    return [(node, node.schema[keyword]) for node in nodes if keyword in node.schema]


Branch = tuple[Node, ...]
"""Nodes that must all hold."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One keyword as alternatives; with no branch at all, no instance is valid."""

    keyword: str
    branches: tuple[Branch, ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Domain:
    """What else is known of a value: the finite list of values it may take (None: not finite), and of its members."""

    values: Callable[[tuple[str, ...]], Sequence[Json] | None]
    path: tuple[str, ...] = ()

    def known(self) -> Sequence[Json] | None:
        return self.values(self.path)

    def member(self, name: str) -> Domain:
        return Domain(self.values, (*self.path, name))


def same(one: Json, other: Json) -> bool:
    """JSON Schema equality: 1 equals 1.0, true does not equal 1, the order of keys does not matter."""
    return equality_key(one) == equality_key(other)


def equality_key(value: Json) -> str:
    """A text that two JSON values share exactly if they are equal."""
    return canonical_json(_sorted(value))


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def choices(node: Node, domain: Domain, disjoint: Callable[[Sequence[Node]], bool]) -> Iterator[Choice]:
    """Every choice among a node's own keywords, in the order of the node.

    `disjoint` tells whether no instance can satisfy two of the given nodes; it may answer False when unsure.
    """
    if not isinstance(node.schema, dict):
        return
    for keyword in node.schema:
        if keyword in ("anyOf", "oneOf"):
            branches = [node.child(keyword, i) for i in range(len(node.schema[keyword]))]
            exact = keyword == "anyOf" or disjoint(branches)
            yield Choice(keyword, tuple((branch,) for branch in branches), exact)
        elif keyword == "if":
            yield from _conditional(node, domain)
        elif keyword == "not":
            yield from _negation(node, domain)
        elif keyword == "dependentRequired":
            yield from (_dependent(node, keyword, name, node.make(keyword, {"required": list(needed)}))
                        for name, needed in node.schema[keyword].items() if needed)
        elif keyword == "dependentSchemas":
            yield from (_dependent(node, keyword, name, node.child(keyword, name)) for name in node.schema[keyword])


def _conditional(node: Node, domain: Domain) -> Iterator[Choice]:
    if "then" not in node.schema and "else" not in node.schema:
        return
    condition = node.child("if")
    then = (node.child("then"),) if "then" in node.schema else ()
    otherwise = (node.child("else"),) if "else" in node.schema else ()
    order = _order(node, "if")
    opposite = negated(condition.schema, domain)
    if opposite is None:
        yield Choice("if", ((condition, *then), (*order, *otherwise)), exact=False)
    else:
        refusals = tuple((*order, node.make("if", schema), *otherwise) for schema in opposite)
        yield Choice("if", ((condition, *then), *refusals), exact=True)


def _negation(node: Node, domain: Domain) -> Iterator[Choice]:
    order = _order(node, "not")
    opposite = negated(node.schema["not"], domain)
    if opposite is None:
        yield Choice("not", (order,), exact=False)
    else:
        yield Choice("not", tuple((*order, node.make("not", schema)) for schema in opposite), exact=True)


def _order(node: Node, keyword: str) -> Branch:
    """A node that demands nothing but names, in order, the properties of a subschema that must not hold."""
    named = order_only(node.schema[keyword])
    return (node.make(keyword, named),) if "properties" in named else ()


def order_only(schema: Schema) -> dict[str, Any]:
    """The property names of a schema, and of those within, with nothing demanded of them."""
    if not isinstance(schema, dict):
        return {}
    inner = order_only(schema.get("not", True)).get("properties", {})
    named = inner | {name: order_only(sub) for name, sub in schema.get("properties", {}).items()}
    return {"properties": named} if named else {}


def _dependent(node: Node, keyword: str, name: str, needed: Node) -> Choice:
    absent = node.make(keyword, {"properties": {name: False}})
    return Choice(keyword, ((absent,), (needed,)), exact=True)


def negated(schema: Schema, domain: Domain) -> list[Schema] | None:
    """Schemas of which at least one holds exactly when the given one does not (within the domain); None if unknown."""
    if isinstance(schema, bool):
        return [] if schema else [True]
    found: list[Schema] = []
    for keyword, value in schema.items():
        if keyword in ANNOTATIONS or keyword.startswith("x-"):
            continue
        part = _NEGATIONS[keyword](value, domain) if keyword in _NEGATIONS else None
        if part is None:
            return None
        found.extend(part)
    return found


def _not_type(value: Any, domain: Domain) -> list[Schema] | None:
    named = {value} if isinstance(value, str) else set(value)
    if "integer" in named and "number" not in named:
        return None
    rest = [name for name in TYPES if name not in named and not (name == "integer" and "number" in named)]
    rest = [name for name in rest if not (name == "integer" and "number" in rest)]
    return [{"type": rest}] if rest else []


def _not_enum(values: Any, domain: Domain) -> list[Schema] | None:
    known = domain.known()
    if known is None:
        return None
    refused = {equality_key(value) for value in values}
    rest = [value for value in known if equality_key(value) not in refused]
    return [{"enum": rest}] if rest else []


def _not_required(names: Any, domain: Domain) -> list[Schema] | None:
    return [{"type": "object", "properties": {name: False}} for name in names]


def _not_properties(properties: Any, domain: Domain) -> list[Schema] | None:
    found: list[Schema] = []
    for name, schema in properties.items():
        opposite = negated(schema, domain.member(name))
        if opposite is None:
            return None
        found += [{"type": "object", "required": [name], "properties": {name: item}} for item in opposite]
    return found


_NEGATIONS: dict[str, Callable[[Any, Domain], list[Schema] | None]] = {
    "type": _not_type,
    "enum": _not_enum,
    "const": lambda value, domain: _not_enum([value], domain),
    "required": _not_required,
    "properties": _not_properties,
    "not": lambda value, domain: [value] if not _has_ref(value) else None,
}


def _has_ref(schema: Schema) -> bool:
    return (isinstance(schema, dict) and ("$ref" in schema or any(map(_has_ref, schema.values())))) \
        or (isinstance(schema, list) and any(map(_has_ref, schema)))
