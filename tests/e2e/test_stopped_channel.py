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
