"""Hand-written wordings, English and Spanish: loading, picking, and expanding the noun grammar.

One folder for each split and language: ``governance*.yaml`` (the facts), ``discourse*.yaml`` (what stands around them), ``requests.yaml``, ``nouns.yaml`` (a grammar
of phrases) and ``phrases*.yaml`` (more of them); a number in a file's name is another author. ``train/`` and ``heldout/`` were written by different people; what
both happen to say is left out of ``heldout`` when it is loaded, so that measuring never meets a wording or a noun of training (labels of fields and one-word names of
levels are no wordings). ``concepts/`` words the facts of generated
schemas. Owns wordings only: what a wording is used for is decided by ``training.notes.verbalize``.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from training.notes.text import Template, template

HERE = Path(__file__).parent
LANGS = ("en", "es")
SPLITS = ("train", "heldout")

DRAWN = ("given", "surname", "company", "city", "word", "code", "n")
"""What a phrase may have inside that is no wording: a name, a company, a city, a made-up word, a code, a small number."""

_KEY = re.compile(r"\{([a-z_]+)\}")
_BARE = re.compile(r"\w+")


class PhrasebookError(ValueError):
    """A phrasebook file is wrong: names file and kind."""


def read_yaml(path: Path) -> Any:
    """Load a phrasebook file. Raises: PhrasebookError naming the file and the line."""
    try:
        return yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise PhrasebookError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Nouns:
    """A grammar of noun phrases: ``{key}`` inside an entry is expanded recursively.

    ``others``: grammars of further authors, each closed in itself; a phrase that several of them can make is drawn from all alike. Keys of `DRAWN` are left in
    place for `training.notes.values`, which has the pools.
    """

    source: str
    rules: dict[str, list[str]]
    others: tuple[Nouns, ...] = ()

    def expand(self, rng: random.Random, key: str) -> str:
        """Raises: PhrasebookError naming a key that no grammar has."""
        able = [grammar for grammar in (self, *self.others) if key in grammar.rules]
        return rng.choice(able or [self])._own(rng, key)

    def _own(self, rng: random.Random, key: str) -> str:
        try:
            entry = rng.choice(self.rules[key])
        except KeyError as error:
            raise PhrasebookError(f"{self.source}: unknown key {key!r}") from error
        return _KEY.sub(lambda m: m[0] if m[1] in DRAWN else self._own(rng, m[1]), entry)


@dataclass(frozen=True)
class Phrasebook:
    """The wordings of one language and split."""

    lang: str
    split: str
    wordings: dict[str, Any]
    nouns: Nouns
    _compiled: dict[str, tuple[Template, ...]] = field(default_factory=dict, repr=False, compare=False)

    def entries(self, *kind: str) -> list[Any]:
        """The list under a kind and members. Raises: PhrasebookError when the file lacks it."""
        node: Any = self.wordings
        for key in kind:
            try:
                node = node[key]
            except (KeyError, TypeError) as error:
                raise PhrasebookError(f"phrasebook {self.split}/{self.lang} lacks {'.'.join(kind)}") from error
        return list(node)

    def templates(self, *kind: str) -> tuple[Template, ...]:
        name = ".".join(kind)
        if name not in self._compiled:
            self._compiled[name] = tuple(template(str(t).strip()) for t in self.entries(*kind))
        return self._compiled[name]

    def pick(self, rng: random.Random, *kind: str, have: Collection[str] = (), need: Collection[str] = ()) -> Template | None:
        """A random wording whose slots are among ``have`` and include ``need``; None if there is none."""
        allowed, needed = frozenset(have), frozenset(need)
        fits = [t for t in self.templates(*kind) if needed <= t.slots <= allowed]
        return rng.choice(fits) if fits else None

    def word(self, rng: random.Random, *kind: str) -> str:
        return str(rng.choice(self.entries(*kind)))

    @cached_property
    def roles(self) -> frozenset[str]:
        """Roles and departments, which take an article where a person's name doesn't."""
        return frozenset(role for grammar in (self.nouns, *self.nouns.others) for role in grammar.rules.get("role", ()))

    @cached_property
    def size(self) -> int:
        """How many wordings the book holds."""
        return _count(self.wordings)


def books_digest() -> str:
    """Digest of all books, train and held out: with a plan's seed, what a base was trained on."""
    outer = hashlib.sha256()
    for file in sorted(HERE.rglob("*.yaml")):
        outer.update(f"{file.relative_to(HERE).as_posix()}\n".encode() + file.read_bytes())
    return f"sha256:{outer.hexdigest()}"


