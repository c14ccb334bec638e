"""The budget of one output: every token is taken only while the output can still be ended within it.

Owns the choice of a token near the end of the budget. Knows token ids, logits and a matcher; how an output is ended soon is a `Closer`'s to find.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from service.engine.executor import Logits
from service.engine.matcher import Closer, DeadEnd, Matcher

TRIES = 4
"""How many of the likeliest tokens are tried for one after which the output can be ended; then the closer's own is taken."""
RESERVE = 128
"""Tokens by which one token may lengthen the way to the end (an item that is opened): with more than that to spare nothing is looked at."""


@dataclass(slots=True)
class Budget:
    """At most `max_new_tokens`, watched over as soon as no more than `window` of them are left.

    `way`: how the output as it stands can be ended, where that is known; `next_look`: the length of the output from which on that must be known again; `short`: a token
    that was wanted could not be afforded.
    """

    closer: Closer
    max_new_tokens: int
    window: int
    eos_ids: Collection[int]
    way: tuple[int, ...] | None = None
    next_look: int = 0
    short: bool = False

    def affordable(self, wanted: int, masked: Logits, output: list[int], matcher: Matcher) -> int:
        """The token that is wanted next or, where no way to the end would fit after it, the likeliest after which one does.

        ``masked`` (vocab_size,): -inf where the matcher allows nothing or the token is vetoed. Where no way is known at all, the token that is wanted.

        Raises: DeadEnd.
        """
        room = self.max_new_tokens - len(output)
        if room > self.window or len(output) < self.next_look:
            self.way = None
            return wanted
        if self.way is None:
            self.way = self.closer.way(output, matcher.copy(), room)
        if self.way is None:
            return wanted
        likeliest = [int(token) for token in np.argsort(-masked, kind="stable")[:TRIES] if np.isfinite(masked[token])]
        for token in dict.fromkeys((wanted, *likeliest)):
            way = () if token in self.eos_ids else self._after(token, output, matcher, room)
            if way is not None:
                self.next_look = len(output) + max(0, room - 1 - len(way) - RESERVE)
                return self._taken(token, wanted, way)
        if self.way and not np.isfinite(masked[self.way[0]]):
            raise DeadEnd("what would end the output in time is vetoed")
        if self.way:
            return self._taken(self.way[0], wanted, None)
        return self._taken(max(self.eos_ids, key=lambda eos: float(masked[eos])), wanted, ())

    def _after(self, token: int, output: list[int], matcher: Matcher, room: int) -> tuple[int, ...] | None:
        ahead = matcher.copy()
        ahead.consume(token)
        new = [token, *ahead.forced()]
        return self.closer.way([*output, *new], ahead, room - len(new)) if len(new) <= room else None

    def _taken(self, token: int, wanted: int, way: tuple[int, ...] | None) -> int:
        self.way = way
        self.short |= token != wanted
        return token
