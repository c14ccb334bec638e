"""Progress bars on stderr, drawn on a terminal only.

Owns how a long loop is shown; knows nothing of what it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


def tracked(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    """The items, with a bar that says how many of ``total`` have passed."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield from bar.track(items, total=total, description=what)
