"""TLS of the network process: listeners and destinations, refusals in words, renewal without dropping a connection."""

import json
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from engine.hl7.acknowledge import read_ack
from engine.mllp.framing import frame
from engine.store.journal import read_journal
from tests.app.test_network import SOON, Engine, Pacs, message, queue
from tests.tls.authority import Owner, make, root


class Site:
    """A folder with a CA, a listener's certificate and clients'."""

    def __init__(self, folder: Path, ca: Owner | None = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.ca = ca or root()
        self.ca.write(folder, "ca")
        self.renew("engine", self.ca.issue("engine.hospital", sans=["localhost", "127.0.0.1"]))
        self.renew("lab", self.ca.issue("lab.hospital"))
        self.engine = None
        self.config("")

    def renew(self, name: str, owner: Owner, *further: Owner) -> Owner:
        owner.write(self.folder, name, *further)
        return owner

    def config(self, tls: str, destinations: str = "") -> None:
        inside = f"certificate: engine.pem, key: engine.key{', ' if tls else ''}{tls}"
        text = f"listeners: {{lab: {{port: 0, tls: {{{inside}}}}}}}\n{destinations}"
        (self.folder / "config.yaml").write_text(text)

    def client(self, certificate: str = "", **settings) -> ssl.SSLContext:
        """Python's own TLS, which knows the CA."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        for name, value in settings.items():
            setattr(context, name, value)
        if certificate:
            context.load_cert_chain(self.folder / f"{certificate}.pem", self.folder / f"{certificate}.key")
        return context

    def events(self, name: str) -> list[dict]:
        """What the log says, as far as it is written; it is flushed within a quarter of a second."""
        log = self.folder / "data" / "logs" / "network.log"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line for line in lines if line["event"] == name]

    def wait_event(self, name: str, count: int = 1) -> dict:
        until = time.monotonic() + SOON
        while len(found := self.events(name)) < count:
            assert time.monotonic() < until, f"no {name}; {self.folder / 'data' / 'logs' / 'network.log'}"
            time.sleep(0.02)
        return found[-1]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def start(site):
    engines = []

    def begin(folder=None):
        engines.append(Engine(folder or site.folder))
        return engines[-1].ready()

    yield begin
    for engine in engines:
        if engine.process.poll() is None:
            engine.close()
            assert engine.ended() == (0, "")
        engine.kill()


class Sender:
    """A foreign MLLP client over Python's ssl."""

    def __init__(self, port: int, context: ssl.SSLContext, session=None) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=SOON)
        self.socket = context.wrap_socket(raw, server_hostname="localhost", session=session)

    def exchange(self, body: bytes) -> bytes:
        self.socket.sendall(frame(body))
        received = b""
        while not received.endswith(b"\x1c\r"):
            more = self.socket.recv(65536)
            assert more, "the connection was closed"
            received += more
        return received[1:-2]

    def close(self) -> None:
        self.socket.close()


def code(answer: bytes) -> str:
    return read_ack(answer).code


def test_messages_come_over_tls_13_and_12(site, start):
    """A foreign client over both versions; what is kept names the peer as address:port."""
    engine = start()
    for number, version in enumerate((ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)):
        sender = Sender(engine.ports["lab"], site.client(minimum_version=version, maximum_version=version))
        assert code(sender.exchange(message(f"C{number}"))) == "AA"
        assert code(sender.exchange(message(f"D{number}" + "x" * 10) + b"OBX|1|TX|||" + b"y" * 300_000 + b"\r")) == "AA"
        assert sender.socket.version() in {"TLSv1.3", "TLSv1.2"}
        assert "GCM" in sender.socket.cipher()[0] or "CHACHA" in sender.socket.cipher()[0]
        assert sender.socket.compression() is None
        peer = "{}:{}".format(*sender.socket.getsockname())
        sender.close()
    journal = read_journal(site.folder / "data" / "journal.db")
    assert [entry.peer for entry in journal.read(0, 0, 10, 10**7)][-1] == peer
    journal.close()


def test_no_byte_of_a_message_is_readable_on_the_wire(site, start):
    """Sniffed between client and engine, both directions, also of what `Writer` writes at once."""
    engine = start()
    seen = {True: b"", False: b""}
    proxy = socket.create_server(("127.0.0.1", 0))

    def pump(source, target, side):
        while data := source.recv(65536):
            seen[side] += data
            target.sendall(data)

    def serve():
        client, _ = proxy.accept()
        upstream = socket.create_connection(("127.0.0.1", engine.ports["lab"]))
        threading.Thread(target=pump, args=(upstream, client, False), daemon=True).start()
        pump(client, upstream, True)

    threading.Thread(target=serve, daemon=True).start()
    sender = Sender(proxy.getsockname()[1], site.client())
    assert b"MSA|AA|CANARY1" in sender.exchange(message("CANARY1"))
    assert seen[False]
    assert seen[True]
    for data in seen.values():
        for word in (b"CANARY", b"MSH|", b"MSA|", b"\x0bMSH"):
            assert word not in data
    sender.close()


