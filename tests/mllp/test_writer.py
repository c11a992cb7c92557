"""Bytes leave at once where the socket takes them, and in order where it does not."""

import pytest
from twisted.internet.main import CONNECTION_LOST

from engine.mllp.writer import Writer


class Transport:
    """A socket that takes `room` bytes, then no more; what is buffered goes after what was sent."""

    def __init__(self, room: int | Exception) -> None:
        self.room = room
        self.sent = b""
        self.buffered: list[bytes] = []

    def writeSomeData(self, data: bytes) -> int | Exception:  # noqa: N802 - Twisted's name
        assert not self.buffered, "what was buffered first would be overtaken"
        if isinstance(self.room, Exception):
            return self.room
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def write(self, data: bytes) -> None:
        self.buffered.append(data)


@pytest.mark.parametrize("room", range(13))
def test_order_holds_wherever_the_socket_is_full(room: int) -> None:
    transport = Transport(room)
    write = Writer(transport)
    for part in (b"abc", b"defg", b"hi", b"jkl"):
        write(part)
    assert transport.sent + b"".join(transport.buffered) == b"abcdefghijkl"
    assert len(transport.sent) == room


def test_a_lost_connection_is_left_to_the_reactor() -> None:
    """What the socket refuses goes to Twisted, which notices the loss and tells the protocol."""
    transport = Transport(CONNECTION_LOST)
    Writer(transport)(b"abc")
    assert transport.buffered == [b"abc"]


def test_a_transport_that_cannot_write_at_once_is_written_to_its_own_way() -> None:
    class Plain:
        def __init__(self) -> None:
            self.buffered = b""

        def write(self, data: bytes) -> None:
            self.buffered += data

    transport = Plain()
    write = Writer(transport)
    write(b"ab")
    write(b"cd")
    assert transport.buffered == b"abcd"
