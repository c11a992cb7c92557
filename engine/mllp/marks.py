"""The marks of MLLP, and the next of them in a buffer."""

import re
import sys
from functools import cache

VT = b"\x0b"
FS = b"\x1c"
CR = b"\r"
STARTS = (b"MSH", b"FHS", b"BHS")  # what stands behind the VT that begins a frame
FAR = sys.maxsize


class Marks:
    """The next VT and FS of a buffer, each byte looked at once however many marks there are."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._vt = -1

    def next_vt(self, start: int) -> int:
        if self._vt < start:
            found = self._buffer.find(VT, start)
            self._vt = found if found >= 0 else FAR
        return self._vt

    def next(self, start: int) -> int:
        vt = self.next_vt(start)
        found = self._buffer.find(FS, start, vt)
        return found if found >= 0 else vt


@cache
def deciding(*, strict: bool, wide: bool) -> re.Pattern[bytes]:
    """The marks of a frame that may begin or end one, or that the next bytes decide; all others are content.

    Args:
        strict: FS CR alone ends a frame.
        wide: its characters have two bytes each.
    """
    begun = b"|".join(begin[:size] for begin in STARTS for size in (1, 2))
    end = rb"\r" if strict else rb"[\r\x0b]"
    more = rb"|\0\r|\0\Z" if wide else b""
    return re.compile(rb"\x0b(?:%b|(?:%b)?\Z)|\x1c(?:%b|\Z%b)" % (b"|".join(STARTS), begun, end, more))
