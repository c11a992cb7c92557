"""Which entries of earlier batches a frame may be a resend of (D16, ADR 12).

Some senders give every message the same control id. Of one identity only the first few entries are found by it; the others are
indexed by the identity and the bytes together, so that the ten thousandth costs what the tenth does.
"""

import hashlib
from operator import itemgetter

from sqlalchemy import Connection, bindparam, func, literal_column, or_, select

from engine.channel.operator_acts import LISTENER, RELEASE, RELEASE_BODY, released_identity
from engine.channel.ports import Kind, LetThrough, Received
from engine.store.dedupe import Dedupe, hash_of
from engine.store.rules import DAY, DUPLICATE_KNOWN, members
from engine.store.sql import ZERO, Lookups, fetch, text_of
from engine.store.tables import entries
from engine.store.words import WordReader

_ORIGINALS = Lookups(
    lambda values: select(
        entries.c.position, entries.c.sha256, entries.c.received, entries.c.answer, entries.c.kind
    ).where(entries.c.position.in_(values)),
    attached=False,
)

_NEWEST = text_of(
    select(entries.c.received).where(entries.c.position == select(func.max(entries.c.position)).scalar_subquery())
)
_BEGINNING = func.substr(entries.c.body, literal_column("1"), literal_column(str(len(RELEASE_BODY))))
_RELEASES = text_of(  # other acts among them are those whose long bodies would have to be restored first
    select(entries.c.h, entries.c.received).where(
        entries.c.kind == literal_column(str(int(Kind.OPERATOR))),
        entries.c.h.is_not(None),
        entries.c.received > bindparam("oldest"),
        or_(entries.c.encoding != ZERO, bindparam("beginning") == _BEGINNING),
    )
)

MANY = 8  # entries of one identity that are found by it; one more for each day

Earlier = tuple[int, int, str, int]  # position, received, answer, kind
Same = dict[bytes, Earlier]  # of one identity the newest entry by sha256, oldest first


class Resends:
    """Looks them up, inside the transaction of its journal."""

    def __init__(self, connection: Connection, words: WordReader, dedupe: Dedupe) -> None:
        self._connection = connection
        self._reader = words
        self._dedupe = dedupe
        # received times of the releases of 7 days by hash, the oldest first, so that messages are looked up among them
        # only where there are any; a rollback leaves its own in it, which costs a lookup
        self.releases: dict[int, int] = {}
        for (newest,) in fetch(connection, _NEWEST):
            found = fetch(connection, _RELEASES, (newest - DUPLICATE_KNOWN, RELEASE_BODY))
            self.releases.update(sorted(found, key=itemgetter(1)))

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

    def among_many(self, listener: str, identity: bytes, digest: bytes, received: int) -> Earlier | None:
        """The entry of the same identity and bytes among those that the identity alone does not find."""
        return self._by_hash(hash_of_many(listener, identity, digest), digest, received)

    def note_release(self, h: int, received: Received) -> None:
        """An act is kept, and may be a release."""
        if received.identity.startswith(RELEASE):
            self.releases.pop(h, None)  # a dict keeps the place of what is replaced
            self.releases[h] = received.received

    def forget_releases(self, now: int) -> None:
        """Let go of those that are too old to count."""
        while self.releases and next(iter(self.releases.values())) <= now - DUPLICATE_KNOWN:
            del self.releases[next(iter(self.releases))]

    def release(self, received: Received, digest: bytes, *, refused: bool) -> int:
        """Where a person let this frame through, `refused` before, of a batch the first message; 0 where nobody did."""
        digests = members(received, digest) if refused else (digest,)
        hashes = []
        for one in digests:
            h = hash_of(LISTENER, released_identity(received.listener, one))
            if h not in self.releases:
                return 0
            hashes.append(h)
        same = self.earlier(hashes)
        acts = [_young(same.get(h, {}), received.received) for h in hashes]
        return next(iter(acts[0].values()))[0] if all(acts) else 0

    def processed(self, message: LetThrough, act: Received) -> int:
        """See engine.channel.ports.LogWriter."""
        h = hash_of(LISTENER, released_identity(message.listener, message.sha256))
        acts = _young(self.earlier([h]).get(h, {}), act.received) if h in self.releases else {}
        if hashlib.sha256(act.body).digest() in acts:
            return 0
        for identity in message.identities:
            place = message.listener, identity, message.sha256, act.received
            plain = self._by_hash(hash_of(message.listener, identity), message.sha256, act.received)
            for found in (plain, self.among_many(*place)):
                if found is not None and found[3] == Kind.MESSAGE:
                    return found[0]
        return next((act[0] for act in acts.values()), 0)

    def _by_hash(self, h: int, digest: bytes, received: int) -> Earlier | None:
        return resend_of(same, digest, received)[0] if (same := self.earlier([h]).get(h)) else None


def _young(acts: Same, now: int) -> Same:
    """The acts that count at this time."""
    oldest = now - DUPLICATE_KNOWN
    return {digest: act for digest, act in acts.items() if act[1] > oldest and act[3] == Kind.OPERATOR}


def hash_of_many(listener: str, identity: bytes, digest: bytes) -> int:
    """The hash of an identity that is in use already, and the bytes."""
    return hash_of(listener, identity + b"\0\0" + digest)


def is_one_of_many(same: Same, received: int) -> bool:
    """Whether what comes is found by its bytes as well: enough are found by the identity alone, the newest within a day.

    Without a new one each day the identity would be unknown while some of its messages are young.
    """
    return len(same) >= MANY and next(reversed(same.values()))[1] > received - DAY


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
