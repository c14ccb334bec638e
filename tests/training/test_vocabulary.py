"""The exercise of the vocabulary: whole pieces only, evenly drawn, copied as they stand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from schemas.canonical import parse_json
from training.exercises import vocabulary
from training.gates.curate import curate

SHIPPED = Path(__file__).parents[2] / "service" / "embedded" / "base"


def test_pieces_are_whole_and_written_in_json_as_they_stand() -> None:
    known = vocabulary.pieces(PreTrainedTokenizerFast.from_pretrained(SHIPPED))
    assert len(known) > 3500 and len(set(known)) == len(known)
    assert all(piece.isprintable() and piece.strip() and not set(piece) & set('"\\\N{REPLACEMENT CHARACTER}') for piece in known)


def test_an_exercise_passes_the_gates_and_is_a_function_of_its_seed() -> None:
    known = vocabulary.pieces(PreTrainedTokenizerFast.from_pretrained(SHIPPED))
    pairs = [vocabulary.pair(known, f"1:{i}") for i in range(200)]
    assert pairs == [vocabulary.pair(known, f"1:{i}") for i in range(200)]
    found = curate(pairs)
    assert len(found.refused) <= 2, found.refused
    for one in found.kept:
        (value,) = parse_json(one.report).values()
        assert value in one.question and len(value) >= 6


def test_nearly_every_token_is_practised() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(SHIPPED)
    known = vocabulary.pieces(tokenizer)
    met: Counter[int] = Counter()
    for i in range(3000):
        met.update(tokenizer.encode(vocabulary.pair(known, f"2:{i}").report, add_special_tokens=False))
    assert sum(1 for token in range(len(tokenizer)) if met[token] < 3) < 400, "it was 2,262 with the words of notes alone"
