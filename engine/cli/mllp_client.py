"""One MLLP connection of a sending system, on the standard library's sockets: send, wait for the answer."""

import socket
import ssl
import time
from enum import IntEnum
from typing import NamedTuple

from engine.cli.secure import Secure, words
from engine.errors import ConfigError, Retryable, Unreadable
from engine.hl7.acknowledge import read_ack
from engine.hl7.msh import Msh, scan_msh

VT = b"\x0b"
FS_CR = b"\x1c\r"
_CHUNK = 65536
HIGHEST_PORT = 65535
PATIENCE = 1.0  # seconds for an answer that may rightly stay away


class Address(NamedTuple):
    """Where a system listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`HOST:PORT`, or only a port of this machine; raises ConfigError."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= HIGHEST_PORT:
        raise ConfigError(f"{text!r} is no address; write HOST:PORT, such as 127.0.0.1:2575")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


class MllpClient:
    """A connection that is opened at the first message and again after a failure; with `secure`, over TLS."""

    def __init__(self, address: Address, timeout: float, secure: Secure | None = None) -> None:
        self.address = address
        self._secure = secure
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._rest = b""

    def connect(self) -> None:
        """Open the connection now; raises Retryable when nobody listens there."""
        try:
            self._connected()
        except OSError as error:
            self.close()
            hint = self._doctor(error) or "; is anything listening there?"
            raise Retryable(f"{self.address}: {words(error)}{hint}") from error

    def exchange(self, message: bytes) -> str | None:
        """Send and return MSA-1 of the answer with its error code, `AA` or `AE 102`; None where none was asked for.

        Raises Retryable when nobody answers, Unreadable when what comes back is no acknowledgement of this message.
        """
        msh = _readable_msh(message)
        try:
            self._connected().sendall(VT + message + FS_CR)
            return self._answer(msh)
        except OSError as error:
            self.close()
            reason = f"no answer for {self._timeout:g} s" if isinstance(error, TimeoutError) else words(error)
            raise Retryable(f"{self.address}: {reason}{self._doctor(error)}") from error
        except (Retryable, Unreadable):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._rest = b""

    def _connected(self) -> socket.socket:
        if self._socket is None:
            plain = socket.create_connection(self.address, timeout=self._timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = plain if self._secure is None else self._secure.wrap(plain)
        return self._socket

    def _doctor(self, error: OSError) -> str:
        """Who can say more about a handshake that failed."""
        return f"; more from: backstory cert doctor {self.address}" if isinstance(error, ssl.SSLError) else ""

    def _answer(self, msh: Msh | None) -> str | None:
        wish = Asked.ALWAYS if msh is None else asked(msh)
        if wish is Asked.NEVER:
            return None
        try:
            ack = read_ack(self._frame(PATIENCE if wish is Asked.PERHAPS else self._timeout))
        except TimeoutError:
            if wish is Asked.PERHAPS:
                return None
            raise
        # an answer to bytes without a readable MSH has no control id to repeat
        if msh is not None and ack.echoed != msh.control_id:
            raise Unreadable(f"{self.address}: the answer is for another message")
        return f"{ack.code} {ack.error_code}".strip()

    def _frame(self, timeout: float) -> bytes:
        connection = self._connected()
        deadline = time.monotonic() + timeout
        while FS_CR not in self._rest:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            data = connection.recv(_CHUNK)
            if not data:
                raise Retryable(f"{self.address}: closed the connection without an answer")
            self._rest += data
        frame, _, self._rest = self._rest.partition(FS_CR)
        connection.settimeout(self._timeout)
        return frame.removeprefix(VT)


class Asked(IntEnum):
    """Whether the sender of a message asked for an acknowledgement."""

    ALWAYS = 0
    PERHAPS = 1  # on success only, or on an error only
    NEVER = 2


def asked(msh: Msh) -> Asked:
    """What MSH-15 asks for in the enhanced mode (MSH-15 or 16 valued); always in the original one (HL7 2.9.2)."""
    if not (msh.accept or msh.application):
        return Asked.ALWAYS
    return {b"NE": Asked.NEVER, b"ER": Asked.PERHAPS, b"SU": Asked.PERHAPS}.get(msh.accept, Asked.ALWAYS)


def _readable_msh(message: bytes) -> Msh | None:
    try:
        return scan_msh(message)
    except Unreadable:
        return None
