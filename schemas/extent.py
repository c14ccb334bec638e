"""How long a report of a schema can get: the most bytes that its canonical text can take, where the schema sets bounds.

Owns the arithmetic, on mask schemas (`schemas/masking/mask.py`), whose nodes are of one type each. A bound, not the length of some report: a pattern may leave out what is
counted. As a token of text is at least one byte, no report takes more tokens. Run: `longest_bytes(admit({"enum": ["low", "high"]}).mask_schema)`, which is 6.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from schemas.canonical import canonical_json

_CHAR_BYTES = 6
"""The longest character of a JSON string: a control character as its escape; any other takes four at most."""
_LONGEST_OF = {"null": len("null"), "boolean": len("false")}
_FORMATS = {"date": len('"2026-10-31"')}


_MOST = 2**53
"""Beyond, a bound is none: no report is as long, and floats are not exact any more."""


def longest_bytes(mask_schema: dict[str, Any]) -> int | None:
    """The most bytes a report's text can take, in UTF-8; None where the schema sets no bound, or one that is hard to find."""
    try:
        found = _Extent(mask_schema.get("$defs", {})).of(mask_schema, ())
    except RecursionError:  # definitions that lead to each other hundreds of times
        return None
    return int(found) if found < _MOST else None


class _Extent:
    def __init__(self, defs: dict[str, Any]) -> None:
        self.defs, self.known = defs, dict[str, float]()

    def of(self, node: Any, inside: tuple[str, ...]) -> float:
        """The bound of a node; infinite where there is none. ``inside``: the definitions it is in."""
        if node is False:
            return 0
        if node is True:
            return math.inf
        if "$ref" in node:
            return self.definition(node["$ref"].removeprefix("#/$defs/"), inside)
        if "enum" in node:
            return max(len(canonical_json(value).encode()) for value in node["enum"])
        if "anyOf" in node:
            return max(self.of(branch, inside) for branch in node["anyOf"])
        match node.get("type"):
            case "string":
                return float(min(_FORMATS.get(node.get("x-format"), math.inf), 2 + _CHAR_BYTES * node.get("maxLength", math.inf)))
            case "integer" | "number" as kind:
                return _number(node, 1 if kind == "integer" else node.get("multipleOf"))
            case "array":
                return self.array(node, inside)
            case "object":
                return self.object(node, inside)
            case kind:
                return _LONGEST_OF.get(str(kind), math.inf)

    def definition(self, name: str, inside: tuple[str, ...]) -> float:
        """What leads back to itself nests without end."""
        if name in inside:
            return math.inf
        if name not in self.known:
            self.known[name] = self.of(self.defs[name], (*inside, name))
        return self.known[name]

    def array(self, node: dict[str, Any], inside: tuple[str, ...]) -> float:
        most, prefix = node.get("maxItems", math.inf), node.get("prefixItems", [])
        lengths = [self.of(item, inside) for item in prefix[: int(min(most, len(prefix)))]]
        rest = 0 if node["items"] is False else most - len(lengths)
        items = sum(lengths) + (rest * self.of(node["items"], inside) if rest else 0)
        return float(2 + items + max(0, len(lengths) + rest - 1))

    def object(self, node: dict[str, Any], inside: tuple[str, ...]) -> float:
        if node["additionalProperties"] is not False or node.get("patternProperties"):
            return math.inf
        members = [len(canonical_json(name).encode()) + 1 + self.of(child, inside) for name, child in node["properties"].items() if child is not False]
        return 2 + sum(members) + max(0, len(members) - 1)


def _number(node: dict[str, Any], step: float | None) -> float:
    """A number between two bounds, in steps: a sign, the figures of the larger bound, a point and the decimals of the step."""
    low, high = (max((node[key] for key in keys if key in node), default=None) for keys in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")))
    if low is None or high is None or not step:
        return math.inf
    decimals = len(str(Fraction(repr(step)).denominator)) - 1  # of the steps that masks have: whole numbers, 0.1, 0.01, ...
    figures = max(len(str(math.trunc(abs(bound)))) for bound in (low, high))
    return float((low < 0) + figures + (1 + decimals if decimals else 0))
