"""Facts into clauses: what a note about an agent says, fact by fact, before a register lays it out.

Owns the choice of wordings and the rule that every drawn fact is told and nothing else is. One function per group of facts, all with one
signature: ``(speaker, facts) -> list of blocks``. A block is a run of clauses that must stay together and in order. Layout (sentences, bullets,
tables, noise) is ``training.notes.registers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from training.notes.speaker import Speaker
from training.notes.text import Text, join, literal, meaning, stated
from training.notes.world import STATUSES, Facts

Block = list[Text]


@dataclass(frozen=True)
class Section:
    """What a note says about one group of facts. ``intro`` leads a list; ``title`` heads it where no phrasebook heading does; what ``leads`` stands first."""

    name: str
    blocks: list[Block]
    intro: Text = field(default_factory=list)
    is_list: bool = False
    title: str = ""
    leads: bool = False


Teller = Callable[[Speaker, Facts], list[Section]]


def told(*clauses: Text) -> Block:
    return [c for c in clauses if c]


# --- who and when ----------------------------------------------------------------------------------------------------


def owner_words(speaker: Speaker, facts: Facts, with_email: bool) -> Text:
    name = stated(facts["owner"], "owner")
    if not with_email:
        return name
    mail = stated(facts["email"], "email")
    left, right = speaker.rng.choice(((" (", ")"), (" <", ">"), (", ", ""), (" - ", ""), (" / ", ""), (" [", "]"), (": ", "")))
    return [*name, *literal(left), *mail, *literal(right)]


def identity(speaker: Speaker, facts: Facts) -> list[Section]:
    """Agent, owner and period, in one line or in several; the owner's address beside the name or apart. No agent where another clause names it."""
    inline = facts["email"] is not None and speaker.chance(0.5)
    slots = {"agent": stated(facts["agent"] or "", "agent"), "owner": owner_words(speaker, facts, inline), "period": speaker.period()}
    roll = speaker.rng.random()
    if not facts["agent"]:
        block = told(_owner(speaker, slots), speaker.say("period", have=slots, need=("period",)))
    elif roll < 0.34:
        block = told(speaker.say("headline", have=slots, need=("agent", "owner", "period")))
    elif roll < 0.56:
        block = told(speaker.say("agent_period", have=slots, need=("agent", "period")), _owner(speaker, slots))
    elif roll < 0.8:
        block = told(speaker.say("agent_owner", have=slots, need=("agent", "owner")), speaker.say("period", have=slots, need=("period",)))
    else:
        block = told(speaker.say("agent", have=slots, need=("agent",)), _owner(speaker, slots), speaker.say("period", have=slots, need=("period",)))
    if facts["email"] is not None and not inline:
        block += told(speaker.say("email", have={"email": stated(facts["email"], "email")}, need=("email",)))
    return [Section("identity", [block])]


def _owner(speaker: Speaker, slots: dict[str, Text]) -> Text:
    kind = "owner_first_person" if speaker.chance(0.4) else "owner"
    return speaker.say(kind, have={"owner": slots["owner"]}, need=("owner",))


# --- state and usage -------------------------------------------------------------------------------------------------


def state(speaker: Speaker, facts: Facts) -> list[Section]:
    """Status, progress and oversight."""
    blocks = []
    if facts["status"]:
        blocks.append(told(meaning(speaker.say("status", facts["status"]), "status")))
        if speaker.chance(0.07):
            rumour = speaker.rng.choice([s for s in STATUSES if s != facts["status"]])
            blocks[0].insert(speaker.rng.randrange(2), speaker.say("not_status", rumour))
    if facts["progress"] is not None:
        blocks.append(told(speaker.say("progress", have={"percent": speaker.percent(facts["progress"], "progress")}, need=("percent",))))
    elif "progress" not in facts.get("fused", ()) and speaker.chance(0.06):
        blocks.append(told(speaker.say("progress_unknown")))
    if facts["oversight"]:
        blocks.append(told(meaning(speaker.say("oversight", facts["oversight"]), "oversight")))
    speaker.rng.shuffle(blocks)
    return [Section("status", blocks)]


