"""status, logs, enrichment: what operations sees and switches."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.app.control import ControlServer
from engine.channel.lane_layout import Layout
from engine.channel.outcome import Status
from engine.channel.ports import Attempt, Commit, Cursor, Decision, Lane, LaneState
from engine.channel.site import Site
from engine.cli.console import ago, columns, moment, printable
from engine.cli.health import LATELY, LONG_RETRY, SECOND, Health, _waiting_beyond, look, needs
from engine.cli.logs import Level, Wanted, pretty, shown_line
from engine.cli.site import Readers
from engine.cli.status import lines
from tests.cli.conftest import received, run_worker, sample

NOW = 1_787_227_200_000_000 + 25  # five microseconds after the last entry arrived
WELL = (True, {"processes": {"network": {"pid": 11, "ready": True}, "worker": {"pid": 12, "ready": True}}})


def health(readers: Readers, now: int = NOW, answer=WELL) -> Health:
    """The health of the samples' engine, whose one refused message somebody has seen to."""
    found = look(readers, ["adt", "orders_to_pacs"], {"lab": "127.0.0.1:2576"}, answer, now)
    return found._replace(quarantined=0)


def lane(readers: Readers, **changes: object) -> None:
    """Put the one lane into a state."""
    with readers.journal.transaction() as tx:
        tx.wire.set_lane(Lane("pacs", 0, done=1)._replace(**changes))


def test_all_is_well(readers: Readers) -> None:
    """Nothing needs anybody, and the numbers are there."""
    found = health(readers)
    assert needs(found) == []
    assert (found.received, found.processed, found.behind) == (9, 8, 1)
    text = "\n".join(lines(found, []))
    assert "running (network 11, worker 12)" in text
    assert "1 behind" in text
    assert text.endswith("all is well")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((False, {"error": "supervisor is not running"}), "the engine is not running"),
        ((True, {"processes": {"worker": {"pid": 0, "ready": False}}}), "process worker does not run as it should"),
        ((True, {"processes": {"worker": {"pid": 7, "ready": True, "error": "no answer"}}}), "worker .*: no answer"),
    ],
)
def test_an_engine_that_does_not_run_needs_somebody(readers: Readers, answer, sentence: str) -> None:
    """The whole of it, or one process."""
    (need,) = needs(health(readers, answer=answer))
    assert re.search(sentence, need)


def test_a_worker_that_is_behind_for_a_minute_needs_somebody(readers: Readers) -> None:
    """The age of the oldest entry counts, not their number."""
    assert needs(health(readers, NOW + 59 * SECOND)) == []
    (need,) = needs(health(readers, NOW + 130 * SECOND))
    assert need == "the worker is behind: the oldest entry waits for 2 min"


def test_a_stopped_channel_needs_somebody(readers: Readers) -> None:
    """With its place and the reason."""
    readers.store.commit(Commit(cursors=(Cursor("adt", 0, 4, "stopped", "10 failures in a row", 10),)))
    assert needs(health(readers)) == ["channel adt is stopped at entry 4: 10 failures in a row"]


@pytest.mark.parametrize("state", [LaneState.HELD, LaneState.STOPPED])
def test_a_lane_that_does_not_move_needs_somebody(readers: Readers, state: LaneState) -> None:
    """Held by a rejection or stopped by a person."""
    lane(readers, state=state, reason="AE 207", since=NOW - 10 * SECOND)
    (need,) = needs(health(readers))
    assert need == f"lane pacs/0 is {state.name} since 10 s: AE 207 (application internal error); 0 messages wait"


def test_a_lane_that_tries_for_long_needs_somebody(readers: Readers) -> None:
    """Five minutes of retries; less is what the backoff is for."""
    lane(readers, tries=3, since=NOW - LONG_RETRY, reason="connection refused")
    assert needs(health(readers)) == []
    lane(readers, tries=9, since=NOW - LONG_RETRY - 1, reason="connection refused")
    (need,) = needs(health(readers))
    assert need.startswith("lane pacs/0 has been trying for 5 min: connection refused")


