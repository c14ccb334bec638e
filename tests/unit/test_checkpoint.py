"""Reading a base: what is taken, and how what cannot be run is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from service.weights import checkpoint
from service.weights.checkpoint import CheckpointInvalid, digest_of, read_base, weight_files
from tests import tiny


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def configure(base: Path, **changes: Any) -> None:
    file = base / "config.json"
    found = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in found.items() if value != "absent"}))


def test_a_base_is_read_with_its_sizes_and_digest(base: Path) -> None:
    found = read_base(base)
    c = found.config
    assert (c.vocab_size, c.hidden_size, c.num_layers, c.num_heads, c.num_kv_heads, c.head_dim) == (400, 32, 2, 4, 2, 16)
    assert (c.bos_id, c.eos_ids, c.tied_embeddings, c.context_length) == (1, (2,), True, tiny.CONTEXT_LENGTH)
    assert found.digest == digest_of([base / "model.safetensors"]) and found.size_bytes == (base / "model.safetensors").stat().st_size
    assert found.metadata == {}


def test_metadata_is_read_where_there_is_any(base: Path) -> None:
    (base / "metadata.json").write_text('{"steps": 7}')
    assert read_base(base).metadata == {"steps": 7}


def test_other_weights_have_another_digest(base: Path) -> None:
    before = read_base(base).digest
    data = bytearray((base / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (base / "model.safetensors").write_bytes(data)
    assert read_base(base).digest != before


def test_a_marker_in_a_text_is_text(base: Path) -> None:
    assert tiny.EOS_ID not in read_base(base).tokenizer.encode("a</s>b<s>", add_special_tokens=False).ids


def test_a_tokenizer_that_was_saved_with_truncation_cuts_nothing_off(base: Path) -> None:
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(base / "tokenizer.json"))
    found = read_base(base).tokenizer
    assert len(found.encode("0123456789" * 3).ids) > 20 and len(found.encode("0").ids) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope type 'yarn'"),
        ({"rope_parameters": "absent", "rope_scaling": {"type": "linear", "factor": 2.0}}, "rope type 'linear'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"quantization_config": {"bits": 4}}, "quantized"),
        ({"hidden_size": "absent"}, "'hidden_size' is missing"),
        ({"eos_token_id": "absent"}, "'eos_token_id' is missing"),
        ({"eos_token_id": None}, "missing or malformed"),
        ({"vocab_size": 300}, "has token 3.*; the model knows 300"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_run_is_refused_by_name(changes: dict[str, Any], why: str, base: Path) -> None:
    configure(base, **changes)
    with pytest.raises(CheckpointInvalid, match=why):
        read_base(base)


def test_older_spellings_of_a_config_are_understood(base: Path) -> None:
    configure(base, rope_parameters="absent", rope_theta=77.0, head_dim=None, num_key_value_heads=None, eos_token_id=[2, 0], sliding_window=64)
    c = read_base(base).config
    assert (c.rope_theta, c.head_dim, c.num_kv_heads, c.eos_ids, c.context_length) == (77.0, 8, 4, (2, 0), 64)


@pytest.mark.parametrize(("said", "read"), [("absent", False), (False, False), (True, True)])
def test_only_a_base_that_says_so_sees_its_prompts_both_ways(said: Any, read: bool, base: Path) -> None:
    configure(base, prefix_lm=said)
    assert read_base(base).config.prefix_lm is read


def test_a_base_that_says_it_in_other_words_is_refused(base: Path) -> None:
    configure(base, prefix_lm="yes")
    with pytest.raises(CheckpointInvalid, match="prefix_lm is 'yes'"):
        read_base(base)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, base: Path) -> None:
    (base / name).unlink()
    with pytest.raises(CheckpointInvalid, match=name.replace("model", r"\*")):
        read_base(base)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_something_else_is_named(name: str, base: Path) -> None:
    (base / name).write_text("[]")
    with pytest.raises(CheckpointInvalid, match=name):
        list(read_base(base).weights())


def test_a_consolidated_copy_of_the_weights_is_passed_over(base: Path) -> None:
    (base / "consolidated.safetensors").write_text("")
    assert [file.name for file in weight_files(base)] == ["model.safetensors"]


@pytest.mark.parametrize("name", [None, "runs/nowhere/model", "/nowhere", "./nowhere", "../x"])
def test_a_directory_that_is_not_there_is_never_looked_for_on_the_hub(name: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkpoint, "_downloaded", lambda _: pytest.fail("asked the hub"))
    monkeypatch.setattr(checkpoint, "EMBEDDED_BASE", tmp_path / "none")
    with pytest.raises(CheckpointInvalid, match="no such directory"):
        read_base(name)


@pytest.mark.parametrize("hub_id", ["mistralai/Mistral-7B-v0.3", "gpt2", "a/b_c.d-1"])
def test_a_hub_id_is_fetched_from_the_hub(hub_id: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(checkpoint, "_downloaded", lambda name: asked.append(name) or base)
    assert read_base(hub_id).path == base and asked == [hub_id]
