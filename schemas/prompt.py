"""The prompt: one rendering for training and for serving.

Owns how a question, its context and (for a base model without adapter) the schema become the text before the report. Knows nothing of
tokenizers: a prompt is plain text, so that any Mistral-family checkpoint can be put behind it, and text that imitates a marker has no power
beyond that of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from schemas.canonical import canonical_json

Schema = dict[str, Any]

_NUMBERS = {"integer": "int", "number": "num", "boolean": "bool", "null": "null"}


class ContextLike(Protocol):
    """A further text the facts may stand in."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...


def render(question: str, context: Sequence[ContextLike] = (), schema: Schema | None = None) -> str:
    """Return the prompt whose continuation is the report.

    ``schema`` is given only where no adapter knows the form; it is shown as its signature.
    """
    parts = [] if schema is None else [f"### Schema\n{signature(schema)}\n"]
    parts.extend(f"### Context {item.id}\n{item.text}\n" for item in context)
    parts.append(f"### Question\n{question}\n### Report\n")
    return "".join(parts)


def signature(schema: Schema) -> str:
    """A schema in few tokens: property names, types, enum members, ``?`` for nullable, ``[...]`` for arrays.

    ``{"id":text,"owner":{"name":text,"email":email?},"status":on_track|at_risk,"risks":[{"level":low|high}]}``
    """
    return _node(schema, schema, depth=0)


def _resolved(node: Any, root: Schema) -> Any:
    seen = 0
    while isinstance(node, dict) and "$ref" in node and seen < 32:
        target: Any = root
        for key in node["$ref"].removeprefix("#").strip("/").split("/"):
            key = key.replace("~1", "/").replace("~0", "~")
            target = target[int(key)] if isinstance(target, list) else target[key] if key else target
        node, seen = target, seen + 1
    return node


def _node(node: Any, root: Schema, depth: int) -> str:
    node = _resolved(node, root)
    if not isinstance(node, dict) or depth > 16:
        return "any"
    for keyword in ("anyOf", "oneOf"):
        if keyword in node:
            return _union([_node(branch, root, depth + 1) for branch in node[keyword]])
    if "const" in node:
        return canonical_json(node["const"]).strip('"')
    if "enum" in node:
        return _union([canonical_json(member).strip('"') for member in node["enum"]])
    return _typed(node, root, depth)


def _union(branches: list[str]) -> str:
    kinds = [b for b in dict.fromkeys(branches) if b != "null"]
    return "|".join(kinds) + ("?" if "null" in branches else "")


def _typed(node: Schema, root: Schema, depth: int) -> str:
    kind = node.get("type")
    if isinstance(kind, list):
        return _union([_typed({**node, "type": k}, root, depth) for k in kind])
    if kind == "object" or "properties" in node:
        inner = ",".join(f'"{name}":{_node(child, root, depth + 1)}' for name, child in node.get("properties", {}).items())
        return "{" + inner + "}"
    if kind == "array" or "items" in node:
        return "[" + _node(node.get("items", {}), root, depth + 1) + "]"
    if kind == "string":
        return str(node.get("format", "id" if "pattern" in node else "text"))
    return _NUMBERS.get(str(kind), "any")
