"""The framing rule of D21 and C10, and its independence of packets."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.mllp.framing import KEPT_BYTES, Framed, FrameEvent, Framer, frame

A = b"MSH|^~\\&|A\rPID|1\r"
B = b"MSH|^~\\&|B\r"

pieces = st.sampled_from(
    [
        b"\x0b",
        b"\x1c",
        b"\r",
        b"\n",
        b"M",
        b"S",
        b"H",
        b"MSH",
        b"FHS|",
        b"BHS|",
        b"x",
        b"\x0bMSH|",
        b"\x1c\r",
        b"FH",
        A,
        b"\0M\0S\0H",
        b"\0",
        b"\0\r\0",
        b"\xff\xfe",
        b"\xfe\xff\0",
    ],
)
streams = st.lists(pieces, max_size=40).map(b"".join)


def packets(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a stream at these offsets."""
    edges = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def read(framer: Framer, *data: bytes) -> list[FrameEvent]:
    """Feed packets and then the end of the stream."""
    return [event for packet in data for event in framer.feed(packet)] + framer.end()


@given(streams, st.lists(st.integers(0, 120), max_size=12), st.sampled_from([4, 9, 20, 1000]), st.booleans())
def test_framing_is_independent_of_packets(stream, cuts, limit, strict):
    """The same bytes give the same events, however the network cut them."""
    framers = Framer(limit, strict=strict), Framer(limit, strict=strict)
    assert read(framers[0], *packets(stream, cuts)) == read(framers[1], stream)


@given(streams, st.lists(st.integers(0, 120), max_size=12), st.sampled_from([4, 20, 1000]), st.integers(1, 3))
def test_framing_is_independent_of_how_much_is_taken_at_once(stream, cuts, limit, most):
    """A few events at a time are the same events."""
    framer = Framer(limit, most)
    found = []
    for packet in packets(stream, cuts):
        events = framer.feed(packet)
        assert len(events) <= most
        found += events
        while framer.more:
            events = framer.feed(b"")
            assert len(events) <= most
            found += events
    assert found + framer.end() == read(Framer(limit), stream)


@given(streams, st.booleans())
def test_framing_byte_by_byte(stream, strict):
    """One byte at a time gives the events of one packet."""
    pieces = [bytes([byte]) for byte in stream]
    assert read(Framer(strict=strict), *pieces) == read(Framer(strict=strict), stream)


@given(st.lists(st.binary(min_size=1).filter(lambda body: not set(body) & {0x0B, 0x1C}), max_size=8))
def test_framed_bodies_come_back(bodies):
    """What `frame` wraps, the framer gives back, whole and in order."""
    events = read(Framer(), b"".join(frame(body) for body in bodies))
    assert [(event.kind, event.body, event.flags) for event in events] == [(Framed.FRAME, b, "") for b in bodies]


@given(streams)
def test_no_byte_of_a_frame_is_lost(stream):
    """Every content byte of a valid start stands in some event: events are parts of the stream, in order."""
    at = 0
    for event in read(Framer(), stream):
        found = stream.find(event.body, at)
        assert found >= 0
        at = found + len(event.body)


