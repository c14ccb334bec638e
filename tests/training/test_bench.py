"""The bench: a grid of cells, each measured once, told in three ways."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.violation import Violation
from service.errors import AdapterUnknown
from tests.fakes import ADAPTER, BASE_DIGEST, FakeGenerator, result
from tests.training.test_evaluate import Writer, words
from training.measure import bench, reliability
from training.measure.bench import Cell, Settings, grid
from training.measure.evaluate import Decoding
from training.measure.reliability import Bench, Models, Weights
from training.measure.slices import Slice, synthetic

COUNT = 4
VIOLATION = Violation("json", "", "", "not JSON")
SETTINGS = Settings(concurrency=2, threads=1)
ADAPTER_WEIGHTS = Weights(ADAPTER.adapter_digest, ADAPTER.size_bytes)
MODELS = Models(Weights(BASE_DIGEST, 24_691_340), ADAPTER_WEIGHTS, ADAPTER.adapter_id, ADAPTER.rank, ADAPTER.lora_alpha)


@pytest.fixture(scope="module")
def values() -> Slice:
    return synthetic("unseen_values", COUNT, seed=5)


@pytest.fixture
def cell(values: Slice) -> Cell:
    return Cell(values, ADAPTER.adapter_id, Decoding.BACKSTOP)


def test_the_grid_has_both_writers_and_modes_for_every_slice_an_adapter_knows(values: Slice) -> None:
    others = synthetic("unseen_schemas", 2, seed=5)
    small = Slice(values.name, values.pairs[:2])
    found = [
        (c.slice.name, c.writer, c.mode.value, len(c.slice.pairs))
        for c in grid([values], [small, others], "agent_status")
    ]
    assert found == [
        *(("unseen_values", "base", mode, 2) for mode in ("free", "mask", "backstop")),
        *(("unseen_values", "agent_status", mode, COUNT) for mode in ("free", "mask", "backstop")),
        *(("unseen_schemas", "base", mode, 2) for mode in ("free", "mask", "backstop")),
    ]


def test_a_measured_cell_is_not_measured_again(cell: Cell, tmp_path: Path) -> None:
    def never(request: object) -> None:
        raise AssertionError("decoded again")

    file = tmp_path / "cache" / "cell.jsonl"
    first = bench.measured(FakeGenerator(Writer(cell.slice)), cell, words, SETTINGS, file)
    again = bench.measured(FakeGenerator(never), cell, words, SETTINGS, file)  # type: ignore[arg-type]
    assert again.rows == first.rows and again.summary == first.summary and again.elapsed_s == first.elapsed_s


def test_a_cell_that_was_killed_leaves_nothing_behind(cell: Cell, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        bench.measured(FakeGenerator(lambda request: {}[request]), cell, words, SETTINGS, tmp_path / "cell.jsonl")  # type: ignore[index]
    assert not list(tmp_path.iterdir())


def test_the_key_changes_with_everything_that_decides_the_rows(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    key = cell.key(MODELS, SETTINGS)
    other_adapter = replace(MODELS, adapter=Weights("sha256:" + "c" * 64, 1))
    fewer = replace(cell, slice=Slice(cell.slice.name, cell.slice.pairs[1:]))
    changed = [
        fewer.key(MODELS, SETTINGS), replace(cell, mode=Decoding.FREE).key(MODELS, SETTINGS), replace(cell, writer="base").key(MODELS, SETTINGS),
        cell.key(other_adapter, SETTINGS), cell.key(replace(MODELS, base=Weights("sha256:" + "d" * 64, 1)), SETTINGS),
        cell.key(MODELS, replace(SETTINGS, concurrency=3)), cell.key(replace(MODELS, adapter=replace(ADAPTER_WEIGHTS, confidence={"bias": 1.0})), SETTINGS),
    ]  # fmt: skip
    monkeypatch.setattr(bench, "decoding_code", lambda: "sha256:other")
    changed.append(cell.key(MODELS, SETTINGS))
    assert len({key, *changed}) == len(changed) + 1


def test_the_base_does_not_depend_on_the_adapter(cell: Cell) -> None:
    other = replace(MODELS, adapter=Weights("sha256:" + "c" * 64, 1))
    assert replace(cell, writer="base").key(MODELS, SETTINGS) == replace(cell, writer="base").key(other, SETTINGS)


@pytest.fixture
def done(values: Slice, tmp_path: Path) -> Bench:
    cells = list(grid([values], [values], ADAPTER.adapter_id))
    generator = FakeGenerator(
        Writer(values, _1=result(report_json="no JSON", valid=False, native_valid=False, violations=(VIOLATION,)))
    )
    found = [bench.measured(generator, one, words, SETTINGS, tmp_path / f"{i}.jsonl") for i, one in enumerate(cells)]
    timed = bench.timings(generator, values, ("base", ADAPTER.adapter_id), words)
    facts = bench._facts(SETTINGS, 5, "escribano-train bench")
    return Bench(MODELS, tuple(found), tuple(timed), facts)


def test_people_read_markdown(done: Bench) -> None:
    text = reliability.markdown(done)
    rows = [
        line
        for line in text.splitlines()
        if line.startswith("| unseen_values | agent_status | backstop | 4 | 75.00% |")
    ]
    assert len(rows) == 1
    assert "20.0 times as large" in text and "24.69 MB" in text and "1.23 MB" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("| unseen_values")]
    assert len(set(widths)) == 2  # the reliability table and that of languages
    assert "| /owner/name | 0.750 (4) |" in text


def test_machines_read_json(done: Bench, tmp_path: Path) -> None:
    reliability.write(done, tmp_path / "bench")
    told = json.loads((tmp_path / "bench" / "reliability.json").read_text("utf-8"))
    assert [(c["slice"], c["writer"], c["mode"], c["n"], c["valid"]) for c in told["cells"]] == [
        ("unseen_values", writer, mode, 4, 3) for writer in ("base", "agent_status") for mode in ("free", "mask", "backstop")
    ]
    assert told["models"]["adapter"]["digest"] == ADAPTER.adapter_digest
    assert told["made"]["versions"]["onnxruntime"] and told["made"]["cpu_count"]
    assert (tmp_path / "bench" / "reliability.md").read_text("utf-8") == reliability.markdown(done)


def test_each_writer_is_timed_alone_and_the_adapter_in_company_too(done: Bench) -> None:
    assert [(t.writer, t.num_in_flight) for t in done.timings] == [
        ("base", 1), ("agent_status", 1), ("agent_status", 8), ("agent_status", 32)
    ]  # fmt: skip
    assert all(t.p50_s == 0.05 and t.reports_per_s > 0 for t in done.timings)


def test_the_command_can_be_run_again_and_tells_no_directory_of_this_machine() -> None:
    told = bench.command(None, (), 10, 2, 7, Path("/home/ana/notes.jsonl"), Path("bench"), SETTINGS)
    assert told == (
        "escribano-train bench --count 10 --base-count 2 --seed 7 --notes notes.jsonl --concurrency 2 --device cpu --output bench --threads 1"
    )


def test_without_an_adapter_there_is_nothing_to_compare(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterUnknown):
        bench.main(base=str(tiny_base), count=1, base_count=1, output=tmp_path, cache=tmp_path / "cache")


def test_the_whole_bench_runs_and_resumes(
    tiny_base: Path,
    tiny_adapter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench, "IN_FLIGHT", (1, 2))
    monkeypatch.setattr(bench, "LATENCY_COUNT", 1)
    monkeypatch.setattr(bench, "IN_FLIGHT_COUNT", 1)
    monkeypatch.setattr(bench, "WARM_UP_COUNT", 1)
    ways = {"count": 1, "base_count": 1, "seed": 5, "cache": tmp_path / "cache", "threads": 1}
    first = bench.main(base=str(tiny_base), adapters=[tiny_adapter], output=tmp_path / "bench", **ways)  # type: ignore[arg-type]
    assert len(first.evaluations) == 15 and first.models.adapter_id == "tiny_status"
    assert len(list((tmp_path / "cache").iterdir())) == 15
    monkeypatch.setattr(bench, "timings", lambda *args: iter(first.timings))
    monkeypatch.setattr(bench, "evaluate", lambda *args, **kwargs: pytest.fail("decoded again"))
    again = bench.main(base=str(tiny_base), adapters=[tiny_adapter], output=tmp_path / "bench", **ways)  # type: ignore[arg-type]
    assert [e.rows for e in again.evaluations] == [e.rows for e in first.evaluations]
    assert "unseen_wordings" in capsys.readouterr().out
