"""Registers: how a note is laid out, from an e-mail with a signature to a pasted table.

Owns order, joining, headings, greetings, small talk and distractors. The clauses come from ``training.notes.verbalize``, labelled
fields from ``training.notes.structured``. What may happen to a note of any register is ``training.notes.assembly``. One function per register, one signature: ``(speaker, facts, sections) -> Text``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from training.notes import forms, values
from training.notes.speaker import Speaker
from training.notes.structured import bullet_fields, label, paste, table
from training.notes.text import (
    Text,
    capitalized,
    ended,
    is_copied,
    join,
    literal,
    mapped,
    plain,
    spans,
    stated,
)
from training.notes.verbalize import TELLERS, Block, Section
from training.notes.world import Facts

Register = Callable[[Speaker, Facts, list[Section]], Text]
ORDER = tuple(TELLERS)
_EMOJI = ("👍", "😅", "🎉", "🙏", "😤", "🙂", "🤞", "👀", "✅", "🚀", "😬", "💪")


def shuffled(speaker: Speaker, sections: list[Section]) -> list[Section]:
    """Usual order, a few swaps, or any order; who and when mostly first."""
    roll = speaker.rng.random()
    leading = [s for s in sections if s.leads]
    rest = [s for s in sections if s.name != "identity" and not s.leads]
    first = [s for s in sections if s.name == "identity"]
    if roll < 0.6:
        speaker.rng.shuffle(rest)
    if roll > 0.93:
        return [*leading, *rest, *first]
    return [*leading, *first, *rest]


def noise_clause(speaker: Speaker, facts: Facts) -> Text:
    """A sentence that must change nothing: small talk, an aside, or figures of something else."""
    roll = speaker.rng.random()
    if roll < 0.35:
        return speaker.say("smalltalk")
    if roll < 0.6:
        return speaker.say("aside")
    return distractor(speaker, facts)


def distractor(speaker: Speaker, facts: Facts) -> Text:
    """Another agent's figures, an earlier period's, or a plan's."""
    rng, book = speaker.rng, speaker.book
    first, last = (12 * day.year + day.month - 1 for day in (facts["start"], facts["end"]))
    month = rng.choice([m for m in range(1, 13) if all((m - 1 - at) % 12 for at in range(first, last + 1))] or [1])
    day = facts["start"] - dt.timedelta(days=rng.randrange(5, 200))
    currency = facts["cost"]["currency"] if facts.get("cost") and rng.random() < 0.7 else rng.choice(forms.CURRENCIES)
    slots = {
        "other_agent": literal(values.agent_id(rng, book)),
        "n": literal(forms.number(rng, values.count(rng), book.lang, speaker.spoken)),
        "unit": literal(facts["unit"]),
        "money": literal(forms.money(rng, values.amount(rng), currency, book.lang, speaker.spoken)),
        "percent": literal(forms.percent(rng, rng.randrange(1, 100), book.lang, speaker.spoken)),
        "latency": literal(forms.duration(rng, values.latency_ms(rng), book.lang, speaker.spoken)),
        "person": literal(values.full_name(rng, book.lang, book.split)),
        "date": literal(forms.date(rng, day, book.lang, spoken=speaker.spoken)),
        "month": literal(forms.months(book.lang)[month]),
    }
    return speaker.say("distractor", rng.choice(("other_agent", "last_period", "plan")), have=slots)


# --- prose -----------------------------------------------------------------------------------------------------------


def sentences(speaker: Speaker, block: Block, *, casual: bool = False) -> list[Text]:
    """Clauses of a block as sentences; neighbours are now and then joined into one."""
    out: list[Text] = []
    joints = ("; ", ", ", " - ", ", and ", "... ") if speaker.lang == "en" else ("; ", ", ", " - ", " y ", "... ", ", y ")
    for clause in block:
        if out and speaker.chance(0.25) and plain(out[-1])[-1:] not in ".!?:\n":
            out[-1] = [*out[-1], *literal(speaker.rng.choice(joints)), *clause]
        else:
            out.append(clause)
    marks = (".", ".", ".", ".", "!", "...") if casual else (".",)
    return [ended(s if casual and speaker.chance(0.5) else capitalized(s), speaker.rng.choice(marks)) for s in out]


