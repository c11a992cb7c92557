"""The running engine against stand-in PACS on real sockets that answer anything: lane, delivery, and what goes next (D8).

One engine, one destination for each way to misbehave, all at once. The first patient's order is answered so, every other is
taken. The same with time in the test's hand, and with random misbehaviour, is in tests/app/test_pacs_matrix.py.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import yaml
from engine_process import Engine, free_ports, sample, wait_for
from sink import END, START, accept

from engine.channel.ports import Decision, LaneState

FIRST = b"12345^^^HOSP^MR"
ACK_TIMEOUT = 1.5  # seconds
Act = Callable[[socket.socket, bytes], None]


def framed(body: bytes) -> bytes:
    return START + body + END


def says(make: Callable[[bytes], bytes]) -> Act:
    """An answer made of the message."""
    return lambda peer, message: peer.sendall(make(message))


def coded(code: bytes, error: bytes = b"") -> Act:
    err = b"ERR|||%s^x^HL70357|E\r" % error if error else b""
    return says(lambda message: framed(accept(message, code) + err))


def pieces(peer: socket.socket, message: bytes) -> None:
    for byte in framed(accept(message)):
        peer.sendall(bytes([byte]))


def late(peer: socket.socket, message: bytes) -> None:
    time.sleep(ACK_TIMEOUT * 2)  # the peer under test is the one that waits
    peer.sendall(framed(accept(message)))


def two_apart(peer: socket.socket, message: bytes) -> None:
    peer.sendall(framed(accept(message)))
    time.sleep(0.05)
    peer.sendall(framed(accept(message)))


def commit_and_application(peer: socket.socket, message: bytes) -> None:
    """The enhanced mode: CA at once, AA when the application is done."""
    peer.sendall(framed(accept(message, b"CA")))
    time.sleep(0.05)
    peer.sendall(framed(accept(message)))


def closes(peer: socket.socket, _message: bytes) -> None:
    peer.close()


def half_closes(peer: socket.socket, _message: bytes) -> None:
    peer.shutdown(socket.SHUT_WR)


def answers_and_closes(peer: socket.socket, message: bytes) -> None:
    peer.sendall(framed(accept(message)))
    peer.close()


def answers_and_half_closes(peer: socket.socket, message: bytes) -> None:
    peer.sendall(framed(accept(message)))
    peer.shutdown(socket.SHUT_WR)


def resets(peer: socket.socket, _message: bytes) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def never(_peer: socket.socket, _message: bytes) -> None:
    """Silence."""


class Case(NamedTuple):
    """How a PACS answers the first order, and what follows."""

    act: Act
    policy: str
    end: str  # SENT PARKED FAILED: decided, the next goes; RETRY, HELD: the lane waits
    reason: str = ""  # of a lane that waits


def _cases() -> dict[str, Case]:
    found = {}
    taken = {
        "AA": coded(b"AA"),
        "CA": coded(b"CA"),
        "pieces": pieces,
        "LF": says(lambda m: framed(accept(m).replace(b"\r", b"\n"))),
        "two_in_one_packet": says(lambda m: framed(accept(m)) * 2),
        "two_apart": two_apart,
        "CA_then_AA": commit_and_application,
        "closes_after": answers_and_closes,
        "half_closes_after": answers_and_half_closes,
    }
    again = {
        "AR_206": (coded(b"AR", b"206"), "AR 206"),
        "AR_207": (coded(b"AR", b"207"), "AR 207"),
        "CR": (coded(b"CR"), "CR"),
        "garbage": (says(lambda _m: framed(b"\x00\xffhello")), "answer is no HL7 acknowledgement"),
        "unframed": (says(accept), "answer is no HL7 message"),
        "empty_frame": (says(lambda _m: framed(b"")), "answer is empty"),
        "wrong_msa2": (
            says(lambda m: framed(accept(m).replace(b"MSA|AA|", b"MSA|AA|X"))),
            "answer for another message",
        ),
        "empty_msa2": (says(lambda _m: framed(accept(b"MSH"))), "answer for another message"),
        "html": (says(lambda _m: b"HTTP/1.1 400 Bad Request\r\n\r\n<html></html>"), "answer is no HL7 message"),
        "ten_mb": (says(lambda m: framed(accept(m) + b"NTE|" * 2_500_000)), "answer longer than 64 KB"),
        "no_msa": (says(lambda m: framed(accept(m).split(b"MSA")[0])), "answer is no HL7 acknowledgement"),
        "utf16": (
            says(lambda m: framed(accept(m).decode().encode("utf-16"))),
            "answer is no HL7 acknowledgement",
        ),
        "closes_before": (closes, "connection closed before the answer"),
        "half_closes": (half_closes, "connection closed before the answer"),
        "resets": (resets, "connection reset"),
        "never": (never, "no answer for 1.5 s"),
        "late": (late, "no answer for 1.5 s"),
    }
    found |= {name: Case(act, "park", "SENT") for name, act in taken.items()}
    found |= {name: Case(act, "park", "RETRY", reason) for name, (act, reason) in again.items()}
    for code in (b"AE", b"AR", b"CE"):
        for policy, end in (("park", "PARKED"), ("hold", "HELD"), ("retry", "RETRY"), ("skip", "FAILED")):
            name = f"{code.decode()}_{policy}"
            found[name] = Case(coded(code, b"204"), policy, end, f"{code.decode()} 204" if end in "RETRY HELD" else "")
    return {name.lower(): case for name, case in found.items()}


CASES = _cases()


class Pacs:
    """Listens; acts on the first patient's orders as the case says, and takes all others."""

    def __init__(self, act: Act) -> None:
        self.received: list[bytes] = []
        self._act = act
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        rest = b""
        with suppress(OSError):
            while found := peer.recv(65536):
                rest += found
                while END in rest:
                    frame, _, rest = rest.partition(END)
                    message = frame.removeprefix(START)
                    self.received.append(message)
                    (self._act if FIRST in message else coded(b"AA"))(peer, message)

    def close(self) -> None:
        self._server.close()


