"""Grammars: an admitted schema compiled for one tokenizer, and matchers that follow it.

Owns llguidance: the one canonical form (schema order, no spaces), compiling what a stranger sent in a process that can be killed, and the cache of compiled
grammars, keyed by digest and bounded. A matcher that errs raises; it never goes on unconstrained.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import resource
import secrets
import signal
import threading
from collections import OrderedDict
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from schemas.admission import AdmittedSchema, SchemaRefused
from schemas.keywords import Finding
from service.engine.matcher import Matcher
from service.errors import MatcherFailed
from service.grammars.grounded import GrammarTooLarge, grounded_grammar
from service.grammars.outline import Outline
from service.grammars.sources import Sources

logger = logging.getLogger(__name__)

COMPILE_TIMEOUT_S = 10.0
COMPILE_MEMORY_BYTES = 2 << 30
"""Address space for compiling a stranger's schema, above what the process already has."""
CACHE_ENTRIES = 128
CACHE_BYTES = 128 << 20
"""Of compiled grammars are kept, by what they are estimated to take; the latest used one in any case."""
LEAST_COMPILED_BYTES, COMPILED_BYTES_A_CHARACTER = 150_000, 64
"""What a compiled grammar takes, at the least and for each character that it is compiled from. Measured as what the process grew by: 144 KB for a schema of 400, 760 KB for
11,000, 2.8 MB for 47,000."""
TAKEN_AT_MOST = 8
"""After so many tokens that were taken without a mask one is computed: what a matcher may spend until it gives up is counted from its last mask on."""


class GrammarMatcher:
    """Implements `service.engine.matcher.Matcher` on an LLMatcher. Raises: MatcherFailed from every method."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher, self._vocab_size = matcher, vocab_size
        self._taken, self._free = 0, False  # tokens since the last mask; whether all that is forced here has been written

    def allowed(self) -> NDArray[np.bool_]:
        self._taken = 0
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        return np.unpackbits(packed, bitorder="little", count=self._vocab_size).view(np.bool_)

    def consume(self, token_id: int) -> None:
        self._free = False
        taken = self._matcher.consume_token(token_id)
        self._check()
        if not taken:
            raise MatcherFailed(f"token {token_id} was refused after it was allowed")

    def take(self, token_id: int) -> bool:
        if not self._free or self._taken >= TAKEN_AT_MOST:
            allowed = self.allowed()
            if not self._free and not allowed[token_id]:  # where text is forced the mask has one way to spell it, the grammar alone takes any
                return False
        self._taken += 1
        taken = bool(self._matcher.try_consume_tokens([token_id]))
        self._check()
        self._free = self._free and not taken
        return taken

    def forced(self) -> list[int]:
        tokens = self._matcher.compute_ff_tokens()
        self._check()
        for token in tokens:
            self.consume(token)
        self._free = True
        return list(tokens)

    def copy(self) -> GrammarMatcher:
        made = GrammarMatcher(self._matcher.deep_copy(), self._vocab_size)
        made._taken, made._free = self._taken, self._free
        return made

    def _check(self) -> None:
        if self._matcher.is_error():
            raise MatcherFailed(self._matcher.get_error())


class Grammar(Protocol):
    """A grammar ready to be followed."""

    def fresh(self) -> Matcher:
        """A matcher at the start of it."""
        ...


class GrammarSource(Protocol):
    """Where a generator has its grammars from: `Grammars`, or another engine's (`service/reference.py`)."""

    def compiled(self, admitted: AdmittedSchema, *, trusted: bool) -> Grammar: ...
    def grounded(self, admitted: AdmittedSchema, texts: tuple[str, ...]) -> Grammar | None: ...


@dataclass(frozen=True)
class Compiled:
    """A grammar ready to be followed; `fresh` copies are cheap. ``outline``: of its schema, for the grounded grammars of it; ``size_bytes``: an estimate, of one that is kept."""

    prototype: LLMatcher
    vocab_size: int
    outline: Outline
    size_bytes: int = 0

    def fresh(self) -> GrammarMatcher:
        return GrammarMatcher(self.prototype.deep_copy(), self.vocab_size)


