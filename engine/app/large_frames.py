"""The thread that judges and prepares large frames and batches, so that neither the reactor nor a commit waits for it."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from engine.app.journal_items import Asker, Intake, Unjudged
from engine.channel.ports import Received

Prepare = Callable[[Received], Received]
Failed = Callable[[Unjudged, Exception], None]


class LargeFrames:
    """Takes frames and passes them on, those of one connection in order, and one of each connection in turn.

    Args:
        make: gives the function that prepares what is kept; called in the thread, when the first frame comes.
        put: hands an item to the journal.
        failed: is told of a frame that could not be judged: one frame must not end the process for all.
    """

    def __init__(self, make: Callable[[], Prepare], put: Callable[[Intake], None], failed: Failed) -> None:
        self._make = make
        self._put = put
        self._failed = failed
        self._changed = Condition()
        self._waiting: dict[Asker, deque[Intake | Unjudged]] = {}  # in the order in which their turns come
        self._stopping = False
        self._thread: Thread | None = None

    def put(self, item: Intake | Unjudged) -> None:
        """Hand in a frame; in the reactor."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="large frames", daemon=True)
            self._thread.start()
        with self._changed:
            self._waiting.setdefault(item.asker, deque()).append(item)
            self._changed.notify()

    def stop(self, timeout: float = 10.0) -> bool:
        """Pass on what was handed in, and end; returns whether that happened in time."""
        if self._thread is None:
            return True
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _next(self) -> Intake | Unjudged | None:
        """The first frame of the connection whose turn it is, which is the last to have the next one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if not self._waiting:
                return None
            asker = next(iter(self._waiting))
            frames = self._waiting.pop(asker)
            item = frames.popleft()
            if frames:
                self._waiting[asker] = frames
            return item

    def _run(self) -> None:
        prepare = self._make()
        while (item := self._next()) is not None:
            if isinstance(item, Intake):
                self._put(item._replace(apart=True))
                continue
            try:
                judged = item.judge()
                received = tuple(prepare(one) for one in judged.received)
            except Exception as error:  # noqa: BLE001 - process loop: one frame must not end the process for all
                self._failed(item, error)
            else:
                self._put(Intake(item.asker, judged._replace(received=received), item.size, apart=True))
