"""What a person does to lanes, with the running engine and stops in between: park, release in order, hold, release, skip."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Event

from engine_process import Engine, sample, wait_for
from sink import Sink, accept

ORDER = sample("orm_ct_abdomen.hl7")


def order(number: int, patient: bytes = b"12345") -> bytes:
    """The n-th order of a patient."""
    changed = ORDER.replace(b"12345", patient).replace(b"SYN0006", b"SYN%d" % number)
    for name in (b"ACC1", b"P1^EMR", b"F1^RIS"):
        changed = changed.replace(name, name[:1] + b"%d" % number + name[2:] if b"^" in name else b"ACC%d" % number)
    return changed


def lane(engine: Engine, *words: str) -> tuple[int, str]:
    """`backstory lane`: its exit status and what it says."""
    command = [sys.executable, "-m", "engine.cli", *words, "--site", str(engine.site)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def ok(engine: Engine, *words: str) -> str:
    code, text = lane(engine, *words)
    assert code == 0, text
    return text


def numbers(sink: Sink) -> list[bytes]:
    """OBR-18 of what came, in order."""
    return [message.split(b"\rOBR|")[1].split(b"|")[17] for message in sink.received]


def test_a_day_of_a_person_at_the_lanes(tmp_path: Path) -> None:
    """Refused and parked; the engine stops and starts; released in order before newer ones; hold, skip, release."""
    refuses = {"now": True}

    def answer(message: bytes) -> bytes:
        return accept(message, b"AE" if refuses["now"] and b"12345" in message else b"AA")

    with Sink(answer) as sink, Engine(tmp_path, pacs=sink.port) as engine:
        for message in (order(1), order(2), order(3, b"54321")):
            engine.send("ris", message)
        wait_for(lambda: numbers(sink) == [b"ACC1", b"ACC3"], "the other patient's order arrives")
        with engine.journal() as journal:
            wait_for(lambda: len(journal.parked()) == 2, "two are parked")
        listed = ok(engine, "lane", "parked", "pacs")
        assert "HOSP|MR|12345" in listed
        assert "behind entry 1" in listed
        code, status = lane(engine, "status")
        assert code == 1
        assert "2 parked messages" in status
        assert "PARKED (refused with AE)" in ok(engine, "messages", "--status", "PARKED")
        assert "PARKED (behind entry 1)" in ok(engine, "messages", "--status", "PARKED")
        engine.stop()
        engine.start()
        refuses["now"] = False
        assert "2 parked messages of 1 patients go now" in ok(engine, "lane", "release", "pacs", "--entry", "2")
        engine.send("ris", order(4))
        wait_for(lambda: len(sink.received) == 5, "everything arrives")
        assert numbers(sink)[2:] == [b"ACC1", b"ACC2", b"ACC4"]
        assert "pacs is held" in ok(engine, "lane", "hold", "pacs", "--because", "upgrade")
        engine.send("ris", order(5))
        engine.send("ris", order(6))
        engine.wait_processed()
        engine.stop()
        engine.start()
        found = json.loads(ok(engine, "lane", "--json"))
        assert (found[0]["state"], found[0]["waiting"]) == ("stopped", 2)
        assert "upgrade" in found[0]["reason"]
        shown = ok(engine, "messages", "show", "6")
        assert "number 2 in its lane, which is stopped since" in shown
        assert "message skipped" in ok(engine, "lane", "skip", "pacs", "--entry", "5", "--because", "entered by hand")
        ok(engine, "lane", "release", "pacs")
        wait_for(lambda: numbers(sink)[5:] == [b"ACC6"], "the one that was not skipped arrives")
        assert "entered by hand" in ok(engine, "messages", "show", "5")
        code, text = lane(engine, "lane", "skip", "pacs", "--entry", "6", "--because", "x")
        assert (code, "no delivery to pacs that could still change" in text) == (1, True)
        code, text = lane(engine, "lane", "release", "pacs")
        assert (code, text) == (1, "backstory: pacs is not held: it is open\n")
        assert "entered by hand" not in engine.logs()


def test_a_destination_that_config_lost_needs_a_person(tmp_path: Path) -> None:
    """What waits for it is named, and goes when it is put back."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        ok(engine, "lane", "hold", "pacs")
        engine.send("ris", order(1))
        engine.wait_processed()
        engine.stop()
        config, channel = engine.site / "config.yaml", engine.site / "channels" / "orders_to_pacs.yaml"
        before = config.read_text(), channel.read_text()
        config.write_text(before[0].replace("  pacs:", "  other:"))
        channel.write_text(before[1].replace("to: [pacs]", "to: [other]"))
        engine.start()
        code, text = lane(engine, "status")
        assert code == 1
        assert "destination pacs is not in config.yaml any more, and 1 messages wait for it" in text
        code, text = lane(engine, "lane", "release", "pacs")
        assert (code, "has no destination 'pacs'; it has other" in text) == (1, True)
        engine.stop()
        config.write_text(before[0])
        channel.write_text(before[1])
        engine.start()
        ok(engine, "lane", "release", "pacs")
        wait_for(lambda: numbers(sink) == [b"ACC1"], "it arrives")


