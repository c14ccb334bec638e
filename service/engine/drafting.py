"""Drafts: tokens that probably come next, guessed without the model, so that one forward pass can judge several.

A report mostly copies: words of its prompt, and names of properties that it has written before. So what followed the last tokens when they stood somewhere before is
guessed to follow them again. Owns the guess and how long a one is worth making; a wrong guess costs time and changes no output (`service/engine/sequence.py` takes
a token only where the model would have chosen it). Source: prompt lookup decoding (A. Saxena, 2023), after Leviathan et al., "Fast Inference from Transformers via
Speculative Decoding" (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_MATCHED = 8
"""How many tokens back two places are compared."""
MOST_PLACES = 32
"""How many places a token is looked up at, the latest ones: of a comma there are too many, and none tells anything."""
FIRST_WIDTH, MOST_WIDTH = 4, 16


@dataclass(slots=True)
class Lookup:
    """Guesses what follows by what has followed. `width`: how many tokens the next guess may have, more after guesses that were right."""

    known: list[int] = field(default_factory=list)
    places: dict[int, list[int]] = field(default_factory=dict)
    width: int = FIRST_WIDTH
    cursor: int = 0

    def extend(self, token_ids: Sequence[int]) -> None:
        """Tokens of the prompt or the output that come next."""
        for at, token in enumerate(token_ids, len(self.known)):
            self.places.setdefault(token, []).append(at)
        self.known.extend(token_ids)

    def guess(self, most: int) -> tuple[int, ...]:
        """At most ``most`` tokens that may follow all that is known."""
        last = len(self.known) - 1
        before = [at for at in self.places[self.known[-1]][-MOST_PLACES - 1 :] if at != last]
        if not before or most <= 0:
            return ()
        best = max(before, key=lambda at: (self._matched(at, last), at >= self.cursor, -at))
        self.cursor = best
        return tuple(self.known[best + 1 : best + 1 + min(most, self.width)])

    def learn(self, guessed: int, right: int) -> None:
        """Of a guess of so many tokens so many were right."""
        if right == guessed:
            self.width = min(2 * self.width, MOST_WIDTH)
        elif not right:
            self.width = max(self.width // 2, 1)

    def _matched(self, at: int, last: int) -> int:
        length = 0
        while length < MOST_MATCHED and at - length >= 0 and self.known[at - length] == self.known[last - length]:
            length += 1
        return length
