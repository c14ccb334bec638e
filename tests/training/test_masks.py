"""What grounding costs: the right notes are measured, and every time is of something that happened."""

from __future__ import annotations

import json
from pathlib import Path

from training.measure import masks
from training.measure.masks import measured, of_length
from training.measure.slices import synthetic

PAIRS = list(synthetic("unseen_values", 60, 7).pairs)


def test_notes_of_a_length_are_taken_as_they_are() -> None:
    chosen = list(of_length(PAIRS, 100, 4))
    assert len(chosen) == 4 and all(75 <= len(pair.question.split()) <= 125 and pair in PAIRS for pair in chosen)


def test_long_notes_are_several_in_a_row_and_no_note_serves_twice() -> None:
    chosen = list(of_length(PAIRS, 1200, 3))
    assert len(chosen) == 3 and all(len(pair.question.split()) >= 1200 for pair in chosen)
    for pair in chosen:
        (first,) = [one for one in PAIRS if one.id == pair.id]
        assert pair.question.startswith(first.question + "\n") and pair.report == first.report
    used = [sum(one.question in pair.question for pair in chosen) for one in PAIRS if len(one.question) > 60]
    assert max(used) == 1


def test_the_grammar_of_every_note_is_timed_and_its_report_followed() -> None:
    steps: list[None] = []
    some = list(of_length(PAIRS, 100, 3))
    found = measured(some, advance=lambda: steps.append(None))
    assert (found.num_notes, len(steps)) == (3, 4) and 75 <= found.words <= 125
    assert found.num_masks > 300 and 0 < found.mask_p50_ms <= found.mask_p99_ms < found.build_p99_ms and found.build_p50_ms <= found.build_p99_ms


def test_the_table_is_written(tmp_path: Path) -> None:
    times = masks.main(count=1, seed=7, output=tmp_path)
    told = json.loads((tmp_path / "masks.json").read_text())
    assert [round(row["words"]) for row in told["times"]] == [round(t.words) for t in times] and len(times) == len(masks.LENGTHS)
    assert (tmp_path / "masks.md").read_text().count("\n| ") == 2 + len(times)
