"""Messages in another character set: what it has is written, what it lacks is replaced, and no field or segment is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Unreadable
from engine.hl7.charset import charset_of, decode, encode
from engine.hl7.message import Message
from engine.hl7.received import delivered, message_of, written_back
from engine.hl7.transcode import added_beyond, answer_in, transcoded
from tests.corpus_files import corpus_files, needs_corpus
from tests.hl7.build import HEADER

HEAD = "MSH|^~\\&|RIS|HOSP|PACS|RAD|20260819101500||ORM^O01^ORM_O01|C1|P|2.5.1||||||"
TARGETS = ("utf-8", "ascii", "iso8859_1", "iso8859_15", "iso8859_5", "iso8859_7", "cp950", "gb18030", "cp932", "euc_kr")
SHIFTED = ("iso2022:ascii,jisx0208", "iso2022:iso8859_1,jisx0208,jisx0212", "iso2022:jisx0201,jisx0208")


def order(name: str, declared: str = "", charset: str = "utf-8") -> Message:
    """An order for a patient of this name, read as it would be received in this set."""
    text = f"{HEAD}{declared}\rPID|1||12345||{name}\rOBR|1||A1\r"
    return message_of(encode(text, charset), charset)


@pytest.mark.parametrize(
    ("name", "charset", "written"),
    [
        ("MÜLLER^RENÉE", "iso8859_1", "MÜLLER^RENÉE"),
        ("MÜLLER", "ascii", "MULLER"),
        ("Lefèbvre^Œuvré 5 €", "iso8859_1", "Lefèbvre^OEuvré 5 EUR".replace("OE", "Oe")),
        ("Lefèbvre^Œuvré 5 €", "iso8859_15", "Lefèbvre^Œuvré 5 €"),
        ("\u201cx\u201d \u2013 it\u2019s \u2026", "iso8859_1", '"x" - it\'s ...'),
        ("Mu\u0308ller", "iso8859_1", "Müller"),
        ("x\u0332", "iso8859_1", "x"),
        ("Dvořák^Jiří", "iso8859_1", "Dvorák^Jirí"),
        ("\ufb01n", "iso8859_1", "fin"),
        ("Иванов", "iso8859_1", "Ivanov"),
        ("Παπα", "iso8859_7", "Παπα"),
        ("山田", "iso2022:ascii,jisx0208", "山田"),
        ("山\uff0d田", "iso2022:ascii,jisx0208", "山\u2212田"),
        ("山\u301c", "cp932", "山\uff5e"),
        ("李明", "iso8859_1", "LiMing"),
        ("김", "ascii", "Gim"),
        ("a\uff5cb", "ascii", "a\\F\\b"),
        ("\U000e0001", "ascii", "?"),
        ("é\x1b(Bx", "iso2022:iso8859_1,jisx0208", "é?(Bx"),
    ],
)
def test_what_is_written_for_whom(name: str, charset: str, written: str) -> None:
    """What the set has stays; the rest is a sign that is nearly the same, its base letter, or what anyascii writes."""
    there = transcoded(order(name), charset)
    read = delivered(there.raw)
    assert read.all("PID")[0].raw_field(5) == written.encode(read.charset)
    lost = "" if written == name or "u\u0308" in name else "PID-5"
    assert there.lost.first == ((lost,) if lost else ())


@pytest.mark.parametrize("unencodable", ["question", "hold"])
def test_question_marks(unencodable: str) -> None:
    """One for each character that is lacking, and the places are told."""
    message = order("山田é").with_segment("OBX|1||山|é".encode(), at=3).with_segment("OBX|2||é|山".encode(), at=4)
    there = transcoded(message, "iso8859_1", unencodable)
    assert "PID|1||12345||??é".encode("latin-1") in there.raw
    assert there.lost.first == ("PID-5", "OBX-3", "OBX[2]-4")


@pytest.mark.parametrize("charset", [*TARGETS, *SHIFTED])
def test_the_header_says_what_the_bytes_are(charset: str) -> None:
    """MSH-18 names the set, MSH-20 the scheme where there are shifts, and neither is left where it is wrong."""
    message = order("MÜLLER^山田", "8859/1~ISO IR87||ISO 2022-1994")
    raw = transcoded(message, charset).raw
    read = delivered(raw)
    if raw.isascii() and "iso2022" not in charset:
        return
    assert charset_of((read.get("MSH-18") or "").encode()) == charset
    assert (read.get("MSH-20") or "") == ("ISO 2022-1994" if "," in charset else "")
    assert decode(raw, charset).count("\r") == 3


def test_ascii_is_the_same_in_every_set() -> None:
    """Nothing is said that need not be."""
    message = order("DOE^JANE", "8859/1")
    assert all(transcoded(message, charset).raw == message.raw for charset in (*TARGETS, *SHIFTED))


def test_the_same_set_keeps_every_byte() -> None:
    """Where MSH-18 says it in another spelling that is right, nothing is rewritten; where it says nothing, it is said."""
    message = order("MÜLLER", "ISO-8859-1", "iso8859_1")
    assert transcoded(message, "iso8859_1").raw == message.raw
    assert transcoded(order("MÜLLER"), "utf-8").raw == order("MÜLLER", "UNICODE UTF-8").raw


@pytest.mark.parametrize(
    ("escape", "charset", "found", "lost", "kept"),
    [
        (r"é\XE9\\X0D\ ", "utf-8", r"é\XC3A9\\X0D\ ", (), ()),
        (r"é\XE9\ ", "cp932", r"e\X65\ ", ("PID-5",), ()),
        (r"é\X8181\ ", "utf-8", r"é\XC281C281\ ", (), ()),
    ],
)
def test_hexadecimal_escapes_name_bytes_of_the_new_set(escape, charset, found, lost, kept) -> None:
    """`\\XE9\\` in Latin 1 is `\\XC3A9\\` in UTF-8; what the set lacks is replaced there as well."""
    there = transcoded(order(escape.strip(), "8859/1", "iso8859_1"), charset)
    field = Message.parse(there.raw.replace("é".encode("cp932", "ignore") or b"\0", b"")).first("PID").raw_field(5)
    assert field.decode(charset) == found.strip()
    assert (there.lost.first, there.kept.first) == (lost, kept)


def test_a_hexadecimal_escape_that_is_no_text_stays() -> None:
    """And is told; so in a message that is read as a whole."""
    there = transcoded(order(r"é\XFF\ ".strip()), "iso8859_1")
    assert there.raw.count(rb"\XFF\ ".strip()) == 1
    assert there.kept.first == ("PID-5",)
    opened = order(r"許\XFF\\XB35C\ ".strip(), "BIG-5", "cp950")
    assert opened.first("PID").raw_field(5).endswith(rb"\XFF\\XE8A8B1\ ".strip())


def test_what_the_shifts_of_a_set_would_misread_becomes_a_question_mark() -> None:
    """An HL7 escape for a shift that stood there as text would change what follows."""
    there = transcoded(order(r"é\M2442\ ".strip()), "iso2022:iso8859_1,jisx0208")
    assert b"PID|1||12345||\xe9?\r" in there.raw
    assert there.lost.first == ("PID-5",)


@pytest.mark.parametrize("unencodable", ["transliterate", "question", "hold"])
def test_what_stands_beside_what_would_be_misread_stays(unencodable: str) -> None:
    """Kanji whose bytes are those of an escape for a shift: one question mark for them, and the rest of the field as it came."""
    there = transcoded(order("山梓榁概榁餌呼寨^second^third&é"), "iso2022:iso8859_1,jisx0208", unencodable)
    assert Message.parse(there.raw).first("PID").raw_field(5) == b"\x1b$B;304\\C35\x1b(B?^second^third&\xe9"
    assert there.lost.first == ("PID-5",)


def test_composing_makes_no_delimiter() -> None:
    """U+037E is canonically a semicolon, which is a delimiter of this message."""
    raw = "MSH|;~\\&|A\rPID|1|Ж\u037eu\u0308\r".encode()
    there = transcoded(Message.parse(raw), "iso8859_1")
    assert there.raw.count(b";") == raw.count(b";") + 0
    assert there.lost.first == ("PID-2",)


@pytest.mark.parametrize(
    ("before", "after", "beyond"),
    [
        ("山田", "山田", False),
        ("山田", "山", False),
        ("山田", "田", True),
        ("山田", "山田 Ω", True),
        ("a \u2603", "b \u2603", False),
        ("a", "b \u2603", True),
        ("山田", "é", False),
        ("x", "y", False),
        ("x", " ".join(chr(0x4E00 + n) for n in range(70)), True),
    ],
)
def test_what_was_added_beyond_the_senders_own(before: str, after: str, *, beyond: bool) -> None:
    """Words and signs that the set lacks and the sender did not write (D1)."""
    assert added_beyond(order(before), order(after), "iso8859_1") is beyond


def test_an_answer_is_in_the_senders_own_bytes() -> None:
    """A control id in BIG-5 comes back in BIG-5; an answer of ASCII is as it was."""
    answer = "MSH|^~\\&|A|B|功|D|20260819||ACK|1|P|2.5.1||||||BIG-5\rMSA|AA|許功\r"
    assert answer_in(answer.encode(), "cp950") == encode(answer, "cp950")
    assert answer_in(HEADER, "cp950") == HEADER


@pytest.mark.parametrize("declared", ["BIG-5", "GB 18030-2000", "SHIFT_JIS", "GBK"])
@pytest.mark.parametrize("mark", "|^~\\&")
def test_a_second_byte_that_is_a_delimiter_splits_nothing(declared: str, mark: str) -> None:
    """Every character of the set whose second byte is this delimiter, in one field."""
    charset = charset_of(declared.encode()) or ""
    pairs = [bytes([lead, ord(mark)]) for lead in range(0x81, 0xFF)]
    text = "".join(filter(None, (pair.decode(charset, "ignore") for pair in pairs)))
    text = "".join(char for char in text if ord(char) > 0x7F)
    message = order(text, declared, charset)
    assert mark == "&" or text
    assert message.get("PID-5") == message.get("PID-5.1") == (text or "")
    assert message.count("OBR") == 1


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20), max_size=6),
    st.sampled_from([*TARGETS, *SHIFTED]),
    st.sampled_from(["transliterate", "question"]),
)
def test_any_text_in_any_set(fields: list[str], charset: str, unencodable: str) -> None:
    """No exception, no replacement character that was not there, as many segments and delimiters of fields as before."""
    text = f"{HEAD}\rPID|{'|'.join(fields)}\rOBR|1\r"
    there = transcoded(Message.parse(text.encode()), charset, unencodable)
    back = decode(there.raw, charset) if not there.raw.isascii() or "iso2022" in charset else there.raw.decode()
    assert "\ufffd" not in back or "\ufffd" in text
    assert [line.count("|") for line in back.split("\r")][1:] == [line.count("|") for line in text.split("\r")][1:]


@needs_corpus
@pytest.mark.parametrize("charset", [*TARGETS, *SHIFTED])
def test_real_messages_out_and_back(charset: str) -> None:
    """Every public message into the set: as many segments and fields, and where nothing was lost the same text."""
    for file in corpus_files():
        try:
            message = delivered(file.raw)
        except Unreadable:
            continue
        if message.raw.isascii():
            continue
        there = transcoded(message, charset)
        ends = file.raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
        back = delivered(there.raw)
        assert back.raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") == ends, file.name
        assert "\ufffd".encode() not in back.raw or "\ufffd".encode() in message.raw, file.name
        assert [len(one.fields) for one in back.segments[1:]] == [len(one.fields) for one in message.segments[1:]]
        if not there.lost.total:
            assert [one.raw.decode(back.charset) for one in back.segments[1:]] == [
                one.raw.decode(message.charset) for one in message.segments[1:]
            ]


def test_a_byte_order_mark_goes_with_its_set() -> None:
    """It is no text: in another set it would stand before the MSH as a sign."""
    message = Message.parse(b"\xef\xbb\xbf" + order("é").raw)
    assert transcoded(message, "iso8859_1").raw == transcoded(order("é"), "iso8859_1").raw
    assert transcoded(message, "utf-8").raw.startswith(b"\xef\xbb\xbfMSH")


def test_a_message_of_which_only_the_bytes_are_known() -> None:
    """MSH-18 decides where it fits; else UTF-8, else latin-1, which reads anything."""
    assert delivered(order("功", "BIG-5").raw.replace("功".encode(), b"\xff\xff")).charset == "latin-1"
    assert delivered(order("é", "8859/1", "iso8859_1").raw).charset == "iso8859_1"
    assert delivered(order("é", "UNICODE UTF-16").raw).charset == "utf-8"
    assert delivered(order("é", "KLINGON").raw).charset == "utf-8"
    assert delivered(order("功", "BIG-5").raw.replace("功".encode(), b"\xa5\x5c")).get("PID-5") == "功"


def test_whether_a_message_would_be_written_back_as_it_came() -> None:
    """U+2550 has two codes in Windows' BIG-5: one of them is never written."""
    assert _back("功".encode(), b"\xa5\x5c")
    assert not _back(b"\xf9\xf9".decode("cp950").encode(), b"\xf9\xf9")
    assert not _back("é".encode(), b"")
    assert _back(rb"\XE58A9F\ ".strip(), rb"\XA55C\ ".strip())
    assert not _back(rb"\XE58A9F\ ".strip(), rb"\Xa55c\ ".strip())
    assert _back(rb"\XFF\\XC3A9\ ".strip(), rb"\XFF\\XC3A9\ ".strip())


def _back(body: bytes, raw: bytes) -> bool:
    return written_back(HEADER + b"|" + body, HEADER + b"|" + raw, "cp950")


def test_the_repr_holds_no_content() -> None:
    """Sizes only."""
    assert repr(transcoded(order("山"), "iso8859_1")).endswith("bytes, 1 fields lost characters)")


def test_bytes_that_are_no_text_leave_as_they_came() -> None:
    """Nothing is dropped and nothing guessed; receive lets no such message in."""
    message = Message.parse(order("@").raw.replace(b"@", b"\xff"))
    assert transcoded(message, "iso8859_1").raw == message.raw


def test_a_line_that_is_no_segment_never_becomes_one() -> None:
    """`ÖBX|` is no OBX, in no set."""
    message = Message.parse("MSH|^~\\&|A\rÖBX|1|ST|é\r".encode())
    assert transcoded(message, "ascii").raw.endswith(b"\r?BX|1|ST|e\r")
