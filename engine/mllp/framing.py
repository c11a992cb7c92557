"""MLLP framing without I/O: bytes in, frame events out, the same whatever the packets were (HL7 transport, MLLP R1).

The rule (D21, C10): VT followed by `MSH`, `FHS` or `BHS` starts a frame, and what stood before it was cut off. Any other
VT inside a frame is content. FS ends a frame when CR or VT follows, or a second of silence; any other FS is content. A
strict framer takes only FS CR for an end. Long because one scan over the bytes decides all of it.
"""

from enum import IntEnum
from typing import NamedTuple

from engine.mllp.marks import CR, FAR, FS, STARTS, VT, Marks, deciding

__all__ = ["CR", "END", "FS", "VT", "FrameEvent", "Framed", "Framer", "frame"]

END = FS + CR
MAX_BYTES = 16 * 1024 * 1024
KEPT_BYTES = 64 * 1024  # of a frame that never ended, for the quarantine (R1)
_WIDE = (b"\0M\0S", b"\0F\0H", b"\0B\0H")  # what follows the VT where every character is two bytes
_WIDE_STARTS = (b"\xff\xfe", b"\xfe\xff\0", b"\0")  # what stands before its VT: a byte order mark, half a VT
SILENCE = 1.0  # seconds after which a lone FS has ended its frame

_VT, _FS, _CR = VT[0], FS[0], CR[0]


class Framed(IntEnum):
    """What the framer saw."""

    FRAME = 0  # a whole frame, to be answered
    EMPTY = 1  # VT FS CR
    CUT = 2  # a frame that never ended: a new one began, or the peer left; body is empty for VT VT MSH
    JUNK = 3  # bytes outside a frame, reported once for each run of them; never CR or LF alone
    TOO_LONG = 4  # the limit is exceeded; body is the first 64 KB; nothing more will be read
    WIDE = 5  # a whole frame in UTF-16, VT and FS CR as well: it cannot be answered; nothing more will be read


class FrameEvent(NamedTuple):
    """One event; `flags` are fixed words joined by blanks, `vt_at` is the offset of the first VT in the body or -1."""

    kind: Framed
    body: bytes = b""
    flags: str = ""
    vt_at: int = -1

    def __repr__(self) -> str:
        return f"FrameEvent({self.kind.name}, {len(self.body)} bytes, flags={self.flags!r})"


def frame(body: bytes) -> bytes:
    """Put a body between VT and FS CR."""
    return b"\x0b%b\x1c\r" % body