def usage(speaker: Speaker, facts: Facts) -> list[Section]:
    """Tasks done and failed, cost, latency."""
    blocks = _tasks(speaker, facts)
    if facts["cost"]:
        words = speaker.money(facts["cost"]["amount"], facts["cost"]["currency"], "cost")
        blocks.append(told(speaker.say("cost", have={"money": words}, need=("money",))))
    elif "cost" not in facts.get("fused", ()) and speaker.chance(0.06):
        blocks.append(told(speaker.say("cost_unknown")))
    if facts["latency"] is not None:
        blocks.append(told(speaker.say("latency", have={"latency": speaker.duration(facts["latency"], "latency")}, need=("latency",))))
    speaker.rng.shuffle(blocks)
    return [Section("usage", blocks)]


def _tasks(speaker: Speaker, facts: Facts) -> list[Block]:
    done, failed, unit = facts["completed"], facts["failed"], literal(facts["unit"])
    if done is not None and failed is not None and speaker.chance(0.6 if done and failed else 0.25):
        slots = {"done": speaker.number(done, "completed"), "failed": speaker.number(failed, "failed"), "unit": unit}
        return [told(speaker.say("completed_failed", have=slots, need=("done", "failed")))]
    blocks = []
    for kind, value in (("completed", done), ("failed", failed)):
        if value is None:
            continue
        if value == 0 and speaker.chance(0.75):
            blocks.append(told(meaning(speaker.say(f"{kind}_zero", have={"unit": unit}), kind)))
        else:
            blocks.append(told(speaker.say(kind, have={"n": speaker.number(value, kind), "unit": unit}, need=("n",))))
    return [[clause for block in blocks for clause in block]] if speaker.chance(0.7) else blocks


# --- lists -----------------------------------------------------------------------------------------------------------


def _list_section(speaker: Speaker, name: str, kind: str, blocks: list[Block]) -> Section:
    slots = {"k": literal(speaker.rng.choice((str(len(blocks)), _small(speaker, len(blocks)))))}
    intro = speaker.say(f"{kind}_intro", have=slots) if blocks and speaker.chance(0.45) else []
    return Section(name, blocks, intro, is_list=True)


def _small(speaker: Speaker, number: int) -> str:
    names = {"en": ("zero", "one", "two", "three", "four", "five", "six"), "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis")}
    return names[speaker.lang][number]


def _follow_ups(speaker: Speaker, open_facts: Iterable[Text]) -> Block:
    clauses = [c for c in open_facts if c]
    speaker.rng.shuffle(clauses)
    return clauses


def incidents(speaker: Speaker, facts: Facts) -> list[Section]:
    if not facts["incidents"]:
        return [Section("incidents", [told(speaker.say("incident_none"))])] if speaker.chance(0.35) else []
    blocks = [_incident(speaker, f"incidents.{i}", item) for i, item in enumerate(facts["incidents"])]
    return [_list_section(speaker, "incidents", "incident", blocks)]


def incident_slots(speaker: Speaker, path: str, item: Facts) -> dict[str, Text]:
    """The words for each stated field of an incident, in every form a wording may ask for."""
    resolved = "true" if item["resolved"] else "false"
    slots = {
        "title": stated(item["title"], f"{path}.title"),
        "severity": stated(speaker.book.word(speaker.rng, "severity_word", item["severity"]), f"{path}.severity"),
        "resolved": stated(speaker.book.word(speaker.rng, "resolved_word", resolved), f"{path}.resolved"),
    }
    if speaker.lang == "es":
        slots["severity_m"] = stated(speaker.book.word(speaker.rng, "severity_word_m", item["severity"]), f"{path}.severity")
    if item["date"]:
        slots["date"] = speaker.date(item["date"], f"{path}.date")
    if item["cause"]:
        slots["cause"] = stated(item["cause"], f"{path}.cause")
    return slots


