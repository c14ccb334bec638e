"""The bounds that several nodes together put on a number.

Owns the meeting of minimum, maximum and multipleOf, and which of them the mask engine gets right; the others are
reported as checked. Knows no other type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from schemas.canonical import Json
from schemas.masking.rewrite import Node, having

MASKED_INTEGER_LIMIT = 2**53
MASKED_NUMBER_LIMIT = 1e15
"""Beyond these magnitudes the mask engine fails to build the range."""
MASKED_NUMBER_STEP = 1e-9
"""Bounds finer than this are checked, not masked."""

Report = Callable[[str], None]
"""Takes the pointer of a keyword that is checked after decoding only."""


def number_keywords(kind: str, nodes: Sequence[Node], report: Report) -> dict[str, Json] | None:
    """The mask keywords of 'integer' or 'number' under the nodes; None where no number meets them all."""
    whole = kind == "integer"
    low: Edge | None = None
    high: Edge | None = None
    for node, keyword, bound in _bounds(nodes):
        if not _maskable_bound(bound, whole):
            report(node.pointer + "/" + keyword)
            continue
        edge = (Fraction(_decimal(bound)), keyword.startswith("exclusive"), bound)
        if "inimum" in keyword:
            low = edge if low is None else max(low, edge, key=lambda item: item[:2])
        else:
            high = edge if high is None else min(high, edge, key=lambda item: (item[0], not item[1]))
    step = _step(nodes, report)
    plain = _whole_range(low, high) if whole else _range(low, high)
    if plain is None or (step and not _has_multiple(low, high, step)):
        return None
    return plain | ({"multipleOf": step} if step else {})


def _bounds(nodes: Sequence[Node]) -> Iterator[tuple[Node, str, float]]:
    for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        yield from ((node, keyword, bound) for node, bound in having(nodes, keyword))


def _decimal(value: float) -> str:
    return repr(value)


def _maskable_bound(bound: float, whole: bool) -> bool:
    if whole:
        return abs(bound) <= MASKED_INTEGER_LIMIT
    small = Fraction(_decimal(bound)) / Fraction(_decimal(MASKED_NUMBER_STEP))
    return abs(bound) <= MASKED_NUMBER_LIMIT and small.denominator == 1


Edge = tuple[Fraction, bool, float]


def _whole_range(low: Edge | None, high: Edge | None) -> dict[str, Json] | None:
    plain: dict[str, Json] = {}
    if low is not None:
        plain["minimum"] = math.floor(low[0]) + 1 if low[1] else math.ceil(low[0])
    if high is not None:
        plain["maximum"] = math.ceil(high[0]) - 1 if high[1] else math.floor(high[0])
    return None if len(plain) == 2 and plain["minimum"] > plain["maximum"] else plain


def _range(low: Edge | None, high: Edge | None) -> dict[str, Json] | None:
    if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
        return None
    plain: dict[str, Json] = {}
    if low is not None:
        plain["exclusiveMinimum" if low[1] else "minimum"] = _plain(low[2])
    if high is not None:
        plain["exclusiveMaximum" if high[1] else "maximum"] = _plain(high[2])
    return plain


def _plain(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number


def _step(nodes: Sequence[Node], report: Report) -> float | None:
    """The one `multipleOf` that the mask engine gets right: a whole number, or 0.1, 0.01, ... 0.000001."""
    kept: float | None = None
    for node, value in having(nodes, "multipleOf"):
        whole = float(value).is_integer() and value <= 1_000_000
        if kept is None and (whole or Fraction(_decimal(value)) in [Fraction(1, 10**n) for n in range(1, 7)]):
            kept = _plain(value)
        elif kept != value:
            report(node.pointer + "/multipleOf")
    return kept


def _has_multiple(low: Edge | None, high: Edge | None, step: float) -> bool:
    if low is None or high is None:
        return True
    unit = Fraction(_decimal(step))
    first = math.floor(low[0] / unit) + 1 if low[1] else math.ceil(low[0] / unit)
    last = math.ceil(high[0] / unit) - 1 if high[1] else math.floor(high[0] / unit)
    return first <= last
