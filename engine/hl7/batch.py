"""Batches: one frame with several messages, usually with FHS or BHS headers around them (chapter 2.10.3)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.errors import Unreadable
from engine.hl7.msh import Msh, scan_msh

_HEADERS = (b"FHS", b"BHS")
_TRAILERS = (b"FTS", b"BTS")
_STEP = 64 * 1024  # bytes
_HEADER = 5  # bytes that tell a header: of the line end before it, and of its separator
_BOM = b"\xef\xbb\xbf"
_AGAIN = re.compile(rb"[\r\n\x1c]MSH[!-/:-@\[-`{-~]")  # a second header
_BEHIND_FS = re.compile(rb"\x1c(?=MSH[!-/:-@\[-`{-~])")  # ... where CR and VT were lost


class Batch(NamedTuple):
    """The messages of a frame, byte for byte, and what its one answer repeats.

    `control_id` is BHS-11, else FHS-11, else the first MSH-10 (D16). `problem` is empty or one sentence without
    content: a count in BTS-1 or FTS-1 that is wrong, a member that is unreadable, lines outside of messages.
    """

    control_id: bytes
    messages: tuple[bytes, ...]
    problem: str
    marks: bytes = b""  # the separator and encoding characters of the header that `control_id` stands in; "" of none

    def __repr__(self) -> str:
        """Without content."""
        return f"<Batch of {len(self.messages)} messages>"


def is_batch(raw: bytes) -> bool:
    """Whether a frame begins with FHS or BHS, behind a byte order mark and blanks, or holds a second MSH: both are optional."""
    if has_headers(raw):
        return True
    behind = raw.find(b"MSH") + 3
    if len(raw) <= _STEP and raw.find(b"MSH", behind) < 0:
        return False
    return _begins_again(raw, behind)


def _begins_again(raw: bytes, after: int) -> bool:
    """Whether there is a second header; no call looks at more than 64 KB, so that others run meanwhile."""
    for at in range(after, len(raw), _STEP):
        upto = at + _STEP + _HEADER
        found = raw.find(b"MSH", at, upto)
        if found > 0 and _AGAIN.search(raw, found - 1, upto):
            return True
    return False


def has_headers(raw: bytes) -> bool:
    """Whether a frame begins with FHS or BHS, behind a byte order mark and blanks."""
    return raw.startswith(_HEADERS) or raw.lstrip(b" \t\r\n\x0b").removeprefix(_BOM).startswith(_HEADERS)


def split_batch(raw: bytes) -> Batch:
    """Split a frame that `is_batch`; several batches in one file are one list of messages.

    Trailers may be missing, and a count may be empty; one that is there must be right. Never raises.
    """
    reader = _Reader()
    for number, part in enumerate(_BEHIND_FS.split(raw.lstrip(b" \t\r\n\x0b").removeprefix(_BOM))):
        if number:
            reader.note("a message begins behind an FS byte: the end of the one before was lost")
        for line in _lines(part):
            reader.read(line)
    return reader.batch()


def _lines(raw: bytes) -> Iterator[bytes]:
    """The lines with their ends, cut 64 KB at a time: nothing runs beside a call that cuts a million of them."""
    end = b"\r" if b"\r" in raw else b"\n"
    at = 0
    while at < len(raw):
        found = raw.find(end, at + _STEP)
        upto = found + 1 if found >= 0 else len(raw)
        if raw[upto : upto + 1] == b"\n":
            upto += 1
        yield from raw[at:upto].splitlines(keepends=True)
        at = upto


class _Reader:
    """Takes a frame line by line; notes the first problem only."""

    def __init__(self) -> None:
        self._messages: list[list[bytes]] = []
        self._ids = {b"FHS": b"", b"BHS": b""}
        self._marks = {b"FHS": b"", b"BHS": b""}
        self._separator = b"|"
        self._in_batch = 0  # messages since the last BHS
        self._batches = 0  # BHS of this file
        self._inside = False
        self._problem = ""

    def read(self, line: bytes) -> None:
        name = line[:3]
        if name == b"MSH":
            self._messages.append([line])
            self._in_batch += 1
            self._inside = True
        elif name in _HEADERS:
            self._header(name, line)
        elif name in _TRAILERS and line[3:4] in (self._separator, b"\r", b"\n", b""):
            self._trailer(name, line)
        elif self._inside:
            self._messages[-1].append(line)
        elif not line.isspace():
            self.note("a line stands outside of the messages of the batch")

    def _header(self, name: bytes, line: bytes) -> None:
        self._inside = False
        self._separator = line[3:4]
        fields = line.rstrip(b"\r\n").split(self._separator, 11) if self._separator.strip() else []
        if not self._ids[name] and len(fields) > 10:
            self._ids[name] = fields[10]
            self._marks[name] = self._separator + fields[1]
        if name == b"BHS":
            self._in_batch = 0
            self._batches += 1

    def _trailer(self, name: bytes, line: bytes) -> None:
        self._inside = False
        fields = line.rstrip(b"\r\n").split(self._separator, 2) if self._separator else []
        counted = self._in_batch if name == b"BTS" else self._batches or 1
        stated = fields[1].strip() if len(fields) > 1 else b""
        if stated and not (stated.isdigit() and int(stated[:9]) == counted):
            what = "messages" if name == b"BTS" else "batches"
            self.note(f"{name.decode('ascii')}-1 does not count the {counted} {what} before it")

    def note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def batch(self) -> Batch:
        messages = tuple(b"".join(lines) for lines in self._messages)
        first: Msh | None = None
        for number, message in enumerate(messages, 1):
            try:
                header = scan_msh(message)
            except Unreadable:
                self.note(f"message {number} of the batch has no MSH that can be read")
            else:
                first = first or header
        if not messages:
            self.note("the batch holds no message")
        own = first.control_id if first else b""
        named = next((name for name in (b"BHS", b"FHS") if self._ids[name]), b"")
        return Batch(self._ids.get(named, own), messages, self._problem, self._marks.get(named, b""))
