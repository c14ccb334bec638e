"""The comparison with peers: how it is told, and that a contestant answers from a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import peers
from training.evaluate import Decoding
from training.peers import CONTESTANTS, IN_FLIGHT, Contestant, PeerFailed, Result, Run, Task


def result(name: str, reports_per_s: float, texts: tuple[str, ...]) -> Result:
    return Result(name, tuple(Run(n, 2, 0.1, 0.2, reports_per_s * n, 100.0, 0.3) for n in IN_FLIGHT), 2, 300_000_000, texts)


RESULTS = [result(CONTESTANTS[0].name, 3.0, ("a", "b")), result(CONTESTANTS[1].name, 2.0, ("a", "c")), result(CONTESTANTS[2].name, 0.5, ("a", "d"))]


def test_ratios_are_over_the_peer_at_the_same_number_in_flight() -> None:
    assert [row["num_in_flight"] for row in peers.ratios(RESULTS)] == list(IN_FLIGHT)
    assert all((row["Escribano"], row["Escribano, grounding off"]) == (6.0, 4.0) for row in peers.ratios(RESULTS))


def test_equal_work_is_counted_and_told(tmp_path: Path) -> None:
    assert peers.same_texts(RESULTS[1], RESULTS[2]) == 1
    told = peers.markdown(RESULTS, {"command": "x", "cpu_count": 2, "threads": None, "count": 2})
    assert "1 of 2 reports are letter by letter the same" in told and "| 8 | 6.0× | 4.0× |" in told
    peers.plot(RESULTS, tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_each_contestant_writes_the_notes_in_a_process_of_its_own() -> None:
    """The shipped weights: three notes are enough to see that both engines do the same work."""
    steps: list[None] = []
    found = [peers.compete(one, Task(None, (), 3, 5, 2), lambda: steps.append(None)) for one in CONTESTANTS[1:]]
    ours, theirs = found
    assert len(steps) == 2 * (peers.WARM_UP_COUNT + 3 * len(IN_FLIGHT))
    assert ours.valid == theirs.valid == 3 and peers.same_texts(ours, theirs) >= 2
    assert [run.n for run in ours.runs] == [3, 3, 3]
    assert ours.runs[0].passes_per_token < theirs.runs[0].passes_per_token <= 1.5
    assert ours.peak_bytes > 50_000_000


def test_a_contestant_that_dies_is_named() -> None:
    with pytest.raises(PeerFailed, match="nobody ended without an answer"):
        peers.compete(Contestant("nobody", Decoding.MASK), Task("/no/such/base", (), 1, 1, None))
