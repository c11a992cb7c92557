"""Which entries of earlier batches a frame may be a resend of (D16, ADR 12).

Some senders give every message the same control id. Of one identity only the first few entries are found by it; the others are
indexed by the identity and the bytes together, so that the ten thousandth costs what the tenth does.
"""

from sqlalchemy import Connection, literal_column, select

from engine.channel.operator_acts import LISTENER, released_identity
from engine.channel.ports import Kind, Received
from engine.store.dedupe import Dedupe, hash_of
from engine.store.rules import DUPLICATE_KNOWN
from engine.store.sql import Lookups, fetch, text_of
from engine.store.tables import entries
from engine.store.words import WordReader

_ORIGINALS = Lookups(
    lambda values: select(
        entries.c.position, entries.c.sha256, entries.c.received, entries.c.answer, entries.c.kind
    ).where(entries.c.position.in_(values)),
    attached=False,
)

_RELEASES = text_of(
    select(entries.c.h).where(entries.c.kind == literal_column(str(int(Kind.OPERATOR))), entries.c.h.is_not(None))
)

MANY = 8  # entries of one identity that are found by it

Earlier = tuple[int, int, str, int]  # position, received, answer, kind
Same = dict[bytes, Earlier]  # of one identity the newest entry by sha256, oldest first


class Resends:
    """Looks them up, inside the transaction of its journal."""

    def __init__(self, connection: Connection, words: WordReader, dedupe: Dedupe) -> None:
        self._connection = connection
        self._reader = words
        self._dedupe = dedupe
        # of all releases, so that members of batches are looked up among them only where there are any; a rollback
        # leaves its own in it, which costs a lookup
        self.releases = {h for (h,) in fetch(connection, _RELEASES)}

    def earlier(self, hashes: list[int]) -> dict[int, Same]:
        """Entries of earlier batches by hash."""
        found = self._dedupe.find(hashes)
        if not found:
            return {}
        positions = sorted({position for positions in found.values() for position in positions})
        originals = {row[0]: row[1:] for row in _ORIGINALS.rows(self._connection, positions)}
        word = self._reader.word
        same: dict[int, Same] = {}
        for h, places in found.items():
            for place in places:
                if place in originals:
                    digest, received, answer, kind = originals[place]
                    note(same.setdefault(h, {}), digest, (place, received, word(answer), kind))
        return same

    def among_many(self, received: Received, digest: bytes) -> Earlier | None:
        """The entry of the same identity and bytes among those that the identity alone does not find."""
        h = hash_of_many(received, digest)
        return resend_of(same, digest, received.received)[0] if (same := self.earlier([h]).get(h)) else None

    def release(self, received: Received, digest: bytes) -> int:
        """Where a person let these bytes through; 0 where nobody did."""
        h = hash_of(LISTENER, released_identity(received.listener, digest))
        if h not in self.releases:
            return 0
        acts = self.earlier([h]).get(h, {}).values()
        oldest = received.received - DUPLICATE_KNOWN
        return next((act[0] for act in acts if act[1] > oldest and act[3] == Kind.OPERATOR), 0)


def hash_of_many(received: Received, digest: bytes) -> int:
    """The hash of an identity that is in use already, and the bytes."""
    return hash_of(received.listener, received.identity + b"\0\0" + digest)


def note(same: Same, digest: bytes, entry: Earlier) -> None:
    """Add the newest entry of an identity."""
    same.pop(digest, None)  # a dict keeps the place of what is replaced
    same[digest] = entry


def resend_of(same: Same, digest: bytes, received: int) -> tuple[Earlier | None, bool]:
    """The entry that this is a resend of, and whether its control id was there before; at most so long ago."""
    oldest = received - DUPLICATE_KNOWN
    found = same.get(digest)
    newest = next(reversed(same.values()))
    return (found if found is not None and found[1] > oldest else None), newest[1] > oldest
