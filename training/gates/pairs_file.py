"""Files of pairs: one pair a line of canonical JSON; and the texts of hand-written notes.

Owns reading and writing with errors that name file, line and field. A file's content hash is its own SHA-256, so ``sha256sum`` checks a data card.
Knows nothing of how pairs are made or judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.canonical import JsonInvalid, canonical_json, digest, in_schema_order, parse_json
from training.notes.marks import Mark, is_kind
from training.notes.synthesize import ContextItem, Pair
from training.whole import write_whole

_TEXTS = ("id", "lang", "register", "question", "report")
_NOTE = ("text", "gold", "id", "lang", "style")
_FIELDS = (*_TEXTS, "schema_id", "schema", "context", "marks")


class FileInvalid(ValueError):
    """A line of a file that is not what it should be; ``field`` is empty when the whole line is wrong."""

    def __init__(self, path: Path, line: int, field: str, why: str) -> None:
        super().__init__(f"{path}, line {line}{f', field {field!r}' if field else ''}: {why}")
        self.path, self.line, self.field, self.why = path, line, field, why


def line_of(pair: Pair) -> str:
    """The canonical line of a pair, with its newline."""
    return canonical_json(pair.to_json()) + "\n"


def content_hash(pairs: Iterable[Pair]) -> str:
    """Digest of the pairs' lines in order: the digest of the file that ``write_pairs`` makes of them."""
    return digest("".join(map(line_of, pairs)))


def write_pairs(path: Path, pairs: Iterable[Pair]) -> int:
    """Write pairs; a kill leaves the old file or the whole new one. Returns how many."""
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        for count, pair in enumerate(pairs, start=1):  # noqa: B007
            yield line_of(pair)

    write_whole(path, lines())
    return count


def read_pairs(path: Path) -> Iterator[Pair]:
    """The pairs of a file, in order. Raises: FileInvalid naming line and field; OSError."""
    for number, row in _rows(path):
        yield _pair(path, number, row)


def read_golden(path: Path, schema: dict[str, Any]) -> Iterator[tuple[int, Pair]]:
    """Hand-made pairs of a schema, each with its line's number: lines of a pair's fields, or ``{"text": what somebody wrote, "gold": the right report}``, whose members may stand in any order.

    Raises: FileInvalid naming line and field; OSError.
    """
    for number, row in _rows(path):
        if "gold" not in row:
            yield number, replace(_pair(path, number, row), schema_id=None, schema=schema)
            continue
        for field in row.keys() - set(_NOTE):
            raise FileInvalid(path, number, field, f"unknown; a note has {', '.join(_NOTE)}")
        for field in ("text", *(row.keys() - {"gold"})):
            if not isinstance(row.get(field), str):
                raise FileInvalid(path, number, field, "missing or not a text")
        report = canonical_json(in_schema_order(row["gold"], schema))
        yield number, Pair(row.get("id", f"{path.stem}-{number}"), None, row.get("lang", ""), "golden", row["text"], report, schema=schema)


def read_texts(paths: Iterable[Path]) -> list[str]:
    """The note texts of files of notes (``{"id","text","gold",...}`` a line). Raises: FileInvalid; OSError."""
    texts = []
    for path in paths:
        for number, row in _rows(path):
            if not isinstance(row.get("text"), str):
                raise FileInvalid(path, number, "text", "missing or not a text")
            texts.append(row["text"])
    return texts


def count_lines(path: Path) -> int:
    """How many lines a file has, at most one more than pairs."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _row(path, number, line)


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise FileInvalid(path, number, "", "not UTF-8") from None
    except JsonInvalid as error:
        raise FileInvalid(path, number, "", error.reason) from None
    if not isinstance(row, dict):
        raise FileInvalid(path, number, "", "not a JSON object")
    return row


def _pair(path: Path, number: int, row: dict[str, Any]) -> Pair:
    for field in row.keys() - set(_FIELDS):
        raise FileInvalid(path, number, field, f"unknown; a pair has {', '.join(_FIELDS)}")
    for field in _TEXTS:
        if not isinstance(row.get(field), str):
            raise FileInvalid(path, number, field, "missing or not a text")
    if not isinstance(row.get("schema_id"), str | None) or not isinstance(row.get("schema"), dict | None):
        raise FileInvalid(path, number, "schema", "a pair has either a schema_id (text) or a schema (object)")
    if (row.get("schema_id") is None) == (row.get("schema") is None):
        raise FileInvalid(path, number, "schema", "a pair has either a schema_id or a schema")
    context = _context(path, number, row.get("context", []))
    return Pair(**{"schema_id": None, **row, "context": context, "marks": _marks(path, number, row.get("marks", []))})


def _marks(path: Path, number: int, items: Any) -> tuple[Mark, ...]:
    for item in items if isinstance(items, list) else [None]:
        if not (isinstance(item, list) and len(item) == 4 and all(type(item[i]) is int for i in (0, 1, 3)) and is_kind(item[2])):
            raise FileInvalid(path, number, "marks", "not a list of [start, end, kind, item]")
    return tuple(Mark(*item) for item in items)


def _context(path: Path, number: int, items: Any) -> tuple[ContextItem, ...]:
    well_formed = isinstance(items, list) and all(
        isinstance(item, dict) and item.keys() == {"id", "text"} and all(isinstance(v, str) for v in item.values())
        for item in items
    )
    if not well_formed:
        raise FileInvalid(path, number, "context", 'not a list of {"id", "text"}')
    return tuple(ContextItem(**item) for item in items)
