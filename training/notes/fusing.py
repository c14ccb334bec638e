"""Clauses that tell several facts in one breath: the agent and how it stands, as people begin a message; the figures of a period in a line.

Owns which facts are fused and the clause that tells them; ``training.notes.verbalize`` tells the others. Draws from the speaker it is given and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.notes.speaker import Speaker
from training.notes.text import Text, literal, meaning, stated
from training.notes.world import Facts


@dataclass(frozen=True)
class Fused:
    """A clause, the group of facts that it belongs to, and the facts that it tells; ``names_agent``: the agent too, which others may name again."""

    group: str
    clause: Text
    told: frozenset[str]
    names_agent: bool = False

    def left(self, facts: Facts) -> Facts:
        """The facts less what the clause has told."""
        return facts | dict.fromkeys(self.told) | {"fused": self.told | set(facts.get("fused", ()))}


def opening(speaker: Speaker, facts: Facts) -> Fused | None:
    """One clause with the agent as its subject: its status, with or without progress, who watches over it, or whether it was approved."""
    makers: list[Callable[[Speaker, Facts, dict[str, Text]], Fused | None]] = [_status, _status, _status_and_progress, _status_and_progress, _oversight, _approval]
    return speaker.rng.choice(makers)(speaker, facts, {"agent": stated(facts["agent"], "agent")})


def _status(speaker: Speaker, facts: Facts, slots: dict[str, Text]) -> Fused | None:
    if not facts["status"]:
        return None
    return Fused("status", meaning(speaker.say("agent_status", facts["status"], have=slots, need=("agent",)), "status"), frozenset({"status"}), True)


def _status_and_progress(speaker: Speaker, facts: Facts, slots: dict[str, Text]) -> Fused | None:
    if not facts["status"] or facts["progress"] is None or (facts["status"] == "completed" and facts["progress"] != 100):
        return None
    slots = slots | {"percent": speaker.percent(facts["progress"], "progress")}
    clause = speaker.say("agent_status_progress", facts["status"], have=slots, need=("agent", "percent"))
    return Fused("status", meaning(clause, "status"), frozenset({"status", "progress"}), True)


def _oversight(speaker: Speaker, facts: Facts, slots: dict[str, Text]) -> Fused | None:
    if not facts["oversight"]:
        return None
    return Fused("status", meaning(speaker.say("agent_oversight", facts["oversight"], have=slots, need=("agent",)), "oversight"), frozenset({"oversight"}), True)


def _approval(speaker: Speaker, facts: Facts, slots: dict[str, Text]) -> Fused | None:
    item = facts["approval"]
    if not item or (item["status"] == "pending" and item["approver"]):
        return None
    if item["status"] == "pending":
        clause = speaker.say("agent_pending", have=slots, need=("agent",))
    else:
        slots = slots | {"approver": speaker.person(item["approver"], "approval.approver")}
        if item["date"]:
            slots = slots | {"date": speaker.date(item["date"], "approval.date")}
        clause = speaker.say("agent_approval", item["status"], have=slots, need=tuple(slots))
    return Fused("approval", meaning(clause, "approval.status"), frozenset({"approval"}), True)


def standing(speaker: Speaker, facts: Facts) -> Fused | None:
    """Status and progress together, without the agent."""
    if not facts["status"] or facts["progress"] is None or (facts["status"] == "completed" and facts["progress"] != 100):
        return None
    clause = speaker.say("status_progress", facts["status"], have={"percent": speaker.percent(facts["progress"], "progress")}, need=("percent",))
    return Fused("status", meaning(clause, "status"), frozenset({"status", "progress"}))


_FIGURES = {"done": "completed", "failed": "failed", "money": "cost", "latency": "latency"}


def figures(speaker: Speaker, facts: Facts) -> Fused | None:
    """At least two of the period's figures in one line; what it does not tell is told apart."""
    known = {slot for slot, fact in _FIGURES.items() if facts[fact] is not None}
    fits = [wording for wording in speaker.book.templates("usage_line") if wording.slots - {"unit"} <= known]
    if not fits:
        return None
    wording = speaker.rng.choice(fits)
    write: dict[str, Callable[[], Text]] = {
        "done": lambda: speaker.number(facts["completed"], "completed"),
        "failed": lambda: speaker.number(facts["failed"], "failed"),
        "money": lambda: speaker.money(facts["cost"]["amount"], facts["cost"]["currency"], "cost"),
        "latency": lambda: speaker.duration(facts["latency"], "latency"),
        "unit": lambda: literal(facts["unit"]),
    }
    slots = {name: write[name]() for name in sorted(wording.slots)}
    return Fused("usage", wording.fill(slots), frozenset(_FIGURES[name] for name in wording.slots & known))
