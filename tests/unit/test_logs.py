"""A record is one line, with its fields."""

from __future__ import annotations

import json
import logging

from service.logs import JsonFormatter, PlainFormatter


def record(**fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"msg": "call\nnow", "levelname": "INFO", "name": "service", "created": 0.0, "msecs": 7}
    )
    vars(made).update(fields)
    return made


def test_a_json_line_has_time_level_event_and_fields() -> None:
    line = JsonFormatter().format(record(code="OK", total_s=0.5))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.007Z",
        "level": "INFO",
        "logger": "service",
        "event": "call\nnow",
        "code": "OK",
        "total_s": 0.5,
    }


def test_a_plain_line_has_its_fields_behind() -> None:
    assert PlainFormatter().format(record(msg="call", code="OK")) == "1970-01-01T00:00:00.007Z INFO    call code=OK"


def test_the_text_of_an_exception_is_not_in_a_line() -> None:
    line = JsonFormatter().format(record(exc_info=(KeyError, KeyError("secret"), None)))
    assert json.loads(line)["exception"] == "KeyError" and "secret" not in line
