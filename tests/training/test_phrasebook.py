"""The books of wordings: rich enough, well formed, and apart."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from training.exercises import spellings
from training.notes import values
from training.notes.synthesize import pair
from training.notes.text import template
from training.phrasebook import (
    LANGS,
    SPLITS,
    Nouns,
    PhrasebookError,
    bare,
    concepts,
    is_label,
    phrasebook,
    read_yaml,
    texts,
)

BOOKS = [(lang, split) for lang in LANGS for split in SPLITS]
FACTS = ("agent", "owner", "email", "period", "progress", "completed", "failed", "completed_failed", "cost", "latency", "incident", "incident_cause",
         "risk", "risk_mitigation", "action", "escalated", "headline", "usage_line", "complaint_opening", "complaint_aside", "complaint_closing", "quote_line")  # fmt: skip
CHOSEN = ("status", "oversight", "policy", "approval", "incident_resolved")
SLOTS = {
    "agent": "agent", "owner": "owner agent", "owner_first_person": "owner agent", "email": "email owner", "agent_owner": "agent owner",
    "headline": "agent owner period", "agent_period": "agent period", "period": "period", "signature": "owner email agent", "progress": "percent",
    "completed": "n unit", "completed_zero": "unit", "failed": "n unit", "failed_zero": "unit", "completed_failed": "done failed unit", "cost": "money",
    "latency": "latency", "incident_intro": "k", "incident": "title severity severity_m date resolved cause", "incident_date": "date",
    "incident_cause": "cause", "policy": "policy", "policies": "policies", "policy_intro": "k", "risk_intro": "k",
    "risk": "risk likelihood impact mitigation", "risk_mitigation": "mitigation", "action_intro": "k", "action": "action assignee due",
    "approval": "approver date", "escalated": "person", "greeting": "recipient", "correction": "wrong right", "memo_header": "agent owner period",
    "distractor": "other_agent n unit money percent latency person date month", "request": "agent",
    "agent_status": "agent", "status_progress": "percent", "agent_status_progress": "agent percent", "usage_line": "done failed unit money latency",
    "agent_oversight": "agent", "agent_approval": "agent approver date", "agent_pending": "agent", "quote_head": "person date",
}  # fmt: skip
"""What each kind of wording may be filled with; no other kind has slots."""


def lists(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every list of a book with its kind and member."""
    if isinstance(node, dict):
        for name, inner in node.items():
            yield from lists(inner, (*path, name))
    else:
        yield path, [str(wording) for wording in node]


@pytest.mark.parametrize(("lang", "split"), BOOKS)
def test_every_kind_of_fact_has_many_wordings(lang: str, split: str) -> None:
    book = phrasebook(lang, split)
    least = 20 if split == "train" else 10  # of the held-out book, what training says too was left out
    for path, wordings in lists(book.wordings):
        if path[0] in FACTS or path[0] in CHOSEN:
            assert len(wordings) >= least, path


@pytest.mark.parametrize(("lang", "split"), BOOKS)
def test_no_list_of_wordings_is_empty_or_repeats_itself(lang: str, split: str) -> None:
    for path, wordings in lists(phrasebook(lang, split).wordings):
        assert wordings, path
        assert len(set(wordings)) == len(wordings), (path, sorted(w for w in set(wordings) if wordings.count(w) > 1))


@pytest.mark.parametrize(("lang", "split"), BOOKS)
def test_a_wording_has_only_slots_that_its_kind_can_fill(lang: str, split: str) -> None:
    for path, wordings in lists(phrasebook(lang, split).wordings):
        for wording in wordings:
            assert template(wording).slots <= set(SLOTS.get(path[0], "").split()), (path, wording)
            assert not re.search(r"[{}]", re.sub(r"\{[a-z_]+\}", "", wording)), (path, wording)


@pytest.mark.parametrize(("lang", "split"), BOOKS)
def test_wordings_have_no_space_around_them(lang: str, split: str) -> None:
    for path, wordings in lists(phrasebook(lang, split).wordings):
        assert all(wording.strip() for wording in wordings), path


@pytest.mark.parametrize("lang", LANGS)
def test_the_held_out_book_lacks_no_kind_or_member(lang: str) -> None:
    train, heldout = ({path for path, _ in lists(phrasebook(lang, split).wordings)} for split in SPLITS)
    assert train <= heldout


@pytest.mark.parametrize("lang", LANGS)
def test_the_books_share_no_wording(lang: str) -> None:
    train, heldout = (phrasebook(lang, split).wordings for split in SPLITS)
    for kind in train:
        if not is_label(kind):
            assert not {bare(w) for w in texts(train[kind])} & {bare(w) for w in texts(heldout[kind])}, kind


@pytest.mark.parametrize("lang", LANGS)
def test_the_books_share_no_noun(lang: str) -> None:
    train, heldout = (phrasebook(lang, split).nouns.rules for split in SPLITS)
    for key in train.keys() & heldout.keys():
        assert not {bare(w) for w in train[key]} & {bare(w) for w in heldout[key]}, key


@pytest.mark.parametrize("lang", LANGS)
def test_the_splits_share_no_surname_city_or_company(lang: str) -> None:
    for pool in (
        lambda split: values.name_pool(lang, split)[1],
        lambda split: values.place_pool(lang, split),
        lambda split: values.company_pool(lang, split),
    ):
        assert not set(pool("train")) & set(pool("heldout"))
        assert len(pool("heldout")) > 50


