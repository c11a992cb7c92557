"""What receive thinks of one message: accepted with flags, or refused with a code of table 0357 and a place (D16, C8)."""

import re
from calendar import monthrange
from functools import lru_cache
from typing import NamedTuple

from engine.channel.declared import Found, judge_charset
from engine.channel.limits import Limits, exceeded, located
from engine.hl7.known import known_type
from engine.hl7.msh import LONGEST_ID, Msh, cut_to

VERSIONS = frozenset(b"2.1 2.2 2.3 2.3.1 2.4 2.5 2.5.1 2.6 2.7 2.7.1 2.8 2.8.1 2.8.2 2.9 2.9.1".split())
_USUAL = 32  # bytes of MSH-9 of which the verdict is remembered
_DTM = re.compile(
    rb"(?P<year>\d{4})(?:(?P<month>0[1-9]|1[0-2])(?:(?P<day>0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])(?:[0-5]\d"
    rb"(?:(?:[0-5]\d|60)(?:\.\d{1,4})?)?)?)?)?)?(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
)
_NO_DATETIME = frozenset(b"2.1 2.2 2.3 2.3.1".split())  # versions in which MSH-7 may be empty
_CONTROL = bytes(n for n in range(32) if n not in b"\t\n\v\r\x1c") + b"\x7f"  # VT and FS have flags of their own
_IS_CONTROL = bytes(n in _CONTROL for n in range(256))
_SHIFTS = re.compile(rb"(?i)2022|IR[ -]?(?:13|14|58|87|149|159|165)")  # sets of MSH-18 that are switched by ESC
_C1 = re.compile("[\x80-\x9f]")


class ListenerRules(NamedTuple):
    """What a listener takes: its row in config.yaml, and what the channels behind it ask for."""

    name: str
    processing_ids: frozenset[bytes] = frozenset({b"P"})  # of MSH-11; empty counts as P (C42)
    charset: str = "utf-8"  # where MSH-18 is empty and the bytes are no UTF-8
    accepted: frozenset[bytes] = frozenset()  # MSH-9 as `ZRD^Z01` or `ZRD` that some channel accepts
    limits: Limits = Limits()
    strict: bool = False  # what is odd is refused
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

    A strict listener also refuses line ends and beginnings that are not the standard's, MSH-12 and MSH-7. `known` is what
    has been found about MSH-18 and decodability where the message had to be read as a whole.
    """
    if exceeded(raw, msh, rules.limits):
        return Verdict("AR", "104")
    if len(msh.control_id) > LONGEST_ID and cut_to(msh.control_id, LONGEST_ID) != msh.control_id:
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
    odd = _oddities(raw, msh, "utf-8" if msh.codec else found.charset)
    accepted = Verdict("AA", charset=found.charset, flags=header.flags + found.flags + odd)
    return _strict(raw, msh, accepted) if rules.strict else accepted


def _processing(msh: Msh, ids: frozenset[bytes], header: Verdict) -> Verdict:
    return header if (_first(msh.processing, msh) or b"P") in ids else Verdict("AR", "202", "MSH^1^11")


def _strict(raw: bytes, msh: Msh, found: Verdict) -> Verdict:
    """What a listener that refuses the odd makes of a message that another accepts with a flag."""
    code, error, location = _objection(raw, msh, found.flags)
    return found._replace(code=code, error=error, location=location)


def _objection(raw: bytes, msh: Msh, flags: tuple[str, ...]) -> tuple[str, str, str]:
    """Code, error and place of what a strict listener does not take."""
    if not raw.startswith(b"MSH") or "lf_line_ends" in flags:
        return "AR", "100", ""
    if "version_unknown" in flags:
        return "AR", "203", "MSH^1^12"
    if "datetime_odd" in flags and msh.datetime:
        return "AE", "102", "MSH^1^7"
    if "datetime_odd" in flags and _first(msh.version, msh) not in _NO_DATETIME:
        return "AR", "101", "MSH^1^7"
    return "AA", "", ""


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


def _oddities(raw: bytes, msh: Msh, codec: str) -> tuple[str, ...]:
    """What is not as the standard says and accepted all the same, in fixed words."""
    found = []
    if msh.version not in VERSIONS and _first(msh.version, msh) not in VERSIONS:
        found.append("version_unknown")
    if not (_is_time(msh.datetime) or _is_time(_first(msh.datetime, msh))):
        found.append("datetime_odd")
    if b"\n" in raw:
        found.append("lf_line_ends")
    if (1 in raw.translate(_IS_CONTROL) and _has_controls(raw, msh)) or not (raw.isascii() or _has_no_c1(raw, codec)):
        found.append("control_characters")
    return tuple(found)


def _is_time(value: bytes) -> bool:
    """Whether a DTM is one of the calendar (chapter 2.A.22)."""
    match = _DTM.fullmatch(value)
    if match is None or match["year"] == b"0000":
        return False
    day = int(match["day"] or 1)
    return day < 29 or day <= monthrange(int(match["year"]), int(match["month"]))[1]


def _has_controls(raw: bytes, msh: Msh) -> bool:
    """Whether a control character stands there that is no shift of a declared character set."""
    return raw.translate(None, b"\x1b").translate(_IS_CONTROL).count(1) > 0 or not _SHIFTS.search(msh.charset)


def _has_no_c1(raw: bytes, codec: str) -> bool:
    if codec == "utf-8" and b"\xc2" not in raw:
        return True
    return _C1.search(raw.decode(codec)) is None
