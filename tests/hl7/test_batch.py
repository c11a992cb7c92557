"""Batches in one frame."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7 import batch as batches
from engine.hl7.batch import Batch, is_batch, split_batch
from tests.hl7.build import ENDS

FHS = b"FHS|^~\\&|A||||||||F11"
BHS = b"BHS|^~\\&|A||||||||B11"
ONE = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.5"
TWO = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|M2|P|2.5"
SMALL = TWO.replace(b"MSH", b"msh")
BOM = b"\xef\xbb\xbf"


def frame(*lines: bytes, end: bytes = b"\r") -> bytes:
    """The lines, each ended."""
    return b"".join(line + end for line in lines)


@given(st.sampled_from(ENDS), st.lists(st.integers(0, 3), max_size=4), st.booleans())
def test_messages_come_out_byte_for_byte(end: bytes, sizes: list[int], trailers: bool) -> None:  # noqa: FBT001 - drawn
    """As many as there are, whatever ends a line, with and without trailers."""
    messages = [frame(ONE, *[b"PID|1|| BTS|9"] * size, end=end) for size in sizes]
    closing = frame(b"BTS|%d" % len(sizes), b"FTS|1", end=end) if trailers else b""
    batch = split_batch(frame(FHS, BHS, end=end) + b"".join(messages) + closing)
    assert list(batch.messages) == messages
    assert batch.problem == ("" if messages else "the batch holds no message")


@pytest.mark.parametrize(
    ("lines", "control_id"),
    [
        ((FHS, BHS, ONE), b"B11"),
        ((FHS, ONE), b"F11"),
        ((b"BHS|^~\\&|A", ONE, TWO), b"M1"),
        ((FHS, b"BHS|^~\\&|A", ONE), b"F11"),
        ((b"FHS#^~\\&#A########F#", ONE), b"F"),
        ((b"FHS", ONE), b"M1"),
        ((BHS,), b"B11"),
        ((b"BHS|",), b""),
    ],
)
def test_the_answer_repeats_the_batch_id(lines: tuple[bytes, ...], control_id: bytes) -> None:
    """BHS-11, else FHS-11, else the first MSH-10 (D16)."""
    assert split_batch(frame(*lines)).control_id == control_id


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((BHS, ONE, TWO, b"BTS|2"), ""),
        ((BHS, ONE, TWO, b"BTS|3"), "BTS-1 does not count the 2 messages before it"),
        ((BHS, ONE, b"BTS|one"), "BTS-1 does not count the 1 messages before it"),
        ((BHS, ONE, b"BTS||comment"), ""),
        ((BHS, ONE, b"BTS"), ""),
        ((FHS, BHS, ONE, b"BTS|1", BHS, TWO, b"BTS|1", b"FTS|2"), ""),
        ((FHS, BHS, ONE, b"BTS|1", b"FTS|2"), "FTS-1 does not count the 1 batches before it"),
        ((FHS, ONE, b"FTS|1"), ""),
        ((FHS, ONE, BHS, TWO, b"BTS|1", b"FTS|1"), ""),
        ((FHS, ONE, BHS, TWO, b"BTS|1", b"FTS|2"), ""),
        ((FHS, ONE, BHS, TWO, b"BTS|1", b"FTS|3"), "FTS-1 does not count the 2 batches before it"),
        ((BHS, ONE, b"BTS|1", b"NTE|1"), "a line stands outside of the messages of the batch"),
        ((BHS, b"PID|1", ONE), "a line stands outside of the messages of the batch"),
        ((BHS, ONE, b"BTS|9", b"NTE|1"), "BTS-1 does not count the 1 messages before it"),
        ((BHS, b"", b" ", ONE, b"BTS|1", b""), ""),
        ((BHS, ONE, b"MSH|&&&&|A"), "message 2 of the batch has no MSH that can be read"),
        ((BHS, b"MSHX", ONE), "message 1 of the batch has no MSH that can be read"),
        ((BHS, b"BTS|0"), "the batch holds no message"),
        ((BHS, ONE, b"BTS|1", TWO, b"BTS|1", b"FTS|2"), ""),
        ((BHS, ONE, b"BTS|1", TWO, b"BTS|2", b"FTS|2"), "BTS-1 does not count the 1 messages before it"),
        ((ONE, TWO, b"BTS|2", ONE, b"BTS|1", b"FTS|2"), ""),
        ((ONE, b"BTS|1", b"FTS|2"), "FTS-1 does not count the 1 batches before it"),
        ((FHS, BHS, ONE, b"BTS|1", b"FTS|1", FHS, BHS, TWO, b"BTS|1", b"FTS|1"), ""),
        ((BHS, ONE, b"FTS|1", BHS, TWO, b"FTS|1"), ""),
        ((BHS, ONE, BOM + b" " + TWO, b"BTS|2"), ""),
        ((BHS, ONE, BOM + BHS, TWO, b"BTS|1"), ""),
        ((BHS, ONE.replace(b"|", b"#"), b"BTS#2"), "BTS-1 does not count the 1 messages before it"),
        ((BHS, ONE, SMALL, SMALL), "message 2 of the batch has no MSH that can be read"),
        ((BHS, ONE, BOM + BOM + TWO), "message 2 of the batch has no MSH that can be read"),
        ((b"BHS|^~\\&|A|", ONE, b" BTS|9"), ""),
    ],
)
def test_a_batch_that_is_not_what_it_says(lines: tuple[bytes, ...], problem: str) -> None:
    """Counts that are there must be right; the first problem is named, without content."""
    assert split_batch(frame(*lines)).problem == problem


def test_small_letters_behind_fs_are_looked_at_up_to_the_next() -> None:
    """Members are bytes of the frame, in order, also where only what follows another FS would make it a header."""
    raw = b"MSH|^~\\&|A\r\x1cmsh|||A\x1cMSH|^~\\&|ALR||||\r"
    found = split_batch(raw)
    assert found.messages == (b"MSH|^~\\&|A\r\x1cmsh|||A", b"MSH|^~\\&|ALR||||\r")
    assert found.problem


@pytest.mark.parametrize("trailer", [b"BTS", b"FTS"])
@pytest.mark.parametrize("end", [b"", *ENDS])
@pytest.mark.parametrize("head", [b"BHS", b"BHS|^~\\&|A"])
def test_a_trailer_without_a_field_counts_nothing(head: bytes, end: bytes, trailer: bytes) -> None:
    """Also as the last three bytes of the frame, behind a header that is no longer."""
    assert len(split_batch(b"\r".join((head, ONE, trailer)) + end).messages) == 1


def test_a_member_that_cannot_be_read_does_not_give_its_id() -> None:
    """The first that can be read does."""
    assert split_batch(frame(b"BHS|^~\\&|A", b"MSH|&&&&|A", TWO)).control_id == b"M2"


@pytest.mark.parametrize(
    ("raw", "batch"),
    [
        (FHS, True),
        (BHS, True),
        (b"\xef\xbb\xbf" + FHS, True),
        (b"\r\n" + BHS, True),
        (ONE, False),
        (b"", False),
        (b"NTE\r" + FHS, False),
        (ONE + b"\r" + TWO, True),
        (b"\r\n" + ONE + b"\n" + TWO, True),
        (ONE + b"\rNTE|1|\x1c" + TWO, True),
        (b"\xef\xbb\xbf\r\n" + ONE, False),
        (ONE + b"\rMSHX|\rNTE|MSH|\rMSH\r", False),
        (b"garbage\r" + ONE, False),
        (b"garbage\r" + ONE + b"\r" + TWO, True),
        (BOM + b" \r" + BHS, True),
        *(
            (ONE + end + mark + TWO, True)
            for end in (b"\r", b"\n", b"\r\n", b"\x1c")
            for mark in (BOM, b" \t", BOM + b" ")
        ),
        *((ONE + end + SMALL, True) for end in (b"\r", b"\n", b"\x1c")),
        (ONE + b"\r" + SMALL.replace(b"msh", b"Msh"), True),
        (ONE + b"\r" + BOM + SMALL, True),
        (ONE + b"\rmsh-4, msh-5, and a-b\r", False),
        (ONE + b"\rNTE|1||" + SMALL, False),
        (SMALL + b"\r" + SMALL, False),
        *((ONE + b"\r" + trailer + end, True) for trailer in (b"BTS|1", b"FTS|", b"BTS") for end in (b"", *ENDS)),
        (ONE + b"\nBTS|1\n\n \n", True),
        (ONE + b"\nBTS|1\r", True),
        (ONE + b"\rBTS|1" + b"\r" * 60_000, True),
        (ONE.replace(b"|", b"#") + b"\rBTS#1\r", True),
        (ONE + b"\rBTS#1\r", False),
        (ONE + b"\rBTSX|1\r", False),
        (ONE + b"\rNTE|1\r\r\r", False),
        (b"MSH" + b"\r" * 9, False),
        (b"MSH", False),
    ],
)
def test_which_frames_are_batches(raw: bytes, batch: bool) -> None:  # noqa: FBT001 - a table
    """Those that begin with FHS or BHS, or hold a second line that begins as a header does."""
    assert is_batch(raw) is batch


PIECES = (ONE, TWO, SMALL, BOM, b"\r", b"\n", b"\x1c", b" ", b"\t", b"BTS|1", b"FTS#", b"NTE|1", b"MSH", BHS)


@given(st.lists(st.sampled_from(PIECES), max_size=9))
def test_a_batch_is_told_apart_or_named(pieces: list[bytes]) -> None:
    """Where a message holds a second header, or begins to, it does not come out as one message without a problem."""
    raw = ONE + b"\r" + b"".join(pieces)
    found = split_batch(raw)
    counted = raw.rstrip(b" \t\r\n\x0b").splitlines()[-1][:4] in (b"BTS|", b"FTS|", b"BTS", b"FTS")
    if is_batch(raw):
        assert len(found.messages) > 1 or found.problem or counted
    assert b"".join(found.messages) in raw or len(found.messages) > 1


@pytest.mark.parametrize("before", range(40))
def test_a_second_header_is_found_wherever_a_step_ends(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of ten bytes."""
    monkeypatch.setattr(batches, "_STEP", 10)
    raw = ONE + b"\rNTE|" + b"x" * before + b"\r"
    assert not is_batch(raw)
    assert list(batches.beginnings(raw + BOM + b" " + TWO + b"\r" + SMALL, 3)) == [
        len(raw) - 1,
        len(raw) + len(BOM + TWO) + 1,
    ]
    assert is_batch(raw + b"BTS|1\r")


