"""What grounding costs: the time to build the grammar of one request, and to compute one mask with it, by the length of the note.

Owns the notes of a length, the clock and how the times are told. One thread, nothing in flight: the time is the processor's, not the queue's. Run it with

    escribano-train bench-masks --output bench/
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from schemas.catalog import Catalog
from service.grammars.grammar import Grammars
from service.weights.checkpoint import read_base
from training.measure.command_line import command_line
from training.measure.metrics import percentile
from training.measure.reliability import markdown_table
from training.measure.slices import DEFAULT_SEED, NOTES_SCHEMA_ID, synthetic
from training.notes.synthesize import Pair
from training.progress import bar

LENGTHS = (50, 200, 2000)
"""Words of a note, about: within a quarter."""
_POOL = 20
"""How many notes are drawn for each that is wanted."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of the notes of one length: mean words, how many notes and masks, and milliseconds of a grammar and of a mask."""

    words: float
    num_notes: int
    num_masks: int
    build_p50_ms: float
    build_p99_ms: float
    mask_p50_ms: float
    mask_p99_ms: float


def of_length(pairs: list[Pair], words: int, count: int) -> Iterator[Pair]:
    """Notes of about so many words; where none is that long, several in a row with the report of the first."""
    fitting = [pair for pair in pairs if 0.75 * words <= len(pair.question.split()) <= 1.25 * words]
    if len(fitting) >= count:
        yield from fitting[:count]
        return
    texts: list[Pair] = []
    while count and pairs:
        texts.append(pairs[0])
        pairs = pairs[1:]
        if sum(len(pair.question.split()) for pair in texts) >= words:
            first = texts[0]
            yield Pair(first.id, first.schema_id, first.lang, first.register, "\n".join(pair.question for pair in texts), first.report)
            texts, count = [], count - 1


def measured(pairs: list[Pair], base: str | None = None, advance: Callable[[], None] = lambda: None) -> Times:
    """Build the grammar of each note and follow its report with it. Raises: CheckpointInvalid."""
    loaded, admitted = read_base(base), Catalog.load().get(NOTES_SCHEMA_ID)
    grammars = Grammars(loaded.tokenizer.to_str(), loaded.config.vocab_size, loaded.config.eos_ids)
    grammars.compiled(admitted, trusted=True)
    builds, masks = [], []
    for pair in [pairs[0], *pairs]:  # the first one twice: what is cached for a schema is cached then
        began = time.perf_counter()
        grammar = grammars.grounded(admitted, (pair.question,))
        builds.append(time.perf_counter() - began)
        assert grammar is not None, "the grammar of a note is not too large"
        matcher = grammar.fresh()
        for token in loaded.tokenizer.encode(pair.report, add_special_tokens=False).ids:
            began = time.perf_counter()
            allowed = matcher.allowed()
            masks.append(time.perf_counter() - began)
            if not allowed[token]:  # what is right in one note may be read otherwise among others
                break
            matcher.consume(token)
        advance()
    builds = builds[1:]
    words = sum(len(pair.question.split()) for pair in pairs) / len(pairs)
    return Times(words, len(pairs), len(masks), *(1e3 * percentile(seconds, share) for seconds in (builds, masks) for share in (0.5, 0.99)))


def markdown(times: list[Times], command: str) -> str:
    """The times as people read them."""
    head = ("words", "notes", "grammar p50 (ms)", "p99 (ms)", "masks", "mask p50 (ms)", "p99 (ms)")
    rows = [
        (f"{t.words:.0f}", str(t.num_notes), f"{t.build_p50_ms:.1f}", f"{t.build_p99_ms:.1f}", str(t.num_masks), f"{t.mask_p50_ms:.3f}", f"{t.mask_p99_ms:.3f}") for t in times
    ]  # fmt: skip
    return "\n".join((
        "# Masks", "", f"Made by `{command}`: one thread, the `{NOTES_SCHEMA_ID}` schema, notes of unseen values (the longest are several notes in a row).", "",
        "*grammar*: reading dates, numbers and currencies of the note, composing its grammar, compiling it and computing a first mask. *mask*: which tokens may come next, at every token of",
        "the right report, as an array of booleans.", "", markdown_table(head, rows), "",
    ))  # fmt: skip


def main(*, base: str | None = None, count: int = 100, seed: int = DEFAULT_SEED, output: Path = Path("bench")) -> list[Times]:
    """What `escribano-train bench-masks` runs; writes masks.md and masks.json to ``output``. Raises: CheckpointInvalid, OSError."""
    pairs = list(synthetic("unseen_values", count * _POOL, seed).pairs)
    times = []
    for words in LENGTHS:
        chosen = list(of_length(pairs, words, count))
        with bar(f"{words} words", len(chosen) + 1) as advance:
            times.append(measured(chosen, base, advance))
    command = command_line("bench-masks", count=count, seed=seed, base=base)
    output.mkdir(parents=True, exist_ok=True)
    (output / "masks.json").write_text(json.dumps({"command": command, "seed": seed, "times": [asdict(t) for t in times]}, indent=2) + "\n", "utf-8")
    (output / "masks.md").write_text(markdown(times, command), "utf-8")
    Console().print((output / "masks.md").read_text("utf-8"), highlight=False)
    return times
