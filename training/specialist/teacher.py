"""A teacher, where there is one: a larger model that says a note in other words, and gates that let through only what still says the same.

Any endpoint that speaks OpenAI's chat completions will do. Owns the asking, the checks of what comes back and the count of what was dropped. What a note means
by its words (that "stuck" is blocked) is not checked: nobody but the teacher knows. A paraphrase has no marks, since nothing says which of its words state what.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from schemas.canonical import Json, parse_json
from schemas.grounding import Kinds, leaves
from schemas.reading.numbers import numbers
from training.gates.reading import number_can_be_read
from training.gates.reading_dates import moment_can_be_read
from training.notes.synthesize import ContextItem, Pair

KEY_VARIABLE = "ESCRIBANO_TEACHER_KEY"
"""The environment variable with the endpoint's key; unset: none is sent."""
_LANGUAGES = {"en": "English", "es": "Spanish"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_ADDRESS = re.compile(r"[^\s<>()\[\],;]+@[^\s<>()\[\],;]+")
_SHORTEST, _LONGEST = 0.3, 3.0
"""Length of a paraphrase as shares of its note's."""
_PATIENCE = 5
"""So many requests in a row that reach nobody, and nothing has come yet: there is no teacher."""

ASKING = """Rewrite the note below in {language} as another person would write it: other sentences, another order, another tone. Say everything that it says and nothing else.
Keep these words letter by letter: {kept}
Keep every date, number, amount and code; you may write dates and numbers in another form. Answer with the note alone.

{note}"""


class TeacherUnreachable(ConnectionError):
    """Nobody answers where the teacher should be; names the address and the last failure."""


@dataclass(frozen=True)
class Teacher:
    """A model behind an OpenAI-compatible endpoint. ``url`` ends before ``/chat/completions``."""

    url: str
    model: str = "default"
    temperature: float = 0.9
    timeout_s: float = 60.0
    in_flight: int = 4
    key: str | None = field(default_factory=lambda: os.environ.get(KEY_VARIABLE), repr=False)

    def ask(self, client: httpx.Client, words: str) -> str:
        """One answer. Raises: httpx.HTTPError; ValueError for an answer that is no chat completion."""
        body = {"model": self.model, "messages": [{"role": "user", "content": words}], "temperature": self.temperature}
        answer = client.post(f"{self.url.rstrip('/')}/chat/completions", json=body)
        answer.raise_for_status()
        try:
            said = answer.json()["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"no chat completion: {error!r}") from None
        if not isinstance(said, str) or not said.strip():
            raise ValueError("an empty answer")
        return said.strip()

    def client(self) -> httpx.Client:
        return httpx.Client(timeout=self.timeout_s, headers={"Authorization": f"Bearer {self.key}"} if self.key else {})


@dataclass
class Lessons:
    """What came of asking: paraphrases in the order of their pairs, and why the others were dropped, counted."""

    pairs: list[Pair] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    first_of_each: dict[str, str] = field(default_factory=dict)

    def drop(self, pair: Pair, why: str, detail: str) -> None:
        self.dropped[why] += 1
        self.first_of_each.setdefault(why, f"{pair.id}: {detail}")

    def to_json(self) -> dict[str, Any]:
        return {"paraphrases": len(self.pairs), "dropped": dict(sorted(self.dropped.items())), "first_of_each": self.first_of_each}


def taught(teacher: Teacher, pairs: Sequence[Pair], advance: Callable[[], None] = lambda: None) -> Lessons:
    """A paraphrase of each pair, as far as the teacher gives one that says the same.

    Raises: TeacherUnreachable when the first requests reach nobody.
    """
    lessons, missed = Lessons(), 0
    with teacher.client() as client, ThreadPoolExecutor(teacher.in_flight) as pool:
        for pair, said in zip(pairs, pool.map(lambda one: _answer(teacher, client, one), pairs), strict=True):
            advance()
            if isinstance(said, str):
                _judge(lessons, pair, said)
                continue
            lessons.drop(pair, "timeout" if isinstance(said, httpx.TimeoutException) else "no answer" if isinstance(said, httpx.HTTPError) else "garbage", str(said))
            missed += isinstance(said, httpx.TransportError)
            if missed == _PATIENCE and missed == sum(lessons.dropped.values()) and not lessons.pairs:
                pool.shutdown(wait=False, cancel_futures=True)
                raise TeacherUnreachable(f"{teacher.url}: the first {missed} requests reached nobody: {said}")
    return lessons


def _answer(teacher: Teacher, client: httpx.Client, pair: Pair) -> str | Exception:
    kept = ", ".join(f'"{words}"' for words in dict.fromkeys(_verbatim(pair))) or "none"
    try:
        return teacher.ask(client, ASKING.format(language=_LANGUAGES.get(pair.lang, "the same language"), kept=kept, note=pair.note))
    except (httpx.HTTPError, ValueError) as error:
        return error


def _judge(lessons: Lessons, pair: Pair, said: str) -> None:
    for why, detail in objections(pair, said):
        lessons.drop(pair, why, detail)
        return
    context = (ContextItem(pair.context[0].id, said), *pair.context[1:]) if pair.context else ()
    lessons.pairs.append(replace(pair, id=f"{pair.id}-taught", question=pair.question if pair.context else said, context=context, marks=()))


def objections(pair: Pair, said: str) -> Iterator[tuple[str, str]]:
    """(kind, detail) of everything by which a paraphrase does not say what its note says."""
    share = len(said) / max(1, len(pair.note))
    if not _SHORTEST <= share <= _LONGEST:
        yield "length", f"{share:.1f} times as long as the note"
    for words in _verbatim(pair):
        if words not in said:
            yield "dropped", f"{words!r} is gone"
    for value in _read(pair):
        if not (moment_can_be_read(value, said) if isinstance(value, str) else number_can_be_read(value, said)):
            yield "dropped", f"{value} cannot be read any more"
    for figure in _new(_FIGURE.findall(said), pair.note):
        yield "invented", f"the note has no {figure}"
    for address in set(_ADDRESS.findall(said)) - set(_ADDRESS.findall(pair.note)):
        yield "invented", f"the note has no {address}"


def _leaves(pair: Pair) -> Iterator[tuple[str, Json]]:
    """Each told leaf with its grounding; of a schema that the pair brings along."""
    assert pair.schema is not None, "a pair of a specialist brings its schema"
    kinds = Kinds(pair.schema)
    for where, value in leaves(parse_json(pair.report)):
        if value is not None:
            yield kinds.at(where), value


def _verbatim(pair: Pair) -> Iterator[str]:
    return (value for kind, value in _leaves(pair) if isinstance(value, str) and kind != "classify" and not _DATE.fullmatch(value))


def _read(pair: Pair) -> Iterator[str | int | float]:
    for _, value in _leaves(pair):
        if (isinstance(value, int | float) and not isinstance(value, bool)) or (isinstance(value, str) and _DATE.fullmatch(value)):
            yield value


def _new(figures: Iterable[str], note: str) -> Iterator[str]:
    """Figures that cannot be read in the note; day and month of its dates may be written with other digits."""
    known, values = set(_FIGURE.findall(note)), numbers(note)
    for figure in dict.fromkeys(figures):
        is_short = len(re.sub(r"\D", "", figure)) <= 2
        if figure not in known and not is_short and numbers(figure).isdisjoint(values):
            yield figure
