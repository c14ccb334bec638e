"""What a Mistral of billions will meet: the official tokenizer, 4-bit weights, several processes. The models are tiny and random; everything else is as it will be."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from safetensors.torch import load_file
from transformers.integrations.mistral.tokenizer import MistralConverter

from schemas.canonical import parse_json
from schemas.catalog import Catalog
from schemas.validation import SecondJudge
from service.generator import Generator
from service.request import GenerationRequest
from service.weights.adapters import read_adapter
from service.weights.checkpoint import read_base
from tests import tiny
from training.gates.pairs_file import write_pairs
from training.notes.synthesize import Pair, pair
from training.specialist.finetune import FinetunePlan, dataset, finetune, read_tokenizer

CONTEXT_LENGTH = 4096


@pytest.fixture(scope="module")
def official() -> Path:
    """The file of Mistral's latest tokenizer that mistral-common brings along."""
    return Path(str(MistralTokenizer.v3(is_tekken=True).instruct_tokenizer.tokenizer.file_path))


@pytest.fixture(scope="module")
def base(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Mistral behind the official tokenizer, as its publisher saves it: with `tokenizer.json` and `tekken.json`."""
    folder = tmp_path_factory.mktemp("official") / "base"
    tokenizer = MistralConverter(str(official)).converted()
    ids = {name: tokenizer.token_to_id(token) for name, token in (("bos_token_id", "<s>"), ("eos_token_id", "</s>"), ("pad_token_id", "<pad>"))}
    tiny.save_base(folder, vocab_size=tokenizer.get_vocab_size(), hidden_size=64, max_position_embeddings=CONTEXT_LENGTH, initializer_range=0.02, **ids)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}')
    (folder / "tekken.json").write_bytes(official.read_bytes())
    return folder


def some_pairs(count: int = 4) -> list[Pair]:
    return [pair("agent_status", "train", f"real:{i}")[0] for i in range(count)]


def test_what_is_trained_on_are_the_tokens_of_mistral_common(base: Path, official: Path) -> None:
    theirs, ours = Tekkenizer.from_file(official), read_tokenizer(base)
    texts = [text for one in some_pairs(12) for text in (one.question, one.report)]
    assert [ours.encode(text, add_special_tokens=False) for text in texts] == [theirs.encode(text, bos=False, eos=False) for text in texts]
    assert (ours.bos_token_id, ours.eos_token_id) == (theirs.bos_id, theirs.eos_id)


@pytest.mark.parametrize("qlora", [False, True])
def test_steps_with_the_official_tokenizer_trains_an_adapter_that_serves(qlora: bool, base: Path, tmp_path: Path) -> None:
    plan = FinetunePlan(rank=2, batch_size=2, bf16=False, qlora=qlora, max_length=CONTEXT_LENGTH)
    schema = Catalog.load().get("agent_status")
    facts = finetune(str(base), some_pairs(), tmp_path / "agent_status", plan, schema_id="agent_status", admitted=schema, data_hash="h")
    assert facts["steps"] == 2 and facts["pairs_too_long"] == 0, "the first one warms up"
    adapter = read_adapter(tmp_path / "agent_status")
    assert adapter.base_digest == read_base(str(base)).digest
    assert any(bool(b.any()) for _, b in adapter.weights.factors.values()), "LoRA's B begins at zero"
    with closing(Generator.open(str(base), [tmp_path / "agent_status"], threads=1)) as generator:
        question = some_pairs(1)[0].question
        result = generator.generate_blocking(GenerationRequest(question=question, schema_id="agent_status"))
    assert result.adapter_digest == adapter.adapter_digest and result.valid
    assert not SecondJudge(schema.schema).violations(parse_json(result.report_json))


@pytest.mark.slow
def test_the_steps_of_two_processes_are_the_steps_of_one_with_twice_the_pairs(tmp_path: Path) -> None:
    """Each process sees pairs that the other one does not: were the gradients not shared, the adapter would be that of half of the pairs."""
    tiny.save_base(tmp_path / "base", prefix_lm=True, max_position_embeddings=CONTEXT_LENGTH)
    (tmp_path / "base" / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}')
    write_pairs(tmp_path / "pairs.jsonl", of_one_length(tmp_path / "base", 8))
    together = launched(tmp_path, "together", processes=2, batch_size=2)
    alone = launched(tmp_path, "alone", processes=1, batch_size=4)
    assert together["facts"]["processes"] == 2 and together["facts"]["steps"] == alone["facts"]["steps"] == 2
    ours, theirs = ({name: found.double() for name, found in run["weights"].items() if "lora_B" in name} for run in (together, alone))
    assert all(bool(found.any()) for found in theirs.values()), "LoRA's B begins at zero"
    likeness = torch.cosine_similarity(*(torch.cat([found[name].flatten() for name in sorted(theirs)]) for found in (ours, theirs)), dim=0)
    assert likeness > 0.999  # 0.9 where each process goes its own way


def of_one_length(base: Path, count: int) -> list[Pair]:
    """Pairs whose reports have the same number of tokens, so that the mean of two halves is the mean of all."""
    tokenizer = read_tokenizer(base)
    by_length: dict[int, list[Pair]] = {}
    for i in range(2_000):
        one = pair("agent_status", "train", f"length:{i}")[0]
        rows, _ = dataset(tokenizer, [one], CONTEXT_LENGTH)
        if len(rows):
            found = by_length.setdefault(sum(label >= 0 for label in rows[0]["labels"]), [])
            found.append(one)
            if len(found) == count:
                return found
    raise AssertionError("no such pairs")


def launched(root: Path, name: str, *, processes: int, batch_size: int) -> dict[str, Any]:
    """Fine-tuning by the command line in so many processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m", "training.cli", "finetune",
               "--base", str(root / "base"), "--pairs", str(root / "pairs.jsonl"), "--output", str(root / name),
               "--rank", "2", "--batch-size", str(batch_size), "--max-length", str(CONTEXT_LENGTH), "--threads", "1"]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr[-3000:]
    return {"facts": json.loads((root / name / "metadata.json").read_text()), "weights": load_file(root / name / "adapter_model.safetensors")}
