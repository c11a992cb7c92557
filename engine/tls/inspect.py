"""What is wrong with a certificate and its chain, one sentence each, with what to do about it.

OpenSSL stops at the first fault and calls it by a number; who has to write to the other side wants all of them, and whose
turn it is.
"""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from engine.tls.findings import Found
from engine.tls.meeting import names, not_for
from engine.tls.naming import alternatives, called, common_names, day, issuer_of, told
from engine.tls.path import WEAK_DIGESTS, is_ca, issued, passed_over, path_of
from engine.tls.purpose import use
from engine.tls.refusals import Verdict

RSA_BITS, EC_BITS = 2048, 224  # below, a key is weak (RFC 9325, 4.5)

_Fault = tuple[str, str]  # what is wrong, what to do about it


class Asked(NamedTuple):
    """What a chain is held against."""

    now: datetime
    purpose: str = ""  # "server" or "client": what the first certificate is used as; "": any
    name: str = ""  # the host that was called; "": none
    roots: Sequence[x509.Certificate] | None = None  # None: not to be judged
    roots_name: str = "the CA file"
    crls: Sequence[x509.CertificateRevocationList] = ()
    verdicts: Sequence[Verdict] = ()  # what OpenSSL said of it


def faults(chain: Sequence[x509.Certificate], asked: Asked) -> list[str]:
    """Everything wrong with a chain as it is sent or stands in a file, the owner's certificate first; empty: nothing."""
    leaf = chain[0]
    path = path_of(chain, asked.roots or (), asked.now)
    found = Found()
    for one in path:
        found.add("dates", one, dates, one, asked.now)
        found.add("weak", one, _weakness, one)
    found.add("use", leaf, use, leaf, asked.purpose)
    found.add("order", leaf, _order, chain)
    found.add("issuers", leaf, _issuers, path, chain, asked)
    found.add("revoked", leaf, revoked, leaf, asked.crls, asked.now)
    for verdict in asked.verdicts:
        found.add_verdict(verdict, asked.roots_name)
    if asked.name:
        found.add("name", leaf, _name, leaf, asked.name)
    return found.words


def notes(chain: Sequence[x509.Certificate], asked: Asked) -> list[str]:
    """What is old or weak among the certificates and is not used; it harms nobody."""
    roots = asked.roots or ()
    found = Found()
    for one in passed_over(path_of(chain, roots, asked.now), chain, roots):
        found.add("note", one, _idle, one, asked.now)
    return found.words


def _idle(one: x509.Certificate, now: datetime) -> Iterator[str]:
    for what, _ in (*_dates(one, now), *_weaknesses(one)):
        yield f"{what}; it is not used and may be left out"


def facts(certificate: x509.Certificate) -> str:
    """One certificate in a line."""
    names_in_it = told(", ".join(alternatives(certificate))) or "no subject alternative name"
    return (
        f"{called(certificate)}: {names_in_it}; issued by {issuer_of(certificate)}; "
        f"{certificate.not_valid_before_utc:%Y-%m-%d} to {day(certificate)}"
    )


def dates(one: x509.Certificate, now: datetime) -> Iterator[str]:
    """That a certificate is not valid now."""
    return (f"{what}{remedy}" for what, remedy in _dates(one, now))


def _dates(one: x509.Certificate, now: datetime) -> Iterator[_Fault]:
    begins, ends = one.not_valid_before_utc, one.not_valid_after_utc
    if now > ends:
        ago = (now - ends).days
        yield (
            f"{called(one)} expired on {day(one)}, {ago} day{'' if ago == 1 else 's'} ago",
            f": its owner must renew it; or this machine's clock is wrong ({now:%Y-%m-%d %H:%M} UTC)",
        )
    if now < begins:
        yield (
            f"{called(one)} is valid only from {begins:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M} here",
            ": set the clock right, of this machine or of the CA",
        )


def _weakness(one: x509.Certificate) -> Iterator[str]:
    return (f"{what}{remedy}" for what, remedy in _weaknesses(one))


def _weaknesses(one: x509.Certificate) -> Iterator[_Fault]:
    key = one.public_key()
    if isinstance(key, dsa.DSAPublicKey):
        yield (
            f"{called(one)} has a DSA key, which TLS does not use any more",
            ": issue it anew with EC P-256 or RSA 2048",
        )
    elif isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        kind, least = ("RSA", RSA_BITS) if isinstance(key, rsa.RSAPublicKey) else ("EC", EC_BITS)
        if key.key_size < least:
            yield (
                f"{called(one)} has an {kind} key of {key.key_size} bits, which is too weak",
                f": issue it anew with a key of its own of {least} bits or more",
            )
    digest = one.signature_hash_algorithm
    if one.issuer != one.subject and digest is not None and digest.name in WEAK_DIGESTS:
        yield (
            f"{called(one)} is signed with {digest.name.upper()}, which can be forged",
            ": its CA must issue it anew with SHA-256",
        )


