"""The header of a message without the message: what receive needs to judge and answer, straight from the bytes."""

import re
from typing import NamedTuple

from engine.errors import Unreadable
from engine.hl7.delimiters import STANDARD, delimiters_of, start_of


class Msh(NamedTuple):
    """Fields of the MSH segment as bytes, as they came; absent, empty and, from MSH-9 on, `""` are empty here."""

    separator: bytes  # MSH-1
    encoding: bytes  # MSH-2
    app: bytes  # MSH-3
    facility: bytes  # MSH-4
    datetime: bytes  # MSH-7
    type: bytes  # MSH-9
    control_id: bytes  # MSH-10
    processing: bytes  # MSH-11
    version: bytes  # MSH-12
    accept: bytes  # MSH-15
    application: bytes  # MSH-16
    charset: bytes  # MSH-18, with its repetitions
    end: int  # offset of the end of the MSH segment
    receiving_app: bytes = b""  # MSH-5
    receiving_facility: bytes = b""  # MSH-6
    codec: str = ""  # the set that these bytes were read from into UTF-8; "" where they are as they came
    own_id: bytes = b""  # MSH-10 as it came, where writing it in that set again might give other bytes

    def __repr__(self) -> str:
        """Without content."""
        return f"<Msh, {self.end} bytes>"


LONGEST_ID = 199  # characters of MSH-10 and MSA-2 (2.7, ST 1..199)
_NONE = [b""] * 18
NULL = b'""'  # the sender says that there is no value (2.5.3.2)
_SHORTEST = 9  # bytes of `MSH|^~\&|`: less is no header
_PLAIN = re.compile(rb"[!-~]{1,199}")  # a control id that every answer can repeat, but for its delimiters
_VERSION = re.compile(rb"\d{1,2}(\.\d{1,2}){1,2}")
_WANTED = frozenset({b"AL", b"NE", b"ER", b"SU"})  # table 0155


def scan_msh(raw: bytes) -> Msh:
    """The MSH at the start of these bytes (chapter 2.14.9; a byte order mark and blanks before it are passed over).

    Raises Unreadable where there is none or its delimiters cannot be used.
    """
    start = 0 if raw.startswith(b"MSH") else start_of(raw)
    delimiters_of(raw, start)
    end = raw.find(b"\r", start)
    end = len(raw) if end < 0 else end
    feed = raw.find(b"\n", start, end)
    end = end if feed < 0 else feed
    separator = raw[start + 3 : start + 4]
    fields = raw[start:end].split(separator, 18)
    if len(fields) < 18:
        fields += _NONE
    _, encoding, app, facility, to_app, to_facility, time, _, *others = fields
    kind, control_id, processing, version, _, _, accept, application, _, charset, *_ = others
    if NULL in (kind, control_id, processing, version, accept, application, charset):
        others = [b"" if value == NULL else value for value in others]
        kind, control_id, processing, version, _, _, accept, application, _, charset, *_ = others
    found = (separator, encoding, app, facility, time, kind, control_id, processing, version, accept, application)
    return Msh._make((*found, charset, end, to_app, to_facility, "", b""))


def cut_to(value: bytes, characters: int) -> bytes:
    """The first so many characters; bytes that are no UTF-8 are one character each."""
    if len(value) <= characters:
        return value
    try:
        return value.decode("utf-8")[:characters].encode()
    except UnicodeDecodeError:
        return value[:characters]


class Damage(NamedTuple):
    """An MSH whose delimiters cannot be used: the place of the one at fault, and what can be told all the same."""

    location: str  # "MSH^1^1" or "MSH^1^2"
    header: Msh  # in standard delimiters, with MSH-10, 12, 15 and 16 where they need no guessing; end = 0


def damage(raw: bytes) -> Damage | None:
    """What is wrong with the delimiters of a frame that begins with MSH and that `scan_msh` cannot read.

    MSH-10 is told only where MSH-1 is a usable separator, MSH-2 is there (so that fields can be counted) and MSH-10 holds
    none of the standard delimiters. None where there is no MSH, or too little of one.
    """
    try:
        start = start_of(raw)
    except Unreadable:
        return None
    line = raw[start:].split(b"\n", 1)[0]
    separator = line[3:4]
    line = line if separator == b"\r" else line.split(b"\r", 1)[0]
    if len(line) < _SHORTEST:
        return None
    if not (separator.isascii() and 0x21 <= separator[0] <= 0x7E) or separator.isalnum():
        return Damage("MSH^1^1", _header(_NONE))
    fields = line.split(separator, 18)
    return Damage("MSH^1^2", _header(fields + _NONE if fields[1] else _NONE))


def header_of(raw: bytes) -> Msh | None:
    """The MSH; of one whose delimiters cannot be used what `damage` tells, with end = 0; None where that is no MSH-10."""
    try:
        return scan_msh(raw)
    except Unreadable:
        found = damage(raw)
    return found.header if found is not None and found.header.control_id else None


def plain_id(value: bytes) -> bool:
    """Whether a control id reads the same in whatever delimiters it was written: it holds none of the standard's."""
    return _PLAIN.fullmatch(value) is not None and value != NULL and not set(value) & set(b"|^~\\&")


def _header(fields: list[bytes]) -> Msh:
    """MSH-10, 12, 15 and 16 of these fields, as far as they are plain."""
    told = plain_id(fields[9])
    version = fields[11] if _VERSION.fullmatch(fields[11]) else b""
    accept, application = (word if word in _WANTED else b"" for word in fields[14:16])
    nothing = b""
    return Msh(
        *(b"|", STANDARD.encoding, nothing, nothing, nothing, nothing, fields[9] if told else nothing, nothing),
        *(version, accept, application, nothing, 0),
    )
