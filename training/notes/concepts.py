"""Facts from all walks of life, for generated schemas: a base model must not know governance only.

Owns drawing a concept's value, its leaf schema with random labels, and its wording. A concept (phrasebook/concepts) is one kind of fact; some are
kept out of training so that unseen schemas can be measured.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from training.notes import forms, values
from training.notes.speaker import Speaker
from training.notes.text import Text, literal, meaning, stated, template
from training.phrasebook import concepts as library

Concept = dict[str, Any]
Schema = dict[str, Any]


@dataclass(frozen=True)
class ConceptFact:
    """A drawn concept: its place, value (None: the note doesn't tell), and what a schema may ask of it.

    ``money`` values are (amount, currency); ``enum`` values are member indexes.
    """

    concept: Concept
    path: str
    value: Any

    @property
    def kind(self) -> str:
        return str(self.concept["type"])

    @property
    def is_text(self) -> bool:
        return self.kind in ("text", "person", "company", "city", "email")


@cache
def usable(split: str) -> tuple[Concept, ...]:
    """The concepts of a split; about one in six is kept for measuring."""
    return tuple(c for c in library() if values.in_heldout_pool(c["concept"]) == (split == "heldout"))


def draw(speaker: Speaker, path: str, told: float = 0.85) -> ConceptFact:
    """A random concept with a value, or without one where the note doesn't tell."""
    return draw_as(speaker, speaker.rng.choice(usable(speaker.book.split)), path, told)


def draw_as(speaker: Speaker, concept: Concept, path: str, told: float) -> ConceptFact:
    value = _VALUES[concept["type"]](speaker, concept) if speaker.chance(told) else None
    return ConceptFact(concept, path, value)


def _text(speaker: Speaker, concept: Concept) -> str:
    if speaker.chance(0.12):
        return values.made_up_phrase(speaker.rng, speaker.book)
    return str(speaker.rng.choice(concept["values"][speaker.lang]))


def _person(speaker: Speaker, concept: Concept) -> str:
    return values.person(speaker.rng, speaker.book)


def _company(speaker: Speaker, concept: Concept) -> str:
    if speaker.chance(0.3):
        return " ".join(values.made_up_word(speaker.rng).capitalize() for _ in range(speaker.rng.choice((1, 2))))
    return speaker.rng.choice(values.company_pool(speaker.lang, speaker.book.split))


def _city(speaker: Speaker, concept: Concept) -> str:
    return speaker.rng.choice(values.place_pool(speaker.lang, speaker.book.split))


def _email(speaker: Speaker, concept: Concept) -> str:
    return values.email(speaker.rng, values.full_name(speaker.rng, speaker.lang, speaker.book.split), speaker.book)


def _date(speaker: Speaker, concept: Concept) -> dt.date:
    return values.day_between(speaker.rng, speaker.start - dt.timedelta(days=40), speaker.end + dt.timedelta(days=120))


_VALUES: dict[str, Callable[[Speaker, Concept], Any]] = {
    "enum": lambda s, c: s.rng.randrange(len(c["members"])),
    "boolean": lambda s, c: s.rng.random() < 0.5,
    "money": lambda s, c: (values.amount(s.rng), s.rng.choice(forms.CURRENCIES)),
    "integer": lambda s, c: values.count(s.rng, s.rng.choice((60, 2_000, 90_000))),
    "quantity": lambda s, c: values.count(s.rng, s.rng.choice((60, 2_000))),
    "percent": lambda s, c: s.rng.randrange(0, 101),
    "date": _date, "text": _text, "person": _person, "company": _company, "city": _city, "email": _email,
}  # fmt: skip


def value_words(speaker: Speaker, fact: ConceptFact) -> Text:
    """The value in words; annotated with the fact's place."""
    if fact.kind == "date":
        return speaker.date(fact.value, fact.path)
    if fact.kind == "money":
        amount, currency = fact.value
        return speaker.money(amount, currency, fact.path)
    if fact.kind == "percent":
        return speaker.percent(fact.value, fact.path)
    if fact.kind in ("integer", "quantity"):
        unit = fact.concept.get("unit", {}).get(speaker.lang) if fact.kind == "quantity" else None
        return [*speaker.number(fact.value, fact.path), *literal(f" {unit}" if unit else "")]
    return stated(fact.value, fact.path)


def clause(speaker: Speaker, fact: ConceptFact) -> Text:
    """One clause that tells the fact (or, now and then, that it is unknown)."""
    concept, lang = fact.concept, speaker.lang
    if fact.value is None:
        unknown = concept.get("unknown", {}).get(lang)
        return literal(speaker.rng.choice(unknown)) if unknown and speaker.chance(0.35) else []
    if fact.kind == "enum":
        return meaning(literal(speaker.rng.choice(concept["members"][fact.value][lang])), fact.path)
    if fact.kind == "boolean":
        return meaning(literal(speaker.rng.choice(concept["true" if fact.value else "false"][lang])), fact.path)
    if speaker.chance(0.15):
        return [*literal(concept["title"][lang] + ": "), *value_words(speaker, fact)]
    return template(speaker.rng.choice(concept[lang])).fill({"v": value_words(speaker, fact)})


def field_words(speaker: Speaker, fact: ConceptFact) -> Text:
    """``label: value`` words for a list or a paste."""
    lang = speaker.lang
    if fact.value is None:
        return literal(f"{fact.concept['title'][lang]}: {speaker.book.word(speaker.rng, 'none')}") if speaker.chance(0.2) else []
    if fact.kind == "enum":
        labels = fact.concept["members"][fact.value]["labels"]
        words = labels[0].replace("_", " ") if speaker.chance(0.3) else speaker.rng.choice(fact.concept["members"][fact.value][lang])
        return [*literal(f"{fact.concept['title'][lang]}: "), *meaning(literal(words), fact.path)]
    if fact.kind == "boolean":
        word = speaker.book.word(speaker.rng, "yes" if fact.value else "no")
        return [*literal(f"{fact.concept['title'][lang]}: "), *meaning(literal(word), fact.path)]
    if speaker.chance(0.3):
        name = speaker.rng.choice(fact.concept["names"]).replace("_", " ")
        return [*literal(f"{name}: "), *value_words(speaker, fact)]
    return [*literal(f"{fact.concept['title'][lang]}: "), *value_words(speaker, fact)]


# --- what a schema asks ----------------------------------------------------------------------------------------------


def column(rng: random.Random, facts: list[ConceptFact], said: dict[str, str], unspecified: list[str]) -> tuple[Schema, list[Any]]:
    """(schema, values) of one concept over the rows that state it; not told is null or an "unspecified" member."""
    missing = any(fact.value is None for fact in facts)
    if facts[0].kind == "enum":
        return _enum_column(rng, facts, unspecified, missing)
    schema = _leaf_schema(rng, facts[0])
    found = [_leaf_value(fact, said, schema) for fact in facts]
    if missing or rng.random() < 0.35:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return schema, found


def _enum_column(rng: random.Random, facts: list[ConceptFact], unspecified: list[str], missing: bool) -> tuple[Schema, list[Any]]:
    members = facts[0].concept["members"]
    labels = [rng.choice(m["labels"]) for m in members]
    if len(set(labels)) < len(labels):
        labels = [m["labels"][0] for m in members]
    order = rng.sample(labels, len(labels)) if rng.random() < 0.5 else list(labels)
    told = [None if fact.value is None else labels[fact.value] for fact in facts]
    meant = {"$comment": "=" + "|".join(str(labels.index(label)) for label in order)}
    if not missing and rng.random() < 0.75:
        return {"enum": order, **meant}, told
    if rng.random() < 0.5:
        return {"anyOf": [{"enum": order, **meant}, {"type": "null"}]}, told
    extra = rng.choice([u for u in unspecified if u not in order])
    return {"enum": [*order, extra], **meant}, [value or extra for value in told]


def _leaf_schema(rng: random.Random, fact: ConceptFact) -> Schema:
    if fact.kind == "money":
        amount: Schema = {"type": "number", "minimum": 0}
        if rng.random() < 0.3:
            return amount
        members = {"amount": amount, "currency": {"enum": list(forms.CURRENCIES)}}
        return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    simple: dict[str, Schema] = {
        "boolean": {"type": "boolean"}, "integer": {"type": "integer"}, "quantity": {"type": "number"}, "date": {"type": "string", "format": "date"},
        "percent": {"type": "integer", "minimum": 0, "maximum": 100}, "email": {"type": "string", "format": "email"},
    }  # fmt: skip
    return simple.get(fact.kind, {"type": "string", "minLength": 1})


def _leaf_value(fact: ConceptFact, said: dict[str, str], schema: Schema) -> Any:
    if fact.value is None:
        return None
    if fact.is_text:
        return said[fact.path]
    if fact.kind == "date":
        return fact.value.isoformat()
    if fact.kind == "money":
        amount, currency = fact.value
        number = values.as_json_number(amount)
        return number if schema["type"] == "number" else {"amount": number, "currency": currency}
    return fact.value
