"""What a channel did with a message: FILTERED, TRANSFORMED or FAILED, why, and what the commit shall do."""

from enum import IntEnum
from typing import NamedTuple

from engine.hl7.message import Message
from engine.steps.draft import Alert, Effect


class Status(IntEnum):
    """Statuses of an entry in a channel; RECEIVED is an entry without an outcome yet."""

    RECEIVED = 0
    FILTERED = 1
    TRANSFORMED = 2
    FAILED = 3


class Outcome(NamedTuple):
    """The pure result of `run`."""

    channel: str
    status: Status
    message: Message | None  # what leaves, before MSH-10 is stamped; None unless TRANSFORMED
    destinations: tuple[str, ...]
    effects: tuple[Effect, ...]
    step: str = ""  # the step that ended it
    path: str = ""
    reason: str = ""  # fixed text: what was found and what was wanted
    enrichment: str = ""
    flags: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()
    surprise: bool = False  # an exception nobody named (C11)
