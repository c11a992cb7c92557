"""A message as it was received: split as its bytes where that is safe, else read as a whole and split as UTF-8."""

import re
from collections.abc import Iterator
from itertools import islice

from engine.errors import Unreadable
from engine.hl7.charset import charset_of, decodable, decode, encode, settled, splittable, usable
from engine.hl7.charset_names import WIDER
from engine.hl7.delimiters import Delimiters, delimiters_of, start_of
from engine.hl7.hex_escapes import respelled
from engine.hl7.iso2022 import has_shift
from engine.hl7.message import Message
from engine.hl7.msh import scan_msh

_HEADER = 1024  # bytes at the beginning in which MSH-10 is looked for
_REPEATABLE = re.compile(rb"[^\x00-\x1a\x1c-\x1f\x7f]{1,199}")  # without control characters but ESC


def message_of(body: bytes, charset: str) -> Message:
    """The message that these bytes of a character set are; "" where the set is not known, and UTF-8 or latin-1 finds what it can.

    A message in BIG-5, GB 18030, Shift JIS or with shifts of ISO 2022 is in UTF-8 from here on (docs/charsets.md).
    Raises Unreadable as `Message.parse` does, and where the bytes are no text of the set.
    """
    if not charset:
        return Message.parse(body, "utf-8" if decodable(body, "utf-8") else "latin-1")
    if charset == "utf-8" or splittable(charset):
        return Message.parse(body, charset)
    try:
        return Message.parse(opened(body, charset), "utf-8")
    except UnicodeDecodeError:
        raise Unreadable(f"the bytes are no {charset}") from None


def opened(body: bytes, charset: str) -> bytes:
    r"""The message as UTF-8: text, and `\X..\` escapes that name bytes of its set. MSH-18 still says what came.

    Raises UnicodeDecodeError with the offset of the first byte that is no text, Unreadable where there is no MSH.
    """
    start = start_of(body)  # a byte order mark before it is one of UTF-8 in any set
    marks = delimiters_of(body, start)
    try:
        text = decode(body[start:] if start else body, charset, marks.field_byte, marks.escape_byte)
    except UnicodeDecodeError as bad:
        raise UnicodeDecodeError(bad.encoding, body, bad.start + start, bad.end + start, bad.reason) from None
    return body[:start] + respelled(text, marks, lambda raw: in_utf8(raw, charset, marks)).encode("utf-8")


def own_control_id(body: bytes, charset: str, read: bytes, before: int = 9) -> bytes:
    """MSH-10 of a message that is read as a whole, byte for byte; `read` is what it is in UTF-8.

    `before` is how many separators stand before it: of BHS-11 ten. Empty where it is that, where it stands too far behind, and where it could not stand in an answer.
    """
    start = start_of(body)
    marks = delimiters_of(body, start)
    plain = read.isascii() and marks.escape_byte not in read
    if not read or (plain and not charset.startswith("iso2022:")):
        return b""
    line = re.split(b"[\r\n]", body[start : start + _HEADER], maxsplit=1)[0]
    if plain and not has_shift(line, marks.escape_byte):
        return b""
    own = next(islice(_fields(line, charset, marks), before, None), b"")
    return own if own != read and _REPEATABLE.fullmatch(own) else b""


def _fields(line: bytes, charset: str, marks: Delimiters) -> Iterator[bytes]:
    """What stands before each separator that is none of the bytes of a character; the line was read as text before."""
    begin = at = 0
    while (at := line.find(marks.field_byte, at) + 1) > 0:
        text = decode(line[begin:at], charset, marks.field_byte, marks.escape_byte, whole=False)
        if text.endswith(marks.field):
            yield line[begin : at - 1]
            begin = at


def in_utf8(raw: bytes, charset: str, marks: Delimiters) -> bytes | None:
    """Bytes of a hexadecimal escape in UTF-8; None where they are no text."""
    try:
        return decode(raw, charset, marks.field_byte, marks.escape_byte).encode("utf-8")
    except UnicodeDecodeError:
        return None


def before(body: bytes, charset: str, at: int) -> bytes:
    """What stands before an offset, as UTF-8: where the first byte is that is no text."""
    start = start_of(body)
    marks = delimiters_of(body, start)
    text = decode(body[start:at], charset, marks.field_byte, marks.escape_byte, whole=False)
    return body[:start] + text.encode("utf-8")


def written_back(body: bytes, raw: bytes, charset: str) -> bool:
    """Whether the opened message, written in its set again, is byte for byte what came."""
    start = start_of(body)
    marks = delimiters_of(body, start)
    text = respelled(body[start:].decode("utf-8"), marks, lambda inside: _out_of_utf8(inside, charset, marks))
    try:
        return encode(text, charset, marks.escape) == raw[start:]
    except UnicodeEncodeError:
        return False


def _out_of_utf8(raw: bytes, charset: str, marks: Delimiters) -> bytes | None:
    """Bytes of a hexadecimal escape in the set; None where they stand for no text of it."""
    try:
        return encode(raw.decode("utf-8"), charset, marks.escape)
    except UnicodeError:
        return None


def delivered(body: bytes) -> Message:
    """A message of which nothing but its bytes is known, such as one we sent: in the set that its MSH-18 names.

    In the larger set of the same word where only that fits: `BIG-5` is what we write for Hong Kong's as well. Where it
    names none that fits, in UTF-8 if it is that, else in latin-1, which reads anything. Raises Unreadable.
    """
    msh = scan_msh(body)
    declared = charset_of(msh.charset, msh.encoding[1:2]) if msh.charset else None
    for charset in (declared, WIDER.get(declared or "")):
        if charset and usable(charset):
            try:
                return _text_of(body, settled(charset, body, msh.encoding[2:3]))
            except Unreadable:
                continue
    return message_of(body, "utf-8" if decodable(body, "utf-8") else "")


def _text_of(body: bytes, charset: str) -> Message:
    """The message in this set. Raises Unreadable where its bytes are no text of the set."""
    if splittable(charset) and not decodable(body, charset):
        raise Unreadable(f"the bytes are no {charset}")
    return message_of(body, charset)
