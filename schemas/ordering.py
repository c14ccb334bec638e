"""The order of an instance's keys.

Owns the one order in which the mask lets keys through and in which reports are written: the schema's own properties,
then those of what it refers to and of the branch it takes, then names that are only required, then the rest as given.
Knows no mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs

from schemas.canonical import Json
from schemas.masking.rewrite import equality_key, order_only
from schemas.nodes import Schema, mapped, resolve
from schemas.patterns import parse_pattern
from schemas.validation import validator

ROOT_URI = "escribano:root"
_BASIC = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


class SchemaOrder:
    """The order of one schema, ready to be applied to many instances."""

    def __init__(self, schema: Schema) -> None:
        self.root = {key: item for key, item in schema.items() if key not in ("$id", "$schema")} \
            if isinstance(schema, dict) else schema
        self.registry: jsonschema_rs.Registry | None = None
        self.judges: dict[int, Any] = {}

    def apply(self, value: Json) -> Json:
        """The value in order; a value that is not valid is put in order as far as it can be."""
        return self._ordered(value, [self.root])

    def _ordered(self, value: Json, nodes: Sequence[Schema]) -> Json:
        if not isinstance(value, (dict, list)):
            return value
        views = self._views(value, nodes)
        for listed in (item for view in views for item in _listed(view)):
            if equality_key(listed) == equality_key(value):
                return listed
        if isinstance(value, list):
            return [self._ordered(item, list(_items(views, i))) for i, item in enumerate(value)]
        names = dict.fromkeys((*(name for view in views for name in view.get("properties", {})),
                               *(name for view in views for name in view.get("required", ())), *value))
        return {name: self._ordered(value[name], list(_members(views, name))) for name in names if name in value}

    def _views(self, value: Json, nodes: Sequence[Schema]) -> list[dict[str, Any]]:
        """Every node that describes the value, in the order in which the mask puts their properties."""
        views = self._closed(nodes, [])
        pending = [(view, keyword) for view in views for keyword in view]
        while pending:
            view, keyword = pending.pop(0)
            new = self._closed(self._taken(value, view, keyword), views)[len(views):]
            views = views + new
            pending = [(node, inner) for node in new for inner in node] + pending
        return views

    def _closed(self, nodes: Sequence[Schema], seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = list(seen)
        waiting = list(nodes)
        while waiting:
            node = waiting.pop(0)
            if not isinstance(node, dict) or any(node is view for view in found):
                continue
            found.append(node)
            target = [resolve(self.root, node["$ref"])] if "$ref" in node else []
            waiting = target + list(node.get("allOf", ())) + waiting
        return found

    def _taken(self, value: Json, view: dict[str, Any], keyword: str) -> Sequence[Schema]:
        """The nodes of the branch that the value takes at one keyword."""
        if keyword in ("anyOf", "oneOf"):
            likely = [branch for branch in view[keyword] if _of_type(value, branch)]
            return likely if len(likely) == 1 else [branch for branch in likely if self._fits(value, branch)][:1]
        if keyword == "if" and ("then" in view or "else" in view):
            if self._fits(value, view["if"]):
                return [view["if"], view.get("then", True)]
            return [order_only(view["if"]), view.get("else", True)]
        if keyword == "not":
            return [order_only(view["not"])]
        if keyword == "dependentRequired" and isinstance(value, dict):
            return [{"required": needed} for name, needed in view[keyword].items() if name in value]
        if keyword == "dependentSchemas" and isinstance(value, dict):
            return [schema for name, schema in view[keyword].items() if name in value]
        return []

    def _fits(self, value: Json, node: Schema) -> bool:
        if isinstance(node, bool):
            return node
        if id(node) not in self.judges:
            self.registry = self.registry or jsonschema_rs.Registry([(ROOT_URI, self.root)])
            self.judges[id(node)] = validator(absolute(node), registry=self.registry)
        return bool(self.judges[id(node)].is_valid(value))


def absolute(node: Schema) -> Schema:
    """The node with its local references made to lead into the document registered as ROOT_URI."""
    return mapped(node, lambda inner: inner | {"$ref": ROOT_URI + inner["$ref"]} if "$ref" in inner else inner)


def _listed(view: dict[str, Any]) -> Iterator[Json]:
    yield from view.get("enum", ())
    if "const" in view:
        yield view["const"]


def _of_type(value: Json, branch: Schema) -> bool:
    named = branch.get("type") if isinstance(branch, dict) else None
    return named is None or _BASIC[type(value)] in ([named] if isinstance(named, str) else named)


def _members(views: Sequence[dict[str, Any]], name: str) -> Iterator[Schema]:
    for view in views:
        matching = [text for text in view.get("patternProperties", {}) if parse_pattern(text).found_in(name)]
        own = name in view.get("properties", {})
        if own:
            yield view["properties"][name]
        yield from (view["patternProperties"][text] for text in matching)
        if not own and not matching and "additionalProperties" in view:
            yield view["additionalProperties"]


def _items(views: Sequence[dict[str, Any]], i: int) -> Iterator[Schema]:
    for view in views:
        prefix = view.get("prefixItems", [])
        if i < len(prefix):
            yield prefix[i]
        elif "items" in view:
            yield view["items"]
