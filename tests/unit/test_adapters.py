"""Adapters: plain LoRA only, bound by digest to a base and a schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from service.engine.torch_executor import LowRank
from service.errors import AdapterMismatch, AdapterUnknown
from service.weights.adapters import Adapter, AdapterStore, adapter_directories, read_adapter
from service.weights.checkpoint import CheckpointInvalid, digest_of, read_base


@pytest.fixture
def path(tiny_adapter: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return Path(shutil.copytree(tiny_adapter, tmp_path / "tiny_status"))


def change(file: Path, **changes: Any) -> None:
    found = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in found.items() if value != "absent"}))


def adapter(adapter_id: str = "a", schema: str = "s", base: str = "b") -> Adapter:
    return Adapter(adapter_id, "agent_status", schema, "sha256:" + adapter_id, base, 4, 8.0, 1, LowRank({}, 2.0))


def test_an_adapter_is_read_with_what_binds_it(path: Path, tiny_base: Path) -> None:
    found = read_adapter(path)
    file = path / "adapter_model.safetensors"
    assert (found.adapter_id, found.schema_id, found.rank, found.lora_alpha, found.weights.scale) == ("tiny_status", "agent_status", 4, 8.0, 2.0)
    assert found.base_digest == read_base(tiny_base).digest and found.adapter_digest == digest_of([file])
    assert found.size_bytes == file.stat().st_size and len(found.weights.factors) == 14


@pytest.mark.parametrize(
    "changes",
    [{"use_dora": True}, {"use_rslora": True}, {"lora_bias": True}, {"bias": "all"}, {"modules_to_save": ["lm_head"]}, {"rank_pattern": {"q_proj": 2}},
     {"alpha_pattern": {"q_proj": 2}}, {"init_lora_weights": "pissa_niter_4"}, {"peft_type": "IA3"}, {"r": 0}, {"r": "absent"}, {"r": 8},
     {"lora_alpha": None}],
    ids=str,
)  # fmt: skip
def test_what_is_more_than_plain_lora_is_refused(changes: dict[str, Any], path: Path) -> None:
    change(path / "adapter_config.json", **changes)
    with pytest.raises(CheckpointInvalid, match="tiny_status"):
        read_adapter(path)


@pytest.mark.parametrize("changes", [{"schema_digest": "absent"}, {"base_digest": "absent"}, {"adapter_id": "base"}], ids=str)
def test_metadata_that_does_not_bind_it_is_refused(changes: dict[str, Any], path: Path) -> None:
    change(path / "metadata.json", **changes)
    with pytest.raises(CheckpointInvalid, match=next(iter(changes))):
        read_adapter(path)


@pytest.mark.parametrize("name", ["adapter_config.json", "metadata.json", "adapter_model.safetensors"])
def test_a_missing_or_broken_file_is_named(name: str, path: Path) -> None:
    (path / name).write_text("nonsense")
    with pytest.raises(CheckpointInvalid, match=name):
        read_adapter(path)
    (path / name).unlink()
    with pytest.raises(CheckpointInvalid, match=name):
        read_adapter(path)


def test_pickled_weights_are_never_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpickled"))
    (path / "adapter_model.safetensors").rename(path / "adapter_model.bin")
    with pytest.raises(CheckpointInvalid, match="never read"):
        read_adapter(path)


@pytest.mark.parametrize("how", ["half", "embedding", "unknown"])
def test_factors_that_are_no_pair_of_a_projection_are_refused(how: str, path: Path) -> None:
    file = path / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("q_proj.lora_B.weight"))
    tensor = tensors.pop(name)
    if how != "half":
        tensors[{"embedding": "base_model.model.lm_head.lora_A.weight", "unknown": name.replace("q_proj", "w_proj")}[how]] = tensor
    save_file(tensors, file)
    with pytest.raises(CheckpointInvalid, match="adapter_model"):
        read_adapter(path)


def test_the_schema_s_digest_finds_the_adapter_and_a_name_alone_never_does() -> None:
    store = AdapterStore([adapter("a", "s"), adapter("z", "t")], "b")
    assert [found.adapter_id for found in store] == ["a", "z"]
    assert store.resolve(None, "t") == adapter("z", "t") and store.resolve("a", "s") == adapter("a", "s")
    assert store.resolve(None, "other") is None
    with pytest.raises(AdapterMismatch) as mismatch:
        store.resolve("a", "t")
    assert (mismatch.value.what, mismatch.value.expected, mismatch.value.found) == ("schema", "s", "t")
    with pytest.raises(AdapterUnknown) as unknown:
        store.resolve("nope", "s")
    assert unknown.value.known == ("a", "z")


def test_an_adapter_of_another_base_is_refused() -> None:
    with pytest.raises(AdapterMismatch) as mismatch:
        AdapterStore([adapter(base="b"), adapter("z", base="c")], "b")
    assert (mismatch.value.adapter_id, mismatch.value.what, mismatch.value.expected, mismatch.value.found) == ("z", "base", "c", "b")


def test_adapters_are_found_below_a_directory(path: Path) -> None:
    assert adapter_directories(path.parent) == [path] and adapter_directories(path / "nowhere") == []
