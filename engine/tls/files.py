"""Certificates, keys and revocation lists from files; what a file holds instead is said in words.

Raises ConfigError everywhere: one line that names the file and what to do. Keys are never part of it.
"""

import re
from collections.abc import Container, Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from engine.errors import ConfigError
from engine.tls.naming import called

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_END = re.compile(rb"-----END ([A-Z0-9 ]+)-----")
_PKCS7_DATA = bytes.fromhex("06092a864886f70d010701")  # what a PKCS #12 file begins with, after its version
_CERTIFICATE = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_OTHERS_MAY = 0o007  # of a key's mode


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file in their order, at least one."""
    raw = _read(path)
    found = [block for kind, block in _blocks(raw) if kind in _CERTIFICATE]
    _check_whole(raw, path, _CERTIFICATE, len(found))
    if not found:
        raise ConfigError(f"{path}: {_instead(raw, path, 'certificate')}")
    try:
        return tuple(map(x509.load_pem_x509_certificate, found))
    except ValueError:
        raise ConfigError(f"{path}: a certificate in it is damaged; ask for the file again") from None


def read_key(path: Path) -> PrivateKeyTypes:
    """The private key of a PEM file, which only its owner and a group may read."""
    raw = _read(path)
    if path.stat().st_mode & _OTHERS_MAY:
        raise ConfigError(f"{path}: everybody on this machine may read the private key; chmod o= {path}")
    found = [(kind, block) for kind, block in _blocks(raw) if kind.endswith("PRIVATE KEY")]
    _check_whole(raw, path, {kind for kind in _kinds(_BEGIN, raw) if kind.endswith("PRIVATE KEY")}, len(found))
    if not found:
        raise ConfigError(f"{path}: {_instead(raw, path, 'private key')}")
    kind, block = found[0]
    if kind == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block:
        raise ConfigError(
            f"{path}: the private key is encrypted, and an engine that starts by itself cannot ask for its password; "
            f"write it without one and let only the engine read it: openssl pkey -in {path.name} -out NEW"
        )
    try:
        return serialization.load_pem_private_key(block, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: the private key is damaged, or of a kind that is not known") from None


def read_crls(path: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """The revocation lists of a PEM file, at least one."""
    raw = _read(path)
    found = [block for kind, block in _blocks(raw) if kind == "X509 CRL"]
    _check_whole(raw, path, ("X509 CRL",), len(found))
    if not found:
        raise ConfigError(f"{path}: {_instead(raw, path, 'X509 CRL')}")
    try:
        lists = tuple(map(x509.load_pem_x509_crl, found))
        _ = [one.issuer for one in lists]  # read only now
    except ValueError:
        raise ConfigError(f"{path}: a revocation list in it is damaged; ask for the file again") from None
    return lists


def fits(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether the key is the certificate's."""
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        own = certificate.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(unknown_key(certificate)) from None
    return own == key.public_key().public_bytes(*form)


def unknown_key(certificate: x509.Certificate) -> str:
    """What is wrong with a certificate whose key cannot be read."""
    return f"{called(certificate)} has a key of a kind that is not known here: have it issued anew with EC P-256 or RSA 2048"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _blocks(raw: bytes) -> Iterable[tuple[str, bytes]]:
    return ((found[1].decode(), found[0]) for found in _PEM.finditer(raw))


def _kinds(lines: re.Pattern[bytes], raw: bytes) -> list[str]:
    return [kind.decode() for kind in lines.findall(raw)]


def _check_whole(raw: bytes, path: Path, wanted: Container[str], found: int) -> None:
    """Raises ConfigError where something wanted begins and does not end, or the reverse: the rest would be taken silently."""
    begun, ended = (sum(kind in wanted for kind in _kinds(lines, raw)) for lines in (_BEGIN, _END))
    torn = raw.count(b"-----BEGIN ") - len(_BEGIN.findall(raw))  # in the middle of the line
    if begun + torn != found or ended != found:
        raise ConfigError(f"{path}: the file is cut off: what begins in it does not end, or the reverse; copy it again")


def _instead(raw: bytes, path: Path, wanted: str) -> str:
    """What a file without the wanted kind holds, and what to do about it."""
    name = path.name
    if not raw.strip():
        return "the file is empty"
    if raw[:1] == b"\x30":
        return _der(raw, name, wanted)
    kinds = _kinds(_BEGIN, raw)
    if any(kind.endswith("CERTIFICATE REQUEST") for kind in kinds):
        return "this is a certificate request; the certificate is what the CA answers to it"
    if "PKCS7" in kinds:
        return f"this is PKCS #7; openssl pkcs7 -print_certs -in {name} -out NEW.pem"
    if kinds:
        return f"it holds no {_plain(wanted)} but a {_plain(kinds[0])}; name the other file here"
    return f"this is no PEM file: there is no -----BEGIN {wanted.upper()}----- in it"


def _der(raw: bytes, name: str, wanted: str) -> str:
    if _PKCS7_DATA in raw[:40]:
        parts = "-nocerts -noenc" if wanted == "private key" else "-nokeys"
        return f"this is PKCS #12 (.p12, .pfx) where PEM is wanted; openssl pkcs12 -in {name} {parts} -out NEW.pem"
    verb = {"certificate": "x509", "private key": "pkey"}.get(wanted, "crl")
    return f"this is DER where PEM is wanted; openssl {verb} -inform DER -in {name} -out NEW.pem"


def _plain(kind: str) -> str:
    if kind.endswith("PRIVATE KEY"):
        return "private key"
    return "revocation list" if kind.upper() == "X509 CRL" else kind.lower()