def _count(node: Any) -> int:
    if isinstance(node, dict):
        return sum(_count(v) for v in node.values())
    return len(node)


@cache
def phrasebook(lang: str, split: str = "train") -> Phrasebook:
    """Load the wordings of a language and split."""
    folder = HERE / split / lang
    wordings: dict[str, Any] = {}
    for name in ("governance", "discourse", "requests"):
        for path in sorted(folder.glob(f"{name}*.yaml")):
            wordings = together(wordings, _keys_as_text(read_yaml(path)))
    nouns = read_yaml(folder / "nouns.yaml")
    others = tuple(Nouns(str(path), read_yaml(path)) for path in sorted(folder.glob("phrases*.yaml")))
    if split != "train":
        trained = phrasebook(lang, "train")
        wordings = {kind: node if is_label(kind) else _without(node, trained.wordings.get(kind, [])) for kind, node in wordings.items()}
        nouns = {key: _without(entries, trained.nouns.rules.get(key, [])) for key, entries in nouns.items()}
    return Phrasebook(lang, split, wordings, Nouns(str(folder / "nouns.yaml"), nouns, others))


def together(one: Any, other: Any) -> Any:
    """Two nodes of books as one: lists end to end, each wording once; of what a book says once (a title, a kind) the first's."""
    if isinstance(one, dict) != isinstance(other, dict):
        raise PhrasebookError("a kind has members in one file and none in another")
    if isinstance(one, str):
        return one
    if isinstance(one, dict):
        return one | {key: together(one[key], node) if key in one else node for key, node in other.items()}
    return list(dict.fromkeys([*one, *other]))


def is_label(kind: str) -> bool:
    """Whether a kind holds the words of a form (labels, yes and no, names of levels and policies), which every writer shares."""
    return kind in ("key", "heading", "yes", "no", "none", "policy_name") or "_word" in kind


def bare(wording: str) -> str:
    """A wording without case, punctuation and spacing: two wordings that are the same bare are the same."""
    return " ".join(_BARE.findall(str(wording).casefold()))


def _without(node: Any, trained: Any) -> Any:
    """A book's node less every wording that stands, bare, anywhere in the other's."""
    known = {bare(wording) for wording in texts(trained)}
    return _filtered(node, known)


def _filtered(node: Any, known: set[str]) -> Any:
    if isinstance(node, dict):
        return {member: _filtered(inner, known) for member, inner in node.items()}
    return [wording for wording in node if bare(wording) not in known]


def texts(node: Any) -> Iterator[str]:
    """Every wording under a node of a book."""
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            yield from texts(inner)
        else:
            yield str(inner)


def _keys_as_text(node: Any) -> Any:
    """YAML reads bare ``true:`` and ``yes:`` as booleans; members are always text here."""
    if isinstance(node, dict):
        names = {True: "true", False: "false"}
        return {names.get(k, k) if isinstance(k, bool) else k: _keys_as_text(v) for k, v in node.items()}
    return node


@cache
def concepts() -> tuple[dict[str, Any], ...]:
    """Every concept of the library for generated schemas."""
    found: list[dict[str, Any]] = []
    for path in sorted((HERE / "concepts").glob("*.yaml")):
        found.extend(_keys_as_text(c) for c in read_yaml(path))
    return tuple(found)
