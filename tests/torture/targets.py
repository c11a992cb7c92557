"""What must hold for any bytes: framer, splitter, escaper, character sets, batches, judge. Each takes bytes and asserts.

`make test` tries each a few thousand times, `make torture` ten million times with a fuzzer that watches which lines run.
"""

from collections.abc import Callable

from engine.channel.ports import Kind
from engine.channel.receive import judge
from engine.channel.verdict import ListenerRules
from engine.errors import Unreadable
from engine.hl7.acknowledge import read_ack
from engine.hl7.batch import is_batch, split_batch
from engine.hl7.delimiters import STANDARD
from engine.hl7.escape import escape, unescape
from engine.hl7.message import Message, Unencodable
from engine.hl7.path import Path
from engine.hl7.received import delivered, message_of
from engine.hl7.transcode import transcoded
from engine.mllp.framing import Framed, FrameEvent, Framer, frame

LISTENERS = (ListenerRules("a"), ListenerRules("b", frozenset({b"P", b"T"}), "iso8859_1", frozenset({b"ZRD^Z01"})))
SETS = ("utf-8", "iso8859_1", "cp950", "gb18030", "cp932", "euc_kr", "iso2022:ascii,jisx0208,jisx0212", "ascii")
PATHS = tuple(map(Path.parse, ("MSH-9.2", "PID-3(2).1", "PID-5", "OBX[2]-5.1.2", "OBR-13", "ZDS-1", "NTE-3")))
NOW = 1_787_000_000_000_000


def framer(data: bytes) -> None:
    """The same events however the network cuts the bytes; no byte of a frame lost or invented."""
    limit, seed, stream = 4 + data[0] if data else 4, data[1] if len(data) > 1 else 1, data[2:]
    whole = Framer(limit)
    expected = whole.feed(stream) + whole.end()
    cut, pieces = Framer(limit), []
    at, longest = 0, 7 + len(stream) // 32
    while at < len(stream):
        seed = seed * 137 + 29 & 0xFF
        pieces += cut.feed(stream[at : at + 1 + seed % longest])
        at += 1 + seed % longest
    assert pieces + cut.end() == expected
    at = 0
    for event in expected:
        if event.kind is Framed.FRAME:
            assert len(event.body) <= limit
            at = stream.index(b"\x0b" + event.body + b"\x1c", at)


def splitter(data: bytes) -> None:
    """A message is its bytes; a value put at a place is read there, and no segment comes or goes."""
    pick, raw = data[0] if data else 0, data[1:]
    charset = ("utf-8", "iso8859_1", "ascii", "euc_kr")[pick % 4]
    try:
        message = Message.parse(raw, charset)
    except Unreadable:
        return
    assert message.raw == raw
    for segment in message.segments:
        assert raw[segment.start : segment.start + len(segment.raw)] == segment.raw
        fields = segment.fields[:1] + segment.fields[2:] if segment.name == "MSH" else segment.fields
        assert segment.delimiters.field_byte.join(fields) == segment.raw
    path = PATHS[pick // 4 % len(PATHS)]
    try:
        message.get(path)
        changed = message.with_value(path, "a|^~\\&\r\x0b\x1cz")
    except (Unreadable, LookupError, Unencodable):
        return
    assert changed.get(path) == "a|^~\\&\r\x0b\x1cz"
    assert len(changed.segments) == len(message.segments)


def escaper(data: bytes) -> None:
    """What is escaped reads back and can end nothing; whatever is read never fails."""
    text = data.decode("utf-8", "surrogateescape").translate(dict.fromkeys(range(0xDC80, 0xDD00), "?"))
    written = escape(text)
    assert not set(written) & set("|^~&\r\n\x0b\x1c\0")
    assert unescape(written, STANDARD) == text
    unescape(text, STANDARD, "euc_kr")


def charset(data: bytes) -> None:
    """A message in any set is read as text or refused; written in another no segment comes or goes, nothing is U+FFFD."""
    pick, _, rest = data.partition(b"|")
    word, _, raw = rest.partition(b"|")
    head = b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|X1|P|2.5||||||%b\rPID|1||" % word.translate(None, b"\r\n|")
    body = head + raw
    rules = LISTENERS[0]._replace(
        charset=SETS[len(pick) % len(SETS)], override=SETS[len(raw) % len(SETS)] * (pick[:1] == b"o")
    )
    judged = judge(FrameEvent(Framed.FRAME, body), rules, "peer", NOW)
    assert judged.received[0].body == body or is_batch(body)
    name = SETS[sum(pick) % len(SETS)]
    for kept in judged.received[:3]:
        if kept.kind is Kind.MESSAGE:
            _written_in(name, message_of(kept.body, kept.charset))


def _written_in(name: str, message: Message) -> None:
    came = _names(message)
    for way in ("transliterate", "question"):
        written = delivered(transcoded(message, name, way).raw)
        assert _names(written) == came
        assert "\ufffd" not in written.raw.decode(written.charset) or b"\xef\xbf\xbd" in message.raw


def _names(message: Message) -> list[str]:
    """Its segments; a line that is none may become a blank one, as a no-break space does in ASCII, but never a segment."""
    names = [segment.name for segment in message.segments]
    return [name for name in names if name.isascii() and name.isalnum()]


def batch(data: bytes) -> None:
    """The members of a batch are bytes of the frame, in order."""
    if not is_batch(data):
        return
    found = split_batch(data)
    at = 0
    for member in found.messages:
        at = data.index(member, at) + len(member)
    assert found.messages or found.problem


def receive(data: bytes) -> None:
    """Whatever a frame holds: kept whole, and answered by one frame that says one thing, or by none."""
    pick, raw = data[0] if data else 0, data[1:]
    judged = judge(FrameEvent(Framed.FRAME, raw, "", raw.find(b"\x0b")), LISTENERS[pick % 2], "peer", NOW)
    assert b"".join(one.body for one in judged.received) in raw or is_batch(raw)
    for reply in (judged.reply, judged.refusal()):
        if not reply:
            assert judged.msh is not None
            assert judged.msh.accept in {b"NE", b"ER", b"SU"}
            continue
        framing = Framer()
        assert framing.feed(reply) == [FrameEvent(Framed.FRAME, reply[1:-2])]
        assert reply == frame(reply[1:-2])
        lines = reply[1:-2].split(b"\r")
        assert [line[:3] for line in lines] in ([b"MSH", b"MSA", b""], [b"MSH", b"MSA", b"ERR", b""])
        assert read_ack(reply[1:-2]).code in {"AA", "AE", "AR", "CA", "CE", "CR"}


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one for one in (framer, splitter, escaper, charset, batch, receive)
}
