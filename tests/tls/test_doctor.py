"""`cert doctor` says in words what is wrong with each kind of broken certificate, and what to do about it."""

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509 import (
    CertificateSigningRequestBuilder,
    DNSName,
    Name,
    SubjectAlternativeName,
    load_der_x509_certificate,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from engine.tls.doctor import of_file, of_port
from engine.tls.inspect import Asked, faults, notes
from engine.tls.path import issued
from engine.tls.plan import ClientTls
from tests.tls.authority import PEM, ec_key, make, root

NOW = datetime.now(UTC)
CA = root()
MIDDLE = make("Issuing CA 2", issuer=CA, ca=True)
GOOD = CA.issue("pacs.hospital")
BELOW = MIDDLE.issue("pacs.hospital")
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what is to be noticed
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def chain(*owners):
    return [one.certificate for one in owners]


def asked(*roots, purpose="server", name="pacs.hospital", crls=()):
    return Asked(NOW, purpose, name, chain(*(roots or (CA,))), "ca.pem", crls)


SELF = make("pacs.hospital")
EXPIRED_ROOT = root(key=CA.key, ends=-1)
LATER_ROOT = root(key=CA.key, begins=1, ends=900)
AS_DNS = CA.issue(
    "x", sans=[], more=[(SubjectAlternativeName([DNSName("10.1.2.3")]).public_bytes(), "2.5.29.17", False)]
)
SHA1 = root("Old CA", key=rsa.generate_private_key(65537, 2048))


def sha1(key=SHA1.key):
    """No library makes certificates with SHA-1 any more: the digest's name and the signature are put in afterwards."""
    made = SHA1.issue("pacs.hospital").certificate
    sha256_rsa, sha1_rsa = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    signature = key.sign(made.tbs_certificate_bytes.replace(sha256_rsa, sha1_rsa), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - what is to be noticed
    der = made.public_bytes(serialization.Encoding.DER).replace(sha256_rsa, sha1_rsa)
    return load_der_x509_certificate(der.replace(made.signature, signature))


def same_name_other_key():
    return root("Hospital Root CA")


CASES = {
    "good": (chain(GOOD), asked(), []),
    "good with intermediate": (chain(BELOW, MIDDLE), asked(), []),
    "good with root sent": (chain(BELOW, MIDDLE, CA), asked(), []),
    "self-signed and trusted": (chain(SELF), asked(SELF), []),
    "trusted by itself": (chain(GOOD), asked(GOOD), ["ca.pem has pacs.hospital, but not CN=Hospital Root CA, which issued it: add that certificate there too"]),
    "only the intermediate trusted": (chain(BELOW, MIDDLE, CA), asked(MIDDLE), ["ca.pem has Issuing CA 2, but not CN=Hospital Root CA, which issued it: add that certificate there too"]),
    "trusted by itself as well": (chain(BELOW, MIDDLE), asked(BELOW, CA), []),
    "good and issued with SHA-1": ([sha1()], asked()._replace(roots=chain(SHA1)), ["signed with SHA1, which can be forged"]),
    "renewed root": (chain(GOOD), asked(EXPIRED_ROOT, CA), []),
    "root to come": (chain(GOOD), asked(LATER_ROOT, CA), []),
    "expired root": (chain(GOOD), asked(EXPIRED_ROOT), ["Hospital Root CA expired on "]),
    "expired root sent along": (chain(GOOD, EXPIRED_ROOT), asked(), []),
    "address as a DNS name": (chain(AS_DNS), asked(name="10.1.2.3"), ["not for 10.1.2.3, which it has as a DNS name and must have as an IP address (RFC 9525): have it issued with IP:10.1.2.3"]),
    "good wildcard": (chain(CA.issue("x", sans=["*.clinic.example"])), asked(name="pacs.clinic.example"), []),
    "expired": (chain(CA.issue("pacs.hospital", ends=-1.5)), asked(), ["pacs.hospital expired on ", "1 day ago", "must renew", "clock is wrong"]),
    "not yet valid": (chain(CA.issue("pacs.hospital", begins=3)), asked(), ["pacs.hospital is valid only from ", "set the clock right"]),
    "self-signed": (chain(make("pacs.hospital")), asked(), ["pacs.hospital is self-signed", "add it to ca.pem"]),
    "unknown root sent along": (chain(BELOW, MIDDLE, CA), asked(root("Other CA")), ["the chain ends in Hospital Root CA, a CA that is not in ca.pem"]),
    "unknown issuer": (chain(BELOW, MIDDLE), asked(root("Other CA")), ["Issuing CA 2 is issued by CN=Hospital Root CA, an unknown CA", "add it to ca.pem"]),
    "incomplete": (chain(BELOW), asked(), ["pacs.hospital is issued by CN=Issuing CA 2, which is neither in ca.pem nor sent along", "the chain is incomplete"]),
    "renewed CA": (chain(GOOD), asked(same_name_other_key()), ["ca.pem has a CA called CN=Hospital Root CA, but with another key"]),
    "other name": (chain(CA.issue("x", sans=["ris.hospital", "10.1.2.3"])), asked(), ["not for pacs.hospital but for ris.hospital, 10.1.2.3", "server_name"]),
    "common name only": (chain(CA.issue("pacs.hospital", sans=[])), asked(), ["only the common name pacs.hospital and no subject alternative name", "RFC 9525"]),
    "address": (chain(GOOD), asked(name="10.1.2.3"), ["not for 10.1.2.3 but for pacs.hospital"]),
    "client as server": (chain(CA.issue("pacs.hospital", usages=[CLIENT])), asked(), ["may not be used as a server", "lacks serverAuth"]),
    "server as client": (chain(CA.issue("pacs.hospital", usages=[SERVER])), asked(purpose="client"), ["may not be used as a client", "lacks clientAuth"]),
    "any use": (chain(CA.issue("pacs.hospital", usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])), asked(), ["lacks serverAuth, and OpenSSL does not take anyExtendedKeyUsage for it"]),
    "key usage": (chain(CA.issue("pacs.hospital", signs=False)), asked(), ["may not sign a handshake", "digitalSignature"]),
    "weak RSA": (chain(CA.issue("pacs.hospital", key=WEAK)), asked(), ["an RSA key of 1024 bits, which is too weak"]),
    "weak EC": (chain(CA.issue("pacs.hospital", key=ec.generate_private_key(ec.SECP192R1()))), asked(), ["an EC key of 192 bits, which is too weak"]),
    "DSA": (chain(CA.issue("pacs.hospital", key=dsa.generate_private_key(2048))), asked(), ["has a DSA key"]),
    "SHA-1": ([sha1()], asked()._replace(roots=None), ["signed with SHA1, which can be forged"]),
    "CA first": (chain(MIDDLE, BELOW), asked(purpose="", name=""), ["wrong order: Issuing CA 2 is a CA's and stands first"]),
    "issuers mixed up": (chain(BELOW, CA, MIDDLE), asked(), ["wrong order: Hospital Root CA follows pacs.hospital and did not issue it"]),
    "issued by no CA": (chain(make("pacs.hospital", issuer=GOOD), GOOD), asked(), ["pacs.hospital issued pacs.hospital and is no CA"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_broken_certificate_is_told_in_words(case):
    """One sentence, which says what is wrong and what to do; nothing about a good one."""
    sent, held_against, words = CASES[case]
    found = faults(sent, held_against)
    assert len(found) == bool(words), found
    for word in words:
        assert word in found[0]


@pytest.mark.parametrize(
    ("sent", "roots", "words"),
    [
        (chain(GOOD), chain(EXPIRED_ROOT, CA), ["Hospital Root CA expired on "]),
        (chain(GOOD, EXPIRED_ROOT), chain(CA), ["Hospital Root CA expired on "]),
        ([GOOD.certificate, sha1()], chain(CA), ["pacs.hospital is signed with SHA1, which can be forged"]),
        (chain(BELOW, MIDDLE, CA), chain(CA, root("Old Root", ends=-1)), []),
        (chain(GOOD), None, []),
    ],
)
def test_what_is_old_or_weak_and_not_used_is_a_note(sent, roots, words):
    """Nothing is wrong: OpenSSL takes the newest as well."""
    against = asked()._replace(roots=roots)
    assert faults(sent, against) == []
    told = notes(sent, against)
    assert [note[: len(word)] for note, word in zip(told, words, strict=True)] == words
    assert all(note.endswith("; it is not used and may be left out") for note in told)


def test_a_signature_with_sha1_of_another_key_is_none():
    """It is looked at all the same."""
    other = rsa.generate_private_key(65537, 2048)
    assert issued(sha1(), SHA1.certificate)
    assert not issued(sha1(other), SHA1.certificate)
    assert not issued(sha1(), root("Old CA").certificate)  # which has a key for elliptic curves
    assert not issued(sha1(), make("Old CA", issuer=CA, ca=True, key=dsa.generate_private_key(2048)).certificate)


def test_several_faults_are_all_told():
    """OpenSSL would stop at the first."""
    bad = make("x", sans=["y"], ends=-1, key=WEAK)
    assert len(faults(chain(bad), asked())) == 4


def crls(*pems):
    from cryptography.x509 import load_pem_x509_crl

    return tuple(map(load_pem_x509_crl, pems))


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ([CA.crl()], []),
        ([CA.crl(GOOD)], ["pacs.hospital was revoked by its CA on "]),
        ([CA.crl(days=-1)], ["the revocation list of CN=Hospital Root CA is out of date since "]),
        ([root("Other CA").crl()], ["there is no revocation list of CN=Hospital Root CA"]),
    ],
)
def test_revocation_lists(lists, words):
    found = faults(chain(GOOD), asked(crls=crls(*lists)))
    assert [fault[: len(word)] for fault, word in zip(found, words, strict=True)] == words


# files

PKCS8 = serialization.PrivateFormat.PKCS8
REQUEST = CertificateSigningRequestBuilder().subject_name(Name([])).sign(GOOD.key, hashes.SHA256())
SECRET = serialization.BestAvailableEncryption(b"secret")
FILES = {
    "missing": (None, None, "cert.pem: cannot be read: No such file or directory"),
    "empty": (b"\n", None, "cert.pem: the file is empty"),
    "text": (b"hello", None, "this is no PEM file: there is no -----BEGIN CERTIFICATE-----"),
    "damaged": (GOOD.pem.replace(b"M", b"A"), None, "a certificate in it is damaged"),
    "cut off": (GOOD.pem[:-40], None, "cert.pem: the file is cut off: what begins in it does not end"),
    "last cut off": (GOOD.pem + CA.pem[:300], None, "the file is cut off"),
    "cut off in the line": (GOOD.pem + b"-----BEGIN CERTIFI", None, "the file is cut off"),
    "first cut off": (CA.pem[:300] + GOOD.pem, None, "the file is cut off"),
    "beginning cut off": (GOOD.pem[40:] + CA.pem, None, "the file is cut off"),
    "key cut off": (GOOD.pem, GOOD.key_pem[:-20], "cert.key: the file is cut off"),
    "DER": (GOOD.certificate.public_bytes(serialization.Encoding.DER), None, "this is DER where PEM is wanted; openssl x509 -inform DER -in cert.pem"),
    "PKCS12": (pkcs12.serialize_key_and_certificates(b"x", GOOD.key, GOOD.certificate, None, SECRET), None, "this is PKCS #12 (.p12, .pfx) where PEM is wanted; openssl pkcs12 -in cert.pem -nokeys"),
    "PKCS7": (pkcs7.serialize_certificates([GOOD.certificate], PEM), None, "this is PKCS #7; openssl pkcs7 -print_certs"),
    "request": (REQUEST.public_bytes(PEM), None, "this is a certificate request; the certificate is what the CA answers"),
    "key instead": (GOOD.key_pem, None, "it holds no certificate but a private key"),
    "CRL instead": (CA.crl(), None, "it holds no certificate but a revocation list"),
    "other key": (GOOD.pem, ec_key().private_bytes(PEM, PKCS8, serialization.NoEncryption()), "cert.key: this is not the key of cert.pem"),
    "key of the second": (CA.pem + GOOD.pem, GOOD.key_pem, "this is the key of certificate 2 in cert.pem, which must stand first"),
    "encrypted key": (GOOD.pem, GOOD.key.private_bytes(PEM, PKCS8, SECRET), "the private key is encrypted"),
    "old encrypted key": (GOOD.pem, GOOD.key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, SECRET), "the private key is encrypted"),
    "certificate as key": (GOOD.pem, GOOD.pem, "cert.key: it holds no private key but a certificate"),
    "damaged key": (GOOD.pem, GOOD.key_pem.replace(b"M", b"A"), "the private key is damaged"),
    "DER key": (GOOD.pem, GOOD.key.private_bytes(serialization.Encoding.DER, PKCS8, serialization.NoEncryption()), "openssl pkey -inform DER -in cert.key"),
    "PKCS12 as key": (GOOD.pem, pkcs12.serialize_key_and_certificates(b"x", GOOD.key, GOOD.certificate, None, SECRET), "openssl pkcs12 -in cert.key -nocerts -noenc"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_something_else_is_told(tmp_path, case):
    """The file's name, what it is instead, and the command that makes the right one of it."""
    raw, key, words = FILES[case]
    certificate, key_file = tmp_path / "cert.pem", tmp_path / "cert.key"
    if raw is not None:
        certificate.write_bytes(raw)
    if key is not None:
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
    found = of_file(certificate, key_file if key is not None else None, NOW).faults
    assert words in found[0]


def test_a_key_that_everybody_may_read(tmp_path):
    certificate, key = GOOD.write(tmp_path, "cert")
    assert of_file(certificate, key, NOW).faults == ()
    key.chmod(0o640)
    assert of_file(certificate, key, NOW).faults == ()
    key.chmod(0o644)
    assert "everybody on this machine may read the private key; chmod o=" in of_file(certificate, key, NOW).faults[0]


# ports


@contextmanager
def serving(talk):
    """A port of this machine on which `talk` has every connection; gives its number."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    try:
                        talk(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def tls_server(folder, owner, *further, **settings):
    files = owner.write(folder, "server", *further)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    ciphers = settings.pop("ciphers", "")
    clients = settings.pop("clients", None)
    if clients is not None:
        context.load_verify_locations(clients)
    for name, value in settings.items():
        setattr(context, name, value)
    if ciphers:
        context.set_ciphers(ciphers)

    def talk(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(10)

    with serving(talk) as port:
        yield port


@pytest.fixture
def ca_file(tmp_path):
    return CA.write(tmp_path, "ca")[0]


def seen(port, ca_file, name="pacs.hospital", **more):
    return of_port("127.0.0.1", port, ClientTls(name, ca_file, **more), NOW)


def test_a_good_port(tmp_path, ca_file):
    """What it speaks and shows, and nothing wrong."""
    with tls_server(tmp_path, BELOW, MIDDLE) as port:
        report = seen(port, ca_file)
    assert report.faults == ()
    assert report.seen[0].startswith(f"127.0.0.1:{port} speaks TLS 1.3 with TLS_")
    assert "pacs.hospital: pacs.hospital; issued by CN=Issuing CA 2; " in report.seen[1]


@pytest.mark.parametrize(
    ("owner", "settings", "words"),
    [
        (CA.issue("x", ends=-3), {}, ["x expired on ", "the certificate is not for pacs.hospital but for x"]),
        (BELOW, {}, ["pacs.hospital is issued by CN=Issuing CA 2, which is neither in ca.pem nor sent along"]),
        (GOOD, {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"}, ["the peer speaks nothing newer than TLS 1.1: it must be set to TLS 1.2"]),
        (GOOD, {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES128-SHA"}, ["the peer takes none of our cipher suites but ECDHE-ECDSA-AES128-SHA: it must offer"]),
    ],
)  # fmt: skip
def test_what_a_port_shows_is_told(tmp_path, ca_file, owner, settings, words):
    """Also where a delivery's handshake would fail: one that takes everything shows why."""
    with tls_server(tmp_path, owner, **settings) as port:
        found = seen(port, ca_file).faults
    assert [fault[: len(word)] for fault, word in zip(found, words, strict=True)] == words


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_port_that_wants_a_certificate_of_ours(tmp_path, ca_file, version):
    """Without one, and with one of a CA that it does not know, it says so; with the right one nothing is wrong."""
    both = {
        "minimum_version": version,
        "maximum_version": version,
        "verify_mode": ssl.CERT_REQUIRED,
        "clients": ca_file,
    }
    good = CA.issue("us").write(tmp_path, "us")
    bad = root("Other CA").issue("us").write(tmp_path, "bad")
    with tls_server(tmp_path, GOOD, **both) as port:
        assert "wants a certificate of ours" in seen(port, ca_file).faults[0]
        assert (
            "the peer refused our certificate (unknown ca)"
            in seen(port, ca_file, certificate=bad[0], key=bad[1]).faults
        )
        assert seen(port, ca_file, certificate=good[0], key=good[1]).faults == ()


def test_a_pin_is_compared(tmp_path):
    with tls_server(tmp_path, make("pacs", sans=[])) as port:
        (wrong,) = seen(port, None, pin="sha256/" + "A" * 43 + "=").faults
        pin = wrong.rpartition("pin: ")[2]
        assert seen(port, None, pin=pin).faults == ()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the port speaks HTTP"),
        (b"\x0bMSH|^~\\&|\x1c\r", "the port speaks plain MLLP"),
        (b"SSH-2.0-x\r\n", "the port speaks something that is not TLS"),
        (b"", "the port closed the connection at the TLS hello: it speaks plain MLLP"),
    ],
)
def test_a_port_that_speaks_something_else(ca_file, answer, words):
    def talk(connection):
        connection.recv(65536)
        connection.sendall(answer)

    with serving(talk) as port:
        (found,) = seen(port, ca_file).faults
    assert found.startswith(words)


def test_a_port_that_says_nothing(ca_file, monkeypatch):
    """As our own listener would until its frame time."""
    monkeypatch.setattr("engine.tls.probe.TIMEOUT", 0.3)
    gone = threading.Event()
    with serving(lambda _connection: gone.wait(10)) as port:
        (found,) = seen(port, ca_file).faults
        gone.set()
    assert found.startswith("the port does not answer a TLS hello: it speaks plain MLLP")


def test_a_port_that_is_not_there(ca_file):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        (found,) = seen(probe.getsockname()[1], ca_file).faults
    assert found.startswith("the connection is refused")


@pytest.mark.parametrize(("host", "name"), [("a..b", "a..b"), ("127.0.0.1", "x" * 64)])
def test_what_is_no_host_name_is_told(host, name):
    """An empty label, or one of more than 63 characters, before or after the connection is made."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (told,) = of_port(host, port, ClientTls(name), NOW).faults
    assert "is no host name (RFC 5890)" in told


def test_certificates_that_end_are_dated():
    """The sentence names the day in UTC."""
    late = CA.issue("pacs.hospital", ends=-1)
    (found,) = faults(chain(late), asked()._replace(now=NOW + timedelta(days=40)))
    assert f"{late.certificate.not_valid_after_utc:%Y-%m-%d}, 40 days ago" in found
