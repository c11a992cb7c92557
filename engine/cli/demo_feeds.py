"""The hospital's systems at work: each message goes to its listener, over a connection that stays open."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from threading import Event, Lock, Thread

from engine.cli.hospital.day import Said
from engine.cli.mllp_client import Address, MllpClient
from engine.errors import Retryable, Unreadable

_TIMEOUT = 10.0
_AGAIN = 0.5  # seconds before a message that nobody took is sent again


class Feeds:
    """Sends what the hospital says, in its order and at its pace, until it is stopped.

    Args:
        listeners: where each feed goes.
        said: the messages.
        rate: messages a second.
        ordered: is told of each imaging order before it leaves.
    """

    def __init__(
        self, listeners: Mapping[str, Address], said: Iterator[Said], rate: float, ordered: Callable[[Said], None]
    ) -> None:
        self._clients = {name: MllpClient(address, _TIMEOUT) for name, address in listeners.items()}
        self._said = said
        self._pause = 1 / rate
        self._ordered = ordered
        self._lock = Lock()
        self._stopping = Event()
        self._thread = Thread(target=self._work, name="hospital", daemon=True)
        self._sent: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self.failure: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the message that is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT + 1)

    def sent(self) -> dict[str, int]:
        """Messages taken, by feed."""
        with self._lock:
            return dict(self._sent)

    def refused(self) -> dict[str, int]:
        """Answers other than AA."""
        with self._lock:
            return {answer: count for answer, count in self._answers.items() if answer != "AA"}

    def _work(self) -> None:
        due = time.monotonic()
        try:
            while not self._stopping.wait(max(due - time.monotonic(), 0)):
                due = max(due + self._pause, time.monotonic() - 1)
                self._tell(next(self._said))
        except Exception as error:  # noqa: BLE001 - carried to the main thread, which ends the demonstration with it
            self.failure = error
        finally:
            for client in self._clients.values():
                client.close()

    def _tell(self, said: Said) -> None:
        """Send one message, again and again while nobody takes it, as every sending system does."""
        if said.accession:
            self._ordered(said)
        while not self._stopping.is_set():
            try:
                answer = self._clients[said.feed].exchange(said.body) or "AA"
            except (Retryable, Unreadable):
                self._stopping.wait(_AGAIN)
                continue
            with self._lock:
                self._sent[said.feed] += 1
                self._answers[answer] += 1
            return
