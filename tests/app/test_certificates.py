"""The certificates of the network process: watched, told when they end, taken when they change."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from engine.app import certificates
from engine.app.certificate_events import CertificateBegins, CertificateEnds
from engine.app.certificates import Certificates
from engine.app.network_plan import DestinationPlan, ListenerPlan, NetworkPlan
from engine.channel.verdict import ListenerRules
from engine.errors import ConfigError
from engine.mllp.listener import ConnectionRules
from engine.mllp.sender import Target
from engine.tls.credential import MOST_PEERS, Credential
from engine.tls.plan import ClientTls, ServerTls
from tests.mllp.wire import Ward
from tests.tls.authority import make, root

SOON = 20.0
CA = root()


class Keeper:
    """Certificates of a listener and a destination, a clock, and the events."""

    def __init__(self, folder, ends=365.0, begins=-100.0):
        self.folder = folder
        CA.write(folder, "ca")
        self.owner = CA.issue("engine", ends=ends, begins=begins)
        self.owner.write(folder, "engine")
        (folder / "crl.pem").write_bytes(CA.crl(days=7))
        own = (folder / "engine.pem", folder / "engine.key")
        rules = ListenerRules("lab", frozenset({b"P"}), "utf-8", frozenset())
        server = ServerTls(*own, folder / "ca.pem", crl=folder / "crl.pem")
        listeners = (
            ListenerPlan("127.0.0.1", 0, rules, ConnectionRules(), tls=server),
            ListenerPlan("127.0.0.1", 0, rules._replace(name="adt"), ConnectionRules()),
        )
        destinations = (
            DestinationPlan("pacs", Target("pacs", 1), tls=ClientTls("pacs", folder / "ca.pem")),
            DestinationPlan("archive", Target("archive", 1)),
        )
        self.now = datetime.now(UTC) - timedelta(hours=1)
        self.events = []
        self.more = threading.Condition()
        plan = NetworkPlan(folder, listeners, destinations)
        self.certificates = Certificates(plan, self.emit, lambda: int(self.now.timestamp() * 1_000_000))

    def emit(self, event):
        with self.more:
            self.events.append(event)
            self.more.notify_all()

    def wait(self, name):
        with self.more:
            found = lambda: [event for event in self.events if type(event).__name__ == name]  # noqa: E731
            assert self.more.wait_for(found, SOON), self.events
            return found()[-1]

    def told(self):
        """The days of what is told now, after a look without the thread."""
        self.events.clear()
        for credential in self.certificates._all():
            self.certificates._tell(credential)
        return [(event.what, event.days) for event in self.events if isinstance(event, CertificateEnds)]

    def early(self):
        """What is told now that is not valid yet."""
        self.told()
        return [event for event in self.events if isinstance(event, CertificateBegins)]


def test_an_end_is_told_at_30_14_7_1_days_and_once_it_has_come(tmp_path):
    """Once each; a revocation list in the last twentieth of its life."""
    keeper = Keeper(tmp_path, ends=40)
    found = {}
    for day in range(45):
        for what, days in keeper.told():
            found.setdefault(what, []).append((day, days))
        keeper.now += timedelta(days=1)
    assert [days for _, days in found["own certificate"]] == [30, 14, 7, 1, -1]
    assert [days for _, days in found["revocation list"]] == [1, -1]


def test_changed_files_are_noticed_and_taken(tmp_path, monkeypatch):
    """By the thread; a broken one is told and the context stays."""
    monkeypatch.setattr(certificates, "LOOK", 0.05)
    keeper = Keeper(tmp_path)
    credential = keeper.certificates._listeners["lab"]
    first = credential.context
    keeper.certificates.start()
    try:
        CA.issue("engine").write(tmp_path, "engine")
        keeper.wait("CertificatesTaken")
        second = credential.context
        assert second is not first
        (tmp_path / "ca.pem").unlink()
        assert "ca.pem: cannot be read" in keeper.wait("CertificatesNotTaken").why
        assert credential.context.get_verify_mode() == second.get_verify_mode()
    finally:
        keeper.certificates.stop()


def test_files_are_left_alone_while_they_are_written(tmp_path):
    """A certificate without its key yet is no news: the look after the next takes both."""
    keeper = Keeper(tmp_path)
    credential = keeper.certificates._listeners["lab"]
    new = CA.issue("engine")
    (tmp_path / "engine.pem").write_bytes(new.pem)
    assert not credential.look()
    (tmp_path / "engine.key").write_bytes(new.key_pem)
    assert not credential.look()
    assert credential.look()
    assert not credential.look()


def test_the_watch_survives_a_surprise(tmp_path, monkeypatch):
    """It is told, and the next look comes."""
    monkeypatch.setattr(certificates, "LOOK", 0.05)
    keeper = Keeper(tmp_path)
    calls = []

    def look(self, credential, *, force=False):
        calls.append(credential)
        if len(calls) == 1:
            raise RuntimeError
        keeper.emit(ValueError())

    monkeypatch.setattr(Certificates, "_look", look)
    keeper.certificates.start()
    try:
        assert keeper.wait("Surprise").error == "RuntimeError"
        keeper.wait("ValueError")
    finally:
        keeper.certificates.stop()


def test_status_names_owners_and_ends(tmp_path):
    """Own certificates, lists, and the peers that were met, the newest of them."""
    keeper = Keeper(tmp_path)
    credential = keeper.certificates._listeners["lab"]
    for number in range(MOST_PEERS + 1):
        credential.met(CA.issue(f"peer{number}").certificate)
    credential.met(None)
    lab, pacs = keeper.certificates.status()
    assert (lab["owner"], pacs["owner"]) == ("listener lab", "destination pacs")
    assert [(one["what"], one["name"]) for one in pacs["endings"]] == [("CA certificate", "Hospital Root CA")]
    names = [one["name"] for one in lab["endings"]]
    assert names[:3] == ["engine", "Hospital Root CA", "crl.pem"]
    assert (names[3], names[-1], len(names)) == ("peer1", f"peer{MOST_PEERS}", MOST_PEERS + 3)


def test_only_who_has_tls_gets_it(tmp_path):
    """The others are as they were."""
    keeper = Keeper(tmp_path)
    assert keeper.certificates.around_sender("archive", None) is None
    assert keeper.certificates.around_sender("pacs", None) is not None
    listener = object()
    assert keeper.certificates.around_listener("adt", listener, None) is listener


def test_reload_names_each(tmp_path):
    keeper = Keeper(tmp_path)
    assert keeper.certificates.reload() == {"listener lab": "", "destination pacs": ""}
    (tmp_path / "engine.key").chmod(0o644)
    assert "everybody on this machine" in keeper.certificates.reload()["listener lab"]


def test_a_broken_file_refuses_the_start(tmp_path):
    Keeper(tmp_path)
    (tmp_path / "engine.pem").write_text("")
    with pytest.raises(ConfigError, match=r"engine\.pem: the file is empty"):
        Credential("listener lab", ServerTls(tmp_path / "engine.pem", tmp_path / "engine.key"))


def test_a_refusal_is_told_once_a_minute_for_each_address_and_reason(tmp_path):
    """With how often it was; the names that a peer puts into its certificates make no new reasons."""
    keeper, ward = Keeper(tmp_path), Ward()
    refused = keeper.certificates.around_listener("lab", ward.listener, ward.clock).refused
    for port in range(3000):
        refused(f"10.0.0.7:{port}", f"the client thief{port} is none of `subjects`", "subjects")
    refused("10.0.0.7:1", "plain text where TLS is wanted", "plain text where TLS is wanted")
    refused("10.0.0.8:1", "the client thief is none of `subjects`", "subjects")
    ward.clock.advance(60)
    refused("10.0.0.7:1", "the client thief is none of `subjects`", "subjects")
    assert [(event.peer, event.times) for event in keeper.events] == [
        ("10.0.0.7:0", 1),
        ("10.0.0.7:1", 1),
        ("10.0.0.8:1", 1),
        ("10.0.0.7:1", 3000),
    ]
    assert ward.listener.counters.faults == 3003


def test_the_end_of_a_ca_is_told(tmp_path):
    """Of each in the file that has no renewed one beside it; all that it issued is refused."""
    keeper = Keeper(tmp_path)
    old, other = root("Old CA", ends=3), root("Other CA", ends=6)
    renewed = make("Old CA", ca=True, key=old.key)
    (tmp_path / "ca.pem").write_bytes(CA.pem + renewed.pem + old.pem + other.pem)
    assert keeper.certificates.reload() == {"listener lab": "", "destination pacs": ""}
    assert keeper.told() == [("CA certificate", 6)] * 2
    assert {event.name for event in keeper.events} == {"Other CA"}
    assert keeper.told() == []


def test_certificates_that_live_a_day_are_told_late_and_forgotten(tmp_path):
    """A quarter of their life before the end; nothing is kept of one that has ended."""
    keeper = Keeper(tmp_path)
    credential = keeper.certificates._listeners["lab"]
    credential.met(CA.issue("ward", begins=-0.48, ends=0.52).certificate)
    credential.met(CA.issue("lab", begins=-300, ends=1.02).certificate)
    found = []
    for hour in range(40):
        keeper.told()
        found += [(hour, event.name) for event in keeper.events]
        keeper.now += timedelta(hours=1)
    assert found == [(0, "lab"), (8, "ward"), (26, "lab")]
    names = [one["name"] for one in keeper.certificates.status()[0]["endings"]]
    assert ("ward" in names, "lab" in names) == (False, True)
    keeper.now += timedelta(days=30)
    keeper.told()
    assert "lab" not in [one["name"] for one in keeper.certificates.status()[0]["endings"]]
    assert {ending.name for ending in keeper.certificates._told}.isdisjoint({"ward", "lab"})


def refused_reload(keeper):
    """Why the listener's files are not taken."""
    return keeper.certificates.reload()["listener lab"]