def test_an_order_that_did_not_leave_needs_somebody_for_a_day(readers: Readers, shipped: Site) -> None:
    """Of another patient with this accession, or without any number; a context message that merely failed needs nobody."""
    numberless = sample("orm_ct_abdomen").replace(b"SYN0006", b"SYN0907").replace(b"P1", b"").replace(b"F1^RIS", b"")
    numberless = numberless.replace(b"ACC1", b"")
    other = sample("orm_ct_abdomen").replace(b"12345^^^HOSP", b"99999^^^HOSP").replace(b"SYN0006", b"SYN0906")
    nobody = sample("adt_a01_doe").replace(b"12345^^^HOSP^MR", b"").replace(b"SYN0001", b"SYN0901")
    with readers.journal.transaction() as tx:
        tx.log.append([received("ris", other, NOW), received("adt", nobody, NOW), received("ris", numberless, NOW)])
    run_worker(shipped, readers.store, readers.journal)
    assert sorted(
        (row.channel, row.alerts)
        for row in readers.store.latest(before=0, limit=9, status=Status.FAILED)
        if row.channel
    ) == [
        ("adt", ""),
        ("orders_to_pacs", "accession"),
        ("orders_to_pacs", "not_sent"),
    ]
    (need,) = needs(health(readers))
    assert need.startswith("2 messages of orders_to_pacs FAILED with an alert in the last day")
    assert needs(health(readers, NOW + LATELY + SECOND)) == []


def test_parked_messages_need_somebody(readers: Readers) -> None:
    """Counted by destination."""
    with readers.journal.transaction() as tx:
        tx.wire.record(Attempt("pacs", 0, 2, NOW, Decision.PARKED, "AE", "HOSP|MR|1"), Lane("pacs", 0, done=2))
    (need,) = needs(health(readers))
    assert need.startswith("destination pacs has 1 parked messages")


def _row_of(found: Health) -> str:
    """The line of the one lane."""
    return next(line for line in "\n".join(lines(found, [])).splitlines() if line.startswith("pacs/0"))


def test_released_messages_wait_and_say_why(readers: Readers, another_order) -> None:
    """The lane that sends them has them among what waits, with their age; parked is what nobody has released."""
    another_order("ACC2")
    at = NOW - 90 * SECOND
    with readers.journal.transaction() as tx:
        tx.wire.record(Attempt("pacs", 0, 2, at, Decision.PARKED, "AE", "HOSP|MR|12345"), Lane("pacs", 0, done=2))
    with readers.journal.transaction() as tx:
        tx.wire.unpark("pacs", "HOSP|MR|12345")
    lane(readers, done=2, tries=2, next_try=NOW + SECOND, since=NOW - SECOND, reason="connection refused by pacs:104")
    found = health(readers)
    assert (needs(found), found.parked, found.lanes[0].waiting, found.lanes[0].oldest) == ([], {}, 1, at)
    assert _row_of(found).split()[:6] == ["pacs/0", "retrying", "2", "1", "90", "s"]
    lane(readers, done=2, state=LaneState.STOPPED, reason="held by anna", since=NOW)
    assert needs(health(readers)) == ["lane pacs/0 is STOPPED since 0 s: held by anna; 1 messages wait"]


def test_a_lane_behind_others_says_so(readers: Readers, another_order) -> None:
    """It waits for lanes that were there before the number was changed: in `status` as in `lane`."""
    another_order("ACC2")
    readers.store.commit(Commit(cursors=(), switches={"lanes pacs": Layout("2", ({1: 5, 0: 1},)).dumped()}))
    assert "waits for pacs/1: queued before the number of lanes was changed" in _row_of(health(readers))


