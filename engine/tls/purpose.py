"""What a certificate may be used for: its key usage and extended key usage (RFC 5280, 4.2.1.3 and 4.2.1.12)."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from engine.tls.naming import called

SERVER, CLIENT = "server", "client"
_PURPOSES = {
    SERVER: (ExtendedKeyUsageOID.SERVER_AUTH, "serverAuth", "a server"),
    CLIENT: (ExtendedKeyUsageOID.CLIENT_AUTH, "clientAuth", "a client"),
}


def use(leaf: x509.Certificate, purpose: str) -> Iterator[str]:
    """Why it may not be used as a server or a client ("": either), a sentence each; ValueError where it is malformed."""
    try:
        asked = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        asked = None
    if purpose and asked is not None:
        wanted, word, as_a = _PURPOSES[purpose]
        if wanted not in asked:
            instead = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in asked
            lacks = f"lacks {word}{', and OpenSSL does not take anyExtendedKeyUsage for it' if instead else ''}"
            yield f"{called(leaf)} may not be used as {as_a}: its extended key usage {lacks}; ask the CA for one with it"
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        yield f"{called(leaf)} may not sign a handshake: its key usage lacks digitalSignature; ask the CA for one with it"


def unfit(leaf: x509.Certificate, purpose: str) -> str:
    """The first reason why peers may refuse it for its use; "" where there is none."""
    try:
        return next(use(leaf, purpose), "")
    except ValueError:
        return f"{called(leaf)} is malformed: its CA must issue it anew"
