"""What goes wrong around the messages: a full disk, a process that cannot go on, a folder that is none, commands."""

import re
import subprocess
import sys
from pathlib import Path
from random import Random

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


def test_a_full_disk_refuses_a_batch_whole_and_takes_it_when_there_is_room(tmp_path: Path) -> None:
    """SQLite's own SQLITE_FULL in the middle of a batch: one AR 207, nothing of it is kept; afterwards it is, in order."""
    switch = tmp_path / "full"
    noise = Random(3)
    texts = [noise.randbytes(1_500).hex().encode() for _ in range(40)]  # what does not compress fills pages of its own
    messages = [
        ORDER.replace(b"SYN0006", b"SYN%d" % n) + b"NTE|1||" + text + b"\r" for n, text in enumerate(texts, 1000)
    ]
    batch = b"BHS|^~\\&|RIS|HOSP|||||||B1\r" + b"".join(messages) + b"BTS|40\r"
    with Engine(tmp_path, environment=hooks(f"full_journal={switch}")) as engine:
        assert b"MSA|AA|" in engine.send("ris", ORDER)
        switch.write_text("8")  # of about 33 pages that the batch takes
        refused = engine.send("ris", batch)
        assert (b"MSA|AR|B1" in refused, b"^^^207" in refused, refused.count(b"MSA|")) == (True, True, 1), refused
        wait_for(lambda: '"event":"ReceivePaused","why":"journal.db: the disk is full' in engine.logs(), "it is said")
        with engine.journal() as journal:
            assert journal.tails() == {0: 1}
        switch.unlink()
        assert b"MSA|AA|B1" in engine.send("ris", batch)
        with engine.journal() as journal:
            assert [entry.body for entry in journal.read(0, 1, 100, 10**6)] == messages
        assert engine.status()["processes"]["network"]["restarts"] == 0


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
