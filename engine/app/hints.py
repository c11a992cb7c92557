"""Hints: one byte on a datagram socket that says "look now". They only wake; both sides also poll (D7).

A hint is dropped when nobody listens or the queue is full (about ten datagrams), which is right: one is enough.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_LONGEST = 100  # sun_path holds 107 bytes


def bind(sock: socket.socket, path: Path) -> int:
    """Bind a unix socket with mode 0600, in place of one that a dead process left; paths of any length.

    Returns what `unbind` wants to know: the file's inode, which is nobody else's while the socket is open.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        _through_folder(sock.bind, path)
    finally:
        os.umask(before)
    return path.lstat().st_ino


def unbind(path: Path, inode: int) -> None:
    """Remove the file of a socket that is still open, unless another process has bound its own there since.

    The processes of an engine whose supervisor was killed may end after the next engine has begun.
    """
    with suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()


def connect(sock: socket.socket, path: Path) -> None:
    """Connect a unix socket; paths of any length. Raises OSError where nobody listens."""
    _through_folder(sock.connect, path)


def _through_folder(act: Callable[[str], object], path: Path) -> None:
    if len(os.fsencode(path)) <= _LONGEST:
        act(str(path))
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        act(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


class HintReceiver:
    """The end that is woken: `fileno` for a selector, `drain` before looking."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._inode = bind(self._socket, path)

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> int:
        """Take all hints that wait; returns how many there were."""
        count = 0
        with suppress(BlockingIOError):
            while self._socket.recv(16):
                count += 1
        return count

    def close(self) -> None:
        unbind(self._path, self._inode)
        self._socket.close()


class HintSender:
    """The end that wakes; the other side may be away, come later, or be restarted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def send(self) -> bool:
        """Wake the other side, never wait; False when there was nobody, or enough hints wait already."""
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._socket.send(b".")
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            connect(sock, self._path)
        except OSError:
            sock.close()
            raise
        return sock
