"""Writing to a connection at once, where its socket takes all of it."""

from typing import Any


class Writer:
    """Writes in order; never waits.

    Twisted's `write` sends with the reactor's next turn, and asks epoll twice for that. A peer that reads its answers
    takes each of them at once; one that does not is written to in Twisted's way from then on.

    Args:
        transport: of a connection that is made; one that is no socket itself (TLS, tests) is written to in Twisted's way.
            A wrapper such as TLS hands on what it does not know to the socket below: `writeSomeData` found there would
            write plain text, so it counts only where the transport's own class has it.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        own = hasattr(type(transport), "writeSomeData") and not getattr(transport, "TLS", False)
        self._at_once: Any = transport.writeSomeData if own else None

    def __call__(self, data: bytes) -> None:
        """Write these bytes; that the connection is lost is told to the protocol, as always."""
        if self._at_once is None:
            self._transport.write(data)
            return
        sent = self._at_once(data)
        if sent == len(data):
            return
        self._at_once = None
        self._transport.write(data[sent:] if isinstance(sent, int) else data)