class Grammars:
    """Compiles admitted schemas for a tokenizer, each once. Safe to call from several threads."""

    def __init__(self, tokenizer_json: str, vocab_size: int, eos_ids: tuple[int, ...]) -> None:
        self._spec = (without_markers(tokenizer_json), vocab_size, list(eos_ids))
        self._tokenizer = LLTokenizer(self._spec[0], n_vocab=vocab_size, eos_token=list(eos_ids))
        self._vocab_size = vocab_size
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, Compiled] = OrderedDict()

    def compiled(self, admitted: AdmittedSchema, *, trusted: bool) -> Compiled:
        """The grammar of a schema; may take seconds for one seen the first time.

        ``trusted``: the schema is of the catalog; any other is first compiled in a process of its own, under a clock and a memory limit.

        Raises: SchemaRefused when the grammar cannot be compiled within the limits.
        """
        with self._lock:
            compiled = self._cache.get(admitted.digest)
            if compiled is not None:
                self._cache.move_to_end(admitted.digest)
        if compiled is None:
            compiled = self._compile(admitted, trusted)
        return compiled

    def grounded(self, admitted: AdmittedSchema, texts: tuple[str, ...]) -> Compiled | None:
        """The grammar of a schema whose values come from the texts; None where the engine can't hold it.

        Only for a schema that `compiled` accepted: what is added is bounded by the texts.
        """
        with self._lock:
            known = self._cache.get(admitted.digest)
        outline = Outline(admitted.mask_schema) if known is None else known.outline
        try:
            lark = grounded_grammar(outline, Sources(texts))
        except GrammarTooLarge:
            _tell_ungrounded(admitted, "too large")
            return None
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(lark), log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()
        if matcher.is_error():
            _tell_ungrounded(admitted, _first_line(matcher.get_error()))
            return None
        return Compiled(matcher, self._vocab_size, outline)

    def _compile(self, admitted: AdmittedSchema, trusted: bool) -> Compiled:
        grammar = grammar_of(admitted.mask_schema)
        if not trusted:
            _compile_apart(grammar, self._spec)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise _refused(_first_line(matcher.get_error()))
        compiled = Compiled(matcher, self._vocab_size, Outline(admitted.mask_schema), LEAST_COMPILED_BYTES + COMPILED_BYTES_A_CHARACTER * len(grammar))
        with self._lock:
            self._cache[admitted.digest] = compiled
            while len(self._cache) > CACHE_ENTRIES or (len(self._cache) > 1 and sum(kept.size_bytes for kept in self._cache.values()) > CACHE_BYTES):
                self._cache.popitem(last=False)
        return compiled


def grammar_of(mask_schema: dict[str, Any]) -> str:
    """The grammar of the canonical texts of a schema: properties in its order, no spaces."""
    return LLMatcher.grammar_from_json_schema(json.dumps(mask_schema), overrides={"whitespace_flexible": False})


def without_markers(tokenizer_json: str) -> str:
    """The tokenizer with its special tokens under names that no text has.

    llguidance reads "</s>" in a text it forces (an enum member, a property's name) as the special token, and then refuses that token itself.
    """
    tokenizer = json.loads(tokenizer_json)
    nonce = secrets.token_hex(8)
    special = [token for token in tokenizer["added_tokens"] if token["special"]]
    names = {token["content"]: f"\ue000{nonce}-{token['id']}\ue001" for token in special}
    for token in special:
        token["content"] = names[token["content"]]
    vocab = tokenizer["model"]["vocab"]
    if isinstance(vocab, dict):
        tokenizer["model"]["vocab"] = {names.get(text, text): token_id for text, token_id in vocab.items()}
    else:  # unigram: (text, score) in order of id
        tokenizer["model"]["vocab"] = [[names.get(text, text), score] for text, score in vocab]
    return json.dumps(tokenizer)


def _tell_ungrounded(admitted: AdmittedSchema, why: str) -> None:
    logger.warning("no grounded grammar", extra={"schema_digest": admitted.digest, "why": why})


def _refused(why: str) -> SchemaRefused:
    return SchemaRefused((Finding("", "schema", f"no grammar could be made of it: {why}"),))


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0][:200] if message.strip() else "unknown"


# --- compiling apart -------------------------------------------------------------------------------------------------


def _compile_apart(grammar: str, spec: tuple[str, int, list[int]]) -> None:
    """Compile and take a first mask in a child process. Raises: SchemaRefused when it fails, dies or is too slow."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(sender, grammar, spec), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(COMPILE_TIMEOUT_S):
            raise _refused(f"compiling took longer than {COMPILE_TIMEOUT_S:g} s")
        error = receiver.recv()
    except EOFError:
        raise _refused("compiling ran out of memory or crashed") from None
    finally:
        child.kill()
        child.join()
        receiver.close()
    if error:
        raise _refused(_first_line(error))


def _child(sender: Connection, grammar: str, spec: tuple[str, int, list[int]]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all processes of a group; the parent drains, and ends this one itself
        signal.signal(number, signal.SIG_IGN)
    tokenizer_json, vocab_size, eos_ids = spec
    tokenizer = LLTokenizer(tokenizer_json, n_vocab=vocab_size, eos_token=eos_ids)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _address_space() + COMPILE_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    matcher = LLMatcher(tokenizer, grammar, log_level=0)
    if not matcher.is_error():
        matcher.compute_bitmask()
    sender.send(matcher.get_error() if matcher.is_error() else "")


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
