"""Batches in one frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.batch import Batch, is_batch, split_batch
from tests.hl7.build import ENDS

FHS = b"FHS|^~\\&|A||||||||F11"
BHS = b"BHS|^~\\&|A||||||||B11"
ONE = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|M1|P|2.5"
TWO = b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|M2|P|2.5"


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
        ((BHS, ONE, b"BTS|1", b"NTE|1"), "a line stands outside of the messages of the batch"),
        ((BHS, b"PID|1", ONE), "a line stands outside of the messages of the batch"),
        ((BHS, ONE, b"BTS|9", b"NTE|1"), "BTS-1 does not count the 1 messages before it"),
        ((BHS, b"", b" ", ONE, b"BTS|1", b""), ""),
        ((BHS, ONE, b"MSH|&&&&|A"), "message 2 of the batch has no MSH that can be read"),
        ((BHS, b"MSHX", ONE), "message 1 of the batch has no MSH that can be read"),
        ((BHS, b"BTS|0"), "the batch holds no message"),
    ],
)
def test_a_batch_that_is_not_what_it_says(lines: tuple[bytes, ...], problem: str) -> None:
    """Counts that are there must be right; the first problem is named, without content."""
    assert split_batch(frame(*lines)).problem == problem


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
    ],
)
def test_which_frames_are_batches(raw: bytes, batch: bool) -> None:  # noqa: FBT001 - a table
    """Those that begin with FHS or BHS, or hold a second line that begins as a header does."""
    assert is_batch(raw) is batch


def test_messages_behind_an_fs_are_told_apart_and_named() -> None:
    """The first one may not be whole; FS belongs to neither."""
    batch = split_batch(ONE + b"\rNTE|1|\x1c" + TWO)
    assert batch.messages == (ONE + b"\rNTE|1|", TWO)
    assert "behind an FS byte" in batch.problem


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