@contextmanager
def standing() -> Iterator[dict[str, Pacs]]:
    """A PACS for each case."""
    pacs = {name: Pacs(case.act) for name, case in CASES.items()}
    try:
        yield pacs
    finally:
        for one in pacs.values():
            one.close()


def configure(ports: dict[str, int], deaf: int) -> Callable[[Path], None]:
    """The site with a destination for each case, one that refuses connections and one that never reads."""

    def edit(site: Path) -> None:
        config = yaml.safe_load((site / "config.yaml").read_text())
        rows = {
            name: {"host": "127.0.0.1", "port": port, "on_reject": CASES[name].policy, "ack_timeout": ACK_TIMEOUT}
            for name, port in ports.items()
        }
        rows["nobody"] = {"host": "127.0.0.1", "port": free_ports(1)[0]}
        rows["no_such_host"] = {"host": "pacs.invalid", "port": 104}
        rows["deaf"] = {"host": "127.0.0.1", "port": deaf, "ack_timeout": ACK_TIMEOUT}
        config["destinations"] = rows
        (site / "config.yaml").write_text(yaml.safe_dump(config))
        path = site / "channels" / "orders_to_pacs.yaml"
        channel = yaml.safe_load(path.read_text())
        channel["to"] = list(rows)
        channel.pop("tests", None)
        path.write_text(yaml.safe_dump(channel, sort_keys=False))

    return edit


def test_whatever_a_pacs_answers(tmp_path: Path) -> None:
    """For each case: the lane's state, reason, tries and next try, the delivery, and whether the next order went."""
    first = sample("orm_ct_abdomen.hl7")
    second = first.replace(FIRST, b"54321^^^HOSP^MR").replace(b"ACC1", b"ACC2").replace(b"SYN0006", b"SYN0106")
    deaf = socket.create_server(("127.0.0.1", 0), backlog=1)
    with standing() as pacs, deaf:
        edit = configure({name: one.port for name, one in pacs.items()}, deaf.getsockname()[1])
        with Engine(tmp_path, edit=edit) as engine, engine.journal() as journal:
            for message in (first, second):
                assert b"MSA|AA|" in engine.send("ris", message)
            for name, case in CASES.items():
                wait_for(lambda name=name, case=case: settled(journal, name, case), f"{name}: {case.end}")
            for name, case in CASES.items():
                check(journal, name, case, pacs[name])
            for name, reason in (
                ("nobody", "connection refused by 127.0.0.1:"),
                ("no_such_host", "host name not found"),
                ("deaf", "no answer for 1.5 s"),
            ):
                lane = wait_for(lambda name=name: waiting(journal, name), f"{name}: the lane waits")
                assert lane.reason.startswith(reason), name
            assert "unknown key identifier" in engine.logs()


def settled(journal, name: str, case: Case) -> bool:
    lane = journal.lane(name, 0)
    if case.end in {"SENT", "PARKED", "FAILED"}:
        return lane.done == 2
    return lane.tries > 0


def waiting(journal, name: str):
    lane = journal.lane(name, 0)
    return lane if lane.tries else None


def check(journal, name: str, case: Case, pacs: Pacs) -> None:
    lane, attempts = journal.lane(name, 0), journal.attempts(name, 0, [1])
    went = any(FIRST not in message for message in pacs.received)
    if case.end in {"SENT", "PARKED", "FAILED"}:
        assert attempts[-1].decision is Decision[case.end], name
        assert (lane.state, lane.done, lane.tries, lane.next_try, lane.reason) == (LaneState.OPEN, 2, 0, 0, ""), name
        assert went, name
        assert len(pacs.received) == 2, name  # each of the two orders once
        assert [row.seq for row in journal.parked(name)] == ([1] if case.end == "PARKED" else []), name
        return
    assert {attempt.decision for attempt in attempts} == {Decision.RETRY}, name
    assert (lane.done, lane.reason, went) == (0, case.reason, False), name
    assert (lane.state, lane.next_try == 0) == (
        (LaneState.HELD, True) if case.end == "HELD" else (LaneState.OPEN, False)
    )
