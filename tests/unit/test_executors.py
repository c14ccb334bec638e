"""Each executor's logits are those of transformers and peft, however the tokens are cut into rows."""

from __future__ import annotations

import json
import mmap
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.engine import cache, onnx_executor, side_by_side
from service.engine.cache import ROOM, SPARE, STEP, Caches
from service.engine.executor import Logits, Row
from service.engine.graph_names import ROWS, file_of
from service.engine.lora import LowRank
from service.engine.onnx_executor import OnnxExecutor
from service.engine.onnx_graph import write_graphs
from service.engine.torch_executor import TorchExecutor
from service.weights.adapters import read_adapter
from service.weights.checkpoint import CheckpointInvalid, read_base
from tests import tiny
from training.base.prefix import attention_mask

IDS = tuple(int(i) for i in np.random.default_rng(5).integers(3, tiny.VOCAB_SIZE, 37))


def expected(model: Any, ids: tuple[int, ...]) -> Logits:
    with torch.no_grad():
        logits: Logits = model(torch.tensor([ids])).logits[0].float().numpy()
    return logits


AnyExecutor = OnnxExecutor | TorchExecutor


def torch_of(path: Path, num_slots: int = 4) -> TorchExecutor:
    return TorchExecutor(read_base(path), num_slots=num_slots)


def onnx_of(path: Path, num_slots: int = 4) -> OnnxExecutor:
    write_graphs(path)  # of a base that transformers saved anew
    return OnnxExecutor(read_base(path), num_slots=num_slots, threads=1)


@pytest.fixture(params=[onnx_of, torch_of], ids=["onnx", "torch"])
def executor_of(request: pytest.FixtureRequest) -> Callable[[Path], AnyExecutor]:
    made: Callable[[Path], AnyExecutor] = request.param
    return made


def run(executor: AnyExecutor, ids: tuple[int, ...], sizes: list[int], slot: int = 0, adapter: str | None = None, start: int = 0) -> Logits:
    """All logits of the ids, run in pieces of these sizes."""
    parts, at = [], 0
    for size in sizes:
        parts += executor.forward([Row(slot, start + at, ids[at : at + size], size, adapter)])
        at += size
    return np.concatenate(parts)


def close(one: Logits, other: Logits) -> None:
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Any:
    from transformers import MistralForCausalLM

    return MistralForCausalLM.from_pretrained(tiny_base, dtype=torch.float32).eval()


@pytest.fixture
def executor(tiny_base: Path, executor_of: Callable[[Path], AnyExecutor]) -> AnyExecutor:
    return executor_of(tiny_base)


@pytest.mark.parametrize("sizes", [[37], [16, 16, 5], [1] * 37, [30, 1, 1, 5], [1, 36]], ids=str)
def test_the_logits_are_those_of_transformers_however_a_prompt_is_cut(sizes: list[int], executor: AnyExecutor, model: Any) -> None:
    close(run(executor, IDS, sizes), expected(model, IDS))


@pytest.mark.parametrize(
    "changes",
    [{"tie_word_embeddings": False}, {"num_key_value_heads": 4}, {"num_key_value_heads": 1}, {"head_dim": 32}, {"rope_theta": 500_000.0},
     {"rms_norm_eps": 1e-3}, {"sliding_window": 100}],
    ids=str,
)  # fmt: skip
def test_any_mistral_is_run_as_transformers_runs_it(changes: dict[str, Any], tmp_path: Path, executor_of: Callable[[Path], AnyExecutor]) -> None:
    model = tiny.save_base(tmp_path, seed=3, **changes)
    close(run(executor_of(tmp_path), IDS, [20, 17]), expected(model, IDS))


@pytest.mark.parametrize("num_prefix", [1, 20, 30])
def test_a_prefix_is_seen_both_ways_as_transformers_sees_it(num_prefix: int, tmp_path: Path, executor_of: Callable[[Path], AnyExecutor]) -> None:
    """A prompt, tokens forced after it in the same row, and then the rest one by one."""
    model = tiny.save_base(tmp_path, seed=6, prefix_lm=True)
    with torch.no_grad():
        mask = attention_mask(model.config, torch.tensor([num_prefix]), len(IDS))
        wanted = model(torch.tensor([IDS]), attention_mask=mask).logits[0].numpy()
    executor = executor_of(tmp_path)
    assert executor.prefix_lm
    found = executor.forward([Row(0, 0, IDS[:30], 30, None, num_prefix), Row(1, 0, IDS[:num_prefix], num_prefix, None, num_prefix)])
    close(found[0], wanted[:30])
    close(found[1], wanted[:num_prefix])
    close(executor.forward([Row(1, num_prefix, IDS[num_prefix:30], 30 - num_prefix)])[0], wanted[num_prefix:30]) if num_prefix < 30 else None
    close(np.concatenate([executor.forward([Row(0, i, IDS[i : i + 1], 1)])[0] for i in range(30, len(IDS))]), wanted[30:])
    assert num_prefix == 1 or np.abs(wanted - expected(model, IDS)).max() > 0.1, "both ways is not causal"


