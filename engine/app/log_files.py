"""Events on their way to disk: JSON lines, one file per channel and one per process, rotated by size (D22).

`emit` only queues (under a microsecond or two, from any thread); `flush` renders and writes, once per batch. Lines are
made here and not by a logging library, which would only pass them on (docs/adr/0009).
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import IO, Any

from engine.app.clock import SECOND, Clock
from engine.app.events import Event, Level

MAX_BYTES = 16 * 1024 * 1024
KEEP = 5
MAX_PENDING = 100_000  # a disk that stopped taking logs must not take the memory as well

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


class LogFile:
    """One file of JSON lines; past `max_bytes` it becomes FILE.1, FILE.1 becomes FILE.2, and FILE.KEEP is dropped."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, keep: int = KEEP) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._file: IO[bytes] | None = None
        self._size = 0

    def write(self, lines: bytes) -> None:
        """Append whole lines in one write; raises OSError."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self.path.open("ab", buffering=0)
            self._size = self._file.tell()
        if self._size and self._size + len(lines) > self._max_bytes:
            self._rotate()
        self._file.write(lines)
        self._size += len(lines)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._file = self.path.open("ab", buffering=0)
        self._size = 0


class Logs:
    """The log files of one process.

    Args:
        folder: DATA/logs.
        process: `network`, `worker` or `supervisor`; names the file of events without a channel.
        clock: stamps the lines.
        level: events below it are dropped by `emit`.
    """

    def __init__(self, folder: Path, process: str, clock: Clock, level: Level = Level.INFO) -> None:
        self._folder = folder
        self._process = process
        self._clock = clock
        self._level = level
        self._pending: deque[tuple[int, Event]] = deque(maxlen=MAX_PENDING)
        self._files: dict[str, LogFile] = {}
        self._lock = Lock()
        self.lost = 0  # lines that the disk did not take

    def emit(self, event: Event) -> None:
        """Queue an event; an ERROR is written at once, since the process may be about to end."""
        level = event.level
        if level < self._level:
            return
        self._pending.append((self._clock.wall(), event))
        if level >= Level.ERROR:
            self.flush()

    def flush(self) -> None:
        """Write what is queued, one write per file. A disk that takes no logs never stops a message: lines are counted."""
        if not self._pending:
            return
        with self._lock:
            lines: dict[str, list[str]] = {}
            while self._pending:
                at, event = self._pending.popleft()
                lines.setdefault(getattr(event, "channel", "") or self._process, []).append(
                    line(self._process, at, event)
                )
            for name, texts in lines.items():
                self._write(name, texts)

    def close(self) -> None:
        """Write what is queued and close the files."""
        self.flush()
        with self._lock:
            for file in self._files.values():
                file.close()

    def _write(self, name: str, lines: list[str]) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = LogFile(self._folder / f"{name}.log")
        try:
            file.write(("\n".join(lines) + "\n").encode("ascii"))
        except OSError:
            # the one place where losing is right: the feed goes on, `status` shows the count
            self.lost += len(lines)
            file.close()


def words(event: Event) -> dict[str, Any]:
    """The fields of an event by name."""
    kind = type(event)
    reader = _READERS.get(kind)
    if reader is None:
        reader = _READERS[kind] = _reader(kind)
    names, values = reader
    return dict(zip(names, values(event), strict=True))


def _reader(kind: type[Event]) -> tuple[tuple[str, ...], Callable[[Event], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind))
    if len(names) < 2:
        return names, lambda event: tuple(getattr(event, name) for name in names)
    return names, attrgetter(*names)


def line(process: str, at: int, event: Event) -> str:
    """An event as a JSON line: when, how much it matters, who, what, and then the event's own fields."""
    seconds, microseconds = divmod(at, SECOND)
    found = {
        "at": f"{_second(seconds)}.{microseconds:06d}Z",
        "level": _LEVELS[event.level],
        "process": process,
        "event": type(event).__name__,
        **words(event),
    }
    return _encode(found)


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


_READERS: dict[type[Event], tuple[tuple[str, ...], Callable[[Event], tuple[Any, ...]]]] = {}
_LEVELS = {level: level.name.lower() for level in Level}
