"""The demonstration: its hospital, its site, and the whole of it for a few seconds."""

import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from engine.channel.operator_acts import note_body
from engine.channel.ports import Kind
from engine.channel.site import Site
from engine.cli.demo import next_steps
from engine.cli.demo_site import MARK, clear, is_free, make_site, with_free_ports
from engine.cli.demo_view import Screen, after_words, order_lines
from engine.cli.demo_watch import Counters, OrderSeen, Watch
from engine.cli.hospital.day import FEEDS, Said, day
from engine.cli.hospital.people import STORIES
from engine.cli.site import Readers
from engine.errors import ConfigError
from engine.hl7.message import Message
from tests.cli.conftest import START, received, run_worker

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 8, 20, 12, tzinfo=UTC)


def told(count: int, seed: int = 1) -> list[Said]:
    """The first messages of a day."""
    return list(islice(day(seed, lambda: NOON, "00042"), count))


# the hospital


def test_every_message_can_be_read_and_names_a_patient() -> None:
    """Whatever the vendor's habits."""
    for said in told(400):
        message = Message.parse(said.body)
        assert said.feed in FEEDS
        assert message.get("PID-5.1")
        assert message.get("MSH-11") == "P"


def test_control_ids_and_accessions_are_never_repeated() -> None:
    """Else the engine would rightly take them for duplicates."""
    messages = told(1000)
    ids = [Message.parse(said.body).get("MSH-10") for said in messages]
    accessions = [said.accession for said in messages if said.accession]
    assert len(set(ids)) == 1000
    assert len(set(accessions)) == len(accessions) > 50


def test_the_same_seed_tells_the_same_day() -> None:
    """And another one another."""
    assert [said.body for said in told(50)] == [said.body for said in told(50)]
    assert [said.body for said in told(50)] != [said.body for said in told(50, seed=2)]


def test_an_order_comes_after_everything_else_about_its_patient() -> None:
    """So that each order shows what its story knows."""
    finished: set[str | None] = set()
    for said in told(400):
        patient = Message.parse(said.body).get("PID-5") or ""
        birth = Message.parse(said.body).get("PID-7")
        assert (patient, birth) not in finished
        if said.accession:
            finished.add((patient, birth))  # type: ignore[arg-type]


def test_vendors_have_habits() -> None:
    """LF and CRLF ends, Z segments, SN, NM and text values, two orders of identifiers, two ways to give a time."""
    bodies = [said.body for said in told(600)]
    assert any(b"\n" in body and b"\r" not in body for body in bodies)
    assert any(b"\r\n" in body for body in bodies)
    assert any(b"\rZPV|" in body for body in bodies)
    assert any(b"|SN|98979-8" in body and b"|>^60|" in body for body in bodies)
    assert any(b"|ST|" in body and b"|>60|" in body for body in bodies)
    assert any(b"PID|1||E" in body for body in bodies)
    assert any(b"\rTQ1|" in body for body in bodies)
    assert any(b"|1^once^^2026" in body for body in bodies)


def test_the_shipped_channels_take_every_message(shipped: Site) -> None:
    """Each is accepted by a channel of its listener."""
    for said in told(300):
        message = Message.parse(said.body)
        takers = [channel for channel in shipped.channels if channel.from_ == said.feed and channel.accepts(message)]
        assert takers, message.get("MSH-9")


def test_every_story_has_an_exam() -> None:
    """Code, text and modality."""
    assert all(story.exam[0] and story.exam[1] and story.modality for story in STORIES)


# its site


def test_taken_ports_are_replaced_and_nothing_else() -> None:
    """A port that is free stays, so that the numbers of the documentation hold where they can."""
    text = "a: {port: 2575}\nb:\n  port: 2576  # note\nreport: 2577\n"
    changed = with_free_ports(text, lambda port: port != 2576, lambda: 40000)
    assert changed == "a: {port: 2575}\nb:\n  port: 40000  # note\nreport: 2577\n"


