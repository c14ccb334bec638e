"""Synthetic question→JSON pairs: facts first, words second, gold by construction.

Owns the recipe of a pair and its determinism: a pair is a function of (family, split, seed). Run it with

    escribano-train synthesize --count 2000 --output runs/pairs.jsonl
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, field
from typing import Any, Literal

from schemas.canonical import canonical_json
from training.exercises import copying
from training.notes import assembly, bindings, everyday, excerpt, world
from training.notes.bindings import Node, SchemaMaker
from training.notes.everyday import Everyday
from training.notes.marks import Mark, marks
from training.notes.text import Text, literal, plain, spans
from training.phrasebook import LANGS, phrasebook

Family = Literal["agent_status", "generated", "excerpt", "copying", "echo"]
EVERYDAY_SHARE = 0.2  # of the generated family: notes about anything but agents


@dataclass(frozen=True)
class ContextItem:
    """A further text the facts may stand in."""

    id: str
    text: str


@dataclass(frozen=True)
class Pair:
    """A question (a note, mostly) and the one canonical report of it.

    ``schema`` is None for a catalog schema; ``report`` is canonical JSON text in schema order.
    """

    id: str
    schema_id: str | None
    lang: str
    register: str
    question: str
    report: str
    context: tuple[ContextItem, ...] = ()
    schema: dict[str, Any] | None = field(default=None, repr=False)
    marks: tuple[Mark, ...] = field(default=(), repr=False, compare=False)
    """What the words of the note state, where that is known (`training/notes/marks.py`); in files, lists of start, end, kind and item."""

    def __post_init__(self) -> None:
        if (self.schema_id is None) == (self.schema is None):
            raise ValueError("a pair has either a schema_id or a schema")

    @property
    def note(self) -> str:
        """The text that states the facts: the question, mostly."""
        return self.context[0].text if self.context else self.question

    @property
    def sources(self) -> tuple[str, ...]:
        """The texts that the report may draw from."""
        return (self.question, *(item.text for item in self.context))

    @property
    def text(self) -> str:
        """Everything the report may draw from."""
        return "\n".join(self.sources)

    def to_json(self) -> dict[str, Any]:
        row = {key: value for key, value in asdict(self).items() if value not in (None, ())}
        return row | ({"marks": [list(astuple(mark)) for mark in self.marks]} if self.marks else {})

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Pair:
        context = tuple(ContextItem(**item) for item in row.get("context", ()))
        return cls(**{"schema_id": None, **row, "context": context, "marks": tuple(Mark(*mark) for mark in row.get("marks", ()))})


def pairs(family: Family, split: str, seed: int, wording: str | None = None) -> Iterator[Pair]:
    """Endless pairs. ``split`` names the value pools, ``wording`` (default: the same) the phrasebook."""
    number = 0
    while True:
        yield from pair(family, split, f"{seed}:{number}", wording)
        number += 1


def pair(family: Family, split: str, seed: str, wording: str | None = None) -> list[Pair]:
    """The pairs of one note: one for agent_status, several schemas over the same note for the generated families."""
    rng = random.Random(f"{family}:{split}:{seed}")
    lang = rng.choice(LANGS)
    book = mixed_book(lang, split, wording or split)
    name = f"{family}-{split}-{seed}" if wording in (None, split) else f"{family}-{split}-as-{wording}-{seed}"
    if family == "agent_status":
        return [agent_status_pair(rng, book, name)]
    if family == "excerpt":
        return excerpt_pairs(rng, book, name)
    if family in ("copying", "echo"):
        return [copying_pair(rng, book, name, echo=family == "echo")]
    return generated_pairs(rng, book, name)


def mixed_book(lang: str, split: str, wording: str):  # type: ignore[no-untyped-def]
    """The wordings of one split over the value pools of another (for the slice of unseen values)."""
    book = phrasebook(lang, wording)
    return book if split == wording else _with_pools(lang, split, wording)


_MIXED: dict[tuple[str, str, str], Any] = {}


def _with_pools(lang: str, split: str, wording: str):  # type: ignore[no-untyped-def]
    key = (lang, split, wording)
    if key not in _MIXED:
        words, pools = phrasebook(lang, wording), phrasebook(lang, split)
        _MIXED[key] = type(words)(lang, split, words.wordings, pools.nouns)
    return _MIXED[key]


def agent_status_pair(rng: random.Random, book, name: str) -> Pair:  # type: ignore[no-untyped-def]
    facts = world.draw(rng, book)
    text, register = _governance_note(rng, book, facts, ())
    instance = bindings.agent_status(facts, spans(text))
    question, context = placed(rng, book, facts, text)
    return Pair(name, "agent_status", book.lang, register, question, canonical_json(instance), context, marks=marks(text, facts, ()))


def copying_pair(rng: random.Random, book, name: str, *, echo: bool) -> Pair:  # type: ignore[no-untyped-def]
    exercise = copying.echo if echo else copying.note if rng.random() < 0.6 else copying.listed
    text, (schema, instance) = exercise(rng, book)
    return Pair(name, None, book.lang, "fields", text, canonical_json(instance), schema=schema)


def generated_pairs(rng: random.Random, book, name: str) -> list[Pair]:  # type: ignore[no-untyped-def]
    if rng.random() < EVERYDAY_SHARE:
        facts = None
        text, told, register = everyday.note(rng, book)
    else:
        facts = world.draw(rng, book)
        _thinned(rng, facts)
        told, text, register = _mixed_note(rng, book, facts)
    question, context = placed(rng, book, facts, text)
    marked = marks(text, facts, (*told.singles, *(fact for row in told.rows for fact in row)))
    out = []
    for i in range(2):
        schema, instance = _asked(rng, facts, spans(text), told)
        out.append(Pair(f"{name}-{i}", None, book.lang, register, question, canonical_json(instance), context, schema, marked))
    return out


def excerpt_pairs(rng: random.Random, book, name: str) -> list[Pair]:  # type: ignore[no-untyped-def]
    text, facts, register = excerpt.note(rng, book)
    marked = marks(text, facts, ())
    made = [_asked(rng, facts, spans(text), Everyday(())) for _ in range(2)]
    return [Pair(f"{name}-{i}", None, book.lang, register, plain(text).strip(), canonical_json(instance), schema=schema, marks=marked) for i, (schema, instance) in enumerate(made)]


def _thinned(rng: random.Random, facts: world.Facts) -> None:
    """Shorter notes for the base: half of the time some groups of facts are left unsaid."""
    if rng.random() < 0.5:
        for name in ("incidents", "policies", "risks", "actions"):
            if rng.random() < 0.5:
                facts[name] = []


def _mixed_note(rng: random.Random, book, facts: world.Facts) -> tuple[Everyday, Text, str]:  # type: ignore[no-untyped-def]
    register = assembly.draw_register(rng)
    speaker = assembly.speaker_for(rng, book, register, facts["start"], facts["end"])
    singles = everyday.draw_singles(speaker, rng.choice((0, 0, 1, 2, 3)))
    extra = everyday.single_sections(speaker, singles, register == "key_values")
    return Everyday(singles), assembly.lay_out(speaker, facts, register, extra), register


def _governance_note(rng: random.Random, book, facts: world.Facts, extra: Any) -> tuple[Text, str]:  # type: ignore[no-untyped-def]
    register = assembly.draw_register(rng)
    speaker = assembly.speaker_for(rng, book, register, facts["start"], facts["end"])
    return assembly.lay_out(speaker, facts, register, extra), register


def _asked(rng: random.Random, facts: world.Facts | None, said: dict[str, str], told: Everyday) -> Node:
    """A schema over some of the facts (and, now and then, over what nobody told), with its instance."""
    maker = SchemaMaker(rng, facts, said)
    asked: list[tuple[str, Node]] = [maker.concept(fact) for fact in told.singles if rng.random() < 0.8]
    if told.blank:
        asked.append(maker.records(told.rows, told.blank))
    if facts is None and not asked:
        asked = [maker.concept(told.singles[0])]
    return maker.make(asked)


def placed(rng: random.Random, book, facts: world.Facts | None, text: Text) -> tuple[str, tuple[ContextItem, ...]]:  # type: ignore[no-untyped-def]
    """Mostly the note is the question; sometimes it stands in the context and the question only asks for the report."""
    words = plain(text).strip()
    if rng.random() > 0.07:
        return words, ()
    have = {"agent": literal(facts["agent"])} if facts else {}
    request = book.pick(rng, "request", have=have)
    return plain(request.fill(have)), (ContextItem(rng.choice(("note", "1", "mail-17", "update", "msg", "nota")), words),)
