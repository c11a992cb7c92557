"""Who a message is about: identifiers, the listener's rule that picks one, and the clusters that links make of them.

An identifier is (authority, id, type). Identity is a log of events over identifiers (D4); a patient is the cluster that
follows from the log, and nothing that was stored under an identifier ever moves.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from engine.hl7.delimiters import Delimiters
from engine.hl7.message import Repetition, Segment
from engine.hl7.printable import printable

_ABSENT = ("", '""', None)


class Identifier(NamedTuple):
    """A patient's identifier: PID-3.4 (namespace, else universal id, else the listener's authority), PID-3.1, PID-3.5."""

    authority: str
    id: str
    type: str

    @property
    def key(self) -> str:
        r"""The text under which facts, orders and visits are stored: `HOSP|MR|12345`, controls written as \xNN."""
        return f"{_part(self.authority)}|{_part(self.type)}|{_part(self.id)}"

    def __repr__(self) -> str:
        return f"Identifier({self.authority}|{self.type}|...)"


class IdentityEvent(NamedTuple):
    """One row of the identity log: `link`, `unlink`, `merge` (a into b)."""

    entry: int
    run: int
    ordinal: int
    event: str
    a: str  # Identifier.key
    b: str
    received: int

    def __repr__(self) -> str:
        return f"IdentityEvent({self.entry}:{self.run}:{self.ordinal}, {self.event})"


def _part(text: str) -> str:
    """A part of a key; a bar inside it is escaped too, so that two identifiers never share a key."""
    return text if text.isalnum() else printable(text).replace("|", "\\x7c")


def identifiers(pid: Segment | None, authority: str, strip_zeros: bool = False) -> tuple[Identifier, ...]:  # noqa: FBT001, FBT002 -- a setting of the listener
    """Every identifier of PID-3, else of PID-2, else of PID-4 (both a legacy of 2.2), in the order sent and each once.

    `authority` stands in where PID-3.4 names none; an alternate number (PID-4) must name its own, since it may be anybody's.
    The check digit (PID-3.2, .3) is no part of an identifier (T22).
    """
    if pid is None:
        return ()
    fields = pid.raw_field(3), pid.raw_field(2), pid.raw_field(4)
    return _identifiers(fields, pid.delimiters, pid.charset, authority, strip_zeros)


@lru_cache(maxsize=1024)  # a message is asked several times, and messages of one patient follow each other
def _identifiers(
    fields: tuple[bytes | None, bytes | None, bytes | None],
    marks: Delimiters,
    charset: str,
    authority: str,
    strip_zeros: bool,  # noqa: FBT001 -- as above
) -> tuple[Identifier, ...]:
    """The identifiers of PID-3, PID-2 and PID-4 as they stand in the message."""
    listed, legacy, alternate = (
        [Repetition(part, marks, charset, f"PID-{number}") for part in raw.split(marks.repetition_byte)] if raw else []
        for number, raw in zip((3, 2, 4), fields, strict=True)
    )
    found = [_identifier(repetition, authority, strip_zeros) for repetition in listed]
    if not any(found):
        found = [_identifier(repetition, authority, strip_zeros) for repetition in legacy]
    if not any(found):
        others = (_identifier(repetition, "", strip_zeros) for repetition in alternate)
        found = [identifier for identifier in others if identifier is not None and identifier.authority]
    return tuple(dict.fromkeys(identifier for identifier in found if identifier is not None))


def pick_identifier(
    pid: Segment | None,
    authority: str,
    prefer: tuple[str, ...],
    strip_zeros: bool = False,  # noqa: FBT001, FBT002 -- a setting of the listener, handed on as it is
) -> Identifier | None:
    """The identifier that the listener's rule takes (D3), or None where the PID names nobody.

    The first type of `prefer` that is there wins, inside it the listener's own authority, then the order sent; with none
    of the types, one without a type, and at last the first.
    """
    return pick(identifiers(pid, authority, strip_zeros), authority, prefer)


@lru_cache(maxsize=1024)
def pick(found: tuple[Identifier, ...], authority: str, prefer: tuple[str, ...]) -> Identifier | None:
    """The listener's choice among identifiers that were read already."""
    if len(found) <= 1:
        return found[0] if found else None
    ranks = {name: rank for rank, name in enumerate(prefer)}
    untyped, other = len(ranks), len(ranks) + 1

    def place(identifier: Identifier) -> tuple[int, bool]:
        rank = ranks.get(identifier.type, other if identifier.type else untyped)
        return rank, identifier.authority != authority

    return min(found, key=place)


def _identifier(repetition: Repetition, authority: str, strip_zeros: bool) -> Identifier | None:  # noqa: FBT001 -- as above
    number = (repetition.get(1) or "").strip()
    if number in _ABSENT:
        return None
    if strip_zeros:
        number = number.lstrip("0") or "0"
    assigner = said(repetition.get(4, 1)) or said(repetition.get(4, 2)) or authority
    return Identifier(assigner, number, said(repetition.get(5)))


def said(text: str | None) -> str:
    """What a place says: absent, empty and deleted (`""`) all say nothing where only a value counts."""
    return "" if text is None or text == '""' else text.strip()


@lru_cache(maxsize=1024)
def linked(found: tuple[Identifier, ...], prefer: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of keys that one PID lists together and that therefore are one patient; none where it lists one.

    Only types of `prefer` with an authority count: a social security or account number joins nobody. Two numbers of one
    type and one authority are never linked by being listed: that is what a merge says.
    """
    listed: dict[tuple[str, str], Identifier | None] = {}
    for identifier in found:
        if identifier.type in prefer and identifier.authority:
            slot = (identifier.authority, identifier.type)
            listed[slot] = None if slot in listed else identifier
    keys = [identifier.key for identifier in listed.values() if identifier is not None]
    return tuple((keys[0], other) for other in keys[1:])


class Clusters:
    """Which identifiers are one patient, as the identity log says; immutable, made by `Clusters.of`."""

    __slots__ = ("_clusters",)

    def __init__(self, clusters: Mapping[str, frozenset[str]]) -> None:
        self._clusters = clusters

    def __repr__(self) -> str:
        return f"<Clusters of {len(self._clusters)} identifiers>"

    @classmethod
    def of(cls, events: Iterable[IdentityEvent]) -> "Clusters":
        """Fold the log in its order: `unlink` of two identifiers takes back every `link` and `merge` between them.

        A merge before the patient exists is the same row as any (D4), and an unmerge leaves what others links hold.
        """
        pairs: dict[tuple[str, str], None] = {}
        for event in sorted(events, key=lambda row: (row.entry, row.run, row.ordinal)):
            pair = (event.a, event.b) if event.a <= event.b else (event.b, event.a)
            if event.event == "unlink":
                pairs.pop(pair, None)
            else:
                pairs[pair] = None
        return cls(_united(pairs))

    def cluster(self, key: str) -> frozenset[str]:
        """Every identifier of the same patient, itself included."""
        return self._clusters.get(key) or frozenset((key,))


def _united(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        top = key
        while parents.setdefault(top, top) != top:
            top = parents[top]
        while parents[key] != top:
            parents[key], key = top, parents[key]
        return top

    for a, b in pairs:
        parents[root(a)] = root(b)
    members: dict[str, set[str]] = {}
    for key in parents:
        members.setdefault(root(key), set()).add(key)
    return {key: cluster for group in members.values() for cluster in (frozenset(group),) for key in group}
