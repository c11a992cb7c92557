"""What leaves in the destination's set, through the channels: what is converted, what is held, and how long it may take."""

import time

import pytest

from engine.hl7.message import Message
from engine.store import MemoryJournal, MemoryStore
from tests.channel.test_process import ORM, SITE, Bench, field, with_destination

ASKED = "question_marks PID-5"
HEX = [
    ((rb"M\XFC\ller", "iso8859_1", b"8859/1"), (rb"M\XC3BC\ller", "utf-8", "UNICODE UTF-8", "")),
    ((rb"M\XFC\ller", "iso8859_1", b"8859/1"), (rb"M\XA8B9\ller", "gb18030", "GB 18030-2000", "")),
    ((rb"M\XFC\ller", "iso8859_1", b"8859/1"), (rb"M\X3F\ller", "cp950", "BIG-5", ASKED)),
    ((rb"M\XFC\ller", "iso8859_1", b"8859/1"), (rb"M\X3F\ller", "ascii", "ASCII", ASKED)),
    ((rb"M\XFC\ller", "iso8859_1", b"8859/1"), (rb"M\XFC\ller", "iso8859_1", "8859/1", "")),
    ((rb"M\X41\ller", "iso8859_1", b"8859/1"), (rb"M\X41\ller", "utf-8", "8859/1", "")),
    ((b"\\XD0A4\\", "utf-8", b"UNICODE UTF-8"), (b"\\X3F\\", "iso8859_1", "8859/1", ASKED)),
    ((b"\\XD5C5\\", "gb18030", b"8859/1"), (b"\\X3F\\", "iso8859_1", "8859/1", ASKED)),
    ((b"\x1b$B;3\x1b(B", "utf-8", b"~ISO IR87"), (b"\x1b$B;3\x1b(B", "iso8859_15", "8859/15", "")),
    ((b"\x1b$B;3\x1b(B", "iso2022:ascii,jisx0208", b"~ISO IR87"), ("山".encode(), "utf-8", "UNICODE UTF-8", "")),
]


@pytest.mark.parametrize(("came", "left"), HEX, ids=range(len(HEX)))
def test_ascii_that_names_other_bytes_is_converted(came, left) -> None:
    """Nothing beyond ASCII but a hexadecimal escape or a shift: MSH-18 and the escape change all the same, or it is held."""
    (name, charset, declared), (sent, to, word, flags) = came, left
    bench = Bench(MemoryJournal(), MemoryStore(), with_destination(charset=to, unencodable="hold"))
    body = ORM.replace(b"DOE^JANE", name)
    bench.receive(("ris", Message.parse(body).with_raw("MSH-18", declared).raw), charset=charset)
    done = bench.process()
    (row,) = bench.store.outbox("pacs", 0, 0, 9)
    assert b"|" + sent + b"|" in row.body
    assert (field(row.body, "MSH-18"), done.done[0].row.flags, bool(row.hold)) == (word, flags, bool(flags))


def test_the_largest_message_is_queued_for_two_destinations_in_time() -> None:
    """16 MB in 5.4 million fields, none of which either destination can carry: it took half a minute for each."""
    pacs = SITE.config.destinations["pacs"]
    destinations = {name: pacs.model_copy(update={"charset": name}) for name in ("ascii", "iso8859_1")}
    channels = tuple(one.model_copy(update={"to": tuple(destinations)}) if one.to else one for one in SITE.channels)
    site = SITE._replace(config=SITE.config.model_copy(update={"destinations": destinations}), channels=channels)
    beats: list[int] = []
    bench = Bench(MemoryJournal(), MemoryStore(), site)
    bench.state.going_on = lambda: beats.append(1)
    raw = Message.parse(ORM).with_raw("MSH-18", b"UNICODE UTF-8").raw
    bench.receive(("ris", raw + (b"NTE|1|" + "Ж|".encode() * 990 + b"\r") * 5_500))
    began = time.process_time()
    done = bench.process()
    assert time.process_time() - began < 40
    assert len(beats) == 2
    first = "transliterated NTE-2 NTE-3 NTE-4 NTE-5 +5444996"
    assert done.done[0].row.flags == f"{first} {first}"
    bodies = [row.body for name in destinations for row in bench.store.outbox(name, 0, 0, 9)]
    assert [body.count(b"Zh|") for body in bodies] == [5_445_000] * 2
