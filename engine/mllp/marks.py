"""The marks of MLLP, and the next of them in a buffer."""

import sys

VT = b"\x0b"
FS = b"\x1c"
CR = b"\r"
FAR = sys.maxsize


class Marks:
    """The next VT and FS of a buffer, each byte looked at once however many marks there are."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._vt = self._fs = -1

    def next_vt(self, start: int) -> int:
        if self._vt < start:
            found = self._buffer.find(VT, start)
            self._vt = found if found >= 0 else FAR
        return self._vt

    def next(self, start: int) -> int:
        if self._fs < start:
            found = self._buffer.find(FS, start)
            self._fs = found if found >= 0 else FAR
        return min(self.next_vt(start), self._fs)
