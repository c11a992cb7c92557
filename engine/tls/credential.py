"""A listener's or a destination's TLS: its context, and a new one when its files change; connections keep theirs."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from OpenSSL import SSL

from engine.errors import ConfigError
from engine.tls.context import context_of
from engine.tls.files import read_certificates, read_crls
from engine.tls.naming import called
from engine.tls.plan import Tls, files_of

MOST_PEERS = 64  # certificates of peers that are remembered

Stamp = tuple[int, int, int]  # mtime in ns, size, inode


class Ending(NamedTuple):
    """Something that becomes invalid: whose, what it is called, and when."""

    owner: str  # "listener lab", "destination pacs"
    what: str  # "own certificate", "revocation list", "peer's certificate"
    name: str
    until: datetime


class Credential:
    """Read once at the start (raises ConfigError), again by `look`; `context` is the newest that could be made."""

    def __init__(self, owner: str, plan: Tls) -> None:
        self.owner = owner
        self.plan = plan
        self.problem = ""  # why the files as they are now are not taken
        self._stamps = self._seen = self._look_at_files()
        self._peers: dict[str, x509.Certificate] = {}
        self.context, self._own = self._read()

    def look(self, *, force: bool = False) -> bool:
        """Whether other files were taken for new connections; `force`: read them in any case, at once.

        Files that changed since the last look are left for the next one: a certificate is written before or after its
        key, and between them the two do not fit. Raises ConfigError, once for each change, where they cannot be used;
        the context stays the one that was.
        """
        stamps = self._look_at_files()
        settled, self._seen = stamps == self._seen, stamps
        if not force and (stamps == self._stamps or not settled):
            return False
        self._stamps = stamps
        try:
            self.context, self._own = self._read()
        except ConfigError as error:
            self.problem = str(error)
            raise
        self.problem = ""
        return True

    def met(self, peer: x509.Certificate | None) -> None:
        """A peer was accepted with this certificate; its end is watched."""
        if peer is not None:
            name = called(peer)
            self._peers.pop(name, None)
            self._peers[name] = peer
            if len(self._peers) > MOST_PEERS:
                self._peers.pop(next(iter(self._peers)))

    def endings(self) -> list[Ending]:
        """Own certificates, revocation lists and peers, as far as they are known."""
        return [*self._own, *(_ending(self.owner, "peer's certificate", one) for one in list(self._peers.values()))]

    def _read(self) -> tuple[SSL.Context, list[Ending]]:
        context = context_of(self.plan)
        own = []
        if self.plan.certificate is not None:
            own = [_ending(self.owner, "own certificate", one) for one in read_certificates(self.plan.certificate)]
        if self.plan.crl is not None:
            ends = [crl.next_update_utc for crl in read_crls(self.plan.crl)]
            own += [Ending(self.owner, "revocation list", self.plan.crl.name, end) for end in ends if end is not None]
        return context, own

    def _look_at_files(self) -> Mapping[Path, Stamp | None]:
        return {path: _stamp(path) for path in files_of(self.plan)}


def _ending(owner: str, what: str, certificate: x509.Certificate) -> Ending:
    return Ending(owner, what, called(certificate), certificate.not_valid_after_utc)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
