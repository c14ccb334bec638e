"""The data card: what a curated set of pairs holds, as JSON for machines and Markdown for people.

Owns the counts (languages, registers, enum members, null shares, array lengths, wordings) and their layout. Knows nothing of how pairs are made.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from schemas.canonical import Json, digest, parse_json
from schemas.catalog import Catalog
from schemas.nodes import Schema, dereferenced
from schemas.violation import pointer
from training.gates.curate import Curated
from training.notes.synthesize import Pair
from training.phrasebook import LANGS, SPLITS, concepts, phrasebook
from training.whole import write_json, write_whole

Card = dict[str, Any]
MADE_WITH = ("mimesis", "num2words", "Babel")
"""Packages whose releases change the pairs."""


def card(curated: Curated, catalog: Catalog | None = None) -> Card:
    """Every count of the kept pairs, and why the others were refused."""
    kept = curated.kept
    catalog = catalog or Catalog.load()
    return {
        "pairs": len(kept),
        "content_hash": curated.content_hash,
        "sources": _counts(pair.id.rsplit(":", 1)[0] for pair in kept),
        "refused": {
            "pairs": len(curated.refused),
            "by_gate": curated.refused_by_gate,
            "first_of_each": _first_of_each(curated),
        },
        "languages": _counts(pair.lang for pair in kept),
        "registers": _counts(pair.register for pair in kept),
        "facts_in_context": sum(bool(pair.context) for pair in kept),
        "text_characters": _spread([len(pair.text) for pair in kept]),
        "report_characters": _spread([len(pair.report) for pair in kept]),
        "schemas": {
            schema_id: schema_card(catalog.get(schema_id).schema, group)
            for schema_id, group in _by_schema(kept).items()
        },
        "generated": _generated([pair for pair in kept if pair.schema is not None]),
        "wordings": _wordings(),
        "made_with": {"python": platform.python_version(), **{name.lower(): version(name) for name in MADE_WITH}},
    }


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _first_of_each(curated: Curated) -> dict[str, str]:
    first: dict[str, str] = {}
    for refusal in curated.refused:
        first.setdefault(refusal.gate, f"{refusal.pair_id}: {refusal.why}")
    return first


def _spread(numbers: Sequence[int]) -> dict[str, int]:
    """Least, median, 95th percentile and most; empty for no numbers."""
    if not numbers:
        return {}
    ordered = sorted(numbers)
    return {
        "least": ordered[0],
        "median": statistics.median_low(ordered),
        "p95": ordered[(len(ordered) - 1) * 95 // 100],
        "most": ordered[-1],
    }


def _by_schema(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.schema_id is not None:
            groups[pair.schema_id].append(pair)
    return dict(sorted(groups.items()))


def _wordings() -> dict[str, Any]:
    books = {f"{split}/{lang}": phrasebook(lang, split).size for split in SPLITS for lang in LANGS}
    return {**books, "concepts": len(concepts())}


def _generated(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How varied the generated schemas are; empty when there are none."""
    if not pairs:
        return {}
    schemas = {digest(pair.schema): pair.schema for pair in pairs}
    properties = [sum(1 for _, node in nodes(schema) if "properties" not in node) for schema in schemas.values()]
    names = {path.rsplit("/", 1)[-1] for schema in schemas.values() for path, _ in nodes(schema)} - {"*", ""}
    return {
        "pairs": len(pairs),
        "distinct_schemas": len(schemas),
        "distinct_names": len(names),
        "leaves_per_schema": _spread(properties),
    }


# --- one schema ------------------------------------------------------------------------------------------------------


