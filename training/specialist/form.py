"""A lesson of fine-tuning: form. However wrong what stands there is, what comes next must still be able to come next.

A report without a mask breaks its schema where the model is torn: "at_" was written for a status that is on track, and "track" follows. The right reports do not teach
against it, because in them nobody is torn. So the mask that serves teaches, too: at every token, what the model gives to all that the schema forbids there is held
against it, in the right report of a note and in reports under strain (`training.specialist.strain`). Of a list whose items must differ no item
goes on as an earlier one does from the choice where the two part: stricter than the schema, which lets the same policy pass and fail, because what is told twice is nearly always
a mistake.

Owns what may come next at each token of a report, and what a report with items too many is; the loss is `training.base.objective.form_loss`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schemas.admission import AdmittedSchema
from schemas.canonical import canonical_json
from schemas.validation import ReportValidator
from service.engine.matcher import Matcher
from service.errors import MatcherFailed
from service.grammars.grammar import Grammars

LONGEST_SPELLING = 32
"""Characters of the longest token that is looked for."""
CHOICE_SHARE = 0.1
"""A place where no more of all tokens may stand than this is one of a choice, as between the members of an enum; in a text nearly all may."""


class ReportUnfit(ValueError):
    """A report that the grammar of its schema does not hold."""


class Form:
    """What may come next at each token of the reports of a schema. A mask is kept once: the reports of a schema have some hundreds of different ones together."""

    def __init__(self, tokenizer: Any, vocab_size: int, admitted: AdmittedSchema) -> None:
        self._backend, self._end, self._vocab_size = tokenizer.backend_tokenizer, int(tokenizer.eos_token_id), vocab_size
        self._grammar = Grammars(self._backend.to_str(), vocab_size, (self._end,)).compiled(admitted, trusted=admitted.schema_id is not None)
        self._judge = ReportValidator(admitted.schema)
        self._spelled = {self._backend.decode([number]): number for number in range(min(vocab_size, self._backend.get_vocab_size()))}
        self._numbers: dict[bytes, int] = {}

    def tokens(self, report: str) -> list[int]:
        """The tokens of a report and of its end."""
        return [*self._backend.encode(report, add_special_tokens=False).ids, self._end]

    def places(self, report: str) -> list[int]:
        """For each token of a canonical report, and for its end, the row of `table` that says what may stand there. Raises: ReportUnfit."""
        encoded = self._backend.encode(report, add_special_tokens=False)
        tokens, matcher, found = self.tokens(report), self._grammar.fresh(), []
        repeating = self._repeating(report, encoded.offsets)
        for place, token in enumerate(tokens):
            allowed = matcher.allowed().copy()
            if place in repeating and allowed.sum() <= CHOICE_SHARE * self._vocab_size:
                allowed[repeating[place]] = False
            allowed[token] = True  # what is forced has one spelling in a mask, and may have another here
            found.append(self._numbers.setdefault(np.packbits(allowed).tobytes(), len(self._numbers)))
            if token != self._end:
                _follow(matcher, token)
        return found

    def overfull(self, report: str, other: str) -> str | None:
        """The report with the items of another one that are not told in it, in its lists whose items must differ, as many as the schema lets in; None where that is the report."""
        own, further = json.loads(report), dict(_named(json.loads(other)))
        for place, items in _named(own):
            for item in further.get(place, ()):
                if all(_opening(item) != _opening(told) for told in items) and not self._breaks(own, items, [*items, item]) and self._breaks(own, items, [item, item]):
                    items.append(item)
        text = canonical_json(own)
        return None if text == report else text

    def _breaks(self, report: Any, items: list[Any], others: list[Any]) -> bool:
        """Whether the report breaks its schema with other items in one of its lists."""
        kept, items[:] = items[:], others
        broken = bool(self._judge.violations(report))
        items[:] = kept
        return broken

    def table(self) -> Tensor:
        """(masks, vocab_size) bool: the tokens that may stand at a place of that number."""
        packed = np.frombuffer(b"".join(self._numbers), dtype=np.uint8).reshape(len(self._numbers), -1)
        return torch.from_numpy(np.unpackbits(packed, axis=1, count=self._vocab_size).view(np.bool_))

    def _repeating(self, report: str, offsets: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
        """Token -> the tokens by which an item of a list, whose items must differ, would go on as an earlier one does from where the two part."""
        parts: dict[int, list[int]] = {}
        for spans in self._differing(json.loads(report)):
            for begin, earlier in ((later[0], before[0]) for number, later in enumerate(spans) for before in spans[:number]):
                same = next(i for i in range(len(report) - begin) if report[begin + i] != report[earlier + i])
                place, left = next((place, left) for place, (left, right) in enumerate(offsets) if left <= begin + same < right)
                own, other = report[left : begin + same + 1], report[earlier + left - begin :]
                ways = (other[:length] for length in range(len(own), LONGEST_SPELLING + 1))
                parts.setdefault(place, []).extend(self._spelled[way] for way in ways if way in self._spelled)
        return parts

    def _differing(self, report: Any) -> Iterator[list[tuple[int, int]]]:
        """The items' characters in the canonical text, of each list that would break the schema with its first item twice."""
        for items, spans in _lists(report, 0):
            if len(items) > 1:
                second, items[1] = items[1], items[0]
                if self._judge.violations(report):
                    yield spans
                items[1] = second


def _follow(matcher: Matcher, token: int) -> None:
    try:
        matcher.consume(token)
    except MatcherFailed as error:
        raise ReportUnfit(str(error)) from error


def _named(value: Any, place: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Each list of an instance that no list holds, with its JSON Pointer."""
    if isinstance(value, list):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _named(inner, f"{place}/{name}")


def _opening(item: Any) -> Any:
    """What an item says first."""
    return next(iter(item.values()), None) if isinstance(item, dict) else item


def _lists(value: Any, at: int) -> Iterator[tuple[list[Any], list[tuple[int, int]]]]:
    """Each list of an instance with the characters of its items, in the canonical text of the instance that begins at ``at``."""
    if isinstance(value, dict):
        for name, inner in value.items():
            at += len(canonical_json(name)) + 2
            yield from _lists(inner, at)
            at += len(canonical_json(inner))
    elif isinstance(value, list):
        spans = []
        for inner in value:
            at += 1
            yield from _lists(inner, at)
            spans.append((at, at + len(canonical_json(inner))))
            at = spans[-1][1]
        yield value, spans
