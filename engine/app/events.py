"""What the engine says in its logs: one type per event, and no field that could hold content of a message (D22).

Levels have a meaning: DEBUG and INFO tell what happened, WARNING that something was odd and nothing was lost, ERROR that
an operator is needed. Events with a channel go into that channel's file, all others into the file of their process.
Texts are fixed sentences, names from the configuration, codes and numbers of ours; the control id is the one value that
comes from a message (`control_id`).

Long because it is the list of all events, one type each, but for those of TLS (certificate_events) and
of what a person does to deliveries (delivery_events).
"""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import ClassVar

CONTROL_ID_LENGTH = 50


class Level(IntEnum):
    """How much it matters; the numbers are those of Python's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


def control_id(value: bytes | str, mode: str = "plain") -> str:
    """MSH-10 as a log may show it: printable ASCII cut at 50, or a hash where a sender puts record numbers there.

    Args:
        value: MSH-10 as it stands in the message.
        mode: the listener's `log_control_id`, `plain` or `hash`.
    """
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    if mode == "hash":
        return "#" + sha256(raw).hexdigest()[:16]
    text = raw[:CONTROL_ID_LENGTH].decode("latin-1")
    return text if text.isascii() and text.isprintable() else "".join(_printable(character) for character in text)


def _printable(character: str) -> str:
    return character if " " <= character <= "~" else f"\\x{ord(character):02x}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    level: ClassVar[Level] = Level.INFO


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A message is in the journal; the sender has its answer, or will have it with this commit."""

    listener: str
    entry: int
    control_id: str
    size: int
    peer: str
    answer: str
    level: ClassVar[Level] = Level.DEBUG


@dataclass(frozen=True, slots=True)
class MessageRefused(Event):
    """A frame was refused and is kept, quarantined."""

    listener: str
    entry: int
    control_id: str
    size: int
    peer: str
    answer: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class DuplicateReceived(Event):
    """The same message came again: answered as the first time, nothing new was kept."""

    listener: str
    entry: int
    control_id: str
    peer: str


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """A listener's port is open."""

    listener: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ConnectionOpened(Event):
    """A sender connected."""

    listener: str
    peer: str


@dataclass(frozen=True, slots=True)
class ConnectionClosed(Event):
    """We closed or refused a connection; `why` is a fixed word, `times` how often since it was last told of this address."""

    listener: str
    peer: str
    why: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class FewDescriptors(Event):
    """The system allows fewer open files than the listeners' connections need; the sentence says what follows."""

    why: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class ReceivePaused(Event):
    """The journal refuses to commit (disk full, file busy): senders get AR 207 and reading pauses."""

    why: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class ReceiveResumed(Event):
    """The journal commits again."""


@dataclass(frozen=True, slots=True)
class DeliverySent(Event):
    """The destination said yes."""

    destination: str
    lane: int
    seq: int
    entry: int
    control_id: str
    answer: str
    level: ClassVar[Level] = Level.DEBUG


@dataclass(frozen=True, slots=True)
class DeliveryWaits(Event):
    """An attempt had no result; the lane tries again, nothing is lost."""

    destination: str
    lane: int
    seq: int
    tries: int
    why: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class DeliveryRefused(Event):
    """The destination said no; `decision` is what `on_reject` made of it."""

    destination: str
    lane: int
    seq: int
    entry: int
    control_id: str
    answer: str
    decision: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class LaneChanged(Event):
    """A lane was held, stopped or opened."""

    destination: str
    lane: int
    state: str
    why: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class EntryProcessed(Event):
    """A channel is done with an entry."""

    channel: str
    entry: int
    control_id: str
    status: str
    enrichment: str = ""


@dataclass(frozen=True, slots=True)
class EntryFailed(Event):
    """A channel could not process an entry; it stays, and can be run again."""

    channel: str
    entry: int
    control_id: str
    step: str
    path: str
    reason: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class AlertRaised(Event):
    """Something a person should look at; `kind` is a fixed word, `text` a fixed sentence."""

    channel: str
    entry: int
    control_id: str
    kind: str
    text: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class ChannelStopped(Event):
    """A channel stopped: too many failures in a row, or a person."""

    channel: str
    entry: int
    why: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class StoreRefused(Event):
    """The store refused the effects of an entry; `error` is the type of the exception."""

    entry: int
    error: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class StoreWaits(Event):
    """The store cannot commit or be opened now (disk full, file busy); the worker tries again, nothing is lost."""

    error: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class BatchProcessed(Event):
    """The worker committed a batch."""

    first: int
    last: int
    entries: int
    milliseconds: float
    level: ClassVar[Level] = Level.DEBUG


@dataclass(frozen=True, slots=True)
class DeferredDone(Event):
    """A deferred job ended; `result` is ok, or why there is none."""

    entry: int
    job: str
    result: str


@dataclass(frozen=True, slots=True)
class DeferredFailed(Event):
    """A deferred job was given up; the message itself went its way long ago."""

    entry: int
    job: str
    why: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class ChannelStarted(Event):
    """A person started a channel that had stopped; it catches up from this entry."""

    channel: str
    position: int
    who: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class EnrichmentSwitched(Event):
    """A person turned enrichment on or off."""

    state: str
    who: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class CommandRefused(Event):
    """A command on the control socket could not be carried out."""

    verb: str
    why: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class ClockJumped(Event):
    """Somebody set the machine's clock by more than a minute."""

    seconds: float
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class ProcessStarted(Event):
    """A process of the engine is up."""

    name: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class ProcessStopping(Event):
    """A process of the engine ends on purpose."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ProcessDied(Event):
    """A process ended that should run; it is started again after `wait` seconds."""

    name: str
    pid: int
    status: int
    wait: float
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class ProcessSilent(Event):
    """A process made no progress for too long and was killed."""

    name: str
    pid: int
    seconds: float
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class Surprise(Event):
    """An exception nobody named: its type and place, never its text, which may quote a message."""

    error: str
    place: str
    level: ClassVar[Level] = Level.ERROR


def surprise(error: BaseException) -> Surprise:
    """The type of an exception and the innermost line of ours that raised it."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        name = code.co_filename.replace("\\", "/")
        if "/engine/" in name or not place:
            place = f"{name.rsplit('/engine/', 1)[-1]}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return Surprise(type(error).__name__, place)
