"""What receive thinks of one message: accepted with flags, or refused with a code of table 0357 and a place (D16, C8)."""

import re
from functools import lru_cache
from typing import NamedTuple

from engine.channel.declared import Found, judge_charset
from engine.channel.limits import Limits, exceeded, located
from engine.hl7.known import known_type
from engine.hl7.msh import Msh

MAX_CONTROL_ID = 199  # bytes of MSH-10 (HL7 2.7)
VERSIONS = frozenset(b"2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1".split())
_USUAL = 32  # bytes of MSH-9 of which the verdict is remembered
_DTM = re.compile(rb"\d{4}(?:\d\d(?:\d\d(?:\d\d(?:\d\d(?:\d\d(?:\.\d{1,4})?)?)?)?)?)?(?:[+-]\d{4})?")


class ListenerRules(NamedTuple):
    """What a listener takes: its row in config.yaml, and what the channels behind it ask for."""

    name: str
    processing_ids: frozenset[bytes] = frozenset({b"P"})  # of MSH-11; empty counts as P (C42)
    charset: str = "utf-8"  # where MSH-18 is empty and the bytes are no UTF-8
    accepted: frozenset[bytes] = frozenset()  # MSH-9 as `ZRD^Z01` or `ZRD` that some channel accepts
    limits: Limits = Limits()
    override: str = ""  # the set of its messages, whatever MSH-18 says


class Verdict(NamedTuple):
    """An acknowledgement code of original mode (AA, AE, AR), the error behind it, and what is odd but accepted."""

    code: str
    error: str = ""
    location: str = ""
    charset: str = ""
    flags: tuple[str, ...] = ()


def verdict(raw: bytes, msh: Msh, rules: ListenerRules, vt_at: int = -1, known: Found | None = None) -> Verdict:
    """Judge framing, limits, MSH-9, 10, 11, 12, 18 and decodability, in this order, and nothing else (C8).

    `known` is what has been found about MSH-18 and decodability where the message had to be read as a whole.
    """
    if exceeded(raw, msh, rules.limits):
        return Verdict("AR", "104")
    if len(msh.control_id) > MAX_CONTROL_ID:
        return Verdict("AR", "104", "MSH^1^10")
    if vt_at >= 0:
        return Verdict("AE", "102", located(raw, vt_at, msh.separator))
    header = _header(msh, rules.accepted)
    if header.code == "AA" and msh.processing not in rules.processing_ids:
        header = _processing(msh, rules.processing_ids, header)
    if header.code != "AA":
        return header
    found = known or judge_charset(raw, msh, rules.charset, rules.override)
    if found.code != "AA":
        return Verdict(found.code, found.error, found.location)
    return Verdict("AA", charset=found.charset, flags=header.flags + found.flags + _oddities(raw, msh))


def _processing(msh: Msh, ids: frozenset[bytes], header: Verdict) -> Verdict:
    return header if (_first(msh.processing, msh) or b"P") in ids else Verdict("AR", "202", "MSH^1^11")


def _first(value: bytes, msh: Msh) -> bytes:
    """The first component of the first repetition."""
    encoding = msh.encoding
    return value.partition(encoding[1:2])[0].partition(encoding[:1])[0] if len(encoding) > 1 else value


def _header(msh: Msh, accepted: frozenset[bytes]) -> Verdict:
    judge = _typed if len(msh.type) <= _USUAL else _judged
    found = judge(msh.type, msh.encoding[:1], accepted)
    return found if msh.control_id or found.error == "101" else Verdict("AR", "101", "MSH^1^10")


def _judged(message_type: bytes, mark: bytes, accepted: frozenset[bytes]) -> Verdict:
    """What MSH-9 alone decides."""
    code, event = _split_type(message_type, mark)
    if not code:
        return Verdict("AR", "101", "MSH^1^9")
    error = _unknown(code, event)
    if not error:
        return _ACCEPTED
    if code in accepted or code + b"^" + event in accepted:
        return Verdict("AA", flags=("local_type",))
    return Verdict("AR", error, "MSH^1^9")


_typed = lru_cache(maxsize=1024)(_judged)

_ACCEPTED = Verdict("AA")


def _split_type(message_type: bytes, mark: bytes) -> tuple[bytes, bytes]:
    parts = message_type.split(mark, 2) if mark else [message_type]
    return parts[0], parts[1] if len(parts) > 1 else b""


def _unknown(code: bytes, event: bytes) -> str:
    """Error 200 for a type that no version of HL7 has, 201 for an event, empty for a known pair."""
    if not (code.isascii() and event.isascii()):
        return "200"
    name, trigger = code.decode("ascii"), event.decode("ascii")
    if known_type(name, trigger):
        return ""
    return "201" if known_type(name, "") else "200"


def _oddities(raw: bytes, msh: Msh) -> tuple[str, ...]:
    """What is not as the standard says and accepted all the same, in fixed words."""
    found = []
    if msh.version not in VERSIONS and _first(msh.version, msh) not in VERSIONS:
        found.append("version_unknown")
    if not _DTM.fullmatch(msh.datetime) and not _DTM.fullmatch(_first(msh.datetime, msh)):
        found.append("datetime_odd")
    if b"\n" in raw:
        found.append("lf_line_ends")
    return tuple(found)
