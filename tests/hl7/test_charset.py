"""Words of MSH-18, and the codecs that a message can be split in."""

import pytest

from engine.hl7.charset import codec_of, decodable, splittable
from tests.hl7.build import CHARSETS


@pytest.mark.parametrize(
    ("word", "codec"),
    [
        (b"ASCII", "ascii"),
        (b"8859/1", "iso8859_1"),
        (b"   8859/1", "iso8859_1"),
        (b"8859/15", "iso8859_15"),
        (b"ISO-8859-2", "iso8859_2"),
        (b"UNICODE UTF-8", "utf-8"),
        (b"unicode utf-8", "utf-8"),
        (b"UTF-8~UNICODE", "utf-8"),
        (b"UTF8^x", "utf-8"),
        (b"UNICODE", "utf-8"),
        (b"KS X 1001", "euc_kr"),
        (b"WINDOWS-1252", "cp1252"),
    ],
)
def test_table_0211_and_what_senders_write(word: bytes, codec: str) -> None:
    """The first repetition counts, in any case and spacing."""
    assert codec_of(word) == codec


@pytest.mark.parametrize(
    "word",
    [
        b"",
        b"ISO IR 999",
        b"8859/12",
        b"8859/17",
        b"BIG-5",
        b"GB 18030-2000",
        b"UNICODE UTF-16",
        b"ISO IR87",
        b"\xff",
        b"~UTF-8",
    ],
)
def test_no_codec_where_nothing_or_nothing_usable_is_declared(word: bytes) -> None:
    """Empty, unknown, and sets in which a delimiter may be half of another character."""
    assert codec_of(word) is None


@pytest.mark.parametrize("charset", [*CHARSETS, "latin-1", "UTF8", "koi8-r", "gb2312", "euc_jp", "cp866"])
def test_a_splittable_codec_keeps_ascii_to_itself(charset: str) -> None:
    """Every byte below 0x80 is its ASCII character, and no byte above it takes one along."""
    assert splittable(charset)
    ascii_bytes = bytes(range(0x80))
    assert ascii_bytes.decode(charset) == ascii_bytes.decode("ascii")
    for pair in (bytes([lead, mark]) for lead in range(0x80, 0x100) for mark in b"|^~\\&#\r\n"):
        assert not decodable(pair, charset) or len(pair.decode(charset)) == 2


@pytest.mark.parametrize(
    "charset",
    ["utf-16", "utf-32-le", "big5", "gb18030", "shift_jis", "iso2022_jp", "utf-7", "hex", "utf-8-sig", "none-such"],
)
def test_codecs_that_hide_delimiters_are_not_splittable(charset: str) -> None:
    """Nor those that Python does not know."""
    assert not splittable(charset)
    assert not decodable(b"MSH|", charset)


def test_decodable_asks_the_bytes() -> None:
    """ASCII bytes are text in every splittable codec; others only where the codec says so."""
    assert decodable(b"MSH|", "ascii")
    assert decodable("é".encode(), "utf-8")
    assert not decodable(b"\xe9|", "utf-8")
    assert decodable(b"\xe9|", "iso8859_1")
    assert not decodable(b"\xe9|", "ascii")
