"""A message in another character set, with MSH-18 saying so, and what of it that set could not carry."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from engine.hl7.charset import charset_of, decode, encode, same, splittable, word_of
from engine.hl7.delimiters import Delimiters
from engine.hl7.escape import escape
from engine.hl7.hex_escapes import names_high_bytes, respelled
from engine.hl7.message import Message
from engine.hl7.path import Path
from engine.hl7.transliterate import fits, replacer

MSH_18 = Path.parse("MSH-18")
MSH_20 = Path.parse("MSH-20")
SCHEME = b"ISO 2022-1994"  # table 0356
_ENDS = re.compile("(\r|\n)")
_WORDS = re.compile(r"\w+")
_LOOKED_FOR = 64  # words that are searched for as parts of others


class Transcoded(NamedTuple):
    """A message as it leaves."""

    raw: bytes
    lost: tuple[str, ...] = ()  # fields with a character that the set lacks: "PID-5", "OBX[2]-5"
    kept: tuple[str, ...] = ()  # fields with hexadecimal escapes that are no text and stay as they came

    def __repr__(self) -> str:
        return f"Transcoded({len(self.raw)} bytes, {len(self.lost)} fields lost characters)"


def transcoded(message: Message, charset: str, unencodable: str = "transliterate") -> Transcoded:
    """The message in this set (engine.hl7.charset); a character that it lacks is replaced as `unencodable` says.

    ASCII is the same bytes in every set and stays as it came; so do bytes that are no text of their own set. No character
    becomes a delimiter: segments, fields and their parts stay as many as they were.
    """
    if message.raw.isascii():
        return Transcoded(message.raw)
    there = _declared(message, charset)
    if same(message.charset, charset):
        return Transcoded(there.raw)
    try:
        text = there.raw[there.start :].decode(there.charset)  # without a byte order mark
    except UnicodeDecodeError:
        return Transcoded(message.raw)
    if not names_high_bytes(text, there.delimiters):
        try:
            return Transcoded(encode(text, charset))
        except UnicodeEncodeError:
            pass
    return _by_field(text, there, charset, unencodable)


def answer_in(body: bytes, charset: str) -> bytes:
    """An answer written as UTF-8, in the set of the sender, whose own names and control id it mirrors."""
    return body if body.isascii() else transcoded(Message.parse(body), charset, "question").raw


def added_beyond(before: Message, after: Message, charset: str) -> bool:
    """Whether `after` says a word or a sign that `before` does not, with a character that the set lacks (D1).

    A word may have been cut at its end, as where the order's own text is kept in part.
    """
    words, signs = _lacking(after, charset)
    if not words and not signs:
        return False
    text = before.raw.decode(before.charset)
    own = set(_WORDS.findall(text))
    strange = words - own
    if len(strange) > _LOOKED_FOR or any(sign not in text for sign in signs):
        return True
    return not all(any(word.startswith(one) for word in own) for one in strange)


def _lacking(message: Message, charset: str) -> tuple[set[str], set[str]]:
    """Words with a character that the set lacks, and such characters that are in no word."""
    text = message.raw.decode(message.charset)
    try:
        encode(text, charset)
    except UnicodeEncodeError:
        found = {char for char in set(text) if not fits(char, charset)}
        words = {word for word in set(_WORDS.findall(text)) if not found.isdisjoint(word)}
        return words, {char for char in found if not _WORDS.match(char)}
    return set(), set()


def _declared(message: Message, charset: str) -> Message:
    """MSH-18, and MSH-20 for shifts, as the set asks for; untouched where they say it already."""
    declared = message.get(MSH_18) or ""
    repetition = message.delimiters.repetition
    found = charset_of(declared.encode("utf-8", "replace"), repetition.encode()) if declared else None
    if found is not None and same(found, charset):
        return message
    word = word_of(charset).replace(b"~", message.delimiters.repetition_byte)
    told = message.with_raw(MSH_18, word)
    if b"~" in word_of(charset):
        return told.with_raw(MSH_20, SCHEME)
    return told.without(MSH_20)


def _by_field(text: str, message: Message, charset: str, unencodable: str) -> Transcoded:
    marks = message.delimiters
    seen: Counter[str] = Counter()
    lost: dict[str, None] = {}
    kept: dict[str, None] = {}
    rewrite = _Field(marks, message.charset, charset, replacer(unencodable))
    rename = _Field(marks, message.charset, charset, replacer("question"))  # no line becomes a segment that was none
    lines = _ENDS.split(text)
    for at in range(0, len(lines), 2):
        name = lines[at][:3]
        seen[name] += 1
        fields = lines[at].split(marks.field)
        for number, field in enumerate(fields):
            written, losing, keeping = (rewrite if number else rename)(field)
            fields[number] = written
            if losing or keeping:
                path = _path(name, seen[name], number + (name == "MSH"))
                lost.update({path: None} if losing else {})
                kept.update({path: None} if keeping else {})
        lines[at] = marks.field.join(fields)
    return Transcoded(encode("".join(lines), charset), tuple(lost), tuple(kept))


def _path(name: str, occurrence: int, field: int) -> str:
    """Where a field stands, without a word of it: a line that is no segment is `?`."""
    named = name if len(name) == 3 and name.isascii() and name.isalnum() else "?"
    return f"{named}{f'[{occurrence}]' if occurrence > 1 else ''}-{field}"


class _Field:
    """Rewrites fields: the text, whether it lost a character, whether an escape in it stays that is no text."""

    def __init__(self, marks: Delimiters, old: str, new: str, replace: Callable[[str, str], str]) -> None:
        self._marks = marks
        self._old = old
        self._new = new
        self._careful = not splittable(new)  # ASCII may be read as something else behind a shift
        self._replace = replace

    def __call__(self, field: str) -> tuple[str, bool, bool]:
        if field.isascii() and not self._careful and f"{self._marks.escape}X" not in field:
            return field, False, False
        losing: list[bool] = []
        keeping: list[bool] = []

        def other(raw: bytes) -> bytes | None:
            try:
                inside = decode(raw, self._old)
            except UnicodeDecodeError:
                keeping.append(True)
                return None
            losing.append(not self._has(inside))
            return encode("".join(self._fitting(inside)), self._new)

        written = respelled(field, self._marks, other)
        if not self._has(written):
            composed = self._composed(written)
            losing.append(not self._has(composed))
            written = "".join(self._escaped(composed)) if losing[-1] else composed
            written = written if self._has(written) else "?"
        return written, any(losing), any(keeping)

    def _has(self, text: str) -> bool:
        if "\x1b" in text and not fits("\x1b", self._new):
            return False
        try:
            encode(text, self._new)
        except UnicodeEncodeError:
            return False
        return True

    def _composed(self, text: str) -> str:
        """Letters with their combining marks as one character, unless that would make a delimiter of another sign."""
        composed = unicodedata.normalize("NFC", text)
        marks = self._marks.field + self._marks.encoding.decode("ascii")
        return composed if all(composed.count(mark) == text.count(mark) for mark in marks) else text

    def _fitting(self, text: str) -> Iterator[str]:
        for char in text:
            yield char if fits(char, self._new) else self._replace(char, self._new)

    def _escaped(self, text: str) -> Iterator[str]:
        for char in text:
            yield char if fits(char, self._new) else escape(self._replace(char, self._new), self._marks)
