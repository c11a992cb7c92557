"""How messages are built, by hl7apy's report and the walk over the structure (C29)."""

import pytest
from hypothesis import given, settings

from engine.errors import Unreadable
from engine.hl7 import conformance
from engine.hl7.conformance import structure_findings
from engine.hl7.dictionary import structure_findings as by_its_public_name
from engine.hl7.message import Message
from tests.hl7.build import messages

PID = "PID|1||CANARY1^^^H^MR||CANARY2^JANE"
PV1 = "PV1|1|I"
EVN = "EVN||20260101"
ORDER = ("ORC|NW|1", "OBR|1|1||CT^CT HEAD^L", "NTE|1||CANARY3", "ZDS|1.2.3^A^Application^DICOM")
IMAGING = ("ORC|NW|1", "TQ1|1||||||20260101||R", "OBR|1|1||CT^CT HEAD^L")
RESULT = ("OBR|1|1|2|X^Y^L", "OBX|1|ST|a^b^L|1|CANARY4||||||F")


def findings(kind: str, version: str, *lines: str, marks: str = "^~\\&") -> list[str]:
    """Of a message of this type, version and these segments."""
    head = f"MSH|{marks}|A|B|C|D|20260101120000||{kind}|1|P|{version}"
    return structure_findings(Message.parse("".join(f"{line}\r" for line in (head, *lines)).encode()))


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1"])
def test_a_good_order_has_no_findings(version: str) -> None:
    """hl7apy alone fails every ORM^O01, since it asks for all members of a choice; ZDS is left out on both sides."""
    assert findings("ORM^O01", version, PID, PV1, *ORDER) == []
    assert findings("ORM^O01^ORM_O01", version, PID, *ORDER, *ORDER[:2]) == []
    assert findings("ORM^O01", version, PID, "ORC|NW|1", "RXO|1^x^L|5||mg^^L") == []


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.6"])
@pytest.mark.parametrize(("kind", "more"), [("OMG^O19^OMG_O19", ()), ("OMI^O23^OMI_O23", ("IPC|1|2|3|4",))])
def test_a_good_imaging_order_has_no_findings(kind: str, more: tuple[str, ...], version: str) -> None:
    """OMG^O19 and OMI^O23."""
    assert findings(kind, version, PID, PV1, *IMAGING, *more) == []


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1"])
def test_a_good_result_and_a_good_admission_have_no_findings(version: str) -> None:
    """ORU^R01 and ADT, also of an event that has another's structure, with MSH-9.3 or without."""
    assert findings("ORU^R01", version, PID, PV1, *RESULT) == []
    assert findings("ADT^A01^ADT_A01", version, EVN, PID, PV1, "AL1|1|DA|x") == []
    assert findings("ADT^A08", version, EVN, PID, PV1) == []
    assert findings("ADT^A40", version, EVN, PID, "MRG|1^^^H") == []
    assert findings("ADT^A31", version, EVN, PID, PV1) == []


@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1"])
def test_an_observation_needs_no_sub_id(version: str) -> None:
    """OBX-4 is conditional in every version; hl7apy's table of 2.3.1 alone asks for it. OBX-3 stays asked for."""
    assert findings("ORU^R01", version, PID, RESULT[0], "OBX|1|ST|a^b^L||v||||||F") == []
    assert findings("ORU^R01", version, PID, RESULT[0], "OBX|1|ST||1|v||||||F") == ["OBX-3 is required and missing"]


def test_before_2_3_1_the_event_names_the_structure() -> None:
    """There is no MSH-9.3 to write it to: ADT^A08 is checked as an admission without a finding about MSH-9."""
    event = "EVN|A08|20260101"
    assert findings("ADT^A08", "2.3", event, PID, PV1) == []
    assert findings("ADT^A01^ADT_A01", "2.3", event, PID, PV1) == ["MSH-9 has too many parts"]


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_a_missing_pid_is_found(version: str) -> None:
    """By the walk, where PV1 stands in its place, and by hl7apy as required."""
    assert findings("ADT^A08", version, EVN, PV1) == [
        f"PV1[1] stands where ADT_A01 of {version} has PID",
        "PID of ADT_A01 is required and missing",
    ]


@pytest.mark.parametrize(
    ("kind", "lines", "first"),
    [
        ("ORM^O01", (PV1, PID, *ORDER), "PV1[1] stands where ORM_O01 of 2.5.1 has NTE, PID, ORC"),
        ("ORM^O01", (PID, ORDER[1], ORDER[0]), "OBR[1] stands where ORM_O01 of 2.5.1 has PD1, NTE, PV1, IN1, GT1, ..."),
        ("ORM^O01", (PID, *ORDER, PID), "PID[2] stands where ORM_O01 of 2.5.1 has ORC, NTE, CTD, DG1, OBX, ..."),
        ("ORM^O01", (PID,), "the message ends where ORM_O01 of 2.5.1 has PD1, NTE, PV1, IN1, GT1, ..."),
        ("ORM^O01", (PID, *ORDER, "EVN||2026"), "EVN[1] is no part of ORM_O01"),
        ("OMG^O19", (PID, IMAGING[0], IMAGING[2], IMAGING[1]), "TQ1[1] stands where OMG_O19 of 2.5.1 has ORC, NTE, CTD, DG1, OBX, ..."),
        ("OMI^O23", (PID, *IMAGING), "the message ends where OMI_O23 of 2.5.1 has NTE, CTD, DG1, OBX, IPC"),
        ("ORU^R01", (PID, RESULT[1], RESULT[0]), "OBX[1] stands where ORU_R01 of 2.5.1 has PD1, NTE, NK1, PV1, ORC, ..."),
    ],
)  # fmt: skip
def test_segments_out_of_order_are_found(kind: str, lines: tuple[str, ...], first: str) -> None:
    """The first finding says which segment stands where, and what could stand there."""
    assert findings(kind, "2.5.1", *lines)[0] == first


