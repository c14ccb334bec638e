"""The command line that makes a file of figures again, as the file tells it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.measure.slices import DEFAULT_SEED


def command_line(name: str, **options: object) -> str:
    """``escribano-train NAME`` with the options that were given: one that is None, empty or the usual seed is left out, each of several stands by itself, and of an
    absolute path only the name is told.
    """
    return shlex.join(["escribano-train", name, *_spelled(options.items())])


def _spelled(options: Iterable[tuple[str, object]]) -> Iterator[str]:
    for option, value in options:
        if option == "seed" and value == DEFAULT_SEED:
            continue
        for one in value if isinstance(value, (list, tuple)) else () if value is None else (value,):
            path = isinstance(one, (str, Path)) and Path(one).is_absolute()
            yield from (f"--{option.replace('_', '-')}", Path(str(one)).name if path else str(one))
