"""llguidance over single bytes, for tests: which texts a mask schema lets through, and random texts it lets through."""

from __future__ import annotations

import json
import random
from typing import Any, ClassVar

from llguidance import LLMatcher, LLTokenizer
from llguidance._tokenizer import TokenizerWrapper

EOS = 256
CLOSING = b'"]}'


class _Bytes:
    eos_token_id = EOS
    bos_token_id = None
    tokens: ClassVar = [bytes([i]) for i in range(256)] + [b"<eos>"]
    special_token_ids: ClassVar = [EOS]

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode("utf-8"))


_TOKENIZER = LLTokenizer(TokenizerWrapper(_Bytes()), eos_token=EOS)


class MaskError(Exception):
    """llguidance refuses the schema."""


class MaskEngine:
    """One mask schema compiled."""

    def __init__(self, mask_schema: dict[str, Any]) -> None:
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(mask_schema), overrides={"whitespace_flexible": False})
        self._matcher = LLMatcher(_TOKENIZER, grammar, log_level=0)
        if self._matcher.is_error():
            raise MaskError(self._matcher.get_error())

    def accepts(self, text: str) -> bool:
        """Whether the whole text may be written under the mask."""
        self._matcher.reset()
        data = list(text.encode("utf-8"))
        taken = self._matcher.try_consume_tokens(data)
        assert not self._matcher.is_error(), self._matcher.get_error()
        return taken == len(data) and bool(self._matcher.is_accepting())

    def write(self, seed: int, max_bytes: int = 400) -> str | None:
        """A random text that the mask lets through; None when it is not finished within max_bytes."""
        draw = random.Random(seed)
        self._matcher.reset()
        written = bytearray()
        while len(written) < max_bytes:
            bias = self._matcher.compute_logit_bias()
            assert not self._matcher.is_error(), self._matcher.get_error()
            allowed = [token for token in range(EOS + 1) if bias[token]]
            if EOS in allowed and (len(allowed) == 1 or draw.random() < 0.4):
                return written.decode("utf-8")
            token = self._chosen([token for token in allowed if token != EOS], len(written), draw)
            assert self._matcher.consume_token(token)
            written.append(token)
        return None

    @staticmethod
    def _chosen(allowed: list[int], length: int, draw: random.Random) -> int:
        closing = [token for token in allowed if token in CLOSING]
        if closing and draw.random() < min(0.95, 0.3 + length / 200):
            return draw.choice(closing)
        return draw.choice(allowed)