@pytest.mark.parametrize(("lang", "split"), BOOKS)
def test_every_noun_expands_to_plain_words(lang: str, split: str) -> None:
    book = phrasebook(lang, split)
    for grammar in (book.nouns, *book.nouns.others):
        for key in grammar.rules:
            for seed in range(50):
                rng = random.Random(seed)
                words = values.drawn(rng, book, grammar.expand(rng, key))
                assert words.strip() and not re.search(r"[{}\n]", words), (grammar.source, key, words)


@pytest.mark.parametrize("lang", LANGS)
def test_phrases_come_from_every_author_and_each_keeps_to_its_own_words(lang: str) -> None:
    one, other = Nouns("one", {"action": ["{verb} it"], "verb": ["mend"]}), Nouns("other", {"action": ["{verb} {surname}"], "verb": ["ring"]})
    both = Nouns(one.source, one.rules, (other,))
    assert {both.expand(random.Random(seed), "action") for seed in range(40)} == {"mend it", "ring {surname}"}
    assert not re.search(r"[{}]", values.drawn(random.Random(1), phrasebook(lang), "ring {given} {surname} of {company} in {city} about {word} {code}, {n} times"))
    assert len(phrasebook(lang).nouns.others) == 3, "the files phrases*.yaml"


def test_measuring_meets_no_odd_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> str:
        raise AssertionError("an odd spelling in a note to measure on")

    for name in ("odd_word", "odd_name", "excerpt", "span"):
        monkeypatch.setattr(spellings, name, forbidden)
    for seed in range(40):
        assert pair("agent_status", "heldout", f"odd:{seed}")
    with pytest.raises(AssertionError, match="odd spelling"):
        for seed in range(40):
            pair("echo", "train", f"odd:{seed}")


def test_odd_spellings_can_be_copied_and_are_odd() -> None:
    rng = random.Random(5)
    book = phrasebook("es")
    drawn = [spellings.span(rng, book) for _ in range(3000)]
    assert all(words == " ".join(words.split()) and words.isprintable() and not set(words) & set('"\\') for words in drawn)
    letters = set("".join(drawn))
    assert set("áéíóúüñçßøłžřšğő€#%&") <= letters and len(letters) > 600
    known = {word for part in texts(book.wordings) for word in re.findall(r"\w+", part)}
    assert 0.3 < sum(word in known for words in drawn for word in re.findall(r"\w+", words)) / sum(len(re.findall(r"\w+", words)) for words in drawn) < 0.9


def test_measuring_draws_undisturbed_phrases() -> None:
    book = replace(phrasebook("en", "heldout"), nouns=Nouns("one", {"action": ["mend the gate"], "unit": ["x"], "agent_word": ["x"], "agent_role": ["x"]}))
    assert {values.phrase(random.Random(seed), book, "action") for seed in range(200)} == {"mend the gate"}
    trained = {values.phrase(random.Random(seed), replace(book, split="train"), "action") for seed in range(200)}
    assert len(trained) > 5 and "mend the gate" in trained


def test_an_unknown_noun_is_named_with_its_file() -> None:
    with pytest.raises(PhrasebookError, match=r"nouns\.yaml.*'wombat'"):
        Nouns("nouns.yaml", {"a": ["{wombat}"]}).expand(random.Random(1), "a")


def test_a_missing_kind_is_named_with_its_book() -> None:
    with pytest.raises(PhrasebookError, match=r"train/en lacks status\.asleep"):
        phrasebook("en", "train").entries("status", "asleep")


def test_a_broken_file_is_named_with_its_line(tmp_path: Any) -> None:
    (tmp_path / "x.yaml").write_text("a:\n  - [unclosed\n")
    with pytest.raises(PhrasebookError, match=r"x\.yaml[\s\S]*line"):
        read_yaml(tmp_path / "x.yaml")


def test_a_wording_is_picked_only_if_its_slots_can_be_filled() -> None:
    book = phrasebook("en", "train")
    for seed in range(100):
        picked = book.pick(random.Random(seed), "incident", have={"title", "date"}, need={"title"})
        assert picked is not None and {"title"} <= picked.slots <= {"title", "date"}
    assert book.pick(random.Random(1), "cost", have=(), need=("money",)) is None


@pytest.mark.parametrize("lang", LANGS)
def test_every_concept_can_be_worded(lang: str) -> None:
    for concept in concepts():
        name = concept["concept"]
        assert concept["title"][lang] and concept["names"], name
        if concept["type"] == "enum":
            assert len(concept["members"]) >= 2 and all(m["labels"] and m[lang] for m in concept["members"]), name
        elif concept["type"] == "boolean":
            assert concept["true"][lang] and concept["false"][lang], name
        else:
            assert concept[lang] and all(template(w).slots == {"v"} for w in concept[lang]), name
        if concept["type"] == "text":
            assert len(concept["values"][lang]) >= 3, name


def test_no_two_concepts_have_one_name() -> None:
    names = [concept["concept"] for concept in concepts()]
    assert len(set(names)) == len(names), sorted(n for n in set(names) if names.count(n) > 1)


def test_labels_are_texts_where_yaml_would_read_a_truth_value() -> None:
    from training.notes.bindings import field_names

    labels = {label for members in field_names()["labels"].values() for found in members.values() for label in found}
    assert all(isinstance(label, str) for label in labels) and {"yes", "no"} <= labels
