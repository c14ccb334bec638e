"""From a schema to the schema that the mask engine gets.

Owns the unfolding of a schema into alternatives of one type each, in which nothing is left that llguidance 1.9.1
refuses, ignores or reads otherwise. The result holds every instance of the schema (and its canonical text, keys in
schema order); what it holds beyond that is due to the keywords listed as checked. Knows no llguidance: it imports
nothing of it. How llguidance was seen to treat each keyword is in docs/keywords.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.masking.forms import Form
from schemas.masking.rewrite import Branch, Node, equality_key
from schemas.masking.unfolding import MaskTooLarge, Place, Unfolding, key_of
from schemas.nodes import Schema

MAX_VALUES_WRITTEN = 100_000
"""The most values of enums and constants in a mask schema, each counted wherever it is used."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The schema for the mask engine (False: no finite instance exists), keywords only checked, and open places."""

    schema: Schema
    checked: tuple[str, ...]
    repeatable: tuple[str, ...]


def mask_of(schema: dict[str, Any]) -> Mask:
    """The mask of an admitted schema.

    Raises:
        MaskTooLarge: it unfolds into more than MAX_PLACES places.
    """
    unfolding = Unfolding(schema)
    start = (Node("", unfolding.root),)
    unfolding.explore(start)
    return Mask(_Emission(unfolding, start).schema(), tuple(unfolding.checked), tuple(unfolding.repeatable))


class _Emission:
    """The places written as one schema; places used more than once become $defs."""

    def __init__(self, unfolding: Unfolding, start: Branch) -> None:
        self.places = unfolding.places
        self.start = key_of(start)
        self.alive = _alive(unfolding.places)
        shared = [key for key, count in unfolding.uses.items() if count > 1 and self.is_nested(key)]
        self.names = {key: f"d{i}" for i, key in enumerate(shared)}
        written = sum(unfolding.uses[key] * len(place.values) for key, place in unfolding.places.items() if place.values is not None)
        if written > MAX_VALUES_WRITTEN:
            raise MaskTooLarge(f"enums and constants are used so often that {written} values would be written")

    def is_nested(self, key: tuple[str, ...]) -> bool:
        return any(form.type in ("array", "object") for form in self.places[key].forms)

    def schema(self) -> Schema:
        if self.start not in self.alive:
            return False
        body = self.reference(self.start)
        live = {name: self.body(key) for key, name in self.names.items() if key in self.alive}
        return body | ({"$defs": live} if live else {})

    def reference(self, key: tuple[str, ...]) -> Schema:
        if key not in self.alive:
            return False
        return {"$ref": f"#/$defs/{self.names[key]}"} if key in self.names else self.body(key)

    def body(self, key: tuple[str, ...]) -> dict[str, Any]:
        place = self.places[key]
        if place.values is not None:
            return {"enum": list(place.values), **place.notes}
        written = list(_listed([form for form in place.forms if form.type == "listed"]))
        written += [schema for form in place.forms if form.type != "listed" and self.lives(form)
                    for schema in self.form(form)]
        return written[0] if len(written) == 1 else {"anyOf": written}

    def lives(self, form: Form) -> bool:
        return all(key_of(branch) in self.alive for branch in form.needed())

    def form(self, form: Form) -> Iterator[dict[str, Any]]:
        if form.type == "number" and not form.plain:  # the mask engine reads exponents in an unbounded number
            yield {"type": "number", "minimum": 0, **form.notes}
            yield {"type": "number", "exclusiveMaximum": 0, **form.notes}
        elif form.type == "object":
            yield self.object(form)
        elif form.type == "array":
            yield self.array(form)
        else:
            yield {"type": form.type, **form.plain, **_patterned(form.patterns), **form.notes}

    def array(self, form: Form) -> dict[str, Any]:
        prefix = [self.reference(key_of(branch)) for branch in form.prefix]
        assert form.items is not None
        return {"type": "array", **form.plain, **({"prefixItems": prefix} if prefix else {}),
                "items": self.reference(key_of(form.items))}

    def object(self, form: Form) -> dict[str, Any]:
        assert form.additional is not None
        named = {name: self.reference(key_of(branch)) for name, branch in form.properties.items()}
        matched = {text: self.reference(key_of(branch)) for text, branch in form.pattern_properties.items()}
        return {"type": "object", **form.plain, "properties": named,
                **({"patternProperties": matched} if matched else {}), "required": list(form.required),
                "additionalProperties": self.reference(key_of(form.additional))}


def _listed(forms: Sequence[Form]) -> Iterator[dict[str, Any]]:
    """The values of several forms as one enum, each once."""
    values = {equality_key(value): value for form in forms for value in form.plain["enum"]}
    if values:
        yield {"enum": list(values.values()), **forms[0].notes}


def _patterned(patterns: tuple[str, ...]) -> dict[str, Any]:
    if len(patterns) < 2:
        return {"pattern": patterns[0]} if patterns else {}
    return {"pattern": patterns[0], "allOf": [{"type": "string", "pattern": pattern} for pattern in patterns[1:]]}


def _alive(places: dict[tuple[str, ...], Place]) -> set[tuple[str, ...]]:
    """The places that some finite value satisfies. Each is looked at again when one that it needs turns out to be."""
    alive: set[tuple[str, ...]] = set()
    users: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for key, place in places.items():
        for needed in dict.fromkeys(key_of(branch) for form in place.forms for branch in form.needed()):
            users.setdefault(needed, []).append(key)
    waiting = list(places)
    while waiting:
        key = waiting.pop()  # a place is found before those inside it, so nearly all are told in one go
        if key not in alive and _lives(places[key], alive):
            alive.add(key)
            waiting.extend(users.get(key, ()))
    return alive


def _lives(place: Place, alive: set[tuple[str, ...]]) -> bool:
    if place.values is not None:
        return bool(place.values)
    return any(all(key_of(branch) in alive for branch in form.needed()) for form in place.forms)
