"""The dialect of regular expressions a schema may use, so that every engine means the same by it.

Owns a small parser: literals, `.`, classes, `( )` and `(?: )` groups, `|`, greedy and lazy counts, `^ $`, and the
escapes `\\d \\D \\w \\W \\s \\S \\t \\n \\r \\f \\v \\xHH \\uHHHH` with ECMA-262 meaning. Look-around, back-references,
flags, named groups and Unicode classes are refused. Knows no schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import jsonschema_rs

MAX_PATTERN_CHARS = 1_000
MAX_REPEATS = 1_000
"""Largest product of nested `{m,n}` counts."""
LINEAR = jsonschema_rs.RegexOptions(size_limit=1 << 17)
"""How regular expressions of strangers are run: in linear time, in at most so many bytes each."""

_SPACE = r"\t\n\x0b\x0c\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES = {"d": "0-9", "w": "0-9A-Z_a-z", "s": _SPACE}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_PUNCTUATION = set("^$\\.*+?()[]{}|/-")
_COUNT = re.compile(r"([*+?]|\{(\d{1,9})(?:(,)(\d{1,9})?)?\})\??")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")


class PatternRefused(ValueError):
    """A regular expression outside the dialect; `reason` says what and where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Pattern:
    """One regular expression as it was given, and in two spellings: for the mask engine (rust), and for Python's `re`."""

    source: str
    mask: str
    python: str
    maskable: bool
    """False where an anchor stands inside the expression, which the mask engine cannot read."""

    def found_in(self, text: str) -> bool:
        """In linear time: Python's `re` may take exponential."""
        return bool(_linear(self.source).is_valid(text))


@lru_cache(512)
def parse_pattern(text: str) -> Pattern:
    """The two spellings of a regular expression.

    Raises:
        PatternRefused: it is outside the dialect or too large.
    """
    if len(text) > MAX_PATTERN_CHARS:
        raise PatternRefused(f"longer than {MAX_PATTERN_CHARS} characters")
    try:
        found = _Parser(text).pattern()
    except RecursionError:
        raise PatternRefused("groups nested too deep") from None
    try:
        _linear(text)
    except jsonschema_rs.ValidationError:
        raise PatternRefused("too large to be run in linear time and bounded memory") from None
    return found


