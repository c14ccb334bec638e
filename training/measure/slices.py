"""The notes that are measured on, by kind; slices are never mixed.

Owns the recipes of the synthetic slices and the reading of hand-written notes. Knows no model. Run: `synthetic("unseen_values", 200)`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from schemas.admission import AdmittedSchema
from schemas.canonical import JsonInvalid, canonical_json, in_schema_order, parse_json
from schemas.catalog import Catalog
from schemas.validation import ReportValidator
from training.gates.pairs_file import FileInvalid
from training.notes.synthesize import Family, Pair, pairs

NOTES_SCHEMA_ID = "agent_status"
DEFAULT_SEED = 20_001
SliceName = Literal["unseen_values", "unseen_wordings", "unseen_schemas"]


@dataclass(frozen=True, slots=True)
class Slice:
    """Notes of one kind; slices are never mixed. ``one_schema``: all are of a schema that an adapter may have learned, though they bring it along."""

    name: str
    pairs: tuple[Pair, ...]
    one_schema: bool = False

    @property
    def base_only(self) -> bool:
        """No adapter knows these schemas."""
        return not self.one_schema and any(pair.schema is not None for pair in self.pairs)


_RECIPES: dict[SliceName, tuple[Family, str]] = {
    "unseen_values": ("agent_status", "train"),
    "unseen_wordings": ("agent_status", "heldout"),
    "unseen_schemas": ("generated", "heldout"),
}
SLICES: tuple[SliceName, ...] = tuple(_RECIPES)


def synthetic(name: SliceName, count: int, seed: int = DEFAULT_SEED) -> Slice:
    """The first `count` pairs of a slice: held-out values always, held-out wordings where the name says so."""
    family, wording = _RECIPES[name]
    return Slice(name, tuple(itertools.islice(pairs(family, "heldout", seed, wording=wording), count)))


def hand_written(path: Path, own: AdmittedSchema | None = None) -> Slice:
    """The notes of a JSONL file: {"text", "gold"} a line, and "id", "lang", "style" where told. ``own``: the schema of the gold, unless it is agent_status.

    Raises: FileInvalid naming line and field; OSError.
    """
    schema = own or _CATALOG.get(NOTES_SCHEMA_ID)
    judge = ReportValidator(schema.schema)
    lines = enumerate(path.read_text("utf-8").split("\n"), 1)  # not at U+2028, which JSON may hold
    found = tuple(_note(path, number, line, schema, judge) for number, line in lines if line.strip())
    if not found:
        raise FileInvalid(path, 1, "", "no notes in the file")
    return Slice("notes", found, one_schema=own is not None)


def _note(path: Path, number: int, line: str, schema: AdmittedSchema, judge: ReportValidator) -> Pair:
    try:
        row = parse_json(line)
    except JsonInvalid as error:
        raise FileInvalid(path, number, "", error.reason) from None
    if not isinstance(row, dict):
        raise FileInvalid(path, number, "", "not a JSON object")
    for name, kind in (("text", str), ("gold", dict)):
        if not isinstance(row.get(name), kind):
            raise FileInvalid(path, number, name, f"missing or not {'a text' if kind is str else 'an object'}")
    told = {name: str(row.get(name, "")) for name in ("lang", "style")}
    gold = canonical_json(in_schema_order(row["gold"], schema.schema))
    if violations := judge.check(gold).violations:
        raise FileInvalid(path, number, f"gold{violations[0].instance_path}", f"breaks {schema.schema_id or 'the schema'}: {violations[0].message}")
    return Pair(str(row.get("id", number)), schema.schema_id, told["lang"], told["style"], row["text"], gold, schema=None if schema.schema_id else schema.schema)


_CATALOG = Catalog.load()


def schema_of(pair: Pair) -> dict[str, Any]:
    """The schema that the report of a pair must follow."""
    return pair.schema if pair.schema is not None else _CATALOG.get(str(pair.schema_id)).schema
