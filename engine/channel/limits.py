"""Limits counted on the bytes before anything is parsed (R5), and where in a message a byte stands.

No single call looks at more than 256 KB, so that others run meanwhile however large the message is.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from engine.hl7.batch import beginnings
from engine.hl7.msh import Msh

_STEP = 256 * 1024  # bytes counted by one call, which nothing interrupts
_BREAK, _ANY = b"\rx"  # what breaks are written as, and the bytes between them
_UP_TO_MSH_2 = 4  # bytes
_MEMBERS = (b"\rMSH", b"\nMSH")
_BEHIND_A_MARK = (b" MSH", b"\tMSH", b"\xbfMSH", b"\x1cMSH")
_FIRST = re.compile(rb"(?:[ \t\x0b]|\xef\xbb\xbf)*+MSH")  # a message without a header before it
_AROUND = 4  # lines around the messages of a batch: FHS, BHS, BTS, FTS


class Limits(NamedTuple):
    """How much of everything one message may have; the bytes of the whole message are the framer's limit."""

    segments: int = 10_000
    fields: int = 1_000  # in a segment
    repetitions: int = 1_000  # of a field
    components: int = 200  # and subcomponents, of a field
    field_bytes: int = 4 * 1024 * 1024
    messages: int = 10_000  # of a batch


def exceeded(raw: bytes, msh: Msh, limits: Limits) -> bool:
    """Whether a message has more of anything than allowed; the usual message is cleared by a few counts."""
    if len(raw) > _STEP:
        return _segments_exceed(raw, limits.segments, 0, len(raw)) or _parts_exceed(raw, msh, limits)
    ends = raw.count(b"\r") + raw.count(b"\n")
    if ends >= limits.segments and _segments_exceed(raw, limits.segments, 0, len(raw)):
        return True
    if len(raw) <= limits.field_bytes and _few(raw, _most(msh.separator, msh.encoding[:5], limits)):
        return False
    return _parts_exceed(raw, msh, limits)


