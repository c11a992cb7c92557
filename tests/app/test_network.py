"""The network process, as a process: ready, receives, delivers, refuses a second one, stops when its parent is gone."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.app.control import call
from engine.channel.ports import Commit, Kind, LaneState, Outgoing
from engine.hl7.acknowledge import read_ack
from engine.mllp.framing import frame
from engine.store.journal import read_journal
from engine.store.store import open_store

HOOKS = Path(__file__).parents[1] / "e2e" / "hooks"
SOON = 20.0  # seconds that a process may take on a busy machine


def message(control_id="C1", kind="ADT^A01"):
    return f"MSH|^~\\&|LAB|HOSP|BST||20260819||{kind}|{control_id}|P|2.5\rPID|1||1||CANARY^JANE\r".encode()


class Engine:
    """A network process of a site folder, and the parent's end of its line."""

    def __init__(self, site: Path):
        self.site = site
        self.line, theirs = socket.socketpair()
        self.line.settimeout(SOON)
        words = [sys.executable, "-m", "engine.app.network", "--site", str(site), "--parent-fd", str(theirs.fileno())]
        self.process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
        theirs.close()
        self.lines = self.line.makefile("r")
        self.ports: dict[str, int] = {}

    def ready(self):
        for line in self.lines:
            word, _, rest = line.partition(" ")
            if word == "ready":
                self.ports = json.loads(rest)["listeners"]
                return self
        pytest.fail(f"not ready: {self.process.communicate(timeout=SOON)[1]}")

    def exchange(self, *messages: bytes) -> list[bytes]:
        """Send over one connection, pipelined; returns the answers in order."""
        with socket.create_connection(("127.0.0.1", self.ports["lab"]), timeout=SOON) as sender:
            sender.sendall(b"".join(frame(body) for body in messages))
            received = b""
            while received.count(b"\x1c\r") < len(messages):
                more = sender.recv(65536)
                assert more, "the connection was closed"
                received += more
        return [part.lstrip(b"\x0b") for part in received.split(b"\x1c\r")[:-1]]

    def call(self, verb, **args):
        return call(self.site / "data" / "run" / "network.sock", verb, args)

    def close(self):
        self.lines.close()
        self.line.close()

    def ended(self) -> tuple[int, str]:
        _, error = self.process.communicate(timeout=SOON)
        return self.process.returncode, error

    def kill(self):
        self.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def site(tmp_path):
    (tmp_path / "config.yaml").write_text("listeners: {lab: {port: 0}}\n")
    return tmp_path


@pytest.fixture
def start(site):
    engines = []

    def make():
        engines.append(Engine(site))
        return engines[-1]

    yield make
    for engine in engines:
        engine.kill()


class Pacs:
    """A destination that answers AA, or what `codes` says for a control id."""

    def __init__(self, **codes):
        self.codes = codes
        self.received = []
        self.more = threading.Condition()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self._server.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            buffer = b""
            while data := connection.recv(65536):
                buffer += data
                while b"\x1c\r" in buffer:
                    body, _, buffer = buffer.partition(b"\x1c\r")
                    control_id = body.split(b"|")[9].decode()
                    code = self.codes.get(control_id, "AA")
                    answer = f"MSH|^~\\&|PACS||||20260819||ACK|1|P|2.5\rMSA|{code}|{control_id}\r"
                    connection.sendall(frame(answer.encode()))
                    with self.more:
                        self.received.append(control_id)
                        self.more.notify_all()

    def wait(self, count):
        with self.more:
            assert self.more.wait_for(lambda: len(self.received) >= count, SOON), self.received


def test_it_receives_answers_and_keeps(start, site):
    """What was answered AA is in the journal; a duplicate and a refusal are answered and kept as D16 says."""
    engine = start().ready()
    answers = [read_ack(raw) for raw in engine.exchange(message("C1"), message("C2", "ZZZ^Z9"), message("C1"))]
    assert [(ack.code, ack.control_id) for ack in answers] == [("AA", "C1"), ("AR", "C2"), ("AA", "C1")]
    journal = read_journal(site / "data" / "journal.db")
    entries = journal.read(0, 0, 10, 10**6)
    assert [(entry.kind, entry.body) for entry in entries] == [
        (Kind.MESSAGE, message("C1")),
        (Kind.QUARANTINED, message("C2", "ZZZ^Z9")),
    ]
    journal.close()
    status = engine.call("status")
    lab = status["listeners"]["lab"]
    assert (lab["accepted"], lab["quarantined"], lab["duplicates"], lab["port"]) == (1, 1, 1, engine.ports["lab"])


def test_an_operators_entry_is_appended_once(start, site):
    """The same command id again answers with the same position."""
    engine = start().ready()
    socket_path = site / "data" / "run" / "network.sock"
    args = {"body": base64.b64encode(b'{"act": "note"}').decode()}
    first = call(socket_path, "append", args, command_id="c-1")
    again = call(socket_path, "append", args, command_id="c-1")
    assert (first, again) == ({"position": 1, "duplicate": False}, {"position": 1, "duplicate": True})
    assert engine.call("status")["commits"] == 2


def test_it_stops_when_its_parent_is_gone(start):
    """D18: the line closes, the process ends in order, and the next one finds everything."""
    engine = start().ready()
    engine.exchange(message("C1"))
    engine.close()
    assert engine.ended() == (0, "")
    again = start().ready()
    assert read_ack(again.exchange(message("C1"))[0]).code == "AA"
    assert again.call("status")["listeners"]["lab"]["duplicates"] == 1


