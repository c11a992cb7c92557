"""The PACS of a bench: answers AA to everything, notes when each MSH-10 came, and can hold its answers back.

A process of its own with one epoll: it shares the machine with what is measured. Prints its port, then obeys lines on
standard input: `hold`, `open`, `count`, `times` and `facts` (JSON objects: accession -> monotonic seconds, facts in its note), `forget`,
`end`.
"""

import json
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

END = b"\x1c\r"
ROOT = Path(__file__).parents[2]
ACCESSION = 18  # OBR-18
_FACT = re.compile(rb"\[\w+ [A-Z0-9]{3}, R\d\d\]")  # `[lab OBX, R01]`, by which a note says where each fact stands


class _Server:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        self._open: dict[int, tuple[socket.socket, bytearray]] = {}
        self._arrived: list[tuple[float, bytes]] = []
        self._held: list[tuple[socket.socket, bytes]] | None = None
        print(self._listener.getsockname()[1], flush=True)

    def run(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._listener.fileno():
                    self._accept()
                elif fd != sys.stdin.fileno():
                    self._read(fd)
                elif not self._obey(sys.stdin.readline().strip()):
                    return

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[connection.fileno()] = connection, bytearray()
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        connection, rest = self._open[fd]
        try:
            found = connection.recv(65536)
        except ConnectionResetError:
            found = b""
        now = time.perf_counter()
        if not found:
            self._poll.unregister(fd)
            del self._open[fd]
            connection.close()
            return
        rest += found
        while (end := rest.find(END)) >= 0:
            message = bytes(rest[1:end])
            del rest[: end + 2]
            self._arrived.append((now, message))
            answer = (
                b"\x0bMSH|^~\\&|PACS|H|BST|H|20260820||ACK|S1|P|2.3.1\rMSA|AA|%b\r" % message.split(b"|", 10)[9] + END
            )
            if self._held is None:
                connection.sendall(answer)
            else:
                self._held.append((connection, answer))

    def _obey(self, word: str) -> bool:
        if word == "hold":
            self._held = []
        elif word == "open":
            for connection, answer in self._held or ():
                connection.sendall(answer)
            self._held = None
        elif word == "forget":
            self._arrived.clear()
        elif word == "times":
            print(json.dumps({accession(message): at for at, message in self._arrived}), flush=True)
        elif word == "facts":
            found = {accession(message): len(_FACT.findall(message)) for _, message in self._arrived}
            print(json.dumps(found), flush=True)
        if word in {"hold", "open", "forget", "count"}:
            print(len(self._arrived), flush=True)
        return word not in {"end", ""}


def accession(message: bytes) -> str:
    """OBR-18 of the first OBR."""
    at = message.find(b"\rOBR|")
    return message[at + 1 :].split(b"\r", 1)[0].split(b"|")[ACCESSION].decode() if at >= 0 else ""


class Pacs:
    """The process, started and asked."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.bench.pacs"]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.port = int(self._line())

    def tell(self, word: str) -> int:
        """Have it obey; returns how many messages it has counted."""
        self._write(word)
        return int(self._line())

    def times(self) -> dict[str, float]:
        """When each accession came, in seconds of time.perf_counter()."""
        return self._asked("times")

    def facts(self) -> dict[str, int]:
        """How many facts stand in each order's note."""
        return self._asked("facts")

    def _asked(self, word: str) -> dict[str, Any]:
        self._write(word)
        found: dict[str, Any] = json.loads(self._line())
        return found

    def _write(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the bench's PACS ended")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write("end")
        self._process.wait(10)


if __name__ == "__main__":
    _Server().run()
