"""The prompt: one rendering for training and for serving.

Owns how a question, its context and (for a base model without adapter) the schema become the text before the report. Knows nothing of
tokenizers: a prompt is plain text, so that any Mistral-family checkpoint can be put behind it, and text that imitates a marker has no power
beyond that of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.canonical import canonical_json
from schemas.nodes import dereferenced

Schema = dict[str, Any]

MAX_SIGNATURE_CHARS = 200_000
"""A schema whose references multiply (or lead back to it) unfolds to more than any prompt holds."""

_NUMBERS = {"integer": "int", "number": "num", "boolean": "bool", "null": "null"}


class SignatureTooLong(ValueError):
    """A schema that unfolds to about MAX_SIGNATURE_CHARS or more."""

    def __init__(self) -> None:
        super().__init__(f"the schema unfolds to more than {MAX_SIGNATURE_CHARS} characters of its signature")


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

    Raises: SignatureTooLong.
    """
    return _node(schema, _Walk(schema), depth=0)


@dataclass
class _Walk:
    """The document that references lead into, and how many characters may still be shown."""

    root: Schema
    left: int = MAX_SIGNATURE_CHARS

    def shown(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise SignatureTooLong
        return text


def _node(node: Any, walk: _Walk, depth: int) -> str:
    walk.shown(",")  # about what every place costs
    node = dereferenced(walk.root, node, walk.shown)  # a long chain costs as much as a long name
    if not isinstance(node, dict) or depth > 16:
        return "any"
    for keyword in ("anyOf", "oneOf"):
        if keyword in node:
            return _union([_node(branch, walk, depth + 1) for branch in node[keyword]])
    if "const" in node:
        return walk.shown(canonical_json(node["const"]).strip('"'))
    if "enum" in node:
        return walk.shown(_union([canonical_json(member).strip('"') for member in node["enum"]]))
    return _typed(node, walk, depth)


def _union(branches: list[str]) -> str:
    kinds = [b for b in dict.fromkeys(branches) if b != "null"]
    return "|".join(kinds) + ("?" if "null" in branches else "")


def _typed(node: Schema, walk: _Walk, depth: int) -> str:
    kind = node.get("type")
    if isinstance(kind, list):
        return _union([_typed({**node, "type": k}, walk, depth) for k in kind])
    if kind == "object" or (kind is None and "properties" in node):
        inner = ",".join(f'"{walk.shown(name)}":{_node(child, walk, depth + 1)}' for name, child in node.get("properties", {}).items())
        return "{" + inner + "}"
    if kind == "array" or (kind is None and "items" in node):
        return "[" + _node(node.get("items", {}), walk, depth + 1) + "]"
    if kind == "string":
        return str(node.get("format", "id" if "pattern" in node else "text"))
    return _NUMBERS.get(str(kind), "any")
