"""The figures of the README, from the files that the measuring commands wrote.

Owns the tables between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``; every other line of the README is written by hand and left as it is. A test holds the README to
what this makes of the committed files. Run it with

    escribano-train readme
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.bundle import learned, runs_of
from training.measure.reliability import markdown_table
from training.whole import write_whole

SLICES = {"notes_short": "one or two plain sentences ([bench/notes](bench/notes/README.md))", "unseen_values_1000": "synthetic, known wordings", "unseen_wordings_1000": "synthetic, wordings never seen", "notes_free": "hand-written, long and winding ([bench/notes](bench/notes/README.md))"}
"""Files in bench/ with one summary of the shipped adapter each, and what a reader calls their notes."""
_SIZE_OF_7B, _RANK_OF_7B = 7.25e9, 76_800 * 32
"""Parameters of Mistral 7B, and of an adapter for it for each of its ranks (docs/real-base.md)."""
SPECIALISTS = ("incident_report", "audit_finding", "risk_assessment", "usage_cost", "lab_sample", "job_application")


def main(root: Path) -> bool:
    """Rewrite the tables of ``root``/README.md; returns whether anything changed. Raises: OSError, KeyError where a file lacks a figure."""
    readme = root / "README.md"
    before = readme.read_text("utf-8")
    after = filled(before, root)
    if after != before:
        write_whole(readme, after)
    return after != before


def filled(text: str, root: Path) -> str:
    """A README's text with its tables made anew from the files below ``root``."""
    makers: dict[str, Callable[[Path], str]] = {"status": status, "bench": bench, "specialists": specialists}
    for name, make in makers.items():
        if f"<!-- {name}:begin -->" not in text or f"<!-- {name}:end -->" not in text:
            raise KeyError(f"README.md has no table {name!r} between <!-- {name}:begin --> and <!-- {name}:end -->")
        head, begin, rest = text.partition(f"<!-- {name}:begin -->")
        _, end, tail = rest.partition(f"<!-- {name}:end -->")
        text = f"{head}{begin}\n{make(root)}\n{end}{tail}"
    return text


def status(root: Path) -> str:
    """What the shipped adapter does to notes of each kind, and what it took to make it."""
    rows = [(name, _summary(root / "bench" / f"{file}.json")) for file, name in SLICES.items()]
    shown = [
        [name, f"{s['n']:,}", f"{s['validity']:.1%}", f"{s['validity_lower_95']:.1%}", f"{s['f1']:.3f}", f"{s['exact_rate']:.1%}", f"{s['invention_rate']:.2%}"] for name, s in rows
    ]
    table = markdown_table(["notes", "n", "valid", "at least (95 %)", "F1 of what they say", "right in full", "invented"], shown)
    return f"{table}\n\n{_made(root)}"


def _made(root: Path) -> str:
    base, adapter = (json.loads((root / "service/embedded" / name / "metadata.json").read_text("utf-8")) for name in ("base", "adapters/agent_status"))
    runs = list(runs_of(base))
    tokens, hours = sum(run["tokens"] for run in runs) / 1e6, sum(run["elapsed_s"] for run in runs) / 3600
    total = learned(adapter)
    runs_told = f", in {total['runs']:.0f} runs of which each goes on from the one before" if total["runs"] > 1 else ""
    return (
        f"The base has {base['parameters'] / 1e6:.1f} million parameters and has read {tokens:.0f} million tokens in {hours:.1f} hours on two cores; "
        f"the adapter for `agent_status` has rank {adapter['rank']} ({adapter['num_parameters'] / base['parameters']:.1%} of the base) and took {total['pairs']:,.0f} pairs and {total['minutes']:.0f} minutes{runs_told}."
    )


def bench(root: Path) -> str:
    """The reliability table, short of its fields and of the mask without grounding."""
    found = json.loads((root / "bench/reliability.json").read_text("utf-8"))
    head = ["slice", "writer", "decoding", "n", "valid", "≥ (95%)", "native", "exact", "F1", "invented"]
    rows = [
        [c["slice"], c["writer"], c["mode"], f"{c['n']:,}", f"{c['validity']:.1%}", f"{c['validity_lower_95']:.1%}", f"{c['native_validity']:.1%}", f"{c['exact_rate']:.1%}", f"{c['f1']:.3f}", f"{c['invention_rate']:.1%}"]
        for c in found["cells"]
        if c["mode"] != "mask"
    ]  # fmt: skip
    models = found["models"]
    sizes = f"base {models['base']['size_bytes']:,} bytes, adapter {models['adapter']['size_bytes']:,} bytes (rank {models['rank']}): {models['base_to_adapter_size']:.1f} to 1."
    words = "*base*: the schema's signature in its prompt; *agent_status*: the adapter, no schema in the prompt. *free*: no mask; *backstop*: as served, mask and values from the text."
    larger = f"An adapter of that rank would be {models['rank'] * _RANK_OF_7B / _SIZE_OF_7B:.2%} of a 7B (by arithmetic, [docs/real-base.md](docs/real-base.md))."
    return f"{markdown_table(head, rows)}\n\n{sizes} {larger} {words}"


def specialists(root: Path) -> str:
    """The adapters of the other schemas, beside the base alone."""
    rows = [_specialist(root / "bench/specialists", name) for name in SPECIALISTS]
    return markdown_table(["schema", "pairs", "minutes", "F1, unseen values", "F1, unseen wordings", "base alone, unseen wordings", "valid"], rows)


def _specialist(folder: Path, name: str) -> list[str]:
    cells = {(c["slice"], c["writer"]): c for c in json.loads((folder / f"{name}.json").read_text("utf-8"))}
    report = (folder / f"{name}.md").read_text("utf-8")
    told = re.search(r"with those that it went on from ([\d,]+) pairs.*?([\d.]+) minutes", report) or re.search(r"rank \d+, ([\d,]+) pairs.*?([\d.]+) minutes", report)
    if told is None:
        raise KeyError(f"{folder / name}.md does not say how many pairs and minutes it took")
    values, wordings, base = cells["unseen_values", name], cells["unseen_wordings", name], cells["unseen_wordings", "base"]
    valid = min(values["validity"], wordings["validity"])
    return [f"`{name}`", told[1], f"{float(told[2]):.1f}", f"{values['f1']:.3f}", f"{wordings['f1']:.3f}", f"{base['f1']:.3f}", f"{valid:.0%}"]


def _summary(file: Path) -> dict[str, Any]:
    """The one summary of a file that `escribano-train evaluate` wrote."""
    (found,) = json.loads(file.read_text("utf-8"))
    return dict(found)
