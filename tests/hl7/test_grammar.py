"""The walk over a structure of segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.grammar import Misplaced, grammar_of

ONCE, MAYBE, SOME, ANY = (1, 1), (0, 1), (1, -1), (0, -1)


def seg(name: str, occurs: tuple[int, int]) -> tuple[object, ...]:
    """A segment as hl7apy's tables hold it."""
    return name, ("sequence", ()), occurs, "SEG"


def group(kind: str, occurs: tuple[int, int], *children: object) -> tuple[object, ...]:
    """A group likewise."""
    return "GROUP", (kind, children), occurs, "GRP"


ORDER = grammar_of(
    (
        "sequence",
        (
            seg("MSH", ONCE),
            seg("NTE", ANY),
            group("sequence", MAYBE, seg("PID", ONCE), seg("NTE", ANY), group("sequence", MAYBE, seg("PV1", ONCE))),
            group(
                "sequence",
                SOME,
                seg("ORC", ONCE),
                group("sequence", MAYBE, group("choice", ONCE, seg("OBR", ONCE), seg("RXO", ONCE)), seg("NTE", ANY)),
                seg("CTI", ANY),
            ),
        ),
    )
)


@pytest.mark.parametrize(
    "names",
    [
        "MSH ORC",
        "MSH PID ORC OBR",
        "MSH NTE NTE PID NTE PV1 ORC RXO NTE CTI CTI ORC ORC OBR CTI",
        "MSH NTE ORC OBR NTE NTE",
    ],
)
def test_what_the_structure_allows(names: str) -> None:
    """Optional and repeated segments and groups, and one member of a choice."""
    assert ORDER.walk(names.split()) == []


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("MSH PV1 ORC", [Misplaced(1, ("NTE", "PID", "ORC"))]),
        ("MSH PID OBR", [Misplaced(2, ("NTE", "PV1", "ORC"))]),
        ("MSH ORC OBR RXO", [Misplaced(3, ("ORC", "NTE", "CTI"))]),
        ("MSH ORC PID", [Misplaced(2, ("ORC", "OBR", "RXO", "CTI")), Misplaced(3, ("NTE", "PV1", "ORC"))]),
        ("MSH XYZ ORC", [Misplaced(1, ())]),
        ("MSH PID", [Misplaced(2, ("NTE", "PV1", "ORC"))]),
        ("", [Misplaced(0, ("MSH",))]),
        ("PID ORC", [Misplaced(0, ("MSH",))]),
        ("MSH MSH ORC", [Misplaced(1, ("NTE", "PID", "ORC"))]),
    ],
)
def test_what_it_does_not(names: str, found: list[Misplaced]) -> None:
    """The place, and the segments that could have stood there in the order of the structure."""
    walked = ORDER.walk(names.split())
    assert [(one.at, sorted(one.expected)) for one in walked] == [(one.at, sorted(one.expected)) for one in found]


def test_a_structure_that_may_be_empty() -> None:
    """Nothing is missing at the end, not even a choice with a member that may be absent."""
    nothing = grammar_of(("sequence", (seg("NTE", MAYBE), group("choice", ONCE, seg("OBX", MAYBE), seg("NTE", ONCE)))))
    assert nothing.walk([]) == []
    assert nothing.walk(["OBX"]) == []


@given(st.lists(st.sampled_from(["MSH", "NTE", "PID", "PV1", "ORC", "OBR", "RXO", "CTI", "XYZ"]), max_size=30))
def test_any_list_of_names_is_walked(names: list[str]) -> None:
    """Every finding is of a segment of the list or of its end, in order."""
    places = [one.at for one in ORDER.walk(names)]
    assert places == sorted(set(places))
    assert all(0 <= at <= len(names) for at in places)
