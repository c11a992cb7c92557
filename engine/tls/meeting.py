"""What is learned about a peer in one handshake, and why it was refused: fixed words and names of certificates."""

import base64
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from engine.tls.naming import allowed, alternatives, called, day, told

_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_...; the numbers are part of OpenSSL's interface


@dataclass(slots=True)
class Meeting:
    """One handshake: who the peer says it is, and why that was not enough; "" while nothing is wrong."""

    problem: str = ""
    peer: x509.Certificate | None = None


class Judge(Protocol):
    """Decides about each certificate of a peer's chain, as OpenSSL walks it from the root to the peer's own."""

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool: ...


class ClientJudge:
    """A listener's: the chain must be good, and the client one of `subjects`, where there are any."""

    def __init__(self, subjects: tuple[str, ...], trusted: Path | None) -> None:
        self._subjects = subjects
        self._trusted = _short(trusted)

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool:
        """Whether OpenSSL may go on."""
        if not depth:
            meeting.peer = certificate
        if error:
            meeting.problem = meeting.problem or told_error(error, called(certificate), certificate, self._trusted)
        elif not depth and self._subjects and not allowed(certificate, self._subjects):
            meeting.problem = f"the client {called(certificate)} is none of `subjects`"
        return not meeting.problem


class ServerJudge:
    """A destination's: the chain must be good and the name the one that was called; or the key the pinned one."""

    def __init__(self, name: str, pin: str, trusted: Path | None) -> None:
        self._name = name
        self._pin = pin
        self._trusted = _short(trusted)

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool:
        """Whether OpenSSL may go on."""
        if not depth:
            meeting.peer = certificate
        if error and not (self._pin and error not in {_EXPIRED, _NOT_YET}):
            meeting.problem = meeting.problem or told_error(error, self._name, certificate, self._trusted)
        elif not depth and self._pin:
            if pin_of(certificate) != self._pin:
                meeting.problem = f"the key of {self._name} is not the pinned one but {pin_of(certificate)}"
        elif not depth and not names(certificate, self._name):
            meeting.problem = f"the certificate is not for {self._name} but for {_for(certificate)}"
        return not meeting.problem


def names(certificate: x509.Certificate, name: str) -> bool:
    """Whether a server's certificate is for this host name or address (RFC 9525: alternatives only, no common name)."""
    check = verify_certificate_ip_address if is_address(name) else verify_certificate_hostname
    try:
        check(certificate, name)
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def is_address(name: str) -> bool:
    """Whether a host is given as an IP address."""
    return ":" in name or name.replace(".", "").isdigit()


def pin_of(certificate: x509.Certificate) -> str:
    """The pin of a certificate's public key, as `pin:` takes it."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256/" + base64.b64encode(sha256(key).digest()).decode()


def told_error(error: int, who: str, certificate: x509.Certificate, trusted: str) -> str:
    """OpenSSL's reason (X509_V_ERR_...) in words, about the certificate at which it stopped."""
    known = {
        _NOT_YET: f"the certificate of {who} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d}",
        _EXPIRED: f"the certificate of {who} expired on {day(certificate)}",
        18: f"the certificate of {who} is self-signed and not in {trusted}",
        23: f"the certificate of {who} is revoked",
        3: f"the revocation list has nothing from the issuer of {who}",
        12: "the revocation list is out of date; its issuer has a newer one",
        26: f"the certificate of {who} is for another purpose",
        24: f"the certificate of {called(certificate)} is no CA's, yet it issued another",
        66: f"the key of {who} is too weak",
        67: f"the key of {called(certificate)} is too weak",
        68: f"the certificate of {who} is signed with a weak digest",
    }
    unknown = dict.fromkeys((2, 19, 20, 21), f"the certificate of {who} is not issued by {trusted}")
    return {**known, **unknown}.get(error, f"the certificate of {who} was refused (X509 error {error})")


def _short(trusted: Path | None) -> str:
    return trusted.name if trusted is not None else "the system's CAs"


def _for(certificate: x509.Certificate) -> str:
    found = alternatives(certificate)
    return told(", ".join(found)) if found else f"nobody: it has no subject alternative name ({called(certificate)})"
