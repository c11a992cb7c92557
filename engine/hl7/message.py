"""An HL7 message as its bytes: read by position, changed without moving another byte (chapter 2.6)."""

from __future__ import annotations

from typing import Final

from engine.errors import Unreadable
from engine.hl7.charset import splittable
from engine.hl7.delimiters import Delimiters, delimiters_of, start_of
from engine.hl7.path import Path
from engine.hl7.segment import DELETE, Repetition, Segment, decoded
from engine.hl7.splice import Unencodable, check_raw, encoded, spliced

__all__ = ["DELETE", "Message", "Repetition", "Segment", "Unencodable"]


class Message:
    """A message that keeps the bytes it came as. Parsing splits nothing; what is asked for is split and remembered.

    Segments end with CR, LF or CRLF, mixed as they may be; blank lines are no segments. Changes return a new message.
    """

    __slots__ = ("_first", "_names", "_segments", "charset", "delimiters", "raw", "start")

    def __init__(self, raw: bytes, charset: str, delimiters: Delimiters, start: int) -> None:
        """Not for callers: `Message.parse` checks what this takes for granted."""
        self.raw: Final = raw
        self.charset: Final = charset
        self.delimiters: Final = delimiters
        self.start: Final = start  # offset of the MSH, behind a byte order mark
        self._first: dict[str, Segment | None] = {}
        self._names: dict[str, tuple[Segment, ...]] = {}
        self._segments: tuple[Segment, ...] | None = None

    @classmethod
    def parse(cls, raw: bytes, charset: str = "utf-8") -> Message:
        """Take bytes that begin with an MSH as a message in this character set (a Python codec).

        Raises Unreadable where no MSH is at the start (a byte order mark and blanks before it are kept), where its
        delimiters cannot be used, or where the character set is unknown or may hide delimiters inside characters.
        """
        if charset != "utf-8" and not splittable(charset):
            raise Unreadable(f"messages cannot be split in the character set {charset}")
        start = 0 if raw.startswith(b"MSH") else start_of(raw)
        return cls(raw, charset, delimiters_of(raw, start), start)

    def to_er7(self) -> bytes:
        """The bytes: exactly those given where nothing was changed."""
        return self.raw

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment in order, and lines that are none with an empty name."""
        if self._segments is None:
            self._segments = tuple(_split(self))
        return self._segments

    def all(self, name: str) -> tuple[Segment, ...]:
        """Every segment of this name, in order."""
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = tuple([segment for segment in self.segments if segment.name == name])
        return found

    def count(self, name: str) -> int:
        """How many segments have this name."""
        return len(self.all(name))

    def first(self, name: str) -> Segment | None:
        """The first segment of this name, found without splitting the others."""
        try:
            return self._first[name]
        except KeyError:
            split = self._segments
            named = (segment for segment in split or () if segment.name == name)
            found = self._first[name] = _find(self, name) if split is None else next(named, None)
            return found

    def get(self, path: str | Path) -> str | None:
        """The text of a place: None where it is absent, "" where it is empty, DELETE where it says delete.

        Decoded, escapes resolved; of a composite value the separators as they stand. A path without a repetition means
        the whole field, or the first repetition's component. Raises ConfigError for a path that is none, Unreadable
        for bytes that are not of the character set.
        """
        at = path if isinstance(path, Path) else Path.parse(path)
        segment = self._at(at)
        return None if segment is None else segment.get(at.field, at.component, at.subcomponent, at.repetition)

    def repetitions(self, path: str | Path) -> list[str]:
        """The texts of a field's repetitions; none where it is absent or empty."""
        at = path if isinstance(path, Path) else Path.parse(path)
        segment = self._at(at)
        found = segment.repetitions(at.field) if segment else []
        return [decoded(one.raw, self.delimiters, self.charset, one.place) for one in found]

    def with_value(self, path: str | Path, value: str) -> Message:
        """The message with this text at the place, escaped as data: `with_value(p, v).get(p) == v`.

        Adds the separators that are missing before the place. Raises LookupError where the segment is missing, for
        MSH-1 and MSH-2 and for a path without a field; Unencodable where the character set lacks a character.
        """
        at = path if isinstance(path, Path) else Path.parse(path)
        return self._replaced(at, encoded(value, self.delimiters, self.charset, at))

    def with_raw(self, path: str | Path, content: bytes) -> Message:
        """The message with these bytes at the place as they are: escaped already, with separators of lower levels.

        Raises LookupError as `with_value` does, ValueError where the bytes would end the place.
        """
        at = path if isinstance(path, Path) else Path.parse(path)
        check_raw(content, self.delimiters, at)
        return self._replaced(at, content)

    def with_segment(self, line: bytes, *, at: int) -> Message:
        """The message with a new segment before segment number `at` (from 0; as many as there are: at the end).

        The line gets the terminator that the message uses first. Raises ValueError for a place before the MSH or
        behind the end, and for a line that holds a line end.
        """
        if b"\r" in line or b"\n" in line or not line:
            raise ValueError("a new segment is one line without its line end")
        if not 0 < at <= len(self.segments):
            raise ValueError(f"no place {at} for a segment in a message of {len(self.segments)}")
        raw, terminator = self.raw, _terminator(self.raw, self.start)
        if at < len(self.segments):
            cut = self.segments[at].start
            return self._with(raw[:cut] + line + terminator + raw[cut:])
        last = self.segments[-1]
        cut = _after(raw, last.start + len(last.raw))
        if cut == last.start + len(last.raw):
            return self._with(raw + terminator + line)
        return self._with(raw[:cut] + line + terminator + raw[cut:])

    def without(self, path: str | Path) -> Message:
        """The message without a place: `AL1` removes every AL1, `AL1[2]` the second, `PID-19` empties the field.

        Nothing there: the same message. Raises ValueError for the MSH, LookupError for MSH-1 and MSH-2.
        """
        at = path if isinstance(path, Path) else Path.parse(path)
        if at.field:
            return self if self.get(at) in (None, "") else self._replaced(at, b"")
        if at.segment == "MSH":
            raise ValueError("a message without its MSH is none")
        found = self.all(at.segment)
        doomed = found[at.occurrence - 1 : at.occurrence] if at.occurrence else found
        kept, begin = [], 0
        for segment in doomed:
            kept.append(self.raw[begin : segment.start])
            begin = _after(self.raw, segment.start + len(segment.raw))
        return self._with(b"".join([*kept, self.raw[begin:]])) if doomed else self

    def _at(self, path: Path) -> Segment | None:
        if path.occurrence < 2:
            return self.first(path.segment)
        found = self.all(path.segment)
        return found[path.occurrence - 1] if path.occurrence <= len(found) else None

    def _replaced(self, path: Path, content: bytes) -> Message:
        segment = self._at(path)
        if segment is None:
            raise LookupError(f"{path}: the message has no such segment")
        raw, end = self.raw, segment.start + len(segment.raw)
        return self._with(raw[: segment.start] + spliced(segment, path, content) + raw[end:])

    def _with(self, raw: bytes) -> Message:
        return Message(raw, self.charset, self.delimiters, self.start)

    def __eq__(self, other: object) -> bool:
        """Messages are equal when their bytes and their character set are."""
        return isinstance(other, Message) and self.raw == other.raw and self.charset == other.charset

    def __hash__(self) -> int:
        return hash((self.raw, self.charset))

    def __repr__(self) -> str:
        """Without content."""
        return f"<Message, {len(self.raw)} bytes>"


