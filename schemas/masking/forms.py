"""A value of one type, with every keyword that several nodes together put on it.

Owns the meeting of keywords per type: bounds are intersected, properties of all nodes lined up in order, patterns
collected. What the mask engine cannot enforce is reported as checked. Knows no alternatives (schemas/masking/mask.py does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.canonical import Json
from schemas.formats import FORMATS
from schemas.masking.ranges import Report, number_keywords
from schemas.masking.rewrite import Branch, Node, having
from schemas.patterns import parse_pattern


@dataclass(frozen=True, slots=True)
class Form:
    """Values of one JSON type. `plain` are keywords for the mask as they stand; the rest hold nodes to be masked."""

    type: str
    plain: Mapping[str, Json] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    properties: Mapping[str, Branch] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    pattern_properties: Mapping[str, Branch] = field(default_factory=dict)
    additional: Branch | None = None
    prefix: tuple[Branch, ...] = ()
    items: Branch | None = None
    notes: Mapping[str, Json] = field(default_factory=dict)

    def inner(self) -> Iterator[Branch]:
        yield from self.properties.values()
        yield from self.pattern_properties.values()
        yield from self.prefix
        yield from (branch for branch in (self.additional, self.items) if branch is not None)

    def open_keywords(self) -> Iterator[str]:
        """The keywords by which names come in that `properties` does not list; there a key may occur twice."""
        if self.pattern_properties:
            yield "patternProperties"
        if self.additional is not None and not any(node.schema is False for node in self.additional):
            yield "additionalProperties"

    def needed(self) -> Iterator[Branch]:
        """What must be satisfiable for a value of this form to exist."""
        yield from (self.properties[name] for name in self.required)
        least: Any = self.plain.get("minItems", 0)
        yield from self.prefix[:least]
        if self.items is not None and least > len(self.prefix):
            yield self.items
        if self.additional is not None and self.plain.get("minProperties", 0) > len(self.required):
            yield from () if self.pattern_properties else (self.additional,)


def types_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The types that every node allows, 'integer' only where 'number' is not allowed."""
    allowed = {"null", "boolean", "number", "string", "array", "object"}
    for node in nodes:
        named = node.schema.get("type")
        if named is not None:
            names = {named} if isinstance(named, str) else set(named)
            allowed = _met(allowed, names)
    return tuple(sorted(allowed))


def _met(one: set[str], other: set[str]) -> set[str]:
    both = one & other
    if "number" not in both and (("integer" in one and "number" in other) or ("number" in one and "integer" in other)):
        both = both | {"integer"}
    return both - ({"integer"} if "number" in both else set())


def form_of(kind: str, nodes: Sequence[Node], report: Report) -> Form | None:
    """The values of one type that satisfy the nodes' own keywords; None where their bounds leave none."""
    if kind in ("integer", "number"):
        bounds = number_keywords(kind, nodes, report)
        return None if bounds is None else Form(kind, bounds)
    if kind == "string":
        return _string(nodes, report)
    if kind == "array":
        return _array(nodes, report)
    return _object(nodes, report) if kind == "object" else Form(kind)


def _strictest(nodes: Sequence[Node], least: str, most: str) -> dict[str, int] | None:
    """The meeting of a pair of count keywords, or None where no count meets both."""
    low = max([int(value) for _, value in having(nodes, least)], default=0)
    high = min([int(value) for _, value in having(nodes, most)], default=None)
    if high is not None and low > high:
        return None
    return ({least: low} if low else {}) | ({most: high} if high is not None else {})


# -- strings ---------------------------------------------------------------------------------------------------------


def _string(nodes: Sequence[Node], report: Report) -> Form | None:
    lengths = _strictest(nodes, "minLength", "maxLength")
    patterns = tuple(dict.fromkeys((*_patterns(nodes, report), *_formats(nodes, report))))
    return None if lengths is None else Form("string", lengths, patterns=patterns)


def _patterns(nodes: Sequence[Node], report: Report) -> Iterator[str]:
    for node, text in having(nodes, "pattern"):
        pattern = parse_pattern(text)
        if pattern.maskable:
            yield pattern.mask
        else:
            report(node.pointer + "/pattern")


def _formats(nodes: Sequence[Node], report: Report) -> Iterator[str]:
    for node, name in having(nodes, "format"):
        known = FORMATS[name]
        if known.pattern is not None:
            yield known.pattern
        if not known.exact:
            report(node.pointer + "/format")


