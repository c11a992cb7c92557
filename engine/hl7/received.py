"""A message as it was received: split as its bytes where that is safe, else read as a whole and split as UTF-8."""

from engine.errors import Unreadable
from engine.hl7.charset import charset_of, decodable, decode, encode, settled, splittable
from engine.hl7.delimiters import Delimiters, delimiters_of, start_of
from engine.hl7.hex_escapes import respelled
from engine.hl7.message import Message
from engine.hl7.msh import scan_msh


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
    marks = delimiters_of(body, start_of(body))
    text = decode(body, charset, marks.field_byte, marks.escape_byte)
    if not text.isascii():
        text = respelled(text, marks, lambda raw: in_utf8(raw, charset, marks))
    return text.encode("utf-8")


def in_utf8(raw: bytes, charset: str, marks: Delimiters) -> bytes | None:
    """Bytes of a hexadecimal escape in UTF-8; None where they are no text."""
    try:
        return decode(raw, charset, marks.field_byte, marks.escape_byte).encode("utf-8")
    except UnicodeDecodeError:
        return None


def before(body: bytes, charset: str, at: int) -> bytes:
    """What stands before an offset, as UTF-8: where the first byte is that is no text."""
    marks = delimiters_of(body, start_of(body))
    return decode(body[:at], charset, marks.field_byte, marks.escape_byte, whole=False).encode("utf-8")


def written_back(body: bytes, raw: bytes, charset: str) -> bool:
    """Whether the opened message, written in its set again, is byte for byte what came."""
    try:
        return encode(body.decode("utf-8"), charset) == raw
    except UnicodeEncodeError:
        return False


def delivered(body: bytes) -> Message:
    """A message of which nothing but its bytes is known, such as one we sent: in the set that its MSH-18 names.

    Where it names none that fits, in UTF-8 if it is that, else in latin-1, which reads anything. Raises Unreadable.
    """
    msh = scan_msh(body)
    declared = charset_of(msh.charset, msh.encoding[1:2]) if msh.charset else None
    if declared and not decodable(body, declared):
        try:
            return message_of(body, settled(declared, body, msh.encoding[2:3]))
        except (Unreadable, LookupError):
            declared = None
    return message_of(body, declared or ("utf-8" if decodable(body, "utf-8") else ""))