def paragraph(speaker: Speaker, section: Section, *, casual: bool = False) -> Text:
    """A section in running text, its list items in a row, numbered, or one a line."""
    parts: list[Text] = []
    lines = section.is_list and len(section.blocks) > 1 and speaker.chance(0.25)
    numbers = speaker.rng.choice((None, None, "({})", "{})", "{}.", "#{}")) if section.is_list and len(section.blocks) > 1 else None
    if section.intro:
        parts.append(ended(capitalized(section.intro), ":" if lines else speaker.rng.choice((":", "."))))
    for i, block in enumerate(section.blocks):
        told = join(sentences(speaker, block, casual=casual), " ")
        parts.append([*literal(numbers.format(i + 1) + " "), *told] if numbers else told)
    return join(parts, "\n" if lines else " ")


def _with_noise(speaker: Speaker, facts: Facts, paragraphs: list[Text], share: float) -> list[Text]:
    out = []
    for text in paragraphs:
        if speaker.chance(share):
            said = ended(capitalized(noise_clause(speaker, facts)), ".")
            text = join([text, said] if speaker.chance(0.5) else [said, text], " ")
        out.append(text)
    return out


def _body(speaker: Speaker, facts: Facts, sections: list[Section], *, casual: bool = False, share: float = 0.22) -> Text:
    told = [paragraph(speaker, s, casual=casual) for s in shuffled(speaker, sections)]
    told = _with_noise(speaker, facts, [t for t in told if t], share)
    gap = speaker.rng.choice(("\n\n", "\n\n", " ", "\n"))
    if gap != " ":
        return join(_merged(speaker, told), gap)
    return join(told, gap)


def _merged(speaker: Speaker, paragraphs: list[Text]) -> list[Text]:
    """Put neighbouring short paragraphs together."""
    out: list[Text] = []
    for text in paragraphs:
        if out and speaker.chance(0.45):
            out[-1] = join([out[-1], text], " ")
        else:
            out.append(text)
    return out


def signed(speaker: Speaker, facts: Facts) -> tuple[Text, bool]:
    """A signature that names the owner; (text, whether it also gives the address)."""
    slots = {"owner": stated(facts["owner"], "owner"), "agent": stated(facts["agent"], "agent")}
    if facts["email"] is not None:
        slots["email"] = stated(facts["email"], "email")
    text = speaker.say("signature", have=slots, need=("owner", "email") if "email" in slots and speaker.chance(0.7) else ("owner",))
    return text, "email" in spans(text)


