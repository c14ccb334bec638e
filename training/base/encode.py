"""Pairs into token ids, the same way for pre-training, fine-tuning and serving.

Prompt and report are encoded apart, so the report's tokens never depend on the prompt's last ones; text that spells a special token
stays text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedTokenizerBase

from schemas.prompt import render
from training.base.tagging import UNTAGGED, Tag, report_tags, tags
from training.notes.bindings import ASKING
from training.notes.marks import asked, continued, normalized
from training.notes.synthesize import Pair


@dataclass(frozen=True)
class Encoded:
    """Token ids of a pair; loss is taken from ``prompt_length`` on. ``tags``: one for each token, where they were asked for."""

    token_ids: list[int]
    prompt_length: int
    tags: list[Tag] = field(default_factory=list)

    @property
    def completion_mask(self) -> list[int]:
        return [0] * self.prompt_length + [1] * (len(self.token_ids) - self.prompt_length)


class PairEncoder:
    """Encodes pairs; ``schemas`` resolves schema ids for the base model's prompts, None leaves the schema out (an adapter's prompt).

    ``asking``: for pairs of one schema of their own that the prompt is to leave out too, what each of its leaves asks for (`training/notes/marks.py`).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, schemas: Mapping[str, Any] | None = None, asking: dict[str, Any] | None = None) -> None:
        self.backend = tokenizer.backend_tokenizer
        self.backend.encode_special_tokens = True
        self.bos, self.eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.schemas, self.asking = schemas, asking

    def text_ids(self, text: str) -> list[int]:
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def __call__(self, pair: Pair, *, tagged: bool = False) -> Encoded:
        schema = pair.schema if self.asking is None else None
        if schema is None and self.schemas is not None and self.asking is None:
            schema = self.schemas[str(pair.schema_id)]
        text = render(pair.question, pair.context, schema)
        prompt = self.backend.encode(text, add_special_tokens=False)
        report = self.backend.encode(pair.report, add_special_tokens=False)
        known = [UNTAGGED, *_note_tags(pair, text, prompt.offsets), *_report_tags(pair, self.asking, report.offsets), UNTAGGED] if tagged else []
        return Encoded([self.bos, *prompt.ids, *report.ids, self.eos], len(prompt.ids) + 1, known)


def _report_tags(pair: Pair, asking: dict[str, Any] | None, offsets: list[tuple[int, int]]) -> list[Tag]:
    schema = asking or pair.schema or ASKING.get(str(pair.schema_id))
    if not schema or not pair.marks:
        return [UNTAGGED] * len(offsets)
    report = json.loads(pair.report)
    return report_tags(asked(schema, report), normalized(schema, report), continued(schema, report), offsets)


def _note_tags(pair: Pair, prompt: str, offsets: list[tuple[int, int]]) -> list[Tag]:
    start = prompt.rindex(pair.note)
    return tags(pair.marks, offsets, start, start + len(pair.note))
