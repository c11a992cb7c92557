r"""Hexadecimal escapes (`\X82E9\`, chapter 2.7.5) name bytes of the message's set: in another set they are others."""

import re
from collections.abc import Callable
from functools import lru_cache

from engine.hl7.delimiters import Delimiters


def respelled(text: str, marks: Delimiters, other: Callable[[bytes], bytes | None]) -> str:
    r"""The text with every `\X..\` that holds a byte above 0x7F spelled by `other`; where that gives None it stays."""

    def written(found: str) -> str:
        new = other(bytes.fromhex(found))
        return hexadecimal(found if new is None else new.hex().upper(), marks)

    return replaced(text, marks, written)


def replaced(text: str, marks: Delimiters, other: Callable[[str], str]) -> str:
    r"""The text with every `\X..\` that holds a byte above 0x7F replaced by `other` of its digits, asked once for each."""
    if not names_high_bytes(text, marks):
        return text
    known: dict[str, str] = {}

    def spelled(found: re.Match[str]) -> str:
        digits = found[1]
        new = known.get(digits)
        if new is None:
            new = known[digits] = found[0] if bytes.fromhex(digits).isascii() else other(digits)
        return new

    return _patterns(marks.escape)[0].sub(spelled, text)


def names_high_bytes(text: str, marks: Delimiters) -> bool:
    r"""Whether any `\X..\` of the text may hold a byte above 0x7F; True as well for what only looks like one."""
    return f"{marks.escape}X" in text and _patterns(marks.escape)[1].search(text) is not None


def named_in(raw: bytes, escape: bytes) -> list[bytes]:
    r"""What the `\X..\` of a message in ASCII name, where it is above 0x7F, each once."""
    if escape + b"X" not in raw:
        return []
    found = set(_patterns(escape.decode("ascii"))[0].findall(raw.decode("ascii")))
    return [named for digits in found if not (named := bytes.fromhex(digits)).isascii()]


def hexadecimal(digits: str, marks: Delimiters) -> str:
    """The escape of these digits."""
    return f"{marks.escape}X{digits}{marks.escape}"


@lru_cache(maxsize=64)
def _patterns(mark: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A hexadecimal escape, and one with a byte above 0x7F."""
    own = re.escape(mark)
    pair = "[0-9A-Fa-f]{2}"
    return (
        re.compile(f"{own}X((?:{pair})+){own}"),
        re.compile(f"{own}X(?:[0-7][0-9A-Fa-f])*[89A-Fa-f][0-9A-Fa-f](?:{pair})*{own}"),
    )
