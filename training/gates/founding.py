"""Which values of a report must come from the text, and whether a text gives them.

Owns the two questions that the gates ask of training pairs and the measures of reports; how a number or a date is read is `training/gates/reading.py`'s and `reading_dates.py`'s. Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from schemas.canonical import Json
from schemas.grounding import Kinds, leaves
from training.gates.reading import number_can_be_read
from training.gates.reading_dates import moment_can_be_read

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?![\w.-])|\d{4}-\d{2}-\d{2}(?=[Tt])")


def founded_on_text(predicted: Json, schema: dict[str, Any]) -> Iterator[tuple[str, str | int | float]]:
    """(pointer, value) of the leaves that must come from the text: those of grounding `extract` and `normalize`."""
    kinds = Kinds(schema)
    for where, value in leaves(predicted):
        if value is None or isinstance(value, bool):
            continue
        if kinds.at(where) in ("extract", "normalize"):
            yield where, value


def is_date(value: str) -> bool:
    """Whether a text is a day, or a moment, in ISO 8601."""
    return _DATE.match(value) is not None


def can_be_read(value: str | int | float, sources: Sequence[str]) -> bool:
    """Whether a value stands in one of the texts: a string verbatim but for case and spacing, a date or number read.

    A date may lean on all texts together: the year may stand in one and the day in another.
    """
    if not isinstance(value, str):
        return any(number_can_be_read(value, source) for source in sources)
    if any(_spaced(value) in _spaced(source) for source in sources):
        return True
    return is_date(value) and moment_can_be_read(value, "\n".join(sources))


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split())
