"""What the extraction of facts shares: where a message came from, whom its parts are about, codes, times.

Facts are read per person: a message may hold several PID, and a segment belongs to the PID before it, so that no fact is
ever kept for somebody else.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from engine.hl7.datatypes import Dtm
from engine.hl7.message import Message, Segment
from engine.patient.concept import Concepts
from engine.patient.fact import MONTH, YEAR, Fact

__all__ = [
    "Coded",
    "Extracted",
    "Person",
    "Source",
    "coded",
    "instant",
    "marker",
    "named",
    "persons",
    "said",
    "text_of",
]

_DAY = 86_400_000_000
_COARSE = {"month": MONTH, "year": YEAR}
_QUOTE = 300  # characters of a quote; a document is quoted by its sentences, later


class Source(NamedTuple):
    """Where the facts of one person come from; times are UTC microseconds."""

    patient: str  # Identifier.key
    entry: int
    run: int
    listener: str
    received: int
    zone: str
    sent: int  # MSH-7, or when it arrived: the version of what has none of its own
    visit: str  # PV1-19
    concepts: Concepts

    def __repr__(self) -> str:
        return f"Source({self.listener} entry {self.entry})"


class Person(NamedTuple):
    """A PID and the segments up to the next one."""

    pid: Segment
    segments: Sequence[Segment]


class Extracted(NamedTuple):
    """Facts with the sets (kind, scope) that are complete in the message, and fixed words about odd input."""

    facts: list[Fact]
    snapshots: list[tuple[str, str]]
    flags: list[str]


class Coded(NamedTuple):
    """A coded element: the triple in a standard coding system where there is one, else the first (C26, T3).

    Policies and rules go by standard codes, and a sender may put its own code first. `other` is the other triple.
    """

    code: str
    text: str
    system: str
    other: tuple[str, str, str]
    own: str  # what the sender put first: its code, else its text

    def __repr__(self) -> str:
        return "Coded(...)"


_NO_OTHER = ("", "", "")
NOT_CODED = Coded("", "", "", _NO_OTHER, "")


def persons(message: Message) -> Iterator[Person]:
    """Each PID with what follows it; what stands before the first PID is about nobody."""
    segments = message.segments
    starts = [number for number, segment in enumerate(segments) if segment.name == "PID"]
    ends = [*starts[1:], len(segments)] if starts else []
    for start, end in zip(starts, ends, strict=True):
        yield Person(segments[start], segments[start + 1 : end])


def said(segment: Segment | None, field: int, component: int = 1) -> str:
    """What a place says, without blanks at its ends; absent, empty and deleted (`""`) say nothing."""
    if segment is None:
        return ""
    fields = segment.fields
    raw = fields[field] if field < len(fields) else b""
    if not raw:
        return ""
    if raw.isalnum():  # ASCII letters and digits: neither separators nor escapes
        return raw.decode("ascii") if component < 2 else ""
    text = segment.get(field, component)
    return "" if text is None or text == '""' else text.strip()


def coded(segment: Segment, field: int, concepts: Concepts) -> Coded:
    """Read a CE or CWE of six components."""
    raw = segment.raw_field(field)
    if not raw:
        return NOT_CODED
    code, text, system, *more = _triples(segment, field, raw)
    first = (code, text, system)
    if not more:
        return Coded(*first, _NO_OTHER, code or text)
    other = (more[0], more[1], more[2])
    own = first[0] or first[1] or other[0] or other[1]
    standard = other[0] and concepts.family(other[2]) and not (first[0] and concepts.family(first[2]))
    if standard or not (first[0] or first[1]):
        first, other = other, first
    return Coded(first[0], first[1] or other[1], first[2], other, own)


def _triples(segment: Segment, field: int, raw: bytes) -> list[str]:
    """The first three components of a field, or the first six where there are more than three."""
    marks = segment.delimiters
    separators = raw.count(marks.component_byte)
    if marks.escape_byte in raw or marks.repetition_byte in raw or not raw.isascii():
        return [said(segment, field, component) for component in range(1, 7 if separators > 2 else 4)]
    parts = [part.strip() for part in raw.decode("ascii").split(marks.component, 6)]
    parts = ["" if part == '""' else part for part in parts]
    parts += [""] * 5
    return parts[: 6 if separators > 2 else 3]


def text_of(code: Coded) -> str:
    """The words for it, or its code."""
    return code.text or code.code


def named(source: Source, kind: str, code: Coded) -> tuple[str, str]:
    """Concept and certainty; two codings that name two concepts name none."""
    stated = source.concepts.statement(kind, code.code, code.system, code.text)
    if not code.other[0] and not code.other[1]:
        return stated.concept, stated.certainty
    other = source.concepts.statement(kind, code.other[0], code.other[2], code.other[1])
    certainty = stated.certainty or other.certainty
    if certainty == "none_known":
        return "", certainty
    if stated.concept and other.concept and stated.concept != other.concept:
        return "", certainty
    return stated.concept or other.concept, certainty


@lru_cache(maxsize=8192)
def instant(text: str, zone: str) -> int:
    """The start of a DTM in UTC microseconds; 0 where it is empty, deleted or none.

    Its microseconds say where no day was sent (engine.patient.fact.coarseness), since a feed that says `202103` never said
    the first of March (T47).
    """
    if not text or text == '""':
        return 0
    time = Dtm.parse(text, zone)
    if time is None:
        return 0
    coarse = _COARSE.get(time.precision, 0)
    if coarse and time.offset_given:  # `2021+0000` is a year of the patient's life, wherever the sender's clock stands
        time = Dtm.parse(text[:-5].strip(), zone) or time
    return time.instant // 10 * 10 + coarse


def sent(message: Message, zone: str, received: int) -> tuple[int, bool]:
    """MSH-7, or when the message arrived, and whether MSH-7 claims a time more than a day ahead, which is not believed.

    A version that lies in the future would stand above every correction for as long (T50).
    """
    time = instant(said(message.first("MSH"), 7), zone)
    ahead = time > received + _DAY
    return (received if ahead or not time else time), ahead


def quoted(*parts: str) -> str:
    """The parts that are there, joined by blanks and cut."""
    return " ".join(part for part in parts if part)[:_QUOTE]


def marker(source: Source, segment: Segment, kind: str, scope: str) -> Fact:
    """The row after which older facts of this kind and scope no longer hold."""
    return Fact._make(
        (
            *(*source[:3], segment.index * 100 + 99),
            *("snapshot", "", "", "", kind, None, "", "", "", "", "", "", ""),
            *(0, 0, source.sent, source.received, scope, kind, segment.name, source.listener, ""),
        )
    )
