"""Hypothesis strategies: JSON Schemas of the supported subset of 2020-12, values near a schema, and mutations.

`report_schemas()` draws schemas that `admit` accepts; `values_near(schema)` draws values of which many are valid;
`mutations(value)` draws values that differ from one in one place. Names, numbers and strings come from small pools so
that keywords meet.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from schemas.admission import AdmittedSchema, SchemaRefused, admit
from schemas.masking.rewrite import equality_key
from schemas.nodes import RefUnresolved, resolve

Schema = Any
Json = Any

NAMES = ("a", "b", "kind", "x1", 'q"é')
WORDS = (
    "",
    "a",
    "b",
    "ab",
    "ba",
    "a1",
    "b-a",
    "é",
    "\n",
    '"',
    "\\",
    "😀",
    "2026-02-28",
    "2024-02-29",
    "10:00:00Z",
    "a@b.co",
    "on",
    "off",
    "\x7f",
    "\x1e",
)
NUMBERS = (0, 1, -1, 2, 3, 5, 7, 10, 100, 0.5, -0.5, 1.5, 0.01, 0.25, 2.75, 19.99, -3.125, 1e-7, 123456789)
PATTERNS = (
    "^a",
    "b$",
    "^[ab]+$",
    "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    "^\\w*$",
    "^\\S+$",
    "^(?:on|off)$",
    "a|1",
    ".",
    "^.{2,3}$",
    '[\\-"]',
    "^[^a]*$",
    "(a)b?",
)
FORMATS = ("date", "date-time", "time", "email", "uuid", "ipv4", "hostname", "uri", "duration")


def scalars() -> st.SearchStrategy[Json]:
    return st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(WORDS))


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> Json:
    """Any small JSON value."""
    if depth == 0:
        return draw(scalars())
    inner = values(depth - 1)
    return draw(
        st.one_of(scalars(), st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3))
    )


def _some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def _ordered(low: str, high: str, bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Up to two bounds, the lower one not above the upper one."""
    return st.lists(bounds, max_size=2).flatmap(
        lambda pair: st.sampled_from(
            [
                {},
                {low: min(pair, default=0)},
                {high: max(pair, default=5)},
                {low: min(pair, default=0), high: max(pair, default=5)},
            ]
        )
    )


def strings() -> st.SearchStrategy[Schema]:
    return st.one_of(
        _ordered("minLength", "maxLength", st.integers(0, 3)),
        st.sampled_from(PATTERNS).map(lambda text: {"pattern": text}),
        st.sampled_from(FORMATS).map(lambda name: {"format": name}),
        st.tuples(st.sampled_from(PATTERNS), st.integers(1, 4)).map(
            lambda two: {"pattern": two[0], "maxLength": two[1]}
        ),
    ).map(lambda keywords: {"type": "string"} | keywords)


def numbers() -> st.SearchStrategy[Schema]:
    bounds = st.sampled_from(NUMBERS)
    return st.tuples(
        st.sampled_from(["integer", "number"]),
        st.one_of(
            _ordered("minimum", "maximum", bounds),
            _ordered("exclusiveMinimum", "maximum", bounds),
            _ordered("minimum", "exclusiveMaximum", bounds),
            st.sampled_from([1, 2, 5, 0.5, 0.01, 0.25, 1.5]).map(lambda step: {"multipleOf": step}),
        ),
    ).map(lambda two: {"type": two[0]} | two[1])


def leaves() -> st.SearchStrategy[Schema]:
    return st.one_of(
        strings(),
        numbers(),
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.lists(st.one_of(scalars()), min_size=1, max_size=4, unique_by=equality_key).map(
            lambda found: {"enum": found}
        ),
        scalars().map(lambda value: {"const": value}),
        st.sampled_from([["string", "null"], ["integer", "null"], ["boolean", "number"]]).map(
            lambda two: {"type": two}
        ),
        values(1).map(lambda value: {"const": value}),
    )


def arrays(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.tuples(
        _some(
            items=st.one_of(inner, st.just(False)),
            prefixItems=st.lists(inner, min_size=1, max_size=2),
            uniqueItems=st.booleans(),
            contains=inner,
        ),
        _ordered("minItems", "maxItems", st.integers(0, 3)),
    ).map(lambda two: {"type": "array"} | two[0] | two[1])


def objects(inner: st.SearchStrategy[Schema], closed: bool = False) -> st.SearchStrategy[Schema]:
    names = st.lists(st.sampled_from(NAMES), max_size=3, unique=True)
    return st.tuples(
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=4)}),
        _some(
            required=names,
            additionalProperties=st.just(False) if closed else st.one_of(st.just(False), st.just(False), inner),
            patternProperties=st.dictionaries(st.sampled_from(["^a", "b$", "1"]), inner, min_size=1, max_size=2),
            dependentRequired=st.dictionaries(st.sampled_from(NAMES), names, max_size=1),
            dependentSchemas=st.dictionaries(st.sampled_from(NAMES), shallow(inner), max_size=1),
            propertyNames=st.just({"maxLength": 3}),
        ),
        st.one_of(st.just({}), st.just({}), _ordered("minProperties", "maxProperties", st.integers(0, 3))),
    ).map(lambda three: {"type": "object"} | three[0] | three[1] | three[2])


