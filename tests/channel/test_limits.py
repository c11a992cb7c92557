"""Limits are counted on the bytes, of any size, the same way whatever the size, and in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channel import limits as module
from engine.channel.limits import Limits, batch_exceeded, exceeded
from engine.channel.receive import ListenerRules, judge
from engine.hl7 import batch as batches
from engine.hl7.msh import scan_msh
from engine.mllp.framing import Framed, FrameEvent

HEAD = b"MSH|^~\\&|A|B|||20260819||ORU^R01|C1|P|2.5\r"
SMALL = Limits(segments=4, fields=12, repetitions=3, components=3, field_bytes=20, messages=3)
pieces = st.sampled_from([b"\r", b"\n", b"\r\n", b"|", b"~", b"^", b"&", b"x", b"xxxxx", b"OBX|1"])


def slowly(raw: bytes, most: Limits) -> bool:
    """The same rule by splitting."""
    lines = raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")
    if len(lines) - 1 > most.segments or any(line.count(b"|") > most.fields for line in lines):
        return True
    return any(
        len(field) > most.field_bytes
        or field.count(b"~") > most.repetitions
        or max(field.count(b"^"), field.count(b"&")) > most.components
        for line in lines
        for field in line.split(b"|")
    )


@given(st.lists(pieces, max_size=60).map(b"".join))
def test_limits_are_those_of_the_parts(tail):
    raw = HEAD + tail
    assert exceeded(raw, scan_msh(raw), SMALL) == slowly(raw, SMALL)


@given(st.lists(pieces, max_size=60).map(b"".join), st.integers(1, 9))
def test_large_messages_are_counted_in_steps_with_the_same_result(tail, step):
    raw = HEAD + tail
    before = module._STEP
    module._STEP = step
    try:
        assert exceeded(raw, scan_msh(raw), SMALL) == slowly(raw, SMALL)
    finally:
        module._STEP = before


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"BHS|^~\\&\r" + HEAD * 3, False),
        (b"BHS|^~\\&\r" + HEAD * 4 + b"BTS|4\r", True),
        (b"BHS|^~\\&\r" + HEAD + b"OBX|1\r" * 3 + HEAD + b"OBX|1\r" * 3, False),
        (b"BHS|^~\\&\r" + HEAD + b"OBX|1\r" * 5 + HEAD, True),
        (b"BHS|^~\\&\n" + (HEAD + b"OBX|1\r" * 5).replace(b"\r", b"\n") + HEAD, True),
        (b"BHS|^~\\&\r" + b"junk\r" * 5, True),
    ],
)
def test_a_batch_is_counted_before_it_is_split(raw, found):
    """So many messages, and so many segments in each of them."""
    assert batch_exceeded(raw, SMALL) == found


def test_line_ends_are_cut_a_piece_at_a_time(monkeypatch):
    """CR and LF that a cut falls between stay one line end."""
    monkeypatch.setattr(batches, "_STEP", 5)
    raw = b"BHS|^~\\&\r\n" + HEAD.replace(b"\r", b"\r\n") * 3 + b"BTS|3\r\n"
    whole = batches.split_batch(raw)
    assert (len(whole.messages), whole.problem) == (3, "")
    assert b"".join(whole.messages) == HEAD.replace(b"\r", b"\r\n") * 3


def test_a_batch_that_is_too_long_is_refused_whole():
    raw = b"BHS|^~\\&|A|B|||||||B1\r" + HEAD * 4
    found = judge(FrameEvent(Framed.FRAME, raw), ListenerRules("lab", limits=SMALL), "10.0.0.7:1", 1)
    assert [one.answer for one in found.received] == ["AE|104|"]


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b"OBX|1\r" * 1_000_000,
        HEAD + b"|x" * 1_000_000,
        HEAD + b"OBX|1||" + b"~x" * 1_000_000,
        HEAD + b"OBX|1||" + b"^x" * 1_000_000,
        HEAD + b"OBX|1||" + b"&x" * 1_000_000,
        b"FHS|^~\\&\rBHS|^~\\&\r" + HEAD * 200_000,
        b"BHS|^~\\&\n" + HEAD.replace(b"\r", b"\n") * 200_000,
        b"FHS" + b"|x" * 3_000_000 + b"\r" + HEAD,
        b"BHS|^~\\&\r" + HEAD + b"OBX|1\r" * 1_000_000,
    ],
    ids=["segments", "fields", "repetitions", "components", "subcomponents", "batch", "batch LF", "FHS", "member"],
)
def test_a_million_of_anything_is_judged_at_once(body):
    """Rows 41 to 44, and in batches; two seconds are more than ten times what it takes."""
    began = time.perf_counter()
    judge(FrameEvent(Framed.FRAME, body), ListenerRules("lab"), "10.0.0.7:1", 1)
    assert time.perf_counter() - began < 2.0
