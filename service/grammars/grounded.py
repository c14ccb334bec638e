"""Grounded grammars: a schema and the texts of one request, so that values come from the text.

Owns the rules for leaves by their ``x-grounding``: *extract* leaves are spans of whole words of the texts, *normalize* leaves are dates, times and numbers that can be
read in them (`schemas/reading/numbers.py`, `schemas/reading/dates.py`, `schemas/reading/clock.py`), answers that they give (`schemas/reading/truths.py`) and words that fit a pattern, if need be once in small letters or capitals; codes of currencies are ones that they name (`schemas/reading/currencies.py`), everything else is the schema's own. Where something may be left out or null, it is
when the texts offer nothing for what it cannot do without. A sub-schema without a grounded leaf, an object that takes properties of any name and an array
with ``prefixItems`` are left to the JSON compiler, inline. What is so whatever the texts are is `service/grammars/outline.py`; how a text is cut and read is `service/grammars/sources.py`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from json.encoder import encode_basestring_ascii
from typing import TypeVar

from schemas.canonical import canonical_json
from schemas.reading.currencies import KNOWN
from service.grammars.outline import (
    Judge,
    Outline,
    Schema,
    is_choice,
    is_closed_object,
    is_currency,
    is_list,
    may_have_spaces,
)
from service.grammars.sources import Sources

MAX_GRAMMAR_CHARS = 4_000_000
MAX_TRIED = 2_000_000
"""How many candidates may be held against the leaves of a schema."""
_LONGEST = 400
"""Longest span in characters, whatever the schema's maxLength; with a minLength near it or beyond, half as much more than that."""
_CHAR = r'(\\([^u]|u[0-9a-f]{4})|[^\\])'
_INK = r"(\\([^u]|u[0-9a-f]{4})|[^\\ ])"
"""One character of a JSON string, and one that is no space."""
_Value = TypeVar("_Value", str, int | float)
_ADDRESSES = frozenset(("email", "idn-email"))
"""Formats that nothing without an @ has, and nothing with a space but in quotation marks: what most notes lack need not be looked for word by word."""
_READ: dict[str, Callable[[Sources], Collection[str]]] = {
    "date": lambda sources: sources.dates, "date-time": lambda sources: sources.moments, "time": lambda sources: sources.times, "duration": lambda sources: sources.durations,
}  # fmt: skip
_SCHEMES = ("mailto:", "urn:", "tel:", "data:")
_NULL: Schema = {"type": "null"}


class GrammarTooLarge(Exception):
    """The grammar would be longer than MAX_GRAMMAR_CHARS, or takes more than MAX_TRIED trials to make."""


def grounded_grammar(outline: Outline, sources: Sources) -> str:
    """A Lark grammar of the canonical texts of a schema whose grounded leaves are in the sources; all of them are texts of the schema too.

    Raises: GrammarTooLarge.
    """
    return _Rules(outline, sources).grammar()


