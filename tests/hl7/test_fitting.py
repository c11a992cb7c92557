"""Whole texts in another set: field by field the same as each alone, and in a time that no message can make long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.charset import decode, encode, has, word_of
from engine.hl7.marked_places import NOWHERE, places_of
from engine.hl7.message import Message
from engine.hl7.received import delivered
from engine.hl7.transcode import added_beyond, transcoded
from engine.hl7.transliterate import fits

HEAD = "MSH|^~\\&|RIS|HOSP|PACS|RAD|20260819101500||ORM^O01^ORM_O01|C1|P|2.5.1||||||UNICODE UTF-8\r"
JAPANESE = "iso2022:ascii,jisx0208"
MANY = "iso2022:iso8859_1,iso8859_5,jisx0208,jisx0212,euc_kr"
SETS = ("ascii", "iso8859_1", "cp1258", "cp949", "cp950", "cp932", "euc_kr", JAPANESE, MANY)
LOOKS = "".join(
    pair.decode("euc_jp") for pair in (b"\xdc\xc3", b"\xb2\xb8", b"\xb4\xb2", b"\xdc\xb0")
)  # `\C2842\` in JIS
LETTERS = st.sampled_from("aZ ^&~é山田김Жｱ許Å\u212b\u0308\u0301\u0323ﬁ“\uf900\u3164亜" + LOOKS)


def sent(text: str, charset: str, unencodable: str = "transliterate", head: str = HEAD) -> list[list[str]]:
    """Its lines as fields, as a receiver reads them."""
    raw = transcoded(Message.parse((head + text).encode()), charset, unencodable).raw
    return [line.split(head[3]) for line in decode(raw, charset, escape=head[6].encode()).split("\r")][1:]


@given(
    st.lists(st.text(LETTERS, max_size=8), max_size=6),
    st.sampled_from(SETS),
    st.sampled_from(["question", "transliterate"]),
)
def test_a_field_is_written_as_it_is_alone(fields: list[str], charset: str, unencodable: str) -> None:
    """What stands in another field changes nothing in it, though all are written at once."""
    ((_, *together),) = [line for line in sent(f"NTE|{'|'.join(fields)}\r", charset, unencodable) if line != [""]]
    for field, written in zip(fields, together, strict=False):
        assert sent(f"NTE|{field}", charset, unencodable)[0][1:] == [written]


@given(st.text(LETTERS, max_size=30), st.sampled_from(SETS))
def test_what_is_encoded_reads_back(text: str, charset: str) -> None:
    """Or it is refused; and a set has a character that it writes alone."""
    assert has(set(text), charset) == {char for char in set(text) if fits(char, charset)}
    try:
        raw = encode(text, charset)
    except UnicodeEncodeError:
        return
    assert decode(raw, charset) == text


def test_what_reads_as_a_part_of_something_else_is_refused() -> None:
    """EUC-KR writes the Hangul filler, and reads it as the beginning of a syllable."""
    with pytest.raises(UnicodeEncodeError):
        encode("\u3164", "euc_kr")
    assert has({"\u3164", "김"}, "euc_kr") == {"김"}


def test_sets_beside_each_other() -> None:
    """From one further set to the next without ASCII between, and back to the first."""
    text = "Ж김é山Ж丂山"
    assert encode(text, MANY).count(b"\x1b(B") == 2
    assert decode(encode(text, MANY), MANY) == text
    back = "iso2022:euc_kr,iso8859_5,gb2312"
    assert decode(encode("김Ж¤Ж|김", back.replace("gb2312", "iso8859_1")), back) == "김Ж¤Ж|김"


@pytest.mark.parametrize(
    ("text", "charset", "written", "lost"),
    [
        (f"NTE|{LOOKS}|山{LOOKS}|山", JAPANESE, "NTE|?|山?|山", ("NTE-1", "NTE-2")),
        ("NTE|\\\uff2d2442\\|é", "iso2022:iso8859_1,jisx0212", "NTE|?|é", ("NTE-1",)),
        ("NTE|豈|豈Ä", "cp949", "NTE|豈|豈A", ("NTE-2",)),
        ("NTE|\uf900|\uf900Ä", "cp949", "NTE|\uf900|\u8c48A", ("NTE-2",)),
        ("NTE|a\u0301|山a\u0301", "cp1258", "NTE|a\u0301|Shaná", ("NTE-2",)),
        ("\u212aBX|1\rNTE|\u212a", "ascii", "?BX|1\rNTE|K", ("?-0",)),
        ("ÖBX\\XC3A9\\|1|é", "iso8859_5", "?BX\\X3F\\|1|e", ("?-0", "?-2")),
        ("ÖBX\\XC3A9\\|1|\\XC3A9\\山", "iso8859_1", "ÖBX\\XE9\\|1|\\XE9\\Shan", ("?-2",)),
        ("NTE|" + "u" + "\u0308" * 32 + "山", "iso8859_1", "NTE|üShan", ("NTE-1",)),
        ("NTE|" + "u" + "\u0308" * 33 + "山", "iso8859_1", "NTE|uShan", ("NTE-1",)),
        ("NTE|\\XE5B1B1\\", "iso8859_1", "NTE|\\X5368616E\\", ("NTE-1",)),
        ("NTE|\\X1B2442E5B1B1\\", JAPANESE, "NTE|\\X3F24421B24423B331B2842\\", ("NTE-1",)),
        ("NTE|\\X5C4D323434325CC3A9\\", "iso2022:iso8859_1,jisx0208", "NTE|\\X3F\\", ("NTE-1",)),
        ("NTE|\\M2442\\\\XFF\\|山", JAPANESE, "NTE|?\\XFF\\|山", ("NTE-1",)),
    ],
)
def test_what_is_written(text: str, charset: str, written: str, lost: tuple[str, ...]) -> None:
    """In cases that only look alike: shifts, letters that composing changes, lines that are no segments."""
    there = transcoded(Message.parse((HEAD + text + "\r").encode()), charset)
    assert decode(there.raw, charset).split("\r", 1)[1].rstrip("\r") == written
    assert there.lost.first == lost
    assert (there.kept.first != ()) is ("XFF" in text)


def test_the_escape_character_is_the_messages_own() -> None:
    """`!M2442!` is a shift where `!` escapes, and `\\M2442\\` is text there."""
    head = HEAD.replace("\\", "!")
    assert sent("NTE|!M2442!|\\M2442\\|山", JAPANESE, head=head)[0] == ["NTE", "?", "\\M2442\\", "山"]


@pytest.mark.parametrize("charset", ["iso2022:ascii,jisx0208,jisx0212", "iso2022:ascii,euc_kr", "cp950", "ascii"])
def test_the_delimiters_are_written_as_they_came(charset: str) -> None:
    r"""MSH-2 is no text, also where it looks like an escape for a shift or for bytes: without it nothing can be read."""
    for delimiters in (b"^~\\&`\\M244221\\", b"^~\\&#\\XE9\\"):
        head = b"MSH|" + delimiters + b"|A|B"
        written = transcoded(Message.parse(head + b"\rPID|1||M\xfcller\r", "iso8859_1"), charset)
        assert written.raw.startswith(head)
        assert [segment.name for segment in delivered(written.raw).segments] == ["MSH", "PID"]


def test_composing_takes_no_delimiter_away() -> None:
    """`=` and a long solidus compose to one sign, and `=` separates fields here."""
    head = HEAD.replace("|", "=")
    assert sent("NTE=\u0338x=u\u0308=山", "iso8859_1", head=head)[0] == ["NTE", "x", "ü", "Shan"]


def test_places_are_named_up_to_a_few() -> None:
    """And counted all; of lines that are no segments only so many are looked at."""
    there = transcoded(Message.parse((HEAD + "OBX|山|a|山\r\nOBX|山\rNTE|" + "山|" * 20 + "\r").encode()), "ascii")
    assert there.lost.first == ("OBX-1", "OBX-3", "OBX[2]-1", "NTE-1", "NTE-2", "NTE-3", "NTE-4", "NTE-5")
    assert there.lost.total == 23
    odd = transcoded(Message.parse((HEAD + "Ö|1\r" * 70 + "NTE|Ö\r").encode()), "ascii")
    assert (odd.lost.first, odd.lost.total) == (("?-0",), 71)
    assert places_of("x", "abc", "|") == NOWHERE


@pytest.mark.parametrize("word", ["BIG5-HKSCS", "CP949"])
def test_the_larger_set_of_a_word_reads_back(word: str) -> None:
    """MSH-18 says BIG-5 or KS X 1001, which have fewer characters than what we write: nothing is split, and it is read."""
    charset, text = {"BIG5-HKSCS": ("big5hkscs", "\u43f0功^鰂"), "CP949": ("cp949", "뷁^똠")}[word]
    raw = transcoded(Message.parse((HEAD + f"PID|1|{text}|b\r").encode()), charset).raw
    read = delivered(raw)
    assert read.charset == ("utf-8" if charset == "big5hkscs" else charset)
    assert (read.get("PID-2"), read.get("PID-3"), read.get("MSH-18")) == (text, "b", word_of(charset).decode())


LARGE = {
    "fields": ("NTE|1|" + "Ж|" * 990 + "\r") * 1_400,
    "kanji": ("NTE|1|" + "山田功許" * 300 + "\r") * 1_000,
    "marks": ("NTE|1|a" + "\u0323\u0301" * 500_000 + "山\r") * 2,
    "composing": ("NTE|1|" + "x\u0308|" * 990 + "山\r") * 1_000,
    "shifts": ("NTE|é|" + "\\M2442\\|" * 990 + "\r") * 500,
    "looks": ("NTE|1|" + (LOOKS + "|") * 990 + "\r") * 300,
    "escapes": ("NTE|1|é" + "\\XD0A4\\" * 900 + "\r") * 550,
    "heads": ("Ж" * 200 + "\r") * 9_990,
    "every character": "".join(
        f"NTE|1|{''.join(map(chr, range(at, at + 500)))}\r" for at in range(0xE000, 0x30000, 500)
    ),
}


@pytest.mark.parametrize("charset", ["ascii", JAPANESE])
@pytest.mark.parametrize("name", LARGE)
def test_what_is_made_to_be_slow_is_linear(name: str, charset: str) -> None:
    """4 MB each. They took from ten seconds up to for ever, and take half a second of this process."""
    message = Message.parse((HEAD + LARGE[name]).encode())
    began = time.process_time()
    there = transcoded(message, charset)
    assert time.process_time() - began < 10
    assert there.raw.count(b"\r") == message.raw.count(b"\r")


def test_the_largest_message_takes_seconds() -> None:
    """16 MB of fields of one letter that the set lacks: it took 25 s."""
    message = Message.parse((HEAD + ("NTE|1|" + "Ж|" * 990 + "\r") * 5_500).encode())
    began = time.process_time()
    there = transcoded(message, "ascii")
    assert time.process_time() - began < 20
    assert there.lost.total == 5_445_000


def test_what_was_added_to_the_largest_message_is_found_in_seconds() -> None:
    """Ten thousand signs that no word holds, and a million words."""
    text = HEAD + "NTE|1|" + "".join(map(chr, range(0x2500, 0x2BFF))) + " Жа" * 500_000
    message = Message.parse((text + "\r").encode())
    began = time.process_time()
    assert not added_beyond(message, Message.parse((text[:-1] + "\r").encode()), "ascii")
    assert time.process_time() - began < 20
