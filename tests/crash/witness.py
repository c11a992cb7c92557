"""Senders that know what they were promised: what each connection sent, what was acknowledged, and nothing else.

A witness does what a real sender does. It sends its messages in order, a few ahead of their answers at most; when the
connection is lost it connects again and sends every message without an answer again, the same bytes.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import NamedTuple, Self

from engine_process import Connection

# listener and messages under way of each connection; a sender that waits for every answer has 1
CONNECTIONS = (("adt", 1), ("adt", 3), ("lab", 1), ("lab", 2), ("lab", 4), ("ris", 1), ("ris", 2), ("ris", 4))
PATIENTS = 160
PACE = 0.01  # seconds between two messages of a connection: load, and no more than one lane can drain
AGAIN = 0.05  # seconds between two attempts to connect
ANSWERED = 120.0  # seconds that the last answers may take; a bound, not an expectation


class Message(NamedTuple):
    """One message of a connection; its control id says which."""

    connection: int
    number: int
    listener: str
    control_id: str
    patient: str  # the key its facts are kept under
    body: bytes
    values: tuple[str, ...] = ()  # OBX-5 of each result, or AL1-5 of the allergy
    order: str = ""  # the accession number, where it is an order


def messages(connection: int, listener: str) -> Iterator[Message]:
    """The messages of a connection, without end: no two of all connections have a value or a number in common."""
    number = 0
    while True:
        number += 1
        name = f"W{connection}N{number:06}"
        patient = f"{(number * 7 + connection) % PATIENTS:04}"
        head = (
            f"MSH|^~\\&|WITNESS{connection}|HOSP|BACKSTORY|HOSP|20260820090000-0500||{_TYPES[listener]}|{name}|P|2.5.1"
        )
        pid = f"PID|1||{patient}^^^HOSP^MR||DOE^P{patient}||19600101|F"
        values, lines = _SAID[listener](name, f"{connection}{number:06}")
        yield Message(
            *(
                connection,
                number,
                listener,
                name,
                f"HOSP|MR|{patient}",
                "".join(f"{line}\r" for line in (head, pid, *lines)).encode(),
            ),
            *(values, name if listener == "ris" else ""),
        )


Said = tuple[tuple[str, ...], tuple[str, ...]]  # values, segments

_TYPES = {"adt": "ADT^A08^ADT_A01", "lab": "ORU^R01^ORU_R01", "ris": "ORM^O01"}


def _registration(name: str, _digits: str) -> Said:
    reaction = f"HIVES {name}"
    return (reaction,), ("PV1|1|O|CLINIC", f"AL1|1|DA|^Iodinated contrast media|SV|{reaction}|20210312")


def _results(name: str, digits: str) -> Said:
    egfr, creatinine = f"31.{digits}", f"1.{digits}"
    return (egfr, creatinine), (
        f"OBR|1||L{name}|BMP^Basic metabolic panel^L|||20260819061000|||||||||||||||20260819070000||LAB|F",
        f"OBX|1|NM|98979-8^eGFR CKD-EPI 2021^LN||{egfr}|mL/min/{{1.73_m2}}|>=60|L|||F|||20260819061000",
        f"OBX|2|NM|2160-0^Creatinine^LN||{creatinine}|mg/dL|0.5-1.1||||F|||20260819061000",
    )


def _order(name: str, _digits: str) -> Said:
    return (), (
        f"ORC|NW|P{name}^EMR|F{name}^RIS||SC||^^^20260820090000-0500^^R||20260820085500",
        f"OBR|1|P{name}^EMR|F{name}^RIS|CTAP^CT ABD PELVIS W IV CONTRAST^L||||||||||||||{name}|RP1|SPS1||||CT",
        f"ZDS|1.2.{name}^HOSP^Application^DICOM",
    )


_SAID = {"adt": _registration, "lab": _results, "ris": _order}


class Witness:
    """One connection's sender, in a thread of its own.

    `sent` are its messages in order, each once; `acked` the control ids of those that were answered AA, in order of the
    answers; `refused` says of every other answer what it was for.
    """

    def __init__(self, number: int, port: int, listener: str, ahead: int) -> None:
        self.sent: list[Message] = []
        self.acked: list[str] = []
        self.refused: list[str] = []
        self.lost = 0  # connections
        self.resent = 0  # messages
        self._port = port
        self._ahead = ahead
        self._messages = messages(number, listener)
        self._waiting: deque[Message] = deque()

    def run(self, enough: Event, given_up: Event) -> None:
        """Send until `enough`, then until everything is answered; raises TimeoutError where an answer never comes."""
        while (self._waiting or not enough.is_set()) and not given_up.is_set():
            try:
                with Connection(self._port) as connection:
                    self._talk(connection, enough, given_up)
            except TimeoutError:
                raise
            except OSError:
                self.lost += 1
                given_up.wait(AGAIN)

    def _talk(self, connection: Connection, enough: Event, given_up: Event) -> None:
        for message in list(self._waiting):
            self.resent += 1
            connection.write(message.body)
        while not given_up.is_set():
            while len(self._waiting) < self._ahead and not enough.wait(PACE):
                message = next(self._messages)
                self.sent.append(message)
                self._waiting.append(message)
                connection.write(message.body)
            if not self._waiting:
                return
            self._take(connection.answer())

    def _take(self, answer: bytes) -> None:
        message = self._waiting.popleft()
        code, control_id = answer.split(b"\rMSA|", 1)[1].split(b"\r", 1)[0].decode().split("|")[:2]
        if (code, control_id) == ("AA", message.control_id):
            self.acked.append(message.control_id)
        else:
            self.refused.append(f"{message.control_id} was answered {code} for {control_id}")


class Witnesses:
    """All connections of a storm."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.each: Sequence[Witness] = [
            Witness(number, ports[listener], listener, ahead) for number, (listener, ahead) in enumerate(CONNECTIONS, 1)
        ]
        self._enough = Event()
        self._given_up = Event()
        self._running: list[Future[None]] = []

    @property
    def acked(self) -> int:
        """How many messages were acknowledged; raises what ended a witness."""
        for running in self._running:
            if running.done():
                running.result()
        return sum(len(witness.acked) for witness in self.each)

    @contextmanager
    def sending(self) -> Iterator[Self]:
        """All of them send inside the block; at its end they wait for the answers that are due."""
        with ThreadPoolExecutor(len(self.each)) as pool:
            self._running = [pool.submit(witness.run, self._enough, self._given_up) for witness in self.each]
            try:
                yield self
                self._enough.set()
                for running in self._running:
                    running.result(ANSWERED)
            finally:
                self._given_up.set()
