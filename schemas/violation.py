"""One way of saying what is wrong with an instance.

Owns the `Violation` record and the JSON Pointer spelling of paths. Knows no validator and no schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def pointer(parts: Iterable[str | int]) -> str:
    """RFC 6901 JSON Pointer of a path given as keys and indexes; the root is ''."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parts_of(path: str) -> tuple[str, ...]:
    """The reference tokens of an RFC 6901 JSON Pointer, unescaped.

    Raises:
        ValueError: the text is neither '' nor starts with '/'.
    """
    if path == "":
        return ()
    if not path.startswith("/"):
        raise ValueError(f"not a JSON Pointer: {path!r}")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))


@dataclass(frozen=True, slots=True)
class Violation:
    """One keyword that an instance (or its text) breaks; both paths are JSON Pointers ('' is the root)."""

    keyword: str
    instance_path: str
    schema_path: str
    message: str

    def __post_init__(self) -> None:
        for path in (self.instance_path, self.schema_path):
            if path and not path.startswith("/"):
                raise ValueError(f"not a JSON Pointer: {path!r}")

    def __str__(self) -> str:
        return f"{self.instance_path or '/'}: {self.message} ({self.keyword})"
