"""A schema as fields that a note can tell: what each leaf holds, what people call it, and whether it may be left unsaid.

Owns the reading of a schema (types, formats, titles, enum members, the shape of money and of periods) and the refusal of shapes that no note can be drawn for.
Knows no wording and no value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from schemas.nodes import dereferenced
from schemas.violation import pointer
from training.notes.forms import CURRENCIES
from training.notes.text import AS_WRITTEN

Kind = Literal["text", "person", "company", "city", "agent", "email", "code", "enum", "boolean", "integer", "number", "percent", "money", "date", "date_time",
               "period", "object", "list"]  # fmt: skip

EXACT: tuple[Kind, ...] = cast("tuple[Kind, ...]", AS_WRITTEN)
"""Kinds whose letters are never touched: no capital at the beginning of a sentence, no typing mistake."""
NAMED: tuple[Kind, ...] = ("text", "person", "company", "city", "agent", "email", "code")
"""Kinds that stand in a report as they stand in the note."""

_AGENT_ID = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
_ENDS = (("start", "end"), ("from", "to"), ("first_day", "last_day"), ("inicio", "fin"), ("desde", "hasta"))
_PEOPLE = re.compile(
    r"\b(person|owner|author|approve[rd]|assigne[ed]|review(er|ed)|audit(or|ora)|analyst|manager|responsible|contact|candidate|applicant|reported|decided|requested|handled|led by|nombre completo|"
    r"\w+ed by|full name|patient name|who|persona|responsable|autora?|aprobador|revisora?|analista|gerente|contacto|candidat[oa]|solicitante|firmado|quien)\b"
)
_COMPANIES = re.compile(r"\b(company|organi[sz]ation|employer|vendor|provider|supplier|firm|laboratory|institution|empresa|organización|proveedor|laboratorio|institución)\b")
_CITIES = re.compile(r"\b(city|town|place|location|site|ciudad|lugar|sede)\b")
_SAID_NOTHING = frozenset(("unspecified", "unknown", "not_stated", "not_given", "none_given", "n_a", "na", "unclear", "no_consta", "desconocido", "sin_especificar"))
_UNITS = frozenset((
    "ml", "cl", "l", "kg", "g", "mg", "t", "mm", "cm", "m", "km", "m²", "m2", "°c", "°f", "h", "min", "s", "ms", "gb", "mb", "kwh", "hours per week", "hours", "minutes", "seconds",
    "milliseconds", "days", "weeks", "months", "years", "horas", "minutos", "segundos", "días", "semanas", "meses", "años", "%", "percent",
))  # fmt: skip
_UNIT = re.compile(r"\s*\(([^()]{1,16})\)$|\s+(?:in|en) (percent|(?:milli)?seconds|minutes|hours|days|weeks|months|years|milisegundos|segundos|minutos|horas|días|semanas|meses|años)$")
_WORDS = re.compile(r"[^\W\d_]+")


class SchemaUnfit(ValueError):
    """A schema that no notes can be drawn for; `pointer` says where in the report."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where or '/'}: {why}")
        self.pointer, self.why = where, why


@dataclass(frozen=True)
class Field:
    """A place of the report. ``members``: the properties of an object, the one item of a list; ``unit`` stands behind a number.

    ``schema`` is the node without its "or null"; ``title`` is lower case unless it is an acronym.
    """

    pointer: str
    name: str
    kind: Kind
    title: str
    schema: dict[str, Any] = field(repr=False)
    nullable: bool = False
    required: bool = True
    unit: str = ""
    members: tuple[Field, ...] = ()

    @property
    def may_be_unsaid(self) -> bool:
        """Whether a note may leave it out: it is null then, absent, or the member that means so."""
        return self.nullable or not self.required or self.unsaid_member is not None

    @property
    def unsaid_member(self) -> str | None:
        """The enum member that means that the note does not say."""
        return next((m for m in self.choices if m.casefold().replace("-", "_").replace(" ", "_") in _SAID_NOTHING), None)

    @property
    def choices(self) -> tuple[str, ...]:
        """The members of an enum."""
        return tuple(self.schema["enum"]) if self.kind == "enum" else ()

    @property
    def item(self) -> Field:
        """What a list is a list of."""
        return self.members[0]

    @property
    def ends(self) -> tuple[str, str]:
        """The names of a period's first and last day."""
        return cast(tuple[str, str], tuple(self.schema["properties"]))

    @property
    def lead(self) -> Field | None:
        """What an item of a list is told by: its first text."""
        return next((m for m in self.members if m.kind in NAMED and not m.may_be_unsaid), None)

    def walk(self) -> Iterator[Field]:
        """The field and all below it, in the order of the schema."""
        yield self
        for member in self.members:
            yield from member.walk()


def read_fields(schema: dict[str, Any], kinds: dict[str, Kind] | None = None) -> Field:
    """The root of an admitted schema; ``kinds`` names, by pointer, what a text is where its name does not tell.

    Raises: SchemaUnfit for a shape that no note can be drawn for.
    """
    root = _qualified(_Reader(schema, kinds or {}).field(schema, (), "", required=True))
    if root.kind != "object":
        raise SchemaUnfit("", "the root is no object with properties")
    return root


