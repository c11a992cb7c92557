"""The control socket of a process: JSON lines over a unix socket that only the same user and root may use (D17).

A command is (id, who, verb, arguments); the process that carries it out commits its effect together with the id, so the
same command again changes nothing. `call` is the other end, for the command line and the other processes.
"""

import json
import os
import pwd
import socket
import struct
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple

from engine.app.hints import bind, connect, unbind
from engine.errors import BackstoryError, Rejected, Retryable

MAX_LINE = 64 * 1024 * 1024  # a deferred result or an edited message travels in one line
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED


class NotAnswered(Retryable):
    """A process did not answer in time; what it was asked may still be done."""


class Command(NamedTuple):
    """What somebody asks of a process."""

    id: str
    who: str
    verb: str
    args: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Command({self.id}, {self.verb})"


Handle = Callable[[Command], Mapping[str, Any]]


class ControlServer:
    """Answers each caller in a thread of its own, and carries out one command at a time.

    Args:
        path: the socket, DATA/run/<process>.sock.
        handle: carries a command out and returns what to answer. It runs in the caller's thread; a BackstoryError it
            raises becomes the refusal's text, any other exception only its type.
    """

    def __init__(self, path: Path, handle: Handle) -> None:
        self._path = path
        self._handle = handle
        self._one_at_a_time = Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._inode = bind(self._socket, path)
        self._socket.listen(16)
        self._thread = Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        unbind(self._path, self._inode)
        with suppress(OSError):  # not connected is what a listening socket says to shutdown, after waking accept
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            # one caller each: a slow one must not keep the others from their answer
            Thread(target=self._talk, args=(connection,), name="control-call", daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # a caller that left early needs no answer
            connection.settimeout(60)
            if not _same_user(connection):
                connection.sendall(_line({"ok": False, "error": "only the engine's own user and root may do that"}))
                return
            with connection.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE):
                    connection.sendall(_line(self._answer(line)))

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            command = _command(line)
            with self._one_at_a_time:
                return {"ok": True, **self._handle(command)}
        except BackstoryError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - told to the caller by its type; its text may quote a message
            return {"ok": False, "error": f"unexpected {type(error).__name__}"}


def _command(line: bytes) -> Command:
    try:
        words = json.loads(line)
        return Command(str(words["id"]), str(words.get("who", "")), str(words["verb"]), dict(words.get("args") or {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Rejected("a command is one JSON object with id, who, verb and args") from None


def _same_user(connection: socket.socket) -> bool:
    _, uid, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size),
    )
    return uid in (0, os.getuid())


def _line(words: Mapping[str, Any]) -> bytes:
    return json.dumps(words).encode("ascii") + b"\n"


def call(
    path: Path,
    verb: str,
    args: Mapping[str, Any] | None = None,
    *,
    command_id: str = "",
    who: str = "",
    timeout: float = 10,
) -> dict[str, Any]:
    """Ask a process for something and return its answer.

    `command_id` and `who` are given by who passes a command on; the same id again changes nothing.

    Raises:
        Retryable: nobody listens there; NotAnswered where the answer did not come in time.
        Rejected: the process refused; the text says why.
    """
    line = _line({"id": command_id or uuid.uuid4().hex, "who": who or user(), "verb": verb, "args": dict(args or {})})
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(timeout)
            connect(sock, path)
            with suppress(BrokenPipeError, ConnectionResetError):  # refused unread: the answer is there, and says why
                sock.sendall(line)
            with sock.makefile("rb") as lines:
                answer = lines.readline(MAX_LINE)
    except TimeoutError:
        still = "" if verb == "status" else "; what was asked may still be done, so look before asking again"
        raise NotAnswered(f"{path.stem}: no answer within {timeout:g} s{still}") from None
    except OSError as error:
        raise Retryable(f"{path.stem} is not running ({error.strerror or type(error).__name__})") from None
    if not answer:
        raise Retryable(f"{path.stem} ended before it answered")
    words: dict[str, Any] = json.loads(answer)
    if not words.pop("ok", False):
        raise Rejected(str(words.get("error", "refused")))
    return words


def user() -> str:
    """The login name of who calls, for the record of a command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
