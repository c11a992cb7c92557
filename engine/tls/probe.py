"""Meet a port as a TLS client and look at what it shows; nothing is sent but the handshake.

This is for `cert doctor` only: it goes on where a delivery would stop, so that everything wrong can be told at once.
"""

import socket
import time
from contextlib import suppress
from typing import NamedTuple

from cryptography import x509
from OpenSSL import SSL

from engine.tls.context import context_of, ssl_words
from engine.tls.meeting import MALFORMED, Meeting, counts, is_address
from engine.tls.plan import ClientTls
from engine.tls.refusals import Verdict

TIMEOUT = 10.0  # seconds for all of it
AFTER = 0.5  # seconds in which a server of TLS 1.3 may still refuse our certificate
_HANDSHAKE, _ALERT = b"\x16", b"\x15"


class Seen(NamedTuple):
    """What a port showed; `problem` says in words why there was no handshake, or what followed it."""

    chain: tuple[x509.Certificate, ...] = ()
    version: str = ""
    cipher: str = ""
    problem: str = ""
    verdicts: tuple[Verdict, ...] = ()  # what OpenSSL says against it, all of it


class _Listener:
    """Hears what OpenSSL says of each certificate, and has it go on."""

    def __init__(self) -> None:
        self.meeting = Meeting()
        self.verdicts: list[Verdict] = []

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool:  # noqa: ARG002 - a Judge
        if counts(error, depth):
            self.verdicts.append(Verdict(error, depth, certificate))
        return True


def look(host: str, port: int, plan: ClientTls) -> Seen:
    """A handshake as a destination has it, which goes on whatever the certificate is.

    Where that fails, one that takes everything, to say why it failed.
    """
    listener = _Listener()
    seen = _meet(host, port, plan.server_name, context_of(plan, listener), listener)
    seen = seen._replace(verdicts=tuple(listener.verdicts))
    if seen.chain or ("TLS" not in seen.problem and "cipher" not in seen.problem):
        return seen
    old = _meet(host, port, plan.server_name, _permissive(), _Listener())
    if not old.chain:
        return seen
    if old.version in {"TLSv1", "TLSv1.1"} or (old.version == "TLSv1.2" and plan.minimum == "1.3"):
        return old._replace(
            problem=f"the peer speaks nothing newer than {_spoken(old.version)}: it must be set to TLS {plan.minimum} or newer"
        )
    return old._replace(
        problem=f"the peer takes none of our cipher suites but {old.cipher}: it must offer ECDHE with AES-GCM or ChaCha20 (RFC 9325)"
    )


def _spoken(version: str) -> str:
    return version.replace("TLSv", "TLS ")


def _permissive() -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    return context


def _meet(host: str, port: int, name: str, context: SSL.Context, listener: _Listener) -> Seen:
    until = time.monotonic() + TIMEOUT
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as sock:
            wire = SSL.Connection(context, None)
            wire.set_app_data(listener)
            if not is_address(name):
                wire.set_tlsext_host_name(name.encode("idna"))
            wire.set_connect_state()
            return _handshake(wire, sock, until)
    except ConnectionRefusedError:
        return Seen(problem=f"the connection is refused: nothing listens on {host}:{port}, or a firewall says so")
    except TimeoutError:
        return Seen(
            problem=f"no connection within {TIMEOUT:g} s: {host}:{port} is not reachable; ask who runs the network"
        )
    except socket.gaierror:
        return Seen(problem=f"there is no host called {host}: mind the spelling, or the name server")
    except UnicodeError:  # of IDNA: the host's, or the name that TLS asks for
        wrong = f"{host} is no host name" if host == name else f"{host} or {name} is no host name"
        return Seen(problem=f"{wrong} (RFC 5890): mind the spelling")
    except OSError as error:
        return Seen(problem=f"no connection: {error.strerror or type(error).__name__}")


def _handshake(wire: SSL.Connection, sock: socket.socket, until: float) -> Seen:
    first = b""
    while True:
        try:
            wire.do_handshake()
        except SSL.WantReadError:
            _flush(wire, sock)
        except SSL.Error as error:
            _flush(wire, sock)
            return Seen(problem=_spoke(first) or wire.get_app_data().meeting.problem or ssl_words(error))
        else:
            _flush(wire, sock)
            try:
                chain = tuple(wire.get_peer_cert_chain(as_cryptography=True) or ())
            except ValueError:  # one that OpenSSL does not need, and takes
                return Seen(problem=MALFORMED)
            return Seen(chain, wire.get_protocol_version_name(), wire.get_cipher_name() or "", _afterwards(wire, sock))
        try:
            data = _receive(sock, until)
        except TimeoutError:
            return Seen(
                problem="the port does not answer a TLS hello: it speaks plain MLLP; turn TLS on there, or name another port"
            )
        except ConnectionError:
            data = b""
        if not data:
            return Seen(
                problem=_spoke(first)
                or "the port closed the connection at the TLS hello: it speaks plain MLLP; turn TLS on there, or name another port"
            )
        first = first or data[:8]
        wire.bio_write(data)


def _spoke(first: bytes) -> str:
    if first.startswith(b"HTTP/"):
        return "the port speaks HTTP: it is a web server's, not one for MLLP over TLS"
    if first.startswith(b"\x0b"):
        return "the port speaks plain MLLP: turn TLS on there, or name another port"
    if first and first[:1] not in {_HANDSHAKE, _ALERT}:
        return "the port speaks something that is not TLS: name another port"
    return ""


def _afterwards(wire: SSL.Connection, sock: socket.socket) -> str:
    """Whether a server refuses us only after the handshake, as in TLS 1.3."""
    with suppress(TimeoutError, ConnectionError, SSL.WantReadError, SSL.ZeroReturnError):
        until = time.monotonic() + AFTER
        while data := _receive(sock, until):
            wire.bio_write(data)
            try:
                wire.recv(1)
            except SSL.WantReadError:
                continue
            except SSL.ZeroReturnError:
                return ""
            except SSL.Error as error:
                return ssl_words(error)
    return ""


def _receive(sock: socket.socket, until: float) -> bytes:
    sock.settimeout(max(until - time.monotonic(), 0.001))
    return sock.recv(65536)


def _flush(wire: SSL.Connection, sock: socket.socket) -> None:
    with suppress(SSL.WantReadError, ConnectionError):
        while data := wire.bio_read(65536):
            sock.sendall(data)
