"""Exam classification: contrast before everything, interventions before their guidance, words anchored (rules.md 3.0)."""

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.hl7.message import Message
from engine.order.exam import UNKNOWN, ExamTable, classify, parse_exams
from engine.order.order import Exam

MAPPINGS = Path(__file__).parents[2] / "mappings"
DOCUMENT = yaml.load((MAPPINGS / "exams.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 # texts only
EXAMS = parse_exams(DOCUMENT)


def exam(text: str, *, code: str = "X", system: str = "L", obr24: str = "", table: ExamTable = EXAMS) -> Exam:
    fields = ["OBR", "1", "", "", f"{code}^{text}^{system}", *[""] * 19, obr24]
    raw = "MSH|^~\\&|A\r" + "|".join(fields)
    obr = Message.parse(raw.encode()).first("OBR")
    assert obr is not None
    return classify(obr, table)


def slot(values: frozenset[str]) -> str:
    return "+".join(sorted(values))


@pytest.mark.parametrize(
    ("text", "contrast"),
    [
        ("CT ABDOMEN W/O CONTRAST", "WO"),
        ("CT ABDOMEN W/O", "WO"),
        ("CT ABDOMEN WO", "WO"),
        ("CT ABDOMEN WITHOUT", "WO"),
        ("CT ABDOMEN WITHOUT IV CONTRAST", "WO"),
        ("CT HEAD NON-CON", "WO"),
        ("CT HEAD NONCONTRAST", "WO"),
        ("CT HEAD UNENHANCED", "WO"),
        ("CT ABDOMEN NO CONTRAST", "WO"),
        ("CT ABDOMEN W/OUT CONTRAST", "WO"),
        ("MRI BRAIN W/O", "WO"),
        ("CT ABDOMEN W/ & W/O CONTRAST", "IOD"),
        ("CT ABDOMEN W/O & W/ CONTRAST", "IOD"),
        ("CT ABDOMEN WITHOUT AND WITH CONTRAST", "IOD"),
        ("CT ABDOMEN WITH AND WITHOUT CONTRAST", "IOD"),
        ("CT ABDOMEN W WO CONTRAST", "IOD"),
        ("CT ABDOMEN W+WO", "IOD"),
        ("CT ABDOMEN WO/W CON", "IOD"),
        ("CT ABDOMEN W/WO", "IOD"),
        ("CT ABDOMEN WWO", "IOD"),
        ("CT LIVER WITHOUT CONTRAST FOLLOWED BY WITH CONTRAST", "IOD"),
        ("CT ABDOMEN W", "IOD"),
        ("CT ABDOMEN W/", "IOD"),
        ("CT ABDOMEN W/CONTRAST", "IOD"),
        ("CT ABDOMEN WITH", "IOD"),
        ("CT ABDOMEN POST-CONTRAST", "IOD"),
        ("CT LIVER TRIPLE PHASE", "IOD"),
        ("ct abdomen, with iv contrast.", "IOD"),
        ("CT Chest W contrast IV", "IOD"),
        ("MR BRAIN W/ & W/O CONTRAST", "GAD"),
        ("MRI BRAIN WITHOUT AND WITH CONTRAST", "GAD"),
        ("MRI BRAIN W+WO", "GAD"),
        ("MR BREAST POST GADOLINIUM", "GAD"),
        ("MR LIVER WITH EOVIST", "GAD+GADHEP"),
        ("CTA CHEST", "IOD"),
        ("CTV HEAD", "IOD"),
        ("CTA HEAD W/O CONTRAST", "IOD"),
        ("CT ANGIOGRAM ABDOMEN", "IOD"),
        ("CT PERFUSION BRAIN", "IOD"),
        ("CT CHEST PE PROTOCOL", "IOD"),
        ("CT UROGRAM", "IOD"),
        ("CT UROGRAM WITHOUT CONTRAST", "WO"),
        ("CEREBRAL ANGIOGRAM", "IOD"),
        ("HEPATIC ARTERY CHEMOEMBOLIZATION", "IOD"),
        ("CT ABDOMEN", "IOD_POSSIBLE"),
        ("IR INTRO CATHETER AORTA BILATERAL", "IOD"),
        ("PET/CT ABDOMEN", ""),
        ("CT ABD/PELVIS", "IOD_POSSIBLE"),
        ("CT ABDOMEN WITH ORAL CONTRAST", "IOD_POSSIBLE"),
        ("CT ABDOMEN WITHOUT IV CONTRAST WITH ORAL CONTRAST", "WO"),
        ("CT ABDOMEN W ORAL AND IV CONTRAST", "IOD"),
        ("CT CHEST", ""),
        ("CT HEAD WITH 3D RECONSTRUCTION", ""),
        ("MRA HEAD", "GAD_POSSIBLE"),
        ("MRI BRAIN", "GAD_POSSIBLE"),
        ("MRI KNEE", ""),
        ("MRCP", ""),
        ("US ABDOMEN WITH DOPPLER", ""),
        ("XR HIP UNI W PELVIS 2-3 VIEWS", ""),
    ],
)
def test_contrast_is_told_from_the_words(text: str, contrast: str) -> None:
    """`W/O` is told before `W`, both in either order mean contrast, and what is only drunk is none in a vessel."""
    assert slot(exam(text).contrast) == contrast


@pytest.mark.parametrize(
    ("text", "modality", "region"),
    [
        ("CTA CHEST", "CT", "CHEST"),
        ("CTP BRAIN", "CT", "HEAD"),
        ("MRA NECK", "MR", "NECK"),
        ("MRV BRAIN", "MR", "HEAD"),
        ("MRCP", "MR", "ABD"),
        ("MRS BRAIN", "MR", "HEAD"),
        ("CT ABD PELVIS", "CT", "ABD+PELVIS"),
        ("CT CHEST/ABDOMEN/PELVIS W", "CT", "ABD+CHEST+PELVIS"),
        ("CT CAP W CONTRAST", "CT", "ABD+CHEST+PELVIS"),
        ("MR CARDIAC W", "MR", "CARDIAC"),
        ("MRI IAC W/WO", "MR", "HEAD"),
        ("US GALLBLADDER", "US", "ABD"),
        ("US GALL BLADDER", "US", "ABD"),
        ("US BLADDER", "US", "PELVIS"),
        ("CHEST PORT 1 VIEW", "XR", "CHEST"),
        ("CHEST PORT 1V", "XR", "CHEST"),
        ("CHEST PORTABLE", "XR", "CHEST"),
        ("XR CHEST PICC LINE PLACEMENT", "XR", "CHEST"),
        ("FEMUR 2 VIEWS LEFT", "XR", "MSK"),
        ("MR THORACIC SPINE", "MR", "SPINE"),
        ("CT C-SPINE W/O", "CT", "SPINE"),
        ("PET CT SKULL BASE TO MID THIGH", "CT+PT", "WB"),
        ("NM V/Q SCAN", "NM", "CHEST"),
        ("MAMMO SCREENING TOMOSYNTHESIS", "MG", "BREAST"),
        ("MODIFIED BARIUM SWALLOW ASPIRATION", "RF", ""),
        ("BONE DENSITY DEXA", "DXA", ""),
        ("US CAROTID DUPLEX", "US", "NECK"),
    ],
)
def test_modality_and_regions_are_anchored_words(text: str, modality: str, region: str) -> None:
    """IAC is not carDIAC, bladder is not gallbladder, a portable is no port; regions are a set (C27)."""
    found = exam(text)
    assert (slot(found.modality), slot(found.region)) == (modality, region)


@pytest.mark.parametrize(
    ("text", "modality", "risk"),
    [
        ("CT GUIDED LIVER BIOPSY", "CT+IR", "IR+IR_HIGH"),
        ("US RENAL BIOPSY", "IR+US", "IR+IR_HIGH"),
        ("CT LUNG BIOPSY", "CT+IR", "IR+IR_HIGH"),
        ("RADIOFREQUENCY ABLATION LIVER", "IR", "IR+IR_HIGH"),
        ("TIPS PROCEDURE", "IR", "IR+IR_HIGH"),
        ("IR NEPHROSTOMY PLACEMENT", "IR", "IR+IR_HIGH"),
        ("IR BILIARY DRAIN PLACEMENT", "IR", "IR+IR_HIGH"),
        ("TRANSJUGULAR LIVER BIOPSY", "IR", "IR+IR_HIGH"),
        ("EPIDURAL STEROID INJECTION FLUORO", "IR+RF", "IR+IR_HIGH"),
        ("CT GUIDED ABSCESS DRAINAGE", "CT+IR", "IR+IR_HIGH"),
        ("IR PROCEDURE", "IR", "IR+IR_HIGH"),
        ("US LIVER BIOPSY AND PARACENTESIS", "IR+US", "IR+IR_HIGH"),
        ("CEREBRAL ANGIOGRAM", "IR+XA", "IR+IR_HIGH"),
        ("US GUIDED PARACENTESIS", "IR+US", "IR+IR_LOW"),
        ("US THORACENTESIS", "IR+US", "IR+IR_LOW"),
        ("NEPHROSTOMY TUBE EXCHANGE", "IR", "IR+IR_LOW"),
        ("IR PICC LINE PLACEMENT", "IR", "IR+IR_LOW"),
        ("PORT PLACEMENT", "IR", "IR+IR_LOW"),
        ("US GUIDED THYROID FNA", "IR+US", "IR+IR_LOW"),
        ("US BREAST BIOPSY", "IR+US", "IR+IR_LOW"),
        ("BIOPSY SUPERFICIAL LYMPH NODE", "IR", "IR+IR_LOW"),
        ("HIP JOINT INJECTION", "IR", "IR+IR_LOW"),
        ("LUMBAR PUNCTURE", "IR", "IR+IR_LOW+LP"),
    ],
)
def test_an_intervention_wins_over_its_guidance(text: str, modality: str, risk: str) -> None:
    """High, low, and high where it fits neither; the guidance stays visible as a second modality (rules.md 3.0.3)."""
    found = exam(text)
    assert (slot(found.modality), slot(found.special)) == (modality, risk)


@pytest.mark.parametrize(
    "text",
    [
        "MRI PROSTATE PRE BIOPSY",
        "XR CHEST POST THORACENTESIS",
        "CT CHEST PULMONARY EMBOLISM",
        "CHEST PORT 1 VIEW",
        "MODIFIED BARIUM SWALLOW FOR ASPIRATION",
        "XR ABDOMEN DRAIN PLACEMENT",
        "NM SENTINEL NODE BIOPSY LYMPHOSCINTIGRAPHY",
    ],
)
def test_what_only_mentions_an_intervention_is_none(text: str) -> None:
    """Before and after a biopsy, an embolism, a portable, the film that looks at a drain."""
    assert "IR" not in exam(text).special


@pytest.mark.parametrize(
    ("text", "special"),
    [
        ("CT CHEST PE PROTOCOL", "CTPA"),
        ("CTA PULMONARY ARTERIES ANGIO", "CTPA"),
        ("CTA CORONARY", "CCTA"),
        ("CT ANGIO AORTA DISSECTION", "CTA_AORTA"),
        ("CT HEAD STROKE ALERT", "STROKE"),
        ("CT LUNG SCREENING LOW DOSE", "LUNGSCR"),
        ("PET FDG WHOLE BODY", "FDG"),
    ],
)
def test_special_exams_are_named(text: str, special: str) -> None:
    """The special kinds of rules.md 3.1."""
    assert special in exam(text).special


@pytest.mark.parametrize(
    ("obr24", "text", "modality", "source"),
    [
        ("NMR", "SPINE LUMBAR", "MR", "OBR-24"),
        ("NMS", "WHOLE BODY", "NM", "OBR-24"),
        ("CR", "CHEST", "XR", "OBR-24"),
        ("ct", "ABDOMEN", "CT", "OBR-24"),
        ("CT", "", "CT", "OBR-24"),
        ("IMG", "CT HEAD W/O", "CT", "text"),
        ("MDXREVNT", "MRI BRAIN", "MR", "text"),
        ("CTH", "US ABDOMEN", "US", "text"),
        ("H", "ABDOMEN", "", "unknown"),
        ("CR", "MRI BRAIN W/WO", "MR+XR", "OBR-24"),
        ("CT", "PET/CT FDG WHOLE BODY", "CT+PT", "OBR-24"),
    ],
)
def test_obr_24_counts_only_when_it_is_a_modality(obr24: str, text: str, modality: str, source: str) -> None:
    """DICOM and table 0074 count, other words in OBR-24 do not (C28); a CT or MR in the words is never overruled."""
    found = exam(text, obr24=obr24)
    assert (slot(found.modality), found.source) == (modality, source)


def test_nothing_known_is_unknown() -> None:
    """Without a modality or special kind nothing but the region is claimed, so that every safety rule applies."""
    assert exam("RADIOLOGY PROCEDURE") == UNKNOWN
    assert exam("ABDOMEN WITH CONTRAST") == UNKNOWN._replace(region=frozenset({"ABD"}))


def test_the_sites_own_code_always_wins() -> None:
    """A row of exams.csv decides its filled slots; `-` says none, an empty cell leaves the slot to the text."""
    rows = [
        {"code": "X1", "modality": "CT", "region": "ABD+PELVIS", "contrast": "WO", "special": ""},
        {"code": "X2", "modality": "MR", "region": "", "contrast": "-", "special": "-"},
        {"code": "X3", "modality": "CT", "region": "ABD", "contrast": "", "special": ""},
    ]
    table = parse_exams(DOCUMENT, rows)
    first = exam("MRI BRAIN W CONTRAST", code="X1", table=table)
    assert (slot(first.modality), slot(first.region), slot(first.contrast), first.source) == (
        "CT",
        "ABD+PELVIS",
        "WO",
        "table",
    )
    assert exam("MRI KNEE W", code="X2", table=table) == Exam(
        frozenset({"MR"}), frozenset({"MSK"}), frozenset(), frozenset(), "table"
    )
    assert exam("SOMETHING", code="X3", table=table).contrast == {"IOD_POSSIBLE"}


def test_a_loinc_code_without_its_name_is_known() -> None:
    """24628-0 alone is a CT of the chest with contrast."""
    found = exam("", code="24628-0", system="LN")
    assert (slot(found.modality), slot(found.contrast), found.source) == ("CT", "IOD", "LOINC")


def test_the_shipped_table_reads() -> None:
    """mappings/tables/exams.csv holds only columns and values the model knows."""
    with (MAPPINGS / "tables" / "exams.csv").open(encoding="utf-8", newline="") as rows:
        table = parse_exams(DOCUMENT, csv.DictReader(rows))
    assert slot(exam("", code="CTAPW", table=table).contrast) == "IOD"


def test_a_wrong_pattern_is_refused_with_its_place() -> None:
    """A look-ahead, which google-re2 does not know, is an error of the file at its place, not of a message."""
    broken = {**DOCUMENT, "plain": "(?!x)"}
    with pytest.raises(ValidationError, match="plain"):
        parse_exams(broken)


@given(st.text(max_size=60), st.sampled_from(["", "CT", "NMR", "IMG"]))
def test_any_text_is_classified(text: str, obr24: str) -> None:
    """No text makes the classification throw, and an exam without modality and special kind claims no contrast."""
    found = EXAMS.exam_of(("X",), "L", (text,), obr24)
    assert found.modality or found.special or not found.contrast
