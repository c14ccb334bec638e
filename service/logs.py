"""How log records read: one line each (and, in plain ones, the places of an internal error below it), plain or JSON, with the fields given as `extra`.

Owns: the two formats. Callers never pass texts of requests or reports as fields.
"""

from __future__ import annotations

import json
import logging
import sys
import time

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, *, as_json: bool) -> None:
    """Sends every record of at least `level` to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, event and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        head = {"time": _time(record), "level": record.levelname, "logger": record.name, "event": record.getMessage()}
        return json.dumps(head | _fields(record), ensure_ascii=False, default=str)


class PlainFormatter(logging.Formatter):
    """Time, level, event, then key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        return f"{_time(record)} {record.levelname:<7} {record.getMessage()} {fields}".rstrip()


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = record.exc_info[0].__name__
    return fields