def test_sharded_weights_are_read_whole(tmp_path: Path, executor_of: Callable[[Path], AnyExecutor]) -> None:
    model = tiny.save_base(tmp_path, seed=4)
    model.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    (tmp_path / "tokenizer.json").rename(tmp_path / "sharded/tokenizer.json")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    close(run(executor_of(tmp_path / "sharded"), IDS, [37]), expected(model, IDS))


def test_half_precision_weights_are_run_in_single_precision_on_a_cpu(tmp_path: Path, executor_of: Callable[[Path], AnyExecutor]) -> None:
    from transformers import MistralForCausalLM

    tiny.save_base(tmp_path, seed=4).to(torch.bfloat16).save_pretrained(tmp_path)
    executor = executor_of(tmp_path)
    close(run(executor, IDS, [37]), expected(MistralForCausalLM.from_pretrained(tmp_path, dtype=torch.float32), IDS))


def test_a_slot_used_before_leaves_no_trace(executor: AnyExecutor, model: Any) -> None:
    run(executor, tuple(reversed(IDS)), [37])
    close(run(executor, IDS[:9], [9]), expected(model, IDS[:9]))


def test_a_sequence_outgrows_the_cache_that_a_slot_has_at_first(executor: AnyExecutor, model: Any) -> None:
    """A long row that begins, long ones that go on, short ones before and after the cache is made longer; a neighbour keeps what it has."""
    ids = tuple(int(i) for i in np.random.default_rng(6).integers(3, tiny.VOCAB_SIZE, 600))
    before = run(executor, IDS[:20], [20], slot=1)
    close(run(executor, ids, [200, 100, 3, 88, 60, 149]), expected(model, ids)[: len(ids)])
    close(np.concatenate([before, *executor.forward([Row(1, 20, IDS[20:], 17)])]), expected(model, IDS))


def test_rows_of_any_length_share_a_forward_pass(executor: AnyExecutor, model: Any) -> None:
    ids = tuple(int(i) for i in np.random.default_rng(7).integers(3, tiny.VOCAB_SIZE, 80))
    run(executor, ids[:40], [40], slot=3)
    rows = [Row(0, 0, ids[:60], 60), Row(3, 40, ids[40:43], 3), Row(1, 0, ids[:7], 2)]
    fresh, going_on, short = executor.forward(rows)
    wanted = expected(model, ids)
    close(fresh, wanted[:60])
    close(going_on, wanted[40:43])
    close(short, wanted[5:7])


def test_only_the_last_logits_asked_for_come_back(executor: AnyExecutor, model: Any) -> None:
    none, two = executor.forward([Row(0, 0, IDS[:9], 0), Row(1, 0, IDS, 2)])
    assert none.shape == (0, tiny.VOCAB_SIZE) and none.dtype == np.float32
    close(two, expected(model, IDS)[-2:])
    (none,) = executor.forward([Row(0, 9, IDS[9:12], 0)])
    assert none.shape == (0, tiny.VOCAB_SIZE)
    close(executor.forward([Row(0, 12, IDS[12:13], 1)])[0], expected(model, IDS[:13])[-1:])


def test_rows_with_different_adapters_share_a_forward_pass(tiny_base: Path, tiny_adapter: Path, tmp_path: Path, model: Any, executor_of: Callable[[Path], AnyExecutor]) -> None:
    """Three prompts of one base: bare, and with two adapters of different rank; prefill and then one token each."""
    executor = executor_of(tiny_base)
    from peft import PeftModel
    from transformers import MistralForCausalLM

    two = tiny.save_adapter(tiny_base, tmp_path / "two", seed=9, rank=2)
    bare = MistralForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    one = PeftModel.from_pretrained(bare, tiny_adapter).eval()
    for name, path in (("one", tiny_adapter), ("two", tmp_path / "two")):
        executor.load_adapter(name, read_adapter(path).weights)
    prompts = {None: IDS[:20], "one": IDS[3:11], "two": IDS[8:30]}
    models = {None: model, "one": one, "two": two}
    first = executor.forward([Row(slot, 0, ids[:-1], len(ids) - 1, name) for slot, (name, ids) in enumerate(prompts.items())])
    second = executor.forward([Row(slot, len(ids) - 1, ids[-1:], 1, name) for slot, (name, ids) in enumerate(prompts.items())])
    for (name, ids), start, end in zip(prompts.items(), first, second, strict=True):
        close(np.concatenate([start, end]), expected(models[name], ids))
    close(run(executor, IDS, [37], slot=3, adapter="two"), expected(two, IDS))
    assert np.abs(expected(one, IDS) - expected(model, IDS)).max() > 0.1, "the adapter does something"


