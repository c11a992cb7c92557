"""A character that a set lacks, in characters that it has: as close as can be, and never U+FFFD."""

import unicodedata
from collections.abc import Callable
from functools import lru_cache

from engine.hl7.charset import encode

# tried first: the same sign as other sets know it, then as a typist writes it
_SIGNS = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
    "\u201b": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2015": "\u2014-",
    "\u2212": "\uff0d-",
    "\uff0d": "\u2212-",
    "\u301c": "\uff5e~",
    "\uff5e": "\u301c~",
    "\u2016": "\u2225",
    "\u2225": "\u2016",
    "\u00a0": " ",
    "\u00b5": "\u03bcu",
    "\u03bc": "\u00b5",
    "\u2126": "\u03a9",
    "\u2022": "\u00b7-",
    "\u30fb": "\u00b7",
    "\u00b7": "\u30fb.",
}


@lru_cache(maxsize=4096)
def fits(char: str, charset: str) -> bool:
    """Whether the set has the character. ESC it never has: in a set with shifts it would begin one."""
    if char == "\x1b" and charset.startswith("iso2022:"):
        return False
    try:
        encode(char, charset)
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=4096)
def transliterated(char: str, charset: str) -> str:
    """What stands for a character that the set lacks; empty for a combining mark, `?` where nothing is known.

    A sign that is nearly the same, its compatibility form (`ﬁ` as `fi`), its base letter (`ő` as `o`), then what
    anyascii writes for it (`Ж` as `Zh`).
    """
    for sign in _SIGNS.get(char, ""):
        if fits(sign, charset):
            return sign
    if unicodedata.decomposition(char):
        for form in (unicodedata.normalize("NFKC", char), _base(char)):
            if form != char and form and all(fits(one, charset) for one in form):
                return form
    if unicodedata.combining(char):
        return ""
    written = _anyascii()(char)
    return "".join(one for one in written if " " <= one <= "~") or "?" if written else "?"


def _base(char: str) -> str:
    """The compatibility decomposition without its combining marks."""
    return "".join(one for one in unicodedata.normalize("NFKD", char) if not unicodedata.combining(one))


@lru_cache(maxsize=1)
def _anyascii() -> Callable[[str], str]:
    from anyascii import anyascii  # noqa: PLC0415 - its tables are read only where a character is lacking

    return anyascii


def replacer(unencodable: str) -> Callable[[str, str], str]:
    """What writes for (character, set), by the destination's `unencodable`."""
    return transliterated if unencodable == "transliterate" else lambda _char, _charset: "?"
