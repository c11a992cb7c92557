"""A channel that stops after ten failures in a row: monitoring hears of it, and the others go on."""

import json
import subprocess
import sys
from pathlib import Path

from engine_process import Engine, sample, wait_for
from sink import Sink

NOBODY = b"MSH|^~\\&|EMR|SYNTHETIC|BACKSTORY|HOSP|20260820||ADT^A08|N%d|P|2.5.1\rEVN|A08\r"


def status(engine: Engine, *words: str) -> tuple[int, str]:
    """`backstory status`: its exit status and what it says."""
    command = [sys.executable, "-m", "engine.cli", "status", "--site", str(engine.site), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_stopped_channel_makes_status_leave_with_1(tmp_path: Path) -> None:
    """Nine failures are nothing for a person; the tenth in a row stops the channel, and the exit status says so."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        for number in range(9):
            assert b"MSA|AA|" in engine.send("adt", NOBODY % number)
        engine.wait_processed()
        assert status(engine)[0] == 0, status(engine)[1]
        engine.send("adt", NOBODY % 9)
        engine.wait_processed()
        code, text = status(engine)
        assert code == 1
        assert "needs a person: channel adt is stopped at entry 10: 10 messages failed in a row" in text
        code, text = status(engine, "--json")
        assert code == 1
        assert json.loads(text)["channels"]["adt"]["state"] == "stopped"
        assert json.loads(text)["channels"]["results"]["state"] == "running"
        assert b"MSA|AA|" in engine.send("ris", sample("orm_ct_abdomen.hl7"))
        wait_for(lambda: sink.received, "the order of another listener arrives")


def test_a_stopped_channel_is_started_and_catches_up(tmp_path: Path) -> None:
    """An order channel stopped after ten orders without a number: those that came meanwhile leave, and the next as well."""
    order = sample("orm_ct_abdomen.hl7")
    nameless = order.replace(b"P1^EMR", b"").replace(b"F1^RIS", b"").replace(b"ACC1", b"")
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        for number in range(10):
            assert b"MSA|AA|" in engine.send("ris", nameless.replace(b"SYN0006", b"BAD%d" % number))
        assert b"MSA|AA|" in engine.send("ris", order)
        engine.wait_processed()
        code, text = status(engine)
        assert code == 1
        assert "channel orders_to_pacs is stopped at entry 10" in text
        assert sink.received == []
        command = [sys.executable, "-m", "engine.cli", "channel", "start", "orders_to_pacs", "--site", str(engine.site)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        wait_for(lambda: len(sink.received) == 1, "the order that waited arrives")
        assert b"MSA|AA|" in engine.send("ris", order.replace(b"SYN0006", b"SYN0106"))
        wait_for(lambda: len(sink.received) == 2, "the next order arrives")
        again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (again.returncode, again.stderr) == (1, "backstory: channel orders_to_pacs is not stopped\n")
        unknown = [*command[:5], "nix", *command[6:]]
        again = subprocess.run(unknown, capture_output=True, text=True, timeout=60, check=False)
        assert (again.returncode, again.stderr) == (1, "backstory: there is no channel 'nix'\n")