# -- arrays ----------------------------------------------------------------------------------------------------------


def _array(nodes: Sequence[Node], report: Report) -> Form | None:
    counts = _strictest(nodes, "minItems", "maxItems")
    if counts is None:
        return None
    if counts.get("maxItems", 2) > 1:
        for node, unique in having(nodes, "uniqueItems"):
            report(node.pointer + "/uniqueItems") if unique else None
    for keyword in ("contains", "unevaluatedItems"):
        for node, _ in having(nodes, keyword):
            report(node.pointer + "/" + keyword)
    length = max([len(value) for _, value in having(nodes, "prefixItems")], default=0)
    prefix = tuple(tuple(_item(node, i) for node in nodes) for i in range(length))
    return Form("array", counts, prefix=prefix, items=tuple(_item(node, length) for node in nodes))


def _item(node: Node, i: int) -> Node:
    if i < len(node.schema.get("prefixItems", ())):
        return node.child("prefixItems", i)
    return node.child("items") if "items" in node.schema else node.make("items", True)


# -- objects ---------------------------------------------------------------------------------------------------------


def _object(nodes: Sequence[Node], report: Report) -> Form | None:
    counts = _strictest(nodes, "minProperties", "maxProperties")
    if counts is None:
        return None
    for keyword in ("propertyNames", "unevaluatedProperties"):
        for node, _ in having(nodes, keyword):
            report(node.pointer + "/" + keyword)
    required = tuple(dict.fromkeys(name for _, names in having(nodes, "required") for name in names))
    declared = (name for _, properties in having(nodes, "properties") for name in properties)
    names = tuple(dict.fromkeys((*declared, *required)))
    patterned = _pattern_properties(nodes, names, report)
    if counts and (set(names) != set(required) or len(required) > counts.get("maxProperties", len(required))):
        if len(required) > counts.get("maxProperties", len(required)):
            return None
        for keyword in counts:
            for node, _ in having(nodes, keyword):
                report(node.pointer + "/" + keyword)
        counts = {}
    return Form("object", counts, properties={name: _member(nodes, name) for name in names}, required=required,
                pattern_properties=patterned or {}, additional=_additional(nodes, patterned is None))


def _member(nodes: Sequence[Node], name: str) -> Branch:
    return tuple(found for node in nodes for found in _members_of(node, name))


def _members_of(node: Node, name: str) -> Iterator[Node]:
    own = name in node.schema.get("properties", {})
    matching = [text for text in node.schema.get("patternProperties", {}) if parse_pattern(text).found_in(name)]
    if own:
        yield node.child("properties", name)
    yield from (node.child("patternProperties", text) for text in matching)
    if not own and not matching:
        yield node.child("additionalProperties") if "additionalProperties" in node.schema \
            else node.make("additionalProperties", True)


def _pattern_properties(nodes: Sequence[Node], names: Sequence[str], report: Report) -> dict[str, Branch] | None:
    """The one `patternProperties` the mask engine can follow with each name it cannot mistake; None: dropped."""
    holders = [(node, value) for node, value in having(nodes, "patternProperties") if value]
    if not holders:
        return {}
    holder, patterns = holders[0]
    parsed = [parse_pattern(text) for text in patterns]
    named = any(parsed[0].found_in(name) for name in names)  # the mask engine would merge the two, at times for ever
    if len(holders) > 1 or len(parsed) > 1 or not parsed[0].maskable or named:
        for node, _ in holders:
            report(node.pointer + "/patternProperties")
        return None
    (text,) = patterns
    others = (_additional_of(node) for node in nodes if node is not holder)
    return {parsed[0].mask: (holder.child("patternProperties", text), *others)}


def _additional_of(node: Node) -> Node:
    return node.child("additionalProperties") if "additionalProperties" in node.schema \
        else node.make("additionalProperties", True)


def _additional(nodes: Sequence[Node], unmasked_patterns: bool) -> Branch:
    if not unmasked_patterns:
        return tuple(_additional_of(node) for node in nodes)
    # names that match a dropped pattern are not bound by their own node's additionalProperties
    return tuple(_additional_of(node) if "patternProperties" not in node.schema
                 else node.make("additionalProperties", True) for node in nodes)
