"""From facts to instances: which schema asks for which fact under which name.

Owns the projection of a note's facts onto a schema, for the catalog's ``agent_status`` and for endlessly generated schemas. Text leaves take
the string as the finished note has it (``said``), never the string that was drawn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from training.notes import concepts
from training.notes.concepts import ConceptFact
from training.notes.forms import CURRENCIES
from training.notes.values import as_json_number
from training.notes.world import DECISIONS, LEVELS, OVERSIGHT, POLICIES, RESULTS, SEVERITIES, STATUSES, Facts
from training.phrasebook import HERE, read_yaml

Schema = dict[str, Any]
Node = tuple[Schema, Any]  # a schema and the instance under it
Said = dict[str, str]

DATE: Schema = {"type": "string", "format": "date"}
TEXT: Schema = {"type": "string", "minLength": 1}


def money(facts: Facts) -> dict[str, Any] | None:
    cost = facts["cost"]
    return cost and {"amount": as_json_number(cost["amount"]), "currency": cost["currency"]}


def iso(day: Any) -> str | None:
    return day.isoformat() if day else None


def agent_status(facts: Facts, said: Said) -> dict[str, Any]:
    """The instance of the catalog schema ``agent_status``; what the note doesn't tell is null, [] or "unspecified"."""
    return {
        "agent_id": facts["agent"],
        "owner": {"name": said["owner"], "email": said.get("email")},
        "period": {"start": iso(facts["start"]), "end": iso(facts["end"])},
        "status": facts["status"],
        "progress_percent": facts["progress"],
        "oversight": facts["oversight"] or "unspecified",
        "usage": {
            "tasks_completed": facts["completed"],
            "tasks_failed": facts["failed"],
            "cost": money(facts),
            "p95_latency_ms": facts["latency"],
        },
        "incidents": [
            {"title": said[f"incidents.{i}.title"], "severity": x["severity"], "occurred_on": iso(x["date"]), "resolved": x["resolved"],
             "root_cause": said.get(f"incidents.{i}.cause")}
            for i, x in enumerate(facts["incidents"])
        ],
        "policy_checks": [{"policy": x["policy"], "result": x["result"]} for x in facts["policies"]],
        "risks": [
            {"description": said[f"risks.{i}.risk"], "likelihood": x["likelihood"] or "unspecified", "impact": x["impact"] or "unspecified",
             "mitigation": said.get(f"risks.{i}.mitigation")}
            for i, x in enumerate(facts["risks"])
        ],
        "next_actions": [
            {"action": said[f"actions.{i}.action"], "assignee": said.get(f"actions.{i}.assignee"), "due": iso(x["due"])}
            for i, x in enumerate(facts["actions"])
        ],
        "approval": {"status": facts["approval"]["status"], "approver": said.get("approval.approver"), "decided_on": iso(facts["approval"]["date"])},
        "escalated_to": said.get("escalated"),
    }  # fmt: skip


def _asks(kind: str, *members: str) -> Schema:
    """What `training/notes/marks.py` needs to know of a leaf: the kind of fact, and for an enum which member means which; "unspecified" means none."""
    return {"$comment": f"{kind}={'|'.join(members)}", "enum": [*members, "unspecified"]} if members else {"$comment": kind}


def _object(**properties: Schema) -> Schema:
    return {"properties": properties}


ASKING: dict[str, Schema] = {
    "agent_status": _object(
        agent_id=_asks("agent"), owner=_object(name=_asks("owner"), email=_asks("email")), period=_object(start=_asks("period"), end=_asks("period")),
        status=_asks("status", *STATUSES), progress_percent=_asks("progress"), oversight=_asks("oversight", *OVERSIGHT),
        usage=_object(tasks_completed=_asks("completed"), tasks_failed=_asks("failed"), p95_latency_ms=_asks("latency"),
                      cost={**_asks("cost"), **_object(amount={}, currency={})}),
        incidents={"items": _object(title=_asks("incidents.title"), severity=_asks("incidents.severity", *SEVERITIES), occurred_on=_asks("incidents.date"),
                                    resolved=_asks("incidents.resolved"), root_cause=_asks("incidents.cause"))},
        policy_checks={"items": _object(policy=_asks("policies.policy", *POLICIES), result=_asks("policies.result", *RESULTS))},
        risks={"items": _object(description=_asks("risks.risk"), likelihood=_asks("risks.likelihood", *LEVELS), impact=_asks("risks.impact", *LEVELS),
                                mitigation=_asks("risks.mitigation"))},
        next_actions={"items": _object(action=_asks("actions.action"), assignee=_asks("actions.assignee"), due=_asks("actions.due"))},
        approval=_object(status=_asks("approval.status", *DECISIONS), approver=_asks("approval.approver"), decided_on=_asks("approval.date")),
        escalated_to=_asks("escalated"),
    ),
}  # fmt: skip
"""Which kind of fact each leaf of a catalog schema asks for, as ``$comment``s on a schema of its shape."""


