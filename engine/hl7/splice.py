"""Changing one place of a segment: split along the path, replaced, joined again, so that no other byte moves."""

from engine.errors import BackstoryError
from engine.hl7.delimiters import Delimiters
from engine.hl7.escape import escape
from engine.hl7.path import Path
from engine.hl7.segment import Segment


class Unencodable(BackstoryError):
    """The message's character set cannot hold a value; the text names the place and the set only."""


def encoded(value: str, delimiters: Delimiters, charset: str, path: Path) -> bytes:
    """The value as data of a message. Raises Unencodable where it would not read back from the character set."""
    text = escape(value, delimiters)
    try:
        content = text.encode(charset)
    except UnicodeEncodeError:
        content = b""
    if text and (not content or not (content.isascii() or content.decode(charset, "replace") == text)):
        raise Unencodable(f"{path}: the message's character set {charset} lacks a character of the value")
    return content


def check_raw(content: bytes, delimiters: Delimiters, path: Path) -> None:
    """Raise ValueError where bytes given as they shall stand would end the place that they are written to."""
    ending = [b"\r", b"\n", delimiters.field_byte]
    if path.repetition or path.component:
        ending.append(delimiters.repetition_byte)
    if path.component:
        ending.append(delimiters.component_byte)
    if path.subcomponent:
        ending.append(delimiters.subcomponent_byte)
    if any(mark in content for mark in ending):
        raise ValueError(f"{path}: the bytes hold a delimiter of a higher level")


def spliced(segment: Segment, path: Path, content: bytes) -> bytes:
    """The segment's bytes with the place replaced; missing separators before it are added.

    Raises LookupError for MSH-1 and MSH-2, which nothing may change, and for a path without a field.
    """
    if path.field == 0:
        raise LookupError(f"{path}: a value needs a field, like {path.segment}-3")
    is_header = segment.name == "MSH"
    if is_header and path.field < 3:
        raise LookupError(f"{path}: the delimiters of a message are never changed")
    marks = segment.delimiters
    fields = list(segment.fields)
    if path.repetition or path.component:
        field = fields[path.field] if path.field < len(fields) else b""
        content = _repeated(field, marks, path, content)
    _put(fields, path.field, content)
    if is_header:
        del fields[1]
    return marks.field_byte.join(fields)


def _repeated(field: bytes, marks: Delimiters, path: Path, content: bytes) -> bytes:
    repetitions = field.split(marks.repetition_byte)
    number = (path.repetition or 1) - 1
    if path.component:
        repetition = repetitions[number] if number < len(repetitions) else b""
        content = _composed(repetition, marks, path, content)
    _put(repetitions, number, content)
    return marks.repetition_byte.join(repetitions)


def _composed(repetition: bytes, marks: Delimiters, path: Path, content: bytes) -> bytes:
    components = repetition.split(marks.component_byte)
    number = path.component - 1
    if path.subcomponent:
        component = components[number] if number < len(components) else b""
        subcomponents = component.split(marks.subcomponent_byte)
        _put(subcomponents, path.subcomponent - 1, content)
        content = marks.subcomponent_byte.join(subcomponents)
    _put(components, number, content)
    return marks.component_byte.join(components)


def _put(parts: list[bytes], at: int, content: bytes) -> None:
    parts.extend([b""] * (at + 1 - len(parts)))
    parts[at] = content
