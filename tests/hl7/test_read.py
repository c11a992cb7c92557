"""Reading a message by position: segments, fields, repetitions, components; absent, empty and delete."""

import pickle
import time

import pytest
from hypothesis import given

from engine.errors import ConfigError, Unreadable
from engine.hl7.message import DELETE, Message
from engine.hl7.path import Path
from tests.hl7.build import ENDS, HEADER, message, messages

PID = b'PID|1||A1^^^H&1.2.3&ISO^MR~B2^^^C||DOE^JANE&x||""|F'
SAMPLE = message(PID, b"OBX|1|TX|N^Note||one\\.br\\two", b"OBX|2|NM|K^Potassium^L||4.1", b"ZDS|1.2^A", b"NTE")


@given(messages())
def test_what_was_parsed_is_written_back(parsed: Message) -> None:
    """`parse(m).to_er7() == m`, also with blank lines, mixed line ends and a byte order mark."""
    assert Message.parse(parsed.raw, parsed.charset).to_er7() == parsed.raw
    for segment in parsed.segments:
        assert parsed.raw[segment.start : segment.start + len(segment.raw)] == segment.raw


@given(messages())
def test_segments_are_found_alike_alone_and_together(parsed: Message) -> None:
    """`first`, `all`, `count` and `segments` agree on bytes, numbers and offsets; asked in any order."""
    for name in ("MSH", "PID", "OBX", "ZZZ"):
        alone, together = Message.parse(parsed.raw, parsed.charset).first(name), parsed.all(name)
        assert parsed.count(name) == len(together)
        if alone is None:
            assert together == ()
        else:
            assert (alone.raw, alone.start, alone.index) == (together[0].raw, together[0].start, together[0].index)
    assert [segment.index for segment in parsed.segments] == list(range(len(parsed.segments)))


@pytest.mark.parametrize("end", ENDS)
def test_segments_end_with_cr_lf_or_crlf(end: bytes) -> None:
    """Each makes one segment a line, and so do all of them mixed."""
    assert [segment.name for segment in message(PID, b"NTE|1", end=end).segments] == ["MSH", "PID", "NTE"]
    mixed = Message.parse(HEADER + b"\n" + PID + b"\r\n\r\nNTE|1\rNTE|2\n\t \r\rNTE|3")
    assert [segment.name for segment in mixed.segments] == ["MSH", "PID", "NTE", "NTE", "NTE"]
    assert mixed.get("NTE[3]-1") == "3"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("PID-3", "A1^^^H&1.2.3&ISO^MR~B2^^^C"),
        ("PID-3(1)", "A1^^^H&1.2.3&ISO^MR"),
        ("PID-3(2)", "B2^^^C"),
        ("PID-3(3)", None),
        ("PID-3.1", "A1"),
        ("PID-3.4", "H&1.2.3&ISO"),
        ("PID-3.4.2", "1.2.3"),
        ("PID-3.4.4", None),
        ("PID-3.6", None),
        ("PID-3(2).4", "C"),
        ("PID-3(3).1", None),
        ("PID-3.2", ""),
        ("PID-2", ""),
        ("PID-2.1", ""),
        ("PID-2.2", None),
        ("PID-7", DELETE),
        ("PID-8.1.1", "F"),
        ("PID-8.1.2", None),
        ("PID-9", None),
        ("OBX-5", "one\ntwo"),
        ("OBX[1]-2", "TX"),
        ("OBX[2]-5", "4.1"),
        ("OBX[3]-5", None),
        ("NK1-2", None),
        ("NTE-1", None),
        ("ZDS-1.1", "1.2"),
        ("ZDS", "ZDS|1.2^A"),
        ("NTE", "NTE"),
    ],
)
def test_absent_empty_and_delete_are_three_values(path: str, text: str | None) -> None:
    """None beyond the last separator, "" between two, two quote characters where the sender says delete."""
    assert SAMPLE.get(path) == text
    assert SAMPLE.get(Path.parse(path)) == text


def test_the_header_counts_its_separator() -> None:
    """MSH-1 is the field separator, MSH-2 the encoding characters, MSH-3 the first field behind them."""
    assert [SAMPLE.get(f"MSH-{number}") for number in (1, 2, 3, 10)] == ["|", "^~\\&", "RIS", "C1"]
    assert SAMPLE.get("MSH-9.2") == "O01"
    assert SAMPLE.get("MSH-13") is None
    header = SAMPLE.segments[0]
    assert (header.get(2, 1, 1, 1), header.get(2, 2), header.get(2, 1, 2), header.get(2, repetition=2)) == (
        "^~\\&",
        *[None] * 3,
    )
    assert [one.raw for one in header.repetitions(2)] == [b"^~\\&"]
    assert header.raw_field(1) == b"|"


