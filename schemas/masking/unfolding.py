"""A schema unfolded into places, each a list of alternatives of one type.

Owns the walk from the root through $ref, allOf and every choice; what cannot be kept exactly is noted as checked, and
places where a key might occur twice as repeatable. Knows not how a mask schema is written (schemas/masking/mask.py does).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import jsonschema_rs

from schemas.canonical import Json
from schemas.grounding import ANNOTATION, grounding_of
from schemas.keywords import MAX_VALUES
from schemas.masking.forms import Form, form_of, types_of
from schemas.masking.rewrite import ANNOTATIONS, Branch, Choice, Domain, Node, choices, equality_key
from schemas.nodes import Schema, ref_parts, resolve
from schemas.ordering import ROOT_URI, absolute
from schemas.validation import validator
from schemas.violation import pointer

MAX_ALTERNATIVES = 64
"""The most alternatives one place may unfold into; a keyword that would exceed it is checked instead."""
MAX_PLACES = 5_000
MAX_STEPS = 1_000_000
"""The most nodes, names and values that are gone through to find all places."""


class MaskTooLarge(ValueError):
    """The schema unfolds into too many places, or takes too many steps."""


@dataclass(frozen=True, slots=True)
class Place:
    """The alternatives of one place: values listed outright, or forms by type."""

    values: tuple[Json, ...] | None
    forms: tuple[Form, ...] = ()
    notes: dict[str, Json] = field(default_factory=dict)


def key_of(branch: Branch) -> tuple[str, ...]:
    """What tells a conjunction of nodes from every other; every conjunction without demands is the same."""
    return tuple(dict.fromkeys(node.key for node in branch if not demands_nothing(node.schema)))


def demands_nothing(schema: Schema) -> bool:
    return schema is True or (isinstance(schema, dict) and all(
        keyword in ANNOTATIONS or keyword.startswith("x-") for keyword in schema))


class Unfolding:
    """Every place reachable from the root, by key, with what is checked on the way."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.root = {key: value for key, value in schema.items() if key not in ("$id", "$schema")}
        self.registry = jsonschema_rs.Registry([(ROOT_URI, self.root)])
        self.places: dict[tuple[str, ...], Place] = {}
        self._finite: dict[tuple[str, int], Sequence[Json] | None] = {}
        self._judges: dict[str, Any] = {}
        self._disjoint: dict[tuple[str, ...], bool] = {}
        self.steps = 0
        self.uses: dict[tuple[str, ...], int] = {}
        self.checked: dict[str, None] = {}
        self.repeatable: dict[str, None] = {}

    def report(self, path: str) -> None:
        self.checked.setdefault(path)

    def took(self, steps: int) -> None:
        """Raises: MaskTooLarge when there have been too many."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise MaskTooLarge(f"the schema takes more than {MAX_STEPS} steps to unfold")

    def explore(self, start: Branch) -> None:
        waiting = [start]
        while waiting:
            branch = waiting.pop()
            key = key_of(branch)
            self.uses[key] = self.uses.get(key, 0) + 1
            if not key and branch:
                self.repeatable.setdefault(branch[0].pointer)
            if key in self.places:
                continue
            if len(self.places) >= MAX_PLACES:
                raise MaskTooLarge(f"the schema unfolds into more than {MAX_PLACES} places")
            self.places[key] = place = self.place(branch)
            waiting.extend(reversed([inner for form in place.forms for inner in form.inner()]))

    def place(self, branch: Branch) -> Place:
        nodes = self.closed(branch)
        if nodes is None:
            return Place(())
        if any("enum" in node.schema or "const" in node.schema for node in nodes):
            return Place(tuple(self.listed(nodes)), notes={ANNOTATION: grounding_of([node.schema for node in nodes])})
        forms = [form for option in self.options(nodes) for form in option]
        return Place(None, tuple({repr(form): form for form in forms}.values()))

    def closed(self, branch: Sequence[Node], seen: Sequence[Node] = ()) -> list[Node] | None:
        """The nodes with all that hold with them through $ref and allOf; None where one is false."""
        found = {node.key: node for node in seen}
        waiting = list(branch)
        while waiting:
            node = waiting.pop(0)
            if node.schema is False:
                return None
            if node.key in found or node.schema is True:
                continue
            found[node.key] = node
            self.took(1)
            more = [self.target(node)] if "$ref" in node.schema else []
            more += [node.child("allOf", i) for i in range(len(node.schema.get("allOf", ())))]
            waiting = more + waiting
        return list(found.values())

    def target(self, node: Node) -> Node:
        return Node(pointer(ref_parts(node.schema["$ref"])), resolve(self.root, node.schema["$ref"]))

    def listed(self, nodes: Sequence[Node]) -> Iterator[Json]:
        """The values of the first enum or const that every node takes in full, checked keywords included."""
        first = next(node.schema for node in nodes if "enum" in node.schema or "const" in node.schema)
        values = first["enum"] if "enum" in first else [first["const"]]
        judges = [self.judge(node) for node in nodes]
        unique = {equality_key(value): value for value in reversed(values)}  # the first of equal ones
        kept = dict.fromkeys(map(equality_key, values))
        self.took(len(kept) * len(judges))
        return (unique[key] for key in kept if all(judge.is_valid(unique[key]) for judge in judges))

    def judge(self, node: Node) -> Any:
        if node.key not in self._judges:
            self._judges[node.key] = validator(absolute(node.schema), registry=self.registry)
        return self._judges[node.key]

    def options(self, nodes: list[Node]) -> Iterator[list[Form]]:
        """The forms of each combination of branches of the nodes' choices."""
        return self._options(nodes, {node.key: None for node in nodes}, self.pending(nodes, nodes), 1)

    def pending(self, new: Sequence[Node], nodes: Sequence[Node]) -> list[tuple[Node, Choice]]:
        domain = Domain(lambda path: self.finite(nodes, path))
        return [(node, choice) for node in new for choice in choices(node, domain, self.disjoint)]

    def _options(self, nodes: list[Node], known: dict[str, None], pending: list[tuple[Node, Choice]],
                 width: int) -> Iterator[list[Form]]:
        while pending:
            node, choice = pending[0]
            pending = pending[1:]
            if not choice.exact:
                self.report(node.pointer + "/" + choice.keyword)
            if width * len(choice.branches) > MAX_ALTERNATIVES:
                self.report(node.pointer + "/" + choice.keyword)
                continue
            if choice.branches == ((),):
                continue
            for branch in choice.branches:
                yield from self.taken(nodes, branch, pending, width * len(choice.branches))
            return
        yield self.forms(nodes)

    def taken(self, nodes: list[Node], branch: Branch, pending: list[tuple[Node, Choice]],
              width: int) -> Iterator[list[Form]]:
        more = self.closed(branch, nodes)
        if more is None:
            return
        new = more[len(nodes):]
        if any("enum" in node.schema or "const" in node.schema for node in new):
            told = {ANNOTATION: grounding_of([node.schema for node in more])}
            yield [Form("listed", {"enum": [value]}, notes=told) for value in self.listed(more)]
        else:
            yield from self._options(more, {}, self.pending(new, more) + pending, width)

    def forms(self, nodes: list[Node]) -> list[Form]:
        names = {name for node in nodes for keyword in ("properties", "required") for name in node.schema.get(keyword, ())}
        self.took(len(nodes) * max(1, len(names)))
        made = [form_of(kind, nodes, self.report) for kind in types_of(nodes)]
        for keyword in (keyword for form in made if form is not None for keyword in form.open_keywords()):
            self.repeatable.setdefault((nodes[0].pointer if nodes else "") + "/" + keyword)
        return [replace(form, notes=_notes(form, nodes)) for form in made if form is not None]

    # -- what is known of values -------------------------------------------------------------------------------------

    def finite(self, nodes: Sequence[Node], path: tuple[str, ...]) -> Sequence[Json] | None:
        """A finite list that holds every value the nodes allow at a path of properties, if one is plain to see."""
        if not path:
            found = (self.finite_of(node, 8) for node in nodes)
            return next((values for values in found if values is not None), None)
        inner = [node.child("properties", path[0]) for node in nodes if path[0] in node.schema.get("properties", {})]
        closed = self.closed(inner)
        return [] if closed is None else self.finite(closed, path[1:])

    def finite_of(self, node: Node, depth: int) -> Sequence[Json] | None:
        """The values that a node allows, at most MAX_VALUES; looked for once at each depth, because references may lead to a node in very many ways."""
        at = (node.key, depth)
        if at not in self._finite:
            self._finite[at] = self._finite_of(node, depth)
        return self._finite[at]

    def _finite_of(self, node: Node, depth: int) -> Sequence[Json] | None:
        schema = node.schema
        if isinstance(schema, bool) or depth == 0:
            return None if schema else []
        if "const" in schema:
            return [schema["const"]]
        if "enum" in schema:
            return list(schema["enum"])
        if schema.get("type") in ("boolean", "null"):
            return [False, True] if schema["type"] == "boolean" else [None]
        if "anyOf" in schema:
            found: list[Json] = []
            for i in range(len(schema["anyOf"])):
                values = self.finite_of(node.child("anyOf", i), depth - 1)
                if values is None or len(found) + len(values) > MAX_VALUES:
                    return None
                found.extend(values)
            return found
        return self.finite_of(self.target(node), depth - 1) if "$ref" in schema else None

    def disjoint(self, branches: Sequence[Node]) -> bool:
        if len(branches) > MAX_ALTERNATIVES:
            return False  # such a choice is checked in any case
        at = tuple(branch.key for branch in branches)
        if at not in self._disjoint:
            closed = [self.closed([branch]) for branch in branches]
            self._disjoint[at] = all(self.apart(one, other) for one, other in combinations(closed, 2))
        return self._disjoint[at]

    def apart(self, one: list[Node] | None, other: list[Node] | None) -> bool:
        if one is None or other is None:
            return True
        mine, theirs = self.finite(one, ()), self.finite(other, ())
        if mine is not None and theirs is not None:
            return not {equality_key(value) for value in mine} & {equality_key(value) for value in theirs}
        kinds = set(types_of([*one, *other]))
        return not kinds or (kinds == {"object"} and any(
            self.told_apart(one, other, name) for name in self.required(one) & self.required(other)))

    def told_apart(self, one: list[Node], other: list[Node], name: str) -> bool:
        mine, theirs = self.finite(one, (name,)), self.finite(other, (name,))
        return mine is not None and theirs is not None and not (
            {equality_key(value) for value in mine} & {equality_key(value) for value in theirs})

    @staticmethod
    def required(nodes: Sequence[Node]) -> set[str]:
        return {name for node in nodes for name in node.schema.get("required", ())}


def _notes(form: Form, nodes: Sequence[Node]) -> dict[str, Json]:
    """What the mask schema still tells of a scalar: how it is grounded, and its format."""
    if form.type in ("null", "array", "object"):
        return {}
    views = [node.schema for node in nodes]
    names = [view["format"] for view in views if "format" in view and form.type == "string"]
    return {ANNOTATION: grounding_of([*views, {"type": form.type}])} | ({"x-format": names[0]} if names else {})
