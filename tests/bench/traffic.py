"""What the senders of a bench send: the week of `fill` goes on, ADT 40, ORU 40, ORM 20 %, about the same 3,000 patients."""

import time
from collections.abc import Callable, Iterator, Sequence

from tests.bench.fill import One, body_of, feed_of, patient_of
from tests.bench.loadgen import Messages

FIRST = 1_000_000_000  # above every number of a week, so that no control id or accession is used twice


class Traffic:
    """Numbered messages, each made once in the life of a data folder."""

    def __init__(self, patients: int, first: int = FIRST) -> None:
        self.patients = patients
        self._next = first

    def take(self, count: int, *, feed: str = "") -> list[One]:
        """The next messages: of the mix, or of one feed only."""
        found: list[One] = []
        received = time.time_ns() // 1000
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(received // 1_000_000)).encode()
        while len(found) < count:
            number = self._next
            self._next += 1
            if not feed or feed_of(number) == feed:
                found.append(One(number, feed_of(number), patient_of(number, self.patients), received, stamp))
        return found


def framed(one: One) -> bytes:
    return b"\x0b" + body_of(one) + b"\x1c\r"


def mean_bytes(frames: Sequence[bytes]) -> float:
    """Bytes of a message without its frame."""
    return sum(map(len, frames)) / len(frames) - 3


def dealt(frames: Sequence[bytes], connections: int) -> Callable[[int], Messages]:
    """Frames dealt to connections like cards, made beforehand so that the generator costs little."""

    def messages(connection: int) -> Iterator[bytes]:
        return iter(frames[connection::connections])

    return messages
