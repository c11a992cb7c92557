"""Hints wake and never wait; the control socket carries commands of the same user, one at a time."""

import json
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from engine.app import control
from engine.app.clock import JUMP, SECOND, Drift, SystemClock
from engine.app.control import Command, ControlServer, NotAnswered, call
from engine.app.hints import HintReceiver, HintSender, connect
from engine.errors import Rejected, Retryable


class Moved:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND
        self.at = 5.0

    def wall(self) -> int:
        return self.now

    def mono(self) -> float:
        return self.at


def test_a_clock_that_was_set_is_noticed_once() -> None:
    """More than a minute between wall and mono, forwards and backwards; less is drift (D19)."""
    clock = Moved()
    drift = Drift(clock)
    clock.at += 3600
    clock.now += 3600 * SECOND + JUMP
    assert drift.jumped() == 0
    clock.now += 1
    assert drift.jumped() == JUMP + 1
    assert drift.jumped() == 0
    clock.now -= 7200 * SECOND
    assert drift.jumped() == -7200 * SECOND


def test_the_system_clock_is_utc_microseconds() -> None:
    """After 2024, before 2100; mono grows."""
    clock = SystemClock()
    assert 1_700_000_000 * SECOND < clock.wall() < 4_102_444_800 * SECOND
    assert clock.mono() <= clock.mono()


@pytest.fixture(params=["short", "long"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """DATA/run, also where its path is longer than a socket's address may be."""
    folder = tmp_path if request.param == "short" else tmp_path / ("d" * 100) / ("e" * 60)
    return folder / "run"


def test_a_hint_wakes_and_is_drained(run: Path) -> None:
    """One datagram each, all taken at once."""
    receiver, sender = HintReceiver(run / "worker.hint"), HintSender(run / "worker.hint")
    assert [sender.send(), sender.send()] == [True, True]
    assert receiver.drain() == 2
    assert receiver.drain() == 0
    assert stat.S_IMODE((run / "worker.hint").stat().st_mode) == 0o600
    sender.close()
    receiver.close()
    assert not (run / "worker.hint").exists()


def test_a_hint_to_nobody_is_dropped(run: Path) -> None:
    """Before the other side is there, after it died, and again when it is back."""
    sender = HintSender(run / "worker.hint")
    assert not sender.send()
    first = HintReceiver(run / "worker.hint")
    assert sender.send()
    first.close()
    assert not sender.send()
    second = HintReceiver(run / "worker.hint")
    assert sender.send()
    assert second.drain() == 1
    sender.close()
    second.close()


def test_the_end_of_a_process_leaves_its_successors_sockets(run: Path) -> None:
    """The next engine has begun before the last one's processes have ended: hints and commands reach the next one."""
    path, answering = run / "worker.hint", run / "worker.sock"
    first, first_server = HintReceiver(path), ControlServer(answering, lambda _: {"who": 1})
    second, second_server = HintReceiver(path), ControlServer(answering, lambda _: {"who": 2})
    first_server.start()
    second_server.start()
    first.close()
    first_server.close()
    sender = HintSender(path)
    assert sender.send()
    assert second.drain() == 1
    assert call(answering, "status") == {"who": 2}
    sender.close()
    second.close()
    second_server.close()
    assert list(run.iterdir()) == []


def test_a_full_queue_drops_hints_and_never_waits(run: Path) -> None:
    """One is enough."""
    receiver, sender = HintReceiver(run / "worker.hint"), HintSender(run / "worker.hint")
    sent = 0
    while sender.send():
        sent += 1
        assert sent < 100_000
    assert receiver.drain() == sent
    sender.close()
    receiver.close()


class Office:
    """What carries commands out in these tests."""

    def __init__(self) -> None:
        self.seen: list[Command] = []
        self.inside = 0
        self.most = 0
        self.wait = Event()
        self.wait.set()

    def __call__(self, command: Command) -> Mapping[str, Any]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.wait.wait(10)
        self.seen.append(command)
        self.inside -= 1
        if command.verb == "refuse":
            raise Rejected("not now")
        if command.verb == "break":
            raise ZeroDivisionError("SECRET")
        return {"echo": dict(command.args)}


@pytest.fixture
def office(run: Path) -> Iterator[Office]:
    office = Office()
    server = ControlServer(run / "worker.sock", office)
    server.start()
    yield office
    server.close()
    assert not (run / "worker.sock").exists()


def test_a_command_is_carried_out_and_answered(run: Path, office: Office) -> None:
    """With an id, the user's name, the verb and its arguments."""
    assert call(run / "worker.sock", "status", {"a": 1}, command_id="id1") == {"echo": {"a": 1}}
    assert call(run / "worker.sock", "status", who="anna") == {"echo": {}}
    first, second = office.seen
    assert first == Command("id1", control.user(), "status", {"a": 1})
    assert second.who == "anna"
    assert second.id
    assert repr(first) == "Command(id1, status)"
    assert stat.S_IMODE((run / "worker.sock").stat().st_mode) == 0o600


def test_a_refusal_has_its_text_and_a_surprise_only_its_type(run: Path, office: Office) -> None:
    """What an exception says may quote a message."""
    with pytest.raises(Rejected, match=r"^not now$"):
        call(run / "worker.sock", "refuse")
    with pytest.raises(Rejected, match=r"^unexpected ZeroDivisionError$"):
        call(run / "worker.sock", "break")


def test_nobody_there_is_retryable(tmp_path: Path) -> None:
    """The process is named."""
    with pytest.raises(Retryable, match="worker is not running"):
        call(tmp_path / "worker.sock", "status")


def test_a_late_answer_is_retryable(run: Path, office: Office) -> None:
    """The caller is not kept for ever; the command may be given again with its id."""
    office.wait.clear()
    with pytest.raises(Retryable, match=r"no answer within 0\.05 s"):
        call(run / "worker.sock", "status", timeout=0.05)
    with pytest.raises(NotAnswered, match=r"no answer within 0\.05 s; what was asked may still be done"):
        call(run / "worker.sock", "lane", timeout=0.05)
    office.wait.set()


def test_commands_are_carried_out_one_at_a_time(run: Path, office: Office) -> None:
    """Callers that come together do not meet inside."""
    threads = [Thread(target=call, args=(run / "worker.sock", "status")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (office.most, len(office.seen)) == (1, 8)


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"id": "1"}', b'{"id": "1", "verb": "x", "args": 5}', b"\xff"])
def test_what_is_no_command_is_refused(run: Path, office: Office, line: bytes) -> None:
    """And the connection goes on."""
    with socket.socket(socket.AF_UNIX) as sock:
        connect(sock, run / "worker.sock")
        with sock.makefile("rwb") as lines:
            lines.write(line + b"\n")
            lines.flush()
            assert json.loads(lines.readline())["ok"] is False
            lines.write(b'{"id": "1", "verb": "status"}\n')
            lines.flush()
            assert json.loads(lines.readline())["ok"] is True
    assert len(office.seen) == 1


def test_another_user_is_refused(run: Path, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """SO_PEERCRED decides, root and the same user pass (D17); the refusal arrives, however slowly the caller asks."""
    monkeypatch.setattr(control, "_CREDENTIALS", _Foreign())
    for _ in range(100):
        with pytest.raises(Rejected, match="only the engine's own user"):
            call(run / "worker.sock", "status")
    assert office.seen == []


class _Foreign:
    size = control._CREDENTIALS.size

    def unpack(self, _raw: bytes) -> tuple[int, int, int]:
        return 1, os.getuid() + 4711, 0
