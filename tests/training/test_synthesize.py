"""The factory: every fact is told, gold is right by construction, a pair is a function of its seed, splits share nothing."""

from __future__ import annotations

import datetime as dt
import random
import re
import subprocess
import sys
from typing import Any

import pytest

from schemas.admission import admit
from schemas.canonical import parse_json
from schemas.catalog import Catalog
from schemas.validation import ReportValidator, SecondJudge, agreed
from tests.training.drawn import SLICES, drawn
from training.notes import assembly, excerpt, values, world
from training.notes.bindings import agent_status
from training.notes.registers import REGISTERS
from training.notes.speaker import Speaker
from training.notes.synthesize import ContextItem, Family, Pair, mixed_book, pair
from training.notes.text import Text, plain, spans
from training.phrasebook import LANGS, SPLITS, bare, phrasebook

NOTES = 40
IDENTITY = ("agent", "owner", "email")
SINGLES = ("progress", "completed", "failed", "cost", "latency")
ITEMS = {
    "incidents": ("title", "date", "cause"),
    "risks": ("risk", "mitigation"),
    "actions": ("action", "assignee", "due"),
}


def told_paths(facts: dict[str, Any]) -> set[str]:
    """The places of every fact that a note must state in words of its own (enum members may be paraphrased)."""
    paths = {name for name in (*IDENTITY, *SINGLES, "escalated") if facts[name] is not None}
    paths -= {name for name in ("completed", "failed") if facts[name] == 0}  # "nothing failed" states no figure
    for group, names in ITEMS.items():
        paths |= {
            f"{group}.{i}.{name}" for i, item in enumerate(facts[group]) for name in names if item[name] is not None
        }
    paths |= {f"policies.{i}.policy" for i in range(len(facts["policies"]))}
    return paths | {f"approval.{name}" for name in ("approver", "date") if facts["approval"][name] is not None}


def note(lang: str, split: str, register: str, seed: int) -> tuple[dict[str, Any], Text]:
    rng = random.Random(f"{lang}:{split}:{register}:{seed}")
    book = phrasebook(lang, split)
    facts = world.draw(rng, book)
    speaker = assembly.speaker_for(rng, book, register, facts["start"], facts["end"])
    return facts, assembly.lay_out(speaker, facts, register)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("register", REGISTERS)
def test_every_drawn_fact_is_told(lang: str, split: str, register: str) -> None:
    for seed in range(NOTES):
        facts, text = note(lang, split, register, seed)
        said = spans(text)
        assert told_paths(facts) <= said.keys(), (seed, told_paths(facts) - said.keys(), plain(text))
        assert "period" in said or {"start", "end"} <= said.keys(), (seed, plain(text))


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("split", SPLITS)
def test_an_excerpt_tells_what_may_be_asked_of_it_and_names_nobody(lang: str, split: str) -> None:
    parts: set[str] = set()
    for seed in range(4 * NOTES):
        text, facts, _ = excerpt.note(random.Random(f"{lang}:{split}:{seed}"), phrasebook(lang, split))
        said = spans(text)
        untold = dict.fromkeys(world.draw(random.Random(seed), phrasebook(lang, split))) | {"approval": {"approver": None, "date": None}}
        assert told_paths(untold | {name: [] for name in (*ITEMS, "policies")} | facts) <= said.keys(), (seed, plain(text))
        assert not {"agent", "owner", "email"} & {*facts, *said}
        assert ("start" in facts) == bool({"period", "start"} & said.keys()), (seed, plain(text))
        parts |= {name for name, value in facts.items() if value not in (None, [])}
    assert {name for names, _ in excerpt.PARTS.values() for name in names} <= parts


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("split", SPLITS)
def test_text_facts_stand_verbatim_in_the_note(lang: str, split: str) -> None:
    for register in REGISTERS:
        for seed in range(NOTES):
            facts, text = note(lang, split, register, seed)
            assert facts["agent"] in plain(text), (register, seed)
            assert facts["owner"].casefold() in plain(text).casefold(), (register, seed)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("split", SPLITS)