def shallow(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """What stands in the branches of an object: a few properties bound further."""
    return _some(
        properties=st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=2),
        required=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
    )


def conditionals(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """An object with if/then/else, or with not, over the enum at 'kind'."""
    members = st.lists(st.sampled_from(["on", "off", "b", None]), min_size=1, max_size=3, unique=True)
    condition = members.map(lambda found: {"properties": {"kind": {"enum": found}}})
    strict = members.map(lambda found: {"properties": {"kind": {"enum": found}}, "required": ["kind"]})
    branch = _some(
        **{
            "if": st.one_of(condition, strict, shallow(inner)),
            "then": shallow(inner),
            "else": shallow(inner),
            "not": st.one_of(strict, st.just({"required": ["b"]})),
        }
    )
    return st.tuples(objects(inner, closed=True), branch, st.lists(members, max_size=1)).map(_with_kind)


def _with_kind(three: tuple[Schema, Schema, list[Json]]) -> Schema:
    schema, branch, _ = three
    kind = {"kind": {"enum": ["on", "off", "b"]}}
    return schema | {"properties": kind | {k: v for k, v in schema["properties"].items() if k != "kind"}} | branch


def combined(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda found: {"anyOf": found}),
        several.map(lambda found: {"oneOf": found}),
        several.map(lambda found: {"allOf": found}),
        inner.map(lambda schema: {"anyOf": [schema, {"type": "null"}]}),
        st.tuples(objects(inner), several).map(lambda two: two[0] | {"anyOf": two[1]}),
        st.tuples(objects(inner), st.lists(shallow(inner), min_size=1, max_size=2)).map(
            lambda two: two[0] | {"anyOf": two[1]}
        ),
        st.tuples(objects(inner), st.lists(shallow(inner), min_size=1, max_size=2)).map(
            lambda two: two[0] | {"allOf": two[1]}
        ),
        inner.map(lambda schema: {"not": schema}),
    )


