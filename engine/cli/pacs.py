"""A stand-in for a PACS: takes messages over MLLP and answers as it is told, on the standard library's sockets."""

import socket
import socketserver
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import NamedTuple

from engine.cli.mllp_client import FS_CR, VT
from engine.cli.secure import words
from engine.errors import Unreadable
from engine.hl7.acknowledge import AckError, acknowledge
from engine.hl7.msh import Msh, scan_msh

_CHUNK = 65536
_HANDSHAKE = 10.0  # seconds for it


class Behaviour(NamedTuple):
    """How the stand-in answers."""

    answer: str = "AA"  # MSA-1
    error: str = ""  # ERR code with it, "207"
    delay: float = 0.0  # seconds before each answer
    drop: int = 0  # close the connection instead of answering, at every so manieth message; 0 = never


class PacsStandIn:
    """Listens until it is closed; `received` is called with each message, one at a time, before its answer leaves.

    With `secure` it speaks TLS, and `refused` is told in words of each handshake that failed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        behaviour: Behaviour,
        received: Callable[[bytes, str], None] = lambda *_: None,
        secure: ssl.SSLContext | None = None,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.behaviour = behaviour
        self.secure = secure
        self.refused = refused
        self.counts: Counter[str] = Counter()
        self._received = received
        self._lock = Lock()
        self._number = 0
        self._closing = Event()
        self._server = _Server((host, port), self)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on, also where 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to listen, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and close every connection."""
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()

    def answer(self, frame: bytes) -> bytes | None:
        """Count a message and make its answer; None: close the connection without one."""
        if self._closing.wait(self.behaviour.delay):
            return None
        with self._lock:
            self._number += 1
            dropped = self.behaviour.drop > 0 and self._number % self.behaviour.drop == 0
            answer = "no answer" if dropped else self.behaviour.answer
            self.counts[answer] += 1
            self._received(frame, answer)
            return None if dropped else self._acknowledgement(frame)

    def _acknowledgement(self, frame: bytes) -> bytes:
        msh = _msh(frame)
        code, error = self.behaviour.answer, None
        if msh is None:
            code, error = "AR", AckError("100", "MSH^1", "no MSH segment could be read")
        elif self.behaviour.error:
            error = AckError(self.behaviour.error, "MSH^1", "the stand-in was told to refuse")
        now = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        return acknowledge(msh, code, now=now, control_id=f"SINK{self._number}", error=error)


def _msh(frame: bytes) -> Msh | None:
    try:
        return scan_msh(frame)
    except Unreadable:
        return None


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], stand_in: PacsStandIn) -> None:
        self.stand_in = stand_in
        self._open: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def get_request(self) -> tuple[socket.socket, object]:
        """A connection; of TLS the handshake comes later, in the connection's own thread."""
        connection, address = super().get_request()
        if self.stand_in.secure is not None:
            connection.settimeout(_HANDSHAKE)
            connection = self.stand_in.secure.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: object, client_address: object) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type] # the stubs also speak of datagrams

    def shutdown_request(self, request: object) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type] # as above

    def close_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):  # the other side may have closed it
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # wakes who reads it, which close does not
            connection.close()


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Frames one after the other until the other side closes."""
        if isinstance(self.request, ssl.SSLSocket):
            try:
                self.request.do_handshake()
            except OSError as error:
                self.server.stand_in.refused(words(error))
                return
            self.request.settimeout(None)
        rest = b""
        while data := self._read():
            rest += data
            while FS_CR in rest:
                frame, _, rest = rest.partition(FS_CR)
                answer = self.server.stand_in.answer(frame.lstrip().removeprefix(VT))
                if answer is None:
                    return
                self.request.sendall(VT + answer + FS_CR)

    def _read(self) -> bytes:
        try:
            return self.request.recv(_CHUNK)
        except OSError:
            # the other side has gone, or the stand-in was closed: either way the connection is over
            return b""
