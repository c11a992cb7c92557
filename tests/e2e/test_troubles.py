"""What goes wrong around the messages: a full disk, a process that cannot go on, a folder that is none, commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from engine_process import Engine, copy_site, hooks, sample, wait_for
from sink import Sink

from engine.errors import Rejected

ORDER = sample("orm_ct_abdomen.hl7")


def test_a_full_disk_holds_the_worker_up_and_nobody_else(tmp_path: Path) -> None:
    """Senders are answered, what came waits, it is said, and when there is room everything goes on by itself."""
    switch = tmp_path / "full"
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, environment=hooks(f"full_store={switch}")) as engine:
        switch.touch()
        assert b"MSA|AA|" in engine.send("ris", ORDER)
        wait_for(lambda: '"event":"StoreWaits"' in engine.logs(), "the worker says that it waits")
        assert b"MSA|AA|" in engine.send("ris", ORDER.replace(b"SYN0006", b"SYN0106"))
        assert sink.received == []
        switch.unlink()
        wait_for(lambda: len(sink.received) == 2, "both orders leave")
        assert engine.status()["processes"]["worker"]["restarts"] == 0


def test_a_worker_that_cannot_go_on_ends_without_a_word_of_the_message(tmp_path: Path) -> None:
    """Type and place on stderr, a restart each time, and the network process receives all the while."""
    with Engine(tmp_path, environment=hooks("throwing_loop")) as engine:
        assert b"MSA|AA|" in engine.send("ris", ORDER)
        wait_for(lambda: engine.status()["processes"]["worker"]["restarts"] >= 2, "it is started again, and again")
        assert b"MSA|AA|" in engine.send("ris", ORDER.replace(b"SYN0006", b"SYN0106"))
        engine.stop()
        said = engine.stderr.read_text()
        assert re.search(r"^backstory worker: unexpected ZeroDivisionError at ", said, re.MULTILINE)
        assert "DOE" not in said + engine.logs()
        assert '"event":"ProcessDied","name":"worker"' in engine.logs()


def test_a_data_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    """Exit 1, the path, and what the system says."""
    copy_site(tmp_path / "site")
    (tmp_path / "site" / "data").write_text("x")
    words = [sys.executable, "-m", "engine.cli", "run", "--site", str(tmp_path / "site")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert re.fullmatch(r"backstory: .*/site/data.*: (File exists|Not a directory)\n", ended.stderr)


def test_the_engine_stops_when_it_is_asked_and_knows_its_verbs(tmp_path: Path) -> None:
    """`stop` over the control socket is a stop in order; another word is refused with those there are."""
    with Engine(tmp_path) as engine:
        with pytest.raises(
            Rejected,
            match="there is no verb dance; there are append, certificates, channel, enrichment, lane, status, stop",
        ):
            engine.command("supervisor", "dance")
        assert engine.command("supervisor", "stop") == {}
        assert engine._process is not None
        assert engine._process.wait(60) == 0
        assert re.search(r'"ProcessStopping","name":"supervisor","why":"asked by ', engine.logs())
