"""Notes about anything but agents: a few facts and perhaps a list of records, from the concept library.

Owns which concepts a note holds and how their clauses are grouped; layout is ``training.notes.registers``, schemas are ``training.notes.bindings``.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass

from training.notes import concepts, values
from training.notes.assembly import answering, draw_register, noisy, speaker_for
from training.notes.concepts import ConceptFact
from training.notes.registers import REGISTERS
from training.notes.speaker import Speaker
from training.notes.text import Text, capitalized, ended, join, literal
from training.notes.verbalize import Section
from training.notes.world import Facts
from training.phrasebook import Phrasebook

PROSE = ("letter", "chat", "handover", "short", "transcript", "bullets", "complaint")


@dataclass(frozen=True)
class Everyday:
    """Concept facts of a note: single ones, and rows of records (``blank``: a row without values, for empty lists)."""

    singles: tuple[ConceptFact, ...]
    rows: tuple[tuple[ConceptFact, ...], ...] = ()
    blank: tuple[ConceptFact, ...] = ()


def draw_singles(speaker: Speaker, count: int, prefix: str = "c") -> tuple[ConceptFact, ...]:
    """Up to ``count`` different concepts."""
    drawn = {f.concept["concept"]: f for f in (concepts.draw(speaker, f"{prefix}{i}") for i in range(count))}
    return tuple(drawn.values())


def draw_rows(speaker: Speaker) -> Everyday:
    """A list of up to five records; its first column is a phrase, a person or a place."""
    leads = [c for c in concepts.usable(speaker.book.split) if c["type"] in ("text", "person", "company", "city")]
    columns = [speaker.rng.choice(leads)]
    others = [c for c in concepts.usable(speaker.book.split) if c is not columns[0]]
    columns += speaker.rng.sample(others, speaker.rng.choice((1, 2, 2, 3)))
    rows = tuple(_row(speaker, columns, i) for i in range(speaker.rng.choice((0, 1, 2, 2, 3, 3, 4, 5))))
    return Everyday((), rows, tuple(ConceptFact(c, "blank", None) for c in columns))


def _row(speaker: Speaker, columns: Sequence[concepts.Concept], i: int) -> tuple[ConceptFact, ...]:
    return tuple(concepts.draw_as(speaker, c, f"r.{i}.{j}", told=1.0 if j == 0 else 0.8) for j, c in enumerate(columns))


def single_sections(speaker: Speaker, facts: Sequence[ConceptFact], labelled: bool) -> list[Section]:
    say = concepts.field_words if labelled else concepts.clause
    told = [(fact, say(speaker, fact)) for fact in facts]
    return [Section("other", [[words]], title=fact.concept["title"][speaker.lang].capitalize()) for fact, words in told if words]


def row_section(speaker: Speaker, everyday: Everyday) -> list[Section]:
    """The records as a list: each a run of clauses, or of labelled fields on one line."""
    if not everyday.rows:
        return []
    labelled = speaker.terse or speaker.chance(0.5)
    blocks = [_row_line(speaker, row) if labelled else _row_clauses(speaker, row) for row in everyday.rows]
    title = everyday.blank[0].concept["title"][speaker.lang]
    return [Section("other", blocks, literal(title) if speaker.chance(0.6) else [], is_list=True, title=title)]


def _row_line(speaker: Speaker, row: Sequence[ConceptFact]) -> list[Text]:
    lead, *rest = row
    first = concepts.value_words(speaker, lead) if speaker.chance(0.7) else concepts.field_words(speaker, lead)
    cells = [concepts.field_words(speaker, fact) for fact in rest]
    return [join([first, *cells], speaker.rng.choice((", ", "; ", " - ", " | ", " / ")))]


def _row_clauses(speaker: Speaker, row: Sequence[ConceptFact]) -> list[Text]:
    lead, *rest = row
    return [concepts.clause(speaker, lead), *(c for c in (concepts.clause(speaker, f) for f in rest) if c)]


def note(rng: random.Random, book: Phrasebook) -> tuple[Text, Everyday, str]:
    """An everyday note: (text, its facts, register)."""
    start, end = values.period(rng)
    register = draw_register(rng)
    register = register if register in PROSE else "key_values"
    speaker = speaker_for(rng, book, register, start, end)
    singles = draw_singles(speaker, rng.randrange(1, 9))
    listed = draw_rows(speaker) if rng.random() < 0.5 else Everyday(())
    everyday = Everyday(singles, listed.rows, listed.blank)
    sections = dated(speaker, start, end) + single_sections(speaker, singles, register == "key_values") + row_section(speaker, everyday)
    stub: Facts = {"start": start, "end": end, "unit": book.nouns.expand(rng, "unit")}
    if register == "key_values":
        lines = [line for s in sections for block in s.blocks for line in block]
        text = join(lines, rng.choice(("\n", "\n", "; ", " | ")))
    else:
        text = answering(speaker, REGISTERS[register][0](speaker, stub, sections), register)
    return noisy(rng, book.lang, text, register), everyday, register


def dated(speaker: Speaker, start: dt.date, end: dt.date) -> list[Section]:
    """The note's own time: what lets its other dates go without a year."""
    return [Section("identity", [[ended(capitalized(speaker.say("period", have={"period": speaker.period()})), ".")]])]