def test_what_is_not_valid_now_does_not_take_the_place_of_what_is(tmp_path):
    """A certificate, the only CA, the only list; what is valid only later is taken then."""
    keeper = Keeper(tmp_path)
    credential = keeper.certificates._listeners["lab"]
    good = credential.context
    CA.issue("engine", ends=-3).write(tmp_path, "engine")
    assert "engine.pem: engine expired on 2" in refused_reload(keeper)
    assert refused_reload(keeper).endswith("; the present one stays, which is valid now")
    keeper.owner.write(tmp_path, "engine")
    make("Hospital Root CA", ca=True, key=CA.key, ends=-1).write(tmp_path, "ca")
    assert "ca.pem: Hospital Root CA expired on 2" in refused_reload(keeper)
    CA.write(tmp_path, "ca")
    (tmp_path / "crl.pem").write_bytes(CA.crl(days=-1))
    assert "crl.pem: CN=Hospital Root CA expired on 2" in refused_reload(keeper)
    (tmp_path / "crl.pem").write_bytes(CA.crl())
    CA.issue("engine", begins=2).write(tmp_path, "engine")
    assert "engine.pem: engine is valid only from 2" in refused_reload(keeper)
    assert credential.context is good
    assert not credential.look()
    keeper.now += timedelta(days=2, hours=2)
    assert credential.look()
    assert (credential.context is good, credential.problem) == (False, "")
    assert not credential.look()