@dataclass
class _Rules:
    """The rules so far. A symbol is the name of a rule or terminal, or a literal; each costs the engine some microseconds, so what is used once is written where it is used."""

    outline: Outline
    sources: Sources
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    size: int = 0
    tried: int = 0
    untold: set[str] | None = None
    """The definitions that the texts offer nothing for, as far as that is known."""

    def grammar(self) -> str:
        start = self.node(self.outline.root)
        return "\n".join([f"start: {start}", *self.lines])

    def named(self, key: str, body: str, terminal: bool = False) -> str:
        """The name of a rule or terminal with this body, shared by all who ask for it."""
        if key not in self.names:
            self.names[key] = f"{'T' if terminal else 'r'}{len(self.names)}"
            self.line(self.names[key], body)
        return self.names[key]

    def line(self, name: str, body: str) -> None:
        self.size += len(body)
        if self.size > MAX_GRAMMAR_CHARS:
            raise GrammarTooLarge
        self.lines.append(f"{name}: {body}")

    def node(self, schema: Schema) -> str:
        """The symbol for a schema; a rule is named before its body is made, which may lead back to it."""
        if schema == _NULL:
            return _literal("null")
        key = self.outline.key(schema)
        if key not in self.names:
            terminal = self.leaf(schema)
            if terminal is not None:
                return terminal
            name = self.names[key] = f"r{len(self.names)}"
            self.line(name, self.body(schema))
        return self.names[key]

    def body(self, schema: Schema) -> str:
        if not self.outline.has_grounded(schema):
            return self.outline.plain(schema)
        if is_currency(schema):
            return self.currency(schema)
        if "$ref" in schema:
            return self.node(self.outline.target(schema)[1])
        if is_choice(schema):
            told = [branch for branch in schema["anyOf"] if not self.is_untold(branch)]
            return " | ".join(self.node(branch) for branch in told or schema["anyOf"])
        if is_closed_object(schema):
            return self.object(schema)
        if is_list(schema):
            return self.array(schema)
        return self.outline.plain(schema)

    def object(self, schema: Schema) -> str:
        """Its properties in order.

        Marks are literals of their own, as they are to the JSON compiler: the lexer takes the longest literal, and one that goes on would hide the others of a union.
        """
        members = [(canonical_json(name), child, name in schema["required"]) for name, child in schema["properties"].items()]
        may_be_written = [member for member in members if member[2] or not (member[1] is False or self.is_untold(member[1]))]
        pairs = [(f"{_literal(name)} {_literal(':')} {self.node(child)}", needed) for name, child, needed in may_be_written]
        inner = f" {_literal(',')} ".join(pair for pair, _ in pairs) if all(needed for _, needed in pairs) else self.firsts(pairs)
        return f"{_literal('{')} {inner} {_literal('}')}"

    def firsts(self, pairs: Sequence[tuple[str, bool]]) -> str:
        """The pairs with commas between, each that is not needed may be left out; made from the last to the first, so that each rule knows what may follow."""
        after, starts = "", []
        for i in range(len(pairs) - 1, -1, -1):
            pair, needed = pairs[i]
            starts.append(f"{pair} {after}")
            follows = f"{_literal(',')} {pair} {after}"
            after = self.named(f"after {follows} {needed}", follows if needed else f"({_literal(',')} {pair})? {after}") if i else after
        starts.reverse()
        first_needed = next((i for i, (_, needed) in enumerate(pairs) if needed), None)
        if first_needed is None:
            return f"({' | '.join(starts)})?" if starts else ""
        return f"({' | '.join(starts[: first_needed + 1])})"

    def array(self, schema: Schema) -> str:
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if most == 0:
            return _literal("[]")
        if not least and self.is_untold(schema["items"]):
            return _literal("[]")
        item = self.node(schema["items"])
        rest = f" ({_literal(',')} {item}){{{max(0, least - 1)},{'' if most is None else most - 1}}}" if most != 1 else ""
        filled = f"{_literal('[')} {item}{rest} {_literal(']')}"
        return filled if least else f"{_literal('[]')} | {filled}"

    # leaves

    def currency(self, schema: Schema) -> str:
        """The codes that the texts name by code, sign or word; all of them where they name none."""
        named = [code for code in schema["enum"] if code in self.sources.currencies or code not in KNOWN]
        return " | ".join(_literal(canonical_json(code)) for code in named or schema["enum"])

    def is_untold(self, schema: Schema) -> bool:
        """Whether the texts offer nothing for it: for a grounded leaf, or for one that it cannot do without."""
        if not self.outline.has_grounded(schema):
            return False
        if self.outline.is_leaf(schema):
            return self.leaf(schema) is None
        if "$ref" in schema:
            return self.outline.target(schema)[0] in self.untold_definitions()
        if "anyOf" in schema:
            return is_choice(schema) and all(self.is_untold(branch) for branch in schema["anyOf"])
        if is_closed_object(schema):
            return any(self.is_untold(schema["properties"][name]) for name in schema["required"])
        return is_list(schema) and schema.get("minItems", 0) > 0 and self.is_untold(schema["items"])

    def untold_definitions(self) -> set[str]:
        """The definitions that the texts offer nothing for: the fewest of which that can be said, so none that is so only if it is so itself.

        Each is looked at again when one that it refers to turns out to be untold, and not along every way that leads to it, of which there may be very many.
        """
        if self.untold is None:
            self.untold, users, waiting = set(), self.outline.users, list(self.outline.defs)
            while waiting:
                name = waiting.pop()
                if name not in self.untold and self.is_untold(self.outline.defs[name]):
                    self.untold.add(name)
                    waiting.extend(users.get(name, ()))
        return self.untold

    def leaf(self, schema: Schema) -> str | None:
        """The terminal of a grounded scalar; None when the schema's own must do."""
        if not self.outline.is_leaf(schema):
            return None
        key = f"leaf {self.outline.key(schema)}"
        if key in self.names:
            return self.names[key] or None
        if schema["x-grounding"] == "extract" and "pattern" not in schema:
            terminal = self.spans(schema)
        else:
            terminal = _one_of(sorted(self.readings(schema)))
        self.names[key] = "" if terminal is None else self.named(f"terminal {terminal}", terminal, terminal=True)  # leaves that differ may take the same
        return self.names[key] or None

    def readings(self, schema: Schema) -> set[str]:
        """The JSON texts of the values in the sources that the leaf's own keywords accept."""
        judge, read = self.outline.judge(schema), _READ.get(schema.get("x-format", ""))
        if schema["type"] == "boolean":
            return {canonical_json(truth) for truth in self.sources.truths}
        if schema["type"] == "string":
            found = self.ids(schema, judge) if read is None or schema["x-grounding"] == "extract" else self.fitting(judge, read(self.sources))
            return {f'"{word}"' if word.isalnum() else canonical_json(word) for word in found}
        as_json = {n: int(n) if n == n.to_integral_value() else float(n) for n in self.sources.numbers}
        fitting = self.fitting(judge, set(as_json.values()))
        return {_plain(n) for n, value in as_json.items() if value in fitting}

    def ids(self, schema: Schema, judge: Judge) -> set[str]:
        """The words that a leaf with a pattern or a format accepts; to be normalized, days that are read, and where nothing fits as it stands words in small letters or capitals."""
        address, with_spaces = schema.get("x-format") in _ADDRESSES, may_have_spaces(schema)
        if address and not self.sources.have("@"):
            return set()
        found = self.sources.ids(lambda words: self.fitting(judge, words), with_spaces=with_spaces and (not address or self.sources.have('"')))
        if schema["x-grounding"] == "extract":
            return found
        if schema.get("x-format") == "uri":  # "Owner:" has the form of one
            return {word for word in found if "://" in word or word.startswith(_SCHEMES)}
        return (found | self.fitting(judge, self.sources.dates)) or self.fitting(judge, self.sources.cased)

    def fitting(self, judge: Judge, values: Collection[_Value]) -> set[_Value]:
        """Those that a leaf accepts; where it accepts none, one question settles it."""
        self.tried += len(values)
        if self.tried > MAX_TRIED:
            raise GrammarTooLarge
        return set(filter(judge.one, values)) if values and judge.some(list(values)) else set()

    def spans(self, schema: Schema) -> str | None:
        """A string that is a run of whole words of one text, without white space at its ends."""
        least = max(1, schema.get("minLength", 1))
        room = max(_LONGEST, least + _LONGEST // 2)
        most = min(schema.get("maxLength", room), room)
        names = [self.named(f"chunks{i}", _substring(chunks), terminal=True) for i, chunks in enumerate(self.sources.escaped) if self.offers(i, least, most)]
        if not names:
            return None
        longer = f"{_INK}{_CHAR}{{{max(0, least - 2)},{most - 2}}}{_INK}"
        shape = _INK if most == 1 else longer if least > 1 else f"{_INK}({_CHAR}{{0,{most - 2}}}{_INK})?"
        span = self.named(f"span {least} {most}", f"({' | '.join(names)}) & /{shape}/", terminal=True)
        return f"{_literal(chr(34))} {span} {_literal(chr(34))}"

    def offers(self, i: int, least: int, most: int) -> bool:
        """Whether a text has a span of a length."""
        self.tried += len(self.sources.chunks[i])
        if self.tried > MAX_TRIED:
            raise GrammarTooLarge
        return least <= most and any(True for _ in _spans(self.sources.chunks[i], least, most))


def _spans(chunks: Sequence[str], least: int, most: int) -> Iterator[tuple[int, int]]:
    """For each place where words begin, the shortest span from there that is long enough, if it is not too long."""
    ends = list(accumulate(map(len, chunks), initial=0))
    for start, chunk in enumerate(chunks):
        end = bisect_left(ends, ends[start] + least)
        if chunk == " " or end >= len(ends):
            continue
        if chunks[end - 1] == " ":
            end += 1
        if end < len(ends) and ends[end] - ends[start] <= most:
            yield start, end


def _plain(number: Decimal) -> str:
    """A number without exponent and without zeros at its end."""
    text = format(number, "f") if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _substring(chunks: Sequence[str]) -> str:
    return "%regex " + json.dumps({"substring_chunks": list(chunks)})


def _literal(text: str) -> str:
    """A Lark string literal; JSON's escapes are Lark's."""
    return encode_basestring_ascii(text)


def _one_of(texts: Sequence[str]) -> str | None:
    return " | ".join(map(_literal, texts)) if texts else None