def test_a_message_that_failed_at_its_destination_needs_somebody_for_a_day(readers: Readers, another_order) -> None:
    """`on_reject: skip` loses nothing without a word."""
    for accession in ("ACC2", "ACC3"):
        another_order(accession)
    with readers.journal.transaction() as tx:
        for seq in (2, 3):
            tx.wire.record(Attempt("pacs", 0, seq, NOW, Decision.FAILED, "AE 204"), Lane("pacs", 0, done=seq))
    assert needs(health(readers)) == [
        "2 messages to pacs FAILED in the last day and do not go again (backstory messages --status FAILED)"
    ]
    assert health(readers, NOW + LATELY + SECOND).failed == {}


@pytest.fixture
def opened(monkeypatch, readers: Readers, site_folder: Path) -> Path:
    """A site whose files are these readers, with no engine running."""

    @contextmanager
    def open_readers(_site):
        yield readers

    monkeypatch.setattr("engine.cli.health.open_readers", open_readers)
    monkeypatch.setattr("engine.cli.enrichment.open_readers", open_readers)
    return site_folder


def test_status_leaves_with_1_when_somebody_is_needed(opened: Path, backstory) -> None:
    """Monitoring needs only the exit status; --json says the same for programs."""
    status, out, _ = backstory("status", "--site", opened)
    assert status == 1
    assert "needs a person: the engine is not running" in out
    status, out, _ = backstory("status", "--json", "--site", opened)
    words = json.loads(out)
    assert (status, words["running"], words["behind"]) == (1, False, 1)
    assert words["lanes"][0]["state"] == "OPEN"


def test_enrichment_says_where_it_stands(opened: Path, backstory) -> None:
    """Read from the store, so it works without a running engine."""
    assert backstory("enrichment", "--site", opened)[1] == "enrichment is on\n"


def test_switching_without_an_engine_says_what_to_do(site_folder: Path, backstory) -> None:
    """Only the worker writes the switch."""
    status, _, err = backstory("enrichment", "off", "--site", site_folder)
    assert (status, err.count("\n")) == (1, 1)
    assert "start it first (backstory run)" in err


def test_switching_asks_the_supervisor(site_folder: Path, backstory) -> None:
    """The verb and the state travel over the control socket."""
    asked = []

    def handle(command):
        asked.append((command.verb, dict(command.args)))
        return {}

    (site_folder / "data" / "run").mkdir()
    server = ControlServer(site_folder / "data" / "run" / "supervisor.sock", handle)
    server.start()
    try:
        status, out, _ = backstory("enrichment", "off", "--site", site_folder)
    finally:
        server.close()
    assert (status, out, asked) == (
        0,
        "enrichment is off; orders leave as they came\n",
        [("enrichment", {"state": "off"})],
    )


def test_neither_on_nor_off_is_a_usage_error(backstory) -> None:
    """The words are listed."""
    status, _, err = backstory("enrichment", "maybe")
    assert (status, err.count("\n")) == (2, 1)


# logs


def event(number: int, level: str = "info", **fields: object) -> str:
    """A line of a log file."""
    words = {
        "at": f"2026-08-20T09:31:{number:02}.250000Z",
        "level": level,
        "process": "worker",
        "event": "EntryProcessed",
    }
    return json.dumps({**words, "entry": number, **fields}) + "\n"


@pytest.fixture
def logged(site_folder: Path) -> Path:
    """A site with a log of one channel, rotated twice."""
    folder = site_folder / "data" / "logs"
    folder.mkdir()
    (folder / "adt.log.2").write_text(event(1))
    (folder / "adt.log.1").write_text(event(2, "warning"))
    (folder / "adt.log").write_text(event(3, "error", why="no answer for 30 s") + event(4))
    (folder / "network.log").write_text("")
    return site_folder


def test_the_newest_lines_of_all_files(logged: Path, backstory) -> None:
    """Rotated files come first, oldest first, and -n counts from the end."""
    out = backstory("logs", "adt", "--site", logged)[1]
    assert [line[17:19] for line in out.splitlines()] == ["01", "02", "03", "04"]
    assert len(backstory("logs", "adt", "-n", 2, "--site", logged)[1].splitlines()) == 2