def test_a_row_that_leaves_the_context_is_our_own_bug(executor: AnyExecutor) -> None:
    assert executor.context_length == tiny.CONTEXT_LENGTH
    with pytest.raises(AssertionError, match="leaves the context"):
        executor.forward([Row(0, tiny.CONTEXT_LENGTH - 1, (5, 6), 1)])


def test_an_adapter_that_does_not_fit_the_base_is_refused(executor: AnyExecutor, tmp_path: Path) -> None:
    down, up = np.zeros((2, 32), np.float32), np.zeros((64, 2), np.float32)
    executor.load_adapter("good", LowRank({(0, "q_proj"): (down, up)}, 1.0))
    for key, factors in {(2, "q_proj"): (down, up), (0, "x_proj"): (down, up), (0, "k_proj"): (down, up), (1, "q_proj"): (down, np.zeros((32, 3), np.float32))}.items():
        with pytest.raises(CheckpointInvalid):
            executor.load_adapter("bad", LowRank({key: factors}, 1.0))
    executor.unload_adapter("good")
    with pytest.raises(KeyError):
        executor.forward([Row(0, 0, (5,), 1, "good")])


def test_a_missing_tensor_is_named(tmp_path: Path, executor_of: Callable[[Path], AnyExecutor]) -> None:
    from safetensors.torch import load_file, save_file

    tiny.save_base(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if "layers.1.mlp.up_proj" not in name}
    save_file(kept, file)
    with pytest.raises(CheckpointInvalid, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
        executor_of(tmp_path)


# --- ONNX Runtime beside torch ------------------------------------------------------------------------------------------


def random_steps(draw: random.Random, num_slots: int, adapters: tuple[str | None, ...], context: int) -> Iterator[tuple[list[Row], list[int]]]:
    """Sequences that begin, go on, go back a little (as after a wrong draft) and end, each with an adapter of its own, in any slots: a pass's rows, and the slots that are
    released after it."""
    ends: dict[int, int] = {}
    adapter: dict[int, str | None] = {}
    for _ in range(30):
        rows = []
        for slot in draw.sample(range(num_slots), draw.randint(1, num_slots)):
            if slot not in ends or draw.random() < 0.1:
                ends[slot], adapter[slot] = 0, draw.choice(adapters)
            start = max(0, ends[slot] - draw.choice((0, 0, 2))) if ends[slot] > 2 else ends[slot]
            length = min(draw.choice((1, 1, 2, 5, 30) if start else (3, 40, 250)), context - start)
            if length:
                ids = tuple(draw.randrange(3, tiny.VOCAB_SIZE) for _ in range(length))
                rows.append(Row(slot, start, ids, draw.randint(0, length), adapter[slot]))
                ends[slot] = start + length
        over = [slot for slot in ends if draw.random() < 0.1]
        yield rows, over
        for slot in over:
            del ends[slot]


@pytest.mark.parametrize("seed", range(4))
def test_both_executors_agree_on_any_mixture_of_rows(seed: int, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several groups of slots, more sets of adapters and of slots than are kept, sequences that outgrow their cache and new ones after them."""
    draw = random.Random(seed)
    monkeypatch.setattr(side_by_side, "MOST_LAID", 2)
    monkeypatch.setattr(onnx_executor, "MOST_BOUND", 3)
    monkeypatch.setattr(cache, "ROOM", 40)
    monkeypatch.setattr(cache, "STEP", 64)
    base = read_base(tiny_base).within(600)
    both: tuple[AnyExecutor, ...] = (OnnxExecutor(base, num_slots=19, threads=1), TorchExecutor(base, num_slots=19))
    for rank in (1, 2, 3):
        tiny.save_adapter(tiny_base, tmp_path / f"of_rank_{rank}", seed=rank, rank=rank)
        for executor in both:
            executor.load_adapter(f"of_rank_{rank}", read_adapter(tmp_path / f"of_rank_{rank}").weights)
    lengths: set[int] = set()
    for rows, over in random_steps(draw, 19, (None, "of_rank_1", "of_rank_2", "of_rank_3"), 600):
        for one, other in zip(*(executor.forward(rows) for executor in both), strict=True):
            close(one, other)
        for executor in both:
            for slot in over:
                executor.release(slot)
        lengths.update(both[0]._caches[row.slot].num_positions for row in rows if row.slot not in over)
    assert len(lengths) > 2, "sequences moved to longer caches"


def test_executors_beside_each_other_share_weights_and_nothing_else(tiny_base: Path, tiny_adapter: Path) -> None:
    """Two of them at work at the same time, with all cores and with few; each has its own adapters."""
    base = read_base(tiny_base).within(600)
    one = OnnxExecutor(base, num_slots=7, threads=1, threads_alone=2)
    other = one.beside(5)
    assert (one.num_slots, other.num_slots) == (7, 5)
    weights = read_adapter(tiny_adapter).weights
    one.load_adapter("one", weights)
    assert not other.adapters
    other.load_adapter("one", weights)
    one.load_adapter("its own", LowRank(weights.factors, weights.scale / 2))

    def compared(executor: OnnxExecutor, seed: int, adapters: tuple[str | None, ...]) -> int:
        plain, draw, count = TorchExecutor(base, num_slots=executor.num_slots), random.Random(seed), 0
        plain.load_adapter("one", weights)
        plain.load_adapter("its own", LowRank(weights.factors, weights.scale / 2))
        for rows, over in random_steps(draw, executor.num_slots, adapters, 600):
            for found, wanted in zip(executor.forward(rows, alone=draw.random() < 0.5), plain.forward(rows), strict=True):
                close(found, wanted)
                count += 1
            for slot in over:
                executor.release(slot)
                plain.release(slot)
        return count

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(compared, one, 1, (None, "one", "its own")), pool.submit(compared, other, 2, (None, "one"))]
        assert all(future.result() > 50 for future in both)
    other.unload_adapter("one")
    assert "one" in one.adapters


def test_adapters_share_a_pass_as_far_as_their_ranks_allow(tiny_base: Path, tmp_path: Path) -> None:
    executor = onnx_of(tiny_base, num_slots=8)
    for rank in (8, 40, 50, 99):
        tiny.save_adapter(tiny_base, tmp_path / f"{rank}", seed=rank, rank=rank)
        executor.load_adapter(f"{rank}", read_adapter(tmp_path / f"{rank}").weights)
    rows = [Row(slot, 5, (7,), 1, adapter) for slot, adapter in enumerate(("40", None, "50", "8", "40", "99", None, "8"))]
    passes = list(executor._side_by_side.passes(rows, 8))
    assert [{row.adapter for row in rows} for rows in passes] == [{"40", None, "50"}, {"8"}, {"99"}]
    assert sorted(row.slot for rows in passes for row in rows) == list(range(8)) and all(rows == sorted(rows, key=lambda row: row.slot) for rows in passes)
    assert list(executor._side_by_side.passes([], 8)) == []
    of_sixteen = [Row(slot, 5, (7,), 1, adapter) for slot, adapter in enumerate(("40", "99") * 8)]
    assert [[row.slot for row in part] for part in executor._side_by_side.passes(of_sixteen, 8)] == [list(range(0, 16, 2)), list(range(1, 16, 2))]
    bare = [Row(slot, 5, (7,), 1) for slot in range(11)]
    assert [len(part) for part in executor._side_by_side.passes(bare, 4)] == [4, 4, 3]
    with pytest.raises(KeyError, match="the adapter gone is not loaded"):
        executor.forward([Row(0, 0, (7,), 1, "gone")])


def test_caches_grow_with_what_they_hold_and_are_used_again() -> None:
    kept = Caches(2, 3, 4, 2000)
    first = kept.reserve(1, 0, 10)
    assert first.array.shape == (2, 3, -(-(10 + ROOM) // STEP) * STEP, 4) and kept[1] is first
    first.array[:, :, :10] = 7.0
    assert kept.reserve(1, 10, first.num_positions) is first, "there is room"
    longer = kept.reserve(1, 10, first.num_positions + 1)
    assert kept[1] is longer and longer.num_positions > first.num_positions and (longer.array[:, :, :10] == 7.0).all()
    assert kept.reserve(2, 0, 5) is first, "the one that is free again"
    assert kept.reserve(3, 0, 1900).num_positions == 2000, "never more than the context"
    kept.release(3)
    assert kept.reserve(4, 0, 5).num_positions < 1000, "not one of twice the length"
    for slot in range(5, 5 + 2 * SPARE):
        kept.reserve(slot, 0, 5)
    for slot in range(5, 5 + 2 * SPARE):
        kept.release(slot)
    assert len(kept._spare) == SPARE


@pytest.mark.parametrize("error", [OSError(22, "Invalid argument"), AttributeError("madvise")], ids=["refused", "unknown"])
def test_a_system_without_large_pages_gives_plain_ones(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(mmap.mmap):
        def madvise(self, *_: int) -> None:
            raise error

    monkeypatch.setattr(mmap, "mmap", Plain)
    assert not Caches(2, 3, 4, 2000).reserve(1, 0, 10).array.any()


@pytest.mark.parametrize("seed", range(5))
def test_every_sequence_keeps_what_it_wrote(seed: int) -> None:
    draw, kept, ends = random.Random(seed), Caches(1, 1, 2, 3000), dict[int, int]()
    for _ in range(300):
        slot = draw.randrange(20)
        if slot in ends and draw.random() < 0.3:
            kept.release(slot)
            del ends[slot]
            continue
        start = draw.choice([0, ends.get(slot, 0)])
        ends[slot] = min(3000, start + draw.randint(1, 700))
        kept.reserve(slot, start, ends[slot]).array[:, :, start : ends[slot]] = slot
        assert all(kept[known].num_positions >= end and (kept[known].array[:, :, :end] == known).all() for known, end in ends.items())
    assert len({kept[known].number for known in ends}) == len(ends)


def test_guesses_that_were_wrong_leave_no_trace(tiny_base: Path, model: Any) -> None:
    executor = onnx_of(tiny_base)
    executor.forward([Row(0, 0, IDS[:20], 1)])
    executor.forward([Row(0, 10, IDS[10:12], 1)])  # the last eight were guesses
    executor._caches[0].array[:, :, 12:] = np.nan
    close(run(executor, IDS[10:], [27], start=10), expected(model, IDS)[10:])


def test_more_tokens_in_a_pass_than_the_context_has_positions(tiny_base: Path, model: Any) -> None:
    executor = OnnxExecutor(read_base(tiny_base).within(20), num_slots=8, threads=1)
    for logits in executor.forward([Row(slot, 0, IDS[:15], 15) for slot in range(8)]):
        close(logits, expected(model, IDS[:15]))


def test_numbers_that_are_not_finite_are_refused_and_leave_no_trace(tiny_base: Path, model: Any) -> None:
    executor = onnx_of(tiny_base)
    broken = np.full((2, 32), np.nan, np.float32)
    with pytest.raises(CheckpointInvalid, match="not finite"):
        executor.load_adapter("broken", LowRank({(0, "q_proj"): (broken, np.zeros((64, 2), np.float32))}, 1.0))
    run(executor, IDS, [37])
    executor._caches[0].array[:] = np.nan  # what an overflow would have left
    close(run(executor, IDS, [37]), expected(model, IDS))


def test_other_weights_under_the_same_digest_are_other_weights(tiny_base: Path, tiny_adapter: Path) -> None:
    executor = onnx_of(tiny_base)
    weights = read_adapter(tiny_adapter).weights
    found = []
    for scale in (weights.scale, 2 * weights.scale):
        executor.load_adapter("one", LowRank(weights.factors, scale))
        found.append(run(executor, IDS, [37], adapter="one"))
    assert np.abs(found[0] - found[1]).max() > 0.1


@pytest.mark.parametrize(("changed", "told"), [({"rms_norm_eps": 1e-3}, "is not that of the config.json"), ({"num_hidden_layers": 3}, "does not run with the weights")])
def test_a_graph_of_another_base_is_refused_with_what_to_do(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    tiny.save_base(tmp_path / "other", **changed)
    tiny.save_base(tmp_path / "base")
    for rows in ROWS:
        (tmp_path / "other" / file_of(rows)).rename(tmp_path / "base" / file_of(rows))
    with pytest.raises(CheckpointInvalid, match=rf"{told}.*write it anew: python -m service.engine.onnx_graph"):
        OnnxExecutor(read_base(tmp_path / "base"), num_slots=1)


def test_heads_that_onnx_runtime_does_not_run_are_refused_with_what_does(tmp_path: Path) -> None:
    tiny.save_base(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"head_dim": 8}))
    with pytest.raises(CheckpointInvalid, match=r"heads of 8 dimensions.*multiple of 16.*torch runs the base"):
        write_graphs(tmp_path)
