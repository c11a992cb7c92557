"""OpenSSL's reasons for refusing a certificate (X509_V_ERR_...; the numbers are part of its interface) in words."""

from typing import NamedTuple

from cryptography import x509

from engine.tls.bindings import error_string
from engine.tls.naming import day, issuer_of


class Verdict(NamedTuple):
    """OpenSSL's error about one certificate of a chain; depth 0 is the peer's own."""

    error: int
    depth: int
    certificate: x509.Certificate


NOT_YET, EXPIRED, NO_LIST = 9, 10, 3
DATES = frozenset({NOT_YET, EXPIRED})
ISSUERS = frozenset({2, 7, 18, 19, 20, 21})  # there is no way up to a CA that is trusted
LISTS = frozenset({NO_LIST, 8, 11, 12, 23, 33, 35, 36, 44, 54})  # about revocation
WEAK = frozenset({66, 67, 68})
PURPOSE, NO_CA, REVOKED = 26, 79, 23

_SIGNS_NOT = "{its} may not sign certificates, yet it issued another: its key usage lacks keyCertSign, or its basic constraints CA:TRUE"
_NAMES = "{its} has a name that its CA may not issue for (name constraints)"
_CONSTRAINTS = "{its} stands below name constraints that are not understood"
_WORDS = {
    NOT_YET: "{its} is valid only from {begins}",
    EXPIRED: "{its} expired on {ends}",
    7: "{its} was changed, or is signed with another key than that of {issuer}",
    **dict.fromkeys((2, 19, 20, 21), "{its} is not issued by {trusted}"),
    18: "{its} is self-signed and not in {trusted}",
    REVOKED: "{its} is revoked",
    24: "{its} has no key that could be read, yet it issued another",
    25: "{its} may not issue so long a chain: the path length of its basic constraints is exceeded",
    PURPOSE: "{its} is for another purpose: its key usage or extended key usage does not allow this one",
    28: "{its} is rejected for this purpose",
    **dict.fromkeys((32, 79), _SIGNS_NOT),
    34: "{its} has a critical extension that is not known here",
    41: "{its} has an extension that is malformed",
    **dict.fromkeys((47, 48), _NAMES),
    **dict.fromkeys((49, 51, 52, 53), _CONSTRAINTS),
    66: "the key of {who} is too weak",
    67: "the key of {who} is too weak",
    68: "{its} is signed with a weak digest",
    NO_LIST: "the revocation list has nothing from the issuer of {who}",
    8: "the revocation list of {issuer} is not signed with the key of this CA",
    11: "the revocation list of {issuer} is not valid yet",
    12: "the revocation list of {issuer} is out of date; its issuer has a newer one",
    33: "the issuer of the revocation list of {issuer} is not known",
    35: "{issuer} may not sign revocation lists: its key usage lacks cRLSign",
    36: "the revocation list of {issuer} has a critical extension that is not known here",
    44: "the revocation list of {issuer} is for other certificates",
    54: "the revocation list of {issuer} is signed by somebody who may not",
}


def told_error(error: int, who: str, certificate: x509.Certificate, trusted: str) -> str:
    """Why OpenSSL refused, about the certificate at which it stopped; `who` is called so, `trusted` are the CAs."""
    words = _WORDS.get(error)
    if words is None:
        return f"the certificate of {who} was refused: {error_string(error)} (X509 error {error})"
    return words.format(
        its=f"the certificate of {who}",
        who=who,
        issuer=issuer_of(certificate),
        trusted=trusted,
        begins=f"{certificate.not_valid_before_utc:%Y-%m-%d}",
        ends=day(certificate),
    )