def _order(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    if len(chain) > 1 and is_ca(chain[0]) and not all(map(is_ca, chain)):
        yield f"the certificates are in the wrong order: {called(chain[0])} is a CA's and stands first; put the owner's first, then its issuer, and so on up"
        return
    for one, following in itertools.pairwise(chain):
        if not issued(one, following) and any(issued(one, other) for other in chain if other is not one):
            yield f"the certificates are in the wrong order: {called(following)} follows {called(one)} and did not issue it; put each one's issuer behind it"
            return


def _issuers(path: Sequence[x509.Certificate], chain: Sequence[x509.Certificate], asked: Asked) -> Iterator[str]:
    """That the way up meets one that is no CA, or does not end in a root that is trusted."""
    if asked.roots is None:
        return
    for one, above in itertools.pairwise(path):
        if not is_ca(above):
            yield f"{called(above)} issued {called(one)} and is no CA: its basic constraints must say CA:TRUE"
    top = path[-1]
    if top not in asked.roots:
        yield _no_issuer(top, chain, asked)
    elif top.issuer != top.subject:
        yield f"{asked.roots_name} has {called(top)}, but not {issuer_of(top)}, which issued it: add that certificate there too, and so on up to a root"


def _no_issuer(one: x509.Certificate, chain: Sequence[x509.Certificate], asked: Asked) -> str:
    where = asked.roots_name
    if one.issuer == one.subject:
        if one is chain[0]:
            return f"{called(one)} is self-signed: if it is the right one, add it to {where}, or have a CA issue one"
        return f"the chain ends in {called(one)}, a CA that is not in {where}: add it there if you trust it"
    if any(root.subject == one.issuer for root in asked.roots or ()):
        return f"{where} has a CA called {issuer_of(one)}, but with another key than the one that issued {called(one)}: get its present certificate"
    if len(chain) == 1:
        return f"{called(one)} is issued by {issuer_of(one)}, which is neither in {where} nor sent along: the chain is incomplete if that is an intermediate (its owner must send it too, after its own certificate); if it is the CA itself, add it to {where}"
    return f"{called(one)} is issued by {issuer_of(one)}, an unknown CA: get that certificate from its owner and add it to {where}"


def revoked(leaf: x509.Certificate, crls: Sequence[x509.CertificateRevocationList], now: datetime) -> Iterator[str]:
    """What the list of its issuer says of a certificate: the newest that is valid now, as OpenSSL takes it."""
    if not crls:
        return
    own = [crl for crl in crls if crl.issuer == leaf.issuer]
    if not own:
        yield f"there is no revocation list of {issuer_of(leaf)}, the issuer of {called(leaf)}: add it to the CRL file"
        return
    best = max(own, key=lambda crl: (not list_dates(crl, now), crl.last_update_utc))
    yield from list_dates(best, now)
    entry = best.get_revoked_certificate_by_serial_number(leaf.serial_number)
    if entry is not None:
        yield f"{called(leaf)} was revoked by its CA on {entry.revocation_date_utc:%Y-%m-%d}: its owner needs a new one"


def list_dates(crl: x509.CertificateRevocationList, now: datetime) -> list[str]:
    """That a revocation list is not valid now."""
    issuer = told(crl.issuer.rfc4514_string())
    if crl.last_update_utc > now:
        return [
            f"the revocation list of {issuer} is valid only from {crl.last_update_utc:%Y-%m-%d %H:%M} UTC: set the clock right"
        ]
    if crl.next_update_utc is not None and crl.next_update_utc < now:
        return [
            f"the revocation list of {issuer} is out of date since {crl.next_update_utc:%Y-%m-%d}: fetch the CA's newest"
        ]
    return []


def _name(leaf: x509.Certificate, name: str) -> Iterator[str]:
    _ = leaf.extensions  # raises ValueError where one is malformed: then there is no saying for whom it is
    if names(leaf, name):
        return
    if name in alternatives(leaf):
        yield f"{not_for(leaf, name)}: have it issued with IP:{name}"
    elif alternatives(leaf):
        yield f"{not_for(leaf, name)}: call it by one of these (server_name), or have it issued with {name} as well"
    else:
        common = told(", ".join(common_names(leaf))) or "no name"
        yield f"the certificate has only the common name {common} and no subject alternative name, which is what counts (RFC 9525): have it issued with {name} as an alternative name"
