"""Places in a message as analysts write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.hl7.path import Path

NUMBERS = st.integers(1, 9999)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("AL1", Path("AL1")),
        ("AL1[2]", Path("AL1", 2)),
        ("PID-3", Path("PID", field=3)),
        ("MSH-9.1", Path("MSH", field=9, component=1)),
        ("OBX[2]-5", Path("OBX", 2, 5)),
        ("PID-3(2).4.1", Path("PID", 0, 3, 2, 4, 1)),
        ("PID-3(2)", Path("PID", 0, 3, 2)),
    ],
)
def test_a_path_is_read_and_written_the_same(text: str, path: Path) -> None:
    """Segment, occurrence, field, repetition, component and subcomponent count from one; 0 is "not written"."""
    assert Path.parse(text) == path
    assert str(path) == text


@given(st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True), st.tuples(*[NUMBERS] * 5))
def test_the_canonical_text_reads_back(segment: str, numbers: tuple[int, ...]) -> None:
    """`Path.parse(str(path)) == path`, for a path of any depth."""
    for path in (Path(segment), Path(segment, numbers[0], numbers[1]), Path(segment, *numbers)):
        assert Path.parse(str(path)) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PID.3",
        "pid-3",
        "PID-0",
        "PID-03",
        "PID[0]-3",
        "PID-3(0)",
        "PID-3.",
        "PID-3.1.1.1",
        "PIDX-3",
        "PID-٣",
        "PID-3 ",
        "PID-99999",
    ],
)
def test_a_path_that_is_none_is_refused_in_a_sentence(text: str) -> None:
    """ConfigError says what was found and what a path looks like."""
    with pytest.raises(ConfigError, match=r"is no place in a message; write it like PID-3\.1"):
        Path.parse(text)