def test_what_begins_later_is_told(tmp_path):
    """An engine that starts with it; once."""
    keeper = Keeper(tmp_path)
    again = Keeper(tmp_path, begins=2)
    assert [(event.name, event.what) for event in again.early()] == [("engine", "own certificate")]
    assert again.early() == []
    again.now += timedelta(days=3)
    assert again.told() == []
    assert keeper.told() == []


CLIENT_ONLY, SERVER_ONLY = [ExtendedKeyUsageOID.CLIENT_AUTH], [ExtendedKeyUsageOID.SERVER_AUTH]


def test_what_may_not_be_used_does_not_take_the_place_of_what_may(tmp_path):
    """Peers would refuse a listener's certificate that is for clients; once the present one has ended, nothing is lost."""
    keeper = Keeper(tmp_path, ends=10)
    credential = keeper.certificates._listeners["lab"]
    good = credential.context
    CA.issue("engine", usages=CLIENT_ONLY).write(tmp_path, "engine")
    why = refused_reload(keeper)
    assert "engine.pem: engine may not be used as a server: its extended key usage lacks serverAuth" in why
    assert why.endswith("; the present one stays as long as it is valid")
    assert keeper.wait("CertificatesNotTaken").why == why
    assert (credential.context is good, credential.problem, credential.unfit) == (True, why, "")
    CA.issue("engine", usages=(), more=[(b"\x04\x01x", "2.5.29.37", False)]).write(tmp_path, "engine")
    assert "engine.pem: engine is malformed" in refused_reload(keeper)
    CA.issue("engine", signs=False).write(tmp_path, "engine")
    assert "its key usage lacks digitalSignature" in refused_reload(keeper)
    assert not credential.look()
    keeper.now += timedelta(days=10, hours=2)
    (tmp_path / "crl.pem").write_bytes(CA.crl(days=20))
    assert credential.look()
    assert "lacks digitalSignature" in credential.unfit
    assert credential.problem == ""


def test_a_start_with_what_may_not_be_used_is_in_status(tmp_path):
    """There is nothing better; another like it is taken, and a good one makes it good."""
    Keeper(tmp_path)
    own = CA.issue("us", usages=SERVER_ONLY).write(tmp_path, "us")
    credential = Credential("destination pacs", ClientTls("pacs", tmp_path / "ca.pem", *own))
    assert credential.unfit.startswith("us may not be used as a client: its extended key usage lacks clientAuth")
    CA.issue("us", usages=SERVER_ONLY).write(tmp_path, "us")
    assert credential.look(force=True)
    assert credential.unfit
    CA.issue("us").write(tmp_path, "us")
    assert credential.look(force=True)
    assert credential.unfit == ""
    assert [row["unfit"] for row in Keeper(tmp_path).certificates.status()] == ["", ""]
