"""A Python step of the site in a running engine: installed as a package, found by its entry point, refusing in plain words."""

import subprocess
import sys
from pathlib import Path

import pytest
from engine_process import Engine, copy_site, wait_for, wire
from sink import Sink

from engine.channel.outcome import Status
from engine.hl7.message import Message
from tests.example_package import EXAMPLE, add_channel, install

POUNDS = wire((EXAMPLE / "channels" / "samples" / "oru_weight_pounds.hl7").read_bytes())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("example"))


def test_the_step_writes_what_yaml_cannot_and_refuses_what_it_cannot(tmp_path: Path, installed: Path) -> None:
    """Pounds leave as kilograms; a unit it does not know is FAILED with its sentence, and the next message leaves."""
    stone = POUNDS.replace(b"SYN0301", b"SYN0302").replace(b"180|[lb_av]^pound^UCUM", b"9876|CANARY")
    again = POUNDS.replace(b"SYN0301", b"SYN0303").replace(b"|180|", b"|200|")
    with (
        Sink() as sink,
        Engine(
            tmp_path, edit=lambda site: add_channel(site, sink.port), environment={"PYTHONPATH": str(installed)}
        ) as engine,
    ):
        for message in (POUNDS, stone, again):
            assert b"MSA|AA|" in engine.send("lab", message)
        wait_for(lambda: len(sink.received) == 2, "the two good ones leave")
        left = [Message.parse(message) for message in sink.received]
        assert [(one.get("OBX[2]-5"), one.get("OBX[2]-6"), one.get("OBX[2]-7")) for one in left] == [
            ("81.6", "kg", ""),
            ("90.7", "kg", ""),
        ]
        assert left[0].get("OBX[1]-5") == "66"
        with engine.store() as store:
            rows = {row.channel: row for row in store.outcomes([2])}
        failed = rows["weights_to_registry"]
        assert (failed.status, failed.step, failed.path) == (Status.FAILED, "weight_in_kilograms", "OBX[2]-6")
        assert failed.reason == "the unit is none of kg, g, lb, lbs, [lb_av]"
        assert rows["results"].status == Status.TRANSFORMED
        engine.stop()
        assert '"event":"EntryFailed","channel":"weights_to_registry"' in engine.logs()
        assert "CANARY" not in engine.logs()
        assert "9876" not in engine.logs()


def test_an_engine_does_not_start_with_a_step_that_is_not_installed(tmp_path: Path) -> None:
    """The control: the same site without the package says so in one line."""
    copy_site(tmp_path / "site")
    add_channel(tmp_path / "site", 1)
    words = [sys.executable, "-m", "engine.cli", "run", "--site", str(tmp_path / "site")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "REF005 no Python step 'weight_in_kilograms' is installed" in ended.stderr
