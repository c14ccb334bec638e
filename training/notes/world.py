"""The facts of one status note, drawn before any word of it: values first, text second.

Owns which facts an agent's period may hold and how often each is missing. Knows nothing of wordings or of the schema that will ask
for the facts; ``training.notes.bindings`` turns facts into instances.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from training.notes import values
from training.notes.forms import CURRENCIES
from training.phrasebook import Phrasebook

Facts = dict[str, Any]

STATUSES = ("on_track", "at_risk", "blocked", "completed", "paused")
OVERSIGHT = ("human_in_the_loop", "human_on_the_loop", "autonomous")
SEVERITIES = ("low", "medium", "high", "critical")
LEVELS = ("low", "medium", "high")
POLICIES = ("data_privacy", "fairness", "security", "transparency", "human_oversight", "accuracy")
RESULTS = ("pass", "fail", "not_assessed")
DECISIONS = ("pending", "approved", "rejected")


def draw(rng: random.Random, book: Phrasebook) -> Facts:
    """Draw every fact of a note. A fact that the note won't state is None or an empty list."""
    start, end = values.period(rng)
    status = rng.choice(STATUSES)
    owner = values.full_name(rng, book.lang, book.split)
    richness = rng.choice((0.25, 0.6, 0.6, 0.85, 1.0))

    def told(share: float) -> bool:
        return rng.random() < share * richness

    return {
        "agent": values.agent_id(rng, book),
        "owner": owner,
        "email": values.email(rng, owner, book) if told(0.6) else None,
        "start": start,
        "end": end,
        "status": status,
        "progress": _progress(rng, status) if told(0.65) else None,
        "oversight": rng.choice(OVERSIGHT) if told(0.75) else None,
        "completed": _tasks(rng, 250_000) if told(0.85) else None,
        "failed": _tasks(rng, 3_000) if told(0.8) else None,
        "cost": {"amount": values.amount(rng), "currency": rng.choice(CURRENCIES)} if told(0.75) else None,
        "latency": values.latency_ms(rng) if told(0.55) else None,
        "incidents": [_incident(rng, book, start, end) for _ in range(_length(rng, richness, 4))],
        "policies": _policies(rng, richness),
        "risks": [_risk(rng, book) for _ in range(_length(rng, richness, 4))],
        "actions": [_action(rng, book, end) for _ in range(_length(rng, richness, 5))],
        "approval": _approval(rng, book, end),
        "escalated": values.person(rng, book) if told(0.4) else None,
        "unit": values.noun(rng, book, "unit"),
    }


def _progress(rng: random.Random, status: str) -> int:
    if status == "completed" and rng.random() < 0.8:
        return 100
    choices: tuple[int, ...] = (0, 100, *range(5, 100, 5), *(rng.randrange(1, 100) for _ in range(12)))
    return rng.choice(choices)


def _tasks(rng: random.Random, largest: int) -> int:
    return 0 if rng.random() < 0.12 else values.count(rng, largest)


def _length(rng: random.Random, richness: float, most: int) -> int:
    if rng.random() > richness * 0.85:
        return 0
    return min(most, rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5)))


def _incident(rng: random.Random, book: Phrasebook, start: dt.date, end: dt.date) -> Facts:
    return {
        "title": values.phrase(rng, book, "incident_title"),
        "severity": rng.choice(SEVERITIES),
        "date": values.day_between(rng, start, end) if rng.random() < 0.78 else None,
        "resolved": rng.random() < 0.6,
        "cause": values.phrase(rng, book, "cause") if rng.random() < 0.6 else None,
    }


def _policies(rng: random.Random, richness: float) -> list[Facts]:
    if rng.random() > richness * 0.75:
        return []
    chosen = rng.sample(POLICIES, rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 6)))
    return [{"policy": p, "result": rng.choice(RESULTS)} for p in chosen]


def _risk(rng: random.Random, book: Phrasebook) -> Facts:
    return {
        "risk": values.phrase(rng, book, "risk"),
        "likelihood": rng.choice(LEVELS) if rng.random() < 0.75 else None,
        "impact": rng.choice(LEVELS) if rng.random() < 0.75 else None,
        "mitigation": values.phrase(rng, book, "mitigation") if rng.random() < 0.6 else None,
    }


def _action(rng: random.Random, book: Phrasebook, end: dt.date) -> Facts:
    return {
        "action": values.phrase(rng, book, "action"),
        "assignee": values.person(rng, book) if rng.random() < 0.75 else None,
        "due": end + dt.timedelta(days=rng.randrange(1, rng.choice((8, 30, 30, 90)))) if rng.random() < 0.7 else None,
    }


def _approval(rng: random.Random, book: Phrasebook, end: dt.date) -> Facts:
    status = rng.choice(("pending", "pending", "approved", "approved", "rejected"))
    decided = status != "pending"
    return {
        "status": status,
        "approver": values.person(rng, book) if decided or rng.random() < 0.25 else None,
        "date": end + dt.timedelta(days=rng.randrange(-4, 21)) if decided and rng.random() < 0.65 else None,
    }
