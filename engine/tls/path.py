"""The way from a certificate up to a root that is trusted, as OpenSSL walks it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

WEAK_DIGESTS = frozenset({"md5", "sha1"})


def path_of(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """From the first certificate up; the last is a self-signed root, or has no issuer here.

    What is trusted goes before what is sent along, and from it only to what is trusted; of several with the same name and
    key the one that is valid, and of those the one that ends last.
    """
    path, trusted = [chain[0]], False
    while not (path[-1] in roots and _names_itself(path[-1])):
        one = path[-1]
        above = _best((other for other in roots if issued(one, other)), now)
        if above is not None:
            trusted = True
        elif not trusted:
            above = _best((other for other in chain if issued(one, other)), now)
        if above is None or above in path:
            break
        path.append(above)
    return path


def passed_over(
    path: Sequence[x509.Certificate], chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """What is sent along, or trusted and would fit as well, and is not on the path."""
    others = [root for root in roots if any(issued(one, root) for one in path)]
    return [one for one in dict.fromkeys((*chain, *others)) if one not in path]


def _names_itself(one: x509.Certificate) -> bool:
    try:
        return one.issuer == one.subject
    except ValueError:
        return False


def _best(fitting: Iterable[x509.Certificate], now: datetime) -> x509.Certificate | None:
    def rank(one: x509.Certificate) -> tuple[bool, datetime]:
        return one.not_valid_before_utc <= now <= one.not_valid_after_utc, one.not_valid_after_utc

    return max(fitting, key=rank, default=None)


def issued(one: x509.Certificate, by: x509.Certificate) -> bool:
    """Whether a certificate was signed by another's key, and names it."""
    try:
        one.verify_directly_issued_by(by)
    except (TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    except ValueError:  # another name, or a digest that is not looked at any more
        return _issued_weakly(one, by)
    return True


def _issued_weakly(one: x509.Certificate, by: x509.Certificate) -> bool:
    """As `issued`, of a signature with SHA-1 or MD5."""
    try:
        digest = one.signature_hash_algorithm
        if one.issuer != by.subject or digest is None or digest.name not in WEAK_DIGESTS:
            return False
        key = by.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(one.signature, one.tbs_certificate_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(one.signature, one.tbs_certificate_bytes, ec.ECDSA(digest))
        else:
            return False
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_ca(one: x509.Certificate) -> bool:
    """Whether it may issue others; raises ValueError where it is malformed."""
    try:
        return bool(one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return one.issuer == one.subject
