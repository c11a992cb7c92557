"""Peers as nobody wants them, each a process of its own: `python tests/e2e/bad_peers.py KIND PORT CONNECTIONS`.

They come from 127.0.0.2, so that a sender at 127.0.0.1 is another address. A peer prints `ready` when it is at work, and ends
when its standard input closes; then it prints how many frames it has had acknowledged. It goes on when it is disconnected.
"""

import base64
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

FROM = "127.0.0.2"
START, END = b"\x0b", b"\x1c\r"
PACE = 0.005  # seconds between two connections of the slow
MEGABYTES_16 = 16 * 1024 * 1024


def message(number: int, tail: bytes = b"") -> bytes:
    """A message with a control id of its own."""
    return b"MSH|^~\\&|BAD|HOSP|||20260819||ORU^R01|%d.%d|P|2.5\rPID|1||1\r%b" % (os.getpid(), number, tail)


def framed(body: bytes) -> bytes:
    return START + body + END


def large(number: int) -> bytes:
    """A message just below 16 MiB that does not compress well, as a scanned letter."""
    part = base64.b64encode(os.urandom(2_250_000))
    return framed(message(number, b"".join(b"OBX|%d|ED|PDF||^AP^^Base64^%b\r" % (n, part) for n in range(1, 6))))


def million_segments(number: int) -> bytes:
    return framed(message(number, b"OBX|1|NM||\r" * 1_000_000))


def million_in_a_batch(number: int) -> bytes:
    return framed(b"FHS|^~\\&\rBHS|^~\\&\r" + message(number) * 200_000)


def full_batch(number: int) -> bytes:
    """As many messages as a listener takes in one batch, nearly; each is kept."""
    name = b"%d.%d" % (os.getpid(), number)
    one = b"MSH|^~\\&|BAD|HOSP|||20260819||ORU^R01|%b.%d|P|2.5\rPID|1||1\r"
    return framed(b"BHS|^~\\&|BAD|HOSP|||||||%b\r" % name + b"".join(one % (name, n) for n in range(9_990)))


class Peer:
    """A connection to the listener, made anew when it is gone."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.acked = 0
        self.connect()

    def connect(self) -> None:
        self.socket = socket.socket()
        self.socket.bind((FROM, 0))
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", self._port))

    def again(self) -> None:
        self.socket.close()
        self.connect()

    def reset(self) -> None:
        """Leave with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.again()

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            self.again()

    def exchange(self, data: bytes) -> None:
        """Send and wait for one answer."""
        self.send(data)
        self.answer()

    def answer(self) -> None:
        """Wait for one answer, and count it."""
        try:
            answer = b""
            while END not in answer:
                found = self.socket.recv(65536)
                if not found:
                    raise ConnectionResetError
                answer += found
            self.acked += b"|AA|" in answer
        except OSError:
            self.again()


def slow(port: int, count: int) -> Iterator[int]:
    """Connections that send a byte a second each, for ever, in a message that never ends."""
    peers = []
    for _ in range(count):
        peers.append(Peer(port))
        peers[-1].send(START + b"MSH|^~\\&|")
        time.sleep(PACE / 10)
    yield 0
    while True:
        for n, peer in enumerate(peers):
            peer.send(b"x")
            if n % max(count // 200, 1) == 0:
                time.sleep(PACE)
                yield 0


def back_to_back(make: Callable[[int], bytes]) -> Callable[[int, int], Iterator[int]]:
    """Large frames, one after the other, on each connection."""

    def kind(port: int, count: int) -> Iterator[int]:
        frames = [make(n) for n in range(4)]
        peers = [Peer(port) for _ in range(count)]
        yield 0
        for n in range(10**9):
            old, new = (b"|%d.%d|" % (os.getpid(), number) for number in (n % 4, n + 4))
            peers[n % count].exchange(frames[n % 4].replace(old, new, 1))
            yield sum(peer.acked for peer in peers)

    return kind


def full_batches(port: int, count: int) -> Iterator[int]:
    """Batches that are accepted, on each connection one after the other, so that there is always one; each is new."""
    peers = [Peer(port) for _ in range(count)]
    for n, peer in enumerate(peers):
        peer.send(full_batch(n))
    yield 0
    for n in range(count, 10**9):
        peers[n % count].answer()
        peers[n % count].send(full_batch(n))
        yield 9_990 * sum(peer.acked for peer in peers)


def tiny(port: int, count: int) -> Iterator[int]:
    """Small messages without waiting; answers are read and counted when there are any."""
    peers = [Peer(port) for _ in range(count)]
    by_fd = {peer.socket.fileno(): peer for peer in peers}
    poll = select.epoll()
    for fd, peer in by_fd.items():
        peer.socket.setblocking(False)
        poll.register(fd, select.EPOLLIN | select.EPOLLOUT)
    rest = dict.fromkeys(by_fd, b"")
    number = acked = 0
    yield 0
    while True:
        for fd, event in poll.poll(1):
            sock = by_fd[fd].socket
            if event & select.EPOLLIN:
                acked += sock.recv(1 << 20).count(b"MSA|AA|")
            if event & select.EPOLLOUT:
                if not rest[fd]:
                    rest[fd] = b"".join(framed(message(number + n)) for n in range(200))
                    number += 200
                rest[fd] = rest[fd][sock.send(rest[fd]) :]
        yield acked


def pushing(make: Callable[[int], bytes]) -> Callable[[int, int], Iterator[int]]:
    """Bytes without end, whose answers are never taken; `make` is given how often each connection has sent."""

    def kind(port: int, count: int) -> Iterator[int]:
        peers = [Peer(port) for _ in range(count)]
        for peer in peers:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.socket.settimeout(0.05)
        yield 0
        for number in range(10**9):
            for peer in peers:
                try:
                    peer.socket.send(make(number))
                except TimeoutError:
                    pass
                except OSError:
                    peer.again()
                    peer.socket.settimeout(0.05)
            yield 0

    return kind


def hundred(number: int) -> bytes:
    return b"".join(framed(message(number * 100 + n)) for n in range(100))


def beginnings(_number: int) -> bytes:
    """The beginnings of messages, each cut off by the next."""
    return b"\x0bMSH" * 65_536


def storm(port: int, count: int) -> Iterator[int]:
    """Connects and leaves, in order, by RST, after junk, after an empty frame, after half a frame, with half closed."""
    yield 0
    peers = [Peer(port) for _ in range(count)]
    while True:
        for n, peer in enumerate(peers):
            peer.send((b"", b"GET / HTTP/1.1\r\n\r\n", START + END, START + b"MSH|^~\\&|", b"\x16\x03\x01")[n % 5])
            try:
                if n % 3 == 0:
                    peer.socket.shutdown(socket.SHUT_WR)
                peer.reset() if n % 2 else peer.again()
            except OSError:
                peer.again()
        yield 0


KINDS: dict[str, Callable[[int, int], Iterator[int]]] = {
    "slow": slow,
    "large": back_to_back(large),
    "segments": back_to_back(million_segments),
    "batches": back_to_back(million_in_a_batch),
    "full_batches": full_batches,
    "tiny": tiny,
    "never_reads": pushing(hundred),
    "never_ends": pushing(beginnings),
    "storm": storm,
}


def main() -> None:
    kind, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    acked = 0
    for number, acked in enumerate(KINDS[kind](port, count)):  # noqa: B007 - the last one is printed
        if not number:
            print("ready", flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    print(acked, flush=True)


if __name__ == "__main__":
    main()
