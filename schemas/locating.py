"""Where the values of a JSON text stand in it.

Owns the walk over a valid text, canonical or not, and over the beginning of one. Knows no schema. Run: `dict(leaf_places('{"a":[1]}'))` gives `{"/a/0": (6, 7)}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import NoReturn

from schemas.violation import pointer

Place = tuple[int, int]
"""Offsets [start, end) in characters; a string's quotes are in it."""
_Path = tuple[str, ...]

_SPACE = re.compile(r"[ \t\n\r]*")
_AFTER = (" ", "\t", "\n", "\r", ",", "]", "}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def leaf_places(text: str) -> Iterator[tuple[str, Place]]:
    """The JSON Pointer and the place of each scalar of a valid JSON text, in its order."""
    return ((pointer(path), (start, end)) for path, start, end in _values(text, 0, ()) if text[start] not in "{[")


def finished_leaves(text: str) -> Iterator[tuple[str, Place]]:
    """The same for the beginning of a JSON text: the scalars that can not change any more, however it goes on."""
    try:
        for where, (start, end) in leaf_places(text):
            if text[start] != '"' and text[end : end + 1] not in _AFTER:
                return  # "12" may become "120", and "0." is the beginning of "0.5"
            yield where, (start, end)
    except (IndexError, ValueError, RecursionError):
        return


def span_of(text: str, path: Sequence[str]) -> Place:
    """The place of the value at a path.

    Raises: KeyError when it is not there.
    """
    wanted = tuple(path)
    for found, start, end in _values(text, 0, ()):
        if found == wanted:
            return start, end
    raise KeyError(wanted)


def _values(text: str, at: int, path: _Path) -> Generator[tuple[_Path, int, int], None, int]:
    """Every value from ``at`` on with its place, what is in it before it; returns where it ends.

    Raises: ValueError or IndexError where the text is no JSON or ends too early.
    """
    start = at = _skipped(text, at)
    if text[at] not in "{[":
        end: int = _DECODER.raw_decode(text, at)[1]
    else:
        is_object, index, at = text[at] == "{", 0, _skipped(text, at + 1)
        while text[at] not in "]}":
            key = str(index)
            if is_object:
                key, at = _name(text, at)
            at = _skipped(text, (yield from _values(text, at, (*path, key))))
            if text[at] == ",":
                at = _skipped(text, at + 1)
            elif text[at] not in "]}":
                raise ValueError("neither a comma nor an end")
            index += 1
        end = at + 1
    yield path, start, end
    return end


def _name(text: str, at: int) -> tuple[str, int]:
    """A member's name, and what stands after its colon."""
    name, at = _DECODER.raw_decode(text, at)
    at = _skipped(text, at)
    if not isinstance(name, str) or text[at] != ":":
        raise ValueError("a member without a name")
    return name, at + 1


def _skipped(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