def _split(message: Message) -> list[Segment]:
    raw, marks, charset = message.raw, message.delimiters, message.charset
    separator, start = marks.field_byte, message.start
    found: list[Segment] = []
    for line in raw[start:].replace(b"\n", b"\r").split(b"\r"):
        if line and not line.isspace():
            segment = Segment(
                line,
                str(line[:3], "latin-1") if line[3:4] == separator or len(line) == 3 else "",
                whole=raw,
                begin=message.start,
                start=start,
                index=len(found),
                marks=marks,
                charset=charset,
            )
            found.append(segment)
        start += len(line) + 1
    return found


def _find(message: Message, name: str) -> Segment | None:
    raw, marks, start = message.raw, message.delimiters, message.start
    key, at = name.encode("latin-1", "replace"), start
    while (at := raw.find(key, at)) >= 0:
        follows = raw[at + 3 : at + 4]
        if (at == start or raw[at - 1] in b"\r\n") and (follows == marks.field_byte or follows in b"\r\n"):
            end = _end(raw, at)
            charset = message.charset
            return Segment(raw[at:end], name, whole=raw, begin=start, start=at, index=-1, marks=marks, charset=charset)
        at += 3
    return None


def _end(raw: bytes, at: int) -> int:
    """Where the line that begins here ends."""
    end = raw.find(b"\r", at)
    end = len(raw) if end < 0 else end
    feed = raw.find(b"\n", at, end)
    return end if feed < 0 else feed


def _after(raw: bytes, end: int) -> int:
    """Behind the line end that begins at `end`."""
    return end + (2 if raw[end : end + 2] == b"\r\n" else len(raw[end : end + 1]))


def _terminator(raw: bytes, start: int) -> bytes:
    """The first line end of the message; CR where there is none."""
    end = _end(raw, start)
    return raw[end : _after(raw, end)] or b"\r"
