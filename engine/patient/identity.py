"""Who a message is about: identifiers, the listener's rule that picks one, and the clusters that links make of them.

An identifier is (authority, id, type). Identity is a log of events over identifiers (D4); a patient is the cluster that
follows from the log, and nothing that was stored under an identifier ever moves.
"""

from typing import NamedTuple


class Identifier(NamedTuple):
    """A patient's identifier: PID-3.4 (namespace, else universal id, else the listener's authority), PID-3.1, PID-3.5."""

    authority: str
    id: str
    type: str

    @property
    def key(self) -> str:
        """The text under which facts, orders and visits are stored: `HOSP|MR|12345`, controls written as \\xNN."""
        return f"{self.authority}|{self.type}|{self.id}"


class IdentityEvent(NamedTuple):
    """One row of the identity log: `link`, `unlink`, `merge` (a into b)."""

    entry: int
    run: int
    ordinal: int
    event: str
    a: str  # Identifier.key
    b: str
    received: int
