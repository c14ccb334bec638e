"""Pairs into token ids, the same way for pre-training, fine-tuning and serving.

Prompt and report are encoded apart, so the report's tokens never depend on the prompt's last ones; text that spells a special token
stays text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from schemas.prompt import render
from training.synthesize import Pair


@dataclass(frozen=True)
class Encoded:
    """Token ids of a pair; loss is taken from ``prompt_length`` on."""

    token_ids: list[int]
    prompt_length: int

    @property
    def completion_mask(self) -> list[int]:
        return [0] * self.prompt_length + [1] * (len(self.token_ids) - self.prompt_length)


class PairEncoder:
    """Encodes pairs; ``schemas`` resolves schema ids for the base model's prompts, None leaves the schema out (an adapter's prompt)."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, schemas: Mapping[str, Any] | None = None) -> None:
        self.backend = tokenizer.backend_tokenizer
        self.backend.encode_special_tokens = True
        self.bos, self.eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.schemas = schemas

    def text_ids(self, text: str) -> list[int]:
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def __call__(self, pair: Pair) -> Encoded:
        schema = pair.schema
        if schema is None and self.schemas is not None:
            schema = self.schemas[str(pair.schema_id)]
        prompt = [self.bos, *self.text_ids(render(pair.question, pair.context, schema))]
        return Encoded([*prompt, *self.text_ids(pair.report), self.eos], len(prompt))