@pytest.mark.parametrize(
    "part", [b"\r \t MSH", b"\rmsh|||", b" \xef\xbb\xbf", b"\r", b"MSH|", b"\rmsh|||||", b"\r MSH|", b"\x1cmsh#a#b#c#d"]
)
def test_whatever_it_holds_is_read_in_one_pass(part: bytes) -> None:
    """Five megabytes of what looks like the beginning of a header."""
    raw = ONE + part * (5_000_000 // len(part))
    began = time.perf_counter()
    assert is_batch(raw) or not is_batch(raw[: 1 << 16])
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("line", "control_id"),
    [
        (b'BHS|^~\\&|A||||||||""', b""),
        (b"BHS|^^^^|A||||||||B11\r", b"B11"),
        (b"BHS|^^^^|A||||||||B~11\r", b""),
        (b"BHS||A||||||||B11|\r", b""),
        (b"BHSA^~\\&AAAAAAAAAB11", b""),
        (b"BHS", b""),
    ],
)
def test_the_id_of_a_header(line: bytes, control_id: bytes) -> None:
    """What its delimiters do not tell is not guessed."""
    assert batches.header_id(line) == control_id


def test_a_first_member_whose_delimiters_cannot_be_used_gives_its_id_where_that_is_plain() -> None:
    """As its answer would repeat it if it came alone."""
    assert split_batch(frame(TWO.replace(b"^~\\&", b"^^^^"), ONE)).control_id == b"M2"