def batch_exceeded(raw: bytes, limits: Limits) -> bool:
    """Whether a batch has too many messages, or one of them too many segments; so before it is split.

    Whether a message has exactly as many as allowed is decided where it is judged: the lines around it count here as well.
    """
    most = limits.segments + _AROUND
    messages = limits.messages - (_FIRST.match(raw) is not None)  # that a line end stands before
    if any(_count(raw, mark, 0, 0, len(raw)) for mark in _BEHIND_A_MARK):
        return _exceeded_somewhere(raw, messages, most)
    if sum(_count(raw, mark, messages, 0, len(raw)) for mark in _MEMBERS) > messages:
        return True
    if not any(_count(raw, end, most, 0, len(raw)) > most // 2 for end in (b"\r", b"\n")):
        return False
    return any(_segments_exceed(raw, most, *part) for part in _spans(raw, 0, len(raw), _MEMBERS))


def _exceeded_somewhere(raw: bytes, messages: int, segments: int) -> bool:
    """The same where something stands between a line end and MSH, or seems to: each line end is looked at."""
    begin = 0
    for number, at in enumerate(beginnings(raw, 0), 1):
        if number > messages or _segments_exceed(raw, segments, begin, at):
            return True
        begin = at + 1
    return _segments_exceed(raw, segments, begin, len(raw))


def _segments_exceed(raw: bytes, most: int, begin: int, end: int) -> bool:
    """Line ends are CR, LF or both together; the last one may be missing."""
    most -= raw[end - 1 : end] not in (b"\r", b"\n")
    returns, feeds = (_count(raw, mark, 2 * most, begin, end) for mark in (b"\r", b"\n"))
    if returns + feeds <= most:
        return False
    if returns > most or feeds > most:
        return True
    return returns + feeds - _count(raw, b"\r\n", most, begin, end) > most


class _Part(NamedTuple):
    """What is counted in each part of a message between breaks: one mark, or for `field_bytes` every byte."""

    table: bytes  # makes every break a line end, and what is counted a mark
    others: bytes  # bytes that are neither
    mark: bytes
    most: int  # marks
    short: re.Pattern[bytes]  # matches where a part has more


@lru_cache(maxsize=256)
def _parts(separator: bytes, encoding: bytes, limits: Limits) -> tuple[_Part, ...]:
    """What is counted: fields of a segment (behind MSH-2), the parts of a field, its bytes."""
    inside = b"\r\n" + separator
    fields = _part(b"\r\n", separator, limits.fields)
    inner = (_part(inside, mark, most - 1) for mark, most in _inner(encoding, limits))
    return fields, *inner, _part(inside, b"", limits.field_bytes)


def _part(breaks: bytes, mark: bytes, most: int) -> _Part:
    others = bytes(byte for byte in range(256) if byte not in breaks + mark) if mark else b""
    table = bytes(_BREAK if byte in breaks else byte if mark else _ANY for byte in range(256))
    spelled = mark or bytes([_ANY])
    one = re.escape(spelled)
    return _Part(table, others, spelled, most, re.compile(b"(?:%b{0,%d}+\r)*+%b{%d}" % (one, most, one, most + 1)))


def _inner(encoding: bytes, limits: Limits) -> list[tuple[bytes, int]]:
    """The delimiters in a field and how many parts there may be; a doubled escape character counts once."""
    found = encoding[:2] + encoding[3:] if encoding[2:4] == b"\\\\" else encoding
    return [(found[:1], limits.components), (found[1:2], limits.repetitions), (found[3:4], limits.components)]


@lru_cache(maxsize=256)
def _most(separator: bytes, encoding: bytes, limits: Limits) -> tuple[tuple[bytes, int], ...]:
    """How many delimiters a whole message may have where no part can have too many; MSH-2 has one of each."""
    return (separator, limits.fields - 1), *_inner(encoding, limits)


def _few(raw: bytes, marks: tuple[tuple[bytes, int], ...]) -> bool:
    """Whether even the whole has no more of anything than a part may have; a loop, since this runs for every message."""
    for mark, most in marks:  # noqa: SIM110 - a generator costs as much as the counting
        if raw.count(mark) > most:
            return False
    return True


def _parts_exceed(raw: bytes, msh: Msh, limits: Limits) -> bool:
    begin = raw.find(b"MSH") + _UP_TO_MSH_2 + len(msh.encoding)
    fields, *inner = _parts(msh.separator, msh.encoding[:5], limits)
    # MSH-1 is the separator itself, so that two fields stand before `begin`
    return _exceeds(raw, begin, fields, 2) or any(_exceeds(raw, begin, part) for part in inner)


def _exceeds(raw: bytes, begin: int, part: _Part, run: int = 0) -> bool:
    """Whether a part behind `begin` has too much; `run` is what was counted of the first before.

    Without all other bytes the marks of a part stand side by side: one pass in C, whatever the message is.
    """
    table, others, mark, most, short = part
    for at in range(begin, len(raw), _STEP):
        piece = raw[at : at + _STEP].translate(table, others)
        behind = len(piece) - len(piece.lstrip(mark))
        if run + behind > most or short.match(piece):
            return True
        run = run + behind if behind == len(piece) else len(piece) - len(piece.rstrip(mark))
    return False


def _spans(raw: bytes, begin: int, end: int, marks: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """The parts between marks, as offsets; each byte is looked at once for each mark."""
    places = [-1] * len(marks)
    while True:
        for n, mark in enumerate(marks):
            if places[n] < begin:
                found = raw.find(mark, begin, end)
                places[n] = found if found >= 0 else end
        at = min(places)
        yield begin, at
        if at == end:
            return
        begin = at + 1


def _count(raw: bytes, mark: bytes, most: int, begin: int, end: int) -> int:
    """How many of a mark there are; counting ends soon after `most`."""
    found = 0
    for at in range(begin, end, _STEP):
        found += raw.count(mark, at, min(at + _STEP + len(mark) - 1, end))
        if found > most:
            break
    return found


def located(raw: bytes, at: int, separator: bytes) -> str:
    """Where the byte at this offset stands, as ERR-2 names it: `OBX^1^5` (segment, its occurrence, field)."""
    lines = raw[:at].replace(b"\n", b"\r").split(b"\r")
    start = lines[-1]
    name = (start + raw[at : at + 3])[:3]
    if not (name.isalnum() and name.isascii()):
        return ""
    occurrence = 1 + sum(line[:3] == name for line in lines[:-1])
    field = start.count(separator) + (name in {b"MSH", b"FHS", b"BHS"})
    return f"{name.decode('ascii')}^{occurrence}^{field}"