def test_it_stops_in_order_on_sigterm_and_survives_kill(start):
    """SIGTERM ends with status 0; after kill -9 what was acknowledged is there."""
    engine = start().ready()
    engine.exchange(message("C1"))
    os.kill(engine.process.pid, signal.SIGKILL)
    assert engine.ended()[0] == -signal.SIGKILL
    again = start().ready()
    again.exchange(message("C1"))
    assert again.call("status")["listeners"]["lab"]["duplicates"] == 1
    os.kill(again.process.pid, signal.SIGTERM)
    assert again.ended() == (0, "")


def test_a_second_process_on_the_same_files_is_refused(start, monkeypatch):
    """The lock of the journal: one clear line, status 1, and the first one goes on."""
    engine = start().ready()
    monkeypatch.setenv("PYTHONPATH", str(HOOKS))
    monkeypatch.setenv("BACKSTORY_TEST_HOOKS", "impatient=0")
    status, error = start().ended()
    assert status == 1
    assert error.startswith("backstory network: ")
    assert error.count("\n") == 1
    assert read_ack(engine.exchange(message())[0]).code == "AA"


def test_a_port_that_is_taken_is_one_line(start, site):
    """The line names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (site / "config.yaml").write_text(f"listeners: {{lab: {{port: {port}}}}}\n")
        status, error = start().ended()
    assert status == 1
    assert f"cannot listen on 127.0.0.1:{port}" in error
    assert error.count("\n") == 1


def test_a_journal_that_is_none_is_one_line(start, site):
    """A foreign or damaged file ends the process before a port is open."""
    (site / "data").mkdir()
    (site / "data" / "journal.db").write_bytes(b"not a database" * 1000)
    status, error = start().ended()
    assert (status, error.count("\n")) == (1, 1)
    assert "journal.db" in error


def queue(site, *rows):
    """What the worker commits: outbox rows (control id, key)."""
    store = open_store(site / "data" / "store.db")
    store.commit(
        Commit(
            cursors=(),
            outgoing=[
                Outgoing("pacs", 0, key, message(name), name, n, "orders", 1) for n, (name, key) in enumerate(rows, 1)
            ],
        )
    )
    store.close()


def test_it_delivers_in_order_and_goes_on_after_a_restart(start, site):
    """Rows of the outbox leave in order, `done` is on disk, and a restart sends nothing again."""
    pacs = Pacs()
    (site / "config.yaml").write_text(
        f"listeners: {{lab: {{port: 0}}}}\ndestinations: {{pacs: {{host: 127.0.0.1, port: {pacs.port}}}}}\n"
    )
    engine = start().ready()
    names = [f"B{n}" for n in range(300)]
    queue(site, *[(name, "K") for name in names])
    pacs.wait(300)
    engine.close()
    assert engine.ended()[0] == 0
    assert pacs.received == names
    journal = read_journal(site / "data" / "journal.db")
    assert (journal.lane("pacs", 0).done, len(journal.attempts("pacs", 0, range(1, 301)))) == (300, 300)
    journal.close()
    again = start().ready()
    queue(site, ("B300", "K"))
    pacs.wait(301)
    assert pacs.received[300:] == ["B300"]
    again.close()
    assert again.ended()[0] == 0


def test_a_rejected_message_parks_its_patient_or_holds_the_lane(start, site):
    """`park`: the others of the lane leave; `hold`: nothing does, also after a restart."""
    pacs = Pacs(B1="AE")
    config = "listeners: {{lab: {{port: 0}}}}\ndestinations: {{pacs: {{host: 127.0.0.1, port: {port}, on_reject: {policy}}}}}\n"
    (site / "config.yaml").write_text(config.format(port=pacs.port, policy="park"))
    engine = start().ready()
    queue(site, ("B1", "A"), ("B2", "A"), ("B3", "B"))
    pacs.wait(2)
    engine.close()
    engine.ended()
    assert pacs.received == ["B1", "B3"]
    journal = read_journal(site / "data" / "journal.db")
    assert [parked.seq for parked in journal.parked("pacs")] == [1, 2]
    journal.close()
    pacs.codes["B4"] = "AE"
    (site / "config.yaml").write_text(config.format(port=pacs.port, policy="hold"))
    engine = start().ready()
    queue(site, ("B4", "C"), ("B5", "C"))
    pacs.wait(3)
    engine.close()
    engine.ended()
    held = start().ready()
    lane = held.call("status")["lanes"][0]
    assert (lane["state"], lane["reason"], lane["done"]) == (LaneState.HELD.name, "AE", 3)
    assert pacs.received == ["B1", "B3", "B4"]


def test_no_content_reaches_the_logs(start, site):
    """Refused, duplicate and cut-off frames leave events without a name."""
    engine = start().ready()
    engine.exchange(message("C1"), message("C1"), message("C2", "ZZZ^Z9"), b"CANARY")
    with socket.create_connection(("127.0.0.1", engine.ports["lab"]), timeout=SOON) as sender:
        sender.sendall(b"CANARY without a frame")
        assert sender.recv(10) == b""
    engine.close()
    engine.ended()
    logs = (site / "data" / "logs" / "network.log").read_text()
    assert "CANARY" not in logs
    assert {json.loads(line)["event"] for line in logs.splitlines()} >= {
        *("ProcessStarted", "Listening", "MessageRefused", "DuplicateReceived", "ConnectionClosed", "ProcessStopping")
    }
