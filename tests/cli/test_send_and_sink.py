"""Files to a listener and back: the sending side and the stand-in PACS talk to each other over real sockets."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.hl7_files import read_messages, split_messages
from engine.cli.mllp_client import Address, MllpClient, parse_address
from engine.cli.pacs import Behaviour, PacsStandIn
from engine.cli.sink import hear
from engine.errors import ConfigError, Retryable, Unreadable


def hl7(number: int, accept: str = "", application: str = "") -> bytes:
    """A small order."""
    head = f"MSH|^~\\&|A|B|C|D|20260820||ORM^O01|C{number}|P|2.5.1|||{accept}|{application}"
    return f"{head}\rPID|1||7\rOBR|1|||X^CT|||||||||why {number}|||||ACC{number}\r".encode()


@contextmanager
def stand_in(behaviour: Behaviour = Behaviour()):  # noqa: B008 - a frozen value
    """A stand-in PACS on a free port, and what it received."""
    frames: list[bytes] = []
    pacs = PacsStandIn("127.0.0.1", 0, behaviour, lambda frame, _answer: frames.append(frame))
    pacs.start()
    try:
        yield pacs, frames
    finally:
        pacs.close()


# files


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"M", b"m")), min_size=1, max_size=6), st.data())
def test_what_is_joined_is_split_again(bodies: list[bytes], data) -> None:
    """Messages one after the other come out as many as they were, whatever ends their lines."""
    end = data.draw(st.sampled_from([b"\r", b"\n", b"\r\n"]))
    clean = [re.sub(rb"[\r\n\x0b\x1c]|[\x80-\xff]", b"", body) for body in bodies]
    raw = b"".join(b"MSH|^~\\&|" + body + end + b"PID|1" + end for body in clean)
    assert split_messages(raw) == [b"MSH|^~\\&|" + body + b"\rPID|1\r" for body in clean]


def test_batches_and_framing_are_left_out() -> None:
    """Headers and trailers of a batch, VT and FS are no part of a message."""
    raw = b"FHS|^~\\&\rBHS|^~\\&\r\x0bMSH|^~\\&|1\rPID|1\r\x1c\r\x0bMSH|^~\\&|2\rPID|2\r\x1c\rBTS|2\rFTS|1\r"
    assert split_messages(raw) == [b"MSH|^~\\&|1\rPID|1\r", b"MSH|^~\\&|2\rPID|2\r"]


def test_a_word_that_starts_like_msh_starts_no_message() -> None:
    """MSHX is text, and so is MSH inside a line."""
    assert split_messages(b"MSH|^~\\&|1\nNTE|1||MSH|x\nMSHX\n") == [b"MSH|^~\\&|1\rNTE|1||MSH|x\rMSHX\r"]


def test_line_ends_can_be_kept() -> None:
    """For who wants to see what a receiver makes of LF."""
    assert split_messages(b"MSH|^~\\&|1\nPID|1\n", keep_ends=True) == [b"MSH|^~\\&|1\nPID|1\n"]


def test_a_folder_is_read_in_order_and_strange_files_are_named(tmp_path: Path) -> None:
    """Everything below it, sorted, without hidden files; a file without a message is no error there."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.hl7").write_bytes(hl7(2) + hl7(3))
    (tmp_path / "1.hl7").write_bytes(hl7(1))
    (tmp_path / "readme.txt").write_text("no message")
    (tmp_path / ".hidden.hl7").write_bytes(hl7(9))
    found = read_messages([tmp_path])
    assert [(one.path.name, one.number) for one in found.messages] == [("1.hl7", 1), ("2.hl7", 1), ("2.hl7", 2)]
    assert [path.name for path in found.strange] == ["readme.txt"]
    assert "MSH" not in repr(found)


def test_a_named_file_must_hold_a_message(tmp_path: Path) -> None:
    """Who names a file by itself meant it."""
    (tmp_path / "a.txt").write_text("nothing")
    with pytest.raises(ConfigError, match="no line starts with MSH"):
        read_messages([tmp_path / "a.txt"])


# addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.7:2575", ("10.0.0.7", 2575)), ("2575", ("127.0.0.1", 2575)), ("[::1]:1", ("::1", 1))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    """A host and a port, or a port of this machine."""
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "pacs", "pacs:", "pacs:0", "pacs:70000", "pacs:٣"])
def test_what_is_no_address_is_said(text: str) -> None:
    """Digits of other scripts are no port."""
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(text)


