"""The comparison with peers: how it is told, and that a contestant answers from a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from service.weights.adapters import adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS, read_base
from training.measure.evaluate import Decoding
from training.measure.peers import comparison as peers
from training.measure.peers.comparison import (
    CONTESTANTS,
    IN_FLIGHT,
    SAME_WORK,
    Contestant,
    PeerFailed,
    Result,
    Run,
    Task,
)

PEERS_PYTHON = Path(__file__).parents[2] / ".venv-peers/bin/python"
OURS, EQUAL, OUTLINES, *LLAMAS = CONTESTANTS


def result(name: str, reports_per_s: float, texts: tuple[str, ...]) -> Result:
    return Result(name, tuple(Run(n, 2, 0.1, 0.2, reports_per_s * n, 100.0, 0.3) for n in IN_FLIGHT), 2, 300_000_000, texts)


RESULTS = [result(OURS.name, 3.0, ("a", "b")), result(EQUAL.name, 2.0, ("a", "c")), result(OUTLINES.name, 0.5, ("a", "d")), result(LLAMAS[0].name, 1.0, ("e", "d"))]


def test_ratios_are_over_each_peer_at_the_same_number_in_flight() -> None:
    found = peers.ratios(RESULTS)
    assert [(row["peer"], row["num_in_flight"]) for row in found] == [(name, n) for name in (OUTLINES.name, LLAMAS[0].name) for n in IN_FLIGHT]
    assert {(row[OURS.name], row[SAME_WORK]) for row in found} == {(6.0, 4.0), (3.0, 2.0)}


def test_equal_work_is_counted_and_told(tmp_path: Path) -> None:
    assert [peers.same_texts(RESULTS[1], other) for other in RESULTS] == [1, 2, 1, 0]
    told = peers.markdown(RESULTS, {"command": "x", "cpu_count": 2, "threads": None, "count": 2})
    assert "| Outlines + transformers | 8 | 6.0× | 4.0× |" in told and "| 1/2 | 300 MB |" in told and "left out" not in told
    assert "llama.cpp was left out" in peers.markdown(RESULTS[:3], {"command": "x", "cpu_count": 2, "threads": None, "count": 2})
    peers.plot(RESULTS, tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_each_contestant_writes_the_notes_in_a_process_of_its_own() -> None:
    """The shipped weights: three notes are enough to see that both engines do the same work."""
    steps: list[None] = []
    ours, theirs = (peers.compete(one, Task(None, (), 3, 5, 2), lambda: steps.append(None)) for one in (EQUAL, OUTLINES))
    assert len(steps) == 2 * (peers.WARM_UP_COUNT + 3 * len(IN_FLIGHT))
    assert ours.valid == theirs.valid == 3 and peers.same_texts(ours, theirs) >= 2
    assert [run.n for run in ours.runs] == [3, 3, 3]
    assert ours.runs[0].passes_per_token < theirs.runs[0].passes_per_token <= 1.5
    assert ours.peak_bytes > 50_000_000


def test_what_llama_cpp_is_given(tmp_path: Path) -> None:
    """The vocabulary in order, prompts that begin as ours do, and weights that are the base's and the adapter's together."""
    base = read_base()
    adapter = next(found for found in map(read_adapter, adapter_directories(EMBEDDED_ADAPTERS)) if found.adapter_id == "agent_status")
    work = peers.llama_work(LLAMAS[0], Task(None, (), 2, 5, 2), tmp_path)
    tokens = work["vocab"]["tokens"]
    assert len(tokens) == base.config.vocab_size and all(base.tokenizer.token_to_id(tokens[i]) == i for i in range(0, len(tokens), 97))
    assert base.tokenizer.decode(work["prompts"][0], skip_special_tokens=False).count("### Question") == 1
    own, found = dict(base.weights()), np.load(work["weights"])
    down, up = adapter.weights.factors[2, "down_proj"]
    x = np.random.default_rng(1).standard_normal(base.config.intermediate_size).astype(np.float32)
    name = "model.layers.2.mlp.down_proj.weight"
    apart = own[name].astype(np.float32) @ x + adapter.weights.scale * (up.astype(np.float32) @ (down.astype(np.float32) @ x))
    assert np.allclose(found[name] @ x, apart, atol=1e-4) and set(found.files) == set(own)
    assert json.loads(work["schema"])["properties"] and work["sizes"]["prefix_lm"]
    assert peers.llama_work(LLAMAS[-1], Task(None, (), 2, 5, 2), tmp_path)["schema"] is None


@pytest.mark.slow
@pytest.mark.skipif(not PEERS_PYTHON.exists(), reason="make .venv-peers/.done compiles llama.cpp")
def test_llama_cpp_writes_what_we_write() -> None:
    task = Task(None, (), 4, 5, 2, PEERS_PYTHON)
    ours, theirs = (peers.compete(one, task) for one in (EQUAL, LLAMAS[0]))
    assert theirs.valid >= 3 and peers.same_texts(ours, theirs) >= 3
    assert [run.n for run in theirs.runs] == [4, 4, 4] and theirs.runs[0].passes_per_token > 0.9


def test_a_contestant_that_dies_is_named() -> None:
    with pytest.raises(PeerFailed, match="nobody ended without an answer"):
        peers.compete(Contestant("nobody", Decoding.MASK), Task("/no/such/base", (), 1, 1, None))
