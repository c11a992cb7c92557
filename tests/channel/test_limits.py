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
    """The same rule by splitting; MSH-1 and MSH-2 are fields, and what MSH-2 holds is no delimiter there."""
    lines = raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")
    lines = lines[:-1] if not lines[-1] else lines
    split = [line.split(b"|") for line in lines]
    counts = [len(split[0]), *(len(fields) - 1 for fields in split[1:])]
    if len(lines) > most.segments or max(counts) > most.fields:
        return True
    return any(
        len(field) > most.field_bytes
        or len(field.split(b"~")) > most.repetitions
        or max(len(field.split(b"^")), len(field.split(b"&"))) > most.components
        for field in [*split[0][2:], *(one for fields in split[1:] for one in fields)]
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
        (b"FHS|^~\\&\rBHS|^~\\&\r" + (HEAD + b"OBX|1\r" * 3) * 3 + b"BTS|3\rFTS|1\r", False),
        (b"BHS|^~\\&\r" + HEAD + b"OBX|1\r" * 8 + HEAD, True),
        (b"BHS|^~\\&\n" + (HEAD + b"OBX|1\r" * 8).replace(b"\r", b"\n") + HEAD, True),
        (b"BHS|^~\\&\r" + b"junk\r" * 9, True),
    ],
)
def test_a_batch_is_counted_before_it_is_split(raw, found):
    """So many messages, and so many segments in each of them."""
    assert batch_exceeded(raw, SMALL) == found


ODD = b"MSH*$%\\!*A*B***20260819**ORU$R01*C1*P*2.5\r"


@pytest.mark.parametrize(
    ("raw", "limits"),
    [
        (b"OBX|1||a~b~c~d~e\r", {"repetitions": 5}),
        (b"OBX|1||a^b^c^d^e\r", {"components": 5}),
        (b"OBX|1||a&b&c&d&e\r", {"components": 5}),
        (b"OBX|1|2|3\r" * 10, {"segments": 11}),
        (b"OBX|1|2|3\r" * 9 + b"OBX|1", {"segments": 11}),
        (b"OBX|1|2|3\r\n" * 9 + b"OBX|1", {"segments": 11}),
        (b"OBX" + b"|1" * 20 + b"\r", {"fields": 20}),
        (b"OBX|12345678\r", {"field_bytes": 8}),
    ],
)
@pytest.mark.parametrize("head", [HEAD, ODD])
@pytest.mark.parametrize("step", [1, 1 << 18])
def test_a_limit_is_what_there_may_be(monkeypatch, raw, limits, head, step):
    """So many are taken, and one more is not; with any delimiters, and however many bytes are looked at at a time."""
    monkeypatch.setattr(module, "_STEP", step)
    raw = head + (raw if head is HEAD else raw.translate(bytes.maketrans(b"|^~&", b"*$%!")))
    ((name, most),) = limits.items()
    others = Limits()
    assert not exceeded(raw, scan_msh(raw), others._replace(**{name: most}))
    assert exceeded(raw, scan_msh(raw), others._replace(**{name: most - 1}))


def test_msh_1_and_msh_2_are_fields_and_nothing_else():
    """The delimiters that MSH-2 declares delimit nothing there; MSH-1 is the separator itself."""
    raw = b"\r\nMSH|^~\\&|A|B|||20260819||ADT|C1|P|2.5\r\n"
    assert not exceeded(raw, scan_msh(raw), Limits(segments=2, fields=12, repetitions=1, components=1))
    assert exceeded(raw, scan_msh(raw), Limits(fields=11))


def test_a_doubled_escape_character_is_no_delimiter():
    """MSH-2 as a program wrote it that did not undo its own escapes: the subcomponent follows behind both."""
    raw = HEAD.replace(b"\\", b"\\\\") + b"OBX|1||" + b"\\T\\" * 300 + b"|a&b&c\r"
    assert not exceeded(raw, scan_msh(raw), Limits(components=3))
    assert exceeded(raw, scan_msh(raw), Limits(components=2))


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_short_batch_has_no_more_messages_than_allowed(end):
    """However few lines it has."""
    raw = (b"BHS|^~\\&|A|B\r" + (HEAD + b"NTE|1\r") * 100).replace(b"\r", end)
    five = [
        judge(FrameEvent(Framed.FRAME, raw), ListenerRules("lab", limits=Limits(messages=n)), "", 1) for n in (99, 100)
    ]
    assert [(len(one.received), one.received[0].answer) for one in five] == [(1, "AE|104|"), (100, "AA")]


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \t", b"\x1c"])
def test_messages_are_counted_and_measured_behind_marks_as_well(before):
    """Also without a header; what looks like a message in the text is none."""
    one = before + HEAD + b"NTE|1||see MSH-4\r" * 50
    few, many = (Limits()._replace(messages=n, segments=60) for n in (20, 19))
    assert (batch_exceeded(one * 20, few), batch_exceeded(one * 20, many)) == (False, True)
    assert batch_exceeded(one * 20, few._replace(segments=40))
    assert batch_exceeded(HEAD + b"NTE|1|| MSH-4\r" * 65, few)


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
        HEAD + b" \xef\xbb\xbf MSH|" * 500_000,
        HEAD + b"\r\xef\xbb\xbfMSH|^~\\&|" * 500_000,
        HEAD + b"\rmsh|||||||" * 500_000,
        HEAD + b"\r" * 10_000_000,
        HEAD + (b"ZZZ" + b"|^" * 201 + b"|" * 790 + b"\r") * 9_990,
        HEAD + (b"ZZZ" + b"|~^&" * 400 + b"\r") * 9_990,
        HEAD + (b"|" + b"^" * 199) * 80_000,
    ],
    ids=[
        "segments",
        "fields",
        "repetitions",
        "components",
        "subcomponents",
        "batch",
        "batch LF",
        "FHS",
        "member",
        "marks",
        "marked messages",
        "small letters",
        "empty lines",
        "few in each",
        "some of all",
        "as many as may be",
    ],
)
def test_a_million_of_anything_is_judged_at_once(body):
    """Rows 41 to 44, and in batches; two seconds are more than ten times what it takes."""
    began = time.perf_counter()
    judge(FrameEvent(Framed.FRAME, body), ListenerRules("lab"), "10.0.0.7:1", 1)
    assert time.perf_counter() - began < 2.0