# one connection


def test_answers_come_with_their_error_code() -> None:
    """MSA-1 and the code of ERR."""
    with stand_in(Behaviour("AE", "207")) as (pacs, _):
        client = MllpClient(Address("127.0.0.1", pacs.port), 5)
        assert client.exchange(hl7(1)) == "AE 207"
        client.close()


@pytest.mark.parametrize("accept", ["NE", "ER", "SU"])
def test_an_answer_that_was_not_asked_for_is_not_waited_for(accept: str) -> None:
    """MSH-15 NE never has one; ER and SU may lack one, and then the next message still goes out."""
    silent = socket.create_server(("127.0.0.1", 0))
    client = MllpClient(Address(*silent.getsockname()), 5)
    assert client.exchange(hl7(1, accept, "NE")) is None
    client.close()
    silent.close()


def test_nobody_answering_is_said_with_the_address() -> None:
    """The connection is closed, so that a late answer cannot be taken for the next message's."""
    silent = socket.create_server(("127.0.0.1", 0))
    client = MllpClient(Address(*silent.getsockname()), 0.05)
    with pytest.raises(Retryable, match=r"127\.0\.0\.1:\d+: no answer for 0\.05 s"):
        client.exchange(hl7(1))
    assert client._socket is None
    silent.close()


def test_an_answer_to_another_message_counts_for_nothing() -> None:
    """MSA-2 must be our MSH-10."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AA|OTHER\r\x1c\r")
        connection.close()

    thread = Thread(target=answer)
    thread.start()
    client = MllpClient(Address(*server.getsockname()), 5)
    with pytest.raises(Unreadable, match="another message"):
        client.exchange(hl7(1))
    thread.join()
    server.close()


# the verbs


def test_send_counts_what_was_answered(tmp_path: Path, backstory) -> None:
    """All taken: exit 0, one line for each answer; the bytes are what the file says, with CR."""
    (tmp_path / "day.hl7").write_bytes(b"".join(hl7(n).replace(b"\r", b"\n") for n in range(20)))
    with stand_in() as (pacs, frames):
        status, out, _ = backstory("send", tmp_path, "--to", f"127.0.0.1:{pacs.port}", "--connections", 4)
    assert status == 0
    assert "20 of 20 messages sent" in out
    assert re.search(r"AA +20", out)
    assert sorted(frames) == sorted(hl7(n) for n in range(20))


def test_one_connection_keeps_the_order(tmp_path: Path, backstory) -> None:
    """By default messages arrive as they stand in the file."""
    (tmp_path / "day.hl7").write_bytes(b"".join(hl7(n) for n in range(20)))
    with stand_in() as (pacs, frames):
        backstory("send", tmp_path / "day.hl7", "--to", pacs.port)
    assert frames == [hl7(n) for n in range(20)]


def test_a_refusal_leaves_with_1_and_names_the_message(tmp_path: Path, backstory) -> None:
    """File and number, never content."""
    (tmp_path / "day.hl7").write_bytes(hl7(1) + hl7(2))
    with stand_in(Behaviour("AR", "207")) as (pacs, _):
        status, out, _ = backstory("send", tmp_path / "day.hl7", "--to", pacs.port)
    assert status == 1
    assert "day.hl7, message 2: AR 207" in out
    assert "why" not in out


def test_stop_ends_at_the_first_refusal(tmp_path: Path, backstory) -> None:
    """--stop sends nothing after it; --continue, the default, does."""
    (tmp_path / "day.hl7").write_bytes(b"".join(hl7(n) for n in range(5)))
    with stand_in(Behaviour("AE")) as (pacs, frames):
        status, out, _ = backstory("send", tmp_path / "day.hl7", "--to", pacs.port, "--stop")
    assert (status, len(frames)) == (1, 1)
    assert "1 of 5 messages sent" in out


def test_a_dropped_message_is_no_answer_and_the_next_one_goes_out(tmp_path: Path, backstory) -> None:
    """--drop 2 closes the connection at every second message; the sender connects again."""
    (tmp_path / "day.hl7").write_bytes(b"".join(hl7(n) for n in range(4)))
    with stand_in(Behaviour(drop=2)) as (pacs, frames):
        status, out, _ = backstory("send", tmp_path / "day.hl7", "--to", pacs.port)
    assert (status, len(frames)) == (1, 4)
    assert re.search(r"no answer +2", out)


def test_nobody_listening_is_said_at_once(tmp_path: Path, backstory) -> None:
    """Not once for each message."""
    (tmp_path / "day.hl7").write_bytes(hl7(1) + hl7(2))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    status, out, err = backstory("send", tmp_path / "day.hl7", "--to", port)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "is anything listening there?" in err


def test_a_listener_of_the_site_by_name(tmp_path: Path, backstory) -> None:
    """--listener NAME finds host and port in config.yaml, and an unknown one names those there are."""
    with stand_in() as (pacs, frames):
        (tmp_path / "config.yaml").write_text(f"listeners:\n  lab: {{port: {pacs.port}}}\n")
        (tmp_path / "a.hl7").write_bytes(hl7(1))
        assert backstory("send", tmp_path / "a.hl7", "--listener", "lab", "--site", tmp_path)[0] == 0
        status, _, err = backstory("send", tmp_path / "a.hl7", "--listener", "labs", "--site", tmp_path)
    assert frames == [hl7(1)]
    assert (status, "it has lab" in err) == (1, True)


def test_where_to_is_asked_for_once(tmp_path: Path, backstory) -> None:
    """Neither and both are mistakes."""
    (tmp_path / "a.hl7").write_bytes(hl7(1))
    assert "--to HOST:PORT, or --listener" in backstory("send", tmp_path / "a.hl7")[2]
    assert backstory("send", tmp_path / "a.hl7", "--to", 1, "--listener", "lab")[0] == 1


def test_sink_shows_writes_and_counts(tmp_path: Path) -> None:
    """A process of its own: it names its port, prints OBR-13 of each message, writes it, and stops after --count."""
    command = [sys.executable, "-m", "engine.cli", "sink", "--port", "0", "--folder", str(tmp_path), "--count", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as sink:
        assert sink.stdout is not None
        port = int(re.search(r":(\d+),", sink.stdout.readline())[1])
        client = MllpClient(Address("127.0.0.1", port), 5)
        assert [client.exchange(hl7(n)) for n in (1, 2)] == ["AA", "AA"]
        out = sink.stdout.read()
        assert sink.wait(10) == 0
    client.close()
    assert "ACC1  why 1" in out
    assert out.endswith("2 messages, 2 AA\n")
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["000001-C1.hl7", "000002-C2.hl7"]
    assert (tmp_path / "000001-C1.hl7").read_bytes() == hl7(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sink_stops_cleanly(number: int) -> None:
    """Ctrl-C and SIGTERM end it with its counts and status 0."""
    command = [sys.executable, "-m", "engine.cli", "sink", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as sink:
        assert sink.stdout is not None
        sink.stdout.readline()
        sink.send_signal(number)
        out, err = sink.communicate(timeout=10)
        assert (sink.returncode, out.strip(), err) == (0, "0 messages", "")


def test_what_is_no_message_is_answered_and_shown_as_unreadable() -> None:
    """A stand-in takes everything: AR 100, and one word for a person."""
    assert hear(b"nonsense") == ("unreadable", "", "")
    with stand_in() as (pacs, frames), socket.create_connection(("127.0.0.1", pacs.port)) as raw:
        raw.sendall(b"\x0bnonsense\x1c\r")
        assert b"MSA|AR" in raw.recv(65536)
    assert frames == [b"nonsense"]


def test_a_message_cannot_move_the_cursor_of_who_reads_it() -> None:
    """Control characters are shown, not obeyed."""
    frame = hl7(1).replace(b"why 1", b"\x1b[2Jgone")
    assert "\x1b" not in hear(frame).words


def test_a_wrong_answer_is_refused_at_the_start(backstory) -> None:
    """The six codes and their errors."""
    assert "--answer 'OK' is none of AA" in backstory("sink", "--answer", "OK")[2]
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = f"backstory: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        assert backstory("sink", "--port", port)[2] == words
    for words in (("sink", "--delay", "inf"), ("send", "x.hl7", "--to", "127.0.0.1:1", "--timeout", "inf")):
        status, _, err = backstory(*words)
        assert (status, "Invalid value for" in err) == (2, True)
