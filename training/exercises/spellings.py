"""Words and spans that nobody would expect: practice in copying what stands there, whatever it is.

A letter, a sign or a piece of a word that reports seldom hold is a token that the model seldom has to name, and where it first has to, the copy breaks off into a
loop (docs/training-log.md). Owns the drawing of such spans; the exercises (`training/exercises/copying.py`) hold them, and of the notes only those to train on,
which `training.notes.values` sees to.
"""

from __future__ import annotations

import random
import re
import string
from functools import cache

from training.phrasebook import Phrasebook, phrasebook, texts

_ACCENTED = "áàâäãåąæçčćđďðéèêëęěğíìîïıłľñńňóòôöõőøœřŕßşșšťþțúùûüűůýÿžźż"
_OTHER_SCRIPTS = ((0x3B1, 0x3C9), (0x430, 0x44F), (0x5D0, 0x5EA), (0x627, 0x64A), (0x905, 0x939), (0x3042, 0x3093), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F600, 0x1F64F))
"""First and last code point: Greek, Cyrillic, Hebrew, Arabic, Devanagari, Hiragana, Han, Hangul, faces."""
_SIGNED = ("({0})", "«{0}»", "“{0}”", "'{0}'", "[{0}]", "#{0}", "@{0}", "{0}!", "{0}?", "{0}%", "{0}+", "{0}*", "¡{0}!", "¿{0}?", "{0}º", "{0}/{1}", "{0}-{1}", "{0}_{1}",
           "{0}.{1}", "{0}&{1}", "{0} & {1}", "{0} – {1}", "{0} + {1}", "{0}={1}", "{0}: {1}", "{0}'{1}", "{0}’{1}", "{0}·{1}", "{0}|{1}", "${0}", "£{0}", "{0} €", "{0}²", "§{0}", "~{0}", "<{0}>", "{0};{1}")  # fmt: skip
_SLOT = re.compile(r"\{[a-z_]+\}")
_ESCAPED = frozenset('"\\')  # what JSON writes otherwise than the note


def odd_word(rng: random.Random) -> str:
    """Letters, digits and signs that few words have: accents, capitals, other scripts, codes."""
    roll = rng.random()
    if roll < 0.45:
        return odd_name(rng) if rng.random() < 0.4 else _letters(rng, 0.35)
    if roll < 0.55:
        first, last = rng.choice(_OTHER_SCRIPTS)
        return "".join(chr(rng.randint(first, last)) for _ in range(rng.randrange(1, 5)))
    if roll < 0.65:
        return _letters(rng, 0.1).upper()
    if roll < 0.75:
        return "".join(rng.choices(string.ascii_letters + string.digits * 3, k=rng.randrange(1, 8)))
    return rng.choice(_SIGNED).format(*(rng.choice((_letters(rng, 0.1), str(rng.randrange(1000)))) for _ in range(2)))


def odd_name(rng: random.Random) -> str:
    """A capitalised word of letters that few names have."""
    return _letters(rng, 0.4).capitalize()


def _letters(rng: random.Random, accented: float) -> str:
    return "".join(rng.choice(_ACCENTED if rng.random() < accented else string.ascii_lowercase) for _ in range(rng.randrange(1, 9)))


def excerpt(rng: random.Random, book: Phrasebook) -> str:
    """One to six words in a row of any wording, cut where no phrase would end."""
    words = rng.choice(_fragments(book.lang, book.split)).split()
    count = rng.choice((1, 1, 2, 2, 3, 4, 6))
    start = rng.randrange(max(1, len(words) - count + 1))
    return " ".join(words[start : start + count])


@cache
def _fragments(lang: str, split: str) -> tuple[str, ...]:
    """What stands between the slots of every wording of a book."""
    found = {part.strip(string.punctuation + string.whitespace + "…¿¡") for wording in texts(phrasebook(lang, split).wordings) for part in _SLOT.split(wording)}
    return tuple(sorted(part for part in found if part and not _ESCAPED & set(part)))


def span(rng: random.Random, book: Phrasebook) -> str:
    """Up to four of the two in a row."""
    return " ".join(odd_word(rng) if rng.random() < 0.5 else excerpt(rng, book) for _ in range(rng.randrange(1, 5)))
