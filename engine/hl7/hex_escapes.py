r"""Hexadecimal escapes (`\X82E9\`, chapter 2.7.5) name bytes of the message's set: in another set they are others."""

import re
from collections.abc import Callable
from functools import lru_cache

from engine.hl7.delimiters import Delimiters


def respelled(text: str, marks: Delimiters, other: Callable[[bytes], bytes | None]) -> str:
    r"""The text with every `\X..\` that holds a byte above 0x7F spelled by `other`; where that gives None it stays."""
    if f"{marks.escape}X" not in text:
        return text
    return _pattern(marks.escape).sub(lambda found: _spelled(found, marks.escape, other), text)


def names_high_bytes(text: str, marks: Delimiters) -> bool:
    r"""Whether any `\X..\` of the text holds a byte above 0x7F."""
    if f"{marks.escape}X" not in text:
        return False
    return any(not bytes.fromhex(found).isascii() for found in _pattern(marks.escape).findall(text))


def _spelled(found: re.Match[str], mark: str, other: Callable[[bytes], bytes | None]) -> str:
    raw = bytes.fromhex(found[1])
    new = None if raw.isascii() else other(raw)
    return found[0] if new is None else f"{mark}X{new.hex().upper()}{mark}"


@lru_cache(maxsize=64)
def _pattern(mark: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(mark)}X((?:[0-9A-Fa-f]{{2}})+){re.escape(mark)}")
