"""Notes that are no prose: key:value pastes, forms and tables.

Owns facts -> labelled fields -> lines. Sections of prose come from ``training.notes.verbalize``; layout of both from ``training.notes.registers``.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.notes.speaker import Speaker
from training.notes.text import Text, capitalized, join, literal, meaning, plain, stated
from training.notes.verbalize import Section, action_slots, incident_slots, policy_name, risk_slots
from training.notes.world import Facts

Field = tuple[str, Text]  # (key kind, words)

_ITEM_FIELDS = {
    "incidents": ("title", "severity", "date", "resolved", "cause"),
    "risks": ("risk", "likelihood", "impact", "mitigation"),
    "actions": ("action", "assignee", "due"),
    "policies": ("policy", "result"),
}
_KEY_OF = {"title": "incident"}  # fields whose label in the phrasebook has another name


def label(speaker: Speaker, kind: str) -> str:
    return speaker.book.word(speaker.rng, "key", _KEY_OF.get(kind, kind))


def nothing(speaker: Speaker) -> Text:
    return literal(speaker.book.word(speaker.rng, "none"))


def member(speaker: Speaker, kind: str, name: str) -> Text:
    """An enum member in a field: mostly a wording, now and then the bare label."""
    if speaker.chance(0.12):
        return meaning(literal(name if speaker.chance(0.5) else name.replace("_", " ")), kind)
    return meaning(speaker.say(kind, name), kind)


def scalar_fields(speaker: Speaker, facts: Facts) -> dict[str, list[Field]]:
    """Labelled scalar facts by section; facts not told are left out or shown as empty."""
    out: dict[str, list[Field]] = {
        "identity": [("agent", stated(facts["agent"], "agent")), ("owner", stated(facts["owner"], "owner"))],
        "status": [("status", member(speaker, "status", facts["status"]))],
        "usage": [],
        "approval": [],
        "escalation": [],
    }
    _identity_fields(speaker, facts, out["identity"])
    if facts["progress"] is not None:
        out["status"].append(("progress", stated(str(facts["progress"]), "progress") if speaker.chance(0.3) else speaker.percent(facts["progress"], "progress")))
    if facts["oversight"]:
        out["status"].append(("oversight", member(speaker, "oversight", facts["oversight"])))
    for name in ("completed", "failed"):
        if facts[name] is not None:
            out["usage"].append((name, speaker.number(facts[name], name)))
    if facts["cost"]:
        out["usage"].append(("cost", speaker.money(facts["cost"]["amount"], facts["cost"]["currency"], "cost")))
    if facts["latency"] is not None:
        out["usage"].append(("latency", speaker.duration(facts["latency"], "latency")))
    for name, section in (("progress", "status"), ("failed", "usage"), ("cost", "usage"), ("latency", "usage"), ("oversight", "status")):
        if facts[name] is None and speaker.chance(0.15):
            out[section].append((name, nothing(speaker)))
    _decision_fields(speaker, facts, out)
    return out


def _identity_fields(speaker: Speaker, facts: Facts, fields: list[Field]) -> None:
    if facts["email"] is not None:
        if speaker.chance(0.4):
            left, right = speaker.rng.choice(((" <", ">"), (" (", ")"), (", ", ""), (" ", "")))
            fields[1] = ("owner", [*fields[1][1], *literal(left), *stated(facts["email"], "email"), *literal(right)])
        else:
            fields.append(("email", stated(facts["email"], "email")))
    if speaker.chance(0.2):
        fields.append(("period_start", stated(facts["start"].isoformat(), "start")))
        fields.append(("period_end", stated(facts["end"].isoformat(), "end")))
    else:
        fields.append(("period", speaker.period()))
    if speaker.chance(0.2):
        speaker.rng.shuffle(fields)


def _decision_fields(speaker: Speaker, facts: Facts, out: dict[str, list[Field]]) -> None:
    decision = facts["approval"]
    slots = {"approver": stated(decision["approver"] or "", "approval.approver")}
    if decision["date"]:
        slots["date"] = speaker.date(decision["date"], "approval.date")
    if decision["status"] != "pending" or decision["approver"]:
        kind = "pending_with" if decision["status"] == "pending" else decision["status"]
        need = ("approver",) if "date" not in slots else ("approver", "date")
        out["approval"].append(("approval", meaning(speaker.say("approval", kind, have=slots, need=need), "approval.status")))
    elif speaker.chance(0.5):
        out["approval"].append(("approval", meaning(speaker.say("approval", "pending"), "approval.status")))
    if facts["escalated"]:
        out["escalation"].append(("escalated", stated(facts["escalated"], "escalated")))
    elif speaker.chance(0.15):
        out["escalation"].append(("escalated", nothing(speaker)))


def item_fields(speaker: Speaker, section: str, facts: Facts) -> list[list[Field]]:
    """The labelled fields of each item of a list; a field not told is empty words."""
    rows = []
    for i, item in enumerate(facts[section]):
        path = f"{section}.{i}"
        if section == "policies":
            slots = {"policy": policy_name(speaker, facts["policies"], i), "result": stated(speaker.book.word(speaker.rng, "result_word", item["result"]), f"{path}.result")}
        else:
            slots = {"incidents": incident_slots, "risks": risk_slots, "actions": action_slots}[section](speaker, path, item)
        rows.append([(name, slots.get(name, [])) for name in _ITEM_FIELDS[section]])
    return rows


# --- lines -----------------------------------------------------------------------------------------------------------


def paste(speaker: Speaker, facts: Facts, order: Sequence[str]) -> list[Text]:
    """``key: value`` lines; an item of a list is one line of joined fields, or a line a field."""
    mark = speaker.rng.choice((": ", ": ", " = ", "=", " - ", ":\t", " : ", "; ", " → "))
    scalars = scalar_fields(speaker, facts)
    lines: list[Text] = []
    for name in order:
        for kind, words in scalars.get(name, []):
            lines.append([*literal(label(speaker, kind) + mark), *words])
        if name in _ITEM_FIELDS and facts[name]:
            lines.extend(_item_lines(speaker, name, facts, mark))
    return lines


def _item_lines(speaker: Speaker, name: str, facts: Facts, mark: str) -> list[Text]:
    rows = item_fields(speaker, name, facts)
    first = _ITEM_FIELDS[name][0]
    key = label(speaker, first)
    numbering = speaker.rng.choice((".{}", " {}", "_{}", "[{}]", " #{}", ""))
    if speaker.chance(0.2):
        return _nested_lines(speaker, key, rows)
    between = speaker.rng.choice((" | ", " / ", "; ", ", ", " - ", "|"))
    short = speaker.rng.choice(("=", ": ", " "))
    labelled = {f: label(speaker, f) for f in _ITEM_FIELDS[name][1:] if speaker.chance(0.5)} if name != "policies" else {}
    for field in ("impact", "likelihood", "mitigation", "cause"):
        if name in ("risks", "incidents"):
            labelled.setdefault(field, label(speaker, field))
    shows_empty = speaker.chance(0.35)
    lines = []
    for i, row in enumerate(rows):
        cells = [_cell(speaker, f, words, labelled, short, shows_empty) for f, words in row]
        lines.append([*literal(key + numbering.format(i + 1) + mark), *join(cells, between)])
    return lines


def _cell(speaker: Speaker, field: str, words: Text, labelled: dict[str, str], short: str, shows_empty: bool) -> Text:
    if not words:
        return literal(labelled[field] + short + plain(nothing(speaker))) if shows_empty and field in labelled else []
    if field in labelled:
        if field == "resolved" and speaker.chance(0.5):
            words = [(speaker.book.word(speaker.rng, "yes" if _is_resolved(speaker, words) else "no"), words[0][1])]
        return [*literal(labelled[field] + short), *words]
    return words


def _is_resolved(speaker: Speaker, words: Text) -> bool:
    return plain(words) in speaker.book.entries("resolved_word", "true")


def _nested_lines(speaker: Speaker, key: str, rows: list[list[Field]]) -> list[Text]:
    dash = speaker.rng.choice(("- ", "* ", "  - "))
    lines = [literal(f"{key}:")]
    labels = {f: label(speaker, f) for f, _ in rows[0]}
    for row in rows:
        told = [(f, words) for f, words in row if words]
        for i, (f, words) in enumerate(told):
            lines.append([*literal((dash if i == 0 else "    ") + f"{labels[f]}: "), *words])
    return lines


def table(speaker: Speaker, section: str, facts: Facts) -> list[Text]:
    """A pasted table with a head row; tabs, pipes, semicolons or commas."""
    rows = item_fields(speaker, section, facts)
    columns = [f for f, _ in rows[0]]
    if speaker.chance(0.3):
        speaker.rng.shuffle(columns)
    left, between, right = speaker.rng.choice((("| ", " | ", " |"), ("", "\t", ""), ("", " | ", ""), ("", ";", ""), ("", " ; ", "")))
    head = literal(left + between.join(label(speaker, c) for c in columns) + right)
    lines = [head]
    if left and speaker.chance(0.6):
        lines.append(literal("|" + "|".join("---" for _ in columns) + "|"))
    for row in rows:
        cells = [dict(row)[c] or nothing(speaker) for c in columns]
        lines.append([*literal(left), *join(cells, between), *literal(right)])
    return lines


def bullet_fields(speaker: Speaker, section: Section, facts: Facts) -> list[Text]:
    """The items of a list as terse bullets: fields joined by commas, the date or the name first."""
    lines = []
    between = speaker.rng.choice((", ", ", ", " - ", "; ", " / ", " | ", ". "))
    for row in item_fields(speaker, section.name, facts):
        cells = dict(row)
        lead = cells[_ITEM_FIELDS[section.name][0]]
        if section.name == "incidents" and cells["date"] and speaker.chance(0.45):
            mark = speaker.rng.choice((", ", ": ", " - ", " – "))
            lead = [*cells.pop("date"), *literal(mark), *lead]
        rest = [_labelled(speaker, f, words) for f, words in cells.items() if words and f != _ITEM_FIELDS[section.name][0]]
        if section.name == "incidents" and speaker.chance(0.3):
            speaker.rng.shuffle(rest)
        lines.append(join([lead, *rest], between) if between != ". " else join([lead, *map(capitalized, rest)], between))
    return lines


def _labelled(speaker: Speaker, field: str, words: Text) -> Text:
    must = field in ("cause", "likelihood", "impact", "mitigation")
    if must or (field in ("severity", "assignee", "due") and speaker.chance(0.3)):
        return [*literal(label(speaker, field).replace("_", " ") + speaker.rng.choice((": ", ": ", " "))), *words]
    return words
