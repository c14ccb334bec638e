"""Going back never writes a report twice, changes the last choice inside what is wrong first, and ends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.locating import span_of
from schemas.validation import SecondJudge
from schemas.violation import Violation, pointer
from service.backtrack import Backtracking, Start, wrong_part
from tests.strategies import values


def paths(value: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *itertools.chain.from_iterable(paths(child, (*path, str(key))) for key, child in members)]


@given(values())
def test_a_span_is_the_text_of_the_value_at_its_path(value: object) -> None:
    text = canonical_json(value)
    for path, found in paths(value):
        start, end = span_of(text, path)
        assert text[start:end] == canonical_json(found)


def test_a_path_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        span_of('{"a":[1]}', ("a", "1"))


@pytest.mark.parametrize(
    ("value", "path", "keyword", "until"),
    [
        ([1, 2, 1.0], (), "uniqueItems", "[1,2,1.0"),
        ({"a": [{"x": "p", "y": "q"}, {"y": "q", "x": "p"}, 3]}, ("a",), "uniqueItems", '{"a":[{"x":"p","y":"q"},{"y":"q","x":"p'),
        ({"a/b": "me@", "c": 1}, ("a/b",), "format", '{"a/b":"me@'),
        ({"a": [[], 2]}, ("a", 0), "contains", '{"a":[['),
        ([True, 1, "1"], (), "contains", '[true,1,"1'),
    ],
)
def test_the_last_character_that_says_something(value: object, path: tuple[str | int, ...], keyword: str, until: str) -> None:
    text = json.dumps(value, separators=(",", ":"))
    assert text[: wrong_part(text, value, Violation(keyword, pointer(path), "", ""))[1] + 1] == until  # type: ignore[arg-type]


@given(st.sets(st.sampled_from([f"{a}{b}{c}" for a in "012" for b in "012" for c in "012"]), max_size=27))
def test_every_array_of_three_digits_is_tried_until_one_is_right(wrong: set[str]) -> None:
    """The model: the smallest digit not vetoed. The judge refuses the texts of `wrong`, for their last item."""

    def decode(token_ids: Sequence[int]) -> str:
        digits = [str(t) for t in token_ids]
        return "[" * bool(digits) + ",".join(digits) + "]" * (len(digits) == 3)

    search, start, seen = Backtracking(decode), Start(), []
    while start is not None:
        free = sorted({0, 1, 2} - start.vetoed)
        if not free:
            start = search.dead()
            continue
        tokens = (*start.token_ids, free[0], 0, 0)[:3]
        seen.append("".join(map(str, tokens)))
        if seen[-1] not in wrong:
            break
        value = list(tokens)
        start = search.after(tokens, range(len(start.token_ids), 3), (0.0,) * 3, canonical_json(value), value, [Violation("contains", "", "", "")])
    assert len(set(seen)) == len(seen)
    assert (start is None) == (len(wrong) == 27)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("unsure", "written", "vetoed"),
    [
        (6, '[{"p":"a"},{"p":"b"}', ',{"p":"'),  # another item, or the end
        (7, '[{"p":"a"},{"p":"b"},{"p":"', "b"),
        (8, '[{"p":"a"},{"p":"b"},{"p":"', "b"),  # nor is one that says nothing
        (3, '[{"p":"a"},{"p":"b"},{"p":"', "b"),  # a choice before the one that began the item is none of its own
    ],
)
def test_a_repeated_item_is_taken_up_where_the_model_was_least_sure(unsure: int, written: str, vetoed: str) -> None:
    pieces = ['[{"p":"', "a", '"}', ',{"p":"', "b", '"}', ',{"p":"', "b", '"}', "]"]
    choices, sure = [1, 3, 4, 6, 7, 8], [-0.1] * len(pieces)
    sure[7], sure[unsure] = -0.2, -3.0
    search = Backtracking(lambda token_ids: "".join(pieces[i] for i in token_ids))
    text = "".join(pieces)
    found = search.after(tuple(range(10)), choices, sure, text, json.loads(text), [Violation("uniqueItems", "", "", "")])
    assert found is not None and "".join(pieces[i] for i in found.token_ids) == written
    assert [pieces[i] for i in found.vetoed] == [vetoed]


def test_a_number_that_runs_on_is_taken_up_where_the_model_was_least_sure() -> None:
    pieces = ['{"a":12,"b":', *"1" * 450, ',"c":"', "x", '"}']
    sure = [-0.01] * len(pieces)
    sure[4] = sure[-2] = -1.5
    search, text = Backtracking(lambda token_ids: "".join(pieces[i] for i in token_ids)), "".join(pieces)
    violations = SecondJudge({}).check(text).violations
    assert [found.keyword for found in violations] == ["json"]
    found = search.after(tuple(range(len(pieces))), [*range(1, 451), 452], sure, text, None, violations)
    assert found == Start(tuple(range(4)), frozenset({4}))


def test_another_fault_that_no_grammar_sees_is_none_of_the_numbers() -> None:
    pieces = ['{"cost":', "418.60", ',"notes":{"a":"', "x", '","a":"', "y", '"}}']
    search, text = Backtracking(lambda token_ids: "".join(pieces[i] for i in token_ids)), "".join(pieces)
    violations = SecondJudge({}).check(text).violations
    assert [found.message for found in violations] == ["the key 'a' occurs twice in one object"]
    found = search.after(tuple(range(len(pieces))), [1, 3, 4, 5], [0, -5.0, 0, 0, 0, 0, 0], text, None, violations)
    assert found == Start(tuple(range(5)), frozenset({5})), "the last choice, and not the number it was least sure of"


def test_an_item_that_stands_twice_again_is_changed_at_its_last_choice() -> None:
    pieces = ['[{"p":"', "a", '"}', ',{"p":"', "a", '"}', "]", ",", '{"p":"']
    search = Backtracking(lambda token_ids: "".join(pieces[i] for i in token_ids))

    def after(tokens: tuple[int, ...], choices: list[int]) -> Start | None:
        text = "".join(pieces[i] for i in tokens)
        return search.after(tokens, choices, [-2.0 if i in (3, 7) else -0.1 for i in tokens], text, json.loads(text), [Violation("uniqueItems", "", "", "")])

    assert after((0, 1, 2, 3, 4, 5, 6), [1, 3, 4]) == Start((0, 1, 2), frozenset({3})), "another item, or the end"
    assert after((0, 1, 2, 7, 8, 4, 5, 6), [3, 5]) == Start((0, 1, 2, 7, 8), frozenset({4})), "the same words by other tokens: what is in the item"
