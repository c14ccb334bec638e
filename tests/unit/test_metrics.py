"""The definitions of the figures, on reports small enough to count by hand; and the reader of numbers and dates."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import Catalog
from training.gates.reading import number_can_be_read
from training.gates.reading_dates import date_can_be_read
from training.measure import metrics
from training.measure.comparing import leaf_pairs, plain_words, same
from training.measure.metrics import Measured, Score, Work, clopper_pearson_lower, score, summarize
from training.notes.synthesize import pairs

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "cost": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "due": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "state": {"enum": ["open", "closed"]},
        "risks": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "level": {"enum": ["low", "high"]}}},
        },
    },
}
GOLD = {
    "title": "late invoice",
    "cost": 12.5,
    "due": None,
    "state": "open",
    "risks": [{"name": "fire", "level": "high"}, {"name": "flood", "level": "low"}],
}
NOTE = "The late invoice (12.5 euros) is open. Fire: high. Flood: low."


def scored(predicted: object, note: str = NOTE) -> Score:
    return score(GOLD, predicted, (note,), SCHEMA)


# --- comparing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [("The Broken Link.", "broken link"), ("«los datos»", "datos"), ("  'A crash' ", "crash"), ("UNA caída", "caída"), (1, 1.0), (None, None)],
)  # fmt: skip
def test_the_same_thing_said_otherwise_is_the_same(one: object, other: object) -> None:
    assert same(one, other) and same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [(True, 1), (False, 0), (1, 1.5), ("1", 1), ("None", None), (None, False), ("broken link", "broken links"), ("theory", "ory"), ("", None)],
)  # fmt: skip
def test_different_things_are_different(one: object, other: object) -> None:
    assert not same(one, other) and not same(other, one)


def test_an_article_alone_is_kept() -> None:
    assert plain_words("the") == "the" and plain_words("...") == "..."


def test_a_report_that_equals_gold_is_exact_and_complete() -> None:
    found = scored(GOLD)
    assert found.exact and found.counts.f1 == 1.0 and found.omitted == 0 and found.invented == ()
    assert found.counts.gold == found.counts.predicted == found.counts.correct == 7


def test_list_items_are_matched_for_the_best_total_whatever_their_order() -> None:
    assert scored({**GOLD, "risks": GOLD["risks"][::-1]}).exact


def test_matching_looks_at_the_total_and_not_at_the_first_best_item() -> None:
    gold = {"x": [{"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "2", "c": "9"}]}
    predicted = {"x": [{"a": "1", "b": "2", "c": "9"}, {"a": "7", "b": "2", "c": "3"}]}
    assert score(gold, predicted, (), {}).counts.correct == 5


def test_a_missing_item_costs_recall_and_an_extra_one_costs_precision() -> None:
    fewer = scored({**GOLD, "risks": GOLD["risks"][:1]})
    assert (fewer.counts.correct, fewer.counts.predicted, fewer.counts.gold, fewer.omitted) == (5, 5, 7, 2)
    more = scored({**GOLD, "risks": [*GOLD["risks"], {"name": "frost", "level": "low"}]}, NOTE + " Frost: low.")
    assert (more.counts.correct, more.counts.predicted, more.counts.gold, more.omitted) == (7, 9, 7, 0)
    assert not fewer.exact and not more.exact


def test_a_null_that_should_be_a_value_is_omitted_and_a_wrong_value_is_not() -> None:
    assert scored({**GOLD, "cost": None}).omitted == 1
    assert scored({**GOLD, "cost": 12}).omitted == 0


def test_no_report_at_all_omits_everything_and_invents_nothing() -> None:
    found = scored(None)
    assert (found.counts.f1, found.omitted, found.exact, found.num_founded_on_text) == (0.0, 7, False, 0)


@pytest.mark.parametrize("other", [None, {}, "fire", [["fire"]]])
def test_another_shape_is_never_exact(other: object) -> None:
    assert not scored({**GOLD, "risks": other}).exact
    assert not score({"risks": []}, {"risks": other}, (), SCHEMA).exact


def test_a_property_left_out_is_not_the_same_as_null() -> None:
    assert not scored({name: value for name, value in GOLD.items() if name != "due"}).exact


def test_fields_are_counted_with_any_index_and_agreeing_nulls_apart() -> None:
    found = scored({**GOLD, "risks": [{"name": "fire", "level": "low"}, {"name": "flood", "level": "low"}]}).by_field
    assert (found["/risks/*/level"].correct, found["/risks/*/level"].either) == (1, 2)
    assert (found["/due"].null_agreed, found["/due"].either) == (1, 0)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "the a", "b", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES, _VALUES)
@settings(max_examples=60, deadline=None)
def test_comparing_is_symmetric_and_a_value_equals_itself(gold: object, predicted: object) -> None:
    there, back = (score({"v": a}, {"v": b}, (), {}) for a, b in ((gold, predicted), (predicted, gold)))
    assert (there.counts.correct, there.counts.gold, there.exact) == (
        back.counts.correct,
        back.counts.predicted,
        back.exact,
    )
    assert score({"v": gold}, {"v": gold}, (), {}).exact
    assert there.counts.correct <= min(there.counts.gold, there.counts.predicted)


def test_every_leaf_of_both_sides_is_paired_once() -> None:
    found = leaf_pairs({"x": [1, 2, 3]}, {"x": [3, 1]})
    assert sorted(pair.gold for pair in found) == [1, 2, 3]
    assert [pair.gold for pair in found if pair.agrees] == [1, 3]


def test_every_predicted_leaf_has_a_verdict_where_it_stands() -> None:
    predicted = {"title": "late", "cost": 12.5, "due": None, "risks": [{"name": "flood", "level": "low"}, {"name": "fire"}, {"name": "frost"}]}
    assert scored(predicted).verdicts == {
        "/title": False, "/cost": True, "/due": True, "/risks/0/name": True, "/risks/0/level": True, "/risks/1/name": True, "/risks/2/name": False,
    }  # fmt: skip
    assert score({"a": 1}, {"a": [1, {"b": 2}]}, (), {}).verdicts == {"/a/0": False, "/a/1/b": False}


# --- invention -------------------------------------------------------------------------------------------------------


def test_a_text_that_is_in_no_supplied_text_is_invented() -> None:
    assert scored({**GOLD, "title": "late payment"}).invented == ("/title",)
    assert scored({**GOLD, "title": "LATE\n invoice"}).invented == ()
    assert score(GOLD, GOLD, ("Late invoice: 12.5", "fire and flood"), SCHEMA).invented == ()


def test_numbers_and_dates_that_cannot_be_read_are_invented() -> None:
    assert scored({**GOLD, "cost": 13.5, "due": "2026-03-04"}).invented == ("/cost", "/due")
    assert scored({**GOLD, "due": "2026-03-04"}, NOTE + " Due March 4th.").invented == ()


def test_labels_and_booleans_are_not_asked_for_in_the_text() -> None:
    assert scored({**GOLD, "state": "closed"}).invented == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12400, "12,400 tasks"), (12400, "12.400 tareas"), (12400, "12 400"), (12400.5, "12.400,50 €"), (12400.5, "$12,400.50"), (12400, "12.4k"),
        (12000, "12 mil"), (2_500_000, "2.5M"), (4200, "4.2s"), (4200, "4,2 segundos"), (4200, "four point two seconds"), (350, "350ms"), (45, "45 por ciento"),
        (7, "seven tasks"), (141, "one hundred and forty-one failed"), (922, "novecientas veintidós lecturas"), (10074, "ten thousand and seventy four"),
        (31, "treinta y un errores"), (0, "none failed"), (0, "no falló ninguna"), (0, "0 errors"), (65, "hecho un 65 %"), (3, "1, 2, 3"),
        (120, "two hours"), (48, "caído dos días"), (2, "120 min"), (1.5, "90 minutes"), (90, "1 h 30 min"), (90, "an hour and a half"), (150, "two and a half hours"),
        (30, "half an hour"), (36, "un día y medio"), (30, "media hora"), (14, "two weeks"), (7_200_000, "2h"),
    ],
)  # fmt: skip
def test_a_number_is_read_in_any_of_its_forms(value: float, text: str) -> None:
    assert number_can_be_read(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(13, "12,400 tasks"), (124, "12,400 tasks"), (4200, "42 s"), (7, "seventeen tasks"), (0, "it went well"), (41, "141 errors"), (5, ""), (121, "two hours"), (60, "2 hours"), (90, "half an hour")],
)  # fmt: skip
def test_a_number_that_is_not_there_is_not_read(value: float, text: str) -> None:
    assert not number_can_be_read(value, text)


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2026-10-03", "3 Oct 2026"), ("2026-10-03", "Oct 3rd"), ("2026-10-23", "el 23 de octubre de 2026"), ("2026-10-23", "23/10/2026"), ("2026-10-23", "23.10.26"),
        ("2026-10-23", "2026-10-23"), ("2026-07-22", "July twenty second"), ("2026-10-31", "treinta y uno de octubre"), ("2026-09-07", "del 7 al 13 de septiembre"),
        ("2026-09-13", "7-13 sept"), ("2026-12-31", "diciembre de 2026"), ("2026-12-01", "12/2026"), ("2027-03-31", "Q1 '27"), ("2028-07-01", "S2 2028"),
        ("2028-12-31", "el segundo semestre de 2028"), ("2026-06-30", "segundo trimestre"), ("2026-08-16", "the week of 10 August 2026"), ("2026-01-05", "week 2 of 2026"),
        ("2026-10-14", "In October; the 14th."), ("2027-01-05", "December 2026, due January 5"), ("2027-01-05", "period 2026; twenty twenty seven, January fifth"),
    ],
)  # fmt: skip
def test_a_day_is_read_in_any_of_its_forms(day: str, text: str) -> None:
    assert date_can_be_read(day, text)


@pytest.mark.parametrize(
    ("day", "text"),
    [("2026-10-04", "3 Oct 2026"), ("2026-11-03", "3 Oct 2026"), ("2020-10-03", "3 Oct 2026"), ("2026-10-02", "October 2026"), ("2026-06-30", "Q3 2026"),
     ("2026-10-03", "no date at all"), ("2026-13-40", "13/40/2026"), ("2026-08-17", "the week of 10 August 2026")],
)  # fmt: skip
def test_a_day_that_is_not_there_is_not_read(day: str, text: str) -> None:
    assert not date_can_be_read(day, text)


@pytest.mark.parametrize("wording", ["train", "heldout"])
def test_gold_is_exact_and_hardly_ever_looks_invented(wording: str) -> None:
    schema = Catalog.load().get("agent_status").schema
    drawn = list(itertools.islice(pairs("agent_status", "heldout", 3, wording=wording), 60))
    found = [score(json.loads(p.report), json.loads(p.report), (p.text,), schema) for p in drawn]
    assert all(one.exact and one.omitted == 0 for one in found)
    assert sum(len(one.invented) for one in found) <= 0.002 * sum(one.num_founded_on_text for one in found)


# --- many reports ----------------------------------------------------------------------------------------------------

WORK = Work(
    num_interventions=2, num_attempts=1, num_prompt_tokens=110, num_supplied_tokens=100, num_saved_tokens=190, num_saved_raw_tokens=990,
    num_completion_tokens=40, num_forced_tokens=20, num_forward_passes=10, total_s=0.5,
)  # fmt: skip


def test_a_summary_counts_failed_requests_as_not_valid() -> None:
    found = summarize(
        [Measured(scored(GOLD), True, True, WORK), Measured(scored(None), False, False, None)], elapsed_s=4.0
    )
    assert (found.n, found.valid, found.native_valid, found.failed, found.exact) == (2, 1, 1, 1, 1)
    assert (found.precision, found.recall, found.f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert (found.omission_rate, found.invention_rate, found.reports_per_s) == (0.5, 0.0, 0.5)
    assert found.forward_passes_per_token == 0.25 and found.forward_passes_per_report == 10 and found.interventions_per_report == 2


def test_prompt_savings_leave_the_supplied_text_aside() -> None:
    assert (WORK.saved_share, WORK.saved_raw_share) == (pytest.approx(0.95), pytest.approx(0.99))


def test_a_summary_of_nothing_claims_nothing() -> None:
    found = summarize([], elapsed_s=0.0)
    assert (found.n, found.validity, found.validity_lower_95, found.p99_s) == (0, 0.0, 0.0, 0.0)
    assert json.loads(json.dumps(found.to_json()))["by_field"] == {}


def test_the_lower_bound_is_the_exact_one() -> None:
    assert clopper_pearson_lower(2994, 2994) < 0.999 < clopper_pearson_lower(2995, 2995)
    assert clopper_pearson_lower(10, 10) == pytest.approx(0.05 ** (1 / 10))
    assert clopper_pearson_lower(8, 10, two_sided=True) == pytest.approx(0.44390, abs=1e-5)
    assert clopper_pearson_lower(0, 10) == 0.0
    with pytest.raises(ValueError, match="11 successes of 10"):
        clopper_pearson_lower(11, 10)


def test_percentiles_are_values_that_occurred() -> None:
    assert metrics.percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0
    assert metrics.percentile(list(range(1, 201)), 0.99) == 198
    assert metrics.percentile([5.0], 0.99) == 5.0
