"""What the demonstration shows: counters from the engine's files, and each order before and after."""

import time
from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from engine.channel.ports import LIVE
from engine.cli.hospital.day import Said
from engine.cli.site import Readers
from engine.errors import Retryable, Unreadable
from engine.hl7.message import Message

_KEPT = 200


class OrderSeen(NamedTuple):
    """An imaging order on both sides of the engine."""

    accession: str
    exam: str
    before: str  # OBR-13 as the department wrote it
    sent: float
    after: str | None = None  # OBR-13 as the PACS got it, None while it is on its way
    took: float = 0.0  # seconds

    def __repr__(self) -> str:
        return f"OrderSeen({self.accession})"

    @property
    def enriched(self) -> bool:
        return self.after is not None and self.after != self.before


class Counters(NamedTuple):
    """One look at the engine."""

    sent: Mapping[str, int]
    received: int = 0
    processed: int = 0
    facts: int = 0
    orders: int = 0
    enriched: int = 0
    delivered: int = 0
    queued: int = 0

    @property
    def said(self) -> int:
        return sum(self.sent.values())

    @property
    def settled(self) -> bool:
        """Everything that was taken has been processed and delivered."""
        return self.received >= self.said and self.processed >= self.received and self.queued == 0


class Watch:
    """Keeps the orders of both sides; the feeds and the stand-in PACS call it from their threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._orders: dict[str, OrderSeen] = {}
        self._arrived: deque[OrderSeen] = deque(maxlen=_KEPT)
        self._delivered = 0
        self._enriched = 0
        self._example: OrderSeen | None = None

    def ordered(self, said: Said) -> None:
        """An order is about to leave the department."""
        with self._lock:
            self._orders[said.accession] = OrderSeen(said.accession, said.exam, said.question, time.monotonic())

    def arrived(self, frame: bytes, _answer: str) -> None:
        """A message is at the PACS."""
        try:
            message = Message.parse(frame)
        except Unreadable:
            return
        after = message.get("OBR-13") or ""
        with self._lock:
            self._delivered += 1
            order = self._orders.pop(message.get("OBR-18") or "", None)
            if order is not None:
                order = order._replace(after=after, took=time.monotonic() - order.sent)
                self._enriched += order.enriched
                self._arrived.append(order)
                if order.enriched and len(after) >= len(self._example.after or "" if self._example else ""):
                    self._example = order

    def news(self) -> list[OrderSeen]:
        """Orders that arrived and were not handed out yet, oldest first."""
        with self._lock:
            news = list(self._arrived)
            self._arrived.clear()
            return news

    def example(self) -> OrderSeen | None:
        """The enriched order that gained most, the newest of them."""
        with self._lock:
            return self._example

    def look(self, readers: Readers, sent: Mapping[str, int], before: Counters) -> Counters:
        """The counters now; as before where a file is busy for the moment."""
        try:
            found = readers.store.counts()
            live = [cursor.position for cursor in readers.store.cursors() if cursor.name == LIVE]
            notes = found.get("notes", 0)  # entries of the engine's own: nobody sent them
            received = max(readers.journal.tails().values(), default=0) - notes
            done = {(lane.destination, lane.lane): lane.done for lane in readers.journal.lanes()}
            queued = sum(max(tail - done.get(place, 0), 0) for place, tail in readers.store.outbox_tails().items())
        except Retryable:
            return before._replace(sent=sent)
        with self._lock:
            return Counters(
                *(sent, received, max(live, default=0) - notes, found.get("facts", 0), found.get("orders", 0)),
                *(self._enriched, self._delivered, queued),
            )
