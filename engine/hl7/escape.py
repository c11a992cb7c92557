r"""Escape sequences both ways (chapter 2.7), each in one pass over the text and in linear time.

Written: `\F\ \S\ \T\ \R\ \E\` for the delimiters, `\P\` for the truncation character of 2.7, `\.br\` for a line feed and
`\Xdd\` for every other control character but TAB, so that no value can end a segment, a frame or a message.
Read: the same, `\Xdddd..\` of any length in the message's character set, `\H\` and `\N\` (highlighting) dropped.
Anything else between escape characters, and a lone one, is text and stays as it is: `\Z01\`, `\.sp2\`, `C:\temp`.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from engine.hl7.delimiters import STANDARD, Delimiters


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    """The text as data of any level: no character of it can be read as a delimiter or as the end of a segment."""
    return text.translate(_table(delimiters))


def unescape(text: str, delimiters: Delimiters = STANDARD, charset: str = "utf-8") -> str:
    r"""The text with its escape sequences resolved. `charset` reads the bytes of `\X..\`; what it cannot read stays."""
    if delimiters.escape not in text:
        return text
    return _reader(delimiters, charset)(text)


@lru_cache(maxsize=256)
def _table(delimiters: Delimiters) -> dict[int, str]:
    mark = delimiters.escape
    table = {number: f"{mark}X{number:02X}{mark}" for number in (*range(0x20), 0x7F) if number != 0x09}
    if not set(".br") & set(_written(delimiters)):
        table[0x0A] = f"{mark}.br{mark}"
    for character, letter in _written(delimiters).items():
        table[ord(character)] = f"{mark}{letter}{mark}"
    return table


def _written(delimiters: Delimiters) -> dict[str, str]:
    letters = {
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        delimiters.escape: "E",
    }
    return letters | ({delimiters.truncation: "P"} if delimiters.truncation else {})


@lru_cache(maxsize=256)
def _reader(delimiters: Delimiters, charset: str) -> Callable[[str], str]:
    mark = re.escape(delimiters.escape)
    pattern = re.compile(rf"{mark}([FSTREPHN]|X(?:[0-9A-Fa-f]{{2}})+|\.br|\.BR){mark}")
    fixed = {letter: character for character, letter in _written(delimiters).items()}
    fixed |= {"H": "", "N": "", ".br": "\n", ".BR": "\n"}

    def read(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "X":
            return _hexadecimal(code[1:], charset) or match[0]
        return fixed.get(code, match[0])

    return lambda text: pattern.sub(read, text)


def _hexadecimal(digits: str, charset: str) -> str | None:
    try:
        return bytes.fromhex(digits).decode(charset)
    except UnicodeDecodeError:
        return None
