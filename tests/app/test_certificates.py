"""The certificates of the network process: watched, told when they end, taken when they change."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from engine.app import certificates
from engine.app.certificates import Certificates
from engine.app.network_plan import DestinationPlan, ListenerPlan, NetworkPlan
from engine.channel.verdict import ListenerRules
from engine.errors import ConfigError
from engine.mllp.listener import ConnectionRules
from engine.mllp.sender import Target
from engine.tls.credential import MOST_PEERS, Credential
from engine.tls.plan import ClientTls, ServerTls
from tests.mllp.wire import Ward
from tests.tls.authority import root

SOON = 20.0
CA = root()


class Keeper:
    """Certificates of a listener and a destination, a clock, and the events."""

    def __init__(self, folder, ends=365.0):
        self.folder = folder
        CA.write(folder, "ca")
        self.owner = CA.issue("engine", ends=ends)
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
        return [(event.what, event.days) for event in self.events]


def test_an_end_is_told_at_30_14_7_1_days_and_once_it_has_come(tmp_path):
    """Once each; a revocation list only when it is out of date."""
    keeper = Keeper(tmp_path, ends=40)
    found = {}
    for day in range(45):
        for what, days in keeper.told():
            found.setdefault(what, []).append((day, days))
        keeper.now += timedelta(days=1)
    assert [days for _, days in found["own certificate"]] == [30, 14, 7, 1, -1]
    assert [days for _, days in found["revocation list"]] == [-1]


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
    assert (lab["owner"], pacs["owner"], pacs["endings"]) == ("listener lab", "destination pacs", [])
    names = [one["name"] for one in lab["endings"]]
    assert names[:2] == ["engine", "crl.pem"]
    assert (names[2], names[-1], len(names)) == ("peer1", f"peer{MOST_PEERS}", MOST_PEERS + 2)


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
