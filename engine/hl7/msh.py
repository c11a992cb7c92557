"""The header of a message without the message: what receive needs to judge and answer, straight from the bytes."""

from typing import NamedTuple

from engine.hl7.delimiters import delimiters_of, start_of


class Msh(NamedTuple):
    """Fields of the MSH segment as bytes, as they came; absent and empty are both empty here."""

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

    def __repr__(self) -> str:
        """Without content."""
        return f"<Msh, {self.end} bytes>"


_NONE = [b""] * 18


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
    found = (separator, encoding, app, facility, time, kind, control_id, processing, version, accept, application)
    return Msh._make((*found, charset, end, to_app, to_facility, ""))