def test_stat_orders_pass_a_lane_that_waits(tmp_path: Path) -> None:
    """Routine is not answered; the STAT order of another patient and its cancel arrive, in order."""

    def edit(site: Path) -> None:
        config = site / "config.yaml"
        config.write_text(
            config.read_text().replace("    profile: dcm4chee", "    stat_lane: true\n    profile: dcm4chee")
        )

    stat = order(2, b"54321").replace(b"|SC||^^^20260820090000-0500^^R|", b"|SC||^^^20260820090000-0500^^S|")
    assert stat != order(2, b"54321")
    cancel = order(2, b"54321").replace(b"ORC|NW|", b"ORC|CA|").replace(b"SYN2", b"SYN9")
    with (
        Sink(lambda message: None if b"12345" in message else accept(message)) as sink,
        Engine(tmp_path, pacs=sink.port, edit=edit) as engine,
    ):
        for message in (order(1), stat, cancel):
            engine.send("ris", message)
        wait_for(lambda: len(sink.received) >= 3, "all arrive")
        assert sorted(numbers(sink)) == [b"ACC1", b"ACC2", b"ACC2"]
        of_stat = [message for message in sink.received if b"54321" in message]
        assert [b"ORC|NW" in message for message in of_stat] == [True, False]
        with engine.journal() as journal:
            wait_for(lambda: journal.lane("pacs", 1000).done == 2, "both are sent")
            assert journal.lane("pacs", 0).done == 0


def test_kill_9_in_the_middle_of_a_release(tmp_path: Path) -> None:
    """Six parked orders of a patient are released to a slow PACS, and the engine is killed: order kept, none lost."""
    way = {"code": b"AE"}
    killing = Event()

    def answer(message: bytes) -> bytes:
        if way["code"] == b"AA" and len(sink.received) == 9:
            killing.set()
        return accept(message, way["code"])

    with Sink(answer) as sink, Engine(tmp_path, pacs=sink.port) as engine:
        for number in range(1, 7):
            engine.send("ris", order(number))
        with engine.journal() as journal:
            wait_for(lambda: len(journal.parked()) == 6, "six are parked")
        assert len(sink.received) == 1
        way["code"] = b"AA"
        sink.received.extend([b""] * 5)  # so that the third of those released is the ninth
        ok(engine, "lane", "release", "pacs", "--all-parked")
        assert killing.wait(30)
        engine.kill()
        engine.start()
        engine.send("ris", order(7))
        wait_for(lambda: any(b"ACC7" in message for message in sink.received), "the newest arrives")
        came = [int(message.split(b"|ACC")[1][:1]) for message in sink.received[6:]]
        assert list(dict.fromkeys(came)) == [1, 2, 3, 4, 5, 6, 7]
        assert len(came) <= 8
        assert came == sorted(came)
        with engine.journal() as journal:
            assert journal.parked() == []
