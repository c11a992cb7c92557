"""TLS of `backstory send` and `backstory sink`, on the standard library's sockets."""

import socket
import ssl
from pathlib import Path
from typing import NamedTuple

from engine.errors import ConfigError
from engine.tls.plan import ClientTls, ServerTls, Tls


class Secure(NamedTuple):
    """What a client speaks TLS with."""

    context: ssl.SSLContext
    server_name: str

    def wrap(self, plain: socket.socket) -> socket.socket:
        """Shake hands over an open connection; raises OSError."""
        return self.context.wrap_socket(plain, server_hostname=self.server_name)


def client(plan: ClientTls) -> Secure:
    """Read the files of a sender; raises ConfigError in one line."""
    context = ssl.create_default_context(cafile=_looked_at(plan).trusted)
    _harden(context)
    if plan.certificate is not None:
        context.load_cert_chain(plan.certificate, plan.key)
    return Secure(context, plan.server_name)


def server(plan: ServerTls) -> ssl.SSLContext:
    """Read the files of a receiver; raises ConfigError in one line."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=_looked_at(plan).trusted)
    _harden(context)
    context.load_cert_chain(plan.certificate, plan.key)
    if plan.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def words(error: OSError) -> str:
    """What went wrong on a connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or type(error).__name__).lower().replace('_', ' ')}"
    return error.strerror or str(error)


def pair(certificate: Path | None, key: Path | None) -> None:
    """A certificate is of no use without its key; raises ConfigError."""
    if (certificate is None) != (key is None):
        raise ConfigError("--certificate and --key go together")


def _looked_at(plan: Tls) -> Tls:
    """The plan; the engine's own reader says in words what is wrong with a file, which the standard library does not."""
    from engine.tls.context import context_of  # noqa: PLC0415 - OpenSSL, which only TLS needs

    context_of(plan)
    return plan


def _harden(context: ssl.SSLContext) -> None:
    from engine.tls.context import CIPHERS  # noqa: PLC0415 - as above

    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS.decode("ascii"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # what the engine takes, its tools take
