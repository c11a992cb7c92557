"""Which sender and control id were seen before, without a random page for each message (D16).

A tree over random hashes would make every message write a page of its own: 4 KB into the log for 20 bytes. So:
- the newest 16,384 hashes live in memory; the entries themselves carry them (`entries.h`), so a restart reads them back;
- when that many have come they are written as one *run*, in order of hash, so that pages are filled one after another;
- each run has a *plane*, a Bloom filter of 64 KiB (`planes.py`); a hash is looked up only in the runs whose plane says
  "perhaps", which for a new message is none of the 60 runs of a million entries 19 times in 20;
- a run whose newest entry is older than 7 days is dropped whole.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, select

from engine.channel.ports import Received
from engine.store.planes import Planes, plane_of
from engine.store.rules import DUPLICATE_KNOWN
from engine.store.sql import ZERO, Inserts, fetch, run, text_of
from engine.store.tables import dedupe, dedupe_runs, entries

RUN = 16_384  # hashes of a run

_RUNS = text_of(select(dedupe_runs.c.run, dedupe_runs.c.plane).order_by(dedupe_runs.c.run))
_SEALED = text_of(select(func.coalesce(func.max(dedupe_runs.c.last), ZERO)))
_UNSEALED = text_of(
    select(entries.c.h, entries.c.position)
    .where(entries.c.position > bindparam("sealed"), entries.c.h.is_not(None))
    .order_by(entries.c.position)
)
_FIND = text_of(
    select(dedupe.c.n).where(dedupe.c.run == bindparam("run"), dedupe.c.h == bindparam("h")).order_by(dedupe.c.n)
)
_NEWEST = text_of(select(entries.c.received).where(entries.c.position == bindparam("position")))
_EXPIRED = text_of(select(dedupe_runs.c.run).where(dedupe_runs.c.newest <= bindparam("oldest")))
_DROP_HASHES = text_of(delete(dedupe).where(dedupe.c.run == bindparam("run")))
_DROP_RUN = text_of(delete(dedupe_runs).where(dedupe_runs.c.run == bindparam("run")))
_INSERT = Inserts(dedupe, ("run", "h", "n"))
_INSERT_RUN = Inserts(dedupe_runs, ("run", "last", "newest", "plane"))


def hash_of(listener: str, identity: bytes) -> int:
    """64 bits of sha256(listener, MSH-3, MSH-4, MSH-10) as a signed integer."""
    digest = hashlib.sha256(listener.encode() + b"\0" + identity).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def identified(received: Received) -> int | None:
    """The hash of what makes a resend of it a resend; None where nothing does."""
    return hash_of(received.listener, received.identity) if received.identity else None


class Dedupe:
    """Positions by hash. Everything happens on the writer's connection, in its transactions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._planes = Planes((run, plane) for run, plane in fetch(connection, _RUNS))
        ((sealed,),) = fetch(connection, _SEALED)
        self._recent: dict[int, list[int]] = {}
        self._waiting: list[tuple[int, int]] = []  # (h, position) of no run yet, in order of position
        self._added = 0  # in this transaction
        self._sealing: tuple[set[int], int, bytes] = (set(), 0, b"")  # runs that go, the new one and its plane
        for h, position in fetch(connection, _UNSEALED, (sealed,)):
            self.add(h, position)
        self._added = 0

    def add(self, h: int, position: int) -> None:
        self._recent.setdefault(h, []).append(position)
        self._waiting.append((h, position))
        self._added += 1

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

    def find(self, hashes: Sequence[int]) -> dict[int, list[int]]:
        """Positions of those hashes that were seen before, oldest first; a position may be a false friend's."""
        found: dict[int, list[int]] = {}
        recent, perhaps = self._recent, self._planes.perhaps
        for h in hashes:
            runs = perhaps(h)
            earlier = [n for run in runs for (n,) in fetch(self._connection, _FIND, (run, h))] if runs else []
            if h in recent:
                earlier += recent[h]
            if earlier:
                found[h] = earlier
        return found

    def due(self, slack: int = 0) -> bool:
        """Whether a run is full."""
        return len(self._waiting) >= RUN + slack

    def seal(self) -> None:
        """Write the oldest 16,384 hashes as a run and drop the runs that are too old; inside a transaction.

        Call `sealed` after its commit.
        """
        rows = self._waiting[:RUN]
        last = rows[-1][1]
        ((newest,),) = fetch(self._connection, _NEWEST, (last,)) or ((0,),)
        expired = {old for (old,) in fetch(self._connection, _EXPIRED, (newest - DUPLICATE_KNOWN,))}
        for old in expired:
            run(self._connection, _DROP_HASHES, (old,))
            run(self._connection, _DROP_RUN, (old,))
        new = self._planes.newest + 1
        plane = plane_of([h for h, _ in rows])
        _INSERT.run(self._connection, [(new, h, n) for h, n in sorted(rows)])
        _INSERT_RUN.run(self._connection, [(new, last, newest, plane)])
        self._sealing = expired, new, plane

    def sealed(self) -> None:
        """The run is on disk: forget its hashes, and the planes of runs that were dropped."""
        for h, position in self._waiting[:RUN]:
            positions = self._recent[h]
            positions.remove(position)
            if not positions:
                del self._recent[h]
        del self._waiting[:RUN]
        expired, new, plane = self._sealing
        self._planes.drop(expired)
        self._planes.add(new, plane)
