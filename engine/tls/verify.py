"""What OpenSSL says of a chain that was not met in a handshake."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from cryptography import x509
from OpenSSL import crypto

from engine.tls.refusals import DATES, Verdict


def verdicts_of(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> list[Verdict]:
    """Its first error, and, where that is a date, the first besides dates; without a handshake it stops there."""
    return list(_verdicts(chain, roots))


def _verdicts(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> Iterator[Verdict]:
    store = crypto.X509Store()
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    first = _first(store, chain)
    if first is None:
        return
    yield first
    if first.error in DATES:
        store.set_time(max(one.not_valid_before_utc for one in (*chain, first.certificate)) + timedelta(seconds=1))
        again = _first(store, chain)
        if again is not None and again.error not in DATES:
            yield again


def _first(store: crypto.X509Store, chain: Sequence[x509.Certificate]) -> Verdict | None:
    own, *further = map(crypto.X509.from_cryptography, chain)
    try:
        crypto.X509StoreContext(store, own, further).verify_certificate()
    except crypto.X509StoreContextError as error:
        number, depth, _ = error.errors
        return Verdict(number, depth, error.certificate.to_cryptography())
    return None