@dataclass(frozen=True)
class _Reader:
    root: dict[str, Any]
    kinds: dict[str, Kind]

    def field(self, node: Any, path: tuple[str, ...], name: str, *, required: bool, of_list: str = "") -> Field:
        where = pointer(path)
        if len(path) > 12:
            raise SchemaUnfit(where, "the schema goes deeper than notes do; does it refer to itself?")
        inner, nullable = self._without_null(dereferenced(self.root, node), where)
        own = node.get("title") or (None if "$ref" in node else inner.get("title"))  # what several places refer to names none of them
        title = _lowered(str(own or name.replace("_", " ") or of_list or inner.get("title", "")))
        kind = self._kind(inner, where, f"{name} {title}")
        title, unit = _unit(title) if kind in ("integer", "number", "percent") else (title, "")
        return Field(where, name, kind, title, inner, nullable, required, unit, self._members(kind, inner, path, title))

    def _without_null(self, node: Any, where: str) -> tuple[dict[str, Any], bool]:
        if isinstance(node, dict) and len(node.get("allOf", ())) == 1:
            node = {key: value for key, value in node.items() if key != "allOf"} | dereferenced(self.root, node["allOf"][0])
        if not isinstance(node, dict):
            raise SchemaUnfit(where, "says nothing of what may stand there")
        if any("properties" in sub for sub in node.get("allOf", ())):
            raise SchemaUnfit(where, "its properties stand in several branches of allOf; write them in one place")
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                found = [dereferenced(self.root, branch) for branch in node[keyword]]
                if not all(isinstance(branch, dict) for branch in found):
                    raise SchemaUnfit(where, f"{keyword} has a branch that says nothing")
                kept = [branch for branch in found if branch.get("type") != "null"]
                if keyword == "oneOf" and all("const" in branch for branch in kept):
                    return {"enum": [branch["const"] for branch in kept]}, len(kept) < len(found)
                if len(kept) != 1:
                    raise SchemaUnfit(where, f"{keyword} offers {len(kept)} shapes; notes are drawn for one (or null)")
                inner, also = self._without_null(kept[0], where)
                return inner, also or len(kept) < len(found)
        if "const" in node:
            return {"enum": [node["const"]]}, False
        if "enum" in node and None in node["enum"]:
            return node | {"enum": [member for member in node["enum"] if member is not None]}, True
        types = node.get("type")
        if isinstance(types, list):
            kept_types = [t for t in types if t != "null"]
            if len(kept_types) != 1:
                raise SchemaUnfit(where, f"may be of {len(kept_types)} types; notes are drawn for one (or null)")
            return node | {"type": kept_types[0]}, "null" in types
        return node, False

    def _kind(self, node: dict[str, Any], where: str, words: str) -> Kind:
        if where in self.kinds:
            return self.kinds[where]
        if "enum" in node:
            if not node["enum"] or not all(isinstance(member, str) for member in node["enum"]):
                raise SchemaUnfit(where, "enum members that are no texts" if node["enum"] else "an enum without members")
            return "enum"
        if "properties" in node:
            return _group(node)
        if "items" in node:
            return "list"
        match node.get("type"):
            case "string":
                return _text(node, words)
            case "boolean":
                return "boolean"
            case "integer" | "number" as kind:
                said = set(_WORDS.findall(words.casefold()))
                return "percent" if "%" in words or said & {"percent", "percentage", "porcentaje", "pct"} else kind
            case told:
                raise SchemaUnfit(where, f"notes cannot be drawn for {'a place without a type' if told is None else f'type {told!r} without properties or items'}")

    def _members(self, kind: Kind, node: dict[str, Any], path: tuple[str, ...], title: str) -> tuple[Field, ...]:
        if kind == "list":
            if not isinstance(node["items"], dict):
                raise SchemaUnfit(pointer(path), "items are not described")
            return (self.field(node["items"], (*path, "*"), "", required=True, of_list=title),)
        if kind != "object":
            return ()
        required = node.get("required", ())
        return tuple(self.field(sub, (*path, name), name, required=name in required) for name, sub in node["properties"].items())


def _group(node: dict[str, Any]) -> Kind:
    inner = node["properties"]
    if len(inner) == 2:
        enums = [set(sub["enum"]) for sub in inner.values() if isinstance(sub, dict) and all(isinstance(m, str) for m in sub.get("enum", [0]))]
        numbers = [sub for sub in inner.values() if isinstance(sub, dict) and sub.get("type") in ("number", "integer")]
        if len(enums) == len(numbers) == 1 and enums[0] <= set(CURRENCIES):
            return "money"
        if tuple(inner) in _ENDS and all(isinstance(sub, dict) and sub.get("format") == "date" for sub in inner.values()):
            return "period"
    return "object"


def _text(node: dict[str, Any], words: str) -> Kind:
    told: dict[str, Kind] = {"date": "date", "date-time": "date_time", "email": "email"}
    if node.get("format") in told:
        return told[node["format"]]
    if node.get("pattern") == _AGENT_ID:
        return "agent"
    if "pattern" in node or "format" in node:
        return "code"
    said = words.casefold().replace("_", " ")
    kinds: dict[Kind, re.Pattern[str]] = {"company": _COMPANIES, "city": _CITIES, "person": _PEOPLE}
    return next((kind for kind, known in kinds.items() if known.search(said)), "text")


def _lowered(title: str) -> str:
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _unit(title: str) -> tuple[str, str]:
    """A title without its unit, and the unit: "volume (ml)", "age in years"."""
    found = _UNIT.search(title)
    if not found:
        return title, ""
    unit = found[1] or found[2]
    if unit.casefold() not in _UNITS:
        return title, ""
    return title[: found.start()], "" if unit.casefold() in ("percent", "%") else unit


def _qualified(root: Field) -> Field:
    """The fields with the title of what they stand in before those titles that another field has too: "sender name", "recipient name"."""
    counts = Counter(f.title for f in root.walk())

    def of(parent: str, found: Field) -> Field:
        title = found.title if counts[found.title] == 1 or not parent or parent == found.title else f"{parent} {found.title}"
        return replace(found, title=title, members=tuple(of(found.title or parent, m) for m in found.members))

    return replace(root, members=tuple(of("", m) for m in root.members))