def _incident(speaker: Speaker, path: str, item: Facts) -> Block:
    slots = incident_slots(speaker, path, item)
    main = _main_clause(speaker, "incident", slots, "title")
    said = main.slots
    rest: list[Text] = []
    if not said & {"severity", "severity_m"}:
        rest.append(meaning(speaker.say("incident_severity", item["severity"]), f"{path}.severity"))
    if "resolved" not in said:
        rest.append(meaning(speaker.say("incident_resolved", "true" if item["resolved"] else "false"), f"{path}.resolved"))
    if "date" in slots and "date" not in said:
        rest.append(speaker.say("incident_date", have=slots, need=("date",)))
    if "cause" in slots and "cause" not in said:
        rest.append(speaker.say("incident_cause", have=slots, need=("cause",)))
    elif "cause" not in slots and speaker.chance(0.2):
        rest.append(speaker.say("incident_cause_unknown"))
    return [main.fill(slots), *_follow_ups(speaker, rest)]


def _main_clause(speaker: Speaker, kind: str, slots: dict[str, Text], required: str):  # type: ignore[no-untyped-def]
    """Pick a wording of a list item, preferring those that say more of it."""
    fits = [t for t in speaker.book.templates(kind) if required in t.slots and t.slots <= slots.keys()]
    return speaker.rng.choices(fits, weights=[len(t.slots) ** 2 for t in fits])[0]


def risks(speaker: Speaker, facts: Facts) -> list[Section]:
    if not facts["risks"]:
        return [Section("risks", [told(speaker.say("risk_none"))])] if speaker.chance(0.2) else []
    blocks = [_risk(speaker, f"risks.{i}", item) for i, item in enumerate(facts["risks"])]
    return [_list_section(speaker, "risks", "risk", blocks)]


def risk_slots(speaker: Speaker, path: str, item: Facts) -> dict[str, Text]:
    slots = {"risk": stated(item["risk"], f"{path}.risk")}
    for name, gender in (("likelihood", "_f"), ("impact", "_m")):
        if item[name]:
            kind = "level_word" + (gender if speaker.lang == "es" else "")
            slots[name] = stated(speaker.book.word(speaker.rng, kind, item[name]), f"{path}.{name}")
    if item["mitigation"]:
        slots["mitigation"] = stated(item["mitigation"], f"{path}.mitigation")
    return slots


def _risk(speaker: Speaker, path: str, item: Facts) -> Block:
    slots = risk_slots(speaker, path, item)
    main = _main_clause(speaker, "risk", slots, "risk")
    rest = [meaning(speaker.say(f"risk_{name}", item[name]), f"{path}.{name}") for name in ("likelihood", "impact") if item[name] and name not in main.slots]
    if item["mitigation"] and "mitigation" not in main.slots:
        rest.append(speaker.say("risk_mitigation", have=slots, need=("mitigation",)))
    elif not item["mitigation"] and speaker.chance(0.2):
        rest.append(speaker.say("risk_no_mitigation"))
    return [main.fill(slots), *_follow_ups(speaker, rest)]


def actions(speaker: Speaker, facts: Facts) -> list[Section]:
    if not facts["actions"]:
        return [Section("actions", [told(speaker.say("action_none"))])] if speaker.chance(0.1) else []
    blocks = [_action(speaker, f"actions.{i}", item) for i, item in enumerate(facts["actions"])]
    return [_list_section(speaker, "actions", "action", blocks)]


def action_slots(speaker: Speaker, path: str, item: Facts) -> dict[str, Text]:
    slots = {"action": stated(item["action"], f"{path}.action")}
    if item["assignee"]:
        slots["assignee"] = speaker.person(item["assignee"], f"{path}.assignee")
    if item["due"]:
        slots["due"] = speaker.date(item["due"], f"{path}.due")
    return slots


