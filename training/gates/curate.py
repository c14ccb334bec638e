"""The curation gate: which pairs may be learned from.

Owns the gates, all of one signature ``(Pair, AdmittedSchema) -> reasons against it``, and the verdict on a run of pairs. The two validators share no
engine, so a mistake of one does not reach the data. Knows nothing of files and of how pairs are made. Run it with

    escribano-train curate --input runs/pairs/raw.jsonl --output runs/pairs/train.jsonl --card runs/pairs/card.md
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from datasketch import MinHash, MinHashLSH

from schemas.admission import AdmittedSchema, SchemaRefused, admit
from schemas.canonical import JsonInvalid, canonical_json, digest, in_schema_order, parse_json
from schemas.catalog import Catalog, SchemaUnknown
from schemas.grounding import Kinds, KindUnknown, leaves
from schemas.nodes import Schema
from schemas.validation import Judge, ReportValidator, SecondJudge
from training.gates.founding import can_be_read, founded_on_text, is_date
from training.gates.pairs_file import content_hash
from training.notes.synthesize import Pair

Gate = Callable[[Pair, AdmittedSchema], Iterator[str]]
LEAK_WORDS = 8
"""A run of this many equal words of an evaluation note in a training note is a leak."""

RUN_WORDS, ALIKE = 5, 0.9
"""Two texts are nearly the same when they share this much of their runs of so many words."""

_MAX_JUDGES = 64
_WORD = re.compile(r"\w+")
_SLOT = re.compile(r"\{\w+\}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")


@dataclass(frozen=True)
class Refusal:
    """A pair that was refused: by which gate, and its first reason."""

    pair_id: str
    gate: str
    why: str
    pair: Pair | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Curated:
    """What a run of pairs comes to; both in the order in which the pairs came."""

    kept: tuple[Pair, ...]
    refused: tuple[Refusal, ...]

    @property
    def content_hash(self) -> str:
        return content_hash(self.kept)

    @property
    def refused_by_gate(self) -> dict[str, int]:
        return dict(sorted(Counter(r.gate for r in self.refused).items()))


# --- gates -----------------------------------------------------------------------------------------------------------


def canonical(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """The report is the one canonical text of its value, keys in schema order."""
    try:
        value = parse_json(pair.report)
    except JsonInvalid as error:
        yield error.reason
        return
    if canonical_json(value) != pair.report:
        yield f"not canonical: {_first_difference(pair.report, canonical_json(value))}"
    elif canonical_json(in_schema_order(value, schema.schema)) != pair.report:
        yield "keys are not in schema order"


def judged_by(judge_of: Callable[[Schema], Judge]) -> Gate:
    """A gate that holds reports to a judge; the last judges made are kept, by the digest of their schema."""
    judges: dict[str, Judge] = {}

    def gate(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
        if schema.digest not in judges:
            if len(judges) == _MAX_JUDGES:
                judges.pop(next(iter(judges)))
            judges[schema.digest] = judge_of(schema.schema)
        yield from map(str, judges[schema.digest].check(pair.report).violations)

    return gate


def verbatim(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """Every text leaf of kind ``extract`` stands in the supplied text, letter by letter."""
    kinds = Kinds(schema.schema)
    for path, value in _texts(pair):
        if kinds.at(path) == "extract" and value not in pair.text:
            yield f"{path}: {value!r} is not in the text"


def named(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """Every e-mail address and hyphened identifier, whatever its leaf's kind, stands in the supplied text."""
    kinds = Kinds(schema.schema)
    for path, value in _texts(pair):
        is_name = _EMAIL.fullmatch(value) or (
            _IDENTIFIER.fullmatch(value) and kinds.at(path) != "classify"
        )
        if is_name and value not in pair.text:
            yield f"{path}: the identifier {value!r} is not in the text"


