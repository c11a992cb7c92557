"""From a transformed message to the row of a destination's lane: charset, length, MSH-10, 15, 16, lane (D1, D7, D9)."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from engine.channel.control_ids import control_id
from engine.channel.ports import Outgoing
from engine.hl7.charset import word_of
from engine.hl7.marked_places import Places
from engine.hl7.message import Message
from engine.hl7.path import Path
from engine.hl7.transcode import Transcoded, added_beyond, transcoded

MSH_10 = Path.parse("MSH-10")
_ACKNOWLEDGEMENT = (Path.parse("MSH-15"), Path.parse("MSH-16"))
_NAMED = 4  # fields that a flag names; each wording is kept once for ever


class DestinationRules(Protocol):
    """What the site says about a destination."""

    @property
    def lanes(self) -> int: ...
    @property
    def stat_lane(self) -> bool: ...
    @property
    def control_id(self) -> str: ...  # own | keep
    @property
    def acknowledgement(self) -> str: ...  # original | keep
    @property
    def charset(self) -> str: ...
    @property
    def unencodable(self) -> str: ...  # transliterate | question | hold
    @property
    def max_bytes(self) -> int: ...


class Cause(NamedTuple):
    """What a delivery comes from; the same cause always gives the same bytes."""

    installation: str
    entry: int
    channel: str
    run: int
    patient: str  # what is parked together: the identifier key, else the order's number, else ""
    order: str
    configuration: str
    created: int

    def __repr__(self) -> str:
        return f"Cause({self.channel} entry {self.entry}, run {self.run})"


class Leaving(NamedTuple):
    """The row of the outbox, and what there is to say about it."""

    row: Outgoing
    flags: tuple[str, ...] = ()  # "transliterated PID-5": what the destination's charset could not carry
    problem: str = ""  # why the destination may not take it

    def __repr__(self) -> str:
        return f"Leaving({self.row!r}, {self.flags})"


def refused(before: Message, after: Message, destinations: Iterable[DestinationRules]) -> str:
    """Why one of the destinations could not take what a step made of the message, or "" when all can (D1).

    What the sender itself wrote is the destination's `unencodable` to decide; what was added has to fit.
    """
    for rules in destinations:
        if not after.raw.isascii() and added_beyond(before, after, rules.charset):
            return f"the destination's charset {rules.charset} cannot carry it"
        if rules.max_bytes and len(transcoded(after, rules.charset, rules.unencodable).raw) > rules.max_bytes:
            return _too_long(rules)
    return ""


def outgoing(message: Message, destination: str, rules: DestinationRules, cause: Cause, lane: int = 0) -> Leaving:
    """The row of the outbox, in the destination's charset; what that lacks is written as its `unencodable` says."""
    if rules.control_id == "keep":
        stamp = message.get(MSH_10) or ""
    else:
        stamp = control_id(cause.installation, destination, (cause.entry, cause.channel, cause.run))
        message = message.with_raw(MSH_10, stamp.encode("ascii"))
    if rules.acknowledgement == "original":
        message = _in_original_mode(message)
    there = transcoded(message, rules.charset, rules.unencodable)
    row = Outgoing(
        *(destination, lane, cause.patient, there.raw, stamp, cause.entry, cause.channel, cause.run, cause.order, 0),
        *(cause.configuration, cause.created, _hold(there, rules)),
    )
    return Leaving(row, _flags(there, rules), _too_long(rules) if 0 < rules.max_bytes < len(there.raw) else "")


def _in_original_mode(message: Message) -> Message:
    """Without the acknowledgements that its sender asked us for: on our own connection every message is answered (2.9.2)."""
    for path in _ACKNOWLEDGEMENT:
        if message.segments[0].raw_field(path.field):
            message = message.with_raw(path, b"")
    return message


def _hold(there: Transcoded, rules: DestinationRules) -> str:
    if rules.unencodable != "hold" or not there.lost.total:
        return ""
    word = word_of(rules.charset).decode("ascii")
    return f"character set {word} cannot carry a character of {_places(there.lost)}"


def _flags(there: Transcoded, rules: DestinationRules) -> tuple[str, ...]:
    found = []
    if there.lost.total:
        word = "transliterated" if rules.unencodable == "transliterate" else "question_marks"
        found.append(f"{word} {_places(there.lost)}")
    if there.kept.total:
        found.append(f"hex_escape_kept {_places(there.kept)}")
    return tuple(found)


def _places(places: Places) -> str:
    """The first of the places, and how many more there are."""
    named = places.first[:_NAMED]
    more = places.total - len(named)
    return " ".join(named) + (f" +{more}" if more else "")


def _too_long(rules: DestinationRules) -> str:
    return f"longer than the destination's max_bytes {rules.max_bytes}"
