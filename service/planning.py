"""Making a request ready: everything an attempt needs, or the error that says why there can be none.

Owns the order schema -> adapter -> grammar -> prompt -> room, and the defaults of each. Decodes nothing. May compile a grammar, so never runs on the event loop
(`service/generator.py` sees to that).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from schemas.admission import AdmittedSchema, SchemaRefused, admit_text
from schemas.catalog import Catalog
from schemas.keywords import Finding
from schemas.prompt import SignatureTooLong, render
from schemas.validation import ReportValidator
from service.engine.drafting import Hints
from service.errors import FieldViolation, MatcherFailed, PromptTooLong, RequestInvalid
from service.grammars.closing import Closer
from service.grammars.grammar import CACHE_ENTRIES, Grammar, GrammarSource
from service.request import BASE_ADAPTER_ID, LIMITS, GenerationRequest, Grounding, Mode
from service.weights.adapters import Adapter, AdapterStore
from service.weights.checkpoint import Base

DEFAULT_MAX_NEW_TOKENS = 1024
CLOSING_ROOM = 256
"""A report is watched over from where this many tokens of its budget are left, or twice its schema's shortest report."""
MOST_EXAMPLES = 64
"""Of how many adapters the tokens of the example reports are kept."""

PART = "\ufffd"
"""How a tokenizer tells bytes that are no whole character."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Plan:
    """A request made ready: everything an attempt needs but its seed.

    `hints`: reports of the adapter's, in tokens, and what tokens are, for drafts. `closer`: what keeps the report such that it can be ended, once at most `closing_room` tokens of room are left; None where there is no mask to follow.
    """

    admitted: AdmittedSchema
    validator: ReportValidator
    grammar: Grammar | None
    adapter: Adapter | None
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    prompt_tokens_saved: int
    grounding: Grounding
    closer: Closer | None
    closing_room: int
    hints: Hints


class _Kept(Generic[_Key, _Value]):
    """The latest of what was made, by what it was made for. Safe to use from several threads, which may make the same thing at once."""

    def __init__(self, most: int) -> None:
        self._most, self._found, self._lock = most, dict[_Key, _Value](), threading.Lock()

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        with self._lock:
            if key in self._found:
                return self._found[key]
        found = make()
        with self._lock:
            self._found[key] = found
            while len(self._found) > self._most:
                del self._found[next(iter(self._found))]
        return found


class Planner:
    """Makes requests ready for one base and its adapters. `closer`: None for grammars whose matchers cannot be copied; `hints`: what the tokens are."""

    def __init__(self, base: Base, store: AdapterStore, catalog: Catalog, grammars: GrammarSource, closer: Closer | None, hints: Hints) -> None:
        self._base, self._store, self._catalog, self._grammars, self._closer = base, store, catalog, grammars, closer
        self._hints = hints
        self._hints_of = _Kept[tuple[str, ...], Hints](MOST_EXAMPLES)
        self._shortest = _Kept[str, int | None](CACHE_ENTRIES)
        self._validators = _Kept[str, ReportValidator](CACHE_ENTRIES)
        self._signatures = _Kept[str, int](CACHE_ENTRIES)

    def plan(self, request: GenerationRequest) -> Plan:
        """Raises: SchemaUnknown, SchemaRefused, AdapterUnknown, AdapterMismatch, RequestInvalid, PromptTooLong."""
        admitted = self._admitted(request)
        wants_base = request.adapter_id == BASE_ADAPTER_ID
        adapter = None if wants_base else self._store.resolve(request.adapter_id, admitted.digest)
        grammar, grounding, shortest = self._grammar(request, admitted)
        try:
            prompt_ids = self._prompt_ids(request, admitted if adapter is None else None)
            saved = 0 if adapter is None else self._signatures.get(admitted.digest, lambda: self._signature_tokens(admitted))
        except SignatureTooLong as error:
            raise SchemaRefused((Finding("", "", str(error)),)) from None
        longest = None if grammar is None else admitted.longest_bytes
        parts = ("question", *(f"context[{i}].text" for i in range(len(request.context))), *(("schema_json",) if adapter is None and request.schema_json else ()))
        room = self._room(len(prompt_ids), parts, request.options.max_new_tokens, shortest or 1, longest)
        closer, watched = (None, 0) if shortest is None else (self._closer, max(CLOSING_ROOM, 2 * shortest))
        if grounding is Grounding.STRICT and room <= watched:  # the texts may demand a longer report than the schema does
            room = self._room(len(prompt_ids), parts, request.options.max_new_tokens, self._shortest_way(grammar) or 1, longest)
        return Plan(admitted, self._validator(request, admitted), grammar, adapter, prompt_ids, room, saved, grounding, closer, watched, self._hints_for(adapter))

    def _validator(self, request: GenerationRequest, admitted: AdmittedSchema) -> ReportValidator:
        """Kept for the catalog's schemas; a stranger's may be large, and is asked for once more often than not."""
        if request.schema_id is None:
            return ReportValidator(admitted.schema)
        return self._validators.get(admitted.digest, lambda: ReportValidator(admitted.schema))

    def _hints_for(self, adapter: Adapter | None) -> Hints:
        if adapter is None:
            return self._hints
        texts = adapter.examples
        return self._hints_of.get(texts, lambda: replace(self._hints, examples=tuple(tuple(self._base.tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)))

    def _room(self, num_prompt_tokens: int, parts: tuple[str, ...], asked: int | None, shortest: int, longest: int | None) -> int:
        """How many tokens may be written: what was asked, or the default as far as the context holds it; never fewer than the shortest report takes.

        `longest`: what no report takes more than, as a token is a byte at least; None where there is no such bound.
        """
        room = self._base.config.context_length - num_prompt_tokens
        if room < shortest:
            raise PromptTooLong(num_prompt_tokens, self._base.config.context_length - shortest, parts)
        if asked is not None and asked > room:
            told = f"is {asked}; with this prompt of {num_prompt_tokens} tokens at most {room} fit the model's context"
            raise RequestInvalid((FieldViolation("options.max_new_tokens", told),))
        if asked is not None and asked < shortest:
            bounds = f"the shortest report found takes {shortest} tokens" + (f", none takes more than {longest}" if longest else "")
            raise RequestInvalid((FieldViolation("options.max_new_tokens", f"is {asked}; {bounds}"),))
        return asked or min(max(DEFAULT_MAX_NEW_TOKENS, shortest), room)

    def _grammar(self, request: GenerationRequest, admitted: AdmittedSchema) -> tuple[Grammar | None, Grounding, int | None]:
        """The mask, the grounding it brings and the length of the schema's shortest report; no mask in FREE mode."""
        if request.options.mode is Mode.FREE:
            return None, Grounding.OFF, None
        plain = self._grammars.compiled(admitted, trusted=request.schema_id is not None)
        shortest = self._shortest.get(admitted.digest, lambda: self._shortest_way(plain))
        if request.options.grounding is Grounding.STRICT:
            grounded = self._grammars.grounded(admitted, (request.question, *(item.text for item in request.context)))
            if grounded is not None:
                return grounded, Grounding.STRICT, shortest
        return plain, Grounding.OFF, shortest

    def _shortest_way(self, grammar: Grammar | None) -> int | None:
        """How many tokens the shortest report takes that the closer finds; None where it finds none that could be asked for."""
        if self._closer is None or grammar is None:
            return None
        try:
            way = self._closer.way((), grammar.fresh(), LIMITS.max_new_tokens)
        except MatcherFailed:  # what it looked at may never be written
            return None
        return None if way is None else max(1, len(way))

    def _admitted(self, request: GenerationRequest) -> AdmittedSchema:
        if request.schema_id is not None:
            return self._catalog.get(request.schema_id)
        assert request.schema_json is not None
        return admit_text(request.schema_json)

    def _signature_tokens(self, admitted: AdmittedSchema) -> int:
        """How many tokens a prompt has more for showing the schema. Raises: SignatureTooLong."""
        shown, bare = (self._base.tokenizer.encode(render("", (), schema), add_special_tokens=False).ids for schema in (admitted.schema, None))
        return len(shown) - len(bare)

    def _prompt_ids(self, request: GenerationRequest, admitted: AdmittedSchema | None) -> tuple[int, ...]:
        text = render(request.question, request.context, None if admitted is None else admitted.schema)
        ids = self._base.tokenizer.encode(text, add_special_tokens=False).ids
        bos = self._base.config.bos_id
        return (*([] if bos is None else [bos]), *ids)


def delimiters(token_texts: Sequence[str]) -> Hints:
    """What the tokens of a vocabulary are, by their texts: quotation marks, punctuation, spaces.

    A token that is part of a character counts as a letter. Hyphens, underscores and @ stand inside of ids, names and addresses as often as between words, so they are no punctuation here.
    """

    def those(kind: Callable[[str], bool]) -> frozenset[int]:
        return frozenset(token for token, text in enumerate(token_texts) if kind(text))

    return Hints(
        quotes=those(lambda text: '"' in text),
        ends=those(lambda text: bool(text.strip(" ")) and text[0] not in "-_@" and not any(character.isalnum() or character == PART for character in text)),
        spaces=those(lambda text: bool(text) and not text.strip(" ")),
    )
