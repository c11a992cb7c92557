"""Typed readings: times, identifiers, names, codes, numbers."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.datatypes import Cwe, Cx, Dtm, Number, Xpn, number
from tests.hl7.build import message

ZONES = ("UTC", "America/Chicago", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe")


def micros(*parts: int) -> int:
    """Microseconds since 1970 of a UTC time."""
    return round(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "precision", "instant"),
    [
        ("2026", "year", micros(2026, 1, 1)),
        ("202608", "month", micros(2026, 8, 1)),
        ("20260819", "day", micros(2026, 8, 19)),
        ("2026081910", "hour", micros(2026, 8, 19, 10)),
        ("202608191015", "minute", micros(2026, 8, 19, 10, 15)),
        ("20260819101501", "second", micros(2026, 8, 19, 10, 15, 1)),
        ("20260819101501.25", "second", micros(2026, 8, 19, 10, 15, 1) + 250_000),
        ("20260819101501.123456", "second", micros(2026, 8, 19, 10, 15, 1) + 123_456),
        (" 20260819 ", "day", micros(2026, 8, 19)),
        ("18991231", "day", micros(1899, 12, 31)),
        ("20240229", "day", micros(2024, 2, 29)),
    ],
)
def test_a_time_keeps_how_exact_it_is(text: str, precision: str, instant: int) -> None:
    """Its instant is that of its beginning; the text stays as sent."""
    assert Dtm.parse(text, None) == Dtm(text, precision, instant, offset_given=False)


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("202608191015-0500", None, micros(2026, 8, 19, 15, 15)),
        ("202608191015+0530", "America/Chicago", micros(2026, 8, 19, 4, 45)),
        ("20260819+0200", None, micros(2026, 8, 18, 22)),
        ("202608191015", "America/Chicago", micros(2026, 8, 19, 15, 15)),
        ("202601191015", "America/Chicago", micros(2026, 1, 19, 16, 15)),
        ("202603080230", "America/Chicago", micros(2026, 3, 8, 8, 30)),
        ("202611010130", "America/Chicago", micros(2026, 11, 1, 6, 30)),
        ("00010101+1400", None, micros(1, 1, 1) - 14 * 3_600_000_000),
    ],
)
def test_an_offset_wins_over_the_zone(text: str, zone: str | None, instant: int) -> None:
    """The gap in spring is read with the offset before it, the hour that comes twice is the first (T47)."""
    assert Dtm.parse(text, zone).instant == instant


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001 - local times
def test_a_time_is_the_same_instant_as_the_library_says(local: datetime, zone: str) -> None:
    """Against datetime and zoneinfo."""
    local = local.replace(microsecond=0, fold=0)
    found = Dtm.parse(local.strftime("%Y%m%d%H%M%S"), zone)
    expected = local.replace(tzinfo=ZoneInfo(zone)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert found.instant == expected // timedelta(microseconds=1)
    offset = local.replace(tzinfo=ZoneInfo(zone)).utcoffset()
    if offset.total_seconds() % 60 == 0:
        sent = local.strftime("%Y%m%d%H%M%S") + local.replace(tzinfo=ZoneInfo(zone)).strftime("%z")
        assert Dtm.parse(sent, None)[2:] == (found.instant, True)


@pytest.mark.parametrize(
    "text",
    ["", "20260230", "99999999", "2026-01-01", "202", "2026081", "20260819+2500", "20260819+1401", "20260819+0560", "2026081925",
     "202608191060", "20260819101560", "00000101", "20260819101501.", "٢٠٢٦", "20260819T10", "today", '""'],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    """No such day, no such offset, digits of other scripts, other forms."""
    assert Dtm.parse(text, "UTC") is None


@given(st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    """Never an exception."""
    assert Dtm.parse(text, "Europe/Berlin") is None or text.strip(" ")[:4].isdigit()


def test_identifiers_names_and_codes_from_a_segment_or_a_repetition() -> None:
    """By component and subcomponent; absent and empty are both empty, delete stays."""
    parsed = message(
        b"PID|1||A1^7^M10^HOSP&1.2.3&ISO^MR~B2||DOE&van&DOE^JANE^Q^JR^DR^MD^L|||",
        b'OBX|1|NM|33914-3^eGFR^LN^EGF^local^L^^^eGFR (CKD-EPI)~""',
    )
    pid, obx = parsed.segments[1:]
    assert Cx.of(pid, 3) == Cx("A1", "7", "M10", "HOSP", "1.2.3", "MR")
    assert Cx.of(pid, 3, 2) == Cx("B2", "", "", "", "", "")
    assert [Cx.of(one).id for one in pid.repetitions(3)] == ["A1", "B2"]
    assert Xpn.of(pid, 5) == Xpn("DOE", "JANE", "Q", "JR", "DR", "MD", "L")
    assert Cwe.of(obx, 3) == Cwe("33914-3", "eGFR", "LN", "EGF", "local", "L", "eGFR (CKD-EPI)")
    assert Cwe.of(obx, 3, 2) == Cwe('""', "", "", "", "", "", "")
    assert Cwe.of(obx, 99) == Cwe(*[""] * 7)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("24", Number(24.0)),
        (" 4.10 ", Number(4.1)),
        ("-1.5", Number(-1.5)),
        ("+7", Number(7.0)),
        (".5", Number(0.5)),
        ("5.", Number(5.0)),
        (">60", Number(60.0, ">")),
        ("<5", Number(5.0, "<")),
        (">=90", Number(90.0, ">=")),
        ("<= 0.01", Number(0.01, "<=")),
    ],
)
def test_a_number_keeps_its_comparator(text: str, read: Number) -> None:
    """A result above 60 is not 60 (T2)."""
    assert number(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        ">",
        "60+",
        "1,5",
        "1.234,5",
        "1e5",
        "nan",
        "inf",
        "٢٤",
        "²",
        "HEMOLYZED",
        "H 5.2",
        "1 2",
        "<<5",
        "=5",
        "9" * 16,
        "1\n",
        '""',
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    """Text, other digits, commas, exponents, more digits than are exact (T10, T11)."""
    assert number(text) is None
