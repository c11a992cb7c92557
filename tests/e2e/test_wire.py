"""Every row of tests/wire through the running engine, over sockets: answers, what is closed, and what journal.db kept."""

import json
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import yaml
from engine_process import PATIENCE, Engine, free_ports, wait_for

from tests.wire.driver import answers_of, differences
from tests.wire.rows import Row, all_rows

LONGEST = 5.0  # seconds of silence that are waited for here
HUGE = 20_000_000  # bytes
FULL_DISK = ("the disk is full", "the disk is full, MSH-15 AL", "the disk is full, a batch")
END = b"\x1c\r"


class Sent(NamedTuple):
    """A row that was sent, its listener, and its connection."""

    row: Row
    strict: bool
    listener: str
    connection: socket.socket
    answered: bytes
    closed: bool


def not_here(row: Row) -> str:
    """Why a row is not sent to the engine, or ""."""
    if row.listener.journal == "fails":
        return "a full disk: tests/e2e/test_troubles.py"
    if any(piece.slow or (piece.silence or 0) > LONGEST for piece in row.send):
        return "many seconds of silence: tests/wire/test_rows.py has a clock of its own"
    return ""


def listeners(rows: list[Row]) -> dict[str, tuple[Row, bool]]:
    """A lenient and a strict listener for each row, so that no row is another's duplicate."""
    return {
        f"row{number}_{'strict' if strict else 'lenient'}": (row, strict)
        for number, row in enumerate(rows)
        for strict in (False, True)
    }


def configure(site: Path, wanted: dict[str, tuple[Row, bool]], ports: dict[str, int]) -> None:
    """Add the listeners, on ports that the site does not have, and a channel where a row wants a type accepted."""
    config = yaml.safe_load((site / "config.yaml").read_text())
    taken = {one["port"] for part in ("listeners", "destinations") for one in config[part].values()}
    free = [port for port in free_ports(len(wanted) + len(taken)) if port not in taken]
    ports.update(zip(wanted, free, strict=False))
    for name, (row, strict) in wanted.items():
        options = row.listener
        config["listeners"][name] = {
            "port": ports[name],
            "processing_ids": options.processing_ids,
            "identity": {"charset": options.charset},
            "frame_time": options.frame_time,
            "strict": strict,
        }
        if options.accept:
            channel = {"channel": f"local_{name}", "from": name, "accept": {"MSH-9": options.accept}}
            channel["steps"] = [{"step": "remove", "path": "ZZZ"}]
            (site / "channels" / f"local_{name}.yaml").write_text(json.dumps(channel))
    (site / "config.yaml").write_text(json.dumps(config))


def send(row: Row, connection: socket.socket) -> None:
    """Send the pieces; a listener that closes early is what some rows are about."""
    with suppress(BrokenPipeError, ConnectionResetError):
        for piece in row.send:
            for block in piece.stream():
                connection.sendall(block)
            if piece.silence:
                time.sleep(piece.silence)  # the row's own silence, not a wait for something
            if piece.leave:
                connection.shutdown(socket.SHUT_WR)


def receive(connection: socket.socket, answers: int, *, closes: bool) -> tuple[bytes, bool]:
    """Read so many answers, and up to the end where one is due; returns what was read and whether it was closed."""
    found = b""
    while closes or found.count(END) < answers:
        try:
            block = connection.recv(65_536)
        except ConnectionResetError:
            return found, True
        if not block:
            return found, True
        found += block
    return found, False


def send_all(wanted: dict[str, tuple[Row, bool]], ports: dict[str, int]) -> Iterator[Sent]:
    for name, (row, strict) in wanted.items():
        expected = row.expected(strict=strict)
        connection = socket.create_connection(("127.0.0.1", ports[name]), timeout=PATIENCE)
        send(row, connection)
        found, closed = receive(connection, len(expected.answers), closes=bool(expected.closed))
        yield Sent(row, strict, name, connection, found, closed)


def test_every_row_over_sockets(tmp_path: Path) -> None:
    """Each row to a lenient and to a strict listener of a running engine: as tests/wire says, and no entry beside."""
    rows = [row for row in all_rows() if not not_here(row)]
    left_out = [row.case for row in all_rows() if not_here(row)]
    assert left_out == ["a byte a second", "silence inside of a frame", "silence after a message", *FULL_DISK]
    assert len(rows) > 100
    wanted = listeners(rows)
    ports: dict[str, int] = {}
    with Engine(tmp_path, edit=lambda site: configure(site, wanted, ports)) as engine:
        sent = list(send_all(wanted, ports))
        kept = sum(len(row.expected(strict=strict).kept) for row, strict in wanted.values())
        with engine.journal() as journal:
            wait_for(lambda: journal.tails()[0] >= kept, f"{kept} entries are kept")
            entries = [entry for position in range(1, journal.tails()[0] + 1) if (entry := journal.entry(position))]
        open_ones = [one.connection for one in sent if not one.closed]
        with selectors.DefaultSelector() as watched:
            for open_one in open_ones:
                watched.register(open_one, selectors.EVENT_READ)
            assert not watched.select(0.5)  # an answer too many, or a connection that was closed
        problems = []
        for one in sent:
            expected = one.row.expected(strict=one.strict)
            stream = (
                b"".join(block for piece in one.row.send for block in piece.stream()) if one.row.size < HUGE else b""
            )
            mine = [entry for entry in entries if entry.listener == one.listener]
            found = differences(expected, answers_of(one.answered), mine, stream)
            problems += [f"{one.listener} {one.row.case}: {word}" for word in found]
            one.connection.close()
        assert problems == []
        assert len(entries) == kept
        assert engine.stop() == 0