def test_repetitions_of_a_field() -> None:
    """Each with its components; none where the field is empty or absent, which `get` tells apart."""
    assert SAMPLE.repetitions("PID-3") == ["A1^^^H&1.2.3&ISO^MR", "B2^^^C"]
    assert SAMPLE.repetitions(Path.parse("PID-7")) == [DELETE]
    assert SAMPLE.repetitions("PID-2") == SAMPLE.repetitions("PID-99") == SAMPLE.repetitions("NK1-2") == []
    second = SAMPLE.segments[1].repetitions(3)[1]
    assert (second.get(1), second.get(4, 1), second.get(5), second.get()) == ("B2", "C", None, "B2^^^C")


def test_a_line_that_is_no_segment_has_no_name() -> None:
    """Free text behind a stray line feed is kept, and found under no name."""
    parsed = message(b"OBX|1|TX|||first line\nsecond line", b"OBXX|1", b"  PID|1", b"PID")
    assert [segment.name for segment in parsed.segments] == ["MSH", "OBX", "", "", "", "PID"]
    assert parsed.first("PID") == parsed.first("PID")
    assert parsed.first("PID").index == 5
    assert parsed.count("OBX") == 1


def test_a_name_inside_a_field_is_no_segment() -> None:
    """Only a line that begins with the name and a separator, or is the name, counts."""
    parsed = message(b"NTE|1||see OBX|PID", b"OBXY|1", b"OBX|7")
    assert parsed.get("OBX-1") == "7"
    assert parsed.first("PID") is None


@pytest.mark.parametrize("charset", ["iso8859_1", "euc_kr", "utf-8"])
def test_text_is_read_in_the_character_set(charset: str) -> None:
    """The bytes of a name in the set that the message was received in."""
    name = {"euc_kr": "홍길동"}.get(charset, "Müller")
    assert message(f"PID|1||||{name}".encode(charset), charset=charset).get("PID-5") == name


def test_bytes_of_another_character_set_are_unreadable_and_not_shown() -> None:
    """No replacement character, and no content in the exception: the place is named."""
    parsed = message(b"PID|1||||M\xfcller")
    with pytest.raises(Unreadable, match=r"^PID-5: the bytes are no utf-8$"):
        parsed.get("PID-5")
    with pytest.raises(Unreadable, match=r"^PID: "):
        parsed.get("PID")
    with pytest.raises(Unreadable, match=r"^PID-5: "):
        parsed.repetitions("PID-5")
    assert parsed.get("PID-1") == "1"


def test_what_is_no_message_is_unreadable() -> None:
    """No MSH, delimiters that cannot be used, a character set that may hide them; a wrong path is the site's mistake."""
    for raw, charset in ((b"PID|1", "utf-8"), (b"MSH|&&&&|", "utf-8"), (HEADER, "big5"), (HEADER, "none-such")):
        with pytest.raises(Unreadable):
            Message.parse(raw, charset)
    with pytest.raises(ConfigError):
        SAMPLE.get("PID.3")


def test_messages_are_values() -> None:
    """Equal by bytes and character set, usable as keys, and they travel to a child process."""
    again = Message.parse(SAMPLE.raw)
    assert again == SAMPLE
    assert hash(again) == hash(SAMPLE)
    assert Message.parse(SAMPLE.raw, "ascii") != SAMPLE
    assert SAMPLE.raw != SAMPLE
    assert pickle.loads(pickle.dumps(SAMPLE)).get("PID-5") == "DOE^JANE&x"  # noqa: S301 - its own bytes


def test_no_repr_shows_content() -> None:
    """Of the message, a segment, a line that is none, a repetition."""
    parsed = message(PID, b"SECRET NAME")
    shown = [parsed, *parsed.segments, *parsed.segments[1].repetitions(5)]
    assert [repr(one) for one in shown] == [
        f"<Message, {len(parsed.raw)} bytes>",
        f"<Segment MSH, {len(HEADER)} bytes>",
        f"<Segment PID, {len(PID)} bytes>",
        "<Segment ?, 11 bytes>",
        "<Repetition of PID-5, 10 bytes>",
    ]


def test_a_long_message_is_read_in_linear_time() -> None:
    """Nine thousand OBX, each read by its number, in far less than the minutes that a search from the start takes."""
    parsed = message(*(b"OBX|%d|NM|||1" % number for number in range(1, 9001)), b"ZZZ|1", end=b"\n")
    begun = time.process_time()
    assert all(parsed.get(f"OBX[{number}]-1") == str(number) for number in range(1, 9001))
    assert parsed.get("ZZZ-1") == "1"
    assert time.process_time() - begun < 5