@pytest.mark.parametrize("minimum", ["1.2", "1.3"])
def test_an_older_version_is_refused(site, start, minimum):
    """TLS 1.1 never; 1.2 where 1.3 is the minimum."""
    site.config(f'minimum: "{minimum}"')
    engine = start()
    versions = {"1.2": ssl.TLSVersion.TLSv1_1, "1.3": ssl.TLSVersion.TLSv1_2}
    context = site.client(maximum_version=versions[minimum])
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        Sender(engine.ports["lab"], context)
    assert site.wait_event("TlsRefused")["why"] == "the peer has no version of TLS that we take"


def test_only_ecdhe_with_aead(site, start):
    """CBC suites and RSA key exchange find nothing in common."""
    engine = start()
    context = site.client(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE+AES128:!AESGCM:!CHACHA20:AES128-SHA")
    with pytest.raises(ssl.SSLError):
        Sender(engine.ports["lab"], context)
    assert site.wait_event("TlsRefused")["why"] == "the peer has no cipher suite that we take"


def test_plain_text_on_the_tls_port(site, start):
    """Row 20: a TLS alert, closed, an event; nothing is kept."""
    engine = start()
    with socket.create_connection(("127.0.0.1", engine.ports["lab"]), timeout=SOON) as plain:
        plain.sendall(frame(message()))
        received = b""
        while data := plain.recv(100):
            received += data
    assert received == b"\x15\x03\x03\x00\x02\x02\x0a"
    assert site.wait_event("TlsRefused")["why"] == "plain text where TLS is wanted"
    status = engine.call("status")["listeners"]["lab"]
    assert (status["frames"], status["faults"], status["connections"]) == (0, 1, 0)


def test_a_tls_hello_on_a_plain_port_is_closed(site, start):
    """Row 19."""
    (site.folder / "config.yaml").write_text("listeners: {lab: {port: 0}}\n")
    engine = start()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Sender(engine.ports["lab"], site.client())


def test_mutual_tls_with_subjects(site, start):
    """The client that is named is let in; others are told apart in words, and none of their messages is taken."""
    site.config("client_ca: ca.pem, subjects: [lab.hospital]")
    site.renew("ris", site.ca.issue("ris.hospital"))
    site.renew("thief", root("Somebody's CA").issue("lab.hospital"))
    engine = start()
    sender = Sender(engine.ports["lab"], site.client("lab"))
    assert code(sender.exchange(message("C1"))) == "AA"
    for number, (certificate, why) in enumerate(
        (
            ("ris", "the client ris.hospital is none of `subjects`"),
            ("thief", "the certificate of lab.hospital is not issued by ca.pem"),
            ("", "the client has no certificate"),
        ),
        1,
    ):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            Sender(engine.ports["lab"], site.client(certificate)).exchange(message("C2"))
        assert site.wait_event("TlsRefused", number)["why"] == why
    assert code(sender.exchange(message("C3"))) == "AA"
    assert engine.call("status")["listeners"]["lab"]["accepted"] == 2


def test_a_revoked_client_is_refused(site, start):
    """Also one that comes back with the session of before: none is resumed."""
    site.config("client_ca: ca.pem, crl: revoked.pem")
    lab = site.renew("lab", site.ca.issue("lab.hospital"))
    (site.folder / "revoked.pem").write_bytes(site.ca.crl())
    engine = start()
    context = site.client("lab", maximum_version=ssl.TLSVersion.TLSv1_2)
    sender = Sender(engine.ports["lab"], context)
    assert code(sender.exchange(message("C1"))) == "AA"
    session = sender.socket.session
    again = Sender(engine.ports["lab"], context, session=session)
    assert code(again.exchange(message("C2"))) == "AA"
    assert not again.socket.session_reused
    (site.folder / "revoked.pem").write_bytes(site.ca.crl(lab))
    assert engine.call("certificates")["reloaded"] == {"listener lab": ""}
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Sender(engine.ports["lab"], context, session=session).exchange(message("C3"))
    assert site.wait_event("TlsRefused")["why"] == "the certificate of lab.hospital is revoked"
    assert code(sender.exchange(message("C4"))) == "AA"  # what stands goes on


def test_a_certificate_is_renewed_under_a_running_connection(site, start):
    """The old connection goes on; a new one sees the new certificate; a broken file leaves the good one in place."""
    engine = start()
    old = Sender(engine.ports["lab"], site.client())
    first = old.socket.getpeercert(binary_form=True)
    site.renew("engine", site.ca.issue("engine.hospital", sans=["localhost"]))
    assert engine.call("certificates")["reloaded"] == {"listener lab": ""}
    new = Sender(engine.ports["lab"], site.client())
    second = new.socket.getpeercert(binary_form=True)
    assert first != second
    assert code(old.exchange(message("C1"))) == code(new.exchange(message("C2"))) == "AA"
    (site.folder / "engine.pem").write_text("rubbish")
    (problem,) = engine.call("certificates")["reloaded"].values()
    assert problem.endswith("engine.pem: this is no PEM file: there is no -----BEGIN CERTIFICATE----- in it")
    assert site.wait_event("CertificatesNotTaken")["why"] == problem
    assert Sender(engine.ports["lab"], site.client()).socket.getpeercert(binary_form=True) == second
    assert engine.call("status")["certificates"][0]["problem"] == problem
    assert code(old.exchange(message("C3"))) == "AA"


def test_a_stalled_handshake_delays_nobody(site, start):
    """Fifty that say half a hello, counted as connections; a good one is served beside them."""
    engine = start()
    stalled = [socket.create_connection(("127.0.0.1", engine.ports["lab"]), timeout=SOON) for _ in range(50)]
    for one in stalled:
        one.sendall(b"\x16\x03\x01\x02\x00\x01")
    sender = Sender(engine.ports["lab"], site.client())
    began = time.monotonic()
    for number in range(20):
        assert code(sender.exchange(message(f"C{number}"))) == "AA"
    assert time.monotonic() - began < 10
    assert engine.call("status")["listeners"]["lab"]["connections"] == 51
    for one in stalled:
        one.close()


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda site: (site.folder / "engine.key").unlink(), "engine.key: cannot be read: No such file or directory"),
        (lambda site: (site.folder / "engine.key").chmod(0o644), "everybody on this machine may read the private key"),
        (lambda site: make("other").write(site.folder, "x")[1].replace(site.folder / "engine.key"), "not the key of engine.pem"),
    ],
)  # fmt: skip
def test_it_does_not_start_with_files_that_cannot_be_used(site, break_it, said):
    """One line, before a port is open."""
    break_it(site)
    engine = Engine(site.folder)
    try:
        status, error = engine.ended()
    finally:
        engine.kill()
    assert (status, error.count("\n")) == (1, 1)
    assert said in error


