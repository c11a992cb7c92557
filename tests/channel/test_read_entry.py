"""What is read of an entry before a channel sees it."""

import time

import pytest

from engine.channel.ports import Entry, Kind
from engine.channel.read_entry import read_entry
from engine.channel.refused import read_refused

HEAD = b"MSH|^~\\&|A|B|||20260819||ORU^R01|C1|P|2.5%bPID|1||100345^^^HOSP^MR%b"


class Nobody:
    """A site without channels."""

    def feed(self, _listener):
        return None


def quarantined(body: bytes) -> Entry:
    return Entry(7, 0, "lab", "10.0.0.7:1", 1, body, "", Kind.QUARANTINED, "AR|104|", "", b"")


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_of_a_long_quarantined_entry_the_beginning_is_read(end):
    """It is found by its patient and control id, and its million segments are not parsed."""
    body = HEAD % (end, end) + (b"OBX|1|NM" + end) * 1_000_000
    began = time.perf_counter()
    found = read_entry(Nobody(), quarantined(body))
    assert time.perf_counter() - began < 1.0
    assert (found.control_id, found.problem) == (b"C1", "AR|104|")
    assert {key.value for key in found.keys} == {"C1", "100345"}


def test_a_first_line_that_is_too_long_is_cut():
    found = read_entry(Nobody(), quarantined(HEAD % (b"|" + b"x" * 100_000, b"\r")))
    assert found.control_id == b"C1"


def test_a_refused_batch_is_found_by_itself_and_by_each_of_its_messages():
    """Control ids and patients of those that can be read; where none can, the batch's own id."""
    members = (
        (HEAD % (b"\r", b"\r")).replace(b"C1", b"M1") + b"MSH|^~\r" + (HEAD % (b"\r", b"\r")).replace(b"100345", b"77")
    )
    found = read_entry(
        Nobody(), quarantined(b"BHS|^~\\&|A|||||||||B11\r".replace(b"||B11", b"|B11") + members + b"BTS|9\r")
    )
    assert found.control_id == b"B11"
    assert {(key.kind, key.value) for key in found.keys} == {
        *(("control_id", one) for one in ("B11", "M1", "C1")),
        *(("patient", one) for one in ("100345", "77")),
    }


def test_a_refused_batch_without_a_readable_message_is_found_by_its_id():
    found = read_entry(Nobody(), quarantined(b"BHS|^~\\&|A||||||||B11\rMSH|^~\r"))
    assert [(key.kind, key.value) for key in found.keys] == [("control_id", "B11")]


def test_a_header_that_cannot_be_split_is_found_by_what_it_was_answered_by():
    """MSH-2 is of no use and MSH-10 is plain; where MSH-10 is not, nothing."""
    found = read_entry(Nobody(), quarantined(b"MSH|^~&&|A|B|||20260819||ORU^R01|QD1|P|2.5\r"))
    assert (found.control_id, [key.value for key in found.keys]) == (b"QD1", ["QD1"])
    found = read_entry(Nobody(), quarantined(b"MSH|^~&&|A|B|||20260819||ORU^R01|Q~D1|P|2.5\r"))
    assert (found.control_id, found.keys) == (b"", ())
    assert read_entry(Nobody(), quarantined(b"nothing")).keys == ()


def test_a_refused_message_is_found_by_the_letters_it_was_sent_with():
    """Without a set that is known it is read as UTF-8 where it is that, else as bytes."""
    body = HEAD % (b"\r", b"\r")
    for control_id, value in (("Ж1".encode(), "Ж1"), ("é1".encode("latin-1"), "é1")):
        found = read_entry(Nobody(), quarantined(body.replace(b"C1", control_id)))
        assert value in {key.value for key in found.keys}


BHS = b"BHS|^~\\&|A||||||||B11\r"
ONE = HEAD % (b"\r", b"\r")


def values(body: bytes) -> set[str]:
    return {key.value for key in read_entry(Nobody(), quarantined(body)).keys}


def test_every_message_of_a_long_batch_is_found():
    """Also behind megabytes of results, behind a mark, behind FS, and in small letters."""
    far = b"OBX|1|TX|N||" + b"x" * 300_000 + b"\r"
    later = ONE.replace(b"C1", b"C2").replace(b"100345", b"77") + b"ORC|RE|P1|F1\rOBR|1|P2|F2" + b"|" * 15 + b"A1\r"
    for end, mark in ((b"", b""), (b"", b"\xef\xbb\xbf"), (b"", b" \t"), (b"\x1c", b"")):
        found = values(BHS + ONE + far * 3 + end + mark + later)
        assert found == {"B11", "C1", "100345", "C2", "77", "P1", "F1", "P2", "F2", "A1"}
    assert {"C1", "C2", "77"} <= values(ONE + far + later.replace(b"MSH", b"msh"))


def test_lines_that_are_in_no_message_are_of_nobody():
    """What found it is the batch's own id."""
    assert values(BHS + b"PID|1||100345\rBTS|0\r") == {"B11"}
    assert values(BHS + b"PID|1||100345\r" + ONE.replace(b"100345", b"77")) == {"B11", "C1", "77"}


def test_of_a_batch_ten_thousand_messages_are_looked_at():
    """With ten of their segments each: the bound that docs/operations.md says."""
    body = BHS + b"".join(
        HEAD % (b"\r", b"\r") + b"" if n == 0 else ONE.replace(b"C1", b"C%d" % n) for n in range(10_001)
    )
    found = values(body)
    assert {"C9999", "C1"} <= found
    assert "C10000" not in found
    few = values(BHS + ONE + b"OBR|1\r" * 100_000 + ONE.replace(b"C1", b"C2"))
    assert few == {"B11", "C1", "100345"}


def test_a_long_batch_of_anything_is_read_in_time():
    """One pass, however many lines there are of what is sought."""
    for part in (b"PID|1\r", b"\r \t", b"MSH|^~\\&|\r", b"\xef\xbb\xbf", b"OBX|1|TX\r", b"\rmsh"):
        body = ONE + ONE + part * (10_000_000 // len(part))
        began = time.perf_counter()
        assert "C1" in values(body)
        assert time.perf_counter() - began < 10


def test_a_message_of_a_batch_that_cannot_be_split_is_found_by_its_id():
    """As it would be alone; and with it the one behind it."""
    damaged = ONE.replace(b"^~\\&", b"^^^^").replace(b"C1", b"DMG1")
    found = read_entry(Nobody(), quarantined(damaged + ONE))
    assert found.control_id == b"DMG1"
    assert {key.value for key in found.keys} == {"DMG1", "C1", "100345"}
    assert values(BHS + ONE + damaged) == {"B11", "DMG1", "C1", "100345"}
    assert values(BHS + damaged.replace(b"DMG1", b"D~1")) == {"B11"}


def test_a_refused_batch_is_found_in_its_own_set():
    """BIG-5, where half of a character is a delimiter."""
    big = b"MSH|^~\\&|\xa8||B|||20260819||ORU^R01|C1|P|2.5||||||BIG-5\rPID|1||100345\r"
    found = read_entry(Nobody(), quarantined(big + big.replace(b"C1", b"C2")))
    assert found.control_id == b"C1"
    assert {key.value for key in found.keys} == {"C1", "C2", "100345"}


def test_what_was_read_shows_no_content():
    assert repr(read_refused(HEAD % (b"\r", b"\r"), "")) == "<Refused, 1 messages>"