@lru_cache(512)
def _linear(text: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"pattern": text}, offline=True, pattern_options=LINEAR)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.maskable = True

    def pattern(self) -> Pattern:
        mask, _ = self.alternatives(top=True)
        if self.at < len(self.text):
            raise self.refusal("an unopened )")
        return Pattern(self.text, mask, _in_python(mask), self.maskable)

    def refusal(self, what: str) -> PatternRefused:
        return PatternRefused(f"{what} at character {self.at}")

    def peek(self) -> str:
        return self.text[self.at:self.at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.refusal("an unfinished expression")
        self.at += 1
        return char

    def alternatives(self, top: bool) -> tuple[str, int]:
        branches = [self.branch(top)]
        while self.peek() == "|":
            self.take()
            branches.append(self.branch(top))
        return "|".join(text for text, _ in branches), max(size for _, size in branches)

    def branch(self, top: bool) -> tuple[str, int]:
        """One alternative up to `|`, `)` or the end, with its largest count product."""
        parts: list[str] = []
        size = 1
        while self.peek() not in ("", "|", ")"):
            if self.peek() in "^$":
                parts.append(self.anchor(top and not "".join(parts).strip("^")))
            else:
                part, repeats = self.counted()
                parts.append(part)
                size = max(size, repeats)
        return "".join(parts), size

    def anchor(self, first: bool) -> str:
        char = self.take()
        last = self.peek() in ("", "|")
        self.maskable &= first if char == "^" else last
        if self.peek() and self.peek() in "*+?{":
            raise self.refusal("a counted anchor")
        return char

    def counted(self) -> tuple[str, int]:
        atom, size = self.atom()
        count = _COUNT.match(self.text, self.at)
        if count is None:
            if self.peek() == "{":
                raise self.refusal("an unescaped {")
            return atom, size
        self.at = count.end()
        size *= self.repeats(count)
        if size > MAX_REPEATS:
            raise self.refusal(f"a count beyond {MAX_REPEATS}")
        if self.peek() and self.peek() in "*+?{":
            raise self.refusal("a count of a count")
        return atom + count.group(), size

    def repeats(self, count: re.Match[str]) -> int:
        low, high = count.group(2), count.group(4)
        if low and high and int(low) > int(high):
            raise self.refusal("a count from more to less")
        return max(int(high or 0), int(low or 0), 1)

    def atom(self) -> tuple[str, int]:
        char = self.take()
        if char == "(":
            return self.group()
        if char == "[":
            return self.klass(), 1
        if char == "\\":
            return self.escape(), 1
        if char in "*+?{":
            raise self.refusal(f"an unescaped {char}")
        return (char if char == "." else _quoted(char)), 1

    def group(self) -> tuple[str, int]:
        if self.peek() == "?":
            if self.text[self.at:self.at + 2] != "?:":
                raise self.refusal("a group other than ( ) and (?: )")
            self.at += 2
        inner, size = self.alternatives(top=False)
        if self.peek() != ")":
            raise self.refusal("an unclosed (")
        self.take()
        return f"(?:{inner})", size

    def escape(self) -> str:
        if self.peek().lower() in _CLASSES and self.peek():
            char = self.take()
            return f"[{'^' if char.isupper() else ''}{_CLASSES[char.lower()]}]"
        return _quoted(self.escaped_char())

    def escaped_char(self) -> str:
        found = _HEX.match(self.text, self.at)
        if found:
            self.at = found.end()
            char = chr(int(found.group(1) or found.group(2), 16))
            if "\ud800" <= char <= "\udfff":
                raise self.refusal("a surrogate")
            return char
        char = self.take()
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char not in _PUNCTUATION:
            self.at -= 1
            raise self.refusal(f"the escape \\{char}")
        return char

    def klass(self) -> str:
        for anything in ("[\\s\\S]", "[\\S\\s]", "[\\d\\D]", "[\\D\\d]", "[\\w\\W]", "[\\W\\w]"):
            if self.text.startswith(anything, self.at - 1):
                self.at += len(anything) - 1
                return "(?:.|\\n)"
        negated = self.peek() == "^"
        self.at += negated
        members = "".join(self.members())
        if not members:
            raise self.refusal("an empty class")
        return f"[{'^' if negated else ''}{members}]"

    def members(self) -> Iterator[str]:
        while self.peek() != "]":
            low = self.member()
            if self.peek() == "-" and self.text[self.at + 1:self.at + 2] not in ("]", ""):
                self.take()
                high = self.member()
                if len(low) != 1 or len(high) != 1 or low > high:
                    raise self.refusal("a range that is none")
                self.maskable &= low >= " "  # the mask engine lets \" and \\ by in a range of control characters
                yield f"{_quoted(low)}-{_quoted(high)}"
            else:
                yield _quoted(low) if len(low) == 1 else low
        self.take()

    def member(self) -> str:
        char = self.take()
        if char == "[" or (char in "&~-" and self.peek() == char):
            raise self.refusal(f"an unescaped {char} in a class")
        if char != "\\":
            return char
        if self.peek() in ("d", "w", "s"):
            return _CLASSES[self.take()]
        if self.peek() in ("D", "W", "S"):
            raise self.refusal("a negated class within a class")
        return self.escaped_char()


def _quoted(char: str) -> str:
    """A character as a literal that the rust and Python engines read alike, in and out of a class."""
    if char.isascii() and (char.isalnum() or char in " _\"'/,:;<>=!%@`"):
        return char
    if char.isascii() and char.isprintable():
        return "\\" + char
    return f"\\x{ord(char):02x}" if ord(char) < 256 else char


def _in_python(mask: str) -> str:
    return re.sub(r"(\\.)|\$", lambda found: found.group(1) or r"\Z", mask, flags=re.DOTALL)
