"""What the engine takes and refuses in a handshake, and whose certificate it names."""

import pytest
from OpenSSL import SSL

from engine.errors import ConfigError
from engine.tls import bindings
from engine.tls.context import context_of, hardened
from engine.tls.plan import ClientTls, ServerTls
from engine.tls.refusals import told_error
from tests.tls.authority import make, root
from tests.tls.meet import heard, meet

CA = root()


@pytest.fixture
def plans(tmp_path):
    """Plans of a server and a client, of who issued their certificates and which lists each has."""

    def made(server, *, chain=(), ca=CA, lists=b"", client=None, client_chain=()):
        ca.write(tmp_path, "ca")
        crl = None
        if lists:
            crl = tmp_path / "crl.pem"
            crl.write_bytes(lists)
        own = server.write(tmp_path, "server", *chain)
        if client is None:
            return ServerTls(*own), ClientTls("pacs", tmp_path / "ca.pem", crl=crl)
        theirs = client.write(tmp_path, "client", *client_chain)
        return ServerTls(*own, tmp_path / "ca.pem", crl=crl), ClientTls("pacs", tmp_path / "ca.pem", *theirs)

    return made


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_who_is_refused_by_name_is_told_that_the_certificate_is(plans, version):
    """Of `subjects`, and of the server's name and pin: OpenSSL itself has nothing against them."""
    server, client = plans(CA.issue("pacs"), client=CA.issue("ris"))
    named = context_of(client)
    named.set_max_proto_version(version)
    assert heard(server._replace(subjects=("lab",)), named) == (
        "the client ris is none of `subjects`",
        "the peer refused our certificate (bad certificate)",
    )
    for other in (client._replace(server_name="archive"), client._replace(pin="sha256/" + "A" * 43 + "=")):
        limited = context_of(other)
        limited.set_max_proto_version(version)
        problem, why = heard(server, limited)[::-1]
        assert why == "the peer refused our certificate (bad certificate)"
        assert "not for archive but for pacs" in problem or "is not the pinned one" in problem
    assert heard(server, named) == ("", "")


def test_an_expired_issuer_is_named_itself(plans):
    """The server's own certificate is good for months."""
    middle = make("Issuing CA 2", issuer=CA, ca=True, ends=-1)
    _, problem = meet(*plans(middle.issue("pacs"), chain=[middle]))
    assert problem.startswith("the certificate of Issuing CA 2 expired on ")
    old = root("Old Root", ends=-1)
    _, problem = meet(*plans(old.issue("pacs"), ca=old))
    assert problem.startswith("the certificate of Old Root expired on ")


INTER = make("Inter2", issuer=CA, ca=True)
LEAF = INTER.issue("pacs")


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        (INTER.crl(), ""),  # nothing of the root: the peer's own certificate is what must be on a list
        (INTER.crl() + CA.crl(), ""),
        (INTER.crl() + CA.crl(INTER), "the certificate of Inter2 is revoked"),
        (INTER.crl() + CA.crl(days=-1), "the revocation list of CN=Hospital Root CA is out of date; its issuer has a newer one"),
        (INTER.crl() + CA.crl(days=-1) + CA.crl(), ""),
        (CA.crl(), "the revocation list has nothing from the issuer of pacs"),
    ],
)  # fmt: skip
def test_a_revoked_intermediate_is_refused(plans, lists, words):
    """Where there is a list of its issuer; on both sides."""
    _, problem = meet(*plans(LEAF, chain=[INTER], lists=lists))
    assert problem == words
    problem, _ = meet(*plans(CA.issue("pacs"), lists=lists, client=LEAF, client_chain=[INTER]))
    assert problem == words


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_keys_are_agreed_on_with_elliptic_curves_only(plans, version):
    """Finite fields find nothing in common, also in TLS 1.3, where no cipher suite names them."""
    server, _ = plans(CA.issue("pacs"))
    for groups, taken in (
        (b"X25519:P-256", True),
        (b"P-256", True),
        (b"P-384:P-256", True),
        (b"ffdhe2048:ffdhe3072", False),
    ):
        client = SSL.Context(SSL.TLS_METHOD)
        client.set_max_proto_version(version)
        client.set_cipher_list(b"ECDHE+AESGCM:DHE+AESGCM")
        assert SSL._lib.SSL_CTX_set1_curves_list(client._context, groups) == 1
        assert (meet(context_of(server), client) == ("", "")) == taken, groups


def test_a_certificate_that_cannot_be_read_is_refused_in_words(plans):
    """OpenSSL takes what cryptography does not: an alternative name that is no address."""
    odd = CA.issue("pacs", more=[(b"\x30\x04\x87\x02ab", "2.5.29.17", False)], sans=[])
    assert meet(*plans(odd))[1].startswith("the certificate is not for pacs but for nobody")


def test_an_error_without_words_of_ours_has_openssls():
    """And its number, to look it up by."""
    words = told_error(99, "pacs", CA.certificate, "ca.pem")
    assert words.startswith("the certificate of pacs was refused: ")
    assert words.endswith("(X509 error 99)")


def test_without_curves_there_is_no_context(monkeypatch):
    """Rather than one that agrees on keys with anything."""
    monkeypatch.setattr(bindings, "GROUPS", (b"nothing",))
    with pytest.raises(ConfigError, match="knows none of the curves"):
        hardened("1.2")
