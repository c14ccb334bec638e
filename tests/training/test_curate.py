"""The curation gate: what may not be learned from is refused, and said why."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.canonical import canonical_json, parse_json
from schemas.catalog import Catalog
from tests.training.drawn import SLICES, drawn
from training.gates import datacard
from training.gates.curate import LEAK_WORDS, Curated, Refusal, changed, curate
from training.gates.founding import founded_on_text
from training.gates.pairs_file import FileInvalid, content_hash, read_pairs, read_texts, write_pairs
from training.notes.marks import Mark
from training.notes.synthesize import ContextItem, Pair

NOTE = (
    "Agent claims-triage-2 belongs to Ana Ruiz (ana.ruiz@example.org) and this covers May 2026. All is well. "
    "There was a queue jam, a minor one, since fixed. Bea Soto is to clean the index."
)


def report(**changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "agent_id": "claims-triage-2",
        "owner": {"name": "Ana Ruiz", "email": "ana.ruiz@example.org"},
        "period": {"start": "2026-05-01", "end": "2026-05-31"},
        "status": "on_track",
        "progress_percent": None,
        "oversight": "unspecified",
        "usage": {"tasks_completed": None, "tasks_failed": None, "cost": None, "p95_latency_ms": None},
        "incidents": [
            {"title": "queue jam", "severity": "low", "occurred_on": None, "resolved": True, "root_cause": None}
        ],
        "policy_checks": [],
        "risks": [],
        "next_actions": [{"action": "clean the index", "assignee": "Bea Soto", "due": None}],
        "approval": {"status": "pending", "approver": None, "decided_on": None},
        "escalated_to": None,
    }
    return whole | changed


OTHERWISE = " ".join(f"Before I come to it, item {n} of my list is done and item {n + 50} is not." for n in range(1, 9)) + "\n"


def made(value: Any = None, **changed: Any) -> Pair:
    text = value if isinstance(value, str) else canonical_json(report() if value is None else value)
    return replace(Pair("1", "agent_status", "en", "letter", NOTE, text), **changed)


def refusal(pair: Pair, *notes: str) -> Refusal:
    found = curate([pair], notes)
    assert not found.kept
    (only,) = found.refused
    return only


def test_a_right_pair_is_kept() -> None:
    assert curate([made()]) == Curated((made(),), ())


@pytest.mark.parametrize(("family", "split", "wording"), SLICES)
def test_synthetic_pairs_pass(family: Any, split: str, wording: str) -> None:
    for lang in ("en", "es"):
        found = curate(drawn(family, split, wording, lang, 50))
        assert all(r.gate in ("duplicate", "telling") for r in found.refused), found.refused
        assert len(found.kept) >= 46


def with_leaf(value: Any, pointer: str, leaf: Any) -> Any:
    """The same value with another leaf."""
    first, _, rest = pointer.removeprefix("/").partition("/")
    if isinstance(value, list):
        return [with_leaf(item, rest, leaf) if str(i) == first and rest else leaf if str(i) == first else item for i, item in enumerate(value)]
    return {name: (with_leaf(item, rest, leaf) if rest else leaf) if name == first else item for name, item in value.items()}


def test_a_report_with_one_value_changed_is_refused() -> None:
    """Whichever value: no pair teaches a figure, a day or a name that its note does not give."""
    schema = Catalog.load().get("agent_status").schema
    tried = 0
    for pair in [one for lang in ("en", "es") for one in drawn("agent_status", "train", "train", lang, 25)]:
        value = parse_json(pair.report)
        for pointer, leaf in founded_on_text(value, schema):
            wrong = replace(pair, report=canonical_json(with_leaf(value, pointer, changed(leaf))))
            (refused,) = curate([wrong]).refused
            assert refused.gate in ("valid", "verbatim", "named", "readable"), (pointer, leaf, refused)
            tried += 1
    assert tried > 300


def test_a_pair_whose_note_could_be_read_either_way_is_refused() -> None:
    note = NOTE.replace("All is well.", "All is well. It cost 9000000000018 or so, 1 to some.")
    usage = {"tasks_completed": 1, "tasks_failed": None, "cost": None, "p95_latency_ms": None}
    assert refusal(made(report(usage=usage), question=note)).gate == "telling"


# --- one gate after the other ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(report()),
        canonical_json(report()).replace("null", " null", 1),
        canonical_json(report(owner={"name": "Ana Ruiz", "email": "ñ"})).replace("ñ", "\\u00f1"),
        canonical_json(report()) + "\n",
        canonical_json(report())[:-1],
        canonical_json(report()).replace('"claims-triage-2"', "NaN"),
        canonical_json(report()).replace("{", '{"status":"paused",', 1),
        canonical_json(dict(reversed(report().items()))),
    ],
    ids=["spaces", "a space", "escapes", "newline", "cut off", "NaN", "a key twice", "another order"],
)
def test_a_report_that_is_not_canonical_is_refused(text: str) -> None:
    assert refusal(made(text)).gate == "canonical"


def test_a_difference_from_the_canonical_form_is_shown() -> None:
    assert "at character 12" in refusal(made(json.dumps(report()))).why


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"status": "fine"}, "/status"),
        ({"progress_percent": 101}, "/progress_percent"),
        ({"period": {"start": "2026-02-30", "end": "2026-05-31"}}, "/period/start"),
        ({"owner": {"name": "Ana Ruiz", "email": "ana.ruiz"}}, "/owner/email"),
        ({"approval": {"status": "approved", "approver": None, "decided_on": None}}, "/approval"),
        ({"policy_checks": [{"policy": "security", "result": "pass"}] * 2}, "/policy_checks"),
        ({"extra": 1}, "extra"),
    ],
)
def test_an_invalid_report_is_refused_with_its_place(changed: dict[str, Any], where: str) -> None:
    found = refusal(made(report(**changed)))
    assert found.gate == "valid" and where in found.why


def test_the_second_judge_is_asked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.gates import curate as module

    monkeypatch.setitem(module.GATES, "valid", lambda pair, schema: iter(()))
    assert refusal(made(report(status="fine"))).gate == "valid_again"


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ({"agent_id": "claims-triage-3"}, "claims-triage-3"),
        ({"owner": {"name": "Ana Diaz", "email": None}}, "Ana Diaz"),
        ({"owner": {"name": "ana ruiz", "email": None}}, "ana ruiz"),
        ({"owner": {"name": "Ana Ruiz", "email": "ana@example.org"}}, "ana@example.org"),
        ({"escalated_to": "the board"}, "the board"),
        ({"next_actions": [{"action": "clean an index", "assignee": None, "due": None}]}, "clean an index"),
    ],
)
def test_a_text_leaf_that_is_not_in_the_note_is_refused(changed: dict[str, Any], value: str) -> None:
    found = refusal(made(report(**changed)))
    assert found.gate == "verbatim" and value in found.why


@pytest.mark.parametrize("marks", [(Mark(0, 9_999, "owner", 0),), (Mark(5, 5, "owner", 0),), (Mark(4, 8, "owner", 0), Mark(6, 9, "agent", 0)), (Mark(-3, 2, "owner", 0),)])
def test_marks_must_fit_the_note(marks: tuple[Mark, ...]) -> None:
    assert refusal(made(marks=marks)).gate == "marked"
    assert curate([made(marks=(Mark(0, 3, "agent", 0), Mark(3, 8, "owner", 0)))]).kept


def test_text_may_stand_in_the_context() -> None:
    assert curate([made(question="Report, please.", context=(ContextItem("mail", NOTE),))]).kept


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"type": "string", "format": "email"}, "b.soto@example.org"),
        ({"type": "string", "pattern": "^[a-z0-9-]+$"}, "bot-17"),
    ],
)
def test_a_name_of_a_generated_schema_must_stand_in_the_note(node: dict[str, Any], value: str) -> None:
    schema = {"type": "object", "properties": {"x": node}, "required": ["x"], "additionalProperties": False}
    pair = Pair("1", None, "en", "chat", "nothing of the kind", canonical_json({"x": value}), (), schema)
    assert refusal(pair).gate == "named"
    assert curate([replace(pair, question=f"it is {value}")]).kept


def test_a_slot_left_open_is_refused() -> None:
    assert refusal(made(question=NOTE + " Owned by {owner}.")).gate == "filled"


def test_an_empty_question_is_refused() -> None:
    assert refusal(made(question=" ", context=(ContextItem("1", NOTE),))).gate == "filled"


def test_the_second_of_two_equal_pairs_is_refused() -> None:
    found = curate([made(), made(id="2"), made(id="3", question=OTHERWISE + NOTE)])
    assert [pair.id for pair in found.kept] == ["1", "3"]
    assert found.refused == (Refusal("2", "duplicate", "an equal pair came before"),)


def test_a_text_that_differs_by_a_word_or_two_is_refused_under_the_same_schema_only() -> None:
    found = curate([made(question=OTHERWISE + NOTE), made(id="2", question=OTHERWISE + NOTE + " Bye.")])
    assert found.refused == (Refusal("2", "near_duplicate", "nearly the text of the pair '1'"),)
    schemas = [{"type": "object", "title": title, "properties": {"x": {"type": "null"}}} for title in "ab"]
    both = [Pair(str(i), None, "en", "letter", OTHERWISE, "{}", schema=schema) for i, schema in enumerate(schemas)]
    assert len(curate(both).kept) == 2


def test_a_refused_pair_does_not_shadow_a_right_one() -> None:
    found = curate([made(report(status="fine")), made(id="2")])
    assert [pair.id for pair in found.kept] == ["2"]


def test_an_unknown_schema_is_refused() -> None:
    assert refusal(made(schema_id="nope")).gate == "schema"


def test_a_schema_that_is_not_admitted_is_refused() -> None:
    pair = Pair("1", None, "en", "chat", "x", "{}", (), {"type": "object", "$ref": "https://example.org/x.json"})
    assert refusal(pair).gate == "schema"


def test_a_pair_that_quotes_an_evaluation_note_is_refused() -> None:
    quoted = "there was a QUEUE JAM: a minor one, since"
    assert refusal(made(), f"Last week {quoted} Monday.").gate == "leak"


def test_fewer_equal_words_are_no_leak() -> None:
    words = NOTE.split()[: LEAK_WORDS - 3]
    assert curate([made()], [" ".join(words)]).kept


# --- files and the data card -----------------------------------------------------------------------------------------


def test_pairs_survive_their_file(tmp_path: Path) -> None:
    some = [p for family, split, wording in SLICES for p in drawn(family, split, wording, "es", 10)]
    assert write_pairs(tmp_path / "deep" / "pairs.jsonl", some) == len(some)
    assert list(read_pairs(tmp_path / "deep" / "pairs.jsonl")) == some


def test_the_content_hash_is_that_of_the_file(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.jsonl", [made(), made(id="2")])
    digest = hashlib.sha256((tmp_path / "pairs.jsonl").read_bytes()).hexdigest()
    assert content_hash([made(), made(id="2")]) == f"sha256:{digest}"
    assert content_hash([made(id="2"), made()]) != f"sha256:{digest}"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [made()])

    def failing() -> Any:
        yield made(id="2")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pairs(path, failing())
    assert list(read_pairs(path)) == [made()]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "field", "why"),
    [
        (b"{", "", "not JSON"),
        (b"[]", "", "not a JSON object"),
        (b'"\xff"', "", "UTF-8"),
        (b"{}", "id", "missing"),
        (b'{"id":"1","lang":"en","register":"x","question":3,"report":"{}","schema_id":"a"}', "question", "not a text"),
        (b'{"id":"1","lang":"en","register":"x","question":"q","report":"{}"}', "schema", "either"),
        (
            b'{"id":"1","lang":"en","register":"x","question":"q","report":"{}","schema_id":"a","context":"c"}',
            "context",
            "list",
        ),
        *(
            (b'{"id":"1","lang":"en","register":"x","question":"q","report":"{}","schema_id":"a","marks":' + marks + b"}", "marks", "start, end, kind, item")
            for marks in (b'"x"', b"[3]", b'[[0,1,"owner"]]', b'[[0,1,"nobody",0]]', b'[[0,true,"owner",0]]', b'[[0.5,1,"owner",0]]')
        ),
        (
            b'{"id":"1","lang":"en","register":"x","question":"q","report":"{}","schema_id":"a","answer":1}',
            "answer",
            "unknown",
        ),
    ],
)
def test_a_bad_line_is_told_by_file_line_and_field(tmp_path: Path, line: bytes, field: str, why: str) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [made()])
    path.write_bytes(path.read_bytes() + b"\n" + line + b"\n")
    with pytest.raises(FileInvalid, match=why) as caught:
        list(read_pairs(path))
    assert (caught.value.path, caught.value.line, caught.value.field) == (path, 3, field)


def test_the_texts_of_notes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(
        '{"id":"a","lang":"en","style":"chat","text":"One.","gold":{}}\n\n{"id":"b","text":"Dos.","gold":{}}\n'
    )
    assert read_texts([path]) == ["One.", "Dos."]
    path.write_text('{"id":"a","gold":{}}\n')
    with pytest.raises(FileInvalid, match="line 1, field 'text'"):
        read_texts([path])


def test_the_card_counts_what_was_kept(tmp_path: Path) -> None:
    found = curate(
        [
            made(),
            made(id="2"),
            made(report(status="blocked", incidents=[]), id="seed:3", lang="es", question=OTHERWISE + NOTE),
            made(report(status="fine")),
        ]
    )
    facts = datacard.card(found)
    assert facts["pairs"] == 2 and facts["content_hash"] == found.content_hash
    assert facts["languages"] == {"en": 1, "es": 1}
    assert facts["refused"]["by_gate"] == {"duplicate": 1, "valid": 1}
    counted = facts["schemas"]["agent_status"]
    assert counted["members"]["/status"] == {"on_track": 1, "at_risk": 0, "blocked": 1, "completed": 0, "paused": 0}
    assert counted["members"]["/incidents/*/resolved"] == {"true": 1, "false": 0}
    assert counted["null_share"]["/usage/cost"] == 1.0 and "/owner/email" not in counted["null_share"]
    assert counted["array_lengths"]["/incidents"] == {"0": 1, "1": 1}
    text, beside = datacard.write(facts, tmp_path / "card.md")
    assert json.loads(beside.read_text()) == facts
    assert found.content_hash in text.read_text() and "| duplicate | 1 |" in text.read_text()


def test_the_card_tells_how_varied_generated_schemas_are() -> None:
    facts = datacard.card(curate(drawn("generated", "train", "train", "en", 20)))
    assert facts["generated"]["pairs"] == facts["pairs"] and facts["generated"]["distinct_schemas"] > 15
    assert facts["sources"] == {"generated-train-7": facts["pairs"]}


def test_a_card_of_nothing_can_be_read() -> None:
    assert "0 pairs kept" in datacard.markdown(datacard.card(curate([])))


def test_a_synthetic_report_is_what_its_pair_says() -> None:
    """The example of this file is a report of the contract: the gates above refuse for the reason they name."""
    assert parse_json(made().report) == report()
