"""Practice for a base: right by construction, and no schema of the catalog under its own names."""

from __future__ import annotations

import json
import random

import pytest

from schemas.canonical import canonical_json
from schemas.catalog import Catalog
from schemas.validation import ReportValidator, SecondJudge
from training.exercises import practice
from training.notes.marks import asked


@pytest.fixture(scope="module")
def pairs() -> list[practice.Pair]:
    return [pair for seed in range(150) for pair in practice.pairs(f"5:{seed}")]


def test_every_report_is_canonical_valid_and_told(pairs: list[practice.Pair]) -> None:
    for pair in pairs:
        assert pair.schema is not None and pair.report == canonical_json(json.loads(pair.report))
        assert ReportValidator(pair.schema).check(pair.report).valid and not SecondJudge(pair.schema).check(pair.report).violations
        told = {mark.kind for mark in pair.marks}
        wanted = {mark.kind for mark in asked(pair.schema, json.loads(pair.report)) if mark.kind}
        assert len(wanted - told) <= len(wanted) / 2, "what is asked for is marked in the note, where it has words of its own"


def test_two_schemas_ask_for_different_things_of_the_same_note(pairs: list[practice.Pair]) -> None:
    notes = {}
    for pair in pairs:
        notes.setdefault(pair.question, []).append(canonical_json(pair.schema))
    assert len(notes) >= 140 and sum(len(set(schemas)) == 2 for schemas in notes.values()) > 130
    assert len({name for pair in pairs for name in (pair.schema or {})["properties"]}) > 100, "fields have many names"


def test_no_schema_of_the_catalog_is_asked_for_under_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where every field is kept and most keep their name."""
    monkeypatch.setattr(practice, "SHARE_ASKED", 1.0)
    monkeypatch.setattr(practice, "_name", lambda rng, of, book: of.name if rng.random() < 0.95 else of.name + "_x")
    known = [set(Catalog.load().get(name).schema["properties"]) for name in Catalog.load().ids()]
    found = [set((pair.schema or {})["properties"]) for seed in range(60) for pair in practice.pairs(f"6:{seed}")]
    assert max(map(len, found)) == max(map(len, known[1:])) and not any(names in known for names in found)


def test_only_books_to_train_on_are_used() -> None:
    for specialty in practice.specialties():
        note = specialty.note(random.Random(3), "train", "train")
        assert note.told.is_told and specialty.books["train"].source.split("/")[-2] == "train"
