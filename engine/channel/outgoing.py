"""From a transformed message to the row of a destination's lane: charset, length, MSH-10, lane (D1, D7, D9)."""

import codecs
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, Protocol

from engine.channel.control_ids import control_id
from engine.channel.ports import Outgoing
from engine.hl7.message import Message
from engine.hl7.path import Path

MSH_10 = Path.parse("MSH-10")
MSH_18 = Path.parse("MSH-18")


class DestinationRules(Protocol):
    """What the site says about a destination."""

    @property
    def lanes(self) -> int: ...
    @property
    def stat_lane(self) -> bool: ...
    @property
    def control_id(self) -> str: ...  # own | keep
    @property
    def charset(self) -> str: ...
    @property
    def max_bytes(self) -> int: ...


class Cause(NamedTuple):
    """What a delivery comes from; the same cause always gives the same bytes."""

    installation: str
    entry: int
    channel: str
    run: int
    patient: str  # identifier key, "" where the message names nobody
    order: str
    configuration: str
    created: int

    def __repr__(self) -> str:
        return f"Cause({self.channel} entry {self.entry}, run {self.run})"


def transcoded(message: Message, charset: str) -> Message | None:
    """The message in the destination's charset with MSH-18 saying so; None when it cannot be written in it.

    ASCII is the same bytes in every charset that a message can be split in, and stays as it came.
    """
    raw = message.raw
    if raw.isascii() or _name(charset) == _name(message.charset):
        return message
    try:
        changed = raw.decode(message.charset).encode(charset)
    except UnicodeError:
        return None
    return Message.parse(changed, charset).with_raw(MSH_18, _word(charset))


def fits_all(message: Message, destinations: Iterable[DestinationRules]) -> str:
    """Why one of the destinations could not take the message, or "" when all can."""
    for rules in destinations:
        there = transcoded(message, rules.charset)
        if there is None:
            return f"the destination's charset {rules.charset} cannot carry it"
        if rules.max_bytes and len(there.raw) > rules.max_bytes:
            return f"longer than the destination's max_bytes {rules.max_bytes}"
    return ""


def outgoing(message: Message, destination: str, rules: DestinationRules, cause: Cause, lane: int = 0) -> Outgoing:
    """The row of the outbox. What cannot be written in the destination's charset leaves in its own, as MSH-18 says."""
    there = transcoded(message, rules.charset) or message
    if rules.control_id == "keep":
        stamp = there.get(MSH_10) or ""
    else:
        stamp = control_id(cause.installation, destination, (cause.entry, cause.channel, cause.run))
        there = there.with_raw(MSH_10, stamp.encode("ascii"))
    return Outgoing(
        *(destination, lane, cause.patient, there.raw, stamp, cause.entry, cause.channel, cause.run, cause.order, 0),
        *(cause.configuration, cause.created),
    )


@lru_cache(maxsize=64)
def _name(charset: str) -> str:
    return codecs.lookup(charset).name


@lru_cache(maxsize=64)
def _word(charset: str) -> bytes:
    """MSH-18 for a codec (table 0211)."""
    name = _name(charset)
    if name == "utf-8":
        return b"UNICODE UTF-8"
    if name.startswith("iso8859-"):
        return b"8859/" + name.removeprefix("iso8859-").encode("ascii")
    return name.upper().encode("ascii")