def _action(speaker: Speaker, path: str, item: Facts) -> Block:
    slots = action_slots(speaker, path, item)
    fits = [t for t in speaker.book.templates("action") if t.slots == slots.keys()]
    main = speaker.rng.choice(fits) if fits else _main_clause(speaker, "action", slots, "action")
    missing = [n for n in ("assignee", "due") if n in slots and n not in main.slots]
    loose = [join([literal("("), slots[n], literal(")")], "") for n in missing]
    clause = join([main.fill(slots), *loose], " ")
    rest = [speaker.say("action_no_date")] if not item["due"] and speaker.chance(0.12) else []
    if not item["assignee"] and speaker.chance(0.15):
        rest.append(speaker.say("action_unassigned"))
    return [clause, *rest]


def policies(speaker: Speaker, facts: Facts) -> list[Section]:
    """Checks told one by one, or those of one result together; order of telling is the order of the list."""
    items = facts["policies"]
    if not items:
        return [Section("policies", [told(speaker.say("policy_none"))])] if speaker.chance(0.1) else []
    together = speaker.chance(0.5)
    if together:
        results = [item["result"] for item in items]
        items.sort(key=lambda item: results.index(item["result"]))
    blocks: list[Block] = []
    i = 0
    while i < len(items):
        run = [j for j in range(i, len(items)) if all(items[k]["result"] == items[i]["result"] for k in range(i, j + 1))]
        run = run if together else run[:1]
        blocks.append(told(_policy_clause(speaker, items, run)))
        i = run[-1] + 1
    return [_list_section(speaker, "policies", "policy", blocks)]


def policy_name(speaker: Speaker, items: list[Facts], i: int) -> Text:
    return stated(speaker.book.word(speaker.rng, "policy_name", items[i]["policy"]), f"policies.{i}.policy")


def _policy_clause(speaker: Speaker, items: list[Facts], run: list[int]) -> Text:
    names = [policy_name(speaker, items, i) for i in run]
    result = items[run[0]]["result"]
    told_of = f"policies.{run[0]}.result"
    if len(names) == 1:
        return meaning(speaker.say("policy", result, have={"policy": names[0]}, need=("policy",)), told_of)
    last = literal(" and " if speaker.lang == "en" else " y ")
    joined = [*join(names[:-1], ", "), *last, *names[-1]]
    return meaning(speaker.say("policies", result, have={"policies": joined}, need=("policies",)), told_of)


# --- decision and escalation -----------------------------------------------------------------------------------------


def approval(speaker: Speaker, facts: Facts) -> list[Section]:
    item = facts["approval"]
    if not item:
        return []
    slots: dict[str, Text] = {}
    if item["approver"]:
        slots["approver"] = speaker.person(item["approver"], "approval.approver")
    if item["date"]:
        slots["date"] = speaker.date(item["date"], "approval.date")
    if item["status"] == "pending":
        if item["approver"]:
            return [Section("approval", [told(meaning(speaker.say("approval", "pending_with", have=slots, need=("approver",)), "approval.status"))])]
        return [Section("approval", [told(meaning(speaker.say("approval", "pending"), "approval.status"))])] if speaker.chance(0.4) else []
    return [Section("approval", [told(meaning(speaker.say("approval", item["status"], have=slots, need=tuple(slots)), "approval.status"))])]


def escalation(speaker: Speaker, facts: Facts) -> list[Section]:
    if facts["escalated"]:
        clause = speaker.say("escalated", have={"person": speaker.person(facts["escalated"], "escalated")}, need=("person",))
        return [Section("escalation", [told(clause)])]
    return [Section("escalation", [told(speaker.say("escalated_not"))])] if speaker.chance(0.05) else []


TELLERS: dict[str, Teller] = {
    "identity": identity, "status": state, "usage": usage, "incidents": incidents, "policies": policies, "risks": risks,
    "actions": actions, "approval": approval, "escalation": escalation,
}  # fmt: skip
