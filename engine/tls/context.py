"""Contexts of OpenSSL as RFC 9325 wants them: TLS 1.2 and 1.3, ECDHE with AEAD, and no way around the peer's certificate."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from OpenSSL import SSL, crypto

from engine.errors import ConfigError
from engine.tls.bindings import only_elliptic_curves, say_refused
from engine.tls.files import fits, read_certificates, read_crls, read_key
from engine.tls.meeting import MALFORMED, ClientJudge, Judge, Meeting, ServerJudge
from engine.tls.plan import ClientTls, Tls

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all AEAD with ephemeral keys
_MINIMUM = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_SESSION = b"backstory"
_NO_AUTO_CHAIN = 0x8  # SSL_MODE_NO_AUTO_CHAIN: what the file holds is sent, and not what the CAs of others would add


def context_of(plan: Tls, judge: Judge | None = None) -> SSL.Context:
    """A context made of the files as they are now; raises ConfigError in one line.

    Args:
        plan: of a listener or a destination.
        judge: decides in place of the plan's own; `cert doctor` only listens.
    """
    context = hardened(plan.minimum)
    if plan.certificate is not None and plan.key is not None:
        _use_own(context, plan.certificate, plan.key)
    if plan.trusted is not None:
        _trust(context, read_certificates(plan.trusted))
    elif isinstance(plan, ClientTls) and not plan.pin:
        context.set_default_verify_paths()
    if plan.crl is not None:
        store = _store(context)
        for crl in read_crls(plan.crl):
            store.add_crl(crl)
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)  # see meeting.counts
    if isinstance(plan, ClientTls):
        if judge is None:
            _check_name(plan.server_name)
        context.set_verify(SSL.VERIFY_PEER, _callback(judge or ServerJudge(plan.server_name, plan.pin, plan.ca)))
        say_refused(context)
    elif plan.client_ca is not None:
        for authority in read_certificates(plan.client_ca):
            context.add_client_ca(authority)
        must = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        context.set_verify(must, _callback(judge or ClientJudge(plan.subjects, plan.client_ca)))
        say_refused(context)
    return context


def _check_name(name: str) -> None:
    try:
        name.encode("idna")
    except UnicodeError:
        raise ConfigError(f"{name} is no host name that TLS could ask for; write server_name") from None


def hardened(minimum: str) -> SSL.Context:
    """A context without certificates.

    Sessions are not resumed: a resumed one would not look at `subjects` or the revocation list again, and connections
    are kept anyway.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(_MINIMUM[minimum])
    context.set_cipher_list(CIPHERS)
    only_elliptic_curves(context)
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | _NO_AUTO_CHAIN)
    return context


def _use_own(context: SSL.Context, certificate_file: Path, key_file: Path) -> None:
    chain = read_certificates(certificate_file)
    key = read_key(key_file)
    if not fits(chain[0], key):
        raise ConfigError(f"{key_file}: {mismatch(chain, key, certificate_file.name)}")
    try:
        context.use_certificate(chain[0])
        for further in chain[1:]:
            context.add_extra_chain_cert(further)
        context.use_privatekey(key)  # type: ignore[arg-type] # of a kind that no certificate has, it is refused
    except (SSL.Error, TypeError):
        weak = "OpenSSL refuses it: its key is too weak, or of a kind that TLS does not use"
        raise ConfigError(f"{certificate_file}: {weak}") from None


def mismatch(chain: Sequence[x509.Certificate], key: PrivateKeyTypes, name: str) -> str:
    """What is wrong with a key that is not the first certificate's."""
    other = next((n for n, one in enumerate(chain) if fits(one, key)), 0)
    if other:
        return (
            f"this is the key of certificate {other + 1} in {name}, which must stand first there, its issuers after it"
        )
    return f"this is not the key of {name}; take the one that the request for this certificate was made with"


def _trust(context: SSL.Context, roots: Iterable[x509.Certificate]) -> None:
    store = _store(context)
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))


def _store(context: SSL.Context) -> Any:
    return context.get_cert_store()  # every context has one


def _callback(judge: Judge) -> Any:
    """What OpenSSL calls for each certificate; the connection's own data is the wire that has the meeting."""

    def verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, _ok: int) -> bool:
        meeting: Meeting = connection.get_app_data().meeting
        try:
            return judge(meeting, certificate.to_cryptography(), error, depth)
        except (ValueError, UnsupportedAlgorithm):  # cryptography reads more strictly than OpenSSL
            meeting.refuse(MALFORMED, "malformed")
            return False

    return verify


def ssl_words(error: SSL.Error) -> str:
    """Why a handshake failed, in words; OpenSSL's own are fixed ones."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reason = str(reasons[-1][-1]).lower() if reasons else "no reason given"
    for part, words in _WORDS.items():
        if part in reason:
            return words
    for start in ("tls alert ", "tlsv1 alert ", "tlsv13 alert ", "ssl/tls alert ", "sslv3 alert "):
        if reason.startswith(start):
            said = reason.removeprefix(start)
            whom = "our certificate" if any(word in said for word in _ABOUT_US) else "the handshake"
            return f"the peer refused {whom} ({said})"
    return f"the handshake failed ({reason})"


_ABOUT_US = ("certificate", "unknown ca", "access denied")
_WORDS = {
    **dict.fromkeys(
        ("wrong version number", "http request", "packet length too long", "unknown protocol", "record layer failure"),
        "the peer does not speak TLS",
    ),
    **dict.fromkeys(
        ("unsupported protocol", "alert protocol version", "no protocols available", "version too low"),
        "the peer has no version of TLS that we take",
    ),
    "no shared cipher": "the peer has no cipher suite that we take",
    "alert handshake failure": "the peer refused the handshake: no cipher suite in common, or it wants a certificate of ours",
    "certificate required": "the peer wants a certificate of ours (certificate, key)",
    "did not return a certificate": "the client has no certificate",
    "certificate verify failed": "the peer's certificate was refused",
}
