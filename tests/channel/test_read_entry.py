"""What is read of an entry before a channel sees it."""

import time

import pytest

from engine.channel.ports import Entry, Kind
from engine.channel.read_entry import read_entry

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
