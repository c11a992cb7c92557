"""Acknowledgements, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Unreadable
from engine.hl7.acknowledge import Ack, AckError, acknowledge, read_ack
from engine.hl7.message import Message
from engine.hl7.msh import Msh, cut_to, scan_msh
from tests.hl7.build import MARKS

NOW = "20260819101501+0000"
MISSING = AckError("101", "MSH^1^10", "required field missing")


def header(version: str = "2.5.1", kind: str = "ADT^A08", control_id: str = "C1", marks: str = "|^~\\&") -> bytes:
    """A request with the fields an answer mirrors, in these delimiters."""
    fields = [
        "MSH",
        marks[1:],
        "EMR",
        "HOSP",
        "ENG",
        "IT",
        "2026",
        "",
        kind.replace("^", marks[1]),
        control_id,
        "T",
        version,
    ]
    return marks[0].join(fields).encode()


def answer(raw: bytes | None, code: str = "AA", error: AckError | None = None) -> bytes:
    """The acknowledgement of a request."""
    return acknowledge(scan_msh(raw) if raw is not None else None, code, now=NOW, control_id="E7", error=error)


def test_the_answer_turns_the_addresses_round() -> None:
    """Sender and receiver change places, MSH-11 and MSH-12 are the request's, MSA-2 is its MSH-10."""
    assert answer(header()) == (b"MSH|^~\\&|ENG|IT|EMR|HOSP|20260819101501+0000||ACK^A08^ACK|E7|T|2.5.1\rMSA|AA|C1\r")


@pytest.mark.parametrize(
    ("version", "kind", "written"),
    [
        ("2.5.1", "ORM^O01^ORM_O01", b"ACK^O01^ACK"),
        ("2.3.1", "ADT^A08", b"ACK^A08^ACK"),
        ("2.3", "ADT^A08", b"ACK"),
        ("2.2", "ADT^A08", b"ACK"),
        ("2.5", "ADT", b"ACK"),
        ("2.5", "ADT^", b"ACK"),
        ("2.5", "ADT^A&B", b"ACK"),
        ("9.9", "ADT^A08", b"ACK^A08^ACK"),
        ("what", "ADT^A08", b"ACK^A08^ACK"),
    ],
)
def test_the_type_of_the_answer(version: str, kind: str, written: bytes) -> None:
    """`ACK^event^ACK`, and `ACK` alone up to 2.3 or where the request has no event that can be repeated."""
    assert answer(header(version, kind)).split(b"|")[8] == written


@pytest.mark.parametrize(
    ("version", "segments"),
    [
        ("2.3", b"MSA|AR|C1|required field missing\rERR|MSH^1^10^101\r"),
        ("2.4", b"MSA|AR|C1|required field missing\rERR|MSH^1^10^101\r"),
        ("2.5", b"MSA|AR|C1\rERR||MSH^1^10|101^required field missing^HL70357|E|||\r"),
        ("2.8.2", b"MSA|AR|C1\rERR||MSH^1^10|101^required field missing^HL70357|E|||\r"),
        ("", b"MSA|AR|C1\rERR||MSH^1^10|101^required field missing^HL70357|E|||\r"),
    ],
)
def test_the_error_in_the_form_of_the_version(version: str, segments: bytes) -> None:
    """ERR-1 up to 2.4, with the text in MSA-3; ERR-2, 3 and 4 from 2.5 on."""
    assert answer(header(version), "AR", MISSING).endswith(segments)


@pytest.mark.parametrize(
    ("version", "segment"), [("2.4", b"ERR|^^^104\r"), ("2.5", b"ERR|||104^too long^HL70357|E|||\r")]
)
def test_an_error_without_a_place(version: str, segment: bytes) -> None:
    """The place stays empty."""
    assert answer(header(version), "AR", AckError("104", "", "too long")).endswith(segment)


@pytest.mark.parametrize(
    ("value", "kept"), [(b"abc", b"abc"), ("äöü".encode(), "äö".encode()), (b"\xe4\xf6\xfc", b"\xe4\xf6"), (b"", b"")]
)
def test_characters_are_cut_whole(value: bytes, kept: bytes) -> None:
    assert cut_to(value, 3 if value == b"abc" else 2) == kept


