"""Specialists: a schema's fields are read, told and asked for; whatever is wrong is named; the run makes an adapter that its own schema finds."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.admission import admit, admit_text
from schemas.canonical import canonical_json, parse_json
from schemas.catalog import Catalog
from schemas.reading.clock import moments
from tests import tiny
from training.base.encode import PairEncoder
from training.cli import app
from training.failures import AdapterUnfit
from training.gates.curate import curate
from training.gates.pairs_file import FileInvalid, read_golden, read_pairs, write_pairs
from training.gates.reading import number_can_be_read
from training.gates.reading_dates import moment_can_be_read
from training.notes.marks import asked
from training.notes.synthesize import pair
from training.phrasebook import PhrasebookError, bare, texts
from training.specialist.factory import Places, SpecialistFailed, SpecialistPlan, report, specialist
from training.specialist.fieldbook import FieldBook, books_of, frames, read_book
from training.specialist.fields import SchemaUnfit, read_fields
from training.specialist.notes import Specialty

EXAMPLES = sorted((Path(__file__).parents[2] / "schemas" / "examples").glob("*.json"))
WITH_BOOKS = ("audit_finding", "incident_report", "risk_assessment", "usage_cost")
SMALL = {
    "title": "Delivery", "type": "object", "additionalProperties": False, "required": ["code", "driver", "weight", "fragile", "left_at"],
    "properties": {
        "code": {"title": "Parcel code", "type": "string", "pattern": "^P-[0-9]+$"},
        "driver": {"title": "Driver", "type": "string", "minLength": 1},
        "weight": {"title": "Weight (kg)", "anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]},
        "fragile": {"title": "Fragile", "type": "boolean"},
        "left_at": {"title": "Left at", "enum": ["front_door", "neighbour", "unknown"]},
    },
}  # fmt: skip


def specialty(name: str) -> Specialty:
    if name in WITH_BOOKS:
        return Specialty.read(name, Catalog.load().get(name))
    return Specialty.read(name, admit_text(next(p for p in EXAMPLES if p.stem == name).read_text("utf-8")))


def node(**schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


# --- fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "kind", "told"),
    [
        ({"type": "string"}, "text", ""),
        ({"type": "string", "title": "Approved by"}, "person", ""),
        ({"type": "string", "title": "Employer"}, "company", ""),
        ({"type": "string", "title": "Ciudad de nacimiento"}, "city", ""),
        ({"type": "string", "format": "date"}, "date", ""),
        ({"type": "string", "format": "email"}, "email", ""),
        ({"type": "string", "format": "date-time"}, "date_time", ""),
        ({"type": "string", "pattern": "^[A-Z]{3}$"}, "code", ""),
        ({"type": ["string", "null"]}, "text", "nullable"),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, "enum", ""),
        ({"enum": ["a", "b", None]}, "enum", "nullable"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "Age in years"}, "integer", "nullable"),
        ({"type": "number", "title": "Share (%)"}, "percent", ""),
        ({"type": "object", "properties": {"amount": {"type": "number"}, "currency": {"enum": ["EUR", "USD"]}}}, "money", ""),
        ({"type": "object", "properties": {"from": {"type": "string", "format": "date"}, "to": {"type": "string", "format": "date"}}}, "period", ""),
        ({"type": "array", "items": {"type": "string"}}, "list", ""),
        ({"anyOf": [{"const": "x"}, {"type": "null"}]}, "enum", "nullable"),
        ({"allOf": [{"type": "boolean"}]}, "boolean", ""),
    ],
)  # fmt: skip
def test_what_a_place_of_the_report_holds(schema: dict[str, Any], kind: str, told: str) -> None:
    (found,) = read_fields(node(**schema)).members
    assert (found.kind, found.nullable) == (kind, told == "nullable")


def test_a_unit_in_the_title_is_no_part_of_the_label() -> None:
    (found,) = read_fields(node(type="integer", title="Duration in minutes")).members
    assert (found.title, found.unit) == ("duration", "minutes")
    assert read_fields(node(type="integer", title="People in scope")).members[0].title == "people in scope"


def test_a_title_that_two_fields_have_is_told_with_what_it_stands_in() -> None:
    person = {"type": "object", "properties": {"name": {"title": "Name", "type": "string"}}}
    root = read_fields({"type": "object", "properties": {"sender": person, "recipient": person, "billed": {"$ref": "#/$defs/day", "title": "Billing day"}, "shipped": {"$ref": "#/$defs/day"}},
                        "$defs": {"day": {"title": "Day", "type": "string", "format": "date"}}})  # fmt: skip
    titles = {f.pointer: f.title for f in root.walk()}
    assert (titles["/sender/name"], titles["/recipient/name"]) == ("sender name", "recipient name")
    assert (titles["/billed"], titles["/shipped"]) == ("billing day", "shipped")


@pytest.mark.parametrize(
    ("schema", "where", "why"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "/x", "offers 2 shapes"),
        ({"type": ["string", "integer"]}, "/x", "2 types"),
        ({"enum": [1, 2]}, "/x", "no texts"),
        ({"type": "object"}, "/x", "without properties"),
        ({}, "/x", "without a type"),
        ({"$ref": "#"}, "/x", "refer to itself"),
        ({"enum": [None]}, "/x", "without members"),
        ({"anyOf": [True, {"type": "null"}]}, "/x", "says nothing"),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"type": "null"}}}]}, "/x", "several branches of allOf"),
    ],
)  # fmt: skip
def test_a_shape_that_no_note_can_be_drawn_for_is_named(schema: dict[str, Any], where: str, why: str) -> None:
    with pytest.raises(SchemaUnfit, match=why) as failure:
        read_fields(node(**schema))
    assert failure.value.pointer.startswith(where)


# --- field books -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"/code":\n  title: {en: code}\n"/cod":\n  title: {en: code}\n', r"line 3, field '/cod': the schema has no such field; it has /code"),
        ('"/code":\n  en: ["it is there"]\n', r"line 1, field '/code': 'it is there' has not the slots of its field: v"),
        ('"/left_at":\n  members: {garage: {}}\n', r"no member 'garage'; it has front_door, neighbour, unknown"),
        ('"/code":\n  kind: wombat\n', r"unknown kind 'wombat'"),
        ('"/code":\n  titel: {}\n', r"unknown key 'titel'"),
        ("- a\n", r"line 1: not a mapping"),
        ('"/weight":\n  kind: person\n', r"a field of kind number has no other"),
        ('"/code":\n  title: code\n', r"'title' is not written as the others are"),
        ('"/code":\n  unknown: {en: no idea}\n', r"'unknown' is not written"),
        ('"/code":\n  unknown: {en: ["no {v}"]}\n', r"'no \{v\}' has a slot where none is filled"),
    ],
)
def test_what_is_wrong_in_a_field_book_is_named_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(text, "utf-8")
    with pytest.raises(PhrasebookError, match=rf"book\.yaml, .*{why}"):
        read_book(tmp_path / "book.yaml", read_fields(SMALL))


def test_the_books_of_several_authors_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.specialist.fieldbook.BOOKS", tmp_path)
    (tmp_path / "train").mkdir()
    for name, text in {
        "delivery": '"/code":\n  title: {en: "code"}\n  en: ["it is {v}"]\n"/fragile":\n  members: {"true": {en: {words: ["frail"], clauses: ["mind the glass"]}}}\n',
        "delivery_2": '"/code":\n  title: {en: "number"}\n  en: ["called {v}", "it is {v}"]\n  es: ["es {v}"]\n"/fragile":\n  members: {"true": {en: {clauses: ["it may break"]}}}\n',
        "delivery_van": '"/code":\n  en: ["of another schema {v}"]\n',
    }.items():
        (tmp_path / "train" / f"{name}.yaml").write_text(text, "utf-8")
    book = books_of("delivery", read_fields(SMALL), shipped=True)["train"]
    assert book.of("/code", "en") == ["it is {v}", "called {v}"] and book.of("/code", "es") == ["es {v}"]
    assert book.entries["/code"]["title"] == {"en": "code"}, "the first author's"
    assert book.of("/fragile", "en", "members", "true", "clauses") == ["mind the glass", "it may break"]
    (tmp_path / "train" / "delivery_3.yaml").write_text('"/code":\n  en: ["no slot"]\n', "utf-8")
    with pytest.raises(PhrasebookError, match=r"delivery_3\.yaml, line 1"):
        books_of("delivery", read_fields(SMALL), shipped=True)


@pytest.mark.parametrize("name", WITH_BOOKS)
def test_the_shipped_books_share_no_wording(name: str) -> None:
    root = specialty(name).root
    books = books_of(name, root, shipped=True)
    train, heldout = books["train"], books["heldout"]
    for place, entry in heldout.entries.items():
        mine = {bare(w) for lang in ("en", "es") for w in entry.get(lang, ())}
        assert not mine & {bare(w) for w in texts({k: v for k, v in train.entries[place].items() if k not in ("title", "kind")})}
        leaf = next(f for f in root.walk() if f.pointer == place)
        assert len(mine) >= 8 or leaf.kind in ("enum", "boolean", "list"), place
    assert train.langs == heldout.langs == ("en", "es")


def test_the_frames_for_fields_without_a_book_share_nothing_either() -> None:
    for lang, kind in itertools.product(("en", "es"), ("value", "yes", "no", "unknown", "none")):
        assert all("{title}" in words for split in ("train", "heldout") for words in frames(split, lang, kind))
        shared = {bare(w) for w in frames("train", lang, kind)} & {bare(w) for w in frames("heldout", lang, kind)}
        assert shared <= {"title v", "v title"}, "a bare label and its value"
        assert len(frames("heldout", lang, kind)) >= 5


# --- notes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*WITH_BOOKS, *(path.stem for path in EXAMPLES)])
@pytest.mark.parametrize(("split", "wording"), [("train", "train"), ("heldout", "train"), ("heldout", "heldout")])
def test_notes_pass_the_gates_and_every_field_is_told_and_left_out(name: str, split: str, wording: str) -> None:
    made = specialty(name)
    found = curate(itertools.islice(made.pairs(split, 3, wording), 45))
    assert len(found.refused) <= 5, found.refused_by_gate
    values: dict[str, list[Any]] = {f.pointer: [] for f in made.root.walk()}
    for one in found.kept:
        _collect(made.root, parse_json(one.report), values)
    for f in made.root.walk():
        told = [v for v in values[f.pointer] if v not in (None, [], f.unsaid_member)]
        assert told, f"{f.pointer} is never told"
        assert not f.nullable or None in values[f.pointer], f"{f.pointer} is never left out"
    assert {one.lang for one in found.kept} == set(made.langs)


def _collect(of: Any, value: Any, values: dict[str, list[Any]]) -> None:
    values[of.pointer].append(value)
    if of.kind == "object" and value is not None:
        for member in of.members:
            _collect(member, value[member.name], values)
    if of.kind == "list":
        for item in value:
            _collect(of.item, item, values)


def test_a_pair_is_a_function_of_its_seed() -> None:
    one, two = specialty("usage_cost"), specialty("usage_cost")
    assert [one.pair("train", f"1:{i}") for i in range(5)] == [two.pair("train", f"1:{i}") for i in range(5)]
    assert one.pair("train", "1:0").question != one.pair("train", "2:0").question


def test_a_pair_does_not_depend_on_the_process_that_draws_it() -> None:
    code = (
        "import itertools; from schemas.catalog import Catalog; from training.gates.pairs_file import content_hash; from training.specialist.notes import Specialty\n"
        "print(content_hash(p for n in ('risk_assessment', 'usage_cost') for p in itertools.islice(Specialty.read(n, Catalog.load().get(n)).pairs('train', 1), 40)))"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1


def test_what_is_not_required_is_absent_when_it_is_not_told() -> None:
    made = Specialty.read("x", admit(node(type="string", title="Nickname")))
    told = [parse_json(p.report) for p in itertools.islice(made.pairs("train", 1), 40)]
    assert {} in told and any("x" in report for report in told)


@pytest.mark.parametrize("seed", range(8))
def test_notes_can_be_drawn_for_schemas_that_were_drawn(seed: int) -> None:
    schema = pair("generated", "train", f"specialist:{seed}")[0].schema
    assert schema is not None
    found = curate(itertools.islice(Specialty.read("x", admit(schema)).pairs("train", seed), 10))
    assert len(found.kept) >= 7, found.refused


def test_a_pattern_that_no_text_is_found_for_asks_for_examples() -> None:
    made = Specialty.read("x", admit({**node(type="string", pattern="^[0-9]{60}$"), "required": ["x"]}))
    with pytest.raises(SchemaUnfit, match=r"/x.*give the field examples"):
        made.pair("train", "1")
    with_examples = Specialty.read("x", admit({**node(type="string", examples=["uno", "dos"]), "required": ["x"]}))
    drawn = {parse_json(p.report)["x"] for p in itertools.islice(with_examples.pairs("train", 1), 60)}
    assert drawn & {"uno", "dos"}


@pytest.mark.parametrize(
    ("schema", "least"),
    [
        ({"type": "number", "minimum": 0.2, "maximum": 0.8}, 10), ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 10),
        ({"type": "integer", "multipleOf": 5, "maximum": 40}, 5), ({"type": "integer", "minimum": -50, "maximum": -10}, 10),
        ({"type": "array", "items": {"type": "string"}, "minItems": 6}, 10), ({"type": "string", "minLength": 40, "maxLength": 60}, 10),
        ({"type": "string", "pattern": "^Nº [0-9]+$", "examples": ["Nº 12", "Nº 77"]}, 1),
        ({"type": "object", "properties": {"amount": {"type": "integer"}, "currency": {"enum": ["EUR"]}}}, 10),
    ],
)  # fmt: skip
def test_bounds_are_kept_to(schema: dict[str, Any], least: int) -> None:
    found = curate(itertools.islice(Specialty.read("x", admit({**node(**schema), "required": ["x"]})).pairs("train", 1), 20))
    assert len(found.kept) >= 17, found.refused
    assert len({p.report for p in found.kept}) >= least


def test_the_values_of_the_notes_to_measure_on_are_those_of_the_other_book() -> None:
    made = specialty("audit_finding")
    trained = {bare(w) for entry in made.books["train"].entries.values() for lang in ("en", "es") for w in entry.get("values", {}).get(lang, ())}
    told = [parse_json(made.pair("heldout", f"1:{i}", "train").report) for i in range(60)]
    titles = [bare(f["title"]) for report_ in told for f in report_["findings"]]
    assert len(titles) > 40 and sum(title in trained for title in titles) == 0


def test_somebody_s_own_book_shares_its_labels_and_no_wording_with_the_notes_to_measure_on(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text('"/left_at":\n  title: {en: left at, es: dejado en}\n  members: {neighbour: {es: {words: [vecino], clauses: [lo tiene el de al lado]}}}\n', "utf-8")
    made = Specialty.read("x", admit(SMALL), tmp_path / "book.yaml")
    place = next(f for f in made.root.members if f.name == "left_at")
    assert made.langs == ("en", "es") and made.books["heldout"].title(place, "es") == "dejado en"
    assert made.books["heldout"].of("/left_at", "es", "members", "neighbour", "words") == ["vecino"]
    assert made.books["heldout"].of("/left_at", "es", "members", "neighbour", "clauses") == []


ODD = {
    "optional boolean": {"type": "boolean"},
    "list or null": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
    "object of nulls or null": {"anyOf": [node(anyOf=[{"type": "string"}, {"type": "null"}]), {"type": "null"}]},
    "items that may be empty": {"type": "array", "items": node(type="string", title="Nickname")},
    "lists of lists": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["name", "tags"]}},
    "objects inside of items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "price": node(type="integer", title="Net")}, "required": ["name", "price"]}},
    "lists of objects inside of items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "rows": {"type": "array", "items": node(type="integer", title="Net")}}}},
    "items without a text": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}, "inner": node(type="boolean", title="Sent")}}},
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_of_odd_shapes_everything_told_stands_in_the_note(name: str) -> None:
    """Every number and text of the report is in the note, and what is absent, null, empty or false by silence is one of these only."""
    made = Specialty.read("x", admit({**node(**ODD[name]), "title": "Odd"}))
    silent: set[str] = set()
    for i in range(60):
        one = made.pair("train", f"odd:{i}")
        report_ = parse_json(one.report)
        told = {mark.kind.split("=")[0] for mark in one.marks}
        for where, value in _told_leaves(report_):
            if isinstance(value, bool):
                assert made.root.members[0].kind != "boolean" or "/x" in told
            elif isinstance(value, str):
                assert value in one.text, (where, one.text)
            elif value is not None:
                assert number_can_be_read(value, one.text), (where, value, one.text)
        if not told:
            silent.add(one.report)
    assert len(silent) <= 1, silent


def _told_leaves(value: Any, where: str = "") -> list[tuple[str, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    return [(where, value)] if inner is None else [leaf for key, v in inner for leaf in _told_leaves(v, f"{where}/{key}")]


def test_every_leaf_of_a_report_asks_for_the_words_that_tell_it() -> None:
    made = specialty("audit_finding")
    for one in itertools.islice(made.pairs("train", 5), 20):
        report_, told = parse_json(one.report), {mark.kind for mark in one.marks}
        for mark in asked(made.asking, report_):
            silent_false = mark.kind.endswith("=False")
            assert mark.kind in told or not mark.kind or silent_false, mark


def test_a_moment_is_told_in_words_from_which_the_server_can_read_it() -> None:
    made = Specialty.read("x", admit({**node(type="string", format="date-time", title="Opened at"), "required": ["x"]}))
    drawn = list(itertools.islice(made.pairs("train", 1), 80))
    told = [(parse_json(one.report)["x"], one) for one in drawn]
    assert all(moment_can_be_read(value, one.text) for value, one in told)
    offered = [value in {moment.value for moment in moments((one.question, *(item.text for item in one.context)))} for value, one in told]
    assert sum(offered) >= 78, [one.text for (_, one), is_offered in zip(told, offered, strict=True) if not is_offered]
    assert sum(value in one.text for value, one in told) < 20, "most are not written as the report writes them"
    assert len(curate(drawn).kept) >= 75


def test_an_adapter_s_prompt_carries_no_schema(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tiny.save_base(tmp_path / "base")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "base" / "tokenizer.json"), bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    made = Specialty.read("x", admit(SMALL))
    one = made.pair("train", "1:0")
    bare_prompt, shown = PairEncoder(tokenizer, asking=made.asking)(one, tagged=True), PairEncoder(tokenizer)(one, tagged=True)
    assert bare_prompt.prompt_length < shown.prompt_length
    assert "Parcel code" not in tokenizer.decode(bare_prompt.token_ids[: bare_prompt.prompt_length])
    assert any(kind > 0 for kind, _, _ in bare_prompt.tags[bare_prompt.prompt_length :]), "the report asks for something"


# --- the run ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Places]:
    """A whole run on a tiny random base: (base, schema, places)."""
    root = tmp_path_factory.mktemp("specialist")
    tiny.save_base(root / "base")
    tokenizer_config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    (root / "base" / "tokenizer_config.json").write_text(json.dumps(tokenizer_config), "utf-8")
    (root / "schema.json").write_text(json.dumps(SMALL), "utf-8")
    at = specialist(root / "schema.json", "delivery", root / "out", PLAN, base=str(root / "base"), say=lambda _: None)
    return root / "base", root / "schema.json", at


PLAN = SpecialistPlan(pairs=12, passes=1.0, rank=2, eval_count=2, threads=1)


def test_a_run_leaves_an_adapter_that_its_own_schema_finds(run: tuple[Path, Path, Places]) -> None:
    from service.weights.adapters import AdapterStore, read_adapter
    from service.weights.checkpoint import read_base

    base, schema, at = run
    adapter = read_adapter(at.bundle)
    store = AdapterStore([adapter], read_base(str(base)).digest)
    assert store.resolve(None, admit_text(schema.read_text("utf-8")).digest) is adapter
    assert (at.bundle / "schema.json").read_text("utf-8") == schema.read_text("utf-8")
    assert len(list(read_pairs(at.pairs))) == PLAN.pairs
    assert "`delivery` (12 pairs): enum members" in at.card.read_text("utf-8")
    rows = json.loads(at.scores.read_text("utf-8"))
    assert [(row["slice"], row["writer"], row["n"]) for row in rows] == [
        (name, writer, 2) for name in ("unseen_values", "unseen_wordings") for writer in ("base", "delivery")
    ]
    told = at.report.read_text("utf-8")
    assert told == report(admit(SMALL), json.loads((at.adapter / "metadata.json").read_text("utf-8")), rows, at)
    assert "`/driver`" in told and "12 pairs" in told


def test_a_run_goes_on_where_it_stopped_and_refuses_other_inputs(run: tuple[Path, Path, Places]) -> None:
    base, schema, at = run
    said: list[str] = []
    at.report.unlink()
    specialist(schema, "delivery", at.root, PLAN, base=str(base), say=said.append)
    assert [line.split(":")[0] for line in said] == ["pairs", "fine-tuning", "calibration", "evaluation", "bundle ..."] and at.report.exists()
    with pytest.raises(SpecialistFailed, match="begun with another plan"):
        specialist(schema, "delivery", at.root, SpecialistPlan(pairs=13), base=str(base))


def test_a_run_that_goes_on_from_an_adapter_is_another_run(run: tuple[Path, Path, Places], tmp_path: Path) -> None:
    base, schema, at = run
    with pytest.raises(SpecialistFailed, match="begun with another init"):
        specialist(schema, "delivery", at.root, PLAN, base=str(base), init=at.bundle)
    with pytest.raises(AdapterUnfit, match=r"has rank 2.*planned: rank 3"):
        specialist(schema, "delivery", tmp_path / "out", replace(PLAN, rank=3), base=str(base), init=at.bundle)
    with pytest.raises(AdapterUnfit, match="holds no adapter"):
        specialist(schema, "delivery", tmp_path / "out", PLAN, base=str(base), init=tmp_path)
    assert not (tmp_path / "out").exists(), "nothing is made for what cannot be"


def test_golden_pairs_pass_the_same_gates(run: tuple[Path, Path, Places], tmp_path: Path) -> None:
    base, schema, at = run
    good = next(read_pairs(at.pairs))
    bad = type(good)("wrong-one", None, "en", "letter", good.question, canonical_json({"code": "P-1"}), schema=good.schema)
    write_pairs(tmp_path / "golden.jsonl", [good, bad])
    with pytest.raises(SpecialistFailed, match=r"golden\.jsonl: line 2, pair 'wrong-one', is refused by the gate 'valid'"):
        specialist(schema, "delivery", tmp_path / "out", PLAN, base=str(base), golden=tmp_path / "golden.jsonl", say=lambda _: None)


def test_golden_notes_need_no_more_than_text_and_report(run: tuple[Path, Path, Places], tmp_path: Path) -> None:
    """The form in which notes are measured, too; members in any order."""
    _, schema, at = run
    good, file, shape = next(read_pairs(at.pairs)), tmp_path / "golden.jsonl", json.loads(schema.read_text())
    backwards = dict(reversed(json.loads(good.report).items()))
    file.write_text(json.dumps({"text": good.text, "gold": backwards}) + "\n\n" + json.dumps(good.to_json()) + "\n")
    (_, plain), (line, whole) = read_golden(file, shape)
    assert (plain.question, plain.report, plain.schema, plain.id) == (good.text, good.report, shape, "golden-1")
    assert whole == replace(good, schema=shape) and line == 3
    file.write_text(json.dumps({"text": None, "gold": {}}) + "\n")
    with pytest.raises(FileInvalid, match=r"line 1, field 'text'"):
        list(read_golden(file, shape))


@pytest.mark.parametrize(
    ("schema", "book", "says"),
    [
        ("{", None, "schema.json: /: not JSON at character 1"),
        ('{"type":"object","properties":{"x":{"type":["string","integer"]}}}', None, "error: /x: may be of 2 types"),
        (json.dumps(SMALL), "/nothing: {}\n", "line 1, field '/nothing'"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(schema: str, book: str | None, says: str, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(schema, "utf-8")
    words = ["specialist", str(tmp_path / "schema.json"), "--name", "x", "-o", str(tmp_path / "out")]
    if book:
        (tmp_path / "book.yaml").write_text(book, "utf-8")
        words += ["--phrasebook", str(tmp_path / "book.yaml")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 1 and says in found.output and "Traceback" not in found.output
    assert not (tmp_path / "out" / "pairs").exists()


@pytest.mark.parametrize("name", ["base", "Incident", "a/b", ""])
def test_a_name_that_no_adapter_can_have_is_refused_before_anything_is_made(name: str, run: tuple[Path, Path, Places], tmp_path: Path) -> None:
    with pytest.raises(SpecialistFailed, match="--name"):
        specialist(run[1], name, tmp_path / "out", PLAN, base=str(run[0]))
    assert not (tmp_path / "out").exists()


def test_another_schema_under_a_catalog_name_does_not_get_the_shipped_book() -> None:
    assert Specialty.read("incident_report", admit(SMALL)).books["train"].entries == {}


def test_an_empty_book_makes_wordings_of_titles() -> None:
    assert FieldBook().langs == ("en",) and FieldBook().title(read_fields(SMALL).members[0], "en") == "parcel code"