def schema_card(schema: Schema, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Enum members (0 for those never seen), share of null and array lengths, by path with ``*`` for an index."""
    values: dict[str, list[Json]] = defaultdict(list)
    for pair in pairs:
        for path, value in places(parse_json(pair.report)):
            values[path].append(value)
    return {
        "pairs": len(pairs),
        "members": {path: _members(members, values[path]) for path, members in enums(schema).items()},
        "null_share": {
            path: round(found.count(None) / len(found), 4) for path, found in values.items() if None in found
        },
        "array_lengths": {
            path: _lengths(found) for path, found in values.items() if any(isinstance(v, list) for v in found)
        },
    }


def _members(members: Sequence[Json], found: Sequence[Json]) -> dict[str, int]:
    return {_shown(member): sum(type(v) is type(member) and v == member for v in found) for member in members}


def _shown(member: Json) -> str:
    return member if isinstance(member, str) else json.dumps(member)


def _lengths(found: Sequence[Json]) -> dict[str, int]:
    counts = Counter(len(v) for v in found if isinstance(v, list))
    return {str(length): counts[length] for length in range(max(counts) + 1)}


def places(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Json]]:
    """Every value of an instance, containers included, with its path."""
    yield pointer(path), value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            yield from places(item, (*path, "*"))


def enums(schema: Schema) -> dict[str, list[Json]]:
    """The members of every leaf that chooses from some: enum, or true and false."""
    return {
        path: node.get("enum", [True, False])
        for path, node in nodes(schema)
        if "enum" in node or node.get("type") == "boolean"
    }


def nodes(schema: Schema) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object and leaf node of a schema that does not recurse, through ``$ref`` and alternatives; arrays lead to their items."""
    yield from _nodes(schema, schema, ())


def _nodes(root: Schema, node: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    node = dereferenced(root, node)
    if not isinstance(node, dict) or node.get("type") == "null":
        return
    inner = [
        *((path, branch) for branch in node.get("anyOf", ())),
        *(((*path, name), sub) for name, sub in node.get("properties", {}).items()),
    ]
    if "items" in node:
        inner.append(((*path, "*"), node["items"]))
    if "anyOf" not in node and "items" not in node:
        yield pointer(path), node
    for below, sub in inner:
        yield from _nodes(root, sub, below)


# --- Markdown --------------------------------------------------------------------------------------------------------


def markdown(facts: Card) -> str:
    """The card as people read it."""
    parts = [
        f"# Data card\n\n{facts['pairs']:,} pairs kept, {facts['refused']['pairs']:,} refused. Content hash `{facts['content_hash']}`.\n",
        _table("Sources", "family-split-seed", facts["sources"]),
        _table("Refused", "gate", facts["refused"]["by_gate"]),
        _table("Languages", "language", facts["languages"]),
        _table("Registers", "register", facts["registers"]),
        _table("Length in characters", "", {"text": facts["text_characters"], "report": facts["report_characters"]}),
        f"The facts stand in the context, not in the question, in {facts['facts_in_context']:,} pairs.\n"
        if facts["pairs"]
        else "",
        *(_schema_markdown(schema_id, found) for schema_id, found in facts["schemas"].items()),
        _table("Generated schemas", "", facts["generated"]),
        _table("Teacher", "", facts.get("teacher", {})),
        _table("Wordings in the phrasebook", "book", facts["wordings"]),
        _table("Made with", "", facts["made_with"]),
    ]
    return "\n".join(part for part in parts if part)


def _schema_markdown(schema_id: str, found: dict[str, Any]) -> str:
    title = f"`{schema_id}` ({found['pairs']:,} pairs)"
    shares = {path: f"{share:.1%}" for path, share in found["null_share"].items()}
    parts = (
        _table(f"{title}: enum members", "path", found["members"]),
        _table(f"{title}: null", "path", shares),
        _table(f"{title}: array lengths", "path", found["array_lengths"]),
    )
    return "\n".join(part for part in parts if part)


def _table(title: str, head: str, rows: dict[str, Any]) -> str:
    if not rows:
        return ""
    lines = [
        f"## {title}\n",
        f"| {head} | |",
        "|---|---|",
        *(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{name} {_cell(item)}" for name, item in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def write(facts: Card, path: Path) -> tuple[Path, Path]:
    """Write ``path`` (Markdown) and its JSON beside it; returns both paths."""
    beside = path.with_suffix(".json")
    write_json(beside, facts)
    write_whole(path, markdown(facts))
    return path, beside
