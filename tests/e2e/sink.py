"""A PACS for tests: takes MLLP, answers as told, keeps what came in the order it came."""

import socket
import socketserver
from collections.abc import Callable
from threading import Lock, Thread
from typing import Self

START, END = b"\x0b", b"\x1c\r"

Answer = Callable[[bytes], bytes | None]


def accept(message: bytes, code: bytes = b"AA") -> bytes:
    """An answer with the message's control id."""
    header = message.split(b"\r", 1)[0].split(b"|")
    control_id = header[9] if len(header) > 9 else b""
    return b"MSH|^~\\&|PACS|H|RIS|H|20260820||ACK|S1|P|2.3.1\rMSA|" + code + b"|" + control_id + b"\r"


class Sink:
    """Listens from the start; `received` are the messages in order, over all connections."""

    def __init__(self, answer: Answer = accept, port: int = 0) -> None:
        self.received: list[bytes] = []
        self._answer = answer
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        sink = self

        class Talk(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                sink._talk(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Talk)
        self.port: int = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _talk(self, request: socket.socket) -> None:
        rest = b""
        self._open.add(request)
        try:
            while found := request.recv(65536):
                rest += found
                while END in rest:
                    frame, _, rest = rest.partition(END)
                    message = frame.removeprefix(START)
                    with self._lock:
                        self.received.append(message)
                    answer = self._answer(message)
                    if answer is not None:
                        request.sendall(START + answer + END)
        except OSError:
            pass  # the engine was killed: that is what some tests are about
        finally:
            self._open.discard(request)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for one in list(self._open):
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
