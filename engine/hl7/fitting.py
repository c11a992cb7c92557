r"""A whole text as a set can write it: what it lacks is replaced, and a mark stands where something was lost.

Every step is one pass over the whole text, in time linear to its length: fields are looked for only where something was
found in them. The marks are lone surrogates, which no text holds.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

from engine.hl7.charset import decode, encode, has, sets_of
from engine.hl7.delimiters import Delimiters
from engine.hl7.escape import escape
from engine.hl7.hex_escapes import hexadecimal, replaced
from engine.hl7.iso2022_writing import misread
from engine.hl7.transliterate import fits, replacer

LOST = "\ud800"  # before what stands for a character that the set lacks
KEPT = "\ud801"  # before a hexadecimal escape that is no text and stays as it came
_HEAD = "\ud802"  # for what stands before the first field of a line
_MARKS = frozenset({LOST, KEPT, _HEAD})
_GUARDS = "\ud803\ud804\ud805"
_BETWEEN = f"[{LOST}{KEPT}]*"
_LONGEST = 32  # combining marks on one letter; Unicode's own limit for streams is 30, and to order n takes n * n steps
_KELVIN = "\u212a"  # composed it is the letter K, with which a line could become a segment
_JAMO = re.compile("[\u1160-\u11ff]")  # letters of Hangul that join the one before


def fitted(text: str, marks: Delimiters, sets: tuple[str, str], unencodable: str) -> str:
    """The text of a message with LOST and KEPT in it; without them every character is of the second of the sets.

    `sets` are that of the message and that of the destination. No line becomes a segment that was none: of what stands
    before the first field a lacking character is a question mark.
    """
    head, odd = _heads(marks.field, marks.escape)
    fitting = _Fitting(marks, sets, unencodable)
    if not odd.search(text):
        return fitting.text(text)
    asking = _Fitting(marks, sets, "question")
    heads = [""]

    def taken(found: re.Match[str]) -> str:
        if asking.fits_as_is(found[0]):
            return found[0]
        heads.append(asking.head(found[0]))
        return _HEAD

    lines = fitting.text(head.sub(taken, text)).split(_HEAD)
    return "".join(part for pair in zip(heads, lines, strict=True) for part in pair)


@lru_cache(maxsize=64)
def _heads(field: str, mark: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What stands before the first field of a line, and a line end with one behind it that is not plain ASCII."""
    inside = rf"[^{re.escape(field)}\r\n]"
    return (
        re.compile(rf"(?<![^\r\n]){inside}+"),
        re.compile(rf"[\r\n]{inside}*?(?:(?={inside})[^\x00-\x7f]|{re.escape(mark)}X)"),
    )


class _Fitting:
    """One way to replace, for one pair of sets."""

    def __init__(self, marks: Delimiters, sets: tuple[str, str], unencodable: str) -> None:
        self._marks = marks
        self._old, self._new = sets
        self._replace = replacer(unencodable)

    def fits_as_is(self, head: str) -> bool:
        return head.isascii() and f"{self._marks.escape}X" not in head

    def head(self, head: str) -> str:
        if _KELVIN in head and not fits(_KELVIN, self._new):
            head = head.replace(_KELVIN, LOST + escape("?", self._marks))
        return self.text(head)

    def text(self, text: str) -> str:
        text = replaced(text, self._marks, self._hexadecimal)
        chars, lacking = self._lacking(text)
        if lacking:
            composed = self._composed(text, chars, lacking)
            if composed is not text:
                chars, lacking = self._lacking(composed)
            text = self._written(composed, chars, lacking)
        return self._without_shifts(text) if self._new.startswith("iso2022:") else text

    def _lacking(self, text: str) -> tuple[set[str], set[str]]:
        chars = set(text) - _MARKS
        return chars, chars - has(chars, self._new)

    def _hexadecimal(self, digits: str) -> str:
        """A hexadecimal escape with bytes of the new set."""
        try:
            inside = decode(bytes.fromhex(digits), self._old)
        except UnicodeDecodeError:
            return KEPT + hexadecimal(digits, self._marks)
        raw = self._raw(inside)
        if raw is not None:
            return hexadecimal(raw.hex().upper(), self._marks)
        new = "".join(char if fits(char, self._new) else self._replace(char, self._new) for char in inside)
        raw = self._raw(new)
        return LOST + hexadecimal((b"?" if raw is None else raw).hex().upper(), self._marks)

    def _raw(self, inside: str) -> bytes | None:
        """The bytes; None where the set lacks any of it."""
        if "\x1b" in inside and not fits("\x1b", self._new):
            return None
        try:
            return encode(inside, self._new, self._marks.escape)
        except UnicodeEncodeError:
            return None

    def _composed(self, text: str, chars: set[str], lacking: set[str]) -> str:
        """Letters with their combining marks as one character, in fields with a character that the set lacks.

        Not where that would make a delimiter of another sign, or take one away.
        """
        joining = "".join(char for char in chars if unicodedata.combining(char))
        if joining and re.search(f"[{joining}]{{{_LONGEST + 1}}}", text):
            return text
        guarded = text
        guards = [*zip(_GUARDS, self._near_delimiters(), strict=False)]
        for guard, char in guards:
            guarded = guarded.replace(char, guard)
        composed = unicodedata.normalize("NFC", guarded)
        for guard, char in guards:
            composed = composed.replace(guard, char)
        if composed == text:
            return text
        return self._chosen(text, composed, lacking) if any(map(_changes, chars - lacking)) else composed

    def _near_delimiters(self) -> str:
        """Signs that composing makes a delimiter of, or that compose with one."""
        marks = self._marks.field + self._marks.encoding.decode("ascii")
        return "".join(
            sign for sign, of in (("\u037e", ";"), ("\u1fef", "`"), ("\u0338", "<=>")) if not set(of).isdisjoint(marks)
        )

    def _chosen(self, text: str, composed: str, lacking: set[str]) -> str:
        """Field by field the first where the set has all of it, else the second."""
        field = self._marks.field
        pairs = zip(_cut(text, field), _cut(composed, field), strict=True)
        chosen = field.join(new if new != old and not lacking.isdisjoint(old) else old for old, new in pairs)
        return chosen.replace(f"{field}\r", "\r").replace(f"{field}\n", "\n")

    def _written(self, text: str, chars: Collection[str], lacking: Collection[str]) -> str:
        table = {ord(char): char for char in (*chars, *_MARKS)}
        escaped: dict[str, str] = {}
        for char in lacking:
            sign = self._replace(char, self._new)
            if sign not in escaped:
                escaped[sign] = LOST + escape(sign, self._marks)
            table[ord(char)] = escaped[sign]
        return text.translate(table)

    def _without_shifts(self, text: str) -> str:
        """A question mark for what would be read as a shift and is none; no other can come of it, since none has one in it."""
        mark = LOST + escape("?", self._marks)
        shift = misread(text, sets_of(self._new), self._marks.escape, _BETWEEN)
        return shift.sub(lambda found: (KEPT if KEPT in found[0] else "") + mark, text)


def _changes(char: str) -> bool:
    """Whether composing may change a text in which this character stands."""
    if char.isascii():
        return False
    joins = unicodedata.category(char)[0] == "M" or _JAMO.match(char) is not None
    return joins or not unicodedata.is_normalized("NFC", char)


def _cut(text: str, field: str) -> list[str]:
    """The fields; the first of each further line begins with its line end."""
    return text.replace("\r", f"{field}\r").replace("\n", f"{field}\n").split(field)
