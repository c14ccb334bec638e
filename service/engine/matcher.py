"""What the engine needs of a grammar: to follow it, and to be told how an output may be ended.

Owns the two protocols and `DeadEnd`. Knows token ids; no JSON, no schema.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class DeadEnd(Exception):
    """No token may come next, not even the end: the matcher allows none, or all it allows are vetoed."""


class Matcher(Protocol):
    """A grammar followed token by token. Any method may raise: a matcher that errs fails its sequence."""

    def allowed(self) -> NDArray[np.bool_]:
        """(vocab_size,) which tokens may come next."""
        ...

    def consume(self, token_id: int) -> None: ...

    def take(self, token_id: int) -> bool:
        """Consume a token if it may come next, and say whether: what `allowed` would say of it, without looking at all others."""
        ...

    def forced(self) -> list[int]:
        """The tokens the grammar leaves no choice about; they are consumed by this call."""
        ...

    def copy(self) -> Matcher:
        """One that goes on from here by itself."""
        ...


class Closer(Protocol):
    """Finds how an output may be ended soon."""

    def way(self, written: list[int], matcher: Matcher, room: int) -> tuple[int, ...] | None:
        """At most ``room`` tokens that end what is written, without the end-of-sequence token; None if no such way is found."""
        ...
