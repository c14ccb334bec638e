"""What may become of the process that compiles a stranger's schema; each stands in for `service.grammars.grammar._child`."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

from service.grammars import grammar


def crash(sender: Connection, text: str, spec: Any) -> None:
    """Dies as a native abort does."""
    os.kill(os.getpid(), signal.SIGABRT)


def sleep(sender: Connection, text: str, spec: Any) -> None:
    """Never comes to an end."""
    time.sleep(600)


class _Hungry:
    def __init__(self, *_: Any, **__: Any) -> None:
        self.eaten = bytearray(grammar.COMPILE_MEMORY_BYTES + (1 << 28))

    def is_error(self) -> bool:
        return False

    def compute_bitmask(self) -> bytes:
        return b""

    def get_error(self) -> str:
        return ""


def hungry(sender: Connection, text: str, spec: Any) -> None:
    """The real child with a matcher that wants more memory than it may have; it would succeed without a limit."""
    grammar.LLMatcher = _Hungry  # type: ignore[misc,assignment]
    os.close(2)  # the traceback of the MemoryError is expected
    grammar._child(sender, text, spec)
