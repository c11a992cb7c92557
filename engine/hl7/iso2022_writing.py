"""Text written with shifts between character sets (ISO 2022), and what must not be written because it would be one.

One pass for each step over the whole text, however often the sets change.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from engine.hl7.iso2022 import DESIGNATION, HIGH, LOW, PYTHON, TWO_BYTES, bytes_of, in_set, text_or_nothing

_LEFT_BY_SHIFT = frozenset({"jisx0208", "jisx0212"})  # written with bytes below 0x80
_BEYOND = re.compile("[^\x00-\x7f]+")
_FEW = 256  # characters that are looked at one by one, and ...
_SHORT = 4096  # ... of a text in which only runs beyond ASCII are
_ASCII = {number: chr(number) for number in range(0x80)}
_DIGITS = re.compile("[0-9A-Fa-f]{2}")


def encode(text: str, sets: tuple[str, ...], escape: str = "\\") -> bytes:
    """The text with shifts to the further sets where the first lacks a character, back before any ASCII character.

    Raises UnicodeEncodeError where no set has a character, and where what was no shift would be read as one.
    """
    beyond = set("".join(_BEYOND.findall(text)))
    known = all(_set_of(char, sets) for char in beyond) if len(beyond) < _FEW else beyond <= has(beyond, sets)
    if not known:
        raise UnicodeEncodeError("iso2022", text, 0, len(text), "no set has a character")
    if misread(text, sets, escape).search(text):
        raise UnicodeEncodeError("iso2022", text, 0, len(text), "it would be read as a shift")
    return _shifted(text, beyond, sets) if beyond else text.encode("ascii")


def misread(text: str, sets: tuple[str, ...], escape: str, between: str = "") -> re.Pattern[str]:
    """What of this text would be read as a shift; `between` is what may stand between any two characters of one.

    An escape sequence, an HL7 escape that means one, and kanji whose bytes look like one.
    """
    plain = _misread(escape, between)
    begins = [(name, char) for name, char in _begins(sets, escape) if char in text]
    if not begins:
        return plain
    found = [plain.pattern]
    chars = has(set(text), sets)
    for name in {name for name, _ in begins}:
        own = {char: _low(char, name) for char in chars if _set_of(char, sets) == name}
        begin = "".join(char for of, char in begins if of == name)
        middle = "".join(char for char, low in own.items() if _DIGITS.fullmatch(low))
        last = "".join(char for char, low in own.items() if low.startswith(escape))
        if middle:
            found.append(f"[{begin}](?:{between}[{middle}]){{2,4}}{between}[{last}]")
    return re.compile("|".join(found))


@lru_cache(maxsize=64)
def _begins(sets: tuple[str, ...], escape: str) -> tuple[tuple[str, str], ...]:
    """Kanji whose two bytes are the beginning of an HL7 escape for a shift, and the set that writes them."""
    pairs = [f"{escape}{letter}".encode("ascii").translate(HIGH) for letter in "CM"] if escape else []
    found = []
    for name in _LEFT_BY_SHIFT.intersection(sets):
        lead = b"\x8f" if name == "jisx0212" else b""
        chars = (text_or_nothing(lead + pair, PYTHON[name]) for pair in pairs)
        found += [(name, char) for char in chars if char and _set_of(char, sets) == name]
    return tuple(found)


@lru_cache(maxsize=64)
def _misread(escape: str, between: str) -> re.Pattern[str]:
    digits = f"{between}[0-9A-Fa-f]"
    written = f"{re.escape(escape)}{between}[CM](?:{digits}{digits}){{2,4}}{between}{re.escape(escape)}"
    return re.compile("\x1b[ -/]+[0-~]" + (f"|{written}" if escape else ""))


def _low(char: str, name: str) -> str:
    """The two bytes of a kanji below 0x80."""
    return _bytes_in(char, name).translate(LOW).decode("ascii")


def has(chars: Collection[str], sets: tuple[str, ...]) -> set[str]:
    """Those of the characters that one of the sets has; ESC none has: it would begin a shift."""
    missing = {char for char in chars if not char.isascii()}
    found = set(chars) - missing - {"\x1b"}
    for name in sets:
        own = {char for char in in_set(missing, PYTHON.get(name, name)) if _set_of(char, sets)}
        found |= own
        missing -= own
    return found


def _shifted(text: str, beyond: Collection[str], sets: tuple[str, ...]) -> bytes:
    """Every character beyond ASCII between marks of its set; then the marks as shifts, where they are needed."""
    short = len(text) < _SHORT
    table = {} if short else dict(_ASCII)
    used: dict[str, tuple[str, str]] = {}
    for char in beyond:
        name = _set_of(char, sets)
        begin, end = used.setdefault(name, _marks(sets.index(name)))
        content = _bytes_in(char, name)
        content = content.translate(LOW) if name in _LEFT_BY_SHIFT else content
        table[ord(char)] = f"{begin}{content.decode('latin-1')}{end}"
    marked = _BEYOND.sub(lambda run: run[0].translate(table), text) if short else text.translate(table)
    for begin, end in used.values():
        marked = marked.replace(end + begin, "")
    return _with_shifts(marked, used, sets[0]).encode("latin-1")


def _marks(number: int) -> tuple[str, str]:
    """What stands before and behind the characters of the set of this number until shifts do: no byte of any set."""
    return chr(0xE000 + 2 * number), chr(0xE001 + 2 * number)


def _with_shifts(marked: str, used: Mapping[str, tuple[str, str]], first: str) -> str:
    for one, (_, end) in used.items():
        for other, (begin, _) in used.items():
            alike = (one in _LEFT_BY_SHIFT) == (other in _LEFT_BY_SHIFT)
            if alike and one != first and other not in {one, first}:
                marked = marked.replace(end + begin, _designation(other))
    for name, (begin, end) in used.items():
        left = name in _LEFT_BY_SHIFT
        after = "\x1b(B" if left else "" if name == first else _designation(first)
        marked = marked.replace(begin, "" if name == first and not left else _designation(name)).replace(end, after)
    return marked


def _designation(name: str) -> str:
    shift = DESIGNATION.get(name)
    return f"\x1b{shift.decode('ascii')}" if shift else ""


@lru_cache(maxsize=16384)
def _set_of(char: str, sets: tuple[str, ...]) -> str:
    return next((name for name in sets if _bytes_in(char, name)), "")


@lru_cache(maxsize=16384)
def _bytes_in(char: str, name: str) -> bytes:
    """A character beyond ASCII in a set, without EUC's third byte; empty where the set lacks it."""
    try:
        found = bytes_of(char, PYTHON.get(name, name))
    except UnicodeEncodeError:
        return b""
    if not in_set(char, PYTHON.get(name, name)):
        return b""
    if name == "jisx0212":
        return found[1:] if found[0] == 0x8F else b""
    if name == "jisx0208" or name in TWO_BYTES:
        return found if len(found) == 2 and found[0] >= 0xA1 else b""
    return found
