"""Messages through a running engine with the shipped channels, and everything that came of them.

The engine's wall clock stands still, and messages go out one after the other: each waits for its answer, or where its
sender wants none until it is in the journal. So two runs give the same files.
"""

import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select

from engine.channel.ports import Entry, Kind, OutcomeRow, Queued
from engine.hl7.acknowledge import read_ack
from engine.order.order import Order
from engine.patient.fact import Fact
from engine.store.tables import facts, identity, orders
from tests.corpus.frames import PROCESSING, Frame, batch_members, is_batch
from tests.e2e.engine_process import END, START, Connection, Engine, hooks, wait_for
from tests.e2e.sink import Sink

LISTENERS = ("adt", "lab", "pharmacy", "documents", "ris")
NEVER = 1_000_000  # failures in a row until a channel stops
_ALL = 10**9


class Sent(NamedTuple):
    """A frame and its answer: "AA", "AR 101", "" where none came because none was wanted."""

    frame: Frame
    answer: str
    control_id: str  # MSA-2


class Run(NamedTuple):
    """What was sent, and what the engine's files hold afterwards."""

    sent: Sequence[Sent]
    entries: Mapping[int, Entry]
    outcomes: Sequence[OutcomeRow]
    facts: Sequence[Fact]
    orders: Sequence[Order]
    links: int  # rows of the identity log
    queued: Sequence[Queued]
    arrived: Sequence[bytes]  # at the PACS, in order
    events: Sequence[Mapping[str, Any]]  # of all logs
    said: str  # on stderr
    same_processes: bool  # from the first message to the last
    reused: int  # control ids that came again with another body

    def __repr__(self) -> str:
        return f"Run({len(self.sent)} frames, {len(self.entries)} entries)"


def through_engine(folder: Path, frames: Iterable[Frame], clock: int) -> Run:
    """Send the frames to an engine in an empty folder whose wall clock stands at `clock` (UTC microseconds)."""
    with Sink() as sink:
        with Engine(folder, edit=take_all, pacs=sink.port, environment=hooks(f"frozen_clock={clock}")) as engine:
            before = engine.pids()
            sent = _send_all(engine, frames)
            engine.wait_processed()
            wait_for(lambda: _delivered(engine), "everything is delivered")
            same = engine.pids() == before
            listeners = engine.command("network", "status")["listeners"].values()
            assert engine.stop() == 0
        return _read(
            engine,
            sent=sent,
            arrived=tuple(sink.received),
            same_processes=same,
            reused=sum(listener.get("control_ids_reused", 0) for listener in listeners),
        )


def take_all(site: Path) -> None:
    """Every MSH-11 is taken (C42), and no channel stops."""
    config = site / "config.yaml"
    ids = rf"\1\n    processing_ids: [{', '.join(PROCESSING)}]"
    config.write_text(re.sub(r"(?m)^(    port: \d+)(?=\n    identity)", ids, config.read_text()))
    for channel in sorted((site / "channels").glob("*.yaml")):
        text = re.sub(r"(?m)^stop_after:.*\n", "", channel.read_text())
        channel.write_text(text.replace("\nsteps:", f"\nstop_after: {NEVER}\nsteps:", 1))


class _Feed(Connection):
    """A sender that may also not wait for an answer."""

    def tell(self, message: bytes) -> None:
        self._socket.sendall(START + message + END)

    def hang_up(self) -> bytes:
        """Say no more, and what still came until the engine hung up as well."""
        self._socket.shutdown(socket.SHUT_WR)
        while found := self._socket.recv(65536):
            self._rest += found
        self.close()
        return self._rest


class _Known:
    """What was sent already: the same message to the same listener is a duplicate, and no new entry."""

    def __init__(self) -> None:
        self._kept: set[tuple[str, bytes]] = set()

    def add(self, frame: Frame) -> bool:
        """Take the frame; whether something of it is new."""
        split = is_batch(frame.body) and frame.verdict == "AA"
        parts = {(frame.listener, part) for part in (batch_members(frame.body) if split else [frame.body])}
        new = not parts <= self._kept
        self._kept |= parts
        return new


def _send_all(engine: Engine, frames: Iterable[Frame]) -> list[Sent]:
    feeds = {name: _Feed(engine.ports[name]) for name in LISTENERS}
    known = _Known()
    sent = []
    with engine.journal() as journal:
        for frame in frames:
            feed, new = feeds[frame.listener], known.add(frame)
            if frame.answer:
                ack = read_ack(feed.send(frame.body))
                sent.append(Sent(frame, f"{ack.code} {ack.error_code}".strip(), ack.control_id))
            else:
                tail = journal.tails()[0]
                feed.tell(frame.body)
                if new:
                    wait_for(lambda tail=tail: journal.tails()[0] > tail, f"{frame.name} is in the journal")
                sent.append(Sent(frame, "", ""))
    unwanted = [name for name, feed in feeds.items() if feed.hang_up()]
    assert not unwanted, f"answers came that nobody wanted: {unwanted}"
    return sent


def _delivered(engine: Engine) -> bool:
    with engine.store() as store, engine.journal() as journal:
        tails = store.outbox_tails()
        return all(journal.lane(*place).done == tail for place, tail in tails.items())


def _read(engine: Engine, **seen: Any) -> Run:
    with engine.journal() as journal:
        read = journal.read(0, 0, _ALL, _ALL)
    entries = {entry.position: entry for entry in read if entry.kind is not Kind.OPERATOR}  # not deferred findings
    with engine.store() as store:
        rows = store._connection.execute
        return Run(
            **seen,
            entries=entries,
            outcomes=store.outcomes(list(entries)),
            facts=[Fact._make(row) for row in rows(select(*facts.c))],
            orders=[Order._make(row) for row in rows(select(*orders.c))],
            links=len(rows(select(identity.c.entry)).all()),
            queued=store.queued_for(list(entries)),
            events=[json.loads(line) for line in engine.logs().splitlines() if line],
            said=engine.stderr.read_text(),
        )