def test_a_plain_site_never_loads_openssl(start, site):
    """It would take 10 MB of memory for nothing; the libraries a process has loaded say so."""
    site_maps = {}
    for tls in (False, True):
        if not tls:
            (site.folder / "config.yaml").write_text("listeners: {lab: {port: 0}}\n")
        else:
            site.config("")
        engine = start()
        site_maps[tls] = Path(f"/proc/{engine.process.pid}/maps").read_text()
        engine.close()
        assert engine.ended()[0] == 0
    assert "cryptography/hazmat/bindings" in site_maps[True]  # the control: it would be seen
    assert "cryptography/hazmat/bindings" not in site_maps[False]


class TlsPacs(Pacs):
    """A destination behind Python's ssl."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__()

    def _talk(self, connection):
        try:
            wrapped = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        try:
            super()._talk(wrapped)
        except OSError:
            wrapped.close()


def server(site, name, *, clients=False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(site.folder / f"{name}.pem", site.folder / f"{name}.key")
    if clients:
        context.load_verify_locations(site.folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def deliver_to(site, port, tls):
    text = f"destinations: {{pacs: {{host: 127.0.0.1, port: {port}, tls: {{{tls}}}}}}}\n"
    (site.folder / "config.yaml").write_text(f"listeners: {{lab: {{port: 0}}}}\n{text}")


def test_it_delivers_over_mutual_tls(site, start):
    """With a certificate of ours, and only to the one whose certificate is right."""
    site.renew("pacs", site.ca.issue("pacs", sans=["127.0.0.1", "pacs.hospital"]))
    pacs = TlsPacs(server(site, "pacs", clients=True))
    deliver_to(site, pacs.port, "ca: ca.pem, certificate: lab.pem, key: lab.key, server_name: pacs.hospital")
    engine = start()
    queue(site.folder, *[(f"B{n}", "K") for n in range(50)])
    pacs.wait(50)
    assert pacs.received == [f"B{n}" for n in range(50)]
    assert [one["name"] for one in engine.call("status")["certificates"][0]["endings"]] == [
        "lab.hospital",
        "Hospital Root CA",
        "pacs",
    ]


def test_one_engine_delivers_to_another(site, start, tmp_path):
    """Mutual TLS with our own code on both sides."""
    other = Site(tmp_path / "other", site.ca)
    other.config("client_ca: ca.pem, subjects: [lab.hospital]")
    receiving = start(other.folder)
    deliver_to(site, receiving.ports["lab"], "ca: ca.pem, certificate: lab.pem, key: lab.key, server_name: localhost")
    start()
    queue(site.folder, *[(f"B{n}", "K") for n in range(20)])
    until = time.monotonic() + SOON
    while receiving.call("status")["listeners"]["lab"].get("accepted", 0) < 20:
        assert time.monotonic() < until
        time.sleep(0.02)
    journal = read_journal(other.folder / "data" / "journal.db")
    assert [entry.body for entry in journal.read(0, 0, 30, 10**6)] == [message(f"B{n}") for n in range(20)]
    journal.close()


REASONS = {
    "expired": ({"ends": -1}, "ca: ca.pem", "TLS: the certificate of 127.0.0.1 expired on "),
    "not yet": ({"begins": 5}, "ca: ca.pem", "TLS: the certificate of 127.0.0.1 is valid only from "),
    "name": ({"sans": ["pacs.other"]}, "ca: ca.pem", "TLS: the certificate is not for 127.0.0.1 but for pacs.other"),
    "no name": ({"sans": []}, "ca: ca.pem", "TLS: the certificate is not for 127.0.0.1 but for nobody: it has no subject alternative name (pacs)"),
    "issuer": ({}, "ca: other.pem", "TLS: the certificate of 127.0.0.1 is not issued by other.pem"),
    "system": ({}, "", "TLS: the certificate of 127.0.0.1 is not issued by the system's CAs"),
    "pin": ({}, "pin: sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "TLS: the key of 127.0.0.1 is not the pinned one but sha256/"),
    "wants ours": ({"clients": True}, "ca: ca.pem", "TLS: the peer "),
    "revoked": ({"revoked": True}, "ca: ca.pem, crl: crl.pem", "TLS: the certificate of 127.0.0.1 is revoked"),
}  # fmt: skip


@pytest.mark.parametrize("case", REASONS)
def test_a_destination_that_is_not_trusted_gets_nothing_and_the_lane_says_why(site, start, case):
    """In words, retried, never in plain text."""
    asked, tls, reason = REASONS[case]
    asked = {"sans": ["127.0.0.1"], **asked}
    clients, revoked = asked.pop("clients", False), asked.pop("revoked", False)
    owner = site.renew("pacs", site.ca.issue("pacs", **asked))
    (site.folder / "crl.pem").write_bytes(site.ca.crl(*([owner] if revoked else [])))
    root("Another CA").write(site.folder, "other")
    pacs = TlsPacs(server(site, "pacs", clients=clients))
    deliver_to(site, pacs.port, tls)
    engine = start()
    queue(site.folder, ("B1", "K"))
    lane = wait_tries(engine)
    assert lane["reason"].startswith(reason), lane
    assert (lane["state"], lane["done"], pacs.received) == ("OPEN", 0, [])


def test_a_pinned_destination(site, start):
    """Its key decides, whoever issued the certificate."""
    from engine.tls.meeting import pin_of

    owner = site.renew("pacs", make("pacs", sans=[]))
    pacs = TlsPacs(server(site, "pacs"))
    deliver_to(site, pacs.port, f"pin: {pin_of(owner.certificate)}")
    start()
    queue(site.folder, ("B1", "K"))
    pacs.wait(1)


def test_a_destination_that_speaks_plain_text(site, start):
    """Nothing but the hello leaves."""
    got = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection, _ = listening.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(frame(b"MSH|^~\\&|no"))

    threading.Thread(target=serve, daemon=True).start()
    deliver_to(site, listening.getsockname()[1], "ca: ca.pem")
    engine = start()
    queue(site.folder, ("CANARY", "K"))
    assert wait_tries(engine)["reason"] == "TLS: the peer does not speak TLS"
    assert got[0][:1] == b"\x16"
    assert not any(b"CANARY" in data for data in got)


def wait_tries(engine):
    until = time.monotonic() + SOON
    while not (lane := engine.call("status")["lanes"][0])["tries"]:
        assert time.monotonic() < until, lane
        time.sleep(0.02)
    return lane


def test_openssl_s_client_is_served(site, start):
    """Another implementation's tool, where it is installed."""
    tool = Path("/usr/bin/openssl")
    if not tool.exists():
        pytest.skip("openssl is not installed")
    engine = start()
    done = subprocess.run(
        [tool, "s_client", "-connect", f"127.0.0.1:{engine.ports['lab']}", "-CAfile", site.folder / "ca.pem", "-brief",
         "-verify_return_error", "-verify_ip", "127.0.0.1"],
        input=b"", capture_output=True, timeout=SOON, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"Verification: OK" in done.stderr