def test_messages_behind_an_fs_are_told_apart_and_named() -> None:
    """The first one may not be whole; FS belongs to neither."""
    batch = split_batch(ONE + b"\rNTE|1|\x1c" + TWO)
    assert batch.messages == (ONE + b"\rNTE|1|", TWO)
    assert "behind an FS byte" in batch.problem
    batch = split_batch(ONE + b"\r\x1c" + SMALL + b"\r\x1c" + SMALL + b"\x1c" + TWO)
    assert batch.messages == (ONE + b"\r", SMALL + b"\r\x1c" + SMALL, TWO)


def test_the_headers_are_kept_with_what_an_answer_repeats() -> None:
    """BHS before FHS; one with a control id before one without."""
    found = split_batch(frame(FHS, b"BHS|^~\\&|A", ONE, BHS, TWO))
    assert (found.control_id, found.headers, found.named) == (b"B11", (BHS + b"\r", FHS + b"\r"), True)
    found = split_batch(frame(b"BHS|^~\\&|A", ONE, b"BHS|^~\\&|B", TWO))
    assert (found.control_id, found.headers, found.named) == (b"M1", (b"BHS|^~\\&|A\r",), False)
    assert split_batch(ONE + b"\r" + TWO).headers == ()


def test_its_repr_shows_no_content() -> None:
    """Only how many messages there are."""
    assert repr(Batch(b"id", (ONE, TWO), "")) == "<Batch of 2 messages>"
