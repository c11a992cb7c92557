"""Limits counted on the bytes before anything is parsed (R5), and where in a message a byte stands."""

from functools import lru_cache
from typing import NamedTuple

from engine.hl7.msh import Msh


class Limits(NamedTuple):
    """How much of everything one message may have; the bytes of the whole message are the framer's limit."""

    segments: int = 10_000
    fields: int = 1_000  # in a segment
    repetitions: int = 1_000  # of a field
    components: int = 200  # and subcomponents, of a field
    field_bytes: int = 4 * 1024 * 1024


def exceeded(raw: bytes, msh: Msh, limits: Limits) -> bool:
    """Whether a message has more of anything than allowed; the usual message is cleared by a few counts."""
    ends = raw.count(b"\r") + raw.count(b"\n")
    if ends > limits.segments and ends - raw.count(b"\r\n") > limits.segments:
        return True
    marks = _marks(msh.separator, msh.encoding[:4], limits)
    if len(raw) <= limits.field_bytes and _few(raw, marks):
        return False
    return any(
        _line_exceeds(line, msh.separator, marks, limits) for part in raw.split(b"\r") for line in part.split(b"\n")
    )


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


def _line_exceeds(line: bytes, separator: bytes, marks: tuple[tuple[bytes, int], ...], limits: Limits) -> bool:
    if line.count(separator) > limits.fields:
        return True
    if len(line) <= limits.field_bytes and all(line.count(mark) <= most for mark, most in marks[1:]):
        return False
    return any(
        len(field) > limits.field_bytes or any(field.count(mark) > most for mark, most in marks[1:])
        for field in line.split(separator)
    )


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
