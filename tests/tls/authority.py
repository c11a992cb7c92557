"""Certificates for tests, good ones and every kind of broken one, made in memory and written as PEM."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Owner:
    """A certificate, its key and what issued it."""

    def __init__(self, certificate: x509.Certificate, key: Any, issuer: Self | None) -> None:
        self.certificate = certificate
        self.key = key
        self.issuer = issuer

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(PEM, form, serialization.NoEncryption())

    def issue(self, name: str, **asked: Any) -> "Owner":
        return make(name, issuer=self, **asked)

    def crl(self, *revoked: "Owner", days: float = 7, since: float = -30, key: Any = None) -> bytes:
        """A list; `days` and `since` are days from now."""
        now = datetime.now(UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        made = made.last_update(now + since * DAY).next_update(now + days * DAY)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            made = made.add_revoked_certificate(entry.revocation_date(now - DAY).build())
        return made.sign(key or self.key, hashes.SHA256()).public_bytes(PEM)

    def write(self, folder: Path, name: str, *further: "Owner") -> tuple[Path, Path]:
        """NAME.pem, with these certificates behind its own, and NAME.key."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.pem + b"".join(one.pem for one in further))
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        key.chmod(0o600)
        return certificate, key


def make(
    name: str,
    *,
    issuer: Owner | None = None,
    ca: bool = False,
    sans: Sequence[str] | None = None,
    begins: float = -100.0,
    ends: float = 365.0,
    usages: Sequence[x509.ObjectIdentifier] = BOTH,
    key: Any = None,
    digest: hashes.HashAlgorithm | None = None,
    signs: bool = True,
    depth: int | None = None,
    signs_others: bool = True,
    more: Sequence[tuple[bytes, str, bool]] = (),
) -> Owner:
    """A certificate; `begins` and `ends` in days from now, `sans` of names and addresses (None: the name itself).

    `depth` is a CA's path length; `signs_others`: whether its key usage has keyCertSign. `more` are extensions: DER, OID,
    and whether it is critical.
    """
    key = key or ec_key()
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    made = made.issuer_name(issuer.certificate.subject if issuer else subject)
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now + begins * DAY).not_valid_after(now + ends * DAY)
    made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=depth), critical=True)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = made.add_extension(
        x509.KeyUsage(digital_signature=signs, key_cert_sign=ca and signs_others, crl_sign=ca, **usage), critical=True
    )
    signer = issuer.key if issuer else key
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    if not ca:
        if usages:
            made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        names = [name] if sans is None else sans
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    for der, oid, critical in more:
        made = made.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), der), critical=critical)
    return Owner(made.sign(signer, digest or hashes.SHA256()), key, issuer)


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def root(name: str = "Hospital Root CA", **asked: Any) -> Owner:
    """A CA that signed itself."""
    return make(name, ca=True, **asked)
