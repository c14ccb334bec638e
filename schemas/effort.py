"""How often a validator looks at one value: a schema may lead to the same demand in very many ways.

`{"allOf": [{"$ref": a1}, {"$ref": a1}]}`, forty times over, is three kilobytes and a million million looks at one value, which nothing can interrupt.

Owns the bound. A schema that leads back to itself further down in the instance counts once: how deep a report nests is bounded by its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

from schemas.nodes import Schema, subschemas
from schemas.violation import pointer

MAX_EFFORT = 100_000
"""Looks at one value and at what stands in it along one way down; the catalog's schemas take some ten."""
_ONE_OF_THEM = ("properties", "prefixItems")
"""Keywords of which one subschema applies to a member, and not all."""


def effort(nodes: Mapping[str, Schema], in_place: Callable[[str, Schema], Iterable[str]], in_place_keywords: Iterable[str]) -> int:
    """The most looks at a value of a schema, at most one more than MAX_EFFORT. ``nodes``: its subschemas by pointer; ``in_place``: the pointers of those that look at the same
    value, which must not lead in a circle.
    """
    passed_by = {*in_place_keywords, "$defs"}
    same = {path: list(in_place(path, node)) for path, node in nodes.items()}
    below = {path: [(inner[0], path + pointer(inner)) for inner, _ in subschemas(node) if inner[0] not in passed_by] for path, node in nodes.items()}
    circle = _circles({path: [*same[path], *(target for _, target in below[path])] for path in nodes})
    below = {path: [(keyword, target) for keyword, target in found if circle[target] != circle[path]] for path, found in below.items()}
    looks: dict[str, int] = {}
    for path in TopologicalSorter({path: [*same[path], *(target for _, target in below[path])] for path in nodes}).static_order():
        either = max((looks[target] for keyword, target in below[path] if keyword in _ONE_OF_THEM), default=0)
        every = sum(looks[target] for keyword, target in below[path] if keyword not in _ONE_OF_THEM)
        looks[path] = min(MAX_EFFORT + 1, 1 + sum(looks[target] for target in same[path]) + either + every)
    return looks[""]


def _circles(edges: Mapping[str, list[str]]) -> dict[str, int]:
    """For each node a number that it shares with those that it leads to and that lead back to it. Source: Tarjan, "Depth-First Search and Linear Graph Algorithms" (1972)."""
    found: dict[str, int] = {}
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    for root in edges:
        if root in number:
            continue
        number[root] = low[root] = len(number)
        path.append(root)
        waiting: list[tuple[str, Iterator[str]]] = [(root, iter(edges[root]))]
        while waiting:
            node, targets = waiting[-1]
            target = next(targets, None)
            if target is None:
                waiting.pop()
                if waiting:
                    low[waiting[-1][0]] = min(low[waiting[-1][0]], low[node])
                if low[node] == number[node]:
                    while (member := path.pop()) != node:
                        found[member] = number[node]
                    found[node] = number[node]
            elif target not in number:
                number[target] = low[target] = len(number)
                path.append(target)
                waiting.append((target, iter(edges[target])))
            elif target not in found:
                low[node] = min(low[node], number[target])
    return found
