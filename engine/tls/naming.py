"""What certificates are called: printable, short, and never more than what stands in them in public."""

import string

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

LONGEST = 100  # characters of a name that is told
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def told(text: str) -> str:
    """Printable ASCII, cut: a certificate's names come from somebody else."""
    shown = text[:LONGEST].encode("unicode_escape").decode("ascii")
    return shown + ("..." if len(text) > LONGEST else "")


def subject(certificate: x509.Certificate) -> str:
    """The subject as RFC 4514 writes it; empty where it is malformed."""
    try:
        return certificate.subject.rfc4514_string()
    except ValueError:
        return ""


def common_names(certificate: x509.Certificate) -> list[str]:
    """The common names of the subject; empty where it is malformed."""
    try:
        return [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError:
        return []


def issuer_of(certificate: x509.Certificate) -> str:
    """The name of its issuer."""
    try:
        return told(certificate.issuer.rfc4514_string() or "nobody named")
    except ValueError:
        return "somebody whose name is malformed"


def alternatives(certificate: x509.Certificate) -> list[str]:
    """DNS names and addresses of the subject alternative name; empty where there is none."""
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    if not isinstance(found, x509.SubjectAlternativeName):
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def called(certificate: x509.Certificate) -> str:
    """How a person knows it: its common name, else its subject, else its first alternative."""
    names = [*common_names(certificate), subject(certificate), *alternatives(certificate)]
    return told(next((name for name in names if name), "without a name"))


def day(certificate: x509.Certificate) -> str:
    """Its last day, UTC."""
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"


def allowed(certificate: x509.Certificate, subjects: tuple[str, ...]) -> bool:
    """Whether one of its names is one of `subjects`.

    A subject with `=` is a whole RFC 4514 subject, compared as written. Any other is a common name or a DNS name without
    regard to the case of A to Z (RFC 4343), and of no other letter, some of which become one of these in lower case;
    `*.example.org` stands for one label before the rest, as in RFC 9525.
    """
    whole = subject(certificate)
    names = [name.translate(_LOWER) for name in (*common_names(certificate), *alternatives(certificate))]
    return any(
        wanted == whole if "=" in wanted else any(_is(wanted.translate(_LOWER), name) for name in names)
        for wanted in subjects
    )


def _is(wanted: str, name: str) -> bool:
    if wanted.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and first != "*" and rest == wanted[2:]
    return wanted == name
