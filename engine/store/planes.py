"""Which runs of the dedupe table may hold a hash: a Bloom filter (a *plane*) for each run, 64 of them side by side.

A plane has a bit for each of its places. The 64-bit word at a place holds that place's bit of 64 runs, so that a new
message asks a million entries' runs with three words, and a week's of a large hospital with twenty.
"""

import sys
from collections.abc import Collection, Iterable

BITS = 19  # 2**19 places of a plane: 9 % of them are set by 16,384 hashes with three bits each
_PLACES = 1 << BITS
_MASK = _PLACES - 1
_ABREAST = 64
_LANES = _ABREAST // 8  # bytes of a word
_ONES = tuple(bytes.maketrans(b"01", bytes((0, 1 << bit))) for bit in range(8))
_CLEARED = tuple(bytes(byte & ~(1 << bit) for byte in range(256)) for bit in range(8))


def plane_of(hashes: Iterable[int]) -> bytes:
    """The plane of a run as it is stored: 64 KiB, place p is bit p & 7 of byte p >> 3."""
    plane = bytearray(_PLACES >> 3)
    for h in hashes:
        for place in (h & _MASK, (h >> 20) & _MASK, (h >> 40) & _MASK):
            plane[place >> 3] |= 1 << (place & 7)
    return bytes(plane)


def _lane(slot: int) -> tuple[int, int]:
    """Which byte of a word holds the bit of a slot, and which bit of it."""
    lane, bit = divmod(slot, 8)
    return (lane if sys.byteorder == "little" else _LANES - 1 - lane), bit


class _Group:
    """The planes of 64 runs: the word at place p is `words[p]`, and run number `slot` of them its bit `slot`."""

    def __init__(self) -> None:
        self.runs = [0] * _ABREAST  # 0: a free slot
        self._bytes = bytearray(_LANES * _PLACES)
        self.words = memoryview(self._bytes).cast("Q")

    def add(self, run: int, plane: bytes) -> None:
        slot = self.runs.index(0)
        lane, bit = _lane(slot)
        # the binary digits of the plane, the last place first
        digits = f"{int.from_bytes(plane, 'little'):0{_PLACES}b}".encode("ascii")
        mine = int.from_bytes(digits.translate(_ONES[bit]), "big")
        joined = int.from_bytes(self._bytes[lane::_LANES], "little") | mine
        self._bytes[lane::_LANES] = joined.to_bytes(_PLACES, "little")
        self.runs[slot] = run

    def drop(self, slot: int) -> None:
        lane, bit = _lane(slot)
        self._bytes[lane::_LANES] = self._bytes[lane::_LANES].translate(_CLEARED[bit])
        self.runs[slot] = 0

    def named(self, word: int) -> list[int]:
        """The runs whose bits are set."""
        return [run for slot, run in enumerate(self.runs) if word >> slot & 1]


class Planes:
    """The planes of all runs."""

    def __init__(self, planes: Iterable[tuple[int, bytes]] = ()) -> None:
        """Take (run, plane) pairs."""
        self._groups: list[_Group] = []
        for run, plane in planes:
            self.add(run, plane)

    @property
    def newest(self) -> int:
        """The highest run, 0 where there is none."""
        return max((run for group in self._groups for run in group.runs), default=0)

    def add(self, run: int, plane: bytes) -> None:
        """Take in the plane of a new run."""
        group = next((group for group in self._groups if 0 in group.runs), None)
        if group is None:
            group = _Group()
            self._groups.append(group)
        group.add(run, plane)

    def drop(self, gone: Iterable[int]) -> None:
        """Forget these runs."""
        doomed = set(gone)
        for group in self._groups:
            for slot, run in enumerate(group.runs):
                if run in doomed:
                    group.drop(slot)
        self._groups = [group for group in self._groups if any(group.runs)]

    def perhaps(self, hashes: Collection[int]) -> dict[int, list[int]]:
        """The runs that may hold a hash, oldest first, of those hashes for which there are any; of new ones few have any."""
        found: dict[int, list[int]] = {}
        for group in self._groups:
            words = group.words
            for h in hashes:
                both = words[h & _MASK] & words[(h >> 20) & _MASK] & words[(h >> 40) & _MASK]
                if both:
                    found[h] = sorted({*found.get(h, ()), *group.named(both)})
        return found