def test_a_port_in_use_is_seen() -> None:
    """By trying."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_folder_with_something_else_is_never_cleared(tmp_path: Path) -> None:
    """Only one that carries the mark, or an empty one."""
    folder = tmp_path / "data"
    make_site(ROOT, folder)
    assert (folder / MARK).is_file()
    assert (folder / "channels" / "adt.yaml").is_file()
    make_site(ROOT, folder)
    (folder / MARK).unlink()
    with pytest.raises(ConfigError, match="is no demonstration's"):
        clear(folder)
    assert (folder / "channels" / "adt.yaml").is_file()
    (tmp_path / "empty").mkdir()
    clear(tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


# its screen

SEEN = OrderSeen("A1", "CT ABDOMEN W CONTRAST", "pain", 0.0, "!eGFR 24 (19Aug) <EMR> pain", 0.012)


def test_an_order_before_and_after() -> None:
    """Three lines; one that gained nothing says so, an empty field is named."""
    assert order_lines(SEEN) == [
        "order A1  CT ABDOMEN W CONTRAST  (12 ms)",
        "    before  pain",
        "    after   !eGFR 24 (19Aug) <EMR> pain",
    ]
    assert after_words(SEEN._replace(after="pain")).startswith("as it came")
    assert order_lines(SEEN._replace(before=""))[1] == "    before  (empty)"


def test_the_screen_holds_the_counters_and_as_many_orders_as_fit() -> None:
    """Drawn into a terminal of 100 by 24 characters; long values end at a word with a mark."""
    from rich.console import Console

    screen = Screen("demo-data")
    screen._console = Console(width=100, height=24, highlight=False)
    orders = [SEEN._replace(accession=f"A{n}", after="!eGFR 24 (19Aug) " + "word " * 40) for n in range(9)]
    screen._orders.extend(orders)
    with screen._console.capture() as captured:
        screen._console.print(screen._page(Counters({"adt": 3, "ris": 1}, 4, 4, 9, 1, 1, 1, 0), 7.0))
    text = captured.get().splitlines()
    assert len(text) <= 24
    assert all(len(line) <= 100 for line in text)
    assert any(line.startswith("the hospital sent") and "adt 3  ris 1" in line for line in text)
    assert any(line.startswith("A8") for line in text)
    assert any(line.endswith(" …") for line in text)


def test_what_to_try_next_are_commands_that_can_be_copied() -> None:
    """With the folder and an order that was enriched."""
    text = "\n".join(next_steps(Path("demo-data"), SEEN, "backstory"))
    assert "  backstory explain --site demo-data --order A1\n" in text
    assert "explain" not in "\n".join(next_steps(Path("demo-data"), None, "backstory"))


# all of it


def test_entries_of_the_engines_own_are_not_counted_as_received(readers: Readers, shipped: Site) -> None:
    """A note of deferred work is an entry: the hospital sent nine, and nine were received and processed."""
    body = note_body(7, "orders_to_pacs", 1, "validate", "conforms to its version")
    with readers.journal.transaction() as tx:
        tx.log.append([received("backstory", body, START + 30, Kind.OPERATOR)])
    run_worker(shipped, readers.store, readers.journal)
    assert readers.store.notes([7])
    counters = Watch().look(readers, {"lab": 9}, Counters({}))
    assert (counters.received, counters.processed, counters.said) == (9, 9, 9)


@pytest.mark.parametrize("how", ["time", "ctrl-c"])
def test_the_demonstration_runs_and_stops_cleanly(tmp_path: Path, how: str) -> None:
    """Engine, feeds and stand-in over real sockets: orders leave enriched, everything sent is processed and delivered."""
    folder = tmp_path / "demo"
    limit = ["--seconds", "4"] if how == "time" else []
    command = [sys.executable, "-m", "engine.cli", "demo", "--data", str(folder), "--rate", "60", *limit]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as demo:
        if how == "ctrl-c":
            assert demo.stdout is not None
            while "<EMR>" not in demo.stdout.readline():
                assert demo.poll() is None
            demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=120)
    assert (demo.returncode, err) == (0, "")
    numbers = re.search(
        r"after \d+ s: sent (\d+), received (\d+), processed (\d+), (\d+) facts, (\d+) orders, (\d+) enriched, "
        r"(\d+) delivered, 0 waiting",
        out,
    )
    assert numbers, out
    sent, arrived, processed, facts, orders, enriched, delivered = map(int, numbers.groups())
    assert sent == arrived == processed > 0
    assert orders == delivered >= enriched > 0
    assert facts > 0
    assert "the engine stopped\n" in out
    accession = re.search(r"--order (\d+)", out)
    assert accession
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "explain", "--site", str(folder), "--order", accession[1]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "rule      R" in done.stdout


def test_a_demonstration_under_a_running_engine_is_refused(tmp_path: Path, backstory) -> None:
    """Its files must not be cleared while they are written."""
    from engine.app.control import ControlServer

    folder = make_site(ROOT, tmp_path / "demo")
    (folder / "data" / "run").mkdir(parents=True)
    server = ControlServer(folder / "data" / "run" / "supervisor.sock", lambda _command: {})
    server.start()
    try:
        status, _, err = backstory("demo", "--data", folder)
    finally:
        server.close()
    assert (status, err.count("\n")) == (1, 1)
    assert "an engine runs in" in err
    assert (folder / "config.yaml").is_file()
