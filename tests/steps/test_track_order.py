"""The step that keeps an order: numbers, exam, time and state over ORM^O01, OMI^O23 and OMG^O19."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import StepError
from engine.hl7.message import Message
from engine.order.exam import parse_exams
from engine.order.order import Order
from engine.steps.draft import Draft, KeepOrder, Origin
from engine.steps.track_order import TrackOrder

MAPPINGS = Path(__file__).parents[2] / "mappings"


class Mappings:
    """Only the part this step looks at."""

    exams = parse_exams(yaml.load((MAPPINGS / "exams.yaml").read_text(encoding="utf-8"), yaml.BaseLoader))  # noqa: S506


NOW = 1_787_234_400_000_000
ORIGIN = Origin(42, 1, "ris", NOW, "HOSP", ("MR", "PI"), strip_zeros=False, zone="America/Chicago")
STEP = TrackOrder(step="track_order")


def at(text: str) -> int:
    """UTC microseconds of an ISO time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def track(*segments: str) -> list[Order]:
    message = Message.parse("\r".join(segments).encode())
    mappings: Any = Mappings()
    draft = STEP.apply(Draft(message, ORIGIN, None), mappings)
    assert draft.message is message
    return [effect.order for effect in draft.effects if isinstance(effect, KeepOrder)]


MSH = "MSH|^~\\&|RIS|HOSP|PACS|RAD|20260820091203-0500||ORM^O01|1|P|2.3.1"
PID = "PID|1||12345^^^HOSP^MR||DOE^JANE||19600101|F"
PV1 = "PV1|1|O|RADCT||||||||||||||||V1^^^HOSP"
ORC = "ORC|NW|P1^EMR|F1^RIS||SC||^^^20260821090000-0500^^R"
OBR = "OBR|1|P1^EMR|F1^RIS|XX^CT ABD PELVIS W IV CONTRAST^L||||||||||||||ACC1|RP1|SPS1||||CT"


def test_an_orm_o01_is_kept_whole() -> None:
    """Every column of the order, from ORC, OBR, PID and PV1."""
    assert track(MSH, PID, PV1, ORC, OBR) == [
        Order(
            number="ACC1",
            patient="HOSP|MR|12345",
            accession="ACC1",
            placer="P1",
            filler="F1",
            visit="V1",
            control="NW",
            order_status="SC",
            state="OPEN",
            code="XX",
            text="CT ABD PELVIS W IV CONTRAST",
            modality="CT",
            region="ABD+PELVIS",
            contrast="IOD",
            scheduled=at("2026-08-21 14:00"),
            entry=42,
            received=NOW,
            listener="ris",
        )
    ]


def test_an_omi_o23_has_its_numbers_and_modality_in_the_ipc() -> None:
    """IPC-1 is the accession, IPC-5 the modality, TQ1-7 the time."""
    (order,) = track(
        MSH.replace("ORM^O01", "OMI^O23"),
        PID,
        "ORC|NW|P1|F1||SC",
        "TQ1|1||||||20260821090000",
        "OBR|1|P1|F1|X^ABDOMEN WITHOUT CONTRAST^L",
        "IPC|ACC7|RP1|1.2.3|SPS1|CT",
    )
    assert (order.number, order.modality, order.contrast) == ("ACC7", "CT", "WO")
    assert order.scheduled == at("2026-08-21 14:00")


def test_an_omg_o19_is_kept() -> None:
    """The filler number stands in where there is no accession; OBR-36 is the last place for the time."""
    obr = "|".join(["OBR", "1", "P1", "F1^RIS", "X^MRI BRAIN W/WO^L", *[""] * 31, "20260821"])
    (order,) = track(MSH.replace("ORM^O01", "OMG^O19"), PID, "ORC|NW", obr)
    assert (order.number, order.accession, order.filler, order.contrast) == ("F1", "", "F1", "GAD")
    assert order.scheduled == at("2026-08-21 05:00")  # the start of the day in Chicago


@pytest.mark.parametrize(
    ("orc", "obr", "number"),
    [
        ("ORC|NW|P1|F1", "OBR|1|||X^CT HEAD", "F1"),
        ("ORC|NW|P1", "OBR|1|||X^CT HEAD", "P1"),
        ("ORC|NW|P1", "OBR|1||F2|X^CT HEAD", "F2"),
        ('ORC|NW|P1|""', "OBR|1|||X^CT HEAD", "P1"),
        ("ORC|NW|P\\X0D\\1", "OBR|1|||X^CT HEAD", "P\\x0d1"),
    ],
)
def test_the_number_is_accession_filler_or_placer(orc: str, obr: str, number: str) -> None:
    """In this order; a deleted number is none, and a control inside is written out (D6)."""
    (order,) = track(MSH, PID, orc, obr)
    assert order.number == number


