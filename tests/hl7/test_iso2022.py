r"""Shifts between character sets: ISO 2022 as escape sequences and as `\C..\` and `\M..\` (chapter 2.7.2)."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.iso2022 import decode, has_shift
from engine.hl7.iso2022_writing import encode

KANJI = "山田".encode("iso2022_jp")  # ESC $ B ... ESC ( B


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"PID|" + KANJI + b"^x", "PID|山田^x"),
        (b"PID|\x1b$@;3\x1b(J^x", "PID|山^x"),
        (b"PID|\x1b$(D0\x22\x1b(B", "PID|丄"),
        (b"PID|\x1b(I25\x1b(B", "PID|ｲｵ"),
        (b"PID|\x1b$A@n\x1b(B", "PID|李".replace("李", b"\xc0\xee".decode("gb2312"))),
        (b"PID|\x1b$(CH+\x1b(B", "PID|" + b"\xc8\xab".decode("euc_kr")),
        (b"PID|\x1b$)C\xc8\xab", "PID|" + b"\xc8\xab".decode("euc_kr")),
        (b"PID|\x1b-L\xb6|", "PID|Ж|"),
        (rb"PID|\M2442\;3\C2842\^x", "PID|山^x"),
        (rb"PID|\M242844\0\x22\C2842\ ".replace(rb"\x22", b"\x22").strip(), "PID|丄"),
        (rb"PID|\C2849\25\C2842\^x", "PID|ｲｵ^x"),
        (b"PID|\x1b$B;3 ED\x1b(B", "PID|山 田"),
        (b"PID|\x1b[31m", "PID|\x1b[31m"),
    ],
)
def test_shifts_are_read(raw: bytes, text: str) -> None:
    """By what they lead to: Japanese, Chinese, Korean, half-width Katakana, another part of 8859."""
    assert decode(raw, "ascii") == text


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        (KANJI[:-3] + b"|x\r", len(KANJI[:-3])),
        (KANJI[:-3] + b"\rPID|x", len(KANJI[:-3])),
        (KANJI[:-3], 0),
        (b"x\x1b(0y", 1),
        (b"x\x1b(I\x7e|", 4),
        (b"x\xe9", 1),
        (b"\x1b$B\x7e\x7e\x1b(B", 3),
        (b"\x1b$(D\x22\x2f!!\x1b(B", 6),
        (rb"\C2D5A\ ".strip(), 0),
    ],
)
def test_what_cannot_be_read_is_named_by_its_offset(raw: bytes, start: int) -> None:
    """A shift left open at the end of a field, of a segment, of the message; an unknown set; what a set lacks."""
    with pytest.raises(UnicodeDecodeError) as error:
        decode(raw, "ascii")
    assert error.value.start == start


def test_a_designation_ends_with_its_field() -> None:
    """What stands for the bytes above 0x7F is the first set again behind a field separator (reliability row 40)."""
    raw = b"\x1b-L\xb6^\xb6|\xe9\r\x1b-L\xb6\r\xe9"
    assert decode(raw, "iso8859_1") == "Ж^Ж|é\rЖ\ré"
    assert decode(raw.replace(b"|", b"#"), "iso8859_1", b"#") == "Ж^Ж#é\rЖ\ré"


def test_the_beginning_of_a_message_may_end_inside_a_shift() -> None:
    """For telling where in a message something stands."""
    assert decode(KANJI[:-3], "ascii", whole=False) == "山田"


def test_delimiters_inside_a_character_split_nothing() -> None:
    """Kanji whose second byte is one of the encoding characters."""
    for second in b"|^~\\&":
        raw = b"\x1b$B" + bytes([0x30, second]) + b"\x1b(B"
        text = decode(b"PID|" + raw + b"|x", "ascii")
        assert [len(field) for field in text.split("|")] == [3, 1, 1]


def test_a_message_without_an_escape_character_has_escape_sequences_only() -> None:
    """Where MSH-2 declares none there is no HL7 escape to look for."""
    assert not has_shift(rb"\M2442\ ", b"")
    assert has_shift(KANJI, b"")


@pytest.mark.parametrize(
    "piece", [b"\x1b(B", b"\x1b$B\x1b(B", b"\x1b-L\xb6|", b"\x1b$B;3\x1b(B", b"\\M2442\\", b"\x1b("]
)
def test_time_is_linear(piece: bytes) -> None:
    """Ten times the shifts take about ten times as long, not a hundred times."""

    def seconds(count: int) -> float:
        began = time.perf_counter()
        with contextlib.suppress(UnicodeDecodeError):
            decode(piece * count, "iso8859_1")
        return time.perf_counter() - began

    assert seconds(30_000) < max(60 * seconds(3_000), 0.5)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x1b$B", b"\x1b(I", b"\x1b-F", b"\\M2442\\"]))
def test_any_bytes_are_text_or_refused(raw: bytes, shift: bytes) -> None:
    """No other exception, no replacement character, and an offset inside of the bytes."""
    refused, text = -1, ""
    try:
        text = decode(shift + raw, "iso8859_1")
    except UnicodeDecodeError as error:
        refused = error.start
    assert -1 <= refused < len(shift + raw)
    assert "\ufffd" not in text


@given(st.text(st.sampled_from("山田丂々ﾔéЖΩ^|~\\& x"), max_size=30))
def test_what_is_written_reads_back(text: str) -> None:
    """Shifts end before every ASCII character, so that no delimiter is inside of one."""
    sets = ("iso8859_1", "jisx0208", "jisx0212", "jisx0201", "iso8859_5", "iso8859_7")
    raw = encode(text, sets)
    assert decode(raw, "iso8859_1") == text
    assert raw.count(b"\r") == text.count("\r")
