"""Which order of segments a message structure allows: a walker over the structure tables of hl7apy.

A structure (sequences and choices of segments and groups, each with how often it may occur) is turned into the set of
places that may follow each place (Glushkov's automaton), so that a message is walked in one pass whatever its length.
How often something may occur at most is checked by hl7apy; here it is once, or any number of times.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

_START = -1


class Misplaced(NamedTuple):
    """A segment that stands where the structure has another; at the end of the message `at` is its length."""

    at: int  # in the names given
    expected: tuple[str, ...]  # segments that could stand here; empty: the structure has no such segment at all


class Grammar(NamedTuple):
    """The places of a structure: which segment each is, and which may come after it."""

    names: tuple[str, ...]
    follow: dict[int, frozenset[int]]  # place or _START: the places after it
    last: frozenset[int]  # places, or _START, where a message may end

    def walk(self, names: Sequence[str]) -> list[Misplaced]:
        """Every segment that is not where it may stand, and a message that ends too early.

        After a misplaced segment the walk goes on from wherever the structure has it, so that one mistake is said once.
        """
        found: list[Misplaced] = []
        here: frozenset[int] = frozenset({_START})
        for at, name in enumerate(names):
            after = self._after(here)
            step = frozenset(place for place in after if self.names[place] == name)
            if not step:
                anywhere = frozenset(place for place, known in enumerate(self.names) if known == name)
                found.append(Misplaced(at, self._named(after) if anywhere else ()))
                step = anywhere or here
            here = step
        if not here & self.last:
            found.append(Misplaced(len(names), self._named(self._after(here))))
        return found

    def _after(self, here: frozenset[int]) -> frozenset[int]:
        return (
            self.follow[next(iter(here))] if len(here) == 1 else frozenset().union(*(self.follow[one] for one in here))
        )

    def _named(self, places: frozenset[int]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.names[place] for place in sorted(places)))


class _Part(NamedTuple):
    optional: bool
    first: frozenset[int]
    last: frozenset[int]


def grammar_of(structure: Any) -> Grammar:
    """The grammar of one entry of hl7apy's MESSAGES: `(kind, ((name, entry, (min, max), "SEG" or "GRP"), ...), ...)`."""
    builder = _Builder()
    whole = builder.group(structure)
    follow = {place: frozenset(after) for place, after in enumerate(builder.follow)}
    follow[_START] = whole.first
    last = whole.last | {_START} if whole.optional else whole.last
    return Grammar(tuple(builder.names), follow, last)


class _Builder:
    """Numbers the places in the order of the structure and collects what follows each."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.follow: list[set[int]] = []

    def group(self, entry: Any) -> _Part:
        parts = [self._child(*child[:4]) for child in entry[1]]
        return self._choice(parts) if entry[0] == "choice" else self._sequence(parts)

    def _child(self, name: str, entry: Any, occurs: tuple[int, int], kind: str) -> _Part:
        part = self.group(entry) if kind == "GRP" else self._segment(name)
        least, most = occurs
        if most != 1:
            self._link(part.last, part.first)
        return part._replace(optional=part.optional or least == 0)

    def _segment(self, name: str) -> _Part:
        place = frozenset({len(self.names)})
        self.names.append(name)
        self.follow.append(set())
        return _Part(optional=False, first=place, last=place)

    def _sequence(self, parts: list[_Part]) -> _Part:
        whole = _Part(optional=True, first=frozenset(), last=frozenset())
        for part in parts:
            self._link(whole.last, part.first)
            whole = _Part(
                optional=whole.optional and part.optional,
                first=whole.first | part.first if whole.optional else whole.first,
                last=whole.last | part.last if part.optional else part.last,
            )
        return whole

    def _choice(self, parts: list[_Part]) -> _Part:
        return _Part(
            optional=any(part.optional for part in parts),
            first=frozenset().union(*(part.first for part in parts)),
            last=frozenset().union(*(part.last for part in parts)),
        )

    def _link(self, before: frozenset[int], after: frozenset[int]) -> None:
        for place in before:
            self.follow[place] |= after
