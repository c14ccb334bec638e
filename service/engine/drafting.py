"""Drafts: tokens that probably come next, guessed without the model, so that one forward pass can judge several.

A report mostly copies: words of its prompt, names of properties that it has written before, and the form of other reports of its schema. So what followed the last
tokens when they stood somewhere before is guessed to follow them again. Behind a quotation mark the prompt is asked first, for a place where all of the text so far
stands as words of their own; a copy from the prompt ends at the next mark of punctuation, and what closed the same property before is guessed behind that. Owns the
guess and how long a one is worth making; a wrong guess costs time and changes no output (`service/engine/sequence.py` takes a token only where the model would have
chosen it). Source: prompt lookup decoding (A. Saxena, 2023), after Leviathan et al., "Fast Inference from Transformers via Speculative Decoding" (2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice, takewhile

MOST_MATCHED = 6
"""How many tokens back two places are compared."""
MOST_PLACES = 48
"""How many places are compared, the latest ones."""
MOST_TRIED = 192
"""How many places of the prompt are looked at for the one that a text was copied from, the latest ones."""
MOST_COPIED, MOST_FORM = 16, 4
"""Tokens of a guess at what is copied from the prompt, and at the form. Of guesses from the prompt every second one is right for six tokens, of others every eighth; a
token that is guessed wrong costs a twentieth of a pass (docs/performance.md)."""
MOST_VALUE = 24
"""A text of more tokens is looked up by its last ones only."""

_Places = dict[tuple[int, int] | int, list[int]]
"""Where each token stands, and each two tokens in a row, by the place of the last."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of an output beforehand: other outputs of the kind, and tokens by what they are.

    `quotes`: those with a quotation mark, between which texts stand; `ends`: punctuation, at which a copy ends more often than not; `spaces`. A token that is neither an end nor a space is
    part of a word.
    """

    examples: tuple[tuple[int, ...], ...] = ()
    quotes: frozenset[int] = frozenset()
    ends: frozenset[int] = frozenset()
    spaces: frozenset[int] = frozenset()


@dataclass(slots=True)
class Lookup:
    """Guesses what follows by what has followed.

    `prompt`: which places of what is `known` are the prompt's; `opened`: the place of the output's last quotation mark; `after`: the places in what is known, those `before` it was
    begun excepted, which are another's and only read.
    """

    hints: Hints = field(default_factory=Hints)
    known: list[int] = field(default_factory=list)
    prompt: range = range(0)
    opened: int | None = None
    after: _Places = field(default_factory=dict)
    before: _Places = field(default_factory=dict)

    @classmethod
    def of(cls, prompt_ids: Iterable[int], hints: Hints) -> Lookup:
        """One that knows the examples and a prompt. Many sequences begin behind the same examples."""
        read = _read(hints.examples)
        lookup = cls(hints, list(read.known), before=read.after)
        lookup._learn(prompt_ids)
        lookup.prompt = range(len(read.known), len(lookup.known))
        return lookup

    def extend(self, token_ids: Iterable[int]) -> None:
        """Tokens of the output that come next."""
        begun = len(self.known)
        self._learn(token_ids)
        self.opened = next((at for at in range(len(self.known) - 1, begun - 1, -1) if self.known[at] in self.hints.quotes), self.opened)

    def _learn(self, token_ids: Iterable[int]) -> None:
        for token in token_ids:
            at = len(self.known)
            self.after.setdefault(token, []).append(at)
            if at:
                self.after.setdefault((self.known[-1], token), []).append(at)
            self.known.append(token)

    def guess(self, most: int) -> tuple[int, ...]:
        """At most ``most`` tokens that may follow all that is known."""
        last = len(self.known) - 1
        at = self._source_of_value()
        if at is None:
            at = self._likest(last)
        if at is None or most <= 0:
            return ()
        if at not in self.prompt:
            return tuple(self.known[at + 1 : at + 1 + min(most, MOST_FORM)])
        copied = self.known[at + 1 : min(at + 1 + MOST_COPIED, self.prompt.stop)]
        words = tuple(takewhile(lambda token: token not in self.hints.ends, copied))
        return (*words, *(self._closing() if len(words) < len(copied) else ()))[:most]

    def _source_of_value(self) -> int | None:
        """The prompt's latest place where all that stands behind the last quotation mark does, from the beginning of a word on."""
        last = len(self.known) - 1
        if self.opened is None or not 0 < last - self.opened <= MOST_VALUE:
            return None
        value = self.known[self.opened + 1 :]
        if value[0] in self.hints.ends:  # it was a closing quotation mark
            return None
        in_prompt = (at for at in reversed(self.after.get(value[-1], [])) if at in self.prompt)
        for at in islice(in_prompt, MOST_TRIED):
            begins = at - len(value) + 1
            if begins >= self.prompt.start and self.known[begins : at + 1] == value and self._is_edge(begins - 1):
                return at
        return None

    def _is_edge(self, at: int) -> bool:
        return at < self.prompt.start or self.known[at] in self.hints.ends or self.known[at] in self.hints.spaces

    def _closing(self) -> list[int]:
        """What closed a text, where one was opened before as the last one was."""
        if self.opened is None:
            return []
        at = self._likest(self.opened, outside=self.prompt)
        if at is None:
            return []
        quote = next((place for place in range(at + 1, len(self.known)) if self.known[place] in self.hints.quotes), len(self.known))
        return self.known[quote : quote + MOST_FORM]

    def _likest(self, last: int, outside: range = range(0)) -> int | None:
        """Of the places before ``last`` that end like it, the one where most of the tokens before are the same, and of such the latest."""
        both = self._places((self.known[last - 1], self.known[last])) if last > 0 else []
        places = both if len(both) > 1 else self._places(self.known[last]) if self.known else []
        earlier = [at for at in places[-MOST_PLACES - 1 :] if at < last and at not in outside]
        return max(earlier, key=lambda at: (self._matched(at, last), at), default=None)

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
    read._learn(chain(*examples))
    return read
