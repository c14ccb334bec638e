"""Going back: where to decode again when only a checked keyword refuses a report.

Owns the search: the attempt is taken up at the last choice inside the value that is wrong, and what was chosen there is vetoed; when nothing is left to
choose there, at the choice before. Where an item stands twice in a list, the model has most often lost count, and another word in the same item would be one more thing
that nobody said: there the attempt is taken up, once, at the choice that the model was least sure of, from the one between another item and the list's end on; so it is
in a number that runs on. Vetoes are kept, so the search never writes the same tokens twice (the same text it may, in other tokens). Knows tokens, text and violations; no engine, no model.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.canonical import Json
from schemas.locating import span_of
from schemas.masking.rewrite import equality_key
from schemas.violation import Violation, parts_of

_CLOSING = '"]}'
_NUMBER = re.compile(r"\d[\d.]{299,}")
"""Of 300 characters or more; too long to read is one of more than 400, or beyond a double's 309 digits (`schemas/canonical.py`)."""
_NO_JSON, _REPEATED = "json", "uniqueItems"


@dataclass(frozen=True, slots=True)
class Start:
    """Where an attempt begins: tokens already written, and those that may not come next."""

    token_ids: tuple[int, ...] = ()
    vetoed: frozenset[int] = frozenset()


@dataclass
class Backtracking:
    """The search over the attempts of one request. `decode`: token ids to text."""

    decode: Callable[[Sequence[int]], str]
    _vetoes: dict[tuple[int, ...], set[int]] = field(default_factory=dict)
    _leapt: set[str] = field(default_factory=set)
    _tokens: tuple[int, ...] = ()
    _choices: tuple[int, ...] = ()
    _at: int = 0

    def after(
        self, token_ids: tuple[int, ...], choices: Sequence[int], logprobs: Sequence[float], text: str, value: Json, violations: Sequence[Violation]
    ) -> Start | None:
        """Where to go on after a refused report; None: no choice is left to change.

        ``choices``: the indexes of the tokens of this attempt that the grammar left open, in order; those before its start are known already. ``logprobs``: of each
        token of the report under the model alone, in nats.
        """
        self._choices = (*(c for c in self._choices if c < self._at), *choices)
        self._tokens = token_ids
        start, until = wrong_part(text, value, violations[0])
        end = self._token_at(until) + 1
        lost_count = violations[0].keyword == _REPEATED or _running_on(text, violations[0])
        if lost_count and text[:start] not in self._leapt:  # once: the same words can be spelled by other tokens
            self._leapt.add(text[:start])
            opened = max(0, bisect_right(self._choices, self._token_at(start)) - 1)
            within = self._choices[opened : bisect_left(self._choices, end)]
            end = min(within, key=lambda choice: logprobs[choice], default=end - 1) + 1
        return self._before(end)

    def dead(self) -> Start | None:
        """Where to go on when every token was vetoed at the last start."""
        return self._before(self._at)

    def _before(self, end: int) -> Start | None:
        """Veto the last choice among the tokens before an index."""
        place = bisect_left(self._choices, end) - 1
        if place < 0:
            return None
        self._at = self._choices[place]
        prefix = self._tokens[: self._at]
        vetoed = self._vetoes.setdefault(prefix, set())
        vetoed.add(self._tokens[self._at])
        return Start(prefix, frozenset(vetoed))

    def _token_at(self, offset: int) -> int:
        """The index of the token that writes the character at an offset."""
        last = len(self._tokens) - 1
        return bisect_left(range(last), offset + 1, key=lambda i: len(self.decode(self._tokens[: i + 1])))


def wrong_part(text: str, value: Json, violation: Violation) -> tuple[int, int]:
    """Offsets of the first character of the value that a violation names, of the first repeated item for uniqueItems, and of the last one in it that says something.

    A text that a grammar let through may still have a number that is too long to read: there, of the first such number.
    """
    path = parts_of(violation.instance_path)
    if found := _running_on(text, violation):
        return found.start(), found.end() - 1
    if violation.keyword == _REPEATED:
        path = (*path, str(_first_repeated(_at(value, path))))
    start, end = span_of(text, path) if path else (0, len(text))
    return start, max(start, start + len(text[start:end].rstrip(_CLOSING)) - 1)


def _running_on(text: str, violation: Violation) -> re.Match[str] | None:
    return _NUMBER.search(text) if violation.keyword == _NO_JSON else None


def _at(value: Json, path: Sequence[str]) -> Json:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _first_repeated(items: Json) -> int:
    """Index of the first item that stood before; equal in JSON's sense."""
    assert isinstance(items, list)
    seen: set[str] = set()
    for index, item in enumerate(items):
        key = equality_key(item)
        if key in seen:
            return index
        seen.add(key)
    return len(items) - 1
