"""An entry on its way into a batch: read once, with the channels that take it and the values that find it."""

from typing import NamedTuple

from engine.channel import operator_acts
from engine.channel.ports import Entry, Kind, OutcomeNote, SearchKey
from engine.channel.refused import read_refused, refused_keys
from engine.channel.routes import Feed, Route, Routes, Who
from engine.channel.search_keys import search_keys
from engine.errors import Unreadable
from engine.hl7.message import Message
from engine.hl7.received import message_of

_NOBODY = Who("", ())


class ReadEntry(NamedTuple):
    """An entry, read; `message` is None where channels have nothing to run over, and `problem` says why."""

    entry: Entry
    feed: Feed
    message: Message | None = None
    control_id: bytes = b""  # as it stands in MSH-10
    who: Who = _NOBODY
    routes: tuple[Route, ...] = ()
    keys: tuple[SearchKey, ...] = ()
    problem: str = ""
    act: OutcomeNote | str | None = None  # the note that an operator's entry leaves, or why it leaves none

    def __repr__(self) -> str:
        return f"ReadEntry({self.entry.position}, {len(self.routes)} channels)"


def read_entry(routes: Routes, entry: Entry) -> ReadEntry:
    """Split the message and ask each channel of its listener whether it takes it; of a release, the message released."""
    if entry.kind is Kind.OPERATOR:
        act = operator_acts.read(entry)
        if isinstance(act, operator_acts.Release):
            return read_entry(routes, act.entry)._replace(act=act.note)
        return ReadEntry(entry, routes.feed(entry.listener), act=act)
    feed = routes.feed(entry.listener)
    try:
        if entry.kind is Kind.QUARANTINED:
            refused = read_refused(entry.body, entry.charset)
            keys = refused_keys(refused, entry.position)
            return ReadEntry(entry, feed, control_id=refused.control_id, keys=keys, problem=_refusal(entry))
        message = message_of(entry.body, entry.charset)
        control_id = message.segments[0].raw_field(10) or b""
        keys = tuple(search_keys(message, entry.position))
        who = feed.who(message)
        takers = tuple(route for route in feed.routes if route.channel.accepts(message))
    except Unreadable:
        return ReadEntry(entry, feed, problem=_refusal(entry))
    return ReadEntry(entry, feed, message, control_id, who, takers, keys)


def _refusal(entry: Entry) -> str:
    """Why there is nothing to run over: the answer; where none was sent, the flag that says what it would have been."""
    silent = (word for word in entry.flags.split() if word.startswith(("refused_", "cut_off")))
    return entry.answer or next(silent, "unreadable")
