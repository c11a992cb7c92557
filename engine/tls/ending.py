"""When certificates, CAs and revocation lists begin and end, and from when on somebody should know."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.tls.naming import called, told

OWN, AUTHORITY, LIST, PEER = "own certificate", "CA certificate", "revocation list", "peer's certificate"
DAY = timedelta(days=1)
SOON = 30 * DAY
SHORT = 7 * DAY  # a peer's certificate that lives so long at most is renewed by a machine
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
_ALWAYS = datetime(1950, 1, 1, tzinfo=UTC)
_ENDED = timedelta()


class Ending(NamedTuple):
    """Something that becomes invalid: whose, what it is called, when it ends and when it began."""

    owner: str  # "listener lab", "destination pacs"
    what: str  # one of the above
    name: str
    until: datetime
    begins: datetime = _ALWAYS

    @property
    def life(self) -> timedelta:
        """How long it is valid in all."""
        return self.until - self.begins

    @property
    def warning(self) -> timedelta:
        """How long before its end a person should know.

        Thirty days, or a quarter of a shorter life; a list is renewed by a machine shortly before its end, so that only
        its last twentieth means that nobody did.
        """
        return min(SOON, self.life / (20 if self.what == LIST else 4))

    @property
    def steps(self) -> list[timedelta]:
        """How long before its end it is told, falling; the last is its end."""
        first = self.warning + DAY if self.warning == SOON else self.warning  # "in 30 days" is less than 31
        further = [] if self.what == LIST else [step for step in (15 * DAY, 8 * DAY, 2 * DAY) if step < first]
        return [first, *further, _ENDED]

    def forgotten(self, now: datetime) -> bool:
        """Whether nobody needs to know any more: a peer's that ended, a month ago where a person renews it."""
        lingers = SOON if self.life > SHORT else _ENDED
        return self.what == PEER and now > self.until + lingers


class Span(NamedTuple):
    """When something is valid, and what it is called."""

    name: str
    begins: datetime
    ends: datetime


def of_certificate(owner: str, what: str, certificate: x509.Certificate) -> Ending:
    """A certificate's."""
    return Ending(owner, what, *_ordered(span_of(certificate)))


def of_authorities(owner: str, certificates: Iterable[x509.Certificate]) -> list[Ending]:
    """One for each CA."""
    return [of_certificate(owner, AUTHORITY, one) for one in newest(certificates)]


def newest(certificates: Iterable[x509.Certificate], now: datetime | None = None) -> list[x509.Certificate]:
    """Without those that have a renewed one with the same name and key beside them: they are not missed.

    `now`: one that is valid now goes before one that ends later.
    """

    def rank(one: x509.Certificate) -> tuple[bool, datetime]:
        _, begins, ends = span_of(one)
        return now is not None and begins <= now <= ends, ends

    found: dict[bytes, x509.Certificate] = {}
    for one in certificates:
        identity = _identity(one)
        if identity not in found or rank(found[identity]) < rank(one):
            found[identity] = one
    return list(found.values())


def of_lists(owner: str, file: str, lists: Sequence[x509.CertificateRevocationList]) -> list[Ending]:
    """One for each issuer; called by the file, and by the issuer where there are several."""
    spans = [span_of_list(one) for one in newest_lists(lists)]
    return [
        Ending(owner, LIST, f"{span.name} in {file}" if len(spans) > 1 else file, span.ends, span.begins)
        for span in spans
        if span.ends != _FOREVER
    ]


def newest_lists(lists: Iterable[x509.CertificateRevocationList]) -> list[x509.CertificateRevocationList]:
    """The one of each issuer that ends last."""
    found: dict[bytes, x509.CertificateRevocationList] = {}
    for one in lists:
        issuer = one.issuer.public_bytes()
        if issuer not in found or span_of_list(found[issuer]).ends < span_of_list(one).ends:
            found[issuer] = one
    return list(found.values())


def span_of(certificate: x509.Certificate) -> Span:
    """When a certificate is valid."""
    return Span(called(certificate), certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def span_of_list(one: x509.CertificateRevocationList) -> Span:
    """When a revocation list is; for ever where it names no end."""
    return Span(told(one.issuer.rfc4514_string()), one.last_update_utc, one.next_update_utc or _FOREVER)


def not_now(spans: Sequence[Span], now: datetime) -> str:
    """Why none of these is valid now, in words about the one that is the next or was the last; "" where one is."""
    if any(begins <= now <= ends for _, begins, ends in spans):
        return ""
    early = [span for span in spans if span.begins > now]
    if early:
        first = min(early, key=lambda span: span.begins)
        return f"{first.name} is valid only from {first.begins:%Y-%m-%d %H:%M} UTC"
    last = max(spans, key=lambda span: span.ends)
    return f"{last.name} expired on {last.ends:%Y-%m-%d}"


def _ordered(span: Span) -> tuple[str, datetime, datetime]:
    return span.name, span.ends, span.begins


def _identity(certificate: x509.Certificate) -> bytes:
    """Name and key; of a certificate that is not understood, all of it."""
    try:
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return certificate.subject.public_bytes() + key
    except (ValueError, UnsupportedAlgorithm):
        return certificate.public_bytes(Encoding.DER)
