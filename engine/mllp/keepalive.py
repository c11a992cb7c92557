"""Peers that vanished without a word: found by TCP itself (RFC 9293, 3.8.4; RFC 5482)."""

import socket
from typing import Any

_PROBES = 3
_LONGEST = 32_767  # seconds that Linux takes


def keep_alive(transport: Any, within: float) -> None:
    """Let TCP close a connection whose peer is gone: within so many seconds, idle or with bytes it never took.

    A transport without a socket (tests) is left as it is.
    """
    transport.setTcpKeepAlive(True)
    wire = getattr(transport, "socket", None)
    if wire is None:
        return
    idle = min(max(round(within / 2), 1), _LONGEST)
    between = min(max(round(within / 8), 1), _LONGEST)
    for option, value in (
        (socket.TCP_KEEPIDLE, idle),
        (socket.TCP_KEEPINTVL, between),
        (socket.TCP_KEEPCNT, _PROBES),
        (socket.TCP_USER_TIMEOUT, round(min(within, _LONGEST) * 1000)),
    ):
        wire.setsockopt(socket.IPPROTO_TCP, option, value)
