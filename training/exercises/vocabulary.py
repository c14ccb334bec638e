"""An exercise of the tokenizer's vocabulary: all its pieces, evenly, to be copied.

However many words the notes hold, most of the vocabulary is met in a few of them only (docs/training-log.md), and a piece that a report has hardly ever held is one
that the model cannot name when it has to. Owns which pieces can be shown and how they are strung together; a pair is a function of (vocabulary, seed).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from schemas.canonical import canonical_json
from training.exercises import copying
from training.notes.synthesize import Pair

_UNPRINTED = "\N{REPLACEMENT CHARACTER}"  # what part of a character decodes to


def pieces(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """The text of every token that is whole characters and that JSON writes as the note does."""
    backend = tokenizer.backend_tokenizer
    found = (backend.decode([number]) for number in range(backend.get_vocab_size()))
    return tuple(text for text in found if text.strip() and text.isprintable() and not set(text) & {'"', "\\", _UNPRINTED})


def pair(known: Sequence[str], seed: str) -> Pair:
    """One property whose value is six to forty pieces in a row; a word is made of one or of a few."""
    rng = random.Random(f"vocabulary:{seed}")
    words = "".join(piece + rng.choice(("", "", " ")) for piece in rng.choices(known, k=rng.randrange(6, 41)))
    text, (schema, instance) = copying.labelled(rng, " ".join(words.split()))
    return Pair(f"vocabulary-{seed}", None, "en", "fields", text, canonical_json(instance), schema=schema)
