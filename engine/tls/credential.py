"""A listener's or a destination's TLS: its context, and a new one when its files change; connections keep theirs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from OpenSSL import SSL

from engine.errors import ConfigError
from engine.tls.context import context_of
from engine.tls.ending import (
    OWN,
    PEER,
    Ending,
    Span,
    newest,
    not_now,
    of_authorities,
    of_certificate,
    of_lists,
    span_of,
    span_of_list,
)
from engine.tls.files import read_certificates, read_crls
from engine.tls.naming import called
from engine.tls.plan import ServerTls, Tls, files_of
from engine.tls.purpose import CLIENT, SERVER, unfit

MOST_PEERS = 64  # certificates of peers that are remembered

_SECOND = timedelta(seconds=1)

Stamp = tuple[int, int, int]  # mtime in ns, size, inode


class _Read(NamedTuple):
    """What the files hold."""

    context: SSL.Context
    endings: list[Ending]
    spans: dict[Path, list[Span]]  # by file; of each, one at least must be valid now
    unfit: str = ""  # why peers may refuse our certificate for its use


def _now() -> datetime:
    return datetime.now(UTC)


class Credential:
    """Read once at the start (raises ConfigError), again by `look`; `context` is the newest that could be made."""

    def __init__(self, owner: str, plan: Tls, now: Callable[[], datetime] = _now) -> None:
        self.owner = owner
        self.plan = plan
        self._now = now
        self.problem = ""  # why the files as they are now are not taken
        self._stamps = self._seen = self._look_at_files()
        self._peers: dict[str, x509.Certificate] = {}
        self._again: datetime | None = None  # when the files as they are are better than the present ones
        self._held = self._read()

    @property
    def context(self) -> SSL.Context:
        """What new connections have."""
        return self._held.context

    @property
    def unfit(self) -> str:
        """Why peers may refuse the certificate that new connections have, for what it may be used for; "": they do not."""
        return self._held.unfit

    def look(self, *, force: bool = False) -> bool:
        """Whether other files were taken for new connections; `force`: read them in any case, at once.

        Files that changed since the last look are left for the next one: a certificate is written before or after its
        key, and between them the two do not fit. Raises ConfigError, once for each change, where they cannot be used;
        the context stays the one that was. That is so as well where they are not valid now, or the certificate may not be
        used for this, and the present ones are and may; what is not valid yet is taken when it is, and what may not be used
        in the place of one that has ended.
        """
        stamps = self._look_at_files()
        settled, self._seen = stamps == self._seen, stamps
        due = self._again is not None and self._now() >= self._again
        if not (force or due) and (stamps == self._stamps or not settled):
            return False
        self._stamps, self._again = stamps, None
        try:
            found = self._read()
            self._check_dates(found)
            self._check_use(found)
        except ConfigError as error:
            self.problem = str(error)
            raise
        self.problem, self._held = "", found
        return True

    def met(self, peer: x509.Certificate | None) -> None:
        """A peer was accepted with this certificate; its end is watched."""
        if peer is not None:
            name = called(peer)
            self._peers.pop(name, None)
            self._peers[name] = peer
            if len(self._peers) > MOST_PEERS:
                self._peers.pop(next(iter(self._peers)))

    def forget(self, now: datetime) -> None:
        """Peers whose certificates have ended do not come back with them."""
        for name, peer in list(self._peers.items()):
            if of_certificate(self.owner, PEER, peer).forgotten(now):
                self._peers.pop(name, None)

    def endings(self) -> list[Ending]:
        """Own certificates, CAs, revocation lists and peers, as far as they are known."""
        return [*self._held.endings, *(of_certificate(self.owner, PEER, one) for one in list(self._peers.values()))]

    def _read(self) -> _Read:
        plan, owner = self.plan, self.owner
        found = _Read(context_of(plan), [], {})
        if plan.certificate is not None:
            chain = read_certificates(plan.certificate)
            found.endings.extend(of_certificate(owner, OWN, one) for one in newest(chain))
            found.spans[plan.certificate] = [span_of(chain[0])]
            found = found._replace(unfit=unfit(chain[0], SERVER if isinstance(plan, ServerTls) else CLIENT))
        if plan.trusted is not None:
            authorities = read_certificates(plan.trusted)
            found.endings.extend(of_authorities(owner, authorities))
            found.spans[plan.trusted] = [span_of(one) for one in authorities]
        if plan.crl is not None:
            lists = read_crls(plan.crl)
            found.endings.extend(of_lists(owner, plan.crl.name, lists))
            found.spans[plan.crl] = [span_of_list(one) for one in lists]
        return found

    def _check_dates(self, found: _Read) -> None:
        """Raises ConfigError where a file has nothing that is valid now and the present one has."""
        now = self._now()
        for path, spans in found.spans.items():
            why = not_now(spans, now)
            if why and not not_now(self._held.spans[path], now):
                self._again = min((span.begins for span in spans if span.begins > now), default=None)
                raise ConfigError(f"{path}: {why}; the present one stays, which is valid now")

    def _check_use(self, found: _Read) -> None:
        """Raises ConfigError where peers would refuse our new certificate for its use and take the present one."""
        path = self.plan.certificate
        if path is None or not found.unfit or self._held.unfit or not_now(self._held.spans[path], self._now()):
            return
        self._again = max(span.ends for span in self._held.spans[path]) + _SECOND
        raise ConfigError(f"{path}: {found.unfit}; the present one stays as long as it is valid")

    def _look_at_files(self) -> Mapping[Path, Stamp | None]:
        return {path: _stamp(path) for path in files_of(self.plan)}


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
