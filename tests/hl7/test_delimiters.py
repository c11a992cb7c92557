"""MSH-1 and MSH-2, and where the MSH begins."""

import pytest

from engine.errors import Unreadable
from engine.hl7.delimiters import STANDARD, Delimiters, delimiters_of, start_of


def test_the_standard_delimiters_as_text_and_as_bytes() -> None:
    r"""`|^~\&` and nothing for truncation."""
    marks = STANDARD
    assert (marks.field, marks.component, marks.repetition, marks.escape, marks.subcomponent) == tuple("|^~\\&")
    assert marks.truncation == ""
    assert marks.encoding == b"^~\\&"
    assert (marks.field_byte, marks.component_byte, marks.repetition_byte) == (b"|", b"^", b"~")
    assert (marks.escape_byte, marks.subcomponent_byte) == (b"\\", b"&")


def test_five_encoding_characters_declare_truncation() -> None:
    """From version 2.7 on the fifth character of MSH-2 marks a truncated value; more are ignored."""
    assert Delimiters.of(b"|^~\\&#").truncation == "#"
    assert Delimiters.of(b"|@%\\&$?!").encoding == b"@%\\&$"


def test_a_doubled_backslash_counts_once() -> None:
    r"""A sender that did not undo an escape of its programming language writes `^~\\&`."""
    assert Delimiters.of(b"|^~\\\\&") == STANDARD


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (b"|^~", "fewer than four"),
        (b"", "fewer than four"),
        (b"|^~\\", "fewer than four"),
        (b"|^~^&", "two delimiters"),
        (b"|^~\\|", "two delimiters"),
        (b"|^^##&", "two delimiters"),
        (b"|^~\\&&", "two delimiters"),
        (b"A^~\\&", "letter"),
        (b"|^~7&", "letter"),
        (b"|^~ &", "letter"),
        (b"|^~\xa6&", "letter"),
        (b"|^~\x07&", "letter"),
    ],
)
def test_delimiters_that_would_have_to_be_guessed_are_refused(declared: bytes, reason: str) -> None:
    """Missing, doubled, letters, digits, blanks, controls and bytes that are no ASCII: Unreadable."""
    with pytest.raises(Unreadable, match=reason):
        Delimiters.of(declared)


@pytest.mark.parametrize("ending", [b"", b"\r", b"\n", b"\r\n", b"\rPID|1", b"\nPID|1", b"|", b"|A|B"])
def test_msh_2_ends_with_the_field_or_with_the_segment(ending: bytes) -> None:
    """A header that ends with MSH-2 is read, and what follows its line end is no delimiter."""
    assert delimiters_of(b"MSH|^~\\&" + ending, 0) == STANDARD


@pytest.mark.parametrize("raw", [b"MSH", b"MSH|", b"MSH\r", b"MSH||A", b"MSH|" + b"\xff" * 40, b"MSH|^~\\&\xff\xff"])
def test_a_header_without_usable_delimiters_is_unreadable(raw: bytes) -> None:
    """Too short, empty, or no ASCII."""
    with pytest.raises(Unreadable):
        delimiters_of(raw, 0)


@pytest.mark.parametrize(
    ("before", "start"),
    [(b"", 0), (b"\xef\xbb\xbf", 3), (b"\r\n", 2), (b"\x0b", 1), (b" \n\xef\xbb\xbf\r", 6)],
)
def test_the_msh_may_stand_behind_a_byte_order_mark_and_blanks(before: bytes, start: int) -> None:
    """They are passed over, and nothing else is."""
    assert start_of(before + b"MSH|^~\\&|") == start


@pytest.mark.parametrize(
    "raw", [b"", b"EVN|A01\rMSH|^~\\&|", b"FHS|^~\\&|", b"\xef\xbb\xbf\xef\xbb\xbfMSH|", b"msh|^~\\&|"]
)
def test_what_does_not_begin_with_an_msh_is_unreadable(raw: bytes) -> None:
    """No search for an MSH further on."""
    with pytest.raises(Unreadable, match="does not begin with an MSH"):
        start_of(raw)