def letter(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """E-mail or letter: greeting, body, closing; the owner often only in the signature."""
    signature, sections = _signing(speaker, facts, sections)
    name = literal(values.noun(speaker.rng, speaker.book, "recipient"))
    hello = capitalized(speaker.say("greeting", have={"recipient": name})) if speaker.chance(0.8) else []
    bye = ended(capitalized(speaker.say("closing")), ".") if speaker.chance(0.6) else []
    return join([ended(hello, ","), _body(speaker, facts, sections), bye, signature], "\n\n")


def _signing(speaker: Speaker, facts: Facts, sections: list[Section]) -> tuple[Text, list[Section]]:
    """A signature, and the sections less what it says; now and then none, and the sections as they are."""
    signature: Text = []
    if "owner" in facts and speaker.chance(0.6):
        signature, gives_address = signed(speaker, facts)
        slots = {"agent": stated(facts["agent"], "agent"), "period": speaker.period()}
        block = [speaker.say("agent_period", have=slots, need=("agent", "period"))]
        if facts["email"] is not None and not gives_address:
            block.append(speaker.say("email", have={"email": stated(facts["email"], "email")}, need=("email",)))
        sections = [Section("identity", [block]), *(s for s in sections if s.name != "identity")]
    return signature, sections


def complaint(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """A message by somebody who is fed up: the facts, with grumbling between them."""
    signature, sections = _signing(speaker, facts, sections)
    name = literal(values.noun(speaker.rng, speaker.book, "recipient"))
    hello = capitalized(speaker.say("greeting", have={"recipient": name})) if speaker.chance(0.4) else []
    told = [paragraph(speaker, section, casual=speaker.chance(0.3)) for section in shuffled(speaker, sections)]
    for _ in range(speaker.rng.choice((1, 1, 2, 3))):
        told.insert(speaker.rng.randrange(min(1, len(told)), len(told) + 1), speaker.say("complaint_aside"))
    opening, bye = speaker.say("complaint_opening"), speaker.say("complaint_closing") if speaker.chance(0.7) else []
    gap = speaker.rng.choice(("\n\n", " ", "\n"))
    return join([ended(hello, ","), join([opening, *_merged(speaker, told), bye], gap), signature], "\n\n")


def chat(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """A hurried message: one run of text, few capitals, an emoji."""
    name = literal(values.noun(speaker.rng, speaker.book, "recipient"))
    hello = speaker.say("greeting", have={"recipient": name}) if speaker.chance(0.5) else []
    told = [paragraph(speaker, s, casual=True) for s in shuffled(speaker, sections)]
    told = _with_noise(speaker, facts, told, 0.15)
    if speaker.chance(0.5):
        told.insert(speaker.rng.randrange(len(told) + 1), literal(speaker.rng.choice(_EMOJI)))
    bye = speaker.say("closing") if speaker.chance(0.4) else []
    return join([hello, *told, bye], speaker.rng.choice((" ", " ", "\n")))


def handover(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """Plain prose with transitions between the parts."""
    told = []
    for section in shuffled(speaker, sections):
        text = paragraph(speaker, section)
        if section.name != "identity" and speaker.chance(0.2):
            text = [*capitalized(speaker.say("transition")), *literal(speaker.rng.choice((": ", ", "))), *text]
        told.append(text)
    bye = ended(capitalized(speaker.say("closing")), ".") if speaker.chance(0.4) else []
    return join([*_merged(speaker, _with_noise(speaker, facts, told, 0.25)), bye], speaker.rng.choice(("\n\n", "\n", " ")))


def short(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """One line: facts joined by slashes, dashes or semicolons."""
    clauses = [clause for s in shuffled(speaker, sections) for block in s.blocks for clause in block]
    return join(clauses, speaker.rng.choice((" / ", "; ", ", ", " - ", ". ", " | ")))


def transcript(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """Somebody talking: no punctuation, no capitals but in names, hesitations."""
    parts: list[Text] = []
    for section in shuffled(speaker, sections):
        for clause in [section.intro, *(c for block in section.blocks for c in block)]:
            if speaker.chance(0.25):
                parts.append(speaker.say("filler"))
            parts.append(clause)
        if speaker.chance(0.12):
            parts.append(noise_clause(speaker, facts))
    if speaker.chance(0.5):
        parts.append(speaker.say("closing"))
    return mapped(join([p for p in parts if p], " "), lambda words, path: words if is_copied(path) else _unpunctuated(words))


def _unpunctuated(words: str) -> str:
    kept = "".join(" " if c in "\n\t—–" else c for c in words if c not in ".,;:!?¡¿()\"…|/«»")
    while "  " in kept:
        kept = kept.replace("  ", " ")
    return kept.lower() if kept.strip() != "I" else kept


# --- lists and forms -------------------------------------------------------------------------------------------------


def _heading(speaker: Speaker, section: Section) -> str:
    if section.title:
        return section.title
    return speaker.book.word(speaker.rng, "heading", section.name)


def _item_lines(speaker: Speaker, section: Section, facts: Facts) -> list[Text]:
    is_told = bool(facts.get(section.name)) and section.is_list
    if is_told and speaker.chance(0.55):
        return bullet_fields(speaker, section, facts)
    return [join(block, speaker.rng.choice((". ", "; ", ", "))) for block in section.blocks]


def bullets(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """Terse bullets, lists as sub-bullets under their heading."""
    mark, sub = speaker.rng.choice((("- ", "  - "), ("* ", "   * "), ("• ", "   – "), ("– ", "  · "), ("· ", "  - "), ("- ", "\t- "), ("> ", "  > ")))
    lines: list[Text] = []
    for section in shuffled(speaker, sections):
        if section.is_list and section.blocks and speaker.chance(0.75):
            lines.append([*literal(mark + _heading(speaker, section) + speaker.rng.choice(("", ":")))])
            lines.extend([*literal(sub), *line] for line in _item_lines(speaker, section, facts))
        elif section.name == "identity" and "agent" in facts and speaker.chance(0.5):
            lines.extend([*literal(mark + label(speaker, kind) + ": "), *words] for kind, words in _identity_lines(speaker, facts))
        else:
            rows = [clause for block in section.blocks for clause in block]
            lines.extend([*literal(mark), *line] for line in rows)
    return join(lines, "\n")


def _identity_lines(speaker: Speaker, facts: Facts) -> list[tuple[str, Text]]:
    fields = [("agent", stated(facts["agent"], "agent")), ("owner", stated(facts["owner"], "owner")), ("period", speaker.period())]
    if facts["email"] is not None:
        fields.insert(2, ("email", stated(facts["email"], "email")))
    return fields


def memo(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """A formal memo: head, numbered or titled parts."""
    slots = {"agent": stated(facts["agent"], "agent"), "owner": stated(facts["owner"], "owner"), "period": speaker.period()}
    head = speaker.say("memo_header", have=slots, need=("agent", "owner", "period"))
    if facts["email"] is not None:
        head = join([head, ended(capitalized(speaker.say("email", have={"email": stated(facts["email"], "email")}, need=("email",))), ".")], "\n")
    style = speaker.rng.choice(("{}. ", "{}) ", "§{} ", "## ", "", ""))
    parts: list[Text] = [head]
    rest = [s for s in sections if s.name != "identity"]
    if speaker.chance(0.4):
        speaker.rng.shuffle(rest)
    for i, section in enumerate(rest):
        title = style.format(i + 1) + _heading(speaker, section)
        joint = "\n" if style == "## " else speaker.rng.choice((". ", ": ", "\n"))
        told = _with_noise(speaker, facts, [paragraph(speaker, section)], 0.12)[0]
        parts.append([*literal(title + joint), *told])
    return join(parts, speaker.rng.choice(("\n\n", "\n")))


def key_values(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """A paste of ``key: value`` lines."""
    order = [s.name for s in shuffled(speaker, [Section(n, []) for n in ORDER])]
    extra = [_line(speaker, s) for s in sections if s.name == "other"]
    return join([*paste(speaker, facts, order), *extra], speaker.rng.choice(("\n", "\n", "\n", "; ", " | ")))


def tables(speaker: Speaker, facts: Facts, sections: list[Section]) -> Text:
    """Prose or fields for the scalars, a pasted table for at least one list."""
    parts: list[Text] = []
    for section in shuffled(speaker, sections):
        if section.is_list and facts.get(section.name) and speaker.chance(0.8):
            title = literal(_heading(speaker, section)) if speaker.chance(0.7) else []
            parts.append(join([title, *table(speaker, section.name, facts)], "\n"))
        else:
            parts.append(paragraph(speaker, section))
    return join(parts, speaker.rng.choice(("\n\n", "\n")))


def _line(speaker: Speaker, section: Section) -> Text:
    return join([clause for block in section.blocks for clause in block], "\n")


REGISTERS: dict[str, tuple[Register, int]] = {
    "letter": (letter, 22), "chat": (chat, 14), "handover": (handover, 16), "short": (short, 7), "transcript": (transcript, 10),
    "bullets": (bullets, 12), "memo": (memo, 10), "key_values": (key_values, 7), "tables": (tables, 5), "complaint": (complaint, 0),
}  # fmt: skip
"""Each with its weight; what a register may turn into has none of its own."""
MESSAGES = ("letter", "chat", "handover", "complaint")
TERSE = ("bullets", "key_values", "tables", "short")