class Framer:
    """Cuts a stream into frames; memory is bounded by `max_bytes` and one packet.

    Args:
        max_bytes: of one frame.
        most: events that one call returns; what stands behind them is kept until `feed` is called again.
        strict: FS CR alone ends a frame.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, most: int = FAR, *, strict: bool = False) -> None:
        self._max = max_bytes
        self._most = most
        self._strict = strict
        self._buffer = bytearray()
        self._inside = False
        self._scanned = 0  # offset of the first byte that is not decided yet
        self._vt_at = -1
        self._fs_inside = False
        self._junk = False
        self._dead = False
        self._more = False
        self._heard = 0.0

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside

    @property
    def waits_for_silence(self) -> bool:
        """Whether the last byte is an FS that only silence can turn into an end."""
        buffer, at = self._buffer, self._scanned
        return self._inside and not self._strict and at == len(buffer) - 1 and buffer[at] == _FS

    @property
    def size(self) -> int:
        """Bytes that are kept: of a frame that has not ended, or behind the events of the last call."""
        return len(self._buffer)

    @property
    def more(self) -> bool:
        """Whether the last call stopped at `most` events: an empty `feed` goes on."""
        return self._more

    def feed(self, data: bytes, now: float = 0.0) -> list[FrameEvent]:
        """Take the next bytes; `now` is a monotonic second, used by `silent` only."""
        self._heard = now
        if not self._inside and not self._buffer and not self._dead and _is_one_frame(data, self._max):
            self._junk = False
            return [FrameEvent(Framed.FRAME, data[1:-2])]
        if self._dead:
            return []
        self._buffer += data
        return self._scan()

    def keep(self, data: bytes, now: float) -> None:
        """Take the next bytes without looking at them: an empty `feed` goes on."""
        self._heard = now
        self._buffer += data
        self._more = True

    def silent(self, now: float) -> list[FrameEvent]:
        """End the frame whose FS has been followed by a second of silence."""
        if self.waits_for_silence and now - self._heard >= SILENCE:
            return self.end()
        return []

    def end(self) -> list[FrameEvent]:
        """The peer sends no more: a frame with its FS is whole, one without it was cut off."""
        if self._dead or not self._inside:
            return []
        whole = self.waits_for_silence
        content = self._scanned if whole else len(self._buffer)
        event = self._closed(content, "end_without_cr") if whole else self._cut(0, content)
        self._buffer.clear()
        self._leave()
        return [event]

    def forget(self) -> None:
        """Nothing more is wanted of this stream."""
        self._dead = True
        self._inside = self._more = False
        self._buffer.clear()

    def _scan(self) -> list[FrameEvent]:
        events: list[FrameEvent] = []
        marks = Marks(self._buffer)
        start = 0  # of the current frame's content in the buffer
        self._more = False
        while not self._dead:
            if len(events) >= self._most:
                self._more = True
                break
            step = self._inside_step(marks, start, events) if self._inside else self._outside_step(marks, start, events)
            if step < 0:
                break
            start = step
        if self._dead:
            self._buffer.clear()
        elif self._inside or self._more:
            del self._buffer[:start]
            self._scanned -= start
            self._more = self._more and bool(self._buffer)
        return events

    def _outside_step(self, marks: Marks, start: int, events: list[FrameEvent]) -> int:
        """Skip to the next VT; returns where the frame's content starts, -1 when the buffer is used up."""
        at = marks.next_vt(start)
        end = min(at, len(self._buffer))
        skipped = self._buffer[start:end].lstrip(b"\r\n")
        if not self._junk and skipped.strip(b"\r\n"):
            after = b"" if at == FAR else bytes(self._buffer[at : at + 2])
            if _may_be_wide(skipped, after):
                if len(after) < 2:
                    self._buffer[:end] = skipped
                    return -1
            else:
                self._junk = True
                events.append(FrameEvent(Framed.JUNK))
        if at == FAR:
            self._buffer.clear()
            return -1
        self._enter(at + 1)
        return at + 1

    def _inside_step(self, marks: Marks, start: int, events: list[FrameEvent]) -> int:
        """Decide the bytes up to the next end of a frame; returns where to go on, -1 when more bytes are needed."""
        buffer = self._buffer
        at = marks.next(self._scanned)
        while at != FAR:
            self._scanned = at
            if buffer[at] == _VT:
                head = bytes(buffer[at + 1 : at + 4])
                if head in STARTS:
                    events.append(self._cut(start, at))
                    self._enter(at + 1)
                    return at + 1
                if len(head) < 3 and any(begin.startswith(head) for begin in STARTS):
                    return self._wait(start, events)
                self._vt_at = self._vt_at if self._vt_at >= 0 else at - start
            else:
                decided = self._at_fs(start, at, events)
                if decided:
                    return decided
            at = self._next_deciding(start, at + 1)
        self._scanned = len(buffer)
        return self._wait(start, events)

    def _next_deciding(self, start: int, begin: int) -> int:
        """Skip the marks that are content, however many they are; returns where one decides something, or FAR."""
        buffer = self._buffer
        found = deciding(strict=self._strict, wide=buffer[start : start + 4] in _WIDE).search(buffer, begin)
        at = found.start() if found else FAR
        if self._vt_at < 0:
            self._vt_at = max(buffer.find(VT, begin, at) - start, -1)
        self._fs_inside = self._fs_inside or buffer.find(FS, begin, at) >= 0
        return at

    def _at_fs(self, start: int, at: int, events: list[FrameEvent]) -> int:
        """What an FS is by what follows it: an end, to be waited for (as `_inside_step` returns), or 0: content."""
        buffer = self._buffer
        after = bytes(buffer[at + 1 : at + 3])
        if not after or (after == b"\0" and buffer[start : start + 4] in _WIDE):
            return self._wait(start, events)
        if after[0] == _CR or (after[0] == _VT and not self._strict):
            return self._finish(start, at, events)
        if after == b"\0\r" and buffer[start : start + 4] in _WIDE:
            events.append(self._wide(start, at))
            return -1
        self._fs_inside = True
        return 0

    def _finish(self, start: int, at: int, events: list[FrameEvent]) -> int:
        cr = self._buffer[at + 1] == _CR
        events.append(self._closed(at, "" if cr else "end_without_cr", start))
        self._leave()
        return at + 2 if cr else at + 1

    def _wait(self, start: int, events: list[FrameEvent]) -> int:
        if self._scanned - start > self._max:
            events.append(self._too_long(start))
        return -1

    def _closed(self, at: int, flag: str, start: int = 0) -> FrameEvent:
        if at - start > self._max:
            return self._too_long(start)
        if at == start:
            return FrameEvent(Framed.EMPTY, flags=flag)
        words = [flag] * bool(flag) + ["fs_inside"] * self._fs_inside + ["vt_inside"] * (self._vt_at >= 0)
        return FrameEvent(Framed.FRAME, self._content(start, at), " ".join(words), self._vt_at)

    def _content(self, start: int, at: int) -> bytes:
        """Copied once: a slice of the buffer would be a copy of its own."""
        with memoryview(self._buffer) as view:
            return bytes(view[start:at])

    def _cut(self, start: int, at: int) -> FrameEvent:
        if at - start > self._max:
            return self._too_long(start)
        return FrameEvent(Framed.CUT, bytes(self._buffer[start : min(at, start + KEPT_BYTES)]), "cut_off")

    def _wide(self, start: int, at: int) -> FrameEvent:
        if at - start > self._max:
            return self._too_long(start)
        self._dead = True
        return FrameEvent(Framed.WIDE, bytes(self._buffer[start : min(at, start + KEPT_BYTES)]), "utf_16")

    def _too_long(self, start: int) -> FrameEvent:
        self._dead = True
        return FrameEvent(Framed.TOO_LONG, bytes(self._buffer[start : start + min(self._max, KEPT_BYTES)]), "too_long")

    def _enter(self, scanned: int) -> None:
        self._inside, self._junk, self._fs_inside, self._vt_at = True, False, False, -1
        self._scanned = scanned

    def _leave(self) -> None:
        self._inside = False


def _may_be_wide(skipped: bytearray, after: bytes) -> bool:
    """Whether these bytes before a frame are what UTF-16 puts there; `after` is the VT and the byte behind it, if known."""
    if after:
        return skipped in _WIDE_STARTS and after[1:] in (b"", b"\0")
    return any(begin.startswith(skipped) for begin in _WIDE_STARTS)


def _is_one_frame(data: bytes, max_bytes: int) -> bool:
    """A packet that is exactly one plain frame: nearly every packet of a feed that waits for its answers."""
    size = len(data)
    return (
        3 < size <= max_bytes + 3
        and data[0] == _VT
        and data.find(FS, 1) == size - 2
        and data[-1] == _CR
        and data.find(VT, 1) < 0
    )