# --- generated schemas -----------------------------------------------------------------------------------------------


@cache
def field_names() -> dict[str, Any]:
    loaded: dict[str, Any] = read_yaml(HERE / "field_names.yaml")
    return loaded


class FieldName(str):
    """A property's name that knows which kind of fact it asks for (`training/notes/marks.py`); the schema keeps it as ``$comment``, which no prompt shows."""

    kind: str

    def __new__(cls, name: str, kind: str) -> FieldName:
        made = super().__new__(cls, name)
        made.kind = kind
        return made


def asking(name: str, schema: Schema) -> Schema:
    """The schema with the kind that its name asks for, before what it says of its members."""
    return {**schema, "$comment": name.kind + schema.get("$comment", "")} if isinstance(name, FieldName) else schema


KIND_OF_FIELD = {
    "owner_object_name": "owner", "start": "period", "end": "period", "amount": "cost", "currency": "cost", "title": "incidents.title",
    "severity": "incidents.severity", "date": "incidents.date", "resolved": "incidents.resolved", "cause": "incidents.cause",
    "policy": "policies.policy", "result": "policies.result", "risk": "risks.risk", "likelihood": "risks.likelihood", "impact": "risks.impact",
    "mitigation": "risks.mitigation", "action": "actions.action", "assignee": "actions.assignee", "due": "actions.due",
    "approval_status": "approval.status", "approver": "approval.approver", "decided_on": "approval.date",
    **{kind: kind for kind in ("agent", "owner", "email", "status", "progress", "oversight", "completed", "failed", "latency", "cost", "escalated")},
}  # fmt: skip
"""Fields of `field_names.yaml` that hold a fact, and the fact's kind; all others are groups."""


