"""Which sender and control id were seen before, without a random page for each message (D16).

A tree over random hashes would make every message write a page of its own: 4 KB into the log for 20 bytes. So:
- the newest 16,384 hashes live in memory; the entries themselves carry them (`entries.h`), so a restart reads them back;
- when that many have come they are written as one *run*, in order of hash, so that pages are filled one after another, and
  in pieces, so that nobody waits for the whole; what a run that was not finished left is deleted when it is begun again;
- each run has a *plane*, a Bloom filter of 64 KiB (`planes.py`); a hash is looked up only in the runs whose plane says
  "perhaps", which for a new message is none of the 60 runs of a million entries 19 times in 20;
- a run whose newest entry is older than 8 days is dropped whole: those of one control id that are found by it alone must be
  known a day longer than those that are found by their bytes as well (`resends.is_one_of_many`).
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select

from engine.channel.ports import Received
from engine.store.planes import Planes, plane_of
from engine.store.rules import DAY, DUPLICATE_KNOWN
from engine.store.sql import ZERO, Inserts, Lookups, fetch, run, text_of
from engine.store.tables import dedupe, dedupe_runs, entries

RUN = 16_384  # hashes of a run
PIECE = 4_096  # hashes of it that are written at a time

_RUNS = text_of(select(dedupe_runs.c.run, dedupe_runs.c.plane).order_by(dedupe_runs.c.run))
_SEALED = text_of(select(func.coalesce(func.max(dedupe_runs.c.last), ZERO)))
_UNSEALED = text_of(
    select(entries.c.h, entries.c.position)
    .where(entries.c.position > bindparam("sealed"), entries.c.h.is_not(None))
    .order_by(entries.c.position)
)
_FIND = Lookups(  # values: run, hash, run, hash ...
    lambda values: select(dedupe.c.h, dedupe.c.n).where(
        or_(*(and_(dedupe.c.run == run, dedupe.c.h == h) for run, h in zip(values[::2], values[1::2], strict=True)))
    ),
    attached=False,
    largest=256,
)
_NEWEST = text_of(select(entries.c.received).where(entries.c.position == bindparam("position")))
_EXPIRED = text_of(select(dedupe_runs.c.run).where(dedupe_runs.c.newest <= bindparam("oldest")))
_DROP_HASHES = text_of(delete(dedupe).where(dedupe.c.run == bindparam("run")))
_DROP_UNFINISHED = text_of(delete(dedupe).where(dedupe.c.run >= bindparam("run")))
_DROP_RUN = text_of(delete(dedupe_runs).where(dedupe_runs.c.run == bindparam("run")))
_INSERT = Inserts(dedupe, ("run", "h", "n"), largest=1024)
_INSERT_RUN = Inserts(dedupe_runs, ("run", "last", "newest", "plane"))


def hash_of(listener: str, identity: bytes) -> int:
    """64 bits of sha256(listener, MSH-3, MSH-4, MSH-10) as a signed integer."""
    digest = hashlib.sha256(listener.encode() + b"\0" + identity).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def identified(received: Received) -> int | None:
    """The hash of what makes a resend of it a resend; None where nothing does."""
    return hash_of(received.listener, received.identity) if received.identity else None


class Sealing(NamedTuple):
    """A run on its way to disk: its number, its (hash, position) in order, its last position, and how many are written."""

    run: int
    rows: list[tuple[int, int]]
    last: int
    written: int = 0
    expired: Collection[int] = ()  # by the last step: runs that went
    plane: bytes = b""  # ... and its plane, which makes it a run that is looked into


class Dedupe:
    """Positions by hash. Everything happens on the writer's connection, in its transactions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._planes = Planes((run, plane) for run, plane in fetch(connection, _RUNS))
        ((sealed,),) = fetch(connection, _SEALED)
        self._recent: dict[int, list[int]] = {}
        self._waiting: list[tuple[int, int]] = []  # (h, position) of no run yet, in order of position
        self._added = 0  # in this transaction
        self._sealing: Sealing | None = None
        for h, position in fetch(connection, _UNSEALED, (sealed,)):
            self.add((h,), position)
        self._added = 0

    def add(self, hashes: Sequence[int], first: int) -> None:
        """Add the hashes of entries that follow each other; the first has position `first`."""
        recent = self._recent
        for position, h in enumerate(hashes, first):
            recent.setdefault(h, []).append(position)
        self._waiting += zip(hashes, range(first, first + len(hashes)), strict=True)
        self._added += len(hashes)

    def committed(self) -> None:
        self._added = 0

    def rolled_back(self) -> None:
        for _ in range(self._added):
            h, _position = self._waiting.pop()
            positions = self._recent[h]
            positions.pop()
            if not positions:
                del self._recent[h]
        self._added = 0

    def find(self, hashes: Collection[int]) -> dict[int, list[int]]:
        """Positions of those hashes that were seen before, oldest first; a position may be a false friend's."""
        found = self._on_disk(self._planes.perhaps(hashes))
        recent = self._recent
        for h in dict.fromkeys([h for h in hashes if h in recent]):
            found[h] = [*found.get(h, ()), *recent[h]]
        return found

    def _on_disk(self, perhaps: Mapping[int, Iterable[int]]) -> dict[int, list[int]]:
        places = [number for h, runs in perhaps.items() for one in runs for number in (one, h)]
        found: dict[int, list[int]] = {}
        for h, position in _FIND.rows(self._connection, places):
            found.setdefault(h, []).append(position)
        return {h: sorted(positions) for h, positions in found.items()}

    def due(self, slack: int = 0) -> bool:
        """Whether a run is full, and so many more hashes are waiting."""
        return len(self._waiting) >= RUN + slack

    def seal(self) -> Sealing:
        """One step of writing the oldest 16,384 hashes, inside a transaction; what it returns is for `sealed`."""
        sealing = self._sealing or self._begin()
        piece = sealing.rows[sealing.written : sealing.written + PIECE]
        if not piece:
            return self._finish(sealing)
        if not sealing.written:
            run(self._connection, _DROP_UNFINISHED, (sealing.run,))
        _INSERT.run(self._connection, [(sealing.run, h, n) for h, n in piece])
        return sealing._replace(written=sealing.written + len(piece))

    def _begin(self) -> Sealing:
        rows = self._waiting[:RUN]
        return Sealing(self._planes.newest + 1, sorted(rows), rows[-1][1])

    def _finish(self, sealing: Sealing) -> Sealing:
        """Make the run one, and drop those that are too old."""
        ((newest,),) = fetch(self._connection, _NEWEST, (sealing.last,)) or ((0,),)
        expired = {old for (old,) in fetch(self._connection, _EXPIRED, (newest - DUPLICATE_KNOWN - DAY,))}
        for old in expired:
            run(self._connection, _DROP_HASHES, (old,))
            run(self._connection, _DROP_RUN, (old,))
        plane = plane_of([h for h, _ in sealing.rows])
        _INSERT_RUN.run(self._connection, [(sealing.run, sealing.last, newest, plane)])
        return sealing._replace(expired=expired, plane=plane)

    def sealed(self, sealing: Sealing) -> None:
        """The step is on disk; after the last one forget the hashes, and the planes of runs that were dropped."""
        if not sealing.plane:
            self._sealing = sealing
            return
        for h, position in self._waiting[: len(sealing.rows)]:
            positions = self._recent[h]
            positions.remove(position)
            if not positions:
                del self._recent[h]
        del self._waiting[: len(sealing.rows)]
        self._planes.drop(sealing.expired)
        self._planes.add(sealing.run, sealing.plane)
        self._sealing = None
