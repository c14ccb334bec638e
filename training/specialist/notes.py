"""Notes for any schema, laid out as people write, each with its report.

Owns facts -> sections -> note -> pair. Layout and noise of prose are `training.notes.registers`; forms are laid out here. A pair is a function of (specialty, split, seed).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from schemas.admission import AdmittedSchema
from schemas.canonical import canonical_json
from schemas.catalog import Catalog
from training.notes import values
from training.notes.assembly import answering, noisy
from training.notes.everyday import PROSE
from training.notes.marks import marks_of
from training.notes.registers import REGISTERS
from training.notes.synthesize import ContextItem, Pair, mixed_book, placed
from training.notes.text import Text, capitalized, join, literal, spans
from training.notes.verbalize import Section
from training.notes.world import Facts
from training.specialist.facts import Told, draw
from training.specialist.fieldbook import FieldBook, books_of
from training.specialist.fields import NAMED, Field, read_fields
from training.specialist.reports import asking_of, instance_of, kinds_told
from training.specialist.teller import Teller, teller_for
from training.specialist.telling import clause_of, clauses_of, is_cell, item_clauses, words_of


@dataclass(frozen=True)
class SpecialtyNote:
    """A note, the facts it was written from, and where a request would put it."""

    lang: str
    register: str
    told: Told
    text: Text
    question: str
    context: tuple[ContextItem, ...]

    def pair(self, name: str, asked: Told, schema: dict[str, Any]) -> Pair:
        """The pair of the note and those of its facts that a schema asks for."""
        instance = instance_of(asked, spans(self.text))
        marks = marks_of(self.text, kinds_told(self.told).get)
        return Pair(name, None, self.lang, self.register, self.question, canonical_json(instance), self.context, schema, marks)


@dataclass(frozen=True)
class Specialty:
    """A schema with the wordings of its fields, by split."""

    name: str
    admitted: AdmittedSchema
    root: Field
    books: Mapping[str, FieldBook] = field(repr=False)

    @classmethod
    def read(cls, name: str, admitted: AdmittedSchema, book: Path | None = None) -> Specialty:
        """A schema's fields and books. ``book``: a field book to train on; None takes the shipped one, if the schema is the catalog's of that name.

        Raises: SchemaUnfit; PhrasebookError.
        """
        catalog = Catalog.load()
        shipped = name in catalog.ids() and catalog.get(name).digest == admitted.digest
        books = books_of(name, read_fields(admitted.schema), book, shipped=shipped)
        return cls(name, admitted, read_fields(admitted.schema, books["train"].kinds), books)

    @property
    def langs(self) -> tuple[str, ...]:
        return self.books["train"].langs

    @property
    def asking(self) -> dict[str, Any]:
        """Which kind of fact each leaf asks for, as `training.notes.marks` reads it from a schema."""
        return asking_of(self.root)

    def pair(self, split: str, seed: str, wording: str | None = None) -> Pair:
        """The pair of a seed. ``split`` names the value pools, ``wording`` (default: the same) the books."""
        rng = random.Random(f"{self.name}:{split}:{seed}")
        note = self.note(rng, split, wording or split)
        name = f"{self.name}-{split}-{seed}" if wording in (None, split) else f"{self.name}-{split}-as-{wording}-{seed}"
        return note.pair(name, note.told, self.admitted.schema)

    def note(self, rng: random.Random, split: str, wording: str) -> SpecialtyNote:
        """The next note of a random state."""
        lang = rng.choice(self.langs)
        book = mixed_book(lang, split, wording)
        teller = teller_for(rng, book, self.books[wording], self.books[split], wording)
        told = draw(teller, self.root, "", share=rng.choice((0.35, 0.65, 0.85, 1.0)))
        text, register = _note(teller, told)
        question, context = placed(rng, book, None, text)
        return SpecialtyNote(lang, register, told, text, question, context)

    def pairs(self, split: str, seed: int, wording: str | None = None) -> Iterator[Pair]:
        """Endless pairs."""
        number = 0
        while True:
            yield self.pair(split, f"{seed}:{number}", wording)
            number += 1


def _sections(teller: Teller, told: Told) -> list[Section]:
    """What a note says of each property of the report, empty ones left out."""
    found = []
    several = sum(m.field.kind == "list" for m in told.members) > 1
    for member in told.members:
        title = teller.book.title(member.field, teller.lang)
        if member.field.kind == "list" and member.members and not is_cell(member):
            intro = literal(teller.words(member.field, "intro") or title) if several or teller.rng.random() < 0.6 else []
            blocks = [item_clauses(teller, item) for item in member.members]
            if teller.register == "short" and intro:  # which has no place for what leads to a list
                blocks, intro = [[intro], *blocks], []
            found.append(Section("other", blocks, intro, is_list=True, title=title.capitalize()))
        elif clauses := [c for c in clauses_of(teller, member) if c]:
            found.append(Section("other", [clauses], title=title.capitalize()))
    return found


def _note(teller: Teller, told: Told) -> tuple[Text, str]:
    """The note in a register; forms are laid out here (memos and tables become such), prose by its register."""
    rng, speaker = teller.rng, teller.speaker
    stub: Facts = {"start": speaker.start, "end": speaker.end, "unit": values.noun(rng, speaker.book, "unit")}
    dated = _dated(teller, told)
    if teller.register in PROSE:
        sections = dated + _sections(teller, told)
        head, rest = sections[:2], sections[2:]
        sections = [replace(s, name="identity") for s in head] + rest if rng.random() < 0.6 else sections
        text = answering(speaker, REGISTERS[teller.register][0](speaker, stub, sections), teller.register)
    else:
        lines = [clause for section in dated for block in section.blocks for clause in block] + _lines(teller, told)
        text = join(lines, rng.choice(("\n", "\n", "\n", "; ", " | ")))
    return noisy(rng, teller.lang, text, teller.register), teller.register if teller.register in PROSE else "key_values"


def _dated(teller: Teller, told: Told) -> list[Section]:
    """The note's own time, where the report does not ask for one: what lets its other dates go without a year."""
    kinds = {t.field.kind for t in told.walk() if t.is_told}
    if "period" in kinds or not kinds & {"date", "date_time"}:
        return []
    return [Section("identity", [[capitalized(teller.speaker.say("period", have={"period": teller.speaker.period()}))]])]


def _lines(teller: Teller, told: Told) -> list[Text]:
    """label: value lines; a list's items numbered, one a line."""
    rng = teller.rng
    mark = rng.choice((": ", ": ", " = ", " - ", ":\t", " → "))
    lines: list[Text] = []
    for member in told.members:
        label = teller.label(member.field)
        if member.field.kind == "object":
            lines.extend(_lines(teller, member) if member.is_told else [clause_of(teller, member)])
        elif member.field.kind == "list" and member.members and not is_cell(member):
            numbering = rng.choice((".{}", " {}", " #{}", ""))
            lines.extend([*literal(label + numbering.format(i) + mark), *join(item_clauses(teller, item), rng.choice((", ", "; ", " | ")))] for i, item in enumerate(member.members, 1))
        elif member.field.kind == "list" and not member.members:
            lines.append([*literal(label + mark), *literal(teller.speaker.book.word(rng, "none"))] if rng.random() < 0.3 and not member.field.may_be_unsaid else [])
        elif member.is_told:
            lines.append([*literal(label + mark), *words_of(teller, member)])
        elif rng.random() < 0.2 and member.field.may_be_unsaid and member.field.kind in (*NAMED, "date", "date_time"):
            lines.append([*literal(label + mark), *literal(teller.speaker.book.word(rng, "none"))])
    return [line for line in lines if line]

