"""Part of a status note: what a paragraph of it says, without who wrote it about which agent.

A whole note has five hundred tokens and names two or three policies; of the thousand names for a policy each is seldom met. In an excerpt the same clauses stand alone, with nearly twice as many such words in a thousand tokens.
Owns which facts an excerpt tells and which a schema over it may ask for. Only bases practise on excerpts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from training.notes import world
from training.notes.assembly import draw_register, noisy, speaker_for
from training.notes.everyday import PROSE, dated
from training.notes.registers import REGISTERS
from training.notes.text import Text
from training.notes.verbalize import TELLERS
from training.notes.world import Facts
from training.phrasebook import Phrasebook

PARTS: dict[str, tuple[tuple[str, ...], int]] = {
    "status": (("status", "progress", "oversight"), 3), "usage": (("completed", "failed", "cost", "latency"), 1), "incidents": (("incidents",), 3),
    "policies": (("policies",), 6), "risks": (("risks",), 3), "actions": (("actions",), 1), "approval": (("approval",), 1), "escalation": (("escalated",), 1),
}  # fmt: skip
"""The facts of each part, and how often it is told: more often where more of its meaning must be known by heart."""
_IN_TIME = frozenset(("incidents", "actions", "approval"))
_UNTOLD = ("usage", "incidents", "policies", "risks", "actions", "escalation")
"""Parts that a schema may ask for though nobody tells them."""


def note(rng: random.Random, book: Phrasebook) -> tuple[Text, Facts, str]:
    """An excerpt: (text, the facts that may be asked for, register). A fact that may be asked for and is not told is None or an empty list."""
    told = _drawn_parts(rng)
    facts = world.draw(rng, book)
    while not all(_is_told(facts, part) for part in told):
        facts = world.draw(rng, book)
    kept = {name for part in told for name in PARTS[part][0]}
    facts |= {name: _silent(facts[name]) for names, _ in PARTS.values() for name in names if name not in kept}

    register = draw_register(rng)
    register = register if register in (*PROSE, "bullets", "tables") else "short"
    speaker = speaker_for(rng, book, register, facts["start"], facts["end"])
    sections = [section for tell in list(TELLERS.values())[1:] for section in tell(speaker, facts) if section.blocks]
    is_dated = not _IN_TIME.isdisjoint(told) or rng.random() < 0.2
    if is_dated:
        sections = [*dated(speaker, facts["start"], facts["end"]), *sections]
    asked = kept | {name for part in rng.sample(_UNTOLD, rng.choice((0, 0, 1, 2))) for name in PARTS[part][0]} | ({"start", "end"} if is_dated else set())
    shown = {name: value for name, value in facts.items() if name not in ("agent", "owner", "email")}
    text = noisy(rng, book.lang, REGISTERS[register][0](speaker, shown, sections), register)
    return text, {name: facts[name] for name in facts if name in asked}, register


def _drawn_parts(rng: random.Random) -> Iterable[str]:
    """One part of a note, or two."""
    return set(rng.choices(list(PARTS), [weight for _, weight in PARTS.values()], k=rng.choice((1, 1, 2))))


def _is_told(facts: Facts, part: str) -> bool:
    """Whether there is something to tell; of an approval that nobody is waited for notes say nothing, mostly."""
    if part == "approval":
        return facts[part]["status"] != "pending" or bool(facts[part]["approver"])
    return any(facts[name] not in (None, []) for name in PARTS[part][0])


def _silent(value: object) -> object:
    return [] if isinstance(value, list) else None
