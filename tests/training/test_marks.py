"""Every value of a report is marked in its note, and every token of the note knows the mark it stands in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from schemas.canonical import canonical_json
from schemas.catalog import DEFAULT_DIRECTORY
from service.weights.checkpoint import EMBEDDED_BASE
from tests.training.drawn import drawn
from training.base.encode import PairEncoder
from training.base.tagging import IGNORED, OUTSIDE, UNTAGGED, TagHead, _statements, asked_tags, report_tags, tags
from training.notes.bindings import ASKING
from training.notes.marks import Mark, asked, continued, kinds, normalized
from training.notes.synthesize import Pair

LISTS = {"incidents": ("title", "incidents.title"), "risks": ("description", "risks.risk"), "next_actions": ("action", "actions.action")}


@pytest.fixture(scope="module")
def encode() -> PairEncoder:
    from transformers import PreTrainedTokenizerFast

    return PairEncoder(PreTrainedTokenizerFast.from_pretrained(EMBEDDED_BASE), {"agent_status": {}})


def said(pair: Pair, kind: str, item: int = 0) -> list[str]:
    """What the note says under the marks of a kind."""
    return [pair.note[m.start : m.end] for m in pair.marks if m.kind == kind and m.item == item]


@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_values_of_a_report_stand_under_marks_of_their_kind(lang: str) -> None:
    for pair in drawn("agent_status", "train", "train", lang):
        report: dict[str, Any] = json.loads(pair.report)
        assert report["owner"]["name"] in said(pair, "owner") and report["agent_id"] in said(pair, "agent")
        for name, (leaf, kind) in LISTS.items():
            for number, item in enumerate(report[name], 1):
                assert item[leaf] in said(pair, kind, number)
        for number, incident in enumerate(report["incidents"], 1):
            told = {m.kind for m in pair.marks if m.item == number and m.kind.startswith(("incidents.severity", "incidents.resolved"))}
            assert told == {f"incidents.severity={incident['severity']}", f"incidents.resolved={incident['resolved']}"}
        assert {m.kind for m in pair.marks if m.kind.startswith("status=")} == {f"status={report['status']}"}


@pytest.mark.parametrize("family", ["agent_status", "generated", "excerpt"])
def test_marks_are_of_known_kinds_in_order_and_inside_the_note(family: Any) -> None:
    for pair in drawn(family, "train", "train", "en"):
        assert pair.marks and {m.kind for m in pair.marks} <= kinds().keys()
        ends = [0, *(m.end for m in pair.marks)]
        assert all(before <= m.start < m.end <= len(pair.note) for before, m in zip(ends, pair.marks, strict=False))


def test_marks_are_kept_in_files() -> None:
    pair = drawn("agent_status", "train", "train", "en")[0]
    read = Pair.from_json(json.loads(json.dumps(pair.to_json())))
    assert read == pair and read.marks == pair.marks and pair.marks


@pytest.mark.parametrize("lang", ["en", "es"])
def test_each_statement_is_begun_once_and_by_its_first_token(lang: str, encode: PairEncoder) -> None:
    names = {number: name for name, number in kinds().items()}
    for pair in drawn("agent_status", "train", "train", lang)[:60]:
        encoded = encode(pair, tagged=True)
        assert len(encoded.tags) == len(encoded.token_ids)
        begun = [(names[kind], item) for kind, begins, item in encoded.tags[: encoded.prompt_length] if kind > 0 and begins]
        assert begun == [(m.kind, m.item) for m in pair.marks]


SCHEMA: dict[str, Any] = {"type": "object", "properties": {
    "who": {"type": "string", "$comment": "owner"},
    "due": {"$comment": "actions.due", "anyOf": [{"type": "string"}, {"type": "null"}]},
    "events": {"type": "array", "items": {"type": "object", "properties": {
        "sev": {"enum": ["p1", "p4", "n/a"], "$comment": "incidents.severity=critical|low"},
        "ok": {"type": "boolean", "$comment": "incidents.resolved"}}}},
    "paid": {"$comment": "cost", "anyOf": [{"type": "object", "properties": {"sum": {"type": "number"}, "in": {"enum": ["EUR"]}}}, {"type": "null"}]},
    "tags": {"type": "array", "items": {"type": "string", "$comment": "risks.risk"}},
    "else": {"type": "integer"}}}  # fmt: skip
INSTANCE = {"who": "Ana", "due": None, "events": [{"sev": "p4", "ok": True}, {"sev": "n/a", "ok": False}], "paid": {"sum": 3, "in": "EUR"}, "tags": ["a", "b"], "else": 1}
ASKED = [
    ('o":"', "owner", 0), ('e":', "", 0), ('v":"', "incidents.severity=low", 1), ('k":', "incidents.resolved=True", 1), ('v":"', "", 2),
    ('k":', "incidents.resolved=False", 2), ('m":', "cost", 0), ('n":"', "cost", 0), ('["', "risks.risk", 1), (',"', "risks.risk", 2),
]  # fmt: skip

NORMALIZED = [("3", "cost", 0)]  # the numbers and days the note tells; "else" asks for nothing, and names and members are no such values

def test_a_report_is_asked_at_the_end_of_each_name_for_the_fact_that_is_told_there() -> None:
    text = canonical_json(INSTANCE)
    assert [(text[m.start : m.end], m.kind, m.item) for m in asked(SCHEMA, INSTANCE)] == ASKED


@pytest.mark.parametrize("lang", ["en", "es"])
@pytest.mark.parametrize("family", ["generated", "excerpt"])
def test_what_generated_reports_ask_for_is_what_their_notes_state(family: Any, lang: str) -> None:
    """A value that the note does not state in its own words may be read from another one (the day an incident shares with the period)."""
    for pair in drawn(family, "train", "train", lang):
        assert pair.schema is not None
        told = {m.kind for m in pair.marks} | {"failed", "completed"}  # zero may be told by saying nothing went wrong
        missing = {m.kind for m in asked(pair.schema, json.loads(pair.report)) if m.kind} - told
        assert not {kind for kind in missing if not kind.startswith(("approval.status=pending", "incidents.resolved", "policies.result"))}


@pytest.mark.parametrize("lang", ["en", "es"])
def test_what_status_reports_ask_for_is_what_their_notes_state(lang: str) -> None:
    for pair in drawn("agent_status", "train", "train", lang):
        asking = asked(ASKING["agent_status"], json.loads(pair.report))
        told = {m.kind for m in pair.marks} | {"failed", "completed"}
        missing = {m.kind for m in asking if m.kind} - told
        assert not {kind for kind in missing if not kind.startswith(("approval.status=pending", "incidents.resolved", "policies.result"))}
        assert len({m.kind.partition("=")[0] for m in asking}) > 5


def test_every_leaf_of_a_catalog_schema_asks_for_a_fact() -> None:
    for schema_id, asking in ASKING.items():
        schema = json.loads((DEFAULT_DIRECTORY / f"{schema_id}.json").read_text())
        assert set(_leaves(schema, schema["$defs"])) == set(_leaves(asking, {}))


def _leaves(schema: dict[str, Any], defs: dict[str, Any], path: str = "") -> Iterator[str]:
    schema = schema.get("anyOf", [schema])[0]
    schema = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "items" in schema:
        yield from _leaves(schema["items"], defs, path + "/*")
    for name, inner in schema.get("properties", {}).items():
        yield from _leaves(inner, defs, f"{path}/{name}")
    if not schema.keys() & {"items", "properties"}:
        yield path


def test_the_tokens_between_a_name_and_its_value_are_tagged_and_no_others() -> None:
    marks = [Mark(5, 9, "owner", 2), Mark(20, 22, "", 0)]
    offsets = [(0, 2), (2, 6), (6, 9), (9, 12), (12, 20), (20, 22), (22, 25)]
    owner = (kinds()["owner"], 1, 2)
    assert asked_tags(marks, offsets) == [UNTAGGED, owner, owner, UNTAGGED, UNTAGGED, OUTSIDE, UNTAGGED]
    assert asked_tags(marks, [(0, 12)]) == [UNTAGGED], "a token that holds a part of the value cannot be asked for it"


def test_dates_and_numbers_are_tagged_as_they_are_written_and_what_is_copied_is_not() -> None:
    text = canonical_json(INSTANCE)
    assert [(text[m.start : m.end], m.kind, m.item) for m in normalized(SCHEMA, INSTANCE)] == NORMALIZED
    cost, owner = kinds()["cost"], kinds()["owner"]
    offsets = [(0, 3), (3, 6), (6, 7), (7, 9), (9, 12)]
    made = report_tags([Mark(0, 3, "owner", 0), Mark(3, 6, "cost", 2)], [Mark(6, 9, "cost", 2)], [Mark(8, 9, "", 0)], offsets)
    assert made == [(owner, 1, 0), (cost, 1, 2), (cost, 0, 2), OUTSIDE, UNTAGGED], "behind the last digit it is told that the list ends"


def test_a_list_says_behind_its_name_and_behind_each_item_what_comes() -> None:
    text = canonical_json(INSTANCE)
    assert [(text[: m.end].rpartition(",")[2], m.kind, m.item) for m in continued(SCHEMA, INSTANCE)] == [
        ('"events', "incidents.severity=low", 1), ('"ok":true', "incidents.resolved=False", 2), ('"ok":false', "", 0),
        ('"tags', "risks.risk", 1), ('"tags":["a', "risks.risk", 2), ('"b', "", 0),
    ]  # fmt: skip


def test_of_lists_that_end_together_the_innermost_that_goes_on_is_told() -> None:
    inner = {"type": "array", "items": {"type": "string", "$comment": "risks.risk"}}
    schema = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "object", "properties": {"cells": inner}}}, "none": inner}}
    value = {"rows": [{"cells": ["a", "b"]}, {"cells": ["c"]}], "none": []}
    text = canonical_json(value)
    found = [(text[m.end - 1], m.kind, m.item) for m in continued(schema, value)]
    assert found == [("s", "risks.risk", 1), ("s", "risks.risk", 1), ("a", "risks.risk", 2), ("b", "risks.risk", 1), ("s", "risks.risk", 1), ("c", "", 0), ("e", "", 0)]


def test_the_schema_and_the_headings_of_a_prompt_are_not_tagged() -> None:
    found = tags([Mark(4, 7, "owner", 0)], [(0, 9), (10, 13), (13, 14), (14, 17), (17, 18), (18, 25)], start=10, end=18)
    assert found == [UNTAGGED, OUTSIDE, OUTSIDE, (kinds()["owner"], 1, 0), OUTSIDE, UNTAGGED]
    assert tags([], [(0, 3)], 0, 3) == [UNTAGGED], "an exercise has no marks"


def test_the_head_learns_what_its_layer_knows() -> None:
    torch.manual_seed(0)
    head = TagHead(hidden_size=16)
    hidden = torch.randn(4, 10, 16)
    wanted = torch.tensor([OUTSIDE]).repeat(4, 10, 1)
    wanted[:, 3], wanted[:, 4], wanted[:, 7:] = torch.tensor((5, 1, 2)), torch.tensor((5, 0, 2)), IGNORED
    hidden[:, 3] = hidden[0, 3]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    before = head.loss(hidden, wanted).item()
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(hidden, wanted).backward()
        optimizer.step()
    assert head.loss(hidden, wanted).item() < before / 20
    assert head.loss(hidden, torch.full_like(wanted, IGNORED)).item() == 0.0


def test_a_place_that_asks_looks_at_the_statement_of_its_fact_and_item_or_at_the_first_token() -> None:
    note = [UNTAGGED, (5, 1, 1), (5, 0, 1), (5, 1, 2), (6, 1, 1), OUTSIDE]
    report = [(5, 1, 2), (5, 1, 1), OUTSIDE, (7, 1, 0), (5, 0, 1), UNTAGGED]
    found = torch.tensor([note + report])
    in_report = torch.tensor([[False] * len(note) + [True] * len(report)])
    row, place = (in_report & (found[..., 0] != IGNORED)).nonzero(as_tuple=True)
    wanted = _statements(found, in_report, row, place)
    assert [line.nonzero().flatten().tolist() for line in wanted] == [[3], [1], [0], [], [1, 2]]


def test_the_lookup_loss_teaches_a_head_where_to_look() -> None:
    from transformers import MistralForCausalLM

    from tests import tiny
    from training.base.tagging import lookup_loss

    torch.manual_seed(0)
    model = MistralForCausalLM(tiny.config(num_key_value_heads=4))
    hidden = torch.randn(1, 8, 32)
    found = torch.tensor([[UNTAGGED, (5, 1, 1), (6, 1, 0), OUTSIDE, (5, 1, 1), (6, 1, 0), OUTSIDE, UNTAGGED]])
    in_report = torch.tensor([[False] * 4 + [True] * 4])
    layer = model.model.layers[1]
    learned = [layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight]
    optimizer = torch.optim.Adam(learned, lr=0.05)
    before = lookup_loss(model, hidden, found, in_report, 1).item()
    for _ in range(80):
        optimizer.zero_grad()
        lookup_loss(model, hidden, found, in_report, 1).backward()
        optimizer.step()
    assert lookup_loss(model, hidden, found, in_report, 1).item() < min(0.1, before)
    assert lookup_loss(model, hidden, torch.full_like(found, IGNORED), in_report, 1).item() == 0.0


def test_the_naming_loss_teaches_heads_to_carry_the_token_they_look_at() -> None:
    from transformers import MistralForCausalLM

    from tests import tiny
    from training.base.tagging import lookup_heads, naming_loss

    torch.manual_seed(0)
    model = MistralForCausalLM(tiny.config(num_key_value_heads=4))
    ids = torch.randint(5, 40, (1, 8))
    hidden = torch.nn.functional.rms_norm(model.model.embed_tokens(ids).detach(), (32,))
    found = torch.tensor([[UNTAGGED, (5, 1, 1), (5, 0, 1), (6, 1, 0), OUTSIDE, (7, 1, 0), (5, 1, 1), UNTAGGED]])
    in_report = torch.tensor([[False] * 6 + [True] * 2])
    attention = model.model.layers[1].self_attn
    optimizer = torch.optim.Adam([attention.v_proj.weight, attention.o_proj.weight], lr=0.05)
    last = attention.v_proj.weight[lookup_heads(model) * attention.head_dim :].clone()
    before = naming_loss(model, hidden, ids, found, in_report, 1).item()
    for _ in range(200):
        optimizer.zero_grad()
        naming_loss(model, hidden, ids, found, in_report, 1).backward()
        optimizer.step()
    assert naming_loss(model, hidden, ids, found, in_report, 1).item() < before / 20
    assert torch.equal(attention.v_proj.weight[lookup_heads(model) * attention.head_dim :], last), "the last head is free"
    other = ids.clone()
    other[0, [0, 2, 4, 6, 7]] += 1
    assert naming_loss(model, hidden, other, found, in_report, 1) == naming_loss(model, hidden, ids, found, in_report, 1), "only first tokens of statements count"
    assert naming_loss(model, hidden, ids, torch.full_like(found, IGNORED), in_report, 1).item() == 0.0


def test_a_copy_is_followed_to_the_token_after_its_last_one() -> None:
    from training.base.tagging import choices, copied

    note = [UNTAGGED, (5, 1, 1), (5, 0, 1), (6, 1, 0), OUTSIDE, (5, 1, 2), OUTSIDE]
    #        ask       copy     copy     close    ask: another   ask       copy     differs   ask: untold
    report = [(5, 1, 1), UNTAGGED, UNTAGGED, UNTAGGED, (6, 1, 0), UNTAGGED, (5, 1, 2), UNTAGGED, UNTAGGED, OUTSIDE]
    ids = [1, 20, 21, 30, 2, 22, 2, *[3, 20, 21, 4, 3, 31, 3, 22, 20, 3]]
    in_report = torch.tensor([[False] * len(note) + [True] * len(report)])
    assert copied(torch.tensor([ids]), torch.tensor([note + report]), in_report) .tolist() == [[0, 8, 2, 0], [0, 9, 3, 1], [0, 14, 6, 1]]
    cut = len(note) + 2  # a report that breaks off while it copies
    assert copied(torch.tensor([ids[:cut]]), torch.tensor([(note + report)[:cut]]), in_report[:, :cut]).tolist() == []
    nothing = choices(torch.tensor([note + report]), in_report, copied(torch.tensor([ids]), torch.tensor([[UNTAGGED] * len(ids)]), in_report))
    assert nothing.shape == (1, len(ids) - 1), "a batch without copies"


def test_the_following_loss_teaches_the_last_head_and_no_other() -> None:
    from transformers import MistralForCausalLM

    from tests import tiny
    from training.base.tagging import copied, following_loss, lookup_heads

    torch.manual_seed(0)
    model = MistralForCausalLM(tiny.config(num_key_value_heads=4))
    ids = torch.tensor([[1, 20, 21, 2, 3, 20, 21, 4]])
    hidden = torch.randn(1, 8, 32)
    found = torch.tensor([[UNTAGGED, (5, 1, 0), (5, 0, 0), OUTSIDE, (5, 1, 0), UNTAGGED, UNTAGGED, UNTAGGED]])
    copies = copied(ids, found, torch.tensor([[False] * 4 + [True] * 4]))
    attention = model.model.layers[1].self_attn
    optimizer = torch.optim.Adam([getattr(attention, f"{name}_proj").weight for name in "qkvo"], lr=0.05)
    others = attention.q_proj.weight[: lookup_heads(model) * attention.head_dim].clone()
    before = following_loss(model, hidden, ids, copies, 1).item()
    for _ in range(150):
        optimizer.zero_grad()
        following_loss(model, hidden, ids, copies, 1).backward()
        optimizer.step()
    assert following_loss(model, hidden, ids, copies, 1).item() < min(0.1, before)
    assert torch.equal(attention.q_proj.weight[: lookup_heads(model) * attention.head_dim], others)
    assert following_loss(model, hidden, ids, copies[:0], 1).item() == 0.0


def test_choices_are_the_tokens_after_those_that_ask_and_after_copies() -> None:
    from training.base.tagging import choices

    found = torch.tensor([[(5, 1, 0), UNTAGGED, UNTAGGED, (5, 1, 0), (5, 1, 0), UNTAGGED, UNTAGGED, OUTSIDE, UNTAGGED, (6, 1, 0)]])
    in_report = torch.tensor([[False] * 2 + [True] * 8])
    none, copies = torch.empty(0, 4, dtype=torch.long), torch.tensor([[0, 5, 1, 0], [0, 6, 2, 1]])
    assert (choices(found, in_report, none).nonzero()[:, 1] + 1).tolist() == [4, 5, 8]
    assert (choices(found, in_report, copies).nonzero()[:, 1] + 1).tolist() == [4, 5, 7, 8]


def test_some_copied_tokens_are_disturbed_and_no_others() -> None:
    from training.base.tagging import disturbed

    torch.manual_seed(0)
    ids = torch.arange(400)[None]
    copies = torch.tensor([[0, place, place - 200, 0] for place in range(250, 350)])
    changed = (disturbed(ids, copies, 0.3) != ids).nonzero()[:, 1].tolist()
    assert 15 < len(changed) < 45 and set(changed) <= set(range(250, 350))
    assert set(disturbed(ids, copies, 1.0)[0, 250:350].tolist()) <= set(range(150)), "what it puts there stands before in the note"
    assert torch.equal(disturbed(ids, copies[:0], 1.0), ids)
    assert torch.equal(ids, torch.arange(400)[None]), "the batch itself is left alone"
