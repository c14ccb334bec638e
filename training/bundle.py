"""What ships: the weights, tokenizer and metadata of a base or an adapter, each with a model card.

Owns which files go into the package and what the cards say: only what the metadata and the bench's scores hold. `escribano-train all` ends with a bundle; what it holds
takes the place of `service/embedded` when it is measurably better.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from service.engine.onnx_graph import write_graphs
from training.whole import write_json, write_whole

EMBEDDED = Path(__file__).parent.parent / "service" / "embedded"
BASE_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "metadata.json")
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json", "metadata.json")
NOTES_ADAPTER_ID = "agent_status"
"""The adapter that the bench measures."""
LARGEST_BYTES = 40_000_000
"""Everything that ships, together."""


class BundleInvalid(ValueError):
    """Something that cannot be shipped: a file is missing, or the whole is too large."""


def bundle_base(source: Path, target: Path = EMBEDDED, scores: dict[str, Any] | None = None) -> Path:
    """Copy a base into the package, with the graph that runs it. Raises: BundleInvalid."""
    bundled = _bundled(source, target / "base", BASE_FILES, scores, base_card)
    write_graphs(bundled)
    return bundled


def make_graph(base: Path) -> None:
    """Write the graph beside a base, so that it is measured as it will be served."""
    write_graphs(base)


def bundle_adapter(source: Path, target: Path = EMBEDDED, scores: dict[str, Any] | None = None) -> Path:
    """Copy an adapter into the package. Raises: BundleInvalid."""
    return _bundled(source, target / "adapters" / source.name, ADAPTER_FILES, scores, adapter_card)


def pack_adapter(source: Path, target: Path, scores: dict[str, Any] | None = None) -> Path:
    """Copy an adapter into a directory of its own, with its card. Raises: BundleInvalid."""
    return _bundled(source, target, ADAPTER_FILES, scores, adapter_card)


def _bundled(source: Path, target: Path, names: Sequence[str], scores: dict[str, Any] | None, card: Any) -> Path:
    missing = [name for name in names if not (source / name).is_file()]
    if missing:
        raise BundleInvalid(f"{source} lacks {', '.join(missing)}")
    target.mkdir(parents=True, exist_ok=True)
    if source.resolve() != target.resolve():
        for name in names:
            shutil.copyfile(source / name, target / name)
    facts = json.loads((target / "metadata.json").read_text("utf-8"))
    if scores is not None:
        facts["scores"] = scores
        write_json(target / "metadata.json", facts)
    write_whole(target / "README.md", card(facts, _sizes(target, names)))
    return target


def check_size(target: Path = EMBEDDED) -> int:
    """Bytes of everything bundled. Raises: BundleInvalid above LARGEST_BYTES."""
    size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    if size > LARGEST_BYTES:
        raise BundleInvalid(f"{target} has {size} bytes; at most {LARGEST_BYTES} are shipped")
    return size


def _sizes(folder: Path, names: Sequence[str]) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in names}


def _table(rows: dict[str, Any]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def runs_of(facts: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The progress of a base's training and of what it was begun from, the last first."""
    while facts is not None:
        yield facts["progress"]
        facts = facts.get("init")


def learned(facts: dict[str, Any]) -> dict[str, float]:
    """Pairs, steps and minutes of an adapter and of those it went on from, together."""
    runs, of = [], facts
    while of:
        runs.append(of)
        of = of.get("init") or {}
    return {name: round(sum(run[name] for run in runs), 2) for name in ("pairs", "steps", "minutes")} | {"runs": len(runs)}


def base_card(facts: dict[str, Any], sizes: dict[str, int]) -> str:
    """The model card of a base."""
    runs, plan = list(runs_of(facts)), facts["plan"]
    rows = {
        "architecture": "Mistral (decoder, RoPE, SwiGLU, tied embeddings)",
        "parameters": f"{facts['parameters']:,}", "weights": f"{sizes['model.safetensors']:,} bytes, bf16 safetensors",
        "tokens seen": f"{sum(run['tokens'] for run in runs):,.0f}", "minutes of training": " + ".join(f"{run['elapsed_s'] / 60:.0f}" for run in reversed(runs)),
        "seed": plan["seed"], "learning rates of the last run": f"Muon {plan['matrix_lr']}, AdamW {plan['other_lr']}",
    }  # fmt: skip
    return f"""# Escribano base

A general note→JSON writer, trained from nothing by this repository (`escribano-train pretrain`) on synthetic notes over endlessly generated schemas, English and Spanish.
It sees the schema as a signature in its prompt. It knows nothing of the world; what it writes comes from the note.

{_table(rows)}

**Use.** The starting point of adapters; alone, for schemas that have none. **Not for** free text, chat, or notes in other languages. Synthetic training data cannot hold every way
of saying a thing: measure on your own notes (`escribano-train evaluate --notes`).
{_scores(facts)}"""


def adapter_card(facts: dict[str, Any], sizes: dict[str, int]) -> str:
    """The model card of an adapter."""
    total = learned(facts)
    rows = {
        "schema": f"`{facts['schema_id']}` ({facts['schema_digest'][:19]}…)", "base": f"{facts['base_digest'][:19]}…", "rank / alpha": f"{facts['rank']} / {facts['lora_alpha']}",
        "parameters": f"{facts['num_parameters']:,}", "weights": f"{sizes['adapter_model.safetensors']:,} bytes, bf16 safetensors", "runs": f"{total['runs']:.0f}" + (", each going on from the one before" if total["runs"] > 1 else ""),
        "pairs": f"{total['pairs']:,.0f}", "steps": f"{total['steps']:,.0f}", "minutes": f"{total['minutes']:.0f}", "data of the last run": f"{facts['data_hash'][:19]}…",
    }  # fmt: skip
    if "confidence" in facts:
        fit, measured = facts["confidence"], facts["confidence"]["measured"]
        rows["confidence"] = f"temperature {fit['temperature']:.2f}, bias {fit['bias']:+.2f}; calibration error {measured['ece_before']:.3f} without, {measured['ece_after']:.3f} with"
    return f"""# Escribano adapter: {facts["adapter_id"]}

LoRA on the Escribano base (peft, trl's SFTTrainer) for one schema; its prompt carries no schema. It is bound by digest to that schema and that base, and is refused with any other.

{_table(rows)}
{_scores(facts)}"""


def _scores(facts: dict[str, Any]) -> str:
    if "scores" not in facts:
        return ""
    lines = "\n".join(f"- {name}: {value}" for name, value in facts["scores"].items())
    how = "`make bench`, see bench/reliability.md" if facts.get("adapter_id") in (None, NOTES_ADAPTER_ID) else "`escribano-train specialist`"
    return f"\n**Measured** ({how}):\n\n{lines}\n"
