"""Changing a message: the place that is named, and not a byte beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.message import Message, Segment, Unencodable
from engine.hl7.path import Path
from tests.hl7.build import ENDS, HEADER, message, messages, texts

SAMPLE = message(b"PID|1||A1^^^H&1.2~B2||DOE^JANE", b"AL1|1", b"ZDS|x^y||", b"AL1|2||z")


def paths_of(segment: Segment, occurrence: int) -> st.SearchStrategy[Path]:
    """Places in and beyond a segment."""
    first = 3 if segment.name == "MSH" else 1
    small = st.integers(0, 3)
    return st.builds(
        lambda field, repetition, component, sub: Path(
            segment.name, occurrence, field, repetition, component, sub if component else 0
        ),
        st.integers(first, max(first, len(segment.fields) + 2)),
        small,
        small,
        small,
    )


def expected_line(segment: Segment, path: Path, content: bytes) -> bytes:
    """The segment after the change, by splitting every level and joining again: slow and plain."""
    marks = segment.delimiters
    levels = [(marks.field_byte, path.field - (segment.name == "MSH"))]
    if path.repetition or path.component:
        levels.append((marks.repetition_byte, (path.repetition or 1) - 1))
    if path.component:
        levels.append((marks.component_byte, path.component - 1))
    if path.subcomponent:
        levels.append((marks.subcomponent_byte, path.subcomponent - 1))

    def put(raw: bytes, level: int) -> bytes:
        if level == len(levels):
            return content
        separator, number = levels[level]
        parts = raw.split(separator)
        parts += [b""] * (number + 1 - len(parts))
        return separator.join([*parts[:number], put(parts[number], level + 1), *parts[number + 1 :]])

    return put(segment.raw, 0)


@given(st.data())
def test_a_value_reads_back_and_no_other_byte_moves(data: st.DataObject) -> None:
    """`with_value(p, v).get(p) == v`; before and after the place all bytes are those that came."""
    parsed = data.draw(messages())
    segment = data.draw(st.sampled_from([one for one in parsed.segments if one.name]))
    occurrence = parsed.all(segment.name).index(segment) + 1
    path = data.draw(paths_of(segment, occurrence))
    value = data.draw(texts(parsed.charset))
    changed = parsed.with_value(path, value)
    assert changed.get(path) == value
    assert changed.count("") == parsed.count("")
    written = changed.all(segment.name)[occurrence - 1]
    content = written.raw_field(path.field) or b""
    if path.repetition or path.component:
        assert Message.parse(changed.raw, parsed.charset).get(path) == value
    else:
        assert expected_line(segment, path, content) == written.raw
    end = segment.start + len(segment.raw)
    assert changed.raw == parsed.raw[: segment.start] + written.raw + parsed.raw[end:]


@given(st.data())
def test_raw_bytes_are_put_exactly_there(data: st.DataObject) -> None:
    """`with_raw` against a plain reference that splits and joins every level."""
    parsed = data.draw(messages())
    segment = data.draw(st.sampled_from([one for one in parsed.segments if one.name]))
    occurrence = parsed.all(segment.name).index(segment) + 1
    path = data.draw(paths_of(segment, occurrence))
    changed = parsed.with_raw(path, b"new")
    assert changed.all(segment.name)[occurrence - 1].raw == expected_line(segment, path, b"new")
    assert changed.raw.replace(b"\r", b"").replace(b"\n", b"").count(b"MSH") == 1 or b"MSH" in parsed.raw[10:]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("PID-5", "A|B^C", b"PID|1||A1^^^H&1.2~B2||A\\F\\B\\S\\C"),
        ("PID-5.1", "ROE", b"PID|1||A1^^^H&1.2~B2||ROE^JANE"),
        ("PID-5.4", "x", b"PID|1||A1^^^H&1.2~B2||DOE^JANE^^x"),
        ("PID-8", "F", b"PID|1||A1^^^H&1.2~B2||DOE^JANE|||F"),
        ("PID-3.4.2", "9", b"PID|1||A1^^^H&9~B2||DOE^JANE"),
        ("PID-3(2).4.2", "9", b"PID|1||A1^^^H&1.2~B2^^^&9||DOE^JANE"),
        ("PID-3(4)", "D", b"PID|1||A1^^^H&1.2~B2~~D||DOE^JANE"),
        ("PID-3", "N", b"PID|1||N||DOE^JANE"),
        ("PID-7", "", b"PID|1||A1^^^H&1.2~B2||DOE^JANE||"),
        ("PID-5", '""', b'PID|1||A1^^^H&1.2~B2||""'),
    ],
)
def test_missing_separators_are_added(path: str, value: str, line: bytes) -> None:
    """A place beyond the end gets the separators before it, at its own level only."""
    assert SAMPLE.with_value(path, value).first("PID").raw == line


def test_the_header_is_changed_behind_its_delimiters_only() -> None:
    """MSH-5 is a field like any other; MSH-1 and MSH-2 are never changed, and a value needs a field."""
    assert SAMPLE.with_value("MSH-5", "X").raw.startswith(b"MSH|^~\\&|RIS|HOSP|X|RAD|")
    for path in ("MSH-1", "MSH-2", "MSH-2.1"):
        with pytest.raises(LookupError, match="delimiters of a message are never changed"):
            SAMPLE.with_value(path, "x")
    with pytest.raises(LookupError, match="PID: a value needs a field"):
        SAMPLE.with_value("PID", "x")


@pytest.mark.parametrize("path", ["NK1-2", "AL1[3]-1"])
def test_a_missing_segment_is_a_lookup_error(path: str) -> None:
    """A step turns it into an error of the channel that names the place."""
    with pytest.raises(LookupError, match="the message has no such segment"):
        SAMPLE.with_value(path, "x")


def test_a_value_that_the_character_set_lacks_is_unencodable() -> None:
    """The exception names place and set, never the value; lone surrogates are in no set.

    The Hangul filler has bytes in EUC-KR that read back as another text.
    """
    for charset, value in (("ascii", "Müller"), ("iso8859_1", "Żak"), ("utf-8", "\ud800"), ("euc_kr", "\u3164")):
        with pytest.raises(
            Unencodable, match=f"^PID-5: the message's character set {charset} lacks a character of the value$"
        ):
            message(b"PID|1", charset=charset).with_value("PID-5", value)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("PID-3", b"a|b"),
        ("PID-3", b"a\rb"),
        ("PID-3", b"a\nb"),
        ("PID-3(1)", b"a~b"),
        ("PID-3.1", b"a^b"),
        ("PID-3.1", b"a~b"),
        ("PID-3.1.1", b"a&b"),
    ],
)
def test_raw_bytes_must_not_end_their_place(path: str, content: bytes) -> None:
    """A delimiter of a higher level would move what stands behind."""
    with pytest.raises(ValueError, match="hold a delimiter of a higher level"):
        SAMPLE.with_raw(path, content)


def test_raw_bytes_may_hold_lower_levels() -> None:
    """A composite value is written as it stands."""
    changed = SAMPLE.with_raw("PID-3", b"C^^^D&1~E").with_raw("PID-5.1", b"a&b")
    assert changed.get("PID-3(2)") == "E"
    assert changed.get("PID-3.4.2") == "1"
    assert changed.get("PID-5.1.2") == "b"


def test_a_segment_is_inserted_before_a_number_or_at_the_end() -> None:
    """What stands behind keeps its bytes and moves by one."""
    assert [one.name for one in SAMPLE.with_segment(b"NTE|1", at=2).segments] == [
        "MSH",
        "PID",
        "NTE",
        "AL1",
        "ZDS",
        "AL1",
    ]
    assert SAMPLE.with_segment(b"NTE|1", at=5).raw == SAMPLE.raw + b"NTE|1\r"


@given(messages(), st.data())
def test_an_inserted_segment_is_there_and_can_be_taken_out(parsed: Message, data: st.DataObject) -> None:
    """Inserting adds one line; removing it gives the same bytes, but for a line end that the last line lacked."""
    at = data.draw(st.integers(1, len(parsed.segments)))
    line = b"QQQ" + parsed.delimiters.field_byte + b"1"
    changed = parsed.with_segment(line, at=at)
    assert [one.raw for one in changed.segments] == [
        *(one.raw for one in parsed.segments[:at]),
        line,
        *(one.raw for one in parsed.segments[at:]),
    ]
    without = changed.without("QQQ").raw
    assert without == parsed.raw or (at == len(parsed.segments) and without.rstrip(b"\r\n") == parsed.raw)


@pytest.mark.parametrize("end", ENDS)
def test_a_new_segment_ends_as_the_message_ends_its_first(end: bytes) -> None:
    """CR, LF or CRLF; CR where there is no line end at all."""
    assert message(b"PID|1", end=end).with_segment(b"NTE|1", at=1).raw == HEADER + end + b"NTE|1" + end + b"PID|1" + end
    open_end = Message.parse(HEADER + end + b"PID|1")
    assert open_end.with_segment(b"NTE|1", at=2).raw == HEADER + end + b"PID|1" + end + b"NTE|1"
    assert Message.parse(HEADER).with_segment(b"PID|1", at=1).raw == HEADER + b"\rPID|1"
    trailing = Message.parse(HEADER + end + end)
    assert trailing.with_segment(b"PID|1", at=1).raw == HEADER + end + b"PID|1" + end + end


@pytest.mark.parametrize(
    ("line", "at"), [(b"NTE|1\r", 1), (b"NTE|1\nX", 1), (b"", 1), (b"NTE", 0), (b"NTE", 6), (b"NTE", -1)]
)
def test_a_segment_is_one_line_inside_the_message(line: bytes, at: int) -> None:
    """Never before the MSH, never with a line end, never nothing."""
    with pytest.raises(ValueError, match=r"^(a new segment is one line|no place)"):
        SAMPLE.with_segment(line, at=at)


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("AL1", [b"PID|1||A1^^^H&1.2~B2||DOE^JANE", b"ZDS|x^y||"]),
        ("AL1[1]", [b"PID|1||A1^^^H&1.2~B2||DOE^JANE", b"ZDS|x^y||", b"AL1|2||z"]),
        ("AL1[2]", [b"PID|1||A1^^^H&1.2~B2||DOE^JANE", b"AL1|1", b"ZDS|x^y||"]),
        ("PID-3", [b"PID|1||||DOE^JANE", b"AL1|1", b"ZDS|x^y||", b"AL1|2||z"]),
        ("PID-3(2)", [b"PID|1||A1^^^H&1.2~||DOE^JANE", b"AL1|1", b"ZDS|x^y||", b"AL1|2||z"]),
        ("AL1[2]-3", [b"PID|1||A1^^^H&1.2~B2||DOE^JANE", b"AL1|1", b"ZDS|x^y||", b"AL1|2||"]),
    ],
)
def test_removing(path: str, lines: list[bytes]) -> None:
    """A name removes every segment of it, a number one; a field, repetition or component is emptied."""
    for end in ENDS:
        whole = message(b"PID|1||A1^^^H&1.2~B2||DOE^JANE", b"AL1|1", b"ZDS|x^y||", b"AL1|2||z", end=end)
        assert whole.without(path).raw == message(*lines, end=end).raw


@pytest.mark.parametrize("path", ["NK1", "AL1[9]", "PID-30", "PID-2", "NK1-3"])
def test_removing_what_is_not_there_changes_nothing(path: str) -> None:
    """The same message."""
    assert SAMPLE.without(path) is SAMPLE


def test_the_header_is_never_removed() -> None:
    """Nor its delimiters."""
    with pytest.raises(ValueError, match="without its MSH"):
        SAMPLE.without("MSH")
    with pytest.raises(LookupError):
        SAMPLE.without(Path.parse("MSH-2"))
