"""One commit for a batch; where the store refuses it, one for each entry, and the one that fails alone is FAILED (D6)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.channel.batch import REFUSED, Batch, Done
from engine.channel.outcome import Status
from engine.channel.ports import LIVE, Commit, Cursor, Entry, OutcomeRow, Store
from engine.errors import Retryable, StoreBroken, StoreRefused

if TYPE_CHECKING:
    from engine.channel.process import State


class Processed(NamedTuple):
    """What a call did; empty when there was nothing after the cursor."""

    entries: int
    first: int
    last: int
    done: tuple[Done, ...]
    stopped: tuple[Cursor, ...]  # channels that stopped in this batch
    refused: tuple[tuple[int, str], ...]  # (entry, type of exception) that the store refused alone
    queued: int  # outbox rows
    deferred: int  # jobs


NOTHING = Processed(0, 0, 0, (), (), (), 0, 0)


class Attempt(NamedTuple):
    """Who commits what: `lead` is the live cursor, or the channel that catches up alone."""

    state: "State"
    store: Store
    now: Callable[[], int]
    elapsed: Callable[[], float]
    lead: str

    def all_or_one_by_one(self, entries: Sequence[Entry]) -> Processed:
        """Everything in one commit, or entry by entry; raises Retryable and StoreBroken as `process` does."""
        try:
            return self._commit(entries)
        except (Retryable, StoreBroken):
            raise
        except Exception:  # noqa: BLE001 - the process loop: whatever it was, the entries are tried one by one (D6)
            return self._one_by_one(entries)

    def _commit(self, entries: Sequence[Entry]) -> Processed:
        state = self.state
        batch = Batch.run(state, self.store, entries, self.now(), self.elapsed, lead=self.lead)
        stopped = {cursor.name for cursor in batch.stopped}
        moved = () if self.lead in stopped else (state.moved(self.lead, entries[-1]),)
        commit = batch.commit((*moved, *batch.stopped))
        self.store.commit(commit)
        state.committed(commit)
        state.failures = batch.failures
        return Processed(
            *(len(entries), entries[0].position, entries[-1].position, tuple(batch.done), batch.stopped, ()),
            *(len(commit.outgoing), len(commit.deferred)),
        )

    def _one_by_one(self, entries: Sequence[Entry]) -> Processed:
        parts: list[Processed] = []
        for entry in entries:
            if parts and self.lead in {cursor.name for cursor in parts[-1].stopped}:
                break  # it stopped again
            try:
                parts.append(self._alone(entry))
            except (Retryable, StoreBroken):
                if parts:
                    break  # what is committed is told; the rest comes again
                raise
        return _joined(parts)

    def _alone(self, entry: Entry) -> Processed:
        try:
            return self._commit([entry])
        except (Retryable, StoreBroken):
            raise
        except Exception as error:  # noqa: BLE001 - the process loop (D6): this entry alone is kept out
            return self._sent_bare(entry, _told(error))

    def _sent_bare(self, entry: Entry, reason: str) -> Processed:
        """Let an order leave without enrichment, keeping nothing of what the store refused (D1); else FAILED."""
        state = self.state
        try:
            batch = Batch.run(state, self.store, [entry], self.now(), self.elapsed, enrich=False, lead=self.lead)
            commit = batch.only_what_leaves(state.moved(self.lead, entry), reason)
            if commit is None:
                return self._refused(entry, reason)
            self.store.commit(commit)
        except (Retryable, StoreBroken):
            raise
        except Exception:  # noqa: BLE001 - the process loop (D6): not even the bare message can be queued
            return self._refused(entry, reason)
        state.committed(commit)
        done = tuple(done._replace(row=row) for done, row in zip(batch.done, commit.outcomes, strict=True))
        refused = ((entry.position, reason),)
        return Processed(1, entry.position, entry.position, done, (), refused, len(commit.outgoing), 0)

    def _refused(self, entry: Entry, reason: str) -> Processed:
        """Commit nothing of an entry but that the store refused it."""
        state = self.state
        channel = "" if self.lead == LIVE else self.lead
        row = OutcomeRow(
            *(entry.position, channel, 1, Status.FAILED, "", "", reason, "", "", REFUSED),
            *(state.routes.site.hash, self.now()),
        )
        commit = Commit(cursors=(state.moved(self.lead, entry),), outcomes=(row,))
        self.store.commit(commit)
        state.committed(commit)
        done = Done(row, entry.listener, b"", ())
        return Processed(1, entry.position, entry.position, (done,), (), ((entry.position, reason),), 0, 0)


def _told(error: Exception) -> str:
    """The kind of refusal: StoreRefused names it itself; any other text may quote the message."""
    return str(error) if isinstance(error, StoreRefused) else f"store refused: {type(error).__name__}"


def _joined(parts: Sequence[Processed]) -> Processed:
    return Processed(
        entries=sum(part.entries for part in parts),
        first=parts[0].first,
        last=parts[-1].last,
        done=tuple(done for part in parts for done in part.done),
        stopped=tuple(cursor for part in parts for cursor in part.stopped),
        refused=tuple(refused for part in parts for refused in part.refused),
        queued=sum(part.queued for part in parts),
        deferred=sum(part.deferred for part in parts),
    )