class SchemaMaker:
    """Draws a schema that asks for some of a note's facts, and its instance."""

    def __init__(self, rng: random.Random, facts: Facts | None, said: Said) -> None:
        self.rng, self.facts, self.said = rng, facts, said
        self.names = field_names()["fields"]
        self.unspecified: list[str] = field_names()["unspecified"]
        self.camel = rng.random() < 0.15

    def make(self, extra: Sequence[tuple[str, Node]]) -> Node:
        """A root object over the facts and further named nodes, in any order, some grouped."""
        members = [*self._governance(), *extra]
        if self.rng.random() < 0.5:
            self.rng.shuffle(members)
        return self.object(self._grouped(members))

    def name(self, kind: str) -> str:
        chosen = str(self.rng.choice(self.names[kind]))
        return FieldName(chosen, KIND_OF_FIELD[kind]) if kind in KIND_OF_FIELD else chosen

    def object(self, members: Sequence[tuple[str, Node]]) -> Node:
        """An object node; a name that occurs twice gets a number."""
        properties: dict[str, Any] = {}
        instance: dict[str, Any] = {}
        for asked, (schema, value) in members:
            name = self._styled(asked)
            while name in properties:
                name += "_2"
            properties[name], instance[name] = asking(asked, schema), value
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}, instance

    def array(self, items: list[Node], empty: Schema) -> Node:
        return {"type": "array", "items": items[0][0] if items else empty}, [value for _, value in items]

    def _styled(self, name: str) -> str:
        if not self.camel:
            return str(name)
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)

    def _grouped(self, members: list[tuple[str, Node]]) -> list[tuple[str, Node]]:
        if len(members) < 4 or self.rng.random() < 0.6:
            return members
        at = self.rng.randrange(len(members) - 2)
        size = self.rng.randrange(2, 4)
        group = self.object(members[at : at + size])
        return [*members[:at], (self.rng.choice(field_names()["groups"]), group), *members[at + size :]]

    # leaves

    def nullable(self, schema: Schema, value: Any, always: bool = False) -> Node:
        return ({"anyOf": [schema, {"type": "null"}]} if value is None or always or self.rng.random() < 0.6 else schema), value

    def label(self, kind: str, order: Sequence[str], members: Sequence[str | None], optional: bool) -> tuple[Schema, list[Any]]:
        """An enum with random labels; values of several instances of it at once (list items share their schema)."""
        labels = {m: self.rng.choice(v) for m, v in field_names()["labels"][kind].items()}
        if len(set(labels.values())) < len(labels):
            labels = {m: m for m in labels}
        shown = [labels[m] for m in order]
        if self.rng.random() < 0.3:
            self.rng.shuffle(shown)
        meant = {"$comment": "=" + "|".join({labels[m]: m for m in order}[label] for label in shown)}
        if not optional and None not in members:
            return {"enum": shown, **meant}, [labels[m] for m in members if m]
        if self.rng.random() < 0.3:
            return {"anyOf": [{"enum": shown, **meant}, {"type": "null"}]}, [labels[m] if m else None for m in members]
        missing = self.rng.choice([u for u in self.unspecified if u not in shown])
        return {"enum": [*shown, missing], **meant}, [labels[m] if m else missing for m in members]

    # groups of facts

    def _governance(self) -> list[tuple[str, Node]]:
        if self.facts is None:
            return []
        keep = self.rng.choice((0.35, 0.75, 0.95, 1.0))
        groups = {
            "agent": self._agent, "owner": self._owner, "start": self._period, "status": self._status, "progress": self._progress, "oversight": self._oversight,
            "completed": self._usage, "incidents": self._incidents, "policies": self._policies, "risks": self._risks, "actions": self._actions,
            "approval": self._approval, "escalated": self._escalated,
        }  # fmt: skip
        told = [group for name, group in groups.items() if name in self.facts]
        members = [m for group in told if self.rng.random() < keep for m in group(self.facts)]
        return members or told[0](self.facts)

    def _agent(self, facts: Facts) -> list[tuple[str, Node]]:
        schema = {"type": "string", "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"} if self.rng.random() < 0.6 else TEXT
        return [(self.name("agent"), (schema, facts["agent"]))]

    def _owner(self, facts: Facts) -> list[tuple[str, Node]]:
        person = (TEXT, self.said["owner"])
        mail = self.nullable({"type": "string", "format": "email"}, self.said.get("email"), always=True)
        if self.rng.random() < 0.5:
            return [(self.name("owner_object"), self.object([(self.name("owner_object_name"), person), (self.name("email"), mail)]))]
        return [(self.name("owner"), person), (self.name("email"), mail)][: self.rng.choice((1, 2, 2))]

    def _period(self, facts: Facts) -> list[tuple[str, Node]]:
        ends = [(self.name("start"), (DATE, iso(facts["start"]))), (self.name("end"), (DATE, iso(facts["end"])))]
        return ends if self.rng.random() < 0.3 else [(self.name("period_object"), self.object(ends))]

    def _status(self, facts: Facts) -> list[tuple[str, Node]]:
        schema, (value,) = self.label("status", STATUSES, [facts["status"]], optional=False)
        return [(self.name("status"), (schema, value))]

    def _progress(self, facts: Facts) -> list[tuple[str, Node]]:
        return [(self.name("progress"), self.nullable({"type": "integer", "minimum": 0, "maximum": 100}, facts["progress"]))]

    def _oversight(self, facts: Facts) -> list[tuple[str, Node]]:
        schema, (value,) = self.label("oversight", OVERSIGHT, [facts["oversight"]], optional=True)
        return [(self.name("oversight"), (schema, value))]

    def _usage(self, facts: Facts) -> list[tuple[str, Node]]:
        count: Schema = {"type": "integer", "minimum": 0}
        members = [(self.name(n), self.nullable(count, facts[n])) for n in ("completed", "failed", "latency")]
        members.append((self.name("cost"), self._cost(facts)))
        if self.rng.random() < 0.4:
            self.rng.shuffle(members)
        members = members[: self.rng.choice((1, 2, 3, 4, 4, 4))]
        return members if self.rng.random() < 0.4 else [(self.name("usage_object"), self.object(members))]

    def _cost(self, facts: Facts) -> Node:
        value = money(facts)
        if self.rng.random() < 0.25:
            return self.nullable({"type": "number", "minimum": 0}, value and value["amount"])
        schema, instance = self.object([
            (self.name("amount"), ({"type": "number", "minimum": 0}, (value or {}).get("amount"))),
            (self.name("currency"), ({"enum": list(CURRENCIES)}, (value or {}).get("currency"))),
        ])  # fmt: skip
        return self.nullable(schema, instance if value else None)

    def _incidents(self, facts: Facts) -> list[tuple[str, Node]]:
        items, paths = facts["incidents"], [f"incidents.{i}" for i in range(len(facts["incidents"]))]
        severity, severities = self.label("severity", SEVERITIES, [x["severity"] for x in items], optional=False)
        columns = [
            (self.name("title"), TEXT, [self.said[f"{p}.title"] for p in paths]),
            (self.name("severity"), severity, severities),
            (self.name("date"), _or_null(DATE), [iso(x["date"]) for x in items]),
            (self.name("resolved"), {"type": "boolean"}, [x["resolved"] for x in items]),
            (self.name("cause"), _or_null(TEXT), [self.said.get(f"{p}.cause") for p in paths]),
        ]
        return [(self.name("incidents"), self.rows(columns, len(items)))]

    def _policies(self, facts: Facts) -> list[tuple[str, Node]]:
        policy, policies = self.label("policy", POLICIES, [x["policy"] for x in facts["policies"]], optional=False)
        result, results = self.label("result", RESULTS, [x["result"] for x in facts["policies"]], optional=False)
        columns = [(self.name("policy"), policy, policies), (self.name("result"), result, results)]
        return [(self.name("policies"), self.rows(columns, len(facts["policies"]), least=2))]

    def _risks(self, facts: Facts) -> list[tuple[str, Node]]:
        items, paths = facts["risks"], [f"risks.{i}" for i in range(len(facts["risks"]))]
        columns: list[tuple[str, Schema, list[Any]]] = [(self.name("risk"), TEXT, [self.said[f"{p}.risk"] for p in paths])]
        for name in ("likelihood", "impact"):
            schema, labels = self.label("level", LEVELS, [x[name] for x in items], optional=True)
            columns.append((self.name(name), schema, labels))
        columns.append((self.name("mitigation"), _or_null(TEXT), [self.said.get(f"{p}.mitigation") for p in paths]))
        return [(self.name("risks"), self.rows(columns, len(items)))]

    def _actions(self, facts: Facts) -> list[tuple[str, Node]]:
        items, paths = facts["actions"], [f"actions.{i}" for i in range(len(facts["actions"]))]
        columns: list[tuple[str, Schema, list[Any]]] = [
            (self.name("action"), TEXT, [self.said[f"{p}.action"] for p in paths]),
            (self.name("assignee"), _or_null(TEXT), [self.said.get(f"{p}.assignee") for p in paths]),
            (self.name("due"), _or_null(DATE), [iso(x["due"]) for x in items]),
        ]
        return [(self.name("actions"), self.rows(columns, len(items)))]

    def rows(self, columns: list[tuple[str, Schema, list[Any]]], count: int, least: int = 1) -> Node:
        """An array of objects; a random choice of columns (the first always), now and then in another order."""
        first, rest = columns[0], columns[1:]
        if self.rng.random() < 0.3:
            rest = self.rng.sample(rest, self.rng.randrange(least - 1, len(rest) + 1))
        kept = [first, *rest]
        if len(kept) == 1 and self.rng.random() < 0.6:
            return {"type": "array", "items": asking(first[0], first[1])}, first[2]
        rows = [self.object([(name, (schema, column[i])) for name, schema, column in kept]) for i in range(count)]
        empty, _ = self.object([(name, (schema, None)) for name, schema, _ in kept])
        return self.array(rows, empty)

    def _approval(self, facts: Facts) -> list[tuple[str, Node]]:
        decision = facts["approval"]
        schema, (status,) = self.label("approval_status", ("pending", "approved", "rejected"), [decision["status"]], optional=False)
        members = [
            (self.name("approval_status"), (schema, status)),
            (self.name("approver"), (_or_null(TEXT), self.said.get("approval.approver"))),
            (self.name("decided_on"), (_or_null(DATE), iso(decision["date"]))),
        ]
        return [(self.name("approval_object"), self.object(members))]

    def _escalated(self, facts: Facts) -> list[tuple[str, Node]]:
        return [(self.name("escalated"), (_or_null(TEXT), self.said.get("escalated")))]

    # concepts

    def concept(self, fact: ConceptFact) -> tuple[str, Node]:
        schema, (value,) = concepts.column(self.rng, [fact], self.said, self.unspecified)
        return _field_of(self.rng, fact), (schema, value)

    def records(self, rows: Sequence[Sequence[ConceptFact]], blank: Sequence[ConceptFact]) -> tuple[str, Node]:
        """An array of objects over concepts; ``blank`` shapes the items of an empty list."""
        columns: list[tuple[str, Schema, list[Any]]] = []
        for i, pattern in enumerate(blank):
            facts = [row[i] for row in rows]
            schema, told = concepts.column(self.rng, facts or [pattern], self.said, self.unspecified)
            columns.append((_field_of(self.rng, pattern), schema, told[: len(rows)]))
        return str(self.rng.choice(field_names()["lists"])), self.rows(columns, len(rows))


def _field_of(rng: random.Random, fact: ConceptFact) -> FieldName:
    return FieldName(str(rng.choice(fact.concept["names"])), str(fact.concept["concept"]))


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
