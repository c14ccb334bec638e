"""The report on a curation: what was refused, by which gate and why, beside the notes themselves.

Owns its layout as Markdown for people and as JSON lines for machines. What a gate asks is `training/gates/curate.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from training.gates.curate import GATES, Curated, Refusal
from training.measure.reliability import markdown_table
from training.whole import write_whole

SHOWN = 5
"""Refused pairs of each gate that are shown with their notes; the JSON lines hold all of them."""
ASKS = {name: (gate.__doc__ or "").split("\n")[0] for name, gate in GATES.items()} | {
    "valid": "The report is valid for the validator that serves.", "valid_again": "The report is valid for a second validator that shares no engine with the first.",
    "duplicate": "No pair before it has the same texts, schema and report.", "near_duplicate": "No note before it has nearly the same text.",
    "leak": "It shares no run of eight words with an evaluation note.", "schema": "Its schema is known, or is one that is admitted.",
}  # fmt: skip


def write(curated: Curated, file: Path) -> None:
    """Write the report to ``file`` and every refusal to the JSON lines beside it (`lines_of`)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with lines_of(file).open("w", encoding="utf-8") as written:
        for refusal in curated.refused:
            told = {} if refusal.pair is None else {"note": refusal.pair.text, "report": refusal.pair.report}
            written.write(json.dumps({"id": refusal.pair_id, "gate": refusal.gate, "why": refusal.why, **told}, ensure_ascii=False) + "\n")
    write_whole(file, markdown(curated, lines_of(file).name))


def lines(curated: Curated, shown: int = 3) -> Iterator[str]:
    """The first refusals of each gate and how many more there are, for a terminal."""
    counted: Counter[str] = Counter()
    for refusal in curated.refused:
        counted[refusal.gate] += 1
        if counted[refusal.gate] <= shown:
            yield f"{refusal.gate}: {refusal.pair_id}: {refusal.why}"
    yield from (f"{gate}: {count - shown:,} more" for gate, count in curated.refused_by_gate.items() if count > shown)


def lines_of(file: Path) -> Path:
    """Where the refusals of a report are written, one a line."""
    return file.with_name(f"{file.stem}.refusals.jsonl")


def markdown(curated: Curated, beside: str) -> str:
    """Counts by gate and the first refusals of each; ``beside`` names the file that holds all."""
    total = len(curated.kept) + len(curated.refused)
    head = f"# Curation\n\n{total:,} pairs: {len(curated.kept):,} kept ({curated.content_hash}), {len(curated.refused):,} refused, all of them in `{beside}`.\n"
    counts = markdown_table(["gate", "asks that", "refused"], [[f"`{gate}`", ASKS.get(gate, ""), f"{count:,}"] for gate, count in curated.refused_by_gate.items()])
    return "\n".join((head, counts, "", *_examples(curated)))


def _examples(curated: Curated) -> Iterator[str]:
    by_gate = sorted(curated.refused, key=lambda refusal: refusal.gate)
    for gate, group in groupby(by_gate, key=lambda refusal: refusal.gate):
        yield f"## `{gate}`\n"
        yield from (_shown(refusal) for refusal, _ in zip(group, range(SHOWN), strict=False))


def _shown(refusal: Refusal) -> str:
    if refusal.pair is None:
        return f"**{refusal.pair_id}**: {refusal.why}\n"
    note = "\n".join(f"> {line}" for line in refusal.pair.text.splitlines())
    return f"**{refusal.pair_id}**: {refusal.why}\n\n{note}\n\n```json\n{refusal.pair.report}\n```\n"
