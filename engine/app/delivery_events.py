"""What the engine says in its logs about messages that wait for a destination, and what a person does to them."""

from dataclasses import dataclass
from typing import ClassVar

from engine.app.events import Event, Level


@dataclass(frozen=True, slots=True)
class DeliveryLate(Event):
    """Messages of a lane wait for another hour; told once for each."""

    destination: str
    lane: int
    state: str
    hours: int
    why: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class RefusedAfterwards(Event):
    """A receiver refuses what it has answered before; that answer stays, and a person must look."""

    destination: str
    lane: int
    control_id: str
    answer: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class DeliveryReleased(Event):
    """A person let parked rows go; they are sent in order, before newer ones of their patients."""

    destination: str
    patients: int
    rows: int
    who: str
    level: ClassVar[Level] = Level.WARNING


@dataclass(frozen=True, slots=True)
class DeliveryHeld(Event):
    """A released message must be looked at before it leaves: it and those behind it stay parked."""

    destination: str
    lane: int
    seq: int
    entry: int
    why: str
    level: ClassVar[Level] = Level.ERROR


@dataclass(frozen=True, slots=True)
class DeliverySkipped(Event):
    """A person skipped a message: it does not leave. Why stands in the journal."""

    destination: str
    lane: int
    seq: int
    entry: int
    who: str
    level: ClassVar[Level] = Level.WARNING
