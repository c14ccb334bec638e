"""Progress bars on stderr, drawn on a terminal only.

Owns how a long loop is shown; knows nothing of what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A function to call after each of ``total`` things."""
    with _progress() as shown:
        task = shown.add_task(what, total=total)
        yield lambda: shown.advance(task)


def tracked(items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
    """The items, with a bar that says how many of ``total`` have passed."""
    with _progress() as shown:
        yield from shown.track(items, total=total, description=what)


@contextmanager
def share_bar(what: str) -> Iterator[Callable[[float, str], None] | None]:
    """A function to tell which share of something is done, and how it goes; None where no bar can be drawn."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share, words: shown.update(task, completed=share, description=f"{what}: {words}")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
