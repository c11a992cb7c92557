"""The header straight from the bytes."""

import pytest
from hypothesis import given

from engine.errors import Unreadable
from engine.hl7.message import Message
from engine.hl7.msh import Msh, header_of, scan_msh
from tests.hl7.build import HEADER, messages

FULL = b"MSH|^~\\&|A|B|C|D|2026||ADT^A08|ID 1|P|2.5.1|||AL|NE||UNICODE UTF-8~ASCII|x"


def test_the_fields_that_receive_needs() -> None:
    """As bytes, by the numbers of the standard."""
    assert scan_msh(FULL + b"\rPID|1") == Msh(
        *(b"|", b"^~\\&", b"A", b"B", b"2026", b"ADT^A08", b"ID 1", b"P", b"2.5.1", b"AL", b"NE"),
        *(b"UNICODE UTF-8~ASCII", len(FULL), b"C", b"D"),
    )


@given(messages())
def test_it_agrees_with_the_message(parsed: Message) -> None:
    """The same fields as by path; an absent one is empty here."""
    found = scan_msh(parsed.raw)
    header = parsed.segments[0]
    fields = (found.encoding, found.app, found.facility, found.receiving_app, found.control_id, found.charset)
    assert fields == tuple(header.raw_field(number) or b"" for number in (2, 3, 4, 5, 10, 18))
    assert found.end == header.start + len(header.raw)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b""])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n"])
def test_the_end_of_the_segment(before: bytes, end: bytes) -> None:
    """Whatever ends it, and whatever blank stands before it."""
    found = scan_msh(before + HEADER + end + (b"PID|1" if end else b""))
    assert found.end == len(before + HEADER)
    assert found.version == b"2.5.1"


def test_a_short_header_has_empty_fields() -> None:
    """Never another segment's."""
    found = scan_msh(b"MSH|^~\\&|A\rPID|1||2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18")
    assert found == Msh(b"|", b"^~\\&", b"A", *[b""] * 9, 10)
    assert scan_msh(b"MSH|^~\\&").encoding == b"^~\\&"


@pytest.mark.parametrize("raw", [b"", b"PID|1", b"MSH|^~\\", b"FHS|^~\\&|", b"MSH|&&&&|A"])
def test_no_header_is_unreadable(raw: bytes) -> None:
    """Missing, or with delimiters that cannot be used."""
    with pytest.raises(Unreadable):
        scan_msh(raw)


def test_its_repr_shows_no_content() -> None:
    """A header holds names of systems and, at some sites, an identifier in MSH-10."""
    assert repr(scan_msh(FULL)) == f"<Msh, {len(FULL)} bytes>"


def test_null_is_no_value() -> None:
    """From MSH-9 on; the names before it are the sender's affair."""
    found = scan_msh(b'MSH|^~\\&|""|B|C|D|2026||""|""|""|""|||""|""||""')
    assert found[2:12] == (b'""', b"B", b"2026", *[b""] * 7)


def test_of_a_header_that_cannot_be_used_its_id_is_told_where_that_is_plain() -> None:
    """`""` is none."""
    assert header_of(FULL) == scan_msh(FULL)
    for control_id, told in ((b"ID1", b"ID1"), (b"I^D", None), (b'""', None)):
        found = header_of(FULL.replace(b"^~\\&", b"^^^^").replace(b"ID 1", control_id))
        assert (found and (found.control_id, found.end)) == (told and (told, 0))
    assert header_of(b"PID|1") is None
