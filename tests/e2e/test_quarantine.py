"""What was refused is found, explained, and let through by a person, in a running engine."""

import subprocess
import sys
from pathlib import Path

from engine_process import Engine, sample, wait_for
from sink import Sink

ORDER = sample("orm_ct_abdomen.hl7")
TRAINING = ORDER.replace(b"|P|2.3.1", b"|T|2.3.1")


def backstory(engine: Engine, *words: str) -> tuple[int, str]:
    """The command: its exit status and what it says."""
    command = [sys.executable, "-m", "engine.cli", *words, "--site", str(engine.site)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_refused_order_is_released_and_reaches_the_pacs(tmp_path: Path) -> None:
    """MSH-11 T: AR 202, named by status, explained, released once however often asked for, delivered once."""
    assert TRAINING != ORDER
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        assert b"MSA|AR|SYN0006" in engine.send("ris", TRAINING)
        engine.wait_processed(1)
        code, text = backstory(engine, "status")
        assert code == 1
        assert "needs a person: 1 message refused in the last day" in text
        code, text = backstory(engine, "messages", "--status", "quarantined")
        assert (code, "QUARANTINED AR 202" in text, "ORM^O01" in text) == (0, True, True)
        _, text = backstory(engine, "messages", "show", "1")
        for line in ("does not take this processing id", "MSH-11 Processing ID", "AR 202 Unsupported processing id"):
            assert line in text
        assert backstory(engine, "messages", "release", "1") == (0, "entry 1 is released as entry 2\n")
        wait_for(lambda: sink.received, "the order arrives")
        assert b"|T|2.3.1" in sink.received[0]
        assert b"ACC1" in sink.received[0]
        code, text = backstory(engine, "messages", "release", "1")
        assert (code, "entry 2\n" in text) == (0, True)
        assert backstory(engine, "status")[0] == 0
        _, text = backstory(engine, "messages", "--status", "quarantined")
        assert "QUARANTINED AR 202, released by entry 2" in text
        _, text = backstory(engine, "messages", "show", "2")
        for line in (
            "by listener ris",
            "releases  entry 1, message 1 of 1",
            "orders_to_pacs: TRANSFORMED",
            "pacs: SENT",
        ):
            assert line in text
        with engine.journal() as journal:
            assert journal.tails()[0] == 2
        assert len(sink.received) == 1


def test_a_release_survives_a_kill_and_a_batch_is_released_whole(tmp_path: Path) -> None:
    """Each message of a batch that was refused for its count; killed after the release, it is done after the start."""
    second = ORDER.replace(b"SYN0006", b"SYN0106").replace(b"ACC1", b"ACC2")
    batch = b"BHS|^~\\&|RIS|HOSP|||||||B1\r" + ORDER + second + b"BTS|3\r"
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        assert b"MSA|AE|B1" in engine.send("ris", batch)
        code, text = backstory(engine, "messages", "release", "1")
        assert code == 0, text
        assert text.splitlines() == [
            "entry 1, message 1 of 2, is released as entry 2",
            "entry 1, message 2 of 2, is released as entry 3",
        ]
        engine.kill()
        engine.start()
        wait_for(lambda: {b"ACC1" in one for one in sink.received} == {True, False}, "both orders arrive")
        engine.wait_processed(3)
        assert backstory(engine, "messages", "release", "1")[1].count("was released before") == 2
        assert b"MSA|AE|B1" in engine.send("ris", batch)
        assert b"MSA|AA|B1" in engine.send("ris", batch.replace(b"BTS|3", b"BTS|2"))  # mended by its sender: known
        for words in (("--control-id", "B1"), ("--control-id", "SYN0106"), ("--patient", "12345")):
            assert "QUARANTINED AE 100, released" in backstory(engine, "messages", *words)[1]
        with engine.journal() as journal:
            assert journal.tails()[0] == 3
        assert len(sink.received) == 2


def test_what_cannot_be_released_is_said_and_dismissed(tmp_path: Path) -> None:
    """No MSH: refused in words; dismissed with a reason, status is quiet again, and who did it stays."""
    with Engine(tmp_path) as engine:
        engine.send("lab", b"no message")
        engine.wait_processed(1)
        code, text = backstory(engine, "messages", "release", "1")
        assert (code, "no MSH that can be read" in text) == (1, True)
        assert backstory(engine, "status")[0] == 1
        assert backstory(engine, "messages", "dismiss", "1", "--because", "a probe of the network")[0] == 0
        engine.wait_processed(2)
        assert backstory(engine, "status")[0] == 0
        assert "dismissed before" in backstory(engine, "messages", "dismiss", "1", "--because", "again")[1]
        assert "because   a probe of the network" in backstory(engine, "messages", "show", "2")[1]
        assert "QUARANTINED AR 100, dismissed by entry 2" in backstory(engine, "messages", "show", "1")[1]
        assert "a probe" not in engine.logs()
