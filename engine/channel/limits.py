"""Limits counted on the bytes before anything is parsed (R5), and where in a message a byte stands.

Nothing is copied, and no single call looks at more than 256 KB, so that others run meanwhile however large the message is.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from engine.hl7.msh import Msh

_STEP = 256 * 1024  # bytes counted by one call, which nothing interrupts


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
        return _large_exceeds(raw, msh, limits)
    ends = raw.count(b"\r") + raw.count(b"\n")
    if ends > limits.segments and ends - raw.count(b"\r\n") > limits.segments:
        return True
    marks = _marks(msh.separator, msh.encoding[:4], limits)
    if len(raw) <= limits.field_bytes and _few(raw, marks):
        return False
    return any(_line_exceeds(raw, line, marks, limits) for line in _spans(raw, 0, len(raw), (b"\r", b"\n")))


def batch_exceeded(raw: bytes, limits: Limits) -> bool:
    """Whether a batch has too many messages, or one of them too many segments; so before it is split."""
    if not _more(raw, b"\r", limits.segments) and not _more(raw, b"\n", limits.segments):
        return False
    parts = _spans(raw, 0, len(raw), (b"\rMSH", b"\nMSH"))
    return any(
        number > limits.messages or _segments_exceed(raw, limits.segments, *part) for number, part in enumerate(parts)
    )


def _large_exceeds(raw: bytes, msh: Msh, limits: Limits) -> bool:
    if _segments_exceed(raw, limits.segments, 0, len(raw)):
        return True
    marks = _marks(msh.separator, msh.encoding[:4], limits)
    return any(_line_exceeds(raw, line, marks, limits) for line in _spans(raw, 0, len(raw), (b"\r", b"\n")))


def _segments_exceed(raw: bytes, most: int, begin: int, end: int) -> bool:
    """Line ends are CR, LF or both together."""
    returns, feeds = (_count(raw, mark, 2 * most, begin, end) for mark in (b"\r", b"\n"))
    if returns + feeds <= most:
        return False
    if returns > most or feeds > most:
        return True
    return returns + feeds - _count(raw, b"\r\n", most, begin, end) > most


@lru_cache(maxsize=256)
def _marks(separator: bytes, encoding: bytes, limits: Limits) -> tuple[tuple[bytes, int], ...]:
    """The delimiters and how many of each there may be in a field, the first in a segment."""
    most = ((0, limits.components), (1, limits.repetitions), (3, limits.components))
    inner = ((encoding[at : at + 1], limit) for at, limit in most if len(encoding) > at)
    return (separator, limits.fields), *inner


def _few(raw: bytes, marks: tuple[tuple[bytes, int], ...]) -> bool:
    """Whether even the whole has no more of anything than a part may have; a loop, since this runs for every message."""
    for mark, most in marks:  # noqa: SIM110 - a generator costs as much as the counting
        if raw.count(mark) > most:
            return False
    return True


def _line_exceeds(raw: bytes, line: tuple[int, int], marks: tuple[tuple[bytes, int], ...], limits: Limits) -> bool:
    (separator, fields), *inner = marks
    if _more(raw, separator, fields, *line):
        return True
    if line[1] - line[0] <= limits.field_bytes and not any(_more(raw, mark, most, *line) for mark, most in inner):
        return False
    return any(
        end - begin > limits.field_bytes or any(_more(raw, mark, most, begin, end) for mark, most in inner)
        for begin, end in _spans(raw, *line, (separator,))
    )


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


def _more(raw: bytes, mark: bytes, most: int, begin: int = 0, end: int = -1) -> bool:
    """Whether there are more than `most` of a mark."""
    return _count(raw, mark, most, begin, len(raw) if end < 0 else end) > most


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
