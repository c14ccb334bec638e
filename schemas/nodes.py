"""Walking a JSON Schema: where its subschemas are, and where a local `$ref` leads.

Owns the list of 2020-12 keywords that hold subschemas and the resolution of `#/...` references. Knows no instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from schemas.violation import parts_of

Schema = Any
"""A schema node: a dict or a bool."""

ONE = ("additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames",
       "unevaluatedItems", "unevaluatedProperties", "contentSchema")
MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")


class RefUnresolved(ValueError):
    """A `$ref` that leads nowhere in its own document, round in a circle, or out of it."""

    def __init__(self, ref: str, reason: str) -> None:
        super().__init__(f"{ref}: {reason}")
        self.ref = ref
        self.reason = reason


def subschemas(node: Schema) -> Iterator[tuple[tuple[str | int, ...], Schema]]:
    """Each direct subschema with its path from the node, in the order of the node's keywords."""
    if not isinstance(node, dict):
        return
    for keyword, value in node.items():
        if keyword in ONE:
            yield (keyword,), value
        elif keyword in MANY:
            yield from (((keyword, i), item) for i, item in enumerate(value))
        elif keyword in NAMED:
            yield from (((keyword, name), item) for name, item in value.items())


def resolve(root: Schema, ref: str) -> Schema:
    """The node that a local `$ref` ('#' or '#/...') points to.

    Raises:
        RefUnresolved: the reference is not local, or points at nothing or at no schema.
    """
    node = root
    for part in ref_parts(ref):
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isascii() and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            raise RefUnresolved(ref, "points at nothing")
    if not isinstance(node, (dict, bool)):
        raise RefUnresolved(ref, "points at no schema")
    return node


def ref_parts(ref: str) -> tuple[str, ...]:
    """The path that a local `$ref` names.

    Raises:
        RefUnresolved: the reference is not '#' or '#/...'.
    """
    if ref != "#" and not ref.startswith("#/"):
        raise RefUnresolved(ref, "is not a reference within the document (#/...)")
    return parts_of(unquote(ref[1:]))


def dereferenced(root: Schema, node: Schema, followed: Callable[[str], object] = lambda ref: None) -> Schema:
    """The node at the end of a chain of `$ref`s; what stands beside one is passed by. `followed` is told each.

    Raises:
        RefUnresolved: as `resolve`, or the chain is a circle.
    """
    seen: set[str] = set()
    while isinstance(node, dict) and "$ref" in node:
        if node["$ref"] in seen:
            raise RefUnresolved(node["$ref"], "refers to itself")
        seen.add(node["$ref"])
        followed(node["$ref"])
        node = resolve(root, node["$ref"])
    return node


def mapped(node: Schema, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Schema:
    """The schema with `change` applied to every node, the innermost first."""
    if not isinstance(node, dict):
        return node
    found = dict(node)
    for keyword, value in node.items():
        if keyword in ONE:
            found[keyword] = mapped(value, change)
        elif keyword in MANY:
            found[keyword] = [mapped(item, change) for item in value]
        elif keyword in NAMED:
            found[keyword] = {name: mapped(item, change) for name, item in value.items()}
    return change(found)
