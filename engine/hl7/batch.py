"""Batches: one frame with several messages, usually with FHS or BHS headers around them (chapter 2.10.3)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.errors import Unreadable
from engine.hl7.delimiters import delimiters_of
from engine.hl7.msh import NULL, Msh, header_of, plain_id

_HEADERS = (b"FHS", b"BHS")
_TRAILERS = (b"FTS", b"BTS")
_LAST = frozenset(b"BF \t\r\n\x0b")  # with what the last line begins where it is a trailer, or behind one
_STEP = 64 * 1024  # bytes
_AROUND = 1024  # bytes around a step in which a header that begins in it is read
_BLANK = b" \t\r\n\x0b"
_BOM = b"\xef\xbb\xbf"
_ENDS = (b"\r", b"\n", b"")
_MARK = rb"[!-/:-@\[-`{-~]"  # what can be a delimiter
_MARKS = rb"(?:[ \t]|\xef\xbb\xbf)*+"  # what may stand before a header
_SMALL = rb"(?i:msh)(" + _MARK + rb")(?>[^\r\n\x1c]*?\%d){5}"  # a header in small letters, and not a word of a text
_AGAIN = re.compile(rb"[\r\n\x1c]" + _MARKS + b"(?:MSH" + _MARK + b"|" + _SMALL % 1 + b")")  # a second header
# ... where CR and VT were lost
_BEHIND_FS = re.compile(rb"\x1c(?=" + _MARKS + b"(?:MSH" + _MARK + b"|" + _SMALL % 1 + b"))")
_BEGINS = re.compile(_MARKS + b"(?:((?:MSH|FHS|BHS)" + _MARK + b")|" + _SMALL % 2 + b")")
_FIRST = frozenset(b" \t\xefmM")  # bytes with which such a line begins, where it is not FHS or BHS


class Batch(NamedTuple):
    """The messages of a frame, byte for byte, and what its one answer repeats.

    `control_id` is BHS-11, else FHS-11, else the first MSH-10 (D16). `problem` is empty or one sentence without
    content: a count in BTS-1 or FTS-1 that is wrong, a member that is unreadable, lines outside of messages.
    """

    control_id: bytes
    messages: tuple[bytes, ...]
    problem: str
    headers: tuple[bytes, ...] = ()  # a BHS and an FHS: those that have a control id, else the first ones
    named: bool = False  # whether the control id stands in one of them

    def __repr__(self) -> str:
        """Without content."""
        return f"<Batch of {len(self.messages)} messages>"


def is_batch(raw: bytes) -> bool:
    """Whether a frame begins with FHS or BHS, holds a second MSH, or ends in BTS or FTS: all of them are optional.

    Before a header a byte order mark and blanks may stand. A second MSH in small letters is told as well: what it begins
    belongs to another patient.
    """
    if raw.startswith(b"MSH"):
        after = 3
    elif has_headers(raw):
        return True
    else:
        after = raw.find(b"MSH") + 3
        if after < 3:
            return False
    if len(raw) <= _STEP and raw.upper().find(b"MSH", after) < 0:
        return _ends_in_trailer(raw, after)
    return any(True for _ in beginnings(raw, after)) or _ends_in_trailer(raw, after)


def beginnings(raw: bytes, after: int) -> Iterator[int]:
    """Offsets of the line ends before further headers; no call looks at more than 64 KB, so that others run meanwhile."""
    for at in range(after, len(raw), _STEP):
        upto = at + _STEP
        if b"MSH" not in raw[at : upto + _AROUND].upper():
            continue
        for found in _AGAIN.finditer(raw, at, upto + _AROUND):
            if found.start() < upto:
                yield found.start()


def _ends_in_trailer(raw: bytes, after: int) -> bool:
    """Whether the last line is BTS or FTS, in the delimiter of the message before it."""
    last = raw.rfind(b"\r", after, -2) + 1
    last = raw.rfind(b"\n", last, -2) + 1 or last
    if raw[last] not in _LAST:
        return False
    if raw.startswith(_TRAILERS, last):
        return raw[last + 3 : last + 4] in (raw[after : after + 1], b"|", *_ENDS)
    tail = raw[-_STEP:]
    blanks = len(tail) - len(tail.rstrip(_BLANK))
    return 2 < blanks < min(len(raw) - after, _STEP) and _ends_in_trailer(raw[:-blanks], after)


def has_headers(raw: bytes) -> bool:
    """Whether a frame begins with FHS or BHS, behind a byte order mark and blanks."""
    return raw.startswith(_HEADERS) or _bare(raw).startswith(_HEADERS)


def _bare(raw: bytes) -> bytes:
    return raw.lstrip(_BLANK).removeprefix(_BOM).lstrip(_BLANK)


def header_id(line: bytes) -> bytes:
    r"""FHS-11 or BHS-11; empty where there is none, where it is `""`, and where it cannot be told without guessing."""
    mark = line[3:4]
    fields = line.rstrip(b"\r\n").split(mark, 11) if re.fullmatch(_MARK, mark) else []
    found = fields[10] if len(fields) > 10 else b""
    if not found or found == NULL:
        return b""
    try:
        delimiters_of(line, 0)
    except Unreadable:
        return found if fields[1] and plain_id(found) else b""
    return found


def split_batch(raw: bytes) -> Batch:
    """Split a frame that `is_batch`; several batches in one file are one list of messages.

    Trailers may be missing, and a count may be empty; one that is there must be right. Never raises.
    """
    reader = _Reader()
    parts = _BEHIND_FS.split(_bare(raw))  # and between them the delimiter of a header in small letters, or None
    for number in range(0, len(parts), 2):
        if number:
            reader.note("a message begins behind an FS byte: the end of the one before was lost")
        again = number and parts[number - 1] and reader.small
        for line in _lines(b"\x1c" + parts[number] if again else parts[number]):
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
        self._headers = {b"BHS": b"", b"FHS": b""}
        self._ids = {b"BHS": b"", b"FHS": b""}
        self._marks = {b"|"}  # separators of headers and messages
        self._batches = 0  # of this file
        self._headed = 0  # of them with BHS
        self._in_batch = 0  # messages
        self._open = False  # whether a batch has begun
        self._inside = False
        self.small = False
        self._problem = ""

    def read(self, line: bytes) -> None:
        found = _BEGINS.match(line) if line[0] in _FIRST and not line.startswith(b"MSH") else None
        begin = 0 if found is None or found[1] is None else found.start(1)
        name = line[begin : begin + 3]
        if name == b"MSH":
            self._begin(line, line[begin + 3 : begin + 4])
        elif name in _HEADERS:
            self._header(name, line[begin:])
        elif name in _TRAILERS and (line[3:4] in self._marks or line[3:4] in _ENDS):
            self._trailer(name, line)
        elif found is not None and not self.small:
            self.small = True  # one is enough to refuse the whole
            self._begin(line, b"")
        elif self._inside:
            self._messages[-1].append(line)
        elif not line.isspace():
            self.note("a line stands outside of the messages of the batch")

    def _begin(self, line: bytes, mark: bytes) -> None:
        """A message; without BHS a batch begins with the first one."""
        self._batches += not self._open
        self._open = self._inside = True
        self._in_batch += 1
        self._messages.append([line])
        self._marks.add(mark)

    def _header(self, name: bytes, line: bytes) -> None:
        self._inside = False
        self._marks.add(line[3:4])
        if not self._ids[name]:
            self._ids[name] = header_id(line)
            if self._ids[name] or not self._headers[name]:
                self._headers[name] = line
        self._in_batch = 0
        self._open = name == b"BHS"
        self._batches = self._batches + 1 if self._open else 0
        self._headed = self._headed + 1 if self._open else 0

    def _trailer(self, name: bytes, line: bytes) -> None:
        fields = line.rstrip(b"\r\n").split(line[3:4], 2) if line[3:4] else []
        counted = self._in_batch if name == b"BTS" else self._batches or 1
        headed = counted if name == b"BTS" else self._headed or counted  # some count batches with BHS only
        stated = fields[1].strip() if len(fields) > 1 else b""
        if stated and not (stated.isdigit() and int(stated[:9]) in {counted, headed}):
            what = "messages" if name == b"BTS" else "batches"
            self.note(f"{name.decode('ascii')}-1 does not count the {counted} {what} before it")
        self._inside = self._open = False
        self._in_batch = 0
        self._batches *= name == b"BTS"

    def note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def batch(self) -> Batch:
        messages = tuple(b"".join(lines) for lines in self._messages)
        first: Msh | None = None
        for number, message in enumerate(messages, 1):
            header = header_of(message)
            if header is None or not header.end:
                self.note(f"message {number} of the batch has no MSH that can be read")
            first = first or header
        if not messages:
            self.note("the batch holds no message")
        named = self._ids[b"BHS"] or self._ids[b"FHS"]
        own = first.control_id if first else b""
        headers = tuple(filter(None, self._headers.values()))
        return Batch(named or own, messages, self._problem, headers, bool(named))
