"""journal.db in memory: entries, dedupe, lanes, attempts and what is parked, with transactions that can fail whole."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from engine.channel.operator_acts import LISTENER, released_identity
from engine.channel.ports import (
    Appended,
    Approval,
    Attempt,
    Decision,
    Entry,
    JournalTransaction,
    Kind,
    Lane,
    LetThrough,
    Parked,
    Received,
    Skip,
)
from engine.errors import ConfigError, StoreRefused
from engine.store.rules import DUPLICATE_KNOWN, answer_of_released, answers_for, members, refuse_unstorable


class MemoryJournal:
    """Everything that `open_journal` gives, without a file; one object is both the writer and the reader."""

    def __init__(self, partitions: int = 1) -> None:
        if partitions < 1:
            raise ConfigError(f"a journal has at least one partition, not {partitions}")
        self.partitions = partitions
        self._entries: list[Entry] = []  # position 1 is index 0
        self._same: dict[tuple[str, bytes], list[int]] = {}  # positions by (listener, identity)
        self._identities: list[tuple[str, bytes]] = []  # of entries appended in this transaction
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._parked: dict[tuple[str, int, int], Parked] = {}
        self._attempts: list[Attempt] = []  # id 1 is index 0
        self._skips: set[Skip] = set()
        self._approvals: set[Approval] = set()
        self._commands: set[str] = set()

    @contextmanager
    def transaction(self) -> Iterator[JournalTransaction]:
        """Keep everything that is done inside, or, when it ends by an exception, nothing."""
        entries, attempts = len(self._entries), len(self._attempts)
        kept = dict(self._lanes), dict(self._parked), set(self._commands), set(self._skips), set(self._approvals)
        self._identities.clear()
        try:
            yield JournalTransaction(self, self)
        except BaseException:
            for identity in self._identities:
                self._same[identity].pop()
            del self._entries[entries:]
            del self._attempts[attempts:]
            self._lanes, self._parked, self._commands, self._skips, self._approvals = kept
            raise

    # Log

    def append(self, batch: Sequence[Received]) -> list[Appended]:
        refuse_unstorable(batch)
        return [self._append_one(received) for received in batch]

    def _append_one(self, received: Received) -> Appended:
        if not 0 <= received.partition < self.partitions:
            raise StoreRefused(f"partition {received.partition} of a journal that has {self.partitions}")
        digest = hashlib.sha256(received.body).digest()
        earlier = self._known(received.listener, received.identity, received.received) if received.identity else []
        same = next((entry for entry in reversed(earlier) if entry.sha256 == digest), None)
        refused = same is not None and same.kind is Kind.QUARANTINED
        if received.kind is not Kind.OPERATOR and (same is None or refused):
            digests = members(received, digest) if refused else [digest]
            acts = [self._releases(received.listener, one, received.received) for one in digests]
            if all(acts):
                return Appended(acts[0][0].position, duplicate=True, answer=answer_of_released(received))
        if same is not None and answers_for(same.kind, received):
            return Appended(same.position, duplicate=True, answer=same.answer)
        position = len(self._entries) + 1
        if received.identity:
            identity = received.listener, received.identity
            self._same.setdefault(identity, []).append(position)
            self._identities.append(identity)
        r = received
        place = position, r.partition, r.listener, r.peer, r.received
        self._entries.append(Entry(*place, r.body, r.charset, r.kind, r.answer, r.flags, digest))
        return Appended(position, duplicate=False, answer=r.answer, control_id_reused=bool(earlier) and same is None)

    def processed(self, message: LetThrough, act: Received) -> int:
        acts = self._releases(message.listener, message.sha256, act.received)
        if any(one.body == act.body for one in acts):
            return 0
        accepted = [
            entry
            for identity in message.identities
            for entry in self._known(message.listener, identity, act.received)
            if entry.kind is Kind.MESSAGE and entry.sha256 == message.sha256
        ]
        return next((entry.position for entry in [*accepted, *acts]), 0)

    def _releases(self, listener: str, digest: bytes, now: int) -> list[Entry]:
        """The acts that let these bytes through."""
        return self._known(LISTENER, released_identity(listener, digest), now)

    def _known(self, listener: str, identity: bytes, now: int) -> list[Entry]:
        """Earlier entries of the same sender and control id, as far back as a resend is recognised."""
        oldest = now - DUPLICATE_KNOWN
        positions = self._same.get((listener, identity), ())
        return [e for e in (self._entries[position - 1] for position in positions) if e.received > oldest]

    def read(self, partition: int, after: int, limit: int, max_bytes: int) -> list[Entry]:
        found: list[Entry] = []
        size = 0
        for entry in self._entries[max(after, 0) :]:
            if len(found) >= limit or (found and size >= max_bytes):
                break
            if entry.partition == partition:
                found.append(entry)
                size += len(entry.body)
        return found

    def entry(self, position: int) -> Entry | None:
        return self._entries[position - 1] if 0 < position <= len(self._entries) else None

    def tails(self) -> dict[int, int]:
        tails = dict.fromkeys(range(self.partitions), 0)
        tails.update((entry.partition, entry.position) for entry in self._entries)
        return tails

    def find(self, after: int, text: bytes, limit: int) -> list[Entry]:
        newer = reversed(self._entries[max(after, 0) :])
        return [entry for entry in newer if text in entry.body][:limit]

    # Wire

    def record(self, attempt: Attempt, lane: Lane) -> None:
        self.set_lane(lane)
        self._note(attempt)
        if attempt.decision is Decision.PARKED:
            self._set_aside(attempt)

    def set_lane(self, lane: Lane) -> None:
        refuse_unstorable((lane,))
        if lane.done < self.lane(lane.destination, lane.lane).done:
            raise StoreRefused(f"lane {lane.destination}/{lane.lane}: done would move back")
        self._lanes[lane.destination, lane.lane] = lane
        if self._skips:
            self._skips = {skip for skip in self._skips if skip[:2] != lane[:2] or skip.seq > lane.done}

    def unpark(self, destination: str, key: str) -> None:
        self._mark(destination, key, released=True)

    def unpark_row(self, destination: str, lane: int, seq: int) -> None:
        row = self._parked.get((destination, lane, seq))
        if row is not None:
            self._parked[row[:3]] = row._replace(released=True)

    def repark(self, destination: str, key: str) -> None:
        self._mark(destination, key, released=False)

    def _mark(self, destination: str, key: str, *, released: bool) -> None:
        for place, row in self._parked.items():
            if row.destination == destination and row.key == key:
                self._parked[place] = row._replace(released=released)

    def skip(self, attempt: Attempt, lane: Lane) -> None:
        self.set_lane(lane)
        self._note(attempt)
        self._parked.pop(attempt[:3], None)
        if attempt.seq > lane.done:
            self._skips.add(Skip(*attempt[:3]))

    def approve(self, destination: str, lane: int, seq: int) -> None:
        self._approvals.add(Approval(destination, lane, seq))

    def parked_decided(self, attempt: Attempt) -> None:
        self._note(attempt)
        if attempt.decision is Decision.PARKED:
            self._set_aside(attempt)
        elif attempt.decision is not Decision.RETRY:
            self._parked.pop((attempt.destination, attempt.lane, attempt.seq), None)

    def command(self, command_id: str) -> None:
        self._commands.add(command_id)

    def _note(self, attempt: Attempt) -> None:
        refuse_unstorable((attempt,))
        self._attempts.append(attempt._replace(key=""))
        if attempt.decision.is_final:
            self._approvals.discard(Approval(*attempt[:3]))

    def _set_aside(self, attempt: Attempt) -> None:
        place = attempt.destination, attempt.lane, attempt.seq
        self._parked[place] = Parked(*place, attempt.key, attempt.at, released=False)

    def lanes(self) -> list[Lane]:
        return [self._lanes[place] for place in sorted(self._lanes)]

    def lane(self, destination: str, lane: int) -> Lane:
        return self._lanes.get((destination, lane)) or Lane(destination, lane)

    def parked(self, destination: str | None = None) -> list[Parked]:
        rows = (self._parked[place] for place in sorted(self._parked))
        return [row for row in rows if destination is None or row.destination == destination]

    def skips(self) -> list[Skip]:
        return sorted(self._skips)

    def approvals(self) -> list[Approval]:
        return sorted(self._approvals)

    def attempts(self, destination: str, lane: int, seqs: Collection[int]) -> list[Attempt]:
        """Attempts of these rows, in order of (seq, time of recording)."""
        wanted = set(seqs)
        found = (a for a in self._attempts if a.destination == destination and a.lane == lane and a.seq in wanted)
        return sorted(found, key=lambda attempt: attempt.seq)

    def latest_attempts(self, decision: Decision, since: int, limit: int) -> list[Attempt]:
        found = [one for one in reversed(self._attempts) if one.decision is decision and one.at >= since]
        return found[:limit]

    def attempts_after(self, cursor: int, limit: int) -> list[tuple[int, Attempt]]:
        newer = self._attempts[max(cursor, 0) :][:limit]
        return list(enumerate(newer, start=max(cursor, 0) + 1))

    # both

    def command_done(self, command_id: str) -> bool:
        return command_id in self._commands

    def close(self) -> None:
        """Nothing to close."""

    def checkpoint(self) -> None:
        """Nothing to keep up."""

    @property
    def behind(self) -> bool:
        """Never late with it."""
        return False
