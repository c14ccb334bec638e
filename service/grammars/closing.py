"""Closing a report early: the way from where it stands to its end that takes few tokens.

Owns the choice of that way, made by following the grammar: of the tokens it allows, the one that closes most and opens least; inside a string the quote as soon as
it may come. So every way found is legal, whatever the schema and the texts; that none is shorter is not promised. Knows texts of tokens and a matcher; no model,
no schema. `service/engine/budget.py` decides when a report must be closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engine.matcher import Matcher

_TRIED = 48
"""How many ways of going on inside a string are looked at for one after which the string may end."""
_LOOKS = 5 * _TRIED
"""How many such looks one way is worth: a string of a thousand letters must not hold up the engine."""
_LETTERS = 20.0
"""What a token costs that writes inside a string: more than any that ends it."""
_PENDING = 2.0
_STRING = 4.0
_LITERAL = {"null": 0.0, "true": 1.0, "false": 1.0}
_PART_OF_LITERAL = 7.0
_DIGIT = 6.0
_COMMA = 5.0
_CONTAINER = 10.0
"""What else a token may leave behind, in guessed tokens: their order is what counts. A container outweighs all that can be left unfinished in it."""
_MARKS = frozenset('"[]{}\\')
Costs = dict[bool, NDArray[np.float64]]
"""Of each token outside and inside a string."""


class _Guess(NamedTuple):
    """What the beginning of a property's name and an opening bracket cost."""

    name: float
    opening: float


_GUESSES = (_Guess(0.0, _CONTAINER), _Guess(_COMMA, _CONTAINER), _Guess(_COMMA, _PENDING))
"""That a property follows where one may; that none does; and that a container is closed sooner than a string or number is written."""


class _Place(NamedTuple):
    """Where a text stands: inside a string or not, after a backslash or not."""

    in_string: bool = False
    escaped: bool = False

    def after(self, text: str) -> _Place:
        in_string, escaped = self
        for character in text:
            if escaped:
                escaped = False
            elif character == "\\" and in_string:
                escaped = True
            elif character == '"':
                in_string = not in_string
        return _Place(in_string, escaped)


@dataclass
class Closer:
    """Finds ways to the end. `texts`: of each token of the vocabulary; `eos_ids`: the tokens that end a report."""

    texts: Sequence[str]
    eos_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        self._guesses = [{inside: np.array([_cost(text, inside, guess) for text in self.texts]) for inside in (False, True)} for guess in _GUESSES]

    def way(self, written: Sequence[int], matcher: Matcher, room: int) -> tuple[int, ...] | None:
        """The tokens that end a report, at most ``room`` of them and without the end-of-sequence token; None where no such way is found.

        ``written`` is what the matcher has followed so far. The shortest of the ways that several guesses lead to.
        """
        place, best = self._after(_Place(), written), None
        for costs in self._guesses:
            shorter = self._followed(place, matcher.copy(), room if best is None else len(best) - 1, costs)
            best = best if shorter is None else shorter
        return best

    def _followed(self, place: _Place, matcher: Matcher, room: int, costs: Costs) -> tuple[int, ...] | None:
        tokens: list[int] = []
        looks = _LOOKS
        while len(tokens) <= room:
            allowed = matcher.allowed()
            if any(allowed[eos] for eos in self.eos_ids):
                return tuple(tokens)
            if not allowed.any():
                return None
            masked = np.where(allowed, costs[place.in_string], np.inf)
            new = [int(masked.argmin())]
            if place.in_string and masked[new[0]] > _LETTERS / 2:
                tried = [int(token) for token in masked.argsort(kind="stable")[: min(_TRIED, looks, int(allowed.sum()))]]
                looks -= len(tried)
                new = [next((token for token in tried if self._may_end_after(token, place, matcher, costs[True])), new[0])]
            matcher.consume(new[0])
            new += matcher.forced()
            place = self._after(place, new)
            tokens += new
        return None

    def _may_end_after(self, token: int, place: _Place, matcher: Matcher, costs: NDArray[np.float64]) -> bool:
        """Whether the string that is being written is over after a token, or may be."""
        ahead = matcher.copy()
        ahead.consume(token)
        return not self._after(place, [token, *ahead.forced()]).in_string or bool((costs[ahead.allowed()] < _LETTERS / 2).any())

    def _after(self, place: _Place, tokens: Sequence[int]) -> _Place:
        return place.after("".join(self.texts[token] for token in tokens))


def _cost(text: str, in_string: bool, guess: _Guess) -> float:
    """How far from the end a token leaves a report, as a guess: containers it opens less those it closes, and what it leaves unfinished."""
    if in_string and not text.startswith('"'):
        return _LETTERS - 0.01 * len(text) + 0.5 * (not text.strip().isalnum())
    cost, place, before, opened_after = -0.01 * len(text), _Place(in_string), "", ""
    for character in text if _MARKS & set(text) else "":
        if not place.in_string:
            cost += guess.opening * (character in "[{") - _CONTAINER * (character in "]}")
            opened_after = before
        place, before = place.after(character), character
    if not in_string and '"' in text.rstrip('"'):  # a string with the punctuation of JSON in it: short, but nothing that anybody would say
        cost += 2 * _STRING
    if place.in_string:
        is_name = opened_after in ("{", ",")
        return cost + (guess.name if is_name else _STRING)
    rest = text.rpartition('"')[2].lstrip("[]{},:")
    if rest:
        digits = _DIGIT + _PENDING * (not rest[-1].isdigit())
        return cost + _LITERAL.get(rest, digits if rest[0] in "-0123456789.eE" else _PART_OF_LITERAL)
    return cost + {":": _PENDING, ",": _COMMA}.get(text[-1:], 0.0)
