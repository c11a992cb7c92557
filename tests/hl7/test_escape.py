"""Escape sequences both ways."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.delimiters import STANDARD, Delimiters
from engine.hl7.escape import escape, unescape
from tests.hl7.build import MARKS, texts

DECLARED = [Delimiters.of(marks.encode("ascii")) for marks in MARKS]
TRUNCATING = Delimiters.of(b"|^~\\&#")


@given(st.sampled_from(DECLARED), texts("utf-8", 40))
def test_what_is_escaped_reads_back(marks: Delimiters, text: str) -> None:
    """`unescape(escape(s)) == s` for every text, in every set of delimiters."""
    assert unescape(escape(text, marks), marks) == text


@given(st.sampled_from(DECLARED), texts("utf-8", 40))
def test_no_delimiter_and_no_line_end_survives(marks: Delimiters, text: str) -> None:
    """Data cannot end its subcomponent, its segment or its frame, whatever it holds."""
    forbidden = (
        marks.field + marks.component + marks.repetition + marks.subcomponent + marks.truncation + "\r\n\x0b\x1c\x00"
    )
    assert not set(escape(text, marks)) & set(forbidden)


def test_a_text_without_an_escape_is_itself() -> None:
    """Most are."""
    assert unescape("Abdominal pain") == escape("Abdominal pain") == "Abdominal pain"


def test_each_sequence_as_the_standard_writes_it() -> None:
    r"""`\F\ \S\ \T\ \R\ \E\`, `\P\` where `#` is declared, `\.br\` for a line feed, `\Xdd\` for other controls."""
    assert escape("a|b^c&d~e\\f#g\nh\ri\tj\x1c") == r"a\F\b\S\c\T\d\R\e\E\f#g\.br\h\X0D\i" "\tj" "\\X1C\\"
    assert escape("#", TRUNCATING) == "\\P\\"


def test_a_line_feed_is_hexadecimal_where_the_break_would_hold_a_delimiter() -> None:
    r"""With `.` as component separator `\.br\` would be two components."""
    assert escape("a\nb", Delimiters.of(b"|.:\\&")) == r"a\X0A\b"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("\\F\\\\S\\\\T\\\\R\\\\E\\", "|^&~\\"),
        (r"a\.br\b\.BR\c", "a\nb\nc"),
        (r"\H\bold\N\ plain", "bold plain"),
        ("\\X41\\\\X4a4B\\", "AJK"),
        ("\\XC3A9\\", "é"),
        ("\\E\\F\\E\\", "\\F\\"),
    ],
)
def test_sequences_are_resolved_in_one_pass(text: str, read: str) -> None:
    """What comes out of a sequence is never read as another one."""
    assert unescape(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "lone \\",
        r"C:\temp\new",
        "\\Z01\\",
        "\\.sp2\\",
        "\\X4\\",
        "\\XZZ\\",
        "\\X\\",
        "\\f\\",
        "\\P\\",
        "\\\\",
        "\\XFF\\",
    ],
)
def test_what_is_no_sequence_is_text(text: str) -> None:
    r"""Unknown, incomplete and undecodable sequences and lone escape characters stay as they are."""
    assert unescape(text) == text


def test_a_sequence_after_a_lone_escape_character_is_still_one() -> None:
    """A value that holds a stray backslash does not lose the sequences behind it."""
    assert unescape(r"5\6 mm \T\ x") == r"5\6 mm & x"


def test_hexadecimal_is_read_in_the_character_set_of_the_message() -> None:
    r"""`\XE9\` is e acute in ISO 8859-1 and nothing in UTF-8."""
    assert unescape("\\XE9\\", STANDARD, "iso8859_1") == "é"


@pytest.mark.parametrize("bomb", ["\\X41\\", "\\E\\", "\\", r"\X41414141", r"\.br", r"\X"])
def test_an_escape_bomb_takes_linear_time(bomb: str) -> None:
    """Two hundred thousand sequences, whole or broken, in far less than the seconds that backtracking would take."""
    begun = time.process_time()
    unescape(bomb * 200_000)
    escape("\\|" * 200_000)
    assert time.process_time() - begun < 5
