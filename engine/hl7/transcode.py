"""A message in another character set, with MSH-18 saying so, and what of it that set could not carry."""

import re
from typing import NamedTuple

from engine.hl7.charset import charset_of, encode, has, same, word_of
from engine.hl7.delimiters import Delimiters
from engine.hl7.fitting import KEPT, LOST, fitted
from engine.hl7.hex_escapes import names_high_bytes
from engine.hl7.marked_places import NOWHERE, Places, places_of
from engine.hl7.message import Message
from engine.hl7.path import Path

MSH_18 = Path.parse("MSH-18")
MSH_20 = Path.parse("MSH-20")
SCHEME = b"ISO 2022-1994"  # table 0356
_WORDS = re.compile(r"\w+")
_LOOKED_FOR = 64  # words that are searched for as parts of others


class Transcoded(NamedTuple):
    """A message as it leaves."""

    raw: bytes
    lost: Places = NOWHERE  # fields with a character that the set lacks
    kept: Places = NOWHERE  # fields with hexadecimal escapes that are no text and stay as they came

    def __repr__(self) -> str:
        return f"Transcoded({len(self.raw)} bytes, {self.lost.total} fields lost characters)"


def transcoded(message: Message, charset: str, unencodable: str = "transliterate") -> Transcoded:
    """The message in this set (engine.hl7.charset); a character that it lacks is replaced as `unencodable` says.

    ASCII is the same bytes in every set and stays as it came, unless it names others (`\\XE9\\`, ESC); so do bytes that are
    no text of their own set. No character becomes a delimiter: segments, fields and their parts stay as many as they were.
    """
    if message.raw.isascii() and not _names_others(message.raw, message.delimiters):
        return Transcoded(message.raw)
    there = _declared(message, charset)
    if same(message.charset, charset):
        return Transcoded(there.raw)
    try:
        text = there.raw[there.start :].decode(there.charset)  # without a byte order mark
    except UnicodeDecodeError:
        return Transcoded(message.raw)
    marks = there.delimiters
    if not names_high_bytes(text, marks):
        try:
            return Transcoded(encode(text, charset, marks.escape))
        except UnicodeEncodeError:
            pass
    head = _delimiting(text, marks)
    text = fitted(text[len(head) :], marks, (there.charset, charset), unencodable)
    raw = encode(text.replace(LOST, "").replace(KEPT, ""), charset, marks.escape)
    lost, kept = (places_of(mark, head + text, marks.field) for mark in (LOST, KEPT))
    return Transcoded(head.encode("ascii") + raw, lost, kept)


def _delimiting(text: str, marks: Delimiters) -> str:
    r"""MSH-1 and MSH-2, which name the delimiters and are no text: an escape in them (`^~\&\M2442\`) means nothing."""
    head = text[: max(text.find(marks.field, len("MSH|")), len("MSH|"))]
    return head if head.isascii() else ""


def _names_others(raw: bytes, marks: Delimiters) -> bool:
    """Whether ASCII holds a shift, or a hexadecimal escape for bytes that other sets read otherwise.

    Most messages hold the escape character in MSH-2 alone, which is faster to know.
    """
    if b"\x1b" in raw:
        return True
    mark = marks.escape_byte
    return raw.count(mark) > 2 and mark + b"X" in raw and names_high_bytes(raw.decode("ascii"), marks)


def answer_in(body: bytes, charset: str, own_id: bytes = b"") -> bytes:
    """An answer written as UTF-8, in the set of the sender, whose own names and control id it mirrors.

    `own_id` is put into MSA-2, which is empty then: bytes of the set as they are.
    """
    raw = transcoded(Message.parse(body), charset, "question").raw
    at = raw.find(b"\rMSA") + len(b"\rMSA|AA|")
    return raw[:at] + own_id + raw[at:] if own_id else raw


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
    if len(strange) > _LOOKED_FOR or not signs <= set(text):
        return True
    lines = "\n".join(["", *own])
    return not all(f"\n{one}" in lines for one in strange)


def _lacking(message: Message, charset: str) -> tuple[set[str], set[str]]:
    """Words with a character that the set lacks, and such characters that are in no word."""
    text = message.raw.decode(message.charset)
    try:
        encode(text, charset)
    except UnicodeEncodeError:
        chars = set(text)
        found = chars - has(chars, charset)
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
