"""What a pass costs and how many there are: every figure is of something that ran, and drafts change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.measure import passes


def test_the_figures_are_those_of_the_shipped_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "REPEATS", 5)
    monkeypatch.setattr(passes, "SHAPES", ((1, 1), (2, 3)))
    times, rows = passes.main(count=2, seed=7, output=tmp_path, threads=1)
    assert [(t.executor.split(",")[0], t.kind) for t in times] == [(name, kind) for name in ("ONNX Runtime", "torch") for kind in ("prompt", "1 x 1", "2 x 3")]
    assert all(t.ms > 0 for t in times)
    assert [(r.mode, r.guesses) for r in rows] == [(mode, guesses) for guesses in passes.GUESSES for mode, *_ in passes.MODES]
    assert all(r.same == r.n == 2 for r in rows)
    by = {(r.mode, r.guesses): r for r in rows}
    for mode, *_ in passes.MODES:
        none, some, most = (by[mode, guesses] for guesses in passes.GUESSES)
        assert none.tokens == some.tokens == most.tokens and most.passes_per_token <= some.passes_per_token < none.passes_per_token
    assert by["free", "no drafts"].passes_per_token == pytest.approx(1.0, abs=0.02)
    told = json.loads((tmp_path / "passes.json").read_text())
    assert (len(told["times"]), len(told["passes"])) == (len(times), len(rows)) and "1 x 1" in (tmp_path / "passes.md").read_text()
