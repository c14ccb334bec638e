"""Drafts: tokens that probably come next, guessed without the model, so that one forward pass can judge several.

A report mostly copies: words of its prompt, names of properties that it has written before, and the form of other reports of its schema. So what followed the last
tokens when they stood somewhere before is guessed to follow them again. Owns the guess and how long a one is worth making; a wrong guess costs time and changes no output (`service/engine/sequence.py` takes
a token only where the model would have chosen it). Source: prompt lookup decoding (A. Saxena, 2023), after Leviathan et al., "Fast Inference from Transformers via
Speculative Decoding" (2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

MOST_MATCHED = 8
"""How many tokens back two places are compared."""
MOST_PLACES = 48
"""How many places are compared, the latest ones."""
LEAST_WIDTH, FIRST_WIDTH, MOST_WIDTH = 6, 8, 16
"""A pass of eight tokens takes a seventh longer than one of four, and one pass fewer saves the whole of it."""

_Places = dict[tuple[int, int] | int, list[int]]
"""Where each token stands, and each two tokens in a row, by the place of the last."""


@dataclass(slots=True)
class Lookup:
    """Guesses what follows by what has followed. `width`: how many tokens the next guess may have, more after guesses that were right.

    `after`: the places in what is `known`, those `before` it was begun excepted, which are another's and only read.
    """

    known: list[int] = field(default_factory=list)
    after: _Places = field(default_factory=dict)
    before: _Places = field(default_factory=dict)
    width: int = FIRST_WIDTH

    @classmethod
    def behind(cls, examples: tuple[tuple[int, ...], ...]) -> Lookup:
        """One that knows some texts already. Many sequences begin behind the same ones."""
        read = _read(examples)
        return cls(list(read.known), before=read.after)

    def extend(self, token_ids: Iterable[int]) -> None:
        """Tokens that come next."""
        for token in token_ids:
            at = len(self.known)
            self.after.setdefault(token, []).append(at)
            if at:
                self.after.setdefault((self.known[-1], token), []).append(at)
            self.known.append(token)

    def guess(self, most: int) -> tuple[int, ...]:
        """At most ``most`` tokens that may follow all that is known: what followed where most of the last tokens are the same, and of such places at the latest."""
        last = len(self.known) - 1
        both = self._places((self.known[-2], self.known[-1])) if last else []
        before = (both if len(both) > 1 else self._places(self.known[-1]))[-MOST_PLACES - 1 : -1]
        if not before or most <= 0:
            return ()
        best = max(before, key=lambda at: (self._matched(at, last), at))
        return tuple(self.known[best + 1 : best + 1 + min(most, self.width)])

    def learn(self, guessed: int, right: int) -> None:
        """Of a guess of so many tokens so many were right."""
        if right == guessed:
            self.width = min(2 * self.width, MOST_WIDTH)
        elif not right:
            self.width = max(self.width // 2, LEAST_WIDTH)

    def _places(self, tokens: tuple[int, int] | int) -> list[int]:
        own = self.after.get(tokens, [])
        return own if len(own) > MOST_PLACES else self.before.get(tokens, []) + own

    def _matched(self, at: int, last: int) -> int:
        length = 0
        while length < MOST_MATCHED and at - length >= 0 and self.known[at - length] == self.known[last - length]:
            length += 1
        return length


@lru_cache(maxsize=64)
def _read(examples: tuple[tuple[int, ...], ...]) -> Lookup:
    read = Lookup()
    read.extend(chain(*examples))
    return read
