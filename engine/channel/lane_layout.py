"""When a destination gets more lanes, or fewer: what was queued before the change goes before what is queued after it.

A patient's lane is a remainder, so with another number of lanes it may be another one. The worker notes the change before it
queues anything: a fence, which is where every lane of the destination ended then. The lanes deliver up to the first
fence that is not passed in all of them, and go on when it is. So a patient's messages keep their order over the change.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from engine.channel.ports import Commit, StoreReader

_PREFIX = "lanes "  # of the switch's name, before the destination's
STAT = 1_000  # the number of the lane for STAT orders: beyond every other


class Lanes(Protocol):
    """What the site says about a destination's lanes."""

    @property
    def lanes(self) -> int: ...
    @property
    def stat_lane(self) -> bool: ...


class Layout(NamedTuple):
    """How a destination's lanes are laid out now, and the fences of earlier layouts, oldest first."""

    shape: str = ""  # "1", "4", "2 stat"
    fences: tuple[Mapping[int, int], ...] = ()  # lane -> last number queued before the change

    def dumped(self) -> str:
        return json.dumps([self.shape, [{str(lane): tail for lane, tail in fence.items()} for fence in self.fences]])

    def unpassed(self, done: Callable[[int], int]) -> Mapping[int, int] | None:
        """The first fence that some lane has not passed; None where everything may go."""
        for fence in self.fences:
            if any(done(lane) < tail for lane, tail in fence.items()):
                return fence
        return None


def layouts(switches: Mapping[str, str]) -> dict[str, Layout]:
    """The layouts by destination, from the store's switches."""
    found = {}
    for name, value in switches.items():
        if name.startswith(_PREFIX):
            shape, fences = json.loads(value)
            kept = tuple({int(lane): int(tail) for lane, tail in fence.items()} for fence in fences)
            found[name.removeprefix(_PREFIX)] = Layout(shape, kept)
    return found


def relaid(destinations: Mapping[str, Lanes], store: StoreReader) -> Commit | None:
    """The commit that notes changed layouts, to be made before anything is queued; None where all are as they were."""
    known, tails = layouts(store.switches()), store.outbox_tails()
    changed = {}
    for name, rules in destinations.items():
        shape, before = _shape(rules), known.get(name, Layout())
        if shape != before.shape:
            fence = _fence(name, tails.items())
            changed[_PREFIX + name] = Layout(shape, (*before.fences, *([fence] if fence else []))).dumped()
    return Commit(cursors=(), switches=changed) if changed else None


def _shape(rules: Lanes) -> str:
    return f"{rules.lanes} stat" if rules.stat_lane else str(rules.lanes)


def _fence(name: str, tails: Iterable[tuple[tuple[str, int], int]]) -> dict[int, int]:
    return {lane: tail for (destination, lane), tail in tails if destination == name and tail}
