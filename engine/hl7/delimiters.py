"""The characters that MSH-1 and MSH-2 declare, and where the MSH begins."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from engine.errors import Unreadable

_BLANK = b" \t\r\n\x0b"
_BOM = b"\xef\xbb\xbf"
_LONGEST = 16  # bytes from MSH-1 to the end of MSH-2 that are looked at; the standard needs six


@dataclass(frozen=True, slots=True)
class Delimiters:
    """Separators of one message as text, and the same as bytes. `truncation` is `#` from version 2.7 on, else empty."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str
    field_byte: bytes
    component_byte: bytes
    repetition_byte: bytes
    escape_byte: bytes
    subcomponent_byte: bytes
    encoding: bytes  # MSH-2 as an answer writes it: `^~\&` or `^~\&#`

    @classmethod
    def of(cls, declared: bytes) -> Self:
        r"""Read MSH-1 and MSH-2 written together, `|^~\&` or `|^~\&#` (chapter 2.5.4).

        A doubled escape character (`|^~\\&`, an escape of a programming language that a sender did not undo) counts
        once. Characters after the fifth are ignored. Raises Unreadable where a delimiter is missing, is a letter, a
        digit, a blank or no ASCII, or is declared twice: such a message cannot be split without guessing.
        """
        found = declared[:4] + declared[5:] if declared[3:5] == b"\\\\" else declared
        used = found[:6]
        if len(used) < 5:
            raise Unreadable("MSH-2: fewer than four encoding characters")
        if any(not 0x21 <= byte <= 0x7E or chr(byte).isalnum() for byte in used):
            raise Unreadable("MSH-2: a delimiter is a letter, a digit, a blank or no ASCII character")
        if len(set(used)) < len(used):
            raise Unreadable("MSH-2: one character is declared as two delimiters")
        text = [chr(byte) for byte in used]
        return cls(
            field=text[0],
            component=text[1],
            repetition=text[2],
            escape=text[3],
            subcomponent=text[4],
            truncation="".join(text[5:]),
            field_byte=used[:1],
            component_byte=used[1:2],
            repetition_byte=used[2:3],
            escape_byte=used[3:4],
            subcomponent_byte=used[4:5],
            encoding=used[1:],
        )


_of = lru_cache(maxsize=256)(Delimiters.of)

STANDARD = _of(b"|^~\\&")


def start_of(raw: bytes) -> int:
    """The offset of the MSH: 0, or behind a byte order mark and blanks. Raises Unreadable where anything else stands.

    A UTF-8 byte order mark, blanks, empty lines and a left-over VT before the MSH are kept as bytes and not looked at.
    """
    if raw.startswith(b"MSH"):
        return 0
    body = raw.lstrip(_BLANK)
    if body.startswith(_BOM):
        body = body[len(_BOM) :].lstrip(_BLANK)
    if not body.startswith(b"MSH"):
        raise Unreadable("the message does not begin with an MSH segment")
    return len(raw) - len(body)


def delimiters_of(raw: bytes, start: int) -> Delimiters:
    """The delimiters that the MSH at this offset declares. Raises Unreadable where they cannot be used."""
    limit = start + 3 + _LONGEST
    end = raw.find(raw[start + 3 : start + 4], start + 4, limit)
    declared = raw[start + 3 : end if end > start + 3 else limit]
    return _of(declared) if declared.isascii() and b"\r" not in declared and b"\n" not in declared else _cut(declared)


def _cut(declared: bytes) -> Delimiters:
    """An MSH that ends with MSH-2: what follows its line end is no delimiter."""
    return _of(declared.replace(b"\n", b"\r").split(b"\r", 1)[0])
