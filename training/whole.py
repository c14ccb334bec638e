"""Files that are there whole or not at all, and what a run was begun with.

Owns writing beside and swapping. Whatever a rerun takes for a finished stage's mark is written by it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str | Iterable[str]) -> None:
    """Write a UTF-8 text, whole or in pieces; a kill or a full disk leaves the old file, or none. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def changed_inputs(file: Path, told: Mapping[str, Any]) -> list[str]:
    """What a run that left ``file`` was begun with otherwise, by name; nothing where there is no such run."""
    if not file.exists():
        return []
    before = json.loads(file.read_text("utf-8"))
    return [name for name in told if before.get(name) != told[name]]


def write_json(path: Path, facts: Any) -> None:
    """Write facts as indented JSON, whole. Raises: OSError."""
    write_whole(path, json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n")