CASES = {
    "two frames in one packet": (frame(A) + frame(B), [FrameEvent(Framed.FRAME, A), FrameEvent(Framed.FRAME, B)]),
    "no VT before MSH": (A, [FrameEvent(Framed.JUNK)]),
    "FS CR alone": (b"\x1c\r", [FrameEvent(Framed.JUNK)]),
    "blank lines between frames": (
        frame(A) + b"\r\n" + frame(B),
        [FrameEvent(Framed.FRAME, A), FrameEvent(Framed.FRAME, B)],
    ),
    "junk between frames": (
        frame(A) + b"junk" + frame(B),
        [FrameEvent(Framed.FRAME, A), FrameEvent(Framed.JUNK), FrameEvent(Framed.FRAME, B)],
    ),
    "empty frame": (frame(b""), [FrameEvent(Framed.EMPTY)]),
    "VT VT": (b"\x0b" + frame(A), [FrameEvent(Framed.CUT, b"", "cut_off"), FrameEvent(Framed.FRAME, A)]),
    "cut off by a new frame": (
        b"\x0b" + A + frame(B),
        [FrameEvent(Framed.CUT, A, "cut_off"), FrameEvent(Framed.FRAME, B)],
    ),
    "the peer leaves in a frame": (b"\x0b" + A, [FrameEvent(Framed.CUT, A, "cut_off")]),
    "FS ended by VT": (
        b"\x0b" + A + b"\x1c" + frame(B),
        [FrameEvent(Framed.FRAME, A, "end_without_cr"), FrameEvent(Framed.FRAME, B)],
    ),
    "FS, then the peer leaves": (b"\x0b" + A + b"\x1c", [FrameEvent(Framed.FRAME, A, "end_without_cr")]),
    "FS inside": (frame(A + b"x\x1cy"), [FrameEvent(Framed.FRAME, A + b"x\x1cy", "fs_inside")]),
    "VT inside": (frame(A + b"x\x0by\x0bz"), [FrameEvent(Framed.FRAME, A + b"x\x0by\x0bz", "vt_inside", len(A) + 1)]),
    "VT before FHS": (
        b"\x0bx\x0bFHS|\x1c\r",
        [FrameEvent(Framed.CUT, b"x", "cut_off"), FrameEvent(Framed.FRAME, b"FHS|")],
    ),
}


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES)
def test_framing_rule(stream, events):
    """D21, C10 and rows 1 to 15 of the bad input table."""
    assert read(Framer(), stream) == events


def test_silence_ends_a_frame_after_its_fs():
    """FS without CR ends the frame after one second of silence, and not before."""
    framer = Framer()
    assert framer.feed(b"\x0b" + A + b"\x1c", now=10.0) == []
    assert framer.waits_for_silence
    assert framer.silent(10.9) == []
    assert framer.silent(11.0) == [FrameEvent(Framed.FRAME, A, "end_without_cr")]
    assert framer.feed(b"\r" + frame(B), now=11.5) == [FrameEvent(Framed.FRAME, B)]


def test_silence_without_fs_ends_nothing():
    """A slow sender's half message is not a message."""
    framer = Framer()
    framer.feed(b"\x0b" + A, now=10.0)
    assert framer.silent(99.0) == []
    assert framer.inside


@pytest.mark.parametrize("packet", [1, 7, 4096, 10**9])
def test_a_frame_over_the_limit_is_given_up_with_its_head(packet):
    """Over the limit only the first 64 KB stay, and nothing after is read, not even a good frame."""
    stream = b"\x0bMSH|" + b"y" * 100_000 + b"\x1c\r" + frame(B)
    framer = Framer(max_bytes=90_000)
    events = read(framer, *[stream[at : at + packet] for at in range(0, len(stream), packet)])
    assert events == [FrameEvent(Framed.TOO_LONG, stream[1 : 1 + KEPT_BYTES], "too_long")]


def test_a_frame_of_exactly_the_limit_passes():
    """The limit counts the content, not VT, FS and CR."""
    assert read(Framer(len(A)), frame(A)) == [FrameEvent(Framed.FRAME, A)]
    assert read(Framer(len(A) - 1), frame(A))[0].kind is Framed.TOO_LONG


def test_a_start_inside_of_a_frame_may_come_in_pieces():
    """VT at the end of a packet, then M, then SH: a new frame; VT and something else: content."""
    cut = [FrameEvent(Framed.CUT, A, "cut_off"), FrameEvent(Framed.FRAME, B)]
    assert read(Framer(), b"\x0b" + A + b"\x0b", b"M", b"SH" + frame(B)[4:]) == cut
    assert read(Framer(), b"\x0b" + A + b"\x0bMS", b"X" + b"\x1c\r")[0].flags == "vt_inside"


