"""Which set the bytes of a message are in: what MSH-18 declares, what its listener says, what the bytes themselves allow.

Here for sets in which messages are split as bytes; engine.channel.examine for the others.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from engine.channel.limits import located
from engine.hl7.charset import charset_of, decodable, decode, possible, same, sets_of, settled, splittable
from engine.hl7.charset_names import WIDER
from engine.hl7.hex_escapes import named_in
from engine.hl7.msh import Msh

_C1 = re.compile(rb"[\x80-\x9f]")  # controls in ISO 8859: what Windows writes as quotes, dashes and the euro
_OF_8859 = re.compile("iso8859_")


class Found(NamedTuple):
    """The set, or why the bytes are of none, as `Verdict` spells it; `location` is of the first byte that is no text."""

    code: str
    error: str = ""
    location: str = ""
    charset: str = ""
    flags: tuple[str, ...] = ()


_UTF8 = Found("AA", charset="utf-8")
UNKNOWN = Found("AR", "103", "MSH^1^18")
IMPOSSIBLE = Found("AE", "102", "MSH^1^18")


def judge_charset(raw: bytes, msh: Msh, default: str, override: str = "") -> Found:
    """The set of a message that is split as bytes (docs/charsets.md says what follows from what)."""
    if override:
        return _overridden(raw, msh, override)
    declared = msh.charset and _declared(msh.charset, msh.encoding[1:2])
    if declared:
        return _as_declared(raw, msh, declared)
    if declared is None:
        return UNKNOWN
    if is_utf8(raw, msh.encoding[2:3], default):
        return _UTF8
    if default != "utf-8" and decodable(raw, default):
        return Found("AA", charset=default, flags=("charset_assumed",))
    return _undecodable(raw, msh, "utf-8")


def is_utf8(raw: bytes, escape: bytes, default: str) -> bool:
    r"""Whether a message that declares nothing is UTF-8, or ASCII whose `\X..\` name no bytes of the listener's set alone."""
    if default == "utf-8" or not raw.isascii():
        return decodable(raw, "utf-8")
    named = named_in(raw, escape)
    return all(decodable(one, "utf-8") for one in named) or not all(_is_text(one, default) for one in named)


def _is_text(raw: bytes, charset: str) -> bool:
    try:
        decode(raw, charset)
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=256)
def _declared(msh18: bytes, repetition: bytes) -> str | None:
    """The set before any shift; "" where the first repetition is empty, None where its word is unknown."""
    if repetition and not msh18.partition(repetition)[0].strip():
        return ""
    found = charset_of(msh18, repetition)
    return None if found is None else sets_of(found)[0]


def _as_declared(raw: bytes, msh: Msh, declared: str) -> Found:
    if not possible(declared):
        return IMPOSSIBLE
    if not decodable(raw, declared):
        wider = WIDER.get(declared, "")
        if wider and decodable(raw, wider):
            return Found("AA", charset=wider, flags=("charset_wider",))
        found = _undecodable(raw, msh, declared)
        return found if found.location else IMPOSSIBLE
    if declared not in {"utf-8", "ascii"} and not raw.isascii() and is_suspect(raw, declared):
        return Found("AA", charset=declared, flags=("charset_suspect",))
    return _accepted(declared)


@lru_cache(maxsize=64)
def _accepted(charset: str) -> Found:
    return Found("AA", charset=charset)


def is_suspect(raw: bytes, declared: str) -> bool:
    """Whether text declared as one byte to a character reads as UTF-8, or has controls where Windows has letters."""
    if declared in WIDER:
        return False
    return decodable(raw, "utf-8") or (_OF_8859.match(declared) is not None and _C1.search(raw) is not None)


def _overridden(raw: bytes, msh: Msh, override: str) -> Found:
    """Of a set with shifts, what it starts in: a message with a shift is read as a whole (engine.channel.examine)."""
    charset = settled(override, raw, msh.encoding[2:3])
    if not decodable(raw, charset):
        return _undecodable(raw, msh, charset)
    return Found("AA", charset=charset, flags=overridden(raw, msh, override))


def overridden(raw: bytes, msh: Msh, override: str) -> tuple[str, ...]:
    """The flag that says MSH-18 is not what the message was read as."""
    if raw.isascii() and not named_in(raw, msh.encoding[2:3]):
        return ()
    declared = charset_of(msh.charset, msh.encoding[1:2]) if msh.charset else None
    return () if declared is not None and same(declared, override) else ("charset_overridden",)


def _undecodable(raw: bytes, msh: Msh, charset: str) -> Found:
    """AE 102 with the place of the first byte that is no text, which is empty in a line that is no segment."""
    at = first_bad(raw, charset if splittable(charset) else "utf-8")
    return Found("AE", "102", located(raw, at, msh.separator))


def first_bad(raw: bytes, codec: str) -> int:
    """The offset of the first byte that is no text in the codec; -1 where all are."""
    try:
        raw.decode(codec)
    except UnicodeDecodeError as bad:
        return bad.start
    return -1
