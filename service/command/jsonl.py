"""`escribano generate --input`: a file of lines in, a file of answers out.

Owns: opening and closing both ends, `-` for stdin and stdout, and the progress bar.
Does not know: what is in a line (`service/command/bulk.py`).
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import AbstractContextManager, aclosing, nullcontext
from pathlib import Path
from typing import IO, cast

from service.command import terminal
from service.command.bulk import Answer, Defaults, answer_lines
from service.command.opening import Backend

STDIO = Path("-")


class FileUnusable(OSError):
    """A file that was named cannot be read or written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


async def answer_file(source: Path, target: Path, backend: Backend, defaults: Defaults, *, num_in_flight: int) -> bool:
    """Answers every line of `source` into `target`, each written as soon as it is its turn; True if all are valid.

    `target` is opened last, so that nothing is overwritten when the model cannot be loaded.

    Raises:
        FileUnusable: one of them cannot be opened, or they are the same file.
    """
    _refuse_same(source, target)
    answered: Counter[str] = Counter()
    with _open(source, "rb", sys.stdin.buffer) as lines:
        async with backend.sender() as send:
            answers = answer_lines(lines, send, defaults, num_in_flight=num_in_flight, patience_s=backend.timeout_s)
            with _open(target, "wb", sys.stdout.buffer) as out, terminal.progress(_num_lines(source)) as advance:
                async with aclosing(answers):
                    async for answer in answers:
                        _write(out, answer)
                        advance(answer.ok)
                        answered[answer.code] += 1
    terminal.show_summary(answered, "the lines on stdout" if target == STDIO else str(target))
    return not (answered.keys() - {"OK"})


def _write(out: IO[bytes], answer: Answer) -> None:
    out.write(answer.text.encode("utf-8") + b"\n")
    out.flush()


def _refuse_same(source: Path, target: Path) -> None:
    if STDIO not in (source, target) and source.is_file() and target.exists() and source.samefile(target):
        raise FileUnusable(target, "is the input too; it would be overwritten")


def _open(path: Path, mode: str, stdio: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    if path == STDIO:
        return nullcontext(stdio)
    try:
        return cast(IO[bytes], path.open(mode))
    except OSError as error:
        raise FileUnusable(path, error.strerror or "cannot be opened") from None


def _num_lines(path: Path) -> int | None:
    if not path.is_file():
        return None  # a pipe would be used up by counting
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