def test_a_cut_off_frame_over_the_limit_is_given_up():
    """It is too long before it is cut: the frame that began inside of it is not read."""
    assert [event.kind for event in read(Framer(len(A) - 1), b"\x0b" + A + frame(B))] == [Framed.TOO_LONG]


def test_repr_shows_no_content():
    """A frame event names its size, never its bytes."""
    assert "PID" not in repr(FrameEvent(Framed.FRAME, A))


def test_many_marks_are_looked_at_once():
    """A frame of nothing but FS and content marks is cut in linear time."""
    stream = frame(b"MSH|" + b"\x1cx\x0by" * 200_000)
    assert read(Framer(), stream)[0].flags == "fs_inside vt_inside"


STRICT_CASES = {
    "FS, then the peer leaves": (b"\x0b" + A + b"\x1c", [FrameEvent(Framed.CUT, A + b"\x1c", "cut_off")]),
    "FS ended by VT": (
        b"\x0b" + A + b"\x1c" + frame(B),
        [FrameEvent(Framed.CUT, A + b"\x1c", "cut_off"), FrameEvent(Framed.FRAME, B, "")],
    ),
    "FS, VT and no MSH": (
        frame(A + b"x\x1c\x0by"),
        [FrameEvent(Framed.FRAME, A + b"x\x1c\x0by", "fs_inside vt_inside", len(A) + 2)],
    ),
}


@pytest.mark.parametrize(("stream", "events"), STRICT_CASES.values(), ids=STRICT_CASES)
def test_a_strict_framer_takes_only_fs_cr_for_an_end(stream, events):
    """Neither a VT nor silence ends a frame."""
    framer = Framer(strict=True)
    found = framer.feed(stream, now=10.0)
    assert not framer.waits_for_silence
    assert framer.silent(99.0) == []
    assert found + framer.end() == events


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_a_frame_of_two_bytes_a_character_is_known_and_the_last(mark, codec):
    """With a byte order mark and without; nothing after it is read."""
    stream = (mark + frame(A).decode()).encode(codec)
    (event,) = read(Framer(), stream + frame(B))
    assert (event.kind, event.flags) == (Framed.WIDE, "utf_16")
    assert "PID|1".encode(codec) in event.body


def test_a_frame_of_two_bytes_a_character_over_the_limit_is_too_long():
    """The limit counts before anything else."""
    (event,) = read(Framer(20), frame(A).decode().encode("utf-16-le"))
    assert event.kind is Framed.TOO_LONG


def test_half_a_wide_start_is_junk_when_something_else_follows():
    """NUL, VT and a plain message; NUL and a letter; FS, NUL and no CR is content."""
    assert [event.kind for event in read(Framer(), b"\0" + frame(A))] == [Framed.JUNK, Framed.FRAME]
    assert [event.kind for event in read(Framer(), b"\0x")] == [Framed.JUNK]
    body = b"\0M\0S\0H\x1c\0x"
    assert read(Framer(), frame(body)) == [FrameEvent(Framed.FRAME, body, "fs_inside")]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("mark", [b"\x1c", b"\x0b", b"\x1cx\x0bx", b"\x0bMS", b"x\x0b\x1c"])
def test_marks_that_are_content_cost_next_to_nothing(mark, strict):
    """Two megabytes in packets: a turn for each took seconds; one is ten times what it takes."""
    framer = Framer(most=1, strict=strict)
    packet = b"x" + mark * (65_536 // len(mark)) + b"x"
    framer.feed(b"\x0bMSH")
    began = time.process_time()
    for _ in range(32):
        assert framer.feed(packet) == []
    assert time.process_time() - began < 1.0
    ((kind, body, flags, vt_at),) = framer.feed(b"\x1c\r")
    assert (kind, len(body), vt_at) == (Framed.FRAME, 3 + 32 * len(packet), body.find(b"\x0b"))
    assert flags.split() == ["fs_inside"] * (b"\x1c" in mark) + ["vt_inside"] * (b"\x0b" in mark)