def readable(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """Every number and date that must come from the text can be read in it, in some form that people write them in."""
    for path, value in founded_on_text(parse_json(pair.report), schema.schema):
        if not (isinstance(value, str) and not is_date(value)) and not can_be_read(value, pair.sources):
            yield f"{path}: {value!r} cannot be read in the text"


def telling(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """The text tells its values apart from others: the first value of each kind, changed, is refused by the gates above."""
    kinds: set[str] = set()
    for path, value in founded_on_text(parse_json(pair.report), schema.schema):
        kind = "number" if not isinstance(value, str) else "date" if is_date(value) else "text"
        if kind not in kinds and can_be_read(changed(value), pair.sources):
            yield f"{path}: {changed(value)!r} could be read in the text as well as {value!r}"
        kinds.add(kind)


def changed(value: str | int | float) -> str | int | float:
    """Another value of the same kind: a number nobody writes, a day of another month and year, a text that says nothing."""
    if not isinstance(value, str):
        return 9_000_000_000_017 + round(value)
    if not is_date(value):
        return f"{value[::-1]} {value}"
    return f"{int(value[:4]) - 3:04d}-{(int(value[5:7]) + 4) % 12 + 1:02d}-{23 if value[8:10] != '23' else 22}"


def filled(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """No wording's slot was left open, and there is something to read."""
    if slot := _SLOT.search(pair.text):
        yield f"the slot {slot[0]} was never filled"
    if not pair.question.strip():
        yield "the question is empty"


def marked(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
    """The marks, where there are any, stand in the note and in its order: a note that was edited has none, or new ones."""
    end = 0
    for mark in pair.marks:
        if not end <= mark.start < mark.end <= len(pair.note):
            yield f"the mark {mark.kind!r} from {mark.start} to {mark.end} does not fit a note of {len(pair.note)} characters, or begins before {end}; leave out the marks of edited notes"
        end = mark.end


GATES: dict[str, Gate] = {
    "canonical": canonical, "valid": judged_by(ReportValidator), "valid_again": judged_by(SecondJudge), "verbatim": verbatim, "named": named,
    "readable": readable, "telling": telling, "filled": filled, "marked": marked,
}  # fmt: skip


def unseen() -> Gate:
    """A gate that lets the first of several equal pairs through: same texts, schema and report, whatever the ids."""
    seen: set[str] = set()

    def duplicate(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
        context = [[item.id, item.text] for item in pair.context]
        key = digest([pair.question, context, schema.digest, pair.report])
        if key in seen:
            yield "an equal pair came before"
        seen.add(key)

    return duplicate


def unlike(threshold: float = ALIKE, num_perm: int = 64) -> Gate:
    """A gate that refuses a pair whose text is nearly that of one before it under the same schema: the same runs of words but for a few (MinHash by datasketch)."""
    index = MinHashLSH(threshold=threshold, num_perm=num_perm)
    hashes: dict[str, MinHash] = {}

    def near_duplicate(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
        words = _WORD.findall(pair.text.casefold())
        runs = {" ".join(words[i : i + RUN_WORDS]) for i in range(max(1, len(words) - RUN_WORDS + 1))}
        mine = MinHash(num_perm=num_perm)
        mine.update_batch([f"{schema.digest} {run}".encode() for run in runs])
        alike = next((other for other in index.query(mine) if mine.jaccard(hashes[str(other)]) >= threshold), None)
        if alike is not None:
            yield f"nearly the text of the pair {str(alike).partition(' ')[2]!r}"
            return
        key = f"{len(hashes)} {pair.id}"
        hashes[key] = mine
        index.insert(key, mine, check_duplication=False)

    return near_duplicate


def not_leaking(notes: Iterable[str]) -> Gate:
    """A gate that refuses a pair with LEAK_WORDS words in a row of an evaluation note (case-folded)."""
    quotes = quoting(notes)

    def leak(pair: Pair, schema: AdmittedSchema) -> Iterator[str]:
        if found := quotes(pair.text):
            yield f"an evaluation note says the same {LEAK_WORDS} words: {found!r}"

    return leak


def quoting(notes: Iterable[str]) -> Callable[[str], str]:
    """A function that gives the first LEAK_WORDS words of a text that stand in one of the notes in a row (case-folded), or nothing."""
    known = {run for note in notes for run in _runs(note)}

    def quotes(text: str) -> str:
        return " ".join(next((run for run in _runs(text) if run in known), ())) if known else ""

    return quotes


# --- the verdict -----------------------------------------------------------------------------------------------------


def curate(pairs: Iterable[Pair], notes: Sequence[str] = (), catalog: Catalog | None = None) -> Curated:
    """Put every pair through every gate. ``notes``: texts kept for measuring, which no pair may quote."""
    resolve = resolver(catalog or Catalog.load())
    gates = {**GATES, "duplicate": unseen(), "near_duplicate": unlike()} | ({"leak": not_leaking(notes)} if notes else {})
    kept: list[Pair] = []
    refused: list[Refusal] = []
    for pair in pairs:
        refusal = judged(pair, resolve, gates)
        if refusal:
            refused.append(refusal)
        else:
            kept.append(pair)
    return Curated(tuple(kept), tuple(refused))


def judged(pair: Pair, resolve: Callable[[Pair], AdmittedSchema], gates: dict[str, Gate]) -> Refusal | None:
    """The first refusal of a pair, or None when every gate lets it through."""
    try:
        schema = resolve(pair)
        for name, gate in gates.items():
            for why in gate(pair, schema):
                return Refusal(pair.id, name, why, pair)
    except (SchemaRefused, SchemaUnknown, KindUnknown) as error:
        return Refusal(pair.id, "schema", str(error), pair)
    return None


def resolver(catalog: Catalog) -> Callable[[Pair], AdmittedSchema]:
    """From a pair to its admitted schema. What it returns raises SchemaRefused or SchemaUnknown."""

    def resolve(pair: Pair) -> AdmittedSchema:
        return catalog.get(pair.schema_id) if pair.schema_id is not None else admit(pair.schema)

    return resolve


# --- helpers ---------------------------------------------------------------------------------------------------------


def _texts(pair: Pair) -> Iterator[tuple[str, str]]:
    for path, value in leaves(parse_json(pair.report)):
        if isinstance(value, str):
            yield path, value


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    for i in range(len(words) - LEAK_WORDS + 1):
        yield tuple(words[i : i + LEAK_WORDS])


def _first_difference(found: str, expected: str) -> str:
    at = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(len(found), len(expected))
    )
    return f"at character {at} {found[at : at + 20]!r} stands for {expected[at : at + 20]!r}"
