"""A note put together: its register drawn, its facts fused or told apart, a message quoted, noise on top.

Owns what may happen to a note of any register; how each of them lays it out is ``training.notes.registers``.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import replace

from training.notes import forms, values
from training.notes.fusing import figures, opening, standing
from training.notes.registers import MESSAGES, REGISTERS, TERSE
from training.notes.speaker import Speaker
from training.notes.text import (
    AS_WRITTEN,
    Text,
    capitalized,
    contracted,
    is_copied,
    join,
    literal,
    mapped,
    with_typos,
    without_accents,
)
from training.notes.verbalize import TELLERS, Section
from training.notes.world import Facts
from training.phrasebook import Phrasebook

_FED_UP, _ANSWERING = 0.12, 0.08  # shares of the messages that complain; that stand above what they answer
_OPENING, _STANDING, _FIGURES = 0.3, 0.2, 0.25  # shares of the notes that tell several facts in one clause
_COPIED = ("title", "cause", "risk", "mitigation", "action", "phrase")  # text facts that noise may touch

def speaker_for(rng: random.Random, book: Phrasebook, register: str, start: dt.date, end: dt.date) -> Speaker:
    return Speaker(rng, book, start, end, spoken=register == "transcript", terse=register in TERSE)


def draw_register(rng: random.Random) -> str:
    drawn = rng.choices(list(REGISTERS), weights=[w for _, w in REGISTERS.values()])[0]
    return "complaint" if drawn in MESSAGES and own_stream(rng).random() < _FED_UP else drawn


def own_stream(rng: random.Random) -> random.Random:
    """Draws that leave all later ones of ``rng`` as they were, so that what is added to some notes does not change the others."""
    return random.Random(hash(rng.getstate()[1]))


def answering(speaker: Speaker, text: Text, register: str) -> Text:
    """Now and then an earlier message, quoted below a message or above it."""
    own = replace(speaker, rng=own_stream(speaker.rng))
    if register not in MESSAGES or not own.chance(_ANSWERING):
        return text
    day = own.start - dt.timedelta(days=own.rng.randrange(-40, 20))
    slots = {"person": literal(values.full_name(own.rng, own.lang, own.book.split)), "date": literal(forms.date(own.rng, day, own.lang))}
    lines = [capitalized(own.say("quote_head", have=slots)), *_said_once(own)]
    if own.chance(0.5):  # a line for each, or the message as it wraps
        lines = [lines[0], join(lines[1:], " ")]
    quoted = join([lines[0], *([*literal("> "), *line] for line in lines[1:])], "\n")
    return join([text, quoted] if own.chance(0.7) else [quoted, text], "\n\n")


def _said_once(speaker: Speaker) -> list[Text]:
    """A few sentences of an earlier message."""
    lines = [speaker.say("quote_line") for _ in range(speaker.rng.choice((1, 2, 2, 3, 4)))]
    return [line for i, line in enumerate(lines) if line not in lines[:i]]


def lay_out(speaker: Speaker, facts: Facts, register: str, extra: Sequence[Section] = ()) -> Text:
    """Tell all facts in a register. ``extra``: sections about facts outside of ``facts`` (concepts of generated schemas)."""
    fused, rest = _fused(replace(speaker, rng=own_stream(speaker.rng)), facts, register)
    sections = [*fused, *(s for tell in TELLERS.values() for s in tell(speaker, rest) if s.blocks)]
    for section in extra:
        sections.insert(speaker.rng.randrange(1, len(sections) + 1), section)
    return noisy(speaker.rng, speaker.lang, answering(speaker, REGISTERS[register][0](speaker, facts, sections), register), register)


def _fused(speaker: Speaker, facts: Facts, register: str) -> tuple[list[Section], Facts]:
    """Now and then clauses that tell several facts at once; and the facts that are still to be told. Forms have a line for each instead."""
    if register in ("key_values", "tables"):
        return [], facts
    found, rest = [], facts
    for tell, share in ((opening, _OPENING), (standing, _STANDING), (figures, _FIGURES)):
        if speaker.chance(share) and (one := tell(speaker, rest)):
            found.append(one)
            rest = one.left(rest)
    names_agent = register in (*MESSAGES, "short", "transcript") and bool(found) and found[0].names_agent and speaker.chance(0.6)
    sections = [Section(one.group, [[one.clause]], leads=names_agent and one is found[0]) for one in found]
    return sections, rest | {"agent": None} if names_agent else rest


# --- noise -----------------------------------------------------------------------------------------------------------


def noisy(rng: random.Random, lang: str, text: Text, register: str) -> Text:
    """Typos, missing accents, lower case: on connecting words and on copied phrases, never on ids, names and figures."""
    careless = register in ("chat", "short", "transcript")
    text = contracted(text)

    def soft(path: str | None) -> bool:
        return path is None or not is_copied(path) or path.rsplit(".", 1)[-1] in _COPIED

    if rng.random() < (0.25 if careless else 0.06):
        rate = rng.choice((0.02, 0.05, 0.1))
        text = mapped(text, lambda words, path: with_typos(rng, words, rate) if soft(path) else words)
    if lang == "es" and rng.random() < (0.35 if careless else 0.06):
        text = mapped(text, lambda words, path: without_accents(words) if soft(path) else words)
    if rng.random() < (0.3 if careless else 0.02):
        text = mapped(text, lambda words, path: words.lower() if soft(path) or str(path).rpartition(".")[2] not in ("owner", *AS_WRITTEN) else words)
    return text