def test_no_wording_is_ever_missing(lang: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a teller wants to say fails for want of a wording: status, oversight and every other member included."""
    say = Speaker.say

    def checked(self: Speaker, *kind: str, have: Any = None, need: tuple[str, ...] = ()) -> Text:
        words = say(self, *kind, have=have, need=need)
        assert words, (kind, sorted(have or ()), need)
        return words

    monkeypatch.setattr(Speaker, "say", checked)
    for register in REGISTERS:
        for seed in range(NOTES):
            note(lang, split, register, seed)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("kind", "fact"), [("status", "status"), ("oversight", "oversight")])
def test_the_chosen_member_is_told(
    lang: str, split: str, kind: str, fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "noisy", lambda rng, lang, text, register: text)
    book = phrasebook(lang, split)
    for register in REGISTERS:
        for seed in range(NOTES):
            facts, text = note(lang, split, register, seed)
            if member := facts[fact]:
                fused = [longest_words(way) for fused in FUSED if fused.endswith(kind) or kind in fused for way in book.entries(fused, member)]
                ways = [bare(way) for way in (member, member.replace("_", " "), *book.entries(kind, member), *fused)]
                assert any(way in bare(plain(text)) for way in ways), (register, seed, member, plain(text))


FUSED = ("agent_status", "status_progress", "agent_status_progress", "agent_oversight")


def longest_words(wording: str) -> str:
    """The longest run of a wording without a slot."""
    return max(re.split(r"\{[a-z_]+\}", wording), key=len)


def test_facts_that_share_a_clause_are_told_once() -> None:
    """In prose a share of the notes opens with the agent and how it stands; nothing that such a clause tells is told again."""
    opened = 0
    for lang in LANGS:
        for seed in range(120):
            facts, text = note(lang, "train", "handover", seed)
            told = [path for _, path in text]
            assert told.count("progress") <= 1 and told.count("completed") <= 1 and told.count("latency") <= 1 and told.count("cost") <= 1, plain(text)
            first = next(path for piece, path in text if path)
            opened += first == "agent" and plain(text).startswith(facts["agent"])
    assert opened > 3


def test_a_message_may_quote_the_one_that_it_answers_and_a_register_may_complain() -> None:
    quoting = complaining = 0
    for seed in range(400):
        rng = random.Random(f"register:{seed}")
        register = assembly.draw_register(rng)
        complaining += register == "complaint"
        _, text = note("en", "train", "letter", seed)
        lines = plain(text).splitlines()
        quoting += any(line.startswith("> ") for line in lines)
    assert 5 < complaining < 60 and 10 < quoting < 80


def test_what_is_not_told_is_null_empty_or_unspecified() -> None:
    book = phrasebook("en", "train")
    facts = world.draw(random.Random(3), book)
    for name in (*SINGLES, "email", "oversight", "escalated"):
        facts[name] = None
    for name in ("incidents", "policies", "risks", "actions"):
        facts[name] = []
    facts["approval"] = {"status": "pending", "approver": None, "date": None}
    report = agent_status(facts, {"owner": facts["owner"]})
    assert report["usage"] == {"tasks_completed": None, "tasks_failed": None, "cost": None, "p95_latency_ms": None}
    assert report["oversight"] == "unspecified" and report["owner"]["email"] is None
    assert report["incidents"] == report["policy_checks"] == report["risks"] == report["next_actions"] == []
    assert report["approval"] == {"status": "pending", "approver": None, "decided_on": None}


def test_every_boundary_of_the_contract_is_drawn() -> None:
    """Empty and full lists, every member, zero, nothing and a hundred percent."""
    reports = [parse_json(p.report) for lang in LANGS for p in drawn("agent_status", "train", "train", lang)]
    for name, most in (("incidents", 4), ("policy_checks", 6), ("risks", 4), ("next_actions", 5)):
        assert {len(report[name]) for report in reports} == set(range(most + 1)), name
    assert {report["status"] for report in reports} == set(world.STATUSES)
    assert {report["oversight"] for report in reports} == {*world.OVERSIGHT, "unspecified"}
    assert {0, 100, None} <= {report["progress_percent"] for report in reports}
    assert {0, None} <= {report["usage"]["tasks_failed"] for report in reports}


# --- gold ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(("family", "split", "wording"), SLICES)
def test_gold_is_valid_for_both_judges(family: Family, split: str, wording: str, lang: str) -> None:
    catalog = Catalog.load()
    schemas = {p.schema_id: catalog.get(p.schema_id).schema for p in drawn(family, split, wording, lang) if p.schema_id}
    judges = {schema_id: (ReportValidator(schema), SecondJudge(schema)) for schema_id, schema in schemas.items()}
    for p in drawn(family, split, wording, lang):
        both = judges[p.schema_id] if p.schema_id else (ReportValidator(p.schema), SecondJudge(p.schema))
        assert agreed(both, parse_json(p.report)), p.id


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(("family", "split", "wording"), SLICES)
def test_no_slot_is_left_open(family: Family, split: str, wording: str, lang: str) -> None:
    for p in drawn(family, split, wording, lang):
        assert not re.search(r"\{[a-z_]+\}", p.text), p.text
        assert p.question.strip(), p.id


@pytest.mark.parametrize("split", SPLITS)
def test_every_generated_schema_is_admitted(split: str) -> None:
    for p in drawn("generated", split, split, "en", 60):
        assert admit(p.schema).schema == p.schema


# --- determinism and splits ------------------------------------------------------------------------------------------


def test_a_pair_is_a_function_of_its_seed() -> None:
    for family, split, wording in SLICES:
        assert pair(family, split, "5:3", wording) == pair(family, split, "5:3", wording)
        assert pair(family, split, "5:3", wording) != pair(family, split, "5:4", wording)


def test_a_pair_does_not_depend_on_the_process() -> None:
    code = "from training.notes.synthesize import pair\nprint([p.to_json() for f in ('agent_status', 'generated', 'excerpt', 'copying') for p in pair(f, 'train', '5:3')])"
    outputs = {subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, capture_output=True, text=True, check=True).stdout
               for seed in ("1", "2")}  # fmt: skip
    assert len(outputs) == 1


def test_the_slices_of_one_seed_have_ids_of_their_own() -> None:
    ids = [p.id for family, split, wording in SLICES for p in pair(family, split, "5:3", wording)]
    assert len(set(ids)) == len(ids)


def test_unseen_values_are_told_in_the_words_of_training() -> None:
    book = mixed_book("en", "heldout", "train")
    assert book.wordings == phrasebook("en", "train").wordings
    assert book.nouns == phrasebook("en", "heldout").nouns
    assert book.split == "heldout"


@pytest.mark.parametrize("lang", LANGS)
def test_no_surname_of_training_owns_a_held_out_agent(lang: str) -> None:
    trained = (
        set(values.name_pool(lang, "train")[1])
        - set(values.name_pool(lang, "train")[0])
        - set(values.name_pool(lang, "heldout")[0])
    )
    for p in drawn("agent_status", "heldout", "heldout", lang):
        given, *rest = parse_json(p.report)["owner"]["name"].split()
        assert not {" ".join(rest), rest[-1]} & trained, (given, rest)


def test_a_report_names_days_as_the_calendar_has_them() -> None:
    for p in drawn("agent_status", "train", "train", "es"):
        period = parse_json(p.report)["period"]
        assert dt.date.fromisoformat(period["start"]) <= dt.date.fromisoformat(period["end"]), p.id


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_a_pair_survives_its_json() -> None:
    for family, split, wording in SLICES:
        for p in drawn(family, split, wording, "en", 20):
            assert Pair.from_json(p.to_json()) == p


def test_some_facts_stand_in_the_context() -> None:
    placed = [p for p in drawn("agent_status", "train", "train", "en") if p.context]
    assert placed
    for p in placed:
        assert parse_json(p.report)["agent_id"] in p.text


@pytest.mark.parametrize(("schema_id", "schema"), [(None, None), ("agent_status", {"type": "object"})])
def test_a_pair_has_one_schema(schema_id: str | None, schema: dict[str, Any] | None) -> None:
    with pytest.raises(ValueError, match="either"):
        Pair("1", schema_id, "en", "chat", "q", "{}", (), schema)


def test_the_text_of_a_pair_is_question_and_context() -> None:
    assert (
        Pair("1", "agent_status", "en", "chat", "q", "{}", (ContextItem("a", "one"), ContextItem("b", "two"))).text
        == "q\none\ntwo"
    )


def test_registers_are_all_in_use() -> None:
    found = {p.register for lang in LANGS for p in drawn("agent_status", "train", "train", lang)}
    assert found == set(REGISTERS)
