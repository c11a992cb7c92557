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

from engine.tls.naming import allowed, alternatives, called, told
from engine.tls.refusals import DATES, NO_LIST, told_error

MALFORMED = "a certificate of the peer is malformed: its CA must issue it anew"


@dataclass(slots=True)
class Meeting:
    """One handshake: who the peer says it is, and why that was not enough; "" while nothing is wrong."""

    problem: str = ""
    kind: str = ""  # of problem, without the names that a peer may choose
    peer: x509.Certificate | None = None

    def refuse(self, problem: str, kind: str) -> None:
        """Say what is wrong; the first counts."""
        if not self.problem:
            self.problem, self.kind = problem, kind


class Judge(Protocol):
    """Decides about each certificate of a peer's chain, as OpenSSL walks it from the root to the peer's own."""

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool: ...


class ClientJudge:
    """A listener's: the chain must be good, and the client one of `subjects`, where there are any."""

    def __init__(self, subjects: tuple[str, ...], trusted: Path | None) -> None:
        self._subjects = subjects
        self._trusted = short(trusted)

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool:
        """Whether OpenSSL may go on."""
        if not depth:
            meeting.peer = certificate
        if counts(error, depth):
            meeting.refuse(told_error(error, called(certificate), certificate, self._trusted), f"X509 {error}")
        elif not depth and self._subjects and not allowed(certificate, self._subjects):
            meeting.refuse(f"the client {called(certificate)} is none of `subjects`", "subjects")
        return not meeting.problem


class ServerJudge:
    """A destination's: the chain must be good and the name the one that was called; or the key the pinned one."""

    def __init__(self, name: str, pin: str, trusted: Path | None) -> None:
        self._name = name
        self._pin = pin
        self._trusted = short(trusted)

    def __call__(self, meeting: Meeting, certificate: x509.Certificate, error: int, depth: int) -> bool:
        """Whether OpenSSL may go on."""
        if not depth:
            meeting.peer = certificate
        if counts(error, depth) and not (self._pin and error not in DATES):
            who = called(certificate) if depth else self._name  # an issuer is not the server
            meeting.refuse(told_error(error, who, certificate, self._trusted), f"X509 {error}")
        elif not depth and self._pin:
            if pin_of(certificate) != self._pin:
                meeting.refuse(f"the key of {self._name} is not the pinned one but {pin_of(certificate)}", "pin")
        elif not depth and not names(certificate, self._name):
            meeting.refuse(not_for(certificate, self._name), "name")
        return not meeting.problem


def counts(error: int, depth: int) -> bool:
    """Whether OpenSSL's error is one: lists are wanted for the peer's own certificate, and for issuers where there are some."""
    return bool(error) and not (error == NO_LIST and depth)


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


def short(trusted: Path | None) -> str:
    """What a file of CAs is called; without one, what counts in its place."""
    return trusted.name if trusted is not None else "the system's CAs"


def not_for(certificate: x509.Certificate, name: str) -> str:
    """That a server's certificate is not for this host name or address, and for whom it is."""
    found = alternatives(certificate)
    if name in found:  # and yet refused
        return (
            f"the certificate is not for {name}, which it has as a DNS name and must have as an IP address (RFC 9525)"
        )
    whom = told(", ".join(found)) if found else f"nobody: it has no subject alternative name ({called(certificate)})"
    return f"the certificate is not for {name} but for {whom}"
