"""How each leaf of a report must be founded on the supplied text.

Owns the four kinds (`extract`: a verbatim span of the text; `normalize`: read in the text, written in another form;
`classify`: chosen from the schema's own labels; `compose`: free wording), their inference from a schema node where
`x-grounding` is missing, and the list of leaves of an instance. Knows no note and no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, get_args

from schemas.canonical import Json
from schemas.nodes import Schema, dereferenced, resolve
from schemas.patterns import parse_pattern
from schemas.violation import parts_of, pointer

Kind = Literal["extract", "normalize", "classify", "compose"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ANNOTATION = "x-grounding"
Scalar = str | int | float | bool | None


class KindUnknown(ValueError):
    """An `x-grounding` that is none of the four kinds."""

    def __init__(self, kind: object) -> None:
        super().__init__(f"{ANNOTATION} is {kind!r}, not one of {', '.join(KINDS)}")
        self.kind = kind


def grounding(node: Schema, root: Schema | None = None) -> Kind:
    """The kind of a leaf's schema node: its annotation, or inferred; `root` is needed where it holds `$ref`s.

    A node of alternatives takes the annotation or inference of its first alternative that is not null.

    Raises:
        KindUnknown: an `x-grounding` of another name.
    """
    return grounding_of(list(_views(root, node)))


def grounding_of(views: Sequence[dict[str, Json]]) -> Kind:
    """The kind of a leaf that several nodes describe together: their first annotation, or inferred."""
    told = [kind for view in views if (kind := _told(view)) is not None]
    return told[0] if told else next((_inferred(view) for view in views if _asserts(view)), "extract")


def _told(node: dict[str, Json]) -> Kind | None:
    if ANNOTATION not in node:
        return None
    for kind in KINDS:
        if node[ANNOTATION] == kind:
            return kind
    raise KindUnknown(node[ANNOTATION])


def _asserts(node: dict[str, Json]) -> bool:
    return node.get("type") != "null" and any(key in node for key in ("type", "enum", "const", "pattern", "format"))


def _inferred(node: dict[str, Json]) -> Kind:
    if "enum" in node or "const" in node or _types(node) == {"boolean"}:
        return "classify"
    if "pattern" in node or "format" in node or _types(node) & {"integer", "number"}:
        return "normalize"
    return "extract"


def _types(node: dict[str, Json]) -> set[str]:
    named = node.get("type", [])
    return ({named} if isinstance(named, str) else set(named)) - {"null"}


def _views(root: Schema | None, node: Schema, seen: set[int] | None = None) -> Iterator[dict[str, Json]]:
    """The node, then every node that also describes the same value, each once: through $ref, allOf, anyOf, oneOf, then, else, dependentSchemas."""
    seen = set() if seen is None else seen
    if not isinstance(node, dict) or id(node) in seen:
        return
    yield node
    seen.add(id(node))
    if "$ref" in node and root is not None:
        yield from _views(root, resolve(root, node["$ref"]), seen)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in node.get(keyword, ()):
            yield from _views(root, branch, seen)
    for branch in (node.get("then"), node.get("else"), *node.get("dependentSchemas", {}).values()):
        yield from _views(root, branch, seen)


_NAMING = frozenset(("properties", "patternProperties", "additionalProperties"))


def leaves(instance: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Scalar]]:
    """Each scalar (string, number, boolean or null) of an instance with its JSON Pointer, in document order."""
    if isinstance(instance, dict):
        for key, value in instance.items():
            yield from leaves(value, (*path, key))
    elif isinstance(instance, list):
        for i, value in enumerate(instance):
            yield from leaves(value, (*path, i))
    else:
        yield pointer(path), instance


class Kinds:
    """The kinds of the leaves of one schema's instances: what describes a place, and all items of a list alike, is found once."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._places: dict[tuple[int, ...], _Place] = {}
        self._root = self._place([schema])

    def at(self, path: str) -> Kind:
        """The kind of the leaf at a JSON Pointer of an instance; a leaf that no subschema describes is `extract`.

        Raises:
            ValueError: the path is not a JSON Pointer.
        """
        place = self._root
        for part in parts_of(path):
            key = place.key(part)
            if key not in place.below:
                place.below[key] = self._place([sub for view in place.views for sub in _step(view, part)])
            place = place.below[key]
        return place.kind

    def _place(self, nodes: list[Schema]) -> _Place:
        known = {id(node): node for node in nodes}
        key = tuple(known)
        if key not in self._places:
            self._places[key] = _Place(self._schema, list(known.values()))
        return self._places[key]


class _Place:
    """What describes one place of an instance. ``below``: the places of its members and items that were asked for."""

    def __init__(self, schema: Schema, nodes: list[Schema]) -> None:
        seen: set[int] = set()
        self.views = [view for node in nodes for view in _views(schema, node, seen)]
        self.below: dict[str, _Place] = {}
        self._first_alike = None if any(view.keys() & _NAMING for view in self.views) else max((len(view.get("prefixItems", ())) for view in self.views), default=0)
        self._schema, self._nodes = schema, nodes

    @cached_property
    def kind(self) -> Kind:
        """Of a leaf that stands here; nobody asks it of an object or a list."""
        told = [kind for view in self.views if (kind := _told(view))]
        inferred = (grounding(node, self._schema) for node in self._nodes if isinstance(dereferenced(self._schema, node), dict))
        return told[0] if told else next(inferred, "extract")

    def key(self, part: str) -> str:
        """The same for parts below which the same is said: the items of a list beyond those that have a schema each."""
        return "*" if self._first_alike is not None and part.isascii() and part.isdigit() and int(part) >= self._first_alike else part


def _step(node: dict[str, Json], part: str) -> Iterator[Schema]:
    named = [node["properties"][part]] if part in node.get("properties", {}) else []
    named += [schema for text, schema in node.get("patternProperties", {}).items() if parse_pattern(text).found_in(part)]
    if not named and isinstance(node.get("additionalProperties"), dict):
        named = [node["additionalProperties"]]
    yield from named
    if part.isascii() and part.isdigit():
        prefix = node.get("prefixItems", [])
        if int(part) < len(prefix):
            yield prefix[int(part)]
        elif isinstance(node.get("items"), dict):
            yield node["items"]
