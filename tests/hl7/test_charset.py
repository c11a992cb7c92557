"""Words of MSH-18, and the codecs that a message can be split in."""

import pytest

from engine.hl7.charset import (
    charset_of,
    codec_of,
    decodable,
    decode,
    encode,
    possible,
    same,
    settled,
    splittable,
    usable,
    word_of,
)
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
        (b"ISO_IR 100", "iso8859_1"),
        (b"ISO IR6", "ascii"),
        (b"ISO 2022 IR 144", "iso8859_5"),
        (b"BIG-5", "cp950"),
        (b"GB 18030-2000", "gb18030"),
        (b"GBK", "gbk"),
        (b"EUC-KR", "euc_kr"),
        (b"SHIFT_JIS", "cp932"),
        (b"ISO IR14", "jisx0201"),
        (b"ISO IR87", "jisx0208"),
        (b"ISO IR159", "jisx0212"),
        (b"UNICODE UTF-16", "utf-16"),
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
        b"CNS 11643-1992",
        b"\xff",
        b"~UTF-8",
    ],
)
def test_no_codec_where_nothing_or_nothing_usable_is_declared(word: bytes) -> None:
    """Empty, unknown, and what Python has no codec for."""
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


@pytest.mark.parametrize(
    ("word", "charset"),
    [
        (b"8859/1~ISO IR87", "iso2022:iso8859_1,jisx0208"),
        (b"~ISO IR87", "iso2022:ascii,jisx0208"),
        (b"ASCII~ISO IR87~ISO IR159", "iso2022:ascii,jisx0208,jisx0212"),
        (b"ISO 2022 IR 6~ISO 2022 IR 87~ISO 2022 IR 87", "iso2022:ascii,jisx0208"),
        (b"ISO IR87", "iso2022:ascii,jisx0208"),
        (b"ISO IR14", "iso2022:jisx0201"),
        (b"UNICODE UTF-8~ISO IR87", "iso2022:utf-8,jisx0208"),
        (b"ISO 2022 IR 149", "iso2022:euc_kr"),
        (b"BIG-5~ISO IR87", "cp950"),
        (b"WINDOWS-1252~ISO IR87", "cp1252"),
        (b"8859/1~CNS 11643-1992", "iso8859_1"),
        (b"8859/1~UNICODE UTF-8", "iso8859_1"),
        (b"UNICODE UTF-32", "utf-32"),
        (b"CNS 11643-1992", None),
    ],
)
def test_repetitions_are_what_shifts_reach(word: bytes, charset: str | None) -> None:
    """The first repetition starts the message, empty meaning ASCII; the further ones count where shifts reach them."""
    assert charset_of(word) == charset
    assert charset_of(word.replace(b"~", b"@"), b"@") == charset


def test_without_a_repetition_character_the_field_is_one_word() -> None:
    """A header that declares no encoding characters."""
    assert charset_of(b"8859/1", b"") == "iso8859_1"


@pytest.mark.parametrize(
    ("charset", "raw", "found"),
    [
        ("iso2022:iso8859_1,jisx0208", b"MSH|\xe9", "iso8859_1"),
        ("iso2022:ascii,jisx0208", b"MSH|\x1b$B;3\x1b(B", "iso2022:ascii,jisx0208"),
        ("iso2022:ascii,jisx0208", rb"MSH|\M2442\;3\C2842\ ".strip(), "iso2022:ascii,jisx0208"),
        ("iso2022:jisx0201", b"MSH|", "ascii"),
        ("iso2022:jisx0201", b"MSH|\xb1", "jisx0201"),
        ("cp950", b"MSH|", "cp950"),
    ],
)
def test_without_a_shift_the_first_set_is_enough(charset: str, raw: bytes, found: str) -> None:
    """A message without an escape sequence keeps its bytes as they are split in the set that it starts in."""
    assert settled(charset, raw, b"\\") == found


TEXTS = {
    "ascii": "DOE^JANE",
    "iso8859_1": "M\xdcLLER^Ren\xe9e",
    "iso8859_2": "Dvořák^Jiří",
    "iso8859_3": "Ĉapelo",
    "iso8859_4": "Bērziņš",
    "iso8859_5": "Иванов^Пётр",
    "iso8859_6": "محمد",
    "iso8859_7": "Παπαδόπουλος",
    "iso8859_8": "כהן",
    "iso8859_9": "I\u015f\u0131k^Gülşah",
    "iso8859_15": "Lefèbvre^Œuvré 5 €",
    "cp1252": "“Ž” \u2013 5 €",
    "utf-8": "山田^ü^Ж^김",
    "cp950": "許功蓋^碁",
    "big5hkscs": "功^畧",
    "gb18030": "李明^㐂^€",
    "gbk": "李明^镕",
    "gb2312": "李明",
    "cp932": "表^ソ^ﾔﾏﾀﾞ^髙",
    "euc_kr": "김철수",
    "cp949": "뷁",
    "euc_jp": "山田",
    "jisx0201": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "iso2022:jisx0201,jisx0208": "ﾔﾏﾀﾞ^ﾀﾛｳ~山田^太郎",
    "iso2022:ascii,jisx0208": "YAMADA^TARO~山田^太郎~やまだ",
    "iso2022:ascii,jisx0208,jisx0212": "山田^丂 龥",
    "iso2022:iso8859_1,jisx0208": "Müller^山é田é",
    "iso2022:iso8859_1,iso8859_5,iso8859_7": "é^ЖΩé^ё|é",
    "iso2022:ascii,euc_kr": "Hong^홍길동",
    "iso2022:euc_kr,jisx0208": "홍길동^々",
    "iso2022:ascii,gb2312,jisx0208": "李明^々",
    "iso2022:ascii,jisx0201": "ﾔﾏﾀﾞ",
}


@pytest.mark.parametrize("charset", TEXTS)
def test_real_text_in_every_set_reads_back(charset: str) -> None:
    """Names as they are written, in bytes of the set and back; the name of the set and its word lead to each other."""
    text = f"PID|1||{TEXTS[charset]}|x"
    assert decode(encode(text, charset), charset) == text
    assert usable(charset)
    told = charset_of(word_of(charset))
    wider = {"cp949": "euc_kr", "big5hkscs": "cp950", "jisx0201": "iso2022:jisx0201", "cp932": "cp932"}
    assert told == wider.get(charset, charset)


@pytest.mark.parametrize("charset", ["utf-16", "none-such", "utf-7"])
def test_what_no_message_can_be_in_is_not_usable(charset: str) -> None:
    """UTF-16 in a frame, or no set at all."""
    assert not usable(charset)
    assert possible(charset) == (charset != "utf-16")


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Ω", "iso8859_1"),
        ("Ω", "iso2022:ascii,jisx0201"),
        ("é", "iso2022:ascii,jisx0208"),
        ("\u4e02", "iso2022:ascii,jisx0208"),
        ("山", "iso2022:ascii,jisx0212"),
        ("\ufffd", "gb2312"),
    ],
)
def test_what_a_set_lacks_is_an_error(text: str, charset: str) -> None:
    """Never a question mark that nobody asked for, and nothing that would read back as something else."""
    with pytest.raises(UnicodeEncodeError):
        encode(text, charset)


@pytest.mark.parametrize("one", ["latin-1", "iso8859_1", "ISO-8859-1"])
def test_one_set_has_many_spellings(one: str) -> None:
    """Names of one codec are the same set; names of two are not."""
    assert same(one, "iso8859_1")
    assert not same(one, "iso2022:iso8859_1,jisx0208")
