"""One segment of a message: fields by their number, repetitions, components; split when first asked for."""

from engine.errors import Unreadable
from engine.hl7.delimiters import Delimiters
from engine.hl7.escape import unescape

DELETE = '""'  # two quote characters: the sender wants the value deleted (chapter 2.5.3.4)


class Repetition:
    """One repetition of a field, with its components."""

    __slots__ = ("charset", "delimiters", "place", "raw")

    def __init__(self, raw: bytes, delimiters: Delimiters, charset: str, place: str) -> None:
        self.raw = raw
        self.delimiters = delimiters
        self.charset = charset
        self.place = place  # "PID-3", for exceptions

    def get(self, component: int = 0, subcomponent: int = 0) -> str | None:
        """The text of a component, of a subcomponent, or without numbers of all with separators as they stand."""
        raw = part_of(self.raw, self.delimiters, component, subcomponent)
        return None if raw is None else decoded(raw, self.delimiters, self.charset, self.place)

    def __repr__(self) -> str:
        """Without content."""
        return f"<Repetition of {self.place}, {len(self.raw)} bytes>"


class Segment:
    """A line of a message. `raw` has no terminator; `start` is its offset in the message.

    `name` is empty for a line that is no segment (free text after a stray line feed). Numbers of fields, components and
    repetitions count from one; MSH-1 is the field separator and MSH-2 the encoding characters, as in the standard.
    """

    __slots__ = ("_begin", "_fields", "_index", "_whole", "charset", "delimiters", "name", "raw", "start")

    def __init__(
        self,
        raw: bytes,
        name: str,
        *,
        whole: bytes,
        begin: int,
        start: int,
        index: int,
        marks: Delimiters,
        charset: str,
    ) -> None:
        """`whole` is the message, whose MSH stands at `begin`; an `index` of -1 is counted when it is asked for."""
        self.raw = raw
        self.name = name
        self.start = start
        self.delimiters = marks
        self.charset = charset
        self._whole = whole  # and not the Message, which remembers its segments: a cycle would wait for the collector
        self._begin = begin
        self._index = index
        self._fields: list[bytes] | None = None

    @property
    def index(self) -> int:
        """How many segments stand before this one in the message."""
        if self._index < 0:
            lines = self._whole[self._begin : self.start].splitlines()
            self._index = sum(1 for line in lines if line and not line.isspace())
        return self._index

    @property
    def fields(self) -> list[bytes]:
        """The fields by number, [0] is the name; not to be changed. The MSH has its separator as [1]."""
        fields = self._fields
        if fields is None:
            fields = self.raw.split(self.delimiters.field_byte)
            if self.name == "MSH":
                fields.insert(1, self.delimiters.field_byte)
            self._fields = fields
        return fields

    def raw_field(self, field: int) -> bytes | None:
        """The bytes of a field as they came; None beyond the last separator."""
        fields = self.fields
        return fields[field] if field < len(fields) else None

    def get(self, field: int, component: int = 0, subcomponent: int = 0, repetition: int = 0) -> str | None:
        """The text of a place: None absent, "" empty, DELETE; escapes resolved, separators inside as they stand.

        Field 0 is the whole line. Raises Unreadable where the bytes are not of the message's character set.
        """
        fields = self._fields or self.fields
        if field >= len(fields):
            return None
        here = fields[field]
        if field and here.isalnum():  # ASCII letters and digits: no separator, no escape, one part
            return here.decode("ascii") if component < 2 and subcomponent < 2 and repetition < 2 else None
        raw: bytes | None = here
        if field == 0:
            raw = self.raw
        elif field < 3 and self.name == "MSH":
            return here.decode("ascii") if component < 2 and subcomponent < 2 and repetition < 2 else None
        elif component == 1 and not subcomponent and repetition < 2:  # most of what is asked for
            marks = self.delimiters
            raw = here.partition(marks.repetition_byte)[0].partition(marks.component_byte)[0]
        elif component or repetition:
            raw = repetition_of(here, self.delimiters, repetition)
            raw = None if raw is None else part_of(raw, self.delimiters, component, subcomponent)
        if raw is None:
            return None
        if raw.isalnum():  # ASCII, without an escape
            return raw.decode("ascii")
        return decoded(raw, self.delimiters, self.charset, self.name, field)

    def repetitions(self, field: int) -> list[Repetition]:
        """The repetitions of a field in order; none where it is absent or empty (`get` tells which)."""
        raw = self.raw_field(field)
        if not raw:
            return []
        whole = self.name == "MSH" and field < 3
        parts = [raw] if whole else raw.split(self.delimiters.repetition_byte)
        return [Repetition(part, self.delimiters, self.charset, f"{self.name}-{field}") for part in parts]

    def __repr__(self) -> str:
        """Without content."""
        return f"<Segment {self.name or '?'}, {len(self.raw)} bytes>"


def repetition_of(field: bytes, delimiters: Delimiters, repetition: int) -> bytes | None:
    """The bytes of one repetition, the first for 0; None beyond the last one."""
    if repetition < 2:
        return field.partition(delimiters.repetition_byte)[0]
    parts = field.split(delimiters.repetition_byte, repetition)
    return parts[repetition - 1] if repetition <= len(parts) else None


def part_of(repetition: bytes, delimiters: Delimiters, component: int, subcomponent: int) -> bytes | None:
    """The bytes of a component or subcomponent (0: not narrowed); None beyond the last separator."""
    if component == 0:
        return repetition
    if component == 1 and subcomponent == 0:
        return repetition.partition(delimiters.component_byte)[0]
    parts = repetition.split(delimiters.component_byte, component)
    if component > len(parts):
        return None
    if subcomponent == 0:
        return parts[component - 1]
    parts = parts[component - 1].split(delimiters.subcomponent_byte, subcomponent)
    return parts[subcomponent - 1] if subcomponent <= len(parts) else None


def decoded(raw: bytes, delimiters: Delimiters, charset: str, place: str, field: int = 0) -> str:
    """Bytes as text with escapes resolved. Raises Unreadable, naming the place only."""
    try:
        text = raw.decode(charset)
    except UnicodeDecodeError:
        raise Unreadable(f"{place}{f'-{field}' if field else ''}: the bytes are no {charset}") from None
    return unescape(text, delimiters, charset) if delimiters.escape in text else text
