"""The tokenizer of the shipped base: byte-level BPE, words without the space before them, digits one by one, structural runs of JSON as single tokens.

A word is spelled by the same tokens wherever it stands. Where the space is part of the word (as in most vocabularies), the first word of a value is spelled
otherwise in the report ("Ana) than in the note ( Ana), and a small model must learn every pair of spellings before it can copy.

Owns training of the vocabulary; any other checkpoint brings its own tokenizer. Run it with

    escribano-train tokenizer --output runs/tokenizer
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from schemas.prompt import render
from training.notes.synthesize import pairs

VOCAB_SIZE = 4096
BOS, EOS, PAD = "<s>", "</s>", "<pad>"
CONTEXT_LENGTH = 4096

_PIECES = Regex(
    r'":(?:null|true|false)[,}\]{\["]*'  # a property's literal with the punctuation up to the next name
    r"|_?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def corpus(seed: int, count: int) -> Iterator[str]:
    """Prompts and reports of both families, half and half."""
    both = zip(pairs("agent_status", "train", seed), pairs("generated", "train", seed), strict=False)
    for pair in itertools.islice(itertools.chain.from_iterable(both), count):
        yield render(pair.question, pair.context, pair.schema)
        yield pair.report


def train(seed: int = 0, count: int = 40_000, vocab_size: int = VOCAB_SIZE) -> PreTrainedTokenizerFast:
    """Learn the vocabulary from ``count`` synthetic pairs."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(_PIECES, behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=24,
        show_progress=True,
    )
    tokenizer.train_from_iterator(corpus(seed, count), trainer=trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, model_max_length=CONTEXT_LENGTH, clean_up_tokenization_spaces=False
    )


def save(tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write its files, tokenizer.json last and whole: it is what says that they are there."""
    beside = output.with_name(output.name + ".part")
    tokenizer.save_pretrained(beside)
    output.mkdir(parents=True, exist_ok=True)
    for file in sorted(beside.iterdir(), key=lambda file: file.name == "tokenizer.json"):
        file.replace(output / file.name)
    beside.rmdir()
