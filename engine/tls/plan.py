"""What a listener's or a destination's `tls:` asks for, with absolute paths; light enough for every process."""

from pathlib import Path
from typing import NamedTuple


class ServerTls(NamedTuple):
    """A listener's side."""

    certificate: Path
    key: Path
    client_ca: Path | None = None  # given: a client without a certificate of it is refused
    subjects: tuple[str, ...] = ()  # given: any other client is refused
    minimum: str = "1.2"
    crl: Path | None = None

    @property
    def trusted(self) -> Path | None:
        """The CAs that peers' certificates are issued by."""
        return self.client_ca


class ClientTls(NamedTuple):
    """A destination's side; without `ca` the system's CAs count."""

    server_name: str  # compared with the server's certificate, and sent as SNI
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    pin: str = ""  # sha256/BASE64 of the server's public key, in place of issuer and name
    minimum: str = "1.2"
    crl: Path | None = None

    @property
    def trusted(self) -> Path | None:
        """The CAs that peers' certificates are issued by."""
        return self.ca


Tls = ServerTls | ClientTls


def files_of(plan: Tls) -> tuple[Path, ...]:
    """Every file that is read for it."""
    named = (plan.certificate, plan.key, plan.trusted, plan.crl)
    return tuple(path for path in named if path is not None)
