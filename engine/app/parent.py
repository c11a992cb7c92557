"""The line to the supervisor: its end closes when the supervisor dies, and then we stop (D18); ready and beats go out on it."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure


class ParentPipe(FileDescriptor):
    """Reads nothing but the end; writes lines and never waits for the reader.

    Args:
        fd: one end of a socket pair, or of a pipe; inherited from the supervisor.
        closed: called once when the other end is gone.
        reactor: watches the descriptor.
    """

    def __init__(self, fd: int, closed: Callable[[], None], reactor: Any) -> None:
        super().__init__(reactor)
        os.set_blocking(fd, False)
        self._fd = fd
        self._closed = closed

    def fileno(self) -> int:
        return self._fd

    def doRead(self) -> Exception | None:  # noqa: N802 - Twisted's name
        """Twisted calls this when there is something to read, or the end."""
        try:
            if os.read(self._fd, 4096):
                return None
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_DONE
        return CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Twisted calls this when the other end is gone."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # Twisted leaves it untyped
        self._closed()

    def line(self, word: str, args: Mapping[str, Any] | None = None) -> None:
        """Write `word {"json": ...}`; a supervisor that does not read loses lines, and its death is told by `closed`."""
        text = word if args is None else f"{word} {json.dumps(args)}"
        with suppress(OSError):
            os.write(self._fd, text.encode("ascii") + b"\n")