def test_without_a_header_the_answer_is_in_standard_delimiters() -> None:
    """MSA-2 is empty, and so are the addresses."""
    assert answer(None, "AR", AckError("100", "MSH^1", "no MSH")) == (
        b"MSH|^~\\&|||||20260819101501+0000||ACK|E7|P|2.5\rMSA|AR|\rERR||MSH^1|100^no MSH^HL70357|E|||\r"
    )


@given(st.sampled_from(MARKS), st.text(st.characters(codec="utf-8"), max_size=250), st.sampled_from(["2.3", "2.5.1"]))
def test_whatever_the_control_id_the_answer_is_intact(marks: str, text: str, version: str) -> None:
    """Two segments, or three with an error, in the request's delimiters, without a byte that ends the frame."""
    control_id = text.replace(marks[0], "").replace("\r", "").replace("\n", "")
    written = answer(header(version, control_id=control_id, marks=marks), "AE", MISSING)
    parsed = Message.parse(written)
    assert [segment.name for segment in parsed.segments] == ["MSH", "MSA", "ERR"]
    assert parsed.get("MSA-1") == "AE"
    assert b"\x0b" not in written
    assert b"\x1c" not in written
    assert len(parsed.first("MSA").raw_field(2).decode()) <= 199


@pytest.mark.parametrize("control_id", ["A^B~C&D", "a\\T\\b", "ID 1", "Ä1", "x" * 199])
def test_the_control_id_is_repeated_byte_for_byte(control_id: str) -> None:
    """With its escapes and delimiters as they came, so that the sender finds its message."""
    assert answer(header(control_id=control_id)).split(b"\rMSA|AA|")[1] == control_id.encode() + b"\r"


@pytest.mark.parametrize(
    ("control_id", "kept"),
    [
        (b"x" * 300, b"x" * 199),
        (b"x" * 198 + b"\\T\\y", b"x" * 198),
        (b"x" * 196 + b"\\T\\y", b"x" * 196 + b"\\T\\"),
        (b"x" * 198 + "éy".encode(), b"x" * 198 + "é".encode()),
        ("張".encode() * 200, "張".encode() * 199),
        (b"\xe9" * 250, b"\xe9" * 199),
        (b"a\x1cb\x0b", b"a\\X1C\\b\\X0B\\"),
    ],
)
def test_a_long_control_id_is_cut_at_199_characters(control_id: bytes, kept: bytes) -> None:
    """Not inside an escape sequence; bytes that are no UTF-8 are a character each, and control characters are escaped."""
    raw = header(control_id="@").replace(b"@", control_id)
    assert answer(raw).split(b"\rMSA|AA|")[1] == kept + b"\r"


def test_names_beyond_ascii_keep_their_character_set() -> None:
    """MSH-18 of the request is repeated where the answer repeats its bytes."""
    raw = b"MSH|^~\\&|EMR|M\xdcNCHEN|ENG||2026||ADT^A08|C1|P|2.5.1||||||8859/1\r"
    assert answer(raw).startswith(
        b"MSH|^~\\&|ENG||EMR|M\xdcNCHEN|20260819101501+0000||ACK^A08^ACK|E7|P|2.5.1||||||8859/1\r"
    )


