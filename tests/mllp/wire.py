"""A transport and a listener for tests: no reactor, no socket."""

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from engine.mllp.listener import ConnectionRules, MllpListener


class Wire(StringTransport):
    """What a protocol writes to, with the options of TCP and an end that can be seen."""

    def __init__(self, host="10.0.0.7", port=40312):
        super().__init__(peerAddress=IPv4Address("TCP", host, port))
        self.no_delay = False
        self.aborted = False

    def setTcpNoDelay(self, enabled):  # noqa: N802
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled):  # noqa: N802
        self.keep_alive = enabled

    def abortConnection(self):  # noqa: N802
        self.aborted = True
        super().abortConnection()

    @property
    def closing(self):
        return self.disconnecting

    @property
    def reading(self):
        return self.producerState == "producing"

    def take(self):
        """What was written since the last look."""
        written = self.value()
        self.clear()
        return written


class Ward:
    """A listener whose frames are collected and answered by the test."""

    def __init__(self, room=None, **rules):
        self.clock = Clock()
        self.frames = []
        self.answered = 0
        self.faults: list[tuple[str, str]] = []
        self.listener = MllpListener(
            ConnectionRules(**rules),
            lambda *frame: self.frames.append(frame),
            lambda *f: self.faults.append(f),
            self.clock,
            room,
        )
        self.listener.doStart()

    def connect(self, host="10.0.0.7", port=40312):
        """A new connection, or None where it is refused."""
        wire = Wire(host, port)
        connection = self.listener.buildProtocol(wire.getPeer())
        if connection is None:
            return None, None
        connection.makeConnection(wire)
        return connection, wire

    def advance(self, seconds):
        """Let time pass in steps of the listener's tick."""
        self.clock.pump([0.25] * round(seconds / 0.25))

    @property
    def bodies(self):
        return [event.body for _, event in self.frames]
