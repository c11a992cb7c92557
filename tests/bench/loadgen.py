"""A closed-loop MLLP load generator: N connections, each sends its next message when it has its answer.

One thread, one epoll, no library: the generator shares the machine with what it measures, so it must cost little. Runs
as a process of its own: `python -m tests.bench.loadgen --port 2575 --connections 8 --seconds 10` prints one JSON line.
"""

import argparse
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

END = b"\x1c\r"
Messages = Iterator[bytes]  # framed, one after the other


class Load(NamedTuple):
    """What a run measured; latencies in seconds."""

    acked: int
    refused: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return self.acked / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def summary(self) -> dict[str, float]:
        return {
            "acked": self.acked,
            "refused": self.refused,
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "p50_ms": round(self.percentile(0.5) * 1000, 3),
            "p99_ms": round(self.percentile(0.99) * 1000, 3),
        }


class _Sender:
    """One connection."""

    def __init__(self, address: tuple[str, int], messages: Messages, secure: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure is not None:
            self.socket = secure.wrap_socket(self.socket, server_hostname="localhost")
        self.messages = messages
        self.sent_at = 0.0
        self.answer = b""


def run(
    address: tuple[str, int],
    connections: int,
    seconds: float,
    messages: Callable[[int], Messages],
    *,
    limit: int = 0,
    rate: float = 0.0,
    secure: ssl.SSLContext | None = None,
) -> Load:
    """Send for `seconds`, or until `limit` messages are acknowledged.

    Args:
        address: of the listener.
        connections: how many senders.
        seconds: for how long.
        messages: framed messages of connection n, without end or until it has no more.
        limit: stop after so many answers; 0 for none.
        rate: messages per second over all connections; 0 for as fast as they are answered.
        secure: TLS of the connections, which are made before the clock starts and kept.
    """
    senders = [_Sender(address, messages(number), secure) for number in range(connections)]
    try:
        return _Loop(senders, limit, rate).run(seconds)
    finally:
        for sender in senders:
            sender.socket.close()


class _Loop:
    def __init__(self, senders: list[_Sender], limit: int, rate: float) -> None:
        self._by_fd = {sender.socket.fileno(): sender for sender in senders}
        self._limit = limit
        self._rate = rate
        self._idle = list(senders)
        self._sent = 0
        self._acked = 0
        self._refused = 0
        self._latencies: list[float] = []

    def run(self, seconds: float) -> Load:
        poll = select.epoll()
        for fd in self._by_fd:
            poll.register(fd, select.EPOLLIN)
        begin = now = time.perf_counter()
        until = begin + seconds
        while self._by_fd and now < until and not (self._limit and self._acked + self._refused >= self._limit):
            self._send(begin, now)
            for fd, _ in poll.poll(self._wait(begin, now, until)):
                self._receive(fd, poll)
            now = time.perf_counter()
        poll.close()
        return Load(self._acked, self._refused, now - begin, self._latencies)

    def _wait(self, begin: float, now: float, until: float) -> float:
        if self._rate and self._idle:
            return max(0.0, min(until, begin + self._sent / self._rate) - now)
        return until - now

    def _send(self, begin: float, now: float) -> None:
        due = int((now - begin) * self._rate) + 1 - self._sent if self._rate else len(self._idle)
        while self._idle and due > 0:
            sender = self._idle.pop()
            message = next(sender.messages, None)
            if message is None:
                continue  # it has sent all it had
            sender.sent_at = time.perf_counter()
            sender.socket.sendall(message)
            self._sent += 1
            due -= 1

    def _receive(self, fd: int, poll: select.epoll) -> None:
        sender = self._by_fd[fd]
        data = sender.socket.recv(65536)
        if not data:
            poll.unregister(fd)
            del self._by_fd[fd]
            return
        sender.answer += data
        if not sender.answer.endswith(END):
            return
        if b"\rMSA|AA|" in sender.answer or b"\rMSA|CA|" in sender.answer:
            self._acked += 1
        else:
            self._refused += 1
        self._latencies.append(time.perf_counter() - sender.sent_at)
        sender.answer = b""
        self._idle.append(sender)


def numbered(template: bytes, prefix: str) -> Callable[[int], Messages]:
    """Framed copies of a message whose MSH-10 is `@@`, with a number of their own in its place."""
    head, tail = (b"\x0b" + template).split(b"@@")
    tail += END

    def messages(connection: int) -> Messages:
        number = 0
        while True:
            number += 1
            yield b"%b%b%d.%d%b" % (head, prefix.encode(), connection, number, tail)

    return messages


ORU = (
    b"MSH|^~\\&|LAB|HOSP|BST|HOSP|20260819093100||ORU^R01^ORU_R01|@@|P|2.5.1\r"
    b"PID|1||100345^^^HOSP^MR||LOAD^GENERATED^A||19600101|F|||1 MAIN ST^^CHICAGO^IL^60601\r"
    b"PV1|1|I|4W^401^1||||1234^WELBY^MARCUS\r"
    b"ORC|RE|P100|F100||CM\rOBR|1|P100|F100|24323-8^Comprehensive metabolic panel^LN|||20260819090000\r"
    b"OBX|1|NM|2160-0^Creatinine^LN||1.4|mg/dL|0.5-1.1|H|||F|||20260819090000\r"
    b"OBX|2|NM|98979-8^eGFR^LN||38|mL/min/{1.73_m2}|>60|L|||F|||20260819090000\r"
    b"OBX|3|NM|2951-2^Sodium^LN||139|mmol/L|136-145||||F|||20260819090000\r"
)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args()
    messages = numbered(ORU, f"L{time.time_ns():x}.")
    load = run((options.host, options.port), options.connections, options.seconds, messages, rate=options.rate)
    print(json.dumps(load.summary()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
