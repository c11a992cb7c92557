"""The processes live and die together, and say in one line why they cannot."""

import fcntl
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from engine_process import Engine, alive, copy_site, hooks, sample, wait_for
from sink import Sink

ORDER = sample("orm_ct_abdomen.hl7")


def run(site: Path) -> subprocess.CompletedProcess[str]:
    """`backstory run` for a site on which it must end of itself."""
    words = [sys.executable, "-m", "engine.cli", "run", "--site", str(site)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_it_says_where_it_listens_and_stops_in_order(tmp_path: Path) -> None:
    """One line on stdout, exit 0 on Ctrl-C, no process left, and nothing on stderr."""
    with Engine(tmp_path) as engine:
        pids = engine.pids()
        assert set(pids) == {"network", "worker", "supervisor"}
        assert engine.stop(signal.SIGINT) == 0
        said = engine.stdout.read_text()
        assert said.count("\n") == 1
        assert f"ris {engine.ports['ris']}" in said
        assert str(engine.data) in said
        assert engine.stderr.read_text() == ""
        assert not any(alive(pid) for pid in pids.values())
        ended = re.findall(r'"ProcessStopping","name":"(\w+)"', engine.logs())
        assert sorted(ended) == ["network", "supervisor", "worker"]


@pytest.mark.parametrize("name", ["network", "worker"])
def test_a_process_that_dies_is_started_again(tmp_path: Path, name: str) -> None:
    """Kill -9: an event, a new process, and the next order leaves."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        engine.send("ris", ORDER)
        wait_for(lambda: len(sink.received) == 1, "the first order leaves")
        pid = engine.pids()[name]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: engine.pids().get(name, pid) != pid and engine.is_ready(), "it is started again")
        engine.send("ris", ORDER.replace(b"SYN0006", b"SYN0106"))
        wait_for(lambda: len(sink.received) == 2, "the second order leaves")
        assert engine.status()["processes"][name]["restarts"] == 1
        assert re.search(rf'"ProcessDied","name":"{name}","pid":{pid},"status":-9', engine.logs())


@pytest.mark.parametrize("name", ["network", "worker"])
def test_a_process_killed_while_it_starts_is_started_again(tmp_path: Path, name: str) -> None:
    """Nothing is wrong with the site: it has ended by no doing of its own, and the engine must not end with it."""
    with Engine(tmp_path, environment=hooks(f"killed_once={name}:{tmp_path / 'killed'}")) as engine:
        assert (tmp_path / "killed").exists()
        assert b"MSA|AA|" in engine.send("ris", ORDER)
        engine.wait_processed(1)
        assert engine.status()["processes"][name]["restarts"] == 1


def test_the_others_end_with_the_supervisor(tmp_path: Path) -> None:
    """Kill -9 of the supervisor: both children end by themselves, and the engine starts again at once (D18)."""
    with Engine(tmp_path) as engine:
        pids = engine.pids()
        engine.kill()
        wait_for(lambda: not any(alive(pid) for pid in pids.values()), "the children end")
        engine.start()
        assert b"MSA|AA|" in engine.send("ris", ORDER)


def taken(lock: IO[str]) -> bool:
    """Take a lock, if it is free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("name", ["journal", "store"])
def test_the_next_engine_waits_for_what_the_last_one_left(tmp_path: Path, name: str) -> None:
    """A child that has not ended yet since its supervisor was killed still has its file: it is waited for."""
    with Engine(tmp_path) as engine:
        engine.kill()
        with (engine.data / f"{name}.db.lock").open("r+") as lock:
            wait_for(lambda: taken(lock), "the children end")
            engine.start(wait=False)
            wait_for(lambda: set(engine.pids()) == {"network", "worker", "supervisor"}, "the next engine has begun")
            if name == "store":
                wait_for(lambda: '"event":"StoreWaits"' in engine.logs(), "the worker has found it taken")
            assert not engine.is_ready()
        wait_for(engine.is_ready, "it has got the file")
        assert b"MSA|AA|" in engine.send("ris", ORDER)
        engine.wait_processed(1)
        assert not any(one["restarts"] for one in engine.status()["processes"].values())


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """Exit 1, the port by name, no traceback."""
    ports = copy_site(tmp_path / "site")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["lab"]))
        taken.listen()
        ended = run(tmp_path / "site")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert str(ports["lab"]) in ended.stderr
    assert "Address already in use" in ended.stderr


def test_a_mistake_in_a_channel_is_one_line(tmp_path: Path) -> None:
    """file:line:column, exit 1, nothing left running."""
    copy_site(tmp_path / "site")
    channel = tmp_path / "site" / "channels" / "orders_to_pacs.yaml"
    channel.write_text(channel.read_text().replace("step: track_order", "step: track_odor"))
    ended = run(tmp_path / "site")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert re.search(r"orders_to_pacs\.yaml:\d+:\d+ ", ended.stderr), ended.stderr


def test_two_engines_never_share_a_data_folder(tmp_path: Path) -> None:
    """The second one says so and ends; the first one goes on."""
    with Engine(tmp_path) as engine:
        ended = run(engine.site)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert "already" in ended.stderr
        assert b"MSA|AA|" in engine.send("ris", ORDER)


def test_control_sockets_are_for_their_owner(tmp_path: Path) -> None:
    """0600, in a folder of 0700."""
    with Engine(tmp_path) as engine:
        for name in ("network", "worker", "supervisor"):
            path = engine.data / "run" / f"{name}.sock"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE((engine.data / "run").stat().st_mode) == 0o700


def test_a_silent_process_is_killed(tmp_path: Path) -> None:
    """The watchdog looks at progress, not at life (D18): a stopped worker is killed and started again."""
    with Engine(tmp_path, environment=hooks("impatient=2")) as engine:
        pid = engine.pids()["worker"]
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: '"event":"ProcessSilent"' in engine.logs(), "it is noticed")
        wait_for(lambda: engine.pids().get("worker", pid) != pid and engine.is_ready(), "it is started again")
