"""What each `format` means here: how the mask engine approximates it and how the second judge checks it.

Owns one table. A format whose mask pattern is exact needs no check after decoding; every other pattern takes at least
what the format takes. Formats without a pattern are checked after decoding only. Knows no schema.
"""

from __future__ import annotations

import calendar
import ipaddress
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass

_MONTH_DAY = ("(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
              "|02-(?:0[1-9]|1[0-9]|2[0-8])")
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = f"(?:[0-9]{{4}}-(?:{_MONTH_DAY})|{_LEAP_YEAR}-02-29)"
_OFFSET = "(?:[Zz]|[+\\-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_TIME = f"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?{_OFFSET}"
_DURATION = ("P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:T{t})?|T{t})".replace(
    "{t}", "(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"))
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?"
_HOST = f"{_LABEL}(?:\\.{_LABEL})*"
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]+"
_EMAIL = (f"(?:{_ATOM}(?:\\.{_ATOM})*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")"
          f"@(?:{_HOST}|\\[[A-Za-z0-9:.\\-]+\\])")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX = "[0-9A-Fa-f]"
_URI = "[A-Za-z][A-Za-z0-9+.\\-]*:(?:[A-Za-z0-9\\-._~:/?#\\[\\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*"


@dataclass(frozen=True, slots=True)
class Format:
    """A format's mask pattern (None: the mask lets any string by), and whether the pattern is the format exactly."""

    pattern: str | None = None
    exact: bool = False


def _whole(body: str) -> str:
    return f"^(?:{body})$"


FORMATS: dict[str, Format] = {
    "date": Format(_whole(_DATE), exact=True),
    "ipv4": Format(_whole(f"{_OCTET}(?:\\.{_OCTET}){{3}}"), exact=True),
    "uuid": Format(_whole(f"{_HEX}{{8}}-(?:{_HEX}{{4}}-){{3}}{_HEX}{{12}}"), exact=True),
    "duration": Format(_whole(_DURATION), exact=True),
    "time": Format(_whole(_TIME)),
    "date-time": Format(_whole(f"{_DATE}[Tt]{_TIME}")),
    "email": Format(_whole(_EMAIL)),
    "hostname": Format(_whole(_HOST)),
    "ipv6": Format(_whole("[0-9A-Fa-f:.]{2,45}")),
    "uri": Format(_whole(_URI)),
} | {name: Format() for name in ("idn-email", "idn-hostname", "iri", "iri-reference", "json-pointer", "regex",
                                 "relative-json-pointer", "uri-reference", "uri-template")}


def _is_date(text: str) -> bool:
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year or 400, month)[1]


def _is_time(text: str) -> bool:
    found = re.fullmatch(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))", text)
    if found is None:
        return False
    hour, minute, second = (int(part) for part in found.group(1, 2, 3))
    away_h, away_m = int(found.group(5) or 0), int(found.group(6) or 0)
    if hour > 23 or minute > 59 or second > 60 or away_h > 23 or away_m > 59:
        return False
    away = (away_h * 60 + away_m) * (-1 if found.group(4) == "-" else 1)
    return second < 60 or (hour * 60 + minute - away) % 1440 == 1439


def _is_date_time(text: str) -> bool:
    return text[10:11] in ("T", "t") and _is_date(text[:10]) and _is_time(text[11:])


def _is_duration(text: str) -> bool:
    return re.fullmatch(_DURATION, text) is not None


def _is_hostname(text: str) -> bool:
    labels = text.split(".")
    return len(text) <= 253 and all(re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", label) for label in labels)


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    plain = re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", local) and "" not in local.split(".")
    quoted = re.fullmatch(r'"(?:[^"\\\x00-\x1f\x7f-\uffff]|\\[ -~])*"', local)
    return bool(at and (plain or quoted)) and len(local) <= 64 and (_is_hostname(domain) or _is_address_literal(domain))


def _is_address_literal(text: str) -> bool:
    inner = text[1:-1]
    if text[:1] + text[-1:] != "[]":
        return False
    return _is_address(inner[5:], 6) if inner.startswith("IPv6:") else _is_address(inner, 4)


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_uri(text: str) -> bool:
    scheme, colon, rest = text.partition(":")
    if not colon or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) is None:
        return False
    found = re.fullmatch(r"(?://([^/?#]*)(?=[/?#]|$))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", rest, re.DOTALL)
    if found is None or (found.group(1) is not None and not _is_authority(found.group(1))):
        return False
    allowed = (":@/", ":@/?", ":@/?")  # in path, query and fragment
    return all(_is_uri_text(part or "", extra) for part, extra in zip(found.group(2, 3, 4), allowed, strict=True))


def _is_authority(text: str) -> bool:
    user, _, place = text.rpartition("@")
    host, _, _port = place.rpartition(":") if re.search(r":[0-9]*$", place) else (place, "", "")
    literal = host[:1] + host[-1:] == "[]" and len(host) > 2
    known = _is_address(host[1:-1], 6) or re.fullmatch(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+", host[1:-1])
    return _is_uri_text(user, ":") and bool(known if literal else _is_uri_text(host, ""))


def _is_uri_text(text: str, extra: str) -> bool:
    return re.fullmatch(rf"(?:[A-Za-z0-9\-._~!$&'()*+,;={extra}]|%[0-9A-Fa-f]{{2}})*", text) is not None


CHECKS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "duration": _is_duration,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": lambda text: _is_address(text, 4),
    "ipv6": lambda text: _is_address(text, 6),
    "uuid": _is_uuid,
    "uri": _is_uri,
}
"""The second judge's checks, written apart from the patterns where that is feasible."""
