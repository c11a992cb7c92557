"""What was refused is found, explained, and let through by a person, in a running engine."""

import re
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
        assert b"MSA|AA|B1" in engine.send("ris", batch)  # refused again, its sender would try for ever
        assert b"MSA|AA|B1" in engine.send("ris", batch.replace(b"BTS|3", b"BTS|2"))  # mended by its sender: known
        assert b"MSA|AA|SYN0106" in engine.send("ris", second)  # and so is one of its messages alone
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


def test_what_was_processed_already_is_released_only_when_a_person_says_again(tmp_path: Path) -> None:
    """Accepted before it came in a refused batch, twice in that batch, and the batch once more under another number."""
    new = ORDER.replace(b"SYN0006", b"SYN0106").replace(b"ACC1", b"ACC2")
    first = b"BHS|^~\\&|RIS|HOSP|||||||B1\r" + ORDER + new + new + b"BTS|9\r"
    second = b"BHS|^~\\&|RIS|HOSP|||||||B2\r" + ORDER + new + b"BTS|9\r"
    known = "(--again processes it once more)"
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        assert b"MSA|AA|SYN0006" in engine.send("ris", ORDER)
        assert b"MSA|AE|B1" in engine.send("ris", first)
        assert b"MSA|AE|B2" in engine.send("ris", second)
        assert backstory(engine, "messages", "release", "2")[1].splitlines() == [
            f"entry 2, message 1 of 3, was processed as entry 1 {known}",
            "entry 2, message 2 of 3, is released as entry 5",
            f"entry 2, message 3 of 3, was processed as entry 5 {known}",
        ]
        assert backstory(engine, "messages", "release", "3")[1].splitlines() == [
            f"entry 3, message 1 of 2, was processed as entry 1 {known}",
            f"entry 3, message 2 of 2, was processed as entry 5 {known}",
        ]
        engine.wait_processed(8)
        wait_for(lambda: len(sink.received) == 2, "each order arrives")
        assert backstory(engine, "status")[0] == 0
        assert b"MSA|AA|B1" in engine.send("ris", first)
        assert b"MSA|AA|B2" in engine.send("ris", second)
        assert backstory(engine, "messages", "release", "3")[1].splitlines() == [
            "entry 3, message 1 of 2, was processed as entry 1",
            "entry 3, message 2 of 2, was processed as entry 5",
        ]
        assert "processed as entry 1, processed as entry 5" in backstory(engine, "messages", "show", "3")[1]
        code, text = backstory(engine, "messages", "release", "3", "--again")
        assert (code, text.splitlines()) == (
            0,
            ["entry 3, message 1 of 2, is released as entry 9", "entry 3, message 2 of 2, is released as entry 10"],
        )
        wait_for(lambda: len(sink.received) == 4, "each order arrives once more")
        engine.wait_processed(10)
        assert backstory(engine, "messages", "release", "3", "--again")[1].count("was released before") == 2
        assert "message 1 of 2, again, by " in backstory(engine, "messages", "show", "9")[1]
        with engine.journal() as journal:
            assert journal.tails()[0] == 10
        assert len(sink.received) == 4


def test_a_released_message_is_taken_from_a_sender_that_tries_again(tmp_path: Path) -> None:
    """Refused still, it is answered as accepted; once the site is mended nothing of it is processed again."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        for _ in range(2):
            assert b"MSA|AR|SYN0006" in engine.send("ris", TRAINING)
        assert backstory(engine, "messages", "release", "1") == (0, "entry 1 is released as entry 2\n")
        other = TRAINING.replace(b"SYN0006", b"SYN0106")
        for message in (TRAINING, TRAINING):
            assert b"MSA|AA|SYN0006" in engine.send("ris", message)
        assert b"MSA|AR|SYN0106" in engine.send("ris", other)
        engine.stop()
        config = engine.site / "config.yaml"
        text = config.read_text(encoding="utf-8")
        mended, count = re.subn(r"(\n  ris:[^\n]*\n)", r"\1    processing_ids: [P, T]\n", text)
        assert count == 1
        config.write_text(mended, encoding="utf-8")
        engine.start()
        assert b"MSA|AA|SYN0006" in engine.send("ris", TRAINING)
        assert b"MSA|AA|SYN0106" in engine.send("ris", other)
        assert backstory(engine, "messages", "release", "3") == (
            0,
            "entry 3 was processed as entry 4 (--again processes it once more)\n",
        )
        engine.wait_processed(5)
        assert backstory(engine, "status")[0] == 0
        wait_for(lambda: len(sink.received) == 2, "each order arrives")
        with engine.journal() as journal:
            assert journal.tails()[0] == 5
