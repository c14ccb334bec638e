"""What a grammar accepts, and random texts of it.

Owns: `accepts` and `texts_of`, on a matcher of the tiny tokenizer.
"""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from service.grammars.grammar import Compiled, Grammars, grammar_of, without_markers
from service.grammars.outline import Outline
from tests import tiny

TOKENIZER = tiny.tokenizer()
TOKENIZER.encode_special_tokens = True  # "</s>" in a text is text
_LL = LLTokenizer(without_markers(TOKENIZER.to_str()), n_vocab=tiny.VOCAB_SIZE, eos_token=[tiny.EOS_ID])


@lru_cache(maxsize=1)
def grammars() -> Grammars:
    """Grammars of the tiny tokenizer."""
    return Grammars(TOKENIZER.to_str(), tiny.VOCAB_SIZE, (tiny.EOS_ID,))


def mask_of(mask_schema: dict[str, Any]) -> Compiled:
    """The plain grammar of a mask schema."""
    matcher = LLMatcher(_LL, grammar_of(mask_schema), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return Compiled(matcher, tiny.VOCAB_SIZE, Outline(mask_schema))


def accepts(grammar: Compiled, text: str) -> bool:
    """Whether a text, and not only its beginning, is in the grammar."""
    matcher = grammar.prototype.deep_copy()
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    return bool(matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting())


def takes(grammar: Compiled, value: Any) -> bool:
    """Whether the canonical text of a value is in the grammar."""
    return accepts(grammar, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def texts_of(grammar: Compiled, count: int, max_tokens: int = 400) -> list[str]:
    """Random texts of a grammar; one that is not done after so many tokens is left out. A dead end is a finding."""
    found = []
    for seed in range(count):
        draw, matcher, ids = random.Random(seed), grammar.fresh(), list[int]()
        while len(ids) < max_tokens:
            allowed = [int(token) for token in matcher.allowed().nonzero()[0]]
            assert allowed, f"a dead end after {TOKENIZER.decode(ids)!r}"
            token = draw.choice(allowed)
            if token == tiny.EOS_ID:
                found.append(TOKENIZER.decode(ids, skip_special_tokens=False))
                break
            matcher.consume(token)
            ids.append(token)
    return found
