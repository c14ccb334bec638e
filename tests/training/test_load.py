"""The bench of load: many adapters, arrivals at random, and how they are told."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from service.generator import Generator
from service.weights.adapters import adapter_directories, read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS
from training.measure import load
from training.measure.load import Arrivals, Crowd, arriving, copies, crowd, markdown
from training.measure.slices import synthetic

NOTES = [pair.question for pair in synthetic("unseen_values", 3, 7).pairs]


def test_copies_are_adapters_of_their_own() -> None:
    adapter = read_adapter(adapter_directories(EMBEDDED_ADAPTERS)[0])
    one, other = copies(adapter, 2)
    assert one.adapter_digest != other.adapter_digest and one.adapter_id != other.adapter_id
    key = next(iter(adapter.weights.factors))
    assert (one.weights.factors[key][0] == other.weights.factors[key][0]).all() and one.weights.factors[key][0] is not other.weights.factors[key][0]


@pytest.mark.slow
def test_a_crowd_of_adapters_and_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "NUM_IN_FLIGHT", 3)
    steps: list[None] = []
    found = crowd(3, NOTES, 2)
    assert (found.num_adapters, found.n) == (3, 3) and found.reports_per_s > 0
    assert found.before_bytes <= found.loaded_bytes <= found.after_bytes
    with closing(Generator.open(threads=2)) as generator:
        came = asyncio.run(arriving(generator, NOTES, 50.0, 1, lambda: steps.append(None)))
    assert (came.n, len(steps)) == (3, 3) and 0 < came.p50_s <= came.p99_s


def test_what_fifty_adapters_cost_is_told_beside_one() -> None:
    told = markdown([Crowd(1, 9, 4.0, 100, 2_000_100, 9), Crowd(50, 9, 3.0, 0, 75_000_000, 9)], Arrivals(2.0, 9, 0.5, 1.5), 1_400_000, {"command": "x", "cpu_count": 2})
    assert "50 adapters taking turns write 25% fewer reports a second than one." in told
    assert "| 50 | 9 | 3.00 | 1.50 MB |" in told and "| 2.00 | 9 | 0.500 | 1.500 | 3.0 |" in told