def test_what_hl7apy_finds_is_said_by_place() -> None:
    """Required fields, limits, parts too many; equal ones once with their number."""
    found = findings(
        "ORU^R01^ORU_R01",
        "2.5.1",
        "PID|1||A~B||X^Y||2026~2027|F||||||||||||||||||||||||||||||||extra|more",
        "OBR|1|1|2|X^Y^L^^^^^^^^^^11",
        "OBX|1|ST|a^b^L||v",
        "OBX|2|ST|a^b^L||v",
    )  # fmt: skip
    assert found == [
        "PID has too many parts",
        "PID-7 occurs more often than the version allows",
        "OBR-4 has too many parts",
        "OBX-11 is required and missing (2 times)",
    ]


def test_a_missing_component_is_said_by_field_and_component() -> None:
    """From 2.7 on CX.5 is required, and PID-2 is withdrawn."""
    assert findings("ADT^A01^ADT_A01", "2.7", EVN, "PID|1||A1^^^H||X^Y", PV1) == ["PID-3.5 is required and missing"]


@pytest.mark.parametrize(
    ("kind", "version", "found"),
    [
        ("ADT^A01", "", ["MSH-12: no version of HL7"]),
        ("ADT^A01", "CANARY", ["MSH-12: no version of HL7"]),
        ("CANARY^A01", "2.5.1", ["MSH-9: no message structure of 2.5.1"]),
        ("", "2.5.1", ["MSH-9: no message structure of 2.5.1"]),
        ("OMI^O23", "2.4", ["MSH-9: no message structure of 2.4"]),
    ],
)
def test_a_message_of_no_known_kind(kind: str, version: str, found: list[str]) -> None:
    """Nothing else is said about it."""
    assert findings(kind, version, EVN, PID, PV1) == found


def test_lines_that_are_no_segments_of_the_version() -> None:
    """A segment of another version by name, a line of text by number only."""
    assert findings("ORM^O01", "2.4", PID, "ORC|NW|1", "TQ1|1", "CANARY TEXT", "SMI|CANARY", "OBR|1|1||X^Y^L") == [
        "TQ1 is no segment of 2.4",
        "line 5 is no segment of 2.4",
        "line 6 is no segment of 2.4",
    ]


@pytest.mark.parametrize(
    ("marks", "version"), [("^~\\&#", "2.5.1"), ("^~\\&#", "2.7"), ("^~\\&", "2.7"), ("^~\\\\&", "2.5.1")]
)
def test_every_form_of_msh_2_is_validated(marks: str, version: str) -> None:
    """hl7apy itself refuses a fifth character before 2.7, and a doubled one."""
    found = findings("ORU^R01^ORU_R01", version, "PID|1||A^^^H^MR||X^Y^^^^^L", *RESULT, marks=marks)
    assert "hl7apy cannot read the message" not in found


def test_a_version_between_two_is_read_as_the_earlier() -> None:
    """2.7.1 by the tables of 2.7."""
    assert findings("ADT^A01", "2.7.1", EVN, PV1)[0] == "PV1[1] stands where ADT_A01 of 2.7 has PID"


def test_no_finding_holds_content() -> None:
    """Values that are in no table, too long, or of the wrong form are never quoted."""
    found = findings(
        "ORU^R01^ORU_R01",
        "2.5.1",
        "PID|CANARY|CANARY&CANARY|CANARY^CANARY^^^^^CANARY||CANARY|CANARY|CANARY|CANARY|||||||||||||||||||||||||||||||||CANARY",
        "OBR|1|CANARY|CANARY|CANARY||CANARY|CANARY~CANARY||||CANARY",
        "OBX|1|CANARY|CANARY||CANARY|||CANARY|||CANARY",
    )
    assert found
    assert "CANARY" not in " ".join(found)


def test_bytes_of_another_character_set_are_unreadable() -> None:
    """The caller knows the set; nothing is guessed."""
    with pytest.raises(Unreadable):
        structure_findings(Message.parse(b"MSH|^~\\&|A||||||ADT^A01|1|P|2.5\rEVN||\xff\r"))


@settings(max_examples=40)
@given(messages())
def test_any_message_gets_findings_or_none(parsed: Message) -> None:
    """Never an exception of the foreign parser."""
    changed = parsed.with_value("MSH-12", "2.5.1").with_value("MSH-9.1", "ORU").with_value("MSH-9.2", "R01")
    assert isinstance(by_its_public_name(changed), list)


@pytest.mark.parametrize(
    "error", ["Unknown element found: CANARY.<Field CANARY>", "Missing required child CANARY. JANE", "CANARY"]
)
def test_what_hl7apy_says_in_other_words_is_not_repeated(error: str) -> None:
    """Its words may hold content."""
    assert conformance._sentence(error) == "hl7apy reports another mistake"


def test_an_empty_structure_is_as_good_as_none() -> None:
    """`ORU^R01^` is checked as ORU_R01."""
    assert findings("ORU^R01^", "2.4", PID, PV1, *RESULT) == findings("ORU^R01", "2.4", PID, PV1, *RESULT) == []


def test_a_message_that_hl7apy_cannot_read_is_said_so() -> None:
    """With a full stop as component separator no version can be written as hl7apy wants it."""
    raw = b"MSH|.:\\&|A|B|C|D|20260101||ORU.R01|1|P|2\\S\\5\\S\\1\rPID|1||A||X\rOBR|1|1|2|X\r"
    assert structure_findings(Message.parse(raw)) == ["hl7apy cannot read the message"]