def test_several_obr_of_one_accession_are_one_order() -> None:
    """Chest, abdomen and pelvis under one accession: the union of what they ask for, at the earlier time (T38)."""
    (order,) = track(
        MSH,
        PID,
        "ORC|NW|P1|F1||SC||^^^20260821100000-0500",
        OBR.replace("CT ABD PELVIS W IV CONTRAST", "CT ABD PELVIS W"),
        "ORC|NW|P2|F2||CM||^^^20260821090000-0500",
        OBR.replace("CT ABD PELVIS W IV CONTRAST", "CT CHEST W/O"),
    )
    assert (order.region, order.contrast, order.state) == ("ABD+CHEST+PELVIS", "IOD+WO", "OPEN")
    assert order.scheduled == at("2026-08-21 14:00")


def test_orders_of_two_accessions_are_two() -> None:
    """ORC, OBR, OBR: the second shares the ORC and has its own number."""
    orders = track(MSH, PID, ORC, OBR, OBR.replace("ACC1", "ACC2"))
    assert [(order.number, order.control) for order in orders] == [("ACC1", "NW"), ("ACC2", "NW")]


def test_each_patient_of_a_message_has_their_own_orders() -> None:
    """Two messages that a sender put into one frame: the second patient's accession is never kept for the first."""
    other = (PID.replace("12345", "777"), PV1.replace("V1^^^HOSP", "V2^^^HOSP"), ORC, OBR.replace("ACC1", "ACC2"))
    orders = track(MSH, PID, PV1, ORC, OBR, MSH, *other)
    assert [(order.number, order.patient, order.visit) for order in orders] == [
        ("ACC1", "HOSP|MR|12345", "V1"),
        ("ACC2", "HOSP|MR|777", "V2"),
    ]


def test_a_cancellation_is_told() -> None:
    """ORC-1 CA and ORC-5 CA."""
    (order,) = track(MSH, PID, "ORC|CA|P1|F1||CA", OBR)
    assert (order.control, order.order_status, order.state) == ("CA", "CA", "CANCELLED")


def test_an_order_to_the_laboratory_is_no_imaging_order() -> None:
    """OBR-24 names a section of table 0074 that is none, and the words name no exam."""
    obr = "|".join(["OBR", "1", "P1", "F1", "BMP^BASIC METABOLIC PANEL^L", *[""] * 19, "LAB"])
    assert track(MSH, PID, ORC, obr) == []
    assert track(MSH, PID, ORC, "OBR|1|P1|F1|24357-6^Urinalysis macro panel^LN") == []
    assert track(MSH, PID, ORC, "OBR|1|P1|F1|UA^URINALYSIS^L", "SPM|1|||UR") == []
    assert track(MSH, PID, ORC, "|".join(["OBR", "1", "P1", "F1", "UA^URINALYSIS^L", *[""] * 10, "UR"])) == []
    assert track(MSH, PID, ORC, "RXO|1191^ASPIRIN^RXN") == []


def test_an_unknown_exam_is_kept_as_unknown() -> None:
    """Empty class, so that every safety rule applies."""
    (order,) = track(MSH, PID, ORC, "OBR|1|P1|F1|ZZ^SOMETHING NEW^L")
    assert (order.modality, order.region, order.contrast) == ("", "", "")


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ((MSH, ORC, OBR), "PID-3"),
        ((MSH, "PID|1||^^^HOSP^MR", ORC, OBR), "PID-3"),
        ((MSH, PID, "ORC|NW", "OBR|1|||X^CT HEAD"), "OBR-18"),
    ],
)
def test_what_cannot_be_kept_is_an_error_with_its_place(segments: tuple[str, ...], path: str) -> None:
    """Nobody's order, and an order without any number, fail; the text names the place and no content."""
    with pytest.raises(StepError) as error:
        track(*segments)
    assert error.value.path == path
    assert "DOE" not in str(error.value)


def test_the_example_of_the_step_is_valid() -> None:
    """What `backstory steps track_order` prints is what the model reads."""
    assert TrackOrder.model_validate(yaml.safe_load(TrackOrder.example)) == STEP
