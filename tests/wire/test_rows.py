"""Every row of tests/wire, to a lenient and to a strict listener, in packets of every kind; and that no row is missing."""

import re

import pytest
import yaml
from pydantic import ValidationError

from tests.wire.driver import differences, run
from tests.wire.page import PAGE, written
from tests.wire.rows import D16, ELSEWHERE, FIELD, FOLDER, PAGES, Kept, Row, all_rows

SMALL = 20_000  # bytes; a longer row is not sent a byte at a time
HUGE = 20_000_000  # bytes; of a longer one only the head is compared with what is kept
PLAIN = 'case: a\nsend: [{frame: "MSH|"}]\nlenient: {answers: [], kept: []}\n'

ROWS = all_rows()


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_a_row_is_answered_kept_and_closed_as_it_says(row: Row, *, strict: bool) -> None:
    """All at once and a byte a packet, or for a long one in packets of two sizes: the same every time."""
    packets = (0, 1) if row.size <= SMALL else (65_536, 1_000_003)
    seen = [run(row, strict=strict, packet=packet) for packet in packets]
    expected = row.expected(strict=strict)
    sent = b"".join(block for piece in row.send for block in piece.stream()) if row.size <= HUGE else b""
    for one in seen:
        assert differences(expected, one.answers, one.entries, sent) == []
        assert one.closed == expected.closed
    assert seen[0].answers == seen[1].answers
    assert [entry.body for entry in seen[0].entries] == [entry.body for entry in seen[1].entries]


def test_every_case_has_a_row() -> None:
    """Rows 1 to 53 of reliability.md section 3, each line of D16, each of field.md 4.1 that a listener answers."""
    assert {number for row in ROWS for number in row.rows} | set(ELSEWHERE) == set(range(1, 54))
    assert not {number for row in ROWS for number in row.rows} & set(ELSEWHERE)
    assert {word for row in ROWS for word in row.d16} == set(D16)
    assert {word for row in ROWS for word in row.field} == set(FIELD)


def test_every_file_is_read_and_every_case_has_a_name_of_its_own() -> None:
    """A file or a row that nobody reads proves nothing."""
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(PAGES)
    assert len({row.case for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    "change",
    [
        "answer: []\n",
        "d16: [nothing]\n",
        "field: [nothing]\n",
        "listener: {stict: yes}\n",
        "strict: {answers: []}\n",
        "strict: {answers: [], kept: [], closed: gone}\n",
        "strict: {answers: AA, kept: []}\n",
    ],
)
def test_a_mistyped_row_is_refused(change: str) -> None:
    """Unknown keys, words and shapes."""
    assert Row.model_validate(yaml.safe_load(PLAIN)).case == "a"
    with pytest.raises(ValidationError):
        Row.model_validate(yaml.safe_load(PLAIN + change))


def test_a_wrong_expectation_is_seen() -> None:
    """Negative control: each part of what a row says makes a difference."""
    row = next(row for row in ROWS if row.case == "LF for segment ends")
    seen = run(row, strict=False, packet=0)
    sent = b"".join(row.send[0].stream())
    right = row.lenient
    assert differences(right, seen.answers, seen.entries, sent) == []
    for wrong in ({"answers": ["AA|C2"]}, {"kept": ["MESSAGE"]}, {"kept": ["MESSAGE lf_line_ends =3"]}):
        assert differences(right.model_copy(update=wrong), seen.answers, seen.entries, sent)
    assert differences(right, seen.answers, seen.entries, b"something else")


def test_the_page_says_what_the_rows_say() -> None:
    """docs/wire.md: its tables are made of the rows, and it explains every flag that a row shows."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "python -m tests.wire.page --write"
    shown = {
        flag
        for row in ROWS
        for strict in (False, True)
        for text in row.expected(strict=strict).kept
        for flag in Kept.read(text).flags.split()
    }
    explained = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    assert shown - explained == set()
    assert explained - shown == set()
    assert page != written(page.replace("AR 104", "AR 105"))
