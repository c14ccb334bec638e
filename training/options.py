"""What the commands of the factory share: types of options, words to a person, and how a failure is told.

Knows no command. Exit codes: 0 done; 1 it could not be; 2 wrong usage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from training.failures import AdapterUnfit, BaseUnfit, PairsUnfit


class Split(StrEnum):
    """Which value pools and which phrasebook; training data is ``train`` only."""

    TRAIN = "train"
    UNSEEN_VALUES = "unseen-values"
    UNSEEN_WORDINGS = "unseen-wordings"


class SliceName(StrEnum):
    """Notes to measure on; slices are never mixed."""

    UNSEEN_VALUES = "unseen_values"
    UNSEEN_WORDINGS = "unseen_wordings"
    UNSEEN_SCHEMAS = "unseen_schemas"


FamilyName = Literal["agent_status", "generated", "excerpt", "copying"]
SizeName = Literal["3m", "5m", "14m"]
DeviceName = Literal["cpu", "cuda"]

Output = Annotated[Path, typer.Option("--output", "-o", help="Directory to write.", file_okay=False)]
Count = Annotated[int, typer.Option(min=1, help="How many.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
Compiled = Annotated[bool, typer.Option("--compiled", help="Compile the model first: a minute or two that a long run makes up for, on a GPU or a processor with native bf16; takes a C++ compiler.")]
Device = Annotated[DeviceName, typer.Option(help="Where the model runs.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads for the model; unset: one for each core, or what torch decides.")]
Notes = Annotated[
    Path | None,
    typer.Option(
        help="Hand-written notes, JSON lines with text and gold. Never trained on.", exists=True, dir_okay=False
    ),
]
KeptOut = Annotated[
    list[Path] | None,
    typer.Option("--notes", help="Notes that are measured on, JSON lines; none that says eight of their words in a row is trained on. May be given several times.", exists=True, dir_okay=False),
]
Base = Annotated[
    str | None,
    typer.Option(help="Base model: a local path or hub id of a Mistral-family model; unset: the shipped one."),
]
Adapters = Annotated[
    list[Path] | None,
    typer.Option(
        "--adapter", help="Directory of an adapter; may be given several times.", exists=True, file_okay=False
    ),
]


def say(words: str) -> None:
    """For a person, hence on stderr; of several processes (`accelerate launch`) the first one speaks for all."""
    if os.environ.get("RANK", "0") != "0":
        return
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(words))


@contextmanager
def failures_shown(*also: type[Exception]) -> Iterator[None]:
    """Tell what a caller did wrong in one line and exit 1; our own bugs keep their traceback."""
    try:
        yield
    except (*_expected(), *also) as error:
        say(f"error: {error}")
        raise typer.Exit(1) from None
    except RuntimeError as error:
        if not _is_disk(error):
            raise
        say(f"error: a file could not be written whole, is the disk full? ({str(error).splitlines()[0]})")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say("stopped; start it again with the same options to go on")
        raise typer.Exit(130) from None


def _is_disk(error: RuntimeError) -> bool:
    """Whether it is how torch and safetensors say that a file could not be written."""
    return "PytorchStreamWriter" in str(error) or "No space left" in str(error) or "inline_container" in str(error)


def _expected() -> tuple[type[Exception], ...]:
    from schemas.catalog import SchemaUnknown
    from training.gates.pairs_file import FileInvalid
    from training.phrasebook import PhrasebookError

    return (OSError, AdapterUnfit, BaseUnfit, FileInvalid, PairsUnfit, PhrasebookError, SchemaUnknown)
