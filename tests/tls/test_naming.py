"""Who is let in by `subjects`, and what names look like when they are told."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from engine.errors import ConfigError
from engine.tls.context import context_of, ssl_words
from engine.tls.inspect import Asked, faults
from engine.tls.naming import allowed, alternatives, called, common_names, issuer_of, told
from engine.tls.plan import ClientTls, ServerTls
from tests.tls.authority import make, root

LAB = make("Lab", sans=["lab.hospital.example", "10.1.2.3"]).certificate
STAR = make("any", sans=["*.hospital.example"]).certificate


@pytest.mark.parametrize(
    ("certificate", "subjects", "let_in"),
    [
        (LAB, ["lab"], True),
        (LAB, ["LAB.hospital.example"], True),
        (LAB, ["10.1.2.3"], True),
        (LAB, ["*.hospital.example"], True),
        (LAB, ["ris", "lab"], True),
        (LAB, ["CN=Lab"], True),
        (LAB, ["CN=lab"], False),
        (LAB, ["CN=Lab,O=Hospital"], False),
        (LAB, ["la"], False),
        (LAB, ["hospital.example"], False),
        (LAB, ["*.example"], False),
        (LAB, ["*"], False),
        (LAB, ["*.lab.hospital.example"], False),
        (STAR, ["lab.hospital.example"], False),
        (STAR, ["*.hospital.example"], False),
        (make("evil", sans=["lab.hospital.example.evil"]).certificate, ["lab.hospital.example"], False),
        (make("CN=Lab", sans=[]).certificate, ["CN=Lab"], False),
        (make("\u212alab.hospital", sans=[]).certificate, ["klab.hospital"], False),  # KELVIN SIGN, in lower case a k
        (make("KLAB.hospital", sans=[]).certificate, ["klab.HOSPITAL"], True),
        (make("\u212alab.hospital", sans=[]).certificate, ["\u212aLAB.hospital"], True),
    ],
)
def test_subjects(certificate, subjects, let_in):
    """Whole names only, one label for a star, a whole subject as it is written."""
    assert allowed(certificate, tuple(subjects)) is let_in


def test_names_are_printable_and_short():
    """They come from somebody else."""
    assert told("a\x1b[2J\nb") == "a\\x1b[2J\\nb"
    assert len(told("x" * 500)) == 103
    assert called(make("é", sans=[]).certificate) == "\\xe9"
    assert alternatives(root().certificate) == []


def test_a_chain_is_sent_and_a_weak_key_refused(tmp_path):
    """OpenSSL's own refusal is one line, too."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    ca = root()
    middle = make("Issuing", issuer=ca, ca=True)
    assert context_of(ServerTls(*middle.issue("a").write(tmp_path, "a", middle))) is not None
    weak = ca.issue("b", key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - what is to be noticed
    with pytest.raises(ConfigError, match=r"b\.pem: OpenSSL refuses it: its key is too weak"):
        context_of(ServerTls(*weak.write(tmp_path, "b")))


def test_a_name_that_tls_cannot_ask_for_refuses_the_start():
    """And not the first delivery."""
    with pytest.raises(ConfigError, match=r"^pacs\.\.hospital is no host name"):
        context_of(ClientTls("pacs..hospital"))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ssl/tls alert bad certificate", "the peer refused our certificate (bad certificate)"),
        ("tlsv1 alert unknown ca", "the peer refused our certificate (unknown ca)"),
        ("tlsv1 alert internal error", "the peer refused the handshake (internal error)"),
        ("bad extension", "the handshake failed (bad extension)"),
    ],
)
def test_what_openssl_says(reason, words):
    from OpenSSL import SSL

    assert ssl_words(SSL.Error([("SSL routines", "", reason)])) == words
    assert ssl_words(SSL.Error()) == "the handshake failed (no reason given)"


def test_a_malformed_name_is_no_surprise():
    """A common name that is no UTF-8: OpenSSL takes it."""
    raw = root("Hospital Root").issue("pacs", sans=["pacs.example"]).certificate.public_bytes(Encoding.DER)
    odd = x509.load_der_x509_certificate(raw.replace(b"\x0c\x04pacs", b"\x0c\x04\xff\xfe\xff\xfe"))
    assert (called(odd), common_names(odd), issuer_of(odd)) == ("pacs.example", [], "CN=Hospital Root")
    odd = x509.load_der_x509_certificate(raw.replace(b"Hospital Root", b"Hospital Roo\xff"))
    assert issuer_of(odd) == "somebody whose name is malformed"
    assert not allowed(odd, ("CN=x",))
    assert faults([odd], Asked(datetime.now(UTC), roots=[odd])) == [
        "pacs is malformed, or one that belongs to it: its CA must issue it anew"
    ]
