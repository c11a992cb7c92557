"""What differs between two messages, field by field, with the names of the standard."""

from collections import Counter
from difflib import SequenceMatcher
from typing import NamedTuple

from engine.hl7.message import Message, Segment

_SEGMENTS = {
    "AL1": "Patient Allergy",
    "DG1": "Diagnosis",
    "NTE": "Notes and Comments",
    "OBX": "Observation",
    "ZDS": "Study Instance UID",
}


class Change(NamedTuple):
    """One difference: a field that changed, or (`before` or `after` is None) a segment that went or came."""

    path: str  # OBR-13, OBX[2]-5, NTE
    name: str
    before: str | None
    after: str | None

    def __repr__(self) -> str:
        return f"Change({self.path})"


def field_changes(before: Message, after: Message) -> list[Change]:
    """The differences in the order of the outgoing message; unchanged messages have none.

    Texts are compared, not bytes: the same letter in another character set is no difference.
    """
    old, new = before.segments, after.segments
    matcher = SequenceMatcher(None, [_text(s) for s in old], [_text(s) for s in new], autojunk=False)
    version = after.get("MSH-12.1") or ""
    names = _Names(version, after)
    changes: list[Change] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            changes += _block(list(old[a:b]), list(new[c:d]), names)
    return changes


def _block(old: list[Segment], new: list[Segment], names: "_Names") -> list[Change]:
    """Segments of one name are compared in order; what is left over went or came."""
    changes: list[Change] = []
    left = list(old)
    for segment in new:
        partner = next((other for other in left if other.name == segment.name), None)
        if partner is None:
            changes.append(Change(names.place(segment), names.of(segment.name, 0), None, _text(segment)))
        else:
            left.remove(partner)
            changes += _fields(partner, segment, names)
    changes += [Change(segment.name, names.of(segment.name, 0), _text(segment), None) for segment in left]
    return changes


def _fields(old: Segment, new: Segment, names: "_Names") -> list[Change]:
    changes = []
    number = 1
    while (now := new.raw_field(number)) is not None or old.raw_field(number) is not None:
        was = old.raw_field(number)
        if _decoded(was or b"", old) != _decoded(now or b"", new):
            path = f"{names.place(new)}-{number}"
            changes.append(Change(path, names.of(new.name, number), _field(old, number), _field(new, number)))
        number += 1
    return changes


def _field(segment: Segment, number: int) -> str:
    """All repetitions of a field as text."""
    return "~".join(repetition.get() or "" for repetition in segment.repetitions(number))


def _text(segment: Segment) -> str:
    return _decoded(segment.raw, segment)


def _decoded(raw: bytes, segment: Segment) -> str:
    r"""In the segment's own character set; a byte that is no text of it as `\xNN`."""
    return raw.decode(segment.charset, "backslashreplace")


class _Names:
    """Names of segments and fields for the version of a message, and the occurrence of repeated segments."""

    def __init__(self, version: str, message: Message) -> None:
        self._version = version
        self._counts = Counter(segment.name for segment in message.segments)
        self._occurrences: dict[int, int] = {}
        seen: Counter[str] = Counter()
        for segment in message.segments:
            seen[segment.name] += 1
            self._occurrences[segment.index] = seen[segment.name]

    def place(self, segment: Segment) -> str:
        """`OBR`, or `OBX[2]` where there are several."""
        several = self._counts[segment.name] > 1
        return f"{segment.name}[{self._occurrences[segment.index]}]" if several else segment.name

    def of(self, segment: str, field: int) -> str:
        """The standard's name of a field, or what a segment (field 0) is for; "" for one of the site's own."""
        if not field:
            return _SEGMENTS.get(segment, "")
        from engine.hl7.dictionary import field_name  # noqa: PLC0415 - loads hl7apy's tables

        return field_name(f"{segment}-{field}", self._version)