@st.composite
def subschemas(draw: st.DrawFn, depth: int = 2) -> Schema:
    """Schemas that may refer to #/$defs/one and #/$defs/two."""
    refs = st.sampled_from([{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"}])
    if depth == 0:
        return draw(st.one_of(leaves(), leaves(), leaves(), refs))
    inner = subschemas(depth - 1)
    return draw(
        st.one_of(leaves(), refs, objects(inner), objects(inner), arrays(inner), combined(inner), conditionals(inner))
    )


@st.composite
def documents(draw: st.DrawFn, depth: int = 2) -> Schema:
    """Whole schemas with $defs, whether or not they are admitted."""
    inner = subschemas(depth - 1)
    body = draw(st.one_of(subschemas(depth), objects(inner), conditionals(inner), arrays(inner)))
    return body | {"$defs": {"one": draw(subschemas(1)), "two": draw(subschemas(0))}}


def admitted(schema: Schema) -> AdmittedSchema | None:
    try:
        return admit(schema)
    except SchemaRefused:
        return None


def report_schemas(depth: int = 2) -> st.SearchStrategy[AdmittedSchema]:
    """Admitted schemas of the supported subset."""
    return documents(depth).map(admitted).filter(lambda found: found is not None)  # type: ignore[return-value]


@st.composite
def values_near(draw: st.DrawFn, schema: Schema, root: Schema = None, depth: int = 5) -> Json:
    """A value drawn along a schema: valid as often as not, and never far from valid."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth == 0 or draw(st.integers(0, 14)) == 0:
        return draw(values(1))
    told = draw(st.sampled_from(_leads(schema, root) or [schema]))
    if told is not schema:
        return draw(values_near(told, root, depth - 1))
    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else draw(st.sampled_from(kinds))
    if kind == "object":
        return draw(_objects_near(schema, root, depth))
    if kind == "array":
        return draw(_arrays_near(schema, root, depth))
    return draw(_scalars_near(kind, schema))


def _leads(schema: Schema, root: Schema) -> list[Schema]:
    """Subschemas that describe the same value, and (for keywords beside them) the schema itself."""
    found = [item for keyword in ("anyOf", "oneOf", "allOf") for item in schema.get(keyword, ())]
    if "$ref" in schema:
        with suppress(RefUnresolved):
            found.append(resolve(root, schema["$ref"]))
    return found + [schema] * (2 if "properties" in schema or "type" in schema or not found else 0)


@st.composite
def _objects_near(draw: st.DrawFn, schema: Schema, root: Schema, depth: int) -> Json:
    declared: dict[str, Schema] = {}
    for keyword in ("if", "then", "else"):
        if isinstance(schema.get(keyword), dict):
            declared |= schema[keyword].get("properties", {})
    declared |= schema.get("properties", {})
    for name in schema.get("required", ()):
        declared.setdefault(name, schema.get("additionalProperties", True))
    found = {}
    for name, inner in declared.items():
        if draw(st.integers(0, 9)) < (9 if name in schema.get("required", ()) else 6):
            found[name] = draw(values_near(inner, root, depth - 1))
    if draw(st.integers(0, 5)) == 0:
        found[draw(st.sampled_from(NAMES))] = draw(values(1))
    return found


@st.composite
def _arrays_near(draw: st.DrawFn, schema: Schema, root: Schema, depth: int) -> Json:
    prefix = schema.get("prefixItems", [])
    length = draw(
        st.integers(schema.get("minItems", 0), min(4, schema.get("maxItems", 3)))
        if schema.get("minItems", 0) <= min(4, schema.get("maxItems", 3))
        else st.just(0)
    )
    return [
        draw(values_near(prefix[i] if i < len(prefix) else schema.get("items", True), root, depth - 1))
        for i in range(length)
    ]


def _scalars_near(kind: str, schema: Schema) -> st.SearchStrategy[Json]:
    if kind == "integer":
        bounds = [int(schema[key]) for key in ("minimum", "maximum", "exclusiveMinimum") if key in schema]
        return st.one_of(
            st.integers(-3, 12),
            st.sampled_from(bounds or [0]).map(lambda bound: bound + 1),
            st.sampled_from(bounds or [2]),
        )
    if kind == "number":
        edges: list[float] = [
            schema[key] for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if key in schema
        ]
        return st.one_of(
            st.sampled_from(NUMBERS),
            st.floats(-5, 5).map(lambda x: round(x, 2)),
            st.sampled_from(edges or [1.0]),
            st.floats(allow_nan=False, allow_infinity=False),
        )
    if kind == "string":
        plain = st.one_of(st.sampled_from(WORDS), st.text('ab1-é\n"', max_size=4), st.text(max_size=3))
        return plain if "format" not in schema else st.one_of(plain, formatted(schema["format"]))
    return {"boolean": st.booleans(), "null": st.none()}[kind]


def formatted(name: str) -> st.SearchStrategy[str]:
    """Strings of a format, and some that just miss it."""
    if name not in _SHAPES:
        return st.sampled_from(WORDS)
    return st.from_regex(_SHAPES[name], fullmatch=True, alphabet=st.characters(max_codepoint=126, min_codepoint=32))


_DAY = "[0-9]{4}-[01][0-9]-[0-3][0-9]"
_CLOCK = "[0-2][0-9]:[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{1,3})?(Z|z|[+-][0-2][0-9]:[0-5][0-9])"
_SHAPES = {
    "date": f"{_DAY}|[0-9]{{2}}00-02-29|[0-9]{{3}}[048]-02-29",
    "time": _CLOCK,
    "date-time": f"{_DAY}[Tt]{_CLOCK}",
    "duration": "P([0-9]{1,2}[YMDW]){0,3}(T([0-9]{1,2}[HMS]){0,3})?",
    "ipv4": "([0-2]?[0-9]?[0-9]\\.){3}[0-2]?[0-9]{1,2}",
    "email": '[a-z."!#+ ]{1,4}@([a-z0-9-]{1,3}\\.?){1,3}|a@\\[127\\.0\\.0\\.[0-9]{1,3}\\]|a@\\[IPv6:::1\\]',
    "hostname": "([a-zA-Z0-9_-]{1,4}\\.?){1,3}",
    "ipv6": "([0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}|::ffff:1\\.2\\.3\\.[0-9]{1,3}",
    "uuid": "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "uri": "[a-z0-9]{1,2}:/{0,2}[a-z%0-9?#\\[\\]@:{} ]{0,6}",
}


@st.composite
def mutations(draw: st.DrawFn, value: Json) -> Json:
    """A value that differs from the given one in one place: changed, dropped, added or repeated."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(value)))
        change = draw(st.sampled_from(["inner", "inner", "drop", "add"]))
        if change == "inner":
            return value | {name: draw(mutations(value[name]))}
        rest = {key: item for key, item in value.items() if key != name}
        return rest if change == "drop" else value | {draw(st.sampled_from(NAMES)) + "?": draw(values(1))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(value) - 1))
        change = draw(st.sampled_from(["inner", "inner", "drop", "repeat"]))
        middle = {"inner": [draw(mutations(value[at]))], "drop": [], "repeat": [value[at]] * 2}[change]
        return value[:at] + middle + value[at + 1 :]
    return draw(values(1).filter(lambda other: equality_key(other) != equality_key(value)))
