"""Grounded grammars: a schema and the texts of one request, so that values come from the text.

Owns the rules for leaves by their ``x-grounding``: *extract* leaves are spans of whole words of the texts, *normalize* leaves are dates and numbers that can be read in
them (`schemas/readers.py`), everything else is the schema's own. A sub-schema without a grounded leaf is left to the JSON compiler, inline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from schemas.canonical import canonical_json
from schemas.readers import dates, numbers

Schema = dict[str, Any]

_CHUNK = re.compile(r"\w+|\s+|[^\w\s]")
_ID = re.compile(r"[\w.+%'/@-]*\w")
_LONGEST = 400
"""Longest span in characters where the schema gives no maxLength."""


@dataclass(frozen=True)
class Sources:
    """The texts of a request, read once."""

    texts: tuple[str, ...]

    @cached_property
    def chunks(self) -> list[list[str]]:
        """Each text in words and marks, JSON-escaped, runs of white space folded to one space."""
        return [[" " if c.isspace() else _escaped(c) for c in _CHUNK.findall(text)] for text in self.texts]

    @cached_property
    def dates(self) -> list[str]:
        return sorted({day.isoformat() for text in self.texts for day in dates(text)} | {d.isoformat() for d in dates("\n".join(self.texts))})

    @cached_property
    def numbers(self) -> frozenset[Decimal]:
        """Zero is always among them: notes say it as "none"."""
        return frozenset({Decimal(0), *(n for text in self.texts for n in numbers(text))})


def _escaped(text: str) -> str:
    return canonical_json(text)[1:-1]


def grounded_grammar(mask_schema: Schema, sources: Sources) -> str:
    """A Lark grammar of the canonical texts of a schema whose grounded leaves are in the sources."""
    return _Rules(mask_schema, sources).grammar()


@dataclass
class _Rules:
    root: Schema
    sources: Sources
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def grammar(self) -> str:
        start = self.node(self.root)
        return "\n".join([f"start: {start}", *self.lines])

    def named(self, key: str, body: str, terminal: bool = False) -> str:
        """The name of a rule with this body, shared by all who ask for it."""
        if key not in self.names:
            self.names[key] = f"{'T' if terminal else 'r'}{len(self.names)}"
            self.lines.append(f"{self.names[key]}: {body}")
        return self.names[key]

    def node(self, schema: Schema) -> str:
        """The name of the rule for a schema."""
        key = json.dumps(schema, sort_keys=True)
        if key in self.names:
            return self.names[key]
        return self.named(key, self.body(schema))

    def body(self, schema: Schema) -> str:
        if not _has_grounded(schema):
            return self.plain(schema)
        if "anyOf" in schema and not set(schema) - {"anyOf", "x-grounding", "x-format"}:
            return " | ".join(self.node(branch) for branch in schema["anyOf"])
        if _is_closed_object(schema):
            return self.object(schema)
        if schema.get("type") == "array" and isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
            return self.array(schema)
        return self.leaf(schema) or self.plain(schema)

    def plain(self, schema: Schema) -> str:
        inlined = {**schema, **({"$defs": self.root["$defs"]} if "$defs" in self.root else {}), "x-guidance": {"whitespace_flexible": False}}
        return "%json " + json.dumps(inlined)

    def object(self, schema: Schema) -> str:
        parts = []
        for i, (name, child) in enumerate(schema["properties"].items()):
            parts.append(f"{_literal(('{' if i == 0 else ',') + canonical_json(name) + ':')} {self.node(child)}")
        return " ".join([*parts, _literal("}")])

    def array(self, schema: Schema) -> str:
        item, least, most = self.node(schema["items"]), schema.get("minItems", 0), schema.get("maxItems")
        if most == 0:
            return _literal("[]")
        rest = f"({_literal(',')} {item}){{{max(0, least - 1)},{'' if most is None else most - 1}}}"
        filled = f"{_literal('[')} {item} {rest} {_literal(']')}"
        return filled if least else f"{_literal('[]')} | {filled}"

    # leaves

    def leaf(self, schema: Schema) -> str | None:
        """The rule of a grounded scalar; None when the schema's own must do."""
        kind, shape = schema.get("x-grounding"), schema.get("type")
        if kind == "extract" and shape == "string":
            return self.pattern_spans(schema) if "pattern" in schema else self.spans(schema)
        if kind == "normalize" and schema.get("x-format") == "date":
            return _one_of([canonical_json(day) for day in self.sources.dates])
        if kind == "normalize" and shape in ("integer", "number"):
            return _one_of(self.readable(schema, whole=shape == "integer"))
        return None

    def spans(self, schema: Schema) -> str | None:
        """A string that is a run of whole words of one text, without white space at its ends."""
        alternatives = [chunks for chunks in self.sources.chunks if any(c.strip() for c in chunks)]
        if not alternatives:
            return None
        most = min(int(schema.get("maxLength", _LONGEST)), _LONGEST)
        names = [self.named(f"chunks{i}", _substring(chunks), terminal=True) for i, chunks in enumerate(alternatives)]
        bounded = self.named(f"span{most}", f"({' | '.join(names)}) & /[^ ](.{{0,{max(0, most - 2)}}}[^ ])?/", terminal=True)
        return f'{_literal(chr(34))} {bounded} {_literal(chr(34))}'

    def pattern_spans(self, schema: Schema) -> str | None:
        """Ids and addresses: the runs of the texts without white space that the pattern accepts."""
        try:
            pattern = re.compile(schema["pattern"])
        except re.error:
            return None
        words = {match[0] for text in self.sources.texts for match in _ID.finditer(text)}
        words |= {part for word in words for part in re.split(r"[/=,;:]", word) if part}
        fits = [w for w in words if pattern.search(w) and schema.get("minLength", 0) <= len(w) <= schema.get("maxLength", len(w))]
        return _one_of(sorted(canonical_json(w) for w in fits))

    def readable(self, schema: Schema, whole: bool) -> list[str]:
        low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
        fits = [n for n in self.sources.numbers if low <= n <= high and (not whole or n == n.to_integral_value())]
        return sorted({canonical_json(int(n) if n == n.to_integral_value() else float(n)) for n in fits})


def _has_grounded(schema: Any) -> bool:
    if isinstance(schema, dict):
        if schema.get("x-grounding") in ("extract", "normalize"):
            return True
        return any(_has_grounded(value) for key, value in schema.items() if key not in ("enum", "const"))
    return isinstance(schema, list) and any(map(_has_grounded, schema))


def _is_closed_object(schema: Schema) -> bool:
    properties = schema.get("properties")
    return bool(
        properties and schema.get("additionalProperties") is False and set(schema.get("required", ())) == set(properties)
        and not set(schema) - {"type", "properties", "required", "additionalProperties", "x-grounding"}
    )  # fmt: skip


def _substring(chunks: Sequence[str]) -> str:
    return "%regex " + json.dumps({"substring_chunks": list(chunks)})


def _literal(text: str) -> str:
    """A Lark string literal; JSON's escapes are Lark's."""
    return json.dumps(text)


def _one_of(texts: Sequence[str]) -> str | None:
    return " | ".join(map(_literal, texts)) if texts else None
