"""Events become JSON lines in the file of their channel or process; a disk that takes no logs stops nothing."""

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.app import certificate_events, delivery_events, events
from engine.app.events import ChannelStopped, EntryProcessed, Event, Level, MessageReceived, ReceiveResumed, control_id
from engine.app.log_files import LogFile, Logs

AT = 1_787_234_400_123_456


class Still:
    def wall(self) -> int:
        return AT

    def mono(self) -> float:
        return 0.0


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


PROCESSED = EntryProcessed("results", 7, "ID7", "TRANSFORMED")


def test_a_line_says_when_who_what_and_the_events_own_fields(tmp_path: Path) -> None:
    """In the channel's file, and in the process's where there is no channel."""
    logs = Logs(tmp_path, "worker", Still())
    logs.emit(PROCESSED)
    logs.emit(ReceiveResumed())
    assert not list(tmp_path.iterdir())
    logs.close()
    assert (tmp_path / "results.log").read_text() == (
        '{"at":"2026-08-20T14:00:00.123456Z","level":"info","process":"worker","event":"EntryProcessed",'
        '"channel":"results","entry":7,"control_id":"ID7","status":"TRANSFORMED","enrichment":""}\n'
    )
    assert [line["event"] for line in lines(tmp_path / "worker.log")] == ["ReceiveResumed"]


def test_an_error_is_written_at_once(tmp_path: Path) -> None:
    """The process may be about to end; what came before it goes first."""
    logs = Logs(tmp_path, "worker", Still())
    logs.emit(PROCESSED)
    logs.emit(ChannelStopped("results", 7, "10 messages failed in a row"))
    assert [line["level"] for line in lines(tmp_path / "results.log")] == ["info", "error"]


def test_events_below_the_level_are_dropped(tmp_path: Path) -> None:
    """DEBUG is off by default."""
    logs = Logs(tmp_path, "network", Still())
    logs.emit(MessageReceived("lab", 1, "ID1", 5, "peer", "AA"))
    logs.close()
    assert not list(tmp_path.iterdir())


def test_files_are_rotated_by_size(tmp_path: Path) -> None:
    """FILE.1 is the one before; the oldest is dropped; no line is cut."""
    file = LogFile(tmp_path / "a.log", max_bytes=30, keep=2)
    for number in range(10):
        file.write(b"line number %d\n" % number)
    file.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {
        "a.log": "line number 8\nline number 9\n",
        "a.log.1": "line number 6\nline number 7\n",
        "a.log.2": "line number 4\nline number 5\n",
    }


def test_a_file_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was written before counts for the size."""
    for number in range(3):
        file = LogFile(tmp_path / "a.log", max_bytes=30)
        file.write(b"line number %d\n" % number)
        file.close()
    assert (tmp_path / "a.log.1").read_text() == "line number 0\nline number 1\n"


def test_a_disk_that_takes_no_logs_stops_nothing(tmp_path: Path) -> None:
    """Lines are counted as lost, and writing works again when the folder does."""
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    logs = Logs(blocked, "worker", Still())
    logs.emit(PROCESSED)
    logs.flush()
    assert logs.lost == 1
    blocked.unlink()
    logs.emit(PROCESSED)
    logs.close()
    assert len(lines(blocked / "results.log")) == 1


def test_the_supervisor_imports_no_foreign_package() -> None:
    """Nothing but the standard library and our own modules: it stays small and starts at once."""
    code = (
        "import sys; import engine.app.supervisor; "
        "print(sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
    )
    # -S: without site, whose .pth files import what they like
    root = str(Path(__file__).parents[2])
    told = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert told.stdout.strip() == "['__main__', 'engine']"


def kinds(kind: type[Event]) -> list[type[Event]]:
    return [kind, *(one for below in kind.__subclasses__() for one in kinds(below))]


def test_every_event_has_a_level_and_a_sentence() -> None:
    """The list of events is the documentation of the logs."""
    found = [one for one in kinds(Event) if one is not Event]
    assert len(found) > 20
    for one in found:
        assert isinstance(one.level, Level)
        assert one.__doc__
        assert not one.__doc__.startswith(one.__name__), one
    assert {one.__name__ for one in found} <= {*dir(events), *dir(certificate_events), *dir(delivery_events)}


@given(st.binary(max_size=80) | st.text(max_size=80))
def test_a_control_id_is_printable_and_cut(value: bytes | str) -> None:
    """Printable ASCII of at most 50 bytes of the original, whatever stands in MSH-10."""
    shown = control_id(value)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 50 * 4
    hashed = control_id(value, "hash")
    assert len(hashed) == 17
    assert hashed == control_id(value, "hash")


def test_a_plain_control_id_is_itself() -> None:
    """And different ones have different hashes."""
    assert control_id(b"MSG-0001") == "MSG-0001"
    assert control_id(b"x" * 60) == "x" * 50
    assert control_id(b"a\r\x00\xe9") == "a\\x0d\\x00\\xe9"
    assert control_id("a", "hash") != control_id("b", "hash")


def test_a_surprise_tells_type_and_place_and_no_text() -> None:
    """The innermost line of ours, never the exception's words."""
    from engine.hl7.message import Message

    try:
        Message.parse(b"SECRET")
    except Exception as error:  # noqa: BLE001
        told = events.surprise(error)
    assert told.error == "Unreadable"
    assert told.place.startswith("hl7/delimiters.py:")
    assert "SECRET" not in repr(told)