def test_a_doubled_escape_character_is_answered_as_it_is_meant() -> None:
    r"""A request with `^~\\&` in MSH-2 gets `^~\&`."""
    assert answer(b"MSH|^~\\\\&|A").startswith(b"MSH|^~\\&|||A|")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"MSA|AA|C1", Ack("AA", "C1", "", "")),
        (b"MSA| ca |C1", Ack("CA", "C1", "", "")),
        (b"MSA|AE", Ack("AE", "", "", "")),
        (b"MSA|AE|C1|no room", Ack("AE", "C1", "", "no room")),
        (b"MSA|AR|C1|||" + b"|207^Application error^HL70357", Ack("AR", "C1", "207", "Application error")),
        (b"MSA|AR|C1\rERR|PID^1^3^101&Missing&HL70357", Ack("AR", "C1", "101", "Missing")),
        (
            b"MSA|AR|C1\rERR||PID^1^3|204^Unknown key^HL70357|E||||no such patient",
            Ack("AR", "C1", "204", "no such patient"),
        ),
        (b"MSA|AR|C1\rERR||PID^1^3|204^Unknown key^HL70357|E|||diagnosis", Ack("AR", "C1", "204", "diagnosis")),
        (b'MSA|AE|C1|""\rERR|||207^Later', Ack("AE", "C1", "207", "Later")),
        (b"MSA|AA|a\\T\\b", Ack("AA", "a\\T\\b", "", "")),
        (b"MSA|AE|C1|M\xfcll", Ack("AE", "C1", "", "Müll")),
        ("MSA|AE|C1|Müll".encode(), Ack("AE", "C1", "", "Müll")),
        (b"MSA|AR|C1\rERR|||100^Sequence|W\rERR|||207^Later|E\rERR|||101|E", Ack("AR", "C1", "207", "Later")),
        (b"MSA|AE|C1\rERR|||100^Sequence|I\rERR|||204^Key", Ack("AE", "C1", "204", "Key")),
        (b"MSA|AE|C1\rERR|||100^Sequence|W\rERR|||101^Missing|W", Ack("AE", "C1", "100", "Sequence")),
    ],
)
def test_reading_an_answer(body: bytes, read: Ack) -> None:
    """The code in capitals, MSA-2 as it stands, and the error wherever the version puts it."""
    assert read_ack(b"MSH|^~\\&|PACS||ENG||2026||ACK|1|P|2.5\r" + body + b"\r")[:4] == read[:4]


def test_what_is_compared_with_msh_10_is_msa_2_byte_for_byte() -> None:
    """Escapes stay, and no character set is needed."""
    for control_id in (b"A\\T\\B", b"a\\X41\\b", b" X1 ", b"\xa3 7", "\u0141".encode()):
        assert read_ack(b"MSH|^~\\&|PACS\rMSA|AA|" + control_id + b"\r").echoed == control_id


@pytest.mark.parametrize("raw", [b"", b"OK", b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|A\rMSA||C1\r", b"\xff\xfe"])
def test_what_is_no_answer_is_unreadable(raw: bytes) -> None:
    """No MSH, no MSA, no code."""
    with pytest.raises(Unreadable):
        read_ack(raw)


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5.1"])
def test_our_own_answers_read_back(version: str) -> None:
    """Code, control id, error and text."""
    assert read_ack(answer(header(version), "AE", MISSING))[:4] == ("AE", "C1", "101", "required field missing")


def test_the_repr_of_an_answer_holds_no_text_of_the_receiver() -> None:
    """It may name a patient."""
    assert repr(Ack("AE", "C1", "204", "JANE DOE is unknown")) == "<Ack AE 204>"


@given(
    fields=st.lists(st.text(st.sampled_from("AB9^~& é#\x02"), max_size=12).map(str.encode), min_size=9, max_size=9),
    version=st.sampled_from([b"", b"2.1", b"2.3", b"2.3.1", b"2.5.1", b"x"]),
    code=st.sampled_from(["AA", "CA"]),
    marks=st.sampled_from(MARKS),
)
def test_what_is_remembered_of_a_sender_changes_no_answer(
    fields: list[bytes], version: bytes, code: str, marks: str
) -> None:
    """The answer to a short header, put together from remembered parts, is the one that a long header gets."""
    control_id, *others = fields
    app, facility, to_app, to_facility, kind, processing, accept, charset = others
    short = Msh(
        *(marks[:1].encode(), marks[1:].encode(), app, facility, b"2026", kind, control_id, processing, version),
        *(accept, b"", charset, 60, to_app, to_facility),
    )
    first, again, long = (
        acknowledge(one, code, now=NOW, control_id="E7") for one in (short, short, short._replace(end=100_000))
    )
    assert first == again == long


def test_a_character_set_that_ends_in_fs_does_not_end_the_answer() -> None:
    """FS before a line feed is content of the message; before the CR of our MSH it would end the frame."""
    asked = scan_msh(b"MSH|^~\\&|\xfc|B|C|D|20260819||ADT^A01|X1|P|2.5||||||8859/1\x1c\nPID|1\r")
    answer = acknowledge(asked, "AE", now="20260819", control_id="1")
    assert b"\x1c" not in answer
    assert b"8859/1\\X1C\\\r" in answer