def test_by_level_and_entry(logged: Path, backstory) -> None:
    """What matters less is left out."""
    out = backstory("logs", "adt", "--level", "warning", "--site", logged)[1]
    assert [line[17:19] for line in out.splitlines()] == ["02", "03"]
    assert 'why="no answer for 30 s"' in out
    assert backstory("logs", "adt", "--entry", 4, "--site", logged)[1].count("\n") == 1


def test_which_logs_there_are(logged: Path, backstory) -> None:
    """Without a name they are listed; a wrong one is answered with a guess."""
    assert backstory("logs", "--site", logged)[1] == "adt\nnetwork\n"
    assert "did you mean 'network'?" in backstory("logs", "netwrok", "--site", logged)[2]


def test_a_line_that_is_no_json_is_shown_as_it_stands() -> None:
    """A half-written line hides nothing."""
    assert shown_line(Wanted(Level.ERROR, None))(b'{"at": "2026\x1b\n') == '{"at": "2026\\x1B'


def test_a_line_for_a_person() -> None:
    """When, how much it matters, who, what, and the rest by name."""
    assert pretty(json.loads(event(5, control_id=""))) == (
        '2026-08-20 09:31:05.250Z INFO    worker     EntryProcessed  entry=5 control_id=""'
    )


def test_following_goes_on_with_the_new_file_after_a_rotation(logged: Path) -> None:
    """-f shows what is appended, and follows the name when the file is rotated away."""
    path = logged / "data" / "logs" / "adt.log"
    command = [sys.executable, "-m", "engine.cli", "logs", "adt", "-f", "-n", "1", "--site", str(logged)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as follower:
        assert follower.stdout is not None
        assert "entry=4" in follower.stdout.readline()
        with path.open("a") as file:
            file.write(event(5))
        assert "entry=5" in follower.stdout.readline()
        path.rename(path.with_name("adt.log.9"))
        path.write_text(event(6))
        assert "entry=6" in follower.stdout.readline()
        follower.terminate()


# what they share


def test_times_for_people() -> None:
    """Absent is a dash; ages grow coarser."""
    assert moment(0) == ago(0, NOW) == "-"
    assert [ago(NOW - seconds * SECOND, NOW) for seconds in (0, 119, 120, 7200, 172_800)] == [
        *("0 s", "119 s", "2 min", "2 h", "2 d"),
    ]
    assert moment(NOW).startswith(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW // SECOND)))


def test_columns_are_as_wide_as_they_must_be() -> None:
    """Aligned, without blanks at the end; nothing gives nothing."""
    assert columns([("a", "bb"), ("ccc", "d")], ("X", "Y")) == "X    Y\na    bb\nccc  d"
    assert columns([]) == ""


def test_text_on_a_terminal_is_printable() -> None:
    """Escape sequences are shown."""
    assert printable("a\x1b[1m") == "a\\x1B[1m"


def test_messages_for_a_destination_that_is_gone_need_somebody(readers: Readers, another_order) -> None:
    """Taken out of config.yaml with messages waiting: named until it is put back."""
    another_order("ACC2")
    found = health(readers)
    removed = dict(_waiting_beyond(found, ("other",)))
    assert removed == {"pacs": 1}
    assert _waiting_beyond(found, ("pacs",)) == {}
    (need,) = needs(found._replace(removed=removed))
    assert (
        need == "destination pacs is not in config.yaml any more, and 1 messages wait for it; put it back to send them"
    )


def test_messages_for_a_destination_that_the_running_engine_does_not_know_need_somebody(
    readers: Readers, another_order
) -> None:
    """The worker was started again by itself and reads a newer config.yaml than the process that sends."""
    another_order("ACC2")
    found = health(readers)
    assert _waiting_beyond(found, {"pacs"}) == {}
    new = _waiting_beyond(found, {"other"})
    assert new == {"pacs": 1}
    assert needs(found._replace(new=new)) == [
        "destination pacs is newer than the running engine, and 1 messages wait for it; start the engine again to send them"
    ]
    (need,) = needs(found._replace(new=new, removed=new))
    assert "put it back" in need
