"""A listener without a reactor, a socket or a file: one row sent to it, and what it answered, kept and closed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from engine.channel.ports import Entry
from engine.channel.receive import Judged, ListenerRules, judge, receive
from engine.hl7.charset import codec_of
from engine.mllp.connection import MllpConnection
from engine.mllp.framing import FrameEvent
from engine.mllp.listener import ConnectionRules, MllpListener
from engine.store.memory import MemoryJournal
from tests.mllp.wire import Wire
from tests.wire.rows import Expected, Kept, Options, Piece, Row

NOW = 1_787_131_860_000_000  # 2026-08-19 09:31 UTC
TICK = 0.25


class Seen(NamedTuple):
    """What a row caused."""

    answers: list[bytes]  # without their frames
    closed: str
    entries: list[Entry]


class Desk:
    """A listener with receive behind it; what a packet brought is kept and answered after it, as by a thread."""

    def __init__(self, options: Options, *, strict: bool) -> None:
        self.clock = Clock()
        self.journal = MemoryJournal()
        self.fault = ""
        self._waiting: list[tuple[MllpConnection, Judged]] = []
        self._fails = options.journal == "fails"
        charset = codec_of(options.charset.encode()) or options.charset
        ids, accepted = (
            frozenset(word.encode() for word in words) for words in (options.processing_ids, options.accept)
        )
        self._rules = ListenerRules("wire", ids, charset, accepted, strict=strict)
        limits = ConnectionRules(frame_time=options.frame_time, strict=strict)
        self.listener = MllpListener(limits, self._frame, self._faulted, self.clock)
        self.listener.doStart()

    def _frame(self, connection: MllpConnection, event: FrameEvent) -> None:
        self._waiting.append((connection, judge(event, self._rules, connection.peer, NOW)))

    def settle(self) -> None:
        """Keep and answer what waits."""
        for connection, judged in self._waiting:
            connection.answer(judged.refusal() if self._fails else self._keep(judged))
        self._waiting.clear()

    def _keep(self, judged: Judged) -> bytes:
        with self.journal.transaction() as tx:
            (answer,) = receive(tx, [judged])
        return answer.reply

    def _faulted(self, _peer: str, reason: str) -> None:
        self.fault = reason


def run(row: Row, *, strict: bool, packet: int) -> Seen:
    """Send a row in packets of at most this many bytes; 0 = everything between two silences at once."""
    desk = Desk(row.listener, strict=strict)
    wire = Wire()
    connection = desk.listener.buildProtocol(wire.getPeer())
    assert connection is not None
    connection.makeConnection(wire)
    left = False
    for part in _parts(row.send, packet):
        if wire.disconnecting:
            break
        if isinstance(part, float):
            desk.clock.pump([TICK] * round(part / TICK))
        elif part:
            connection.dataReceived(part)
        else:
            left = True
            connection.readConnectionLost()
        desk.settle()
    closed = desk.fault or ("peer" if left and wire.disconnecting else "")
    assert bool(closed) == wire.disconnecting
    connection.connectionLost(Failure(ConnectionDone()))
    return Seen(answers_of(wire.value()), closed, desk.journal.read(0, 0, 100, 1 << 30))


def _parts(pieces: Sequence[Piece], packet: int) -> Iterator[bytes | float]:
    """Packets; a number is that much silence, and b"" the peer's end."""
    waiting = bytearray()
    for piece in pieces:
        for block in piece.stream():
            waiting += block
            if packet:
                yield from (bytes(waiting[at : at + packet]) for at in range(0, len(waiting), packet))
                waiting.clear()
        pauses = list(_pauses(piece))
        if pauses and waiting:
            yield bytes(waiting)
            waiting.clear()
        yield from pauses
    if waiting:
        yield bytes(waiting)


def _pauses(piece: Piece) -> Iterator[bytes | float]:
    if piece.slow:
        for number in piece.slow.text.encode("latin-1"):
            yield bytes([number])
            yield piece.slow.every
    elif piece.silence:
        yield piece.silence
    elif piece.leave:
        yield b""


def answers_of(written: bytes) -> list[bytes]:
    """Cut what was written into answers; fails where it is anything but whole frames."""
    found = []
    while written:
        assert written[:1] == b"\x0b"
        body, end, written = written[1:].partition(b"\x1c\r")
        assert end
        assert not {0x0B, 0x1C} & set(body)
        found.append(body)
    return found


def told(answer: bytes) -> str:
    """An answer as rows write it, `MSA-1|MSA-2|code|place`, read by the standard's rules and none of the engine's code.

    Fails where the error is not in the form of the answer's version, or the segments are not MSH, MSA and at most ERR.
    """
    mark = answer[3:4].decode("latin-1")
    text = answer.decode("big5" if b"BIG-5" in answer else "latin-1")  # a delimiter may be half of a character in it
    lines = [line.split(mark) for line in text.removesuffix("\r").split("\r")]
    names = [line[0] for line in lines]
    assert names in (["MSH", "MSA"], ["MSH", "MSA", "ERR"]), names
    header, msa = lines[:2]
    component = header[1][0]
    assert header[8].split(component)[0] == "ACK"
    assert header[6].endswith("+0000")
    if len(lines) == 2:
        assert len(msa) == 3
        return "|".join(msa[1:3])
    err = lines[2]
    version = header[11].split(component)[0]
    if version and tuple(map(int, version.split("."))) < (2, 5):
        assert len(msa) == 4, "MSA-3 says what was wrong"
        *place, code = err[1].split(component)
        where = place if any(place) else []
        assert len(err) == 2
    else:
        assert len(msa) == 3
        where = [part for part in err[2].split(component) if part]
        code, text, table = err[3].split(component)
        assert (err[1], err[4], table) == ("", "E", "HL70357")
        assert text
    return "|".join([*msa[1:3], code, *(["^".join(where)] if where else [])])


def differences(expected: Expected, answers: Sequence[bytes], entries: Sequence[Entry], sent: bytes) -> list[str]:
    """What is not as the row says; what was kept must stand in what was sent, byte for byte."""
    found = []
    if [told(answer) for answer in answers] != expected.answers:
        found.append(f"answers {[told(answer) for answer in answers]}")
    kept = [Kept.read(text) for text in expected.kept]
    if [(entry.kind.name, entry.flags) for entry in entries] != [(one.kind, one.flags) for one in kept]:
        found.append(f"kept {[(entry.kind.name, entry.flags) for entry in entries]}")
    for entry, one in zip(entries, kept, strict=False):
        if one.size and len(entry.body) != one.size:
            found.append(f"kept {len(entry.body)} bytes")
        if sent and (entry.body not in sent or not entry.body):
            found.append("what is kept is not what was sent")
    return found
