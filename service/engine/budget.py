"""The budget of one output: every token is taken only while the output can still be ended within it.

Owns the choice of a token near the end of the budget. Knows token ids, logits and a matcher; how an output is ended soon is a `Closer`'s to find.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from service.engine.executor import Logits
from service.engine.matcher import Closer, DeadEnd, Matcher

TRIES = 4
"""How many of the likeliest tokens are tried for one after which the output can be ended; then the closer's own is taken."""
RESERVE = 128
"""Tokens by which one token may lengthen the way to the end (an item that is opened): with more than that to spare nothing is looked at."""
BACK_OFF = 16
"""Where no way is found, how many tokens are written before another is looked for."""
MOST_WORK = 8_000
"""Tokens of ways that are looked at for one output, all together: the engine's other outputs wait meanwhile. After them the way that is known is taken."""


@dataclass(slots=True)
class Budget:
    """At most `max_new_tokens`, watched over as soon as no more than `window` of them are left.

    `whole`: an output that fits and is known to be whole, of which the output so far is the beginning as long as nothing else is chosen; `next_look`: the length of the
    output from which on such a one must be known; `work`: tokens of the ways looked at; `short`: a token that was wanted could not be afforded.
    """

    closer: Closer
    max_new_tokens: int
    window: int
    eos_ids: Collection[int]
    whole: list[int] = field(default_factory=list)
    next_look: int = 0
    work: int = 0
    short: bool = False

    def looks_on(self, output: list[int]) -> bool:
        """Whether any token may follow as yet."""
        return self.max_new_tokens - len(output) > self.window or len(output) < self.next_look

    def affordable(self, wanted: int, masked: Logits, output: list[int], matcher: Matcher) -> int:
        """The token that is wanted next or, where no way to the end would fit after it, the likeliest after which one does.

        ``masked`` (vocab_size,): -inf where the matcher allows nothing or the token is vetoed. Where no way is known at all, the token that is wanted.

        Raises: DeadEnd.
        """
        if wanted in self.eos_ids or self.looks_on(output):
            return wanted
        if not self.whole or self.whole[: len(output)] != output:
            self.whole = self._ended(output, matcher.copy())
        if not self.whole:
            self.next_look = len(output) + BACK_OFF
            return wanted
        way = self.whole[len(output) :]
        if way and wanted == way[0]:
            return wanted
        likeliest = [int(token) for token in np.argsort(-masked, kind="stable")[:TRIES] if np.isfinite(masked[token])]
        for token in dict.fromkeys((wanted, *likeliest)):
            if token in self.eos_ids or (way and token == way[0]):
                return self._told(token, wanted)
            if whole := self._ended_after(token, output, matcher):
                self.whole = whole
                self.next_look = len(output) + max(0, self.max_new_tokens - len(whole) - RESERVE)
                return self._told(token, wanted)
        if way and not np.isfinite(masked[way[0]]):
            raise DeadEnd("what would end the output in time is vetoed")
        return self._told(way[0] if way else max(self.eos_ids, key=lambda eos: float(masked[eos])), wanted)

    def _ended_after(self, token: int, output: list[int], matcher: Matcher) -> list[int]:
        ahead = matcher.copy()
        try:
            ahead.consume(token)
            new = [token, *ahead.forced()]
        except Exception:  # the matcher itself goes on; only what it follows can fail the output
            return []
        return self._ended([*output, *new], ahead)

    def _ended(self, output: list[int], matcher: Matcher) -> list[int]:
        """The output with the way to its end; nothing where none is found, or no more may be looked for."""
        room = self.max_new_tokens - len(output)
        if room < 0 or self.work >= MOST_WORK:
            return []
        try:
            way = self.closer.way(output, matcher, room)
        except Exception:  # as above
            way = None
        self.work += room if way is None else len(way)
        return [] if way is None else [*output, *way]

    def _told(self, token: int, wanted: int) -> int:
        self.short |= token != wanted
        return token
