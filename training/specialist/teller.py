"""Who tells a note about a schema: a speaker, and the words there are for the schema's fields.

Owns the choice between the wordings of a field book and those made of a field's title.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.notes import values
from training.notes.assembly import draw_register, speaker_for
from training.notes.speaker import Speaker
from training.phrasebook import Phrasebook
from training.specialist.fieldbook import FieldBook, frames
from training.specialist.fields import Field


@dataclass(frozen=True)
class Teller:
    """A speaker with the wordings of one schema's fields. ``pool``: the book whose values are drawn, which may be another split's than the wordings."""

    speaker: Speaker
    book: FieldBook
    pool: FieldBook
    split: str
    register: str

    @property
    def rng(self) -> random.Random:
        return self.speaker.rng

    @property
    def lang(self) -> str:
        return self.speaker.lang

    def frame(self, kind: str) -> str:
        return self.rng.choice(frames(self.split, self.lang, kind))

    def words(self, of: Field, *keys: str) -> str | None:
        found = self.book.of(of.pointer, self.lang, *keys)
        return self.rng.choice(found) if found else None

    def label(self, of: Field) -> str:
        if self.rng.random() < 0.15 and of.name:
            return of.name if self.rng.random() < 0.5 else of.name.replace("_", " ")
        return self.book.title(of, self.lang)


def teller_for(rng: random.Random, book: Phrasebook, field_book: FieldBook, pool: FieldBook, split: str) -> Teller:
    start, end = values.period(rng)
    register = draw_register(rng)
    speaker = speaker_for(rng, book, register, start, end)
    return Teller(speaker, field_book, pool, split, register)
