"""`cert doctor` finds something wrong exactly where a handshake of the engine fails, and says it in words."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from engine.tls.doctor import Against, of_file, of_files, of_port
from engine.tls.plan import ClientTls, ServerTls
from tests.tls.authority import ec_key, make, root
from tests.tls.meet import meet
from tests.tls.test_doctor import tls_server

NOW = datetime.now(UTC)
CA = root()


def der(extension):
    return [(extension.public_bytes(), extension.oid.dotted_string, False)]


OLD = root("Old Root", ends=-1)
FLAT = root("Flat Root", depth=0)
BELOW_FLAT = make("Below", issuer=FLAT, ca=True)
CONSTRAINED = root("Constrained", more=der(x509.NameConstraints([x509.DNSName("other.example")], None)))
NO_SIGN = root("No Sign", signs_others=False)
CLIENTS_ONLY = make(
    "Clients Only", issuer=CA, ca=True, more=der(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
)
LATE = make("Late CA", issuer=CA, ca=True, ends=-2)
INTER = make("Inter2", issuer=CA, ca=True)
PACS = CA.issue("pacs")
RENEWED = root("Old Root", key=OLD.key)
CRITICAL = CA.issue("pacs", more=[(b"\x05\x00", "1.3.6.1.4.1.99999.1", True)])

# what a server shows, the CA and the lists of the destination; what is said of it
CASES = {
    "good": ([PACS], CA, b"", ""),
    "root expired": ([OLD.issue("pacs")], OLD, b"", "Old Root expired on "),
    "root renewed": ([OLD.issue("pacs")], (OLD, RENEWED), b"", ""),
    "root renewed, the old one behind": ([OLD.issue("pacs")], (RENEWED, OLD), b"", ""),
    "expired and unused": ([PACS, LATE], CA, b"", ""),
    "expired root sent along": ([OLD.issue("pacs"), OLD], RENEWED, b"", ""),
    "only the intermediate trusted": ([INTER.issue("pacs"), INTER, CA], INTER, b"", "ca.pem has Inter2, but not CN=Hospital Root CA, which issued it"),
    "trusted itself only": ([PACS], PACS, b"", "ca.pem has pacs, but not CN=Hospital Root CA, which issued it"),
    "for any use": ([CA.issue("pacs", usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])], CA, b"", "pacs may not be used as a server"),
    "path length": ([BELOW_FLAT.issue("pacs"), BELOW_FLAT], FLAT, b"", "the certificate of Flat Root may not issue so long a chain"),
    "name constraints": ([CONSTRAINED.issue("pacs")], CONSTRAINED, b"", "the certificate of pacs has a name that its CA may not issue for (name constraints)"),
    "no keyCertSign": ([NO_SIGN.issue("pacs")], NO_SIGN, b"", "the certificate of No Sign may not sign certificates"),
    "critical extension": ([CRITICAL], CA, b"", "the certificate of pacs has a critical extension that is not known here"),
    "CA for clients": ([CLIENTS_ONLY.issue("pacs"), CLIENTS_ONLY], CA, b"", "the certificate of Clients Only is for another purpose"),
    "intermediate expired": ([LATE.issue("pacs"), LATE], CA, b"", "Late CA expired on "),
    "intermediate revoked": ([INTER.issue("pacs"), INTER], CA, INTER.crl() + CA.crl(INTER), "the certificate of Inter2 is revoked"),
    "leaf revoked": ([PACS], CA, CA.crl(PACS), "pacs was revoked by its CA on "),
    "list of another key": ([PACS], CA, CA.crl(key=ec_key()), "the revocation list of CN=Hospital Root CA is not signed with the key of this CA"),
    "list not yet valid": ([PACS], CA, CA.crl(since=2), "the revocation list of CN=Hospital Root CA is valid only from "),
    "list out of date": ([PACS], CA, CA.crl(days=-1), "the revocation list of CN=Hospital Root CA is out of date since "),
    "no list": ([PACS], CA, OLD.crl(), "there is no revocation list of CN=Hospital Root CA"),
    "old and new list": ([PACS], CA, CA.crl(days=-1, since=-9) + CA.crl(), ""),
    "revoked on the old list only": ([PACS], CA, CA.crl(PACS, days=-1, since=-9) + CA.crl(), ""),
}  # fmt: skip


def trusted(folder, ca):
    """A file of one CA or of several."""
    first, *further = ca if isinstance(ca, tuple) else (ca,)
    return first.write(folder, "ca", *further)[0]


@pytest.mark.parametrize("case", CASES)
def test_doctor_and_engine_agree(tmp_path, case):
    """Over a real handshake; each thing is said once."""
    (leaf, *further), ca, lists, words = CASES[case]
    own = leaf.write(tmp_path, "own", *further)
    plan = ClientTls("pacs", trusted(tmp_path, ca))
    if lists:
        (tmp_path / "crl.pem").write_bytes(lists)
        plan = plan._replace(crl=tmp_path / "crl.pem")
    _, refused = meet(ServerTls(*own), plan)
    with tls_server(tmp_path, leaf, *further) as port:
        found = of_port("127.0.0.1", port, plan, NOW).faults
    assert bool(refused) == bool(found) == bool(words), (refused, found)
    assert len(found) == bool(words), found
    assert not words or found[0].startswith(words)
    assert "X509 error" not in refused


@pytest.mark.parametrize(
    "case",
    [case for case, (_, _, lists, _) in CASES.items() if not lists and case not in {"CA for clients", "for any use"}],
)
def test_a_file_is_held_against_its_ca_by_openssl_as_well(tmp_path, case):
    """Without a handshake; what it is used as is not known then."""
    (leaf, *further), ca, _, words = CASES[case]
    own, key = leaf.write(tmp_path, "own", *further)
    found = of_file(own, key, NOW, Against("", trusted(tmp_path, ca), "pacs")).faults
    assert [fault[: len(words)] for fault in found] == ([words] if words else [])


def test_an_expired_chain_is_looked_at_behind_its_dates(tmp_path):
    """OpenSSL stops at the first fault of a file."""
    old = root("Old Flat", depth=0, ends=-1)
    below = make("Below", issuer=old, ca=True)
    own, key = below.issue("pacs").write(tmp_path, "own", below)
    found = of_file(own, key, NOW, Against("", old.write(tmp_path, "ca")[0])).faults
    assert len(found) == 2
    assert found[0].startswith("Old Flat expired on ")
    assert "may not issue so long a chain" in found[1]


SAN, KEY_USAGE, EXTENDED, BASIC = "2.5.29.17", "2.5.29.15", "2.5.29.37", "2.5.29.19"
MALFORMED = {
    "SAN": {"sans": [], "more": [(b"\x04\x01x", SAN, False)]},
    "IP": {"sans": [], "more": [(b"\x30\x04\x87\x02ab", SAN, False)]},
    "EKU": {"usages": (), "more": [(b"\x04\x01x", EXTENDED, False)]},
    "policies": {"more": [(b"\x04\x01x", "2.5.29.32", False)]},
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_certificate_is_told_as_that(tmp_path, case):
    """Of a file and of a port; never a surprise."""
    odd = CA.issue("pacs", **MALFORMED[case])
    own, key = odd.write(tmp_path, "own")
    ca = CA.write(tmp_path, "ca")[0]
    found = of_file(own, key, NOW, Against("server", ca, "pacs")).faults
    assert any(fault.startswith("pacs is malformed") for fault in found), found
    assert not any("alternative name" in fault for fault in found)
    if case in {"SAN", "EKU"}:
        return  # OpenSSL does not even show it
    with tls_server(tmp_path, odd) as port:
        found = of_port("127.0.0.1", port, ClientTls("pacs", ca), NOW).faults
    assert any("malformed" in fault for fault in found), found


def test_a_key_of_a_curve_that_is_not_known(tmp_path):
    """The name of the curve is changed afterwards, to secp112r1 and to SM2."""
    own, key = PACS.write(tmp_path, "own")
    raw = PACS.certificate.public_bytes(serialization.Encoding.DER)
    p256 = bytes.fromhex("06082a8648ce3d030107")
    for other in ("06082b81040006060606", "06082a811ccf5501822d"):
        bad = x509.load_der_x509_certificate(raw.replace(p256, bytes.fromhex(other)))
        own.write_bytes(bad.public_bytes(serialization.Encoding.PEM))
        found = of_file(own, key, NOW, Against("server", None, "pacs")).faults
        assert found[0].startswith("pacs has a key of a kind that is not known here"), found
        plan = ServerTls(own, key)
        assert of_files(plan, NOW).faults == (found[0],)


def test_a_listeners_cas_and_lists_are_looked_at(tmp_path):
    """What is expired, of which CA, and a list that is not that CA's; `check` says it as well."""
    own = PACS.write(tmp_path, "own")
    ca, crl = tmp_path / "clients.pem", tmp_path / "crl.pem"
    ca.write_bytes(CA.pem + OLD.pem)
    plan = ServerTls(*own, ca, crl=crl)
    crl.write_bytes(CA.crl() + OLD.crl(days=-2))
    old, late = of_files(plan, NOW).faults
    assert old.startswith(f"{ca}: Old Root expired on ")
    assert late.startswith(f"{crl}: the revocation list of CN=Old Root is out of date")
    crl.write_bytes(CA.crl(key=ec_key()))
    ca.write_bytes(CA.pem)
    (wrong,) = of_files(plan, NOW).faults
    assert wrong.startswith(f"{crl}: the revocation list of CN=Hospital Root CA is not signed with the key of this CA")


def test_a_destinations_only_ca_is_looked_at(tmp_path):
    """Of a bundle only those that are used, by its port."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(OLD.pem)
    (fault,) = of_files(ClientTls("pacs", ca), NOW).faults
    assert fault.startswith(f"{ca}: Old Root expired on ")
    ca.write_bytes(OLD.pem + CA.pem)
    assert of_files(ClientTls("pacs", ca), NOW).faults == ()


def test_a_listeners_ca_is_the_one_that_is_valid_now(tmp_path):
    """And not its renewal, which ends later and has not begun."""
    own = PACS.write(tmp_path, "own")
    ca = trusted(tmp_path, (root(key=CA.key, begins=3, ends=900), CA))
    assert of_files(ServerTls(*own, ca), NOW).faults == ()


def test_a_note_about_a_file_of_ours(tmp_path):
    """An old intermediate that is still sent."""
    old = make("Inter2", issuer=CA, ca=True, key=INTER.key, ends=-1)
    report = of_files(ServerTls(*INTER.issue("pacs").write(tmp_path, "own", old, INTER)), NOW)
    assert report.faults == ()
    (note,) = report.notes
    assert note.startswith("Inter2 expired on ")
