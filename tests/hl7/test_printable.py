"""Text that any database and any page can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.printable import printable


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("A1", "A1"),
        ("A 1-b", "A 1-b"),
        ("a\x00b", "a\\x00b"),
        ("a\\x00", "a\\x5cx00"),
        ("\ud800", "\\ud800"),
        ("é\u2028", "é\\u2028"),
    ],
)
def test_what_cannot_be_shown_is_written_out(text: str, written: str) -> None:
    """Controls, lone surrogates, line separators and the backslash itself."""
    assert printable(text) == written


@given(st.text(), st.text())
def test_different_texts_stay_different_and_can_be_stored(one: str, other: str) -> None:
    """No NUL, valid UTF-8, and as many keys as texts."""
    assert (printable(one) == printable(other)) is (one == other)
    assert b"\0" not in printable(one).encode("utf-8")
