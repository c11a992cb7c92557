"""Concepts: code, name and unit must agree, or the statement is kept raw (rules.md 3.2, C25, C26)."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.patient.concept import Concepts, parse_concepts

MAPPINGS = Path(__file__).parents[2] / "mappings"
DOCUMENT: Any = yaml.load((MAPPINGS / "concepts.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506
CONCEPTS: Concepts = parse_concepts(DOCUMENT)


@pytest.mark.parametrize(
    ("code", "system", "text", "unit", "concept"),
    [
        ("98979-8", "LN", "eGFR CKD-EPI 2021", "mL/min/{1.73_m2}", "egfr"),
        ("98979-8", "LN", "", "mL/min/1.73m2", "egfr"),
        ("98979-8", "LN", "eGFR", "", "egfr"),
        ("62238-1", "loinc", "GFR/1.73 sq M.predicted [CKD-EPI]", "mL/min/1.73 m2", "egfr"),
        ("48642-3", "LN", "GFR/1.73 sq M.predicted among non-blacks", "mL/min", "egfr"),
        ("48643-1", "LN", "GFR/1.73 sq M.predicted among blacks", "mL/min", "egfr_race_black"),
        ("88293-6", "LN", "", "mL/min", "egfr_race_black"),
        ("48642-3", "LN", "eGFR African American", "mL/min", ""),  # code and name disagree
        ("48643-1", "LN", "eGFR non-African American", "mL/min", ""),
        ("E1", "L", "eGFR if NonAfricn Am", "mL/min/1.73", "egfr"),
        ("E2", "L", "eGFR if Africn Am", "mL/min/1.73", "egfr_race_black"),
        ("21198-7", "LN", "Anti-Mullerian hormone", "ng/mL", ""),  # a code error found in the wild
        ("21198-7", "LN", "Choriogonadotropin.beta subunit", "m[IU]/mL", "hcg_quant"),
        ("1834-1", "LN", "AFP Maternal", "ng/mL", ""),
        ("2160-0", "LN", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "creatinine"),
        ("2160-0", "LN", "Creatinine", "g/24h", ""),
        ("2160-0", "LN", "Creatinine, Urine", "mg/dL", ""),
        ("2161-8", "LN", "Creatinine", "mg/dL", ""),  # urine: a LOINC code that is not listed is nothing we know
        ("CREA", "L", "Creatinine Serum", "mg/dl", "creatinine"),
        ("CREAT", "99LAB", "CREATININE", "µmol/L", "creatinine"),
        ("CREA", "L", "", "UMOL/L", "creatinine"),
        ("tt-1", "L", "Creatinine", "UMOLL", "creatinine"),  # laboratories that write units without a slash
        ("tt-5", "L", "eGFR (MDRD)", "MLMIN", "egfr"),
        ("tt-2", "L", "Potassium", "MMOLL", "potassium"),
        ("CR", "L", "Chromium", "umol/L", ""),
        ("CREAU", "L", "Creatinine Urine", "mg/dL", ""),
        ("X", "L", "Creatinine Clearance", "mL/min", ""),
        ("777-3", "LN", "Platelets [#/volume] in Blood", "10*3/uL", "platelets"),
        ("777-3", "LN", "PLATELETS", "x10^3/uL", "platelets"),
        ("777-3", "LN", "PLATELETS", "K/mm3", "platelets"),
        ("777-3", "LN", "PLATELETS", "/uL", ""),  # 150000: another scale
        ("MPV", "L", "Mean Platelet Volume", "fL", ""),
        ("6301-6", "LN", "INR in Platelet poor plasma", "", "inr"),
        ("INR", "L", "INR", "RATIO", "inr"),
        ("718-7", "LN", "Hemoglobin", "g/dL", "hgb"),
        ("4548-4", "LN", "Hemoglobin A1c", "%", "hba1c"),
        ("718-7", "LN", "Hemoglobin A1c", "%", ""),
        ("29463-7", "LN", "BODY WEIGHT", "kg", "weight"),
        ("WT", "L", "Weight", "[lb_av]", "weight"),
        ("WT", "L", "Birth Weight", "g", ""),
        ("8302-2", "LN", "Body height", "cm", "height"),
        ("29463-7", "LN", "Body height", "cm", ""),
        ("2110-5", "LN", "Beta hCG Qual", "", "hcg_qual_serum"),
        ("2106-3", "LN", "Choriogonadotropin Urine", "", "hcg_urine"),
        ("UPREG", "L", "URINE PREGNANCY TEST", "", "hcg_urine"),
        ("82810-3", "LN", "Pregnancy status", "", "preg_status"),
        ("11449-6", "LN", "Pregnancy status", "", "preg_status"),  # as reported
        ("77996-7", "LN", "Pregnant", "", "preg_status"),  # at the time of an illness
        ("INV178", "2.16.840.1.114222.4.5.232", "Pregnant", "", "preg_status"),
        ("57722-1", "LN", "Birth plurality of Pregnancy", "", ""),
        ("2110-5", "I10", "Beta hCG", "", ""),  # no such code of that system
        ("GLU", "L", "GLUCOSE", "mmol/L", "glucose"),
        ("", "", "", "", ""),
    ],
)
def test_a_result_is_named_where_code_name_and_unit_agree(
    code: str, system: str, text: str, unit: str, concept: str
) -> None:
    """A listed LOINC code with a fitting name and unit; a local code by its whole name; else nothing."""
    assert CONCEPTS.concept_of("lab", code, system, text, unit) == concept


def test_a_vital_sign_is_told_from_a_result() -> None:
    """The section of the file decides the kind."""
    assert CONCEPTS.measured("29463-7", "LN", "WEIGHT", "kg").kind == "vital"
    assert CONCEPTS.measured("2160-0", "LN", "CREATININE", "mg/dL").kind == "lab"


@pytest.mark.parametrize(
    ("value", "reference", "unit"),
    [
        (0.9, "0.6-1.3", "mg/dL"),
        (88.0, "50-110", "umol/L"),
        (88.0, "0.6-1.3", ""),
        (1.1, "50-110", ""),
        (17.0, "", ""),
        (88.0, "", ""),
        (None, "50-110", ""),
        (88.0, "Male: see note", ""),
    ],
)
def test_an_absent_unit_is_told_by_value_and_reference_range_together(
    value: float | None, reference: str, unit: str
) -> None:
    """T1 with C25: the size of the value counts only when OBX-7 agrees; otherwise the result stays raw."""
    found = CONCEPTS.measured("2160-0", "LN", "Creatinine", "")
    assert (found.concept, found.asks) == ("", "creatinine")
    assert found.unit_by(value, reference) == unit


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("IV CONTRAST", "iodinated_contrast"),
        ("Iodinated contrast media", "iodinated_contrast"),
        ("Omnipaque", "iodinated_contrast"),
        ("contrast dye", "iodinated_contrast"),
        ("X-ray dye", "iodinated_contrast"),
        ("Iodine containing contrast", "iodinated_contrast"),
        ("Gadolinium contrast", "gadolinium"),
        ("MRI contrast", "gadolinium"),
        ("Gadavist", "gadolinium"),
        ("ULTRASOUND CONTRAST", "other_contrast"),
        ("iodine", "iodine"),
        ("IODINE AND IODIDE CONTAINING PRODUCTS", "iodine"),
        ("Povidone-iodine", "povidone_iodine"),
        ("Betadine", "povidone_iodine"),
        ("Shellfish", "seafood"),
        ("SHELLFISH-DERIVED PRODUCTS", "seafood"),
        ("shrimp", "seafood"),
        ("hair dye", ""),
        ("Red dye #40", ""),
        ("FD&C Yellow dye", ""),
        ("Penicillin", ""),
    ],
)
def test_allergens_have_classes(text: str, concept: str) -> None:
    """T31, T33: contrast by its many names, iodine and seafood apart, colours are no contrast."""
    assert CONCEPTS.concept_of("allergy", "", "", text) == concept


@pytest.mark.parametrize(
    "text",
    [
        *("NKDA", "nka", "No Known Allergies", "No Known Drug Allergies", "NONE", "None known", "Denies", "NKA."),
        *("no known medication allergies", "NO ALLERGIES", "Denies any allergies", "No known drug or food allergies"),
    ],
)
def test_no_known_allergies_is_an_assertion(text: str) -> None:
    """T30: none_known, never an allergen called NKDA."""
    assert CONCEPTS.statement("allergy", "", "L", text) == ("", "none_known")


def test_codes_say_no_known_allergies_too() -> None:
    """SNOMED 716186003 whatever its words; a local code NONE only where the words do not name an allergen."""
    assert CONCEPTS.statement("allergy", "716186003", "SCT", "No known allergy (situation)").certainty == "none_known"
    assert CONCEPTS.statement("allergy", "NKDA", "L", "").certainty == "none_known"
    assert CONCEPTS.statement("allergy", "NONE", "L", "Penicillin").certainty == ""


@pytest.mark.parametrize(
    ("kind", "text", "certainty"),
    [
        ("allergy", "No contrast allergy", "refuted"),
        ("allergy", "Iodinated contrast", ""),
        ("problem", "No evidence of cirrhosis", "refuted"),
        ("problem", "Cirrhosis without ascites", ""),
        ("problem", "Family history of cirrhosis", "family"),
        ("problem", "Possible cirrhosis", "possible"),
        ("problem", "Cirrhosis?", "possible"),
        ("problem", "Acute kidney injury, ruled out", "refuted"),
        ("problem", "Pacemaker not present", "refuted"),
        ("problem", "Pacemaker not indicated", "refuted"),
        ("problem", "Patient refuses pacemaker", "refuted"),
        ("problem", "Loop recorder, declined", "refuted"),
        ("problem", "Pacemaker removed 2019", ""),  # leads may be left: shown, with its words
        ("allergy", "Iodinated contrast media - tolerated", "refuted"),
        ("allergy", "IV contrast: no reaction", "refuted"),
        ("medication", "No aspirin", ""),
    ],
)
def test_words_that_deny_doubt_or_move_to_the_family(kind: str, text: str, certainty: str) -> None:
    """They are kept with the fact, so that it is never shown as present."""
    assert CONCEPTS.statement(kind, "", "", text).certainty == certainty


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("allergy", "Iodinated contrast - not tolerated"),
        ("allergy", "Contrast not well tolerated"),
        ("allergy", "Iodinated contrast, tolerated after premedication"),
        ("allergy", "Iodinated contrast (tolerates with premedication)"),
        ("allergy", "Contrast dye: no reaction to gadolinium"),
        ("allergy", "Iodinated contrast, delayed rash absent fever"),
        ("problem", "ESRD on hemodialysis, refuses transplant"),
        ("problem", "ESRD on hemodialysis; transplant not indicated"),
        ("problem", "Acute kidney injury, dialysis not required"),
        ("problem", "AKI, obstruction ruled out"),
        ("problem", "Pregnancy, declines genetic screening"),
        ("problem", "Pregnant, fetal heart activity not seen"),
        ("problem", "Contrast allergy, tolerated with steroid prep"),
        ("problem", "Pacemaker, underlying rhythm absent"),
        ("problem", "Not compliant with dialysis"),
    ],
)
def test_a_denial_of_something_else_denies_nothing(kind: str, text: str) -> None:
    """Another clause of the text: what the statement is about stays."""
    assert CONCEPTS.statement(kind, "", "", text).certainty == ""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("problem", "CKD, no dialysis needed"),
        ("problem", "Dialysis declined"),
        ("problem", "Dialysis catheter removed"),
        ("problem", "Refuses hemodialysis"),
        ("problem", "Hx of pregnancy complication"),
        ("medication", "Phytonadione (warfarin reversal)"),
    ],
)
def test_words_about_a_thing_are_not_the_thing(kind: str, text: str) -> None:
    """None of these says that it is there: another concept or none, or one that is refuted."""
    said = CONCEPTS.statement(kind, "", "", text)
    assert said.concept not in {"dialysis", "pregnancy", "vka"} or said.certainty == "refuted"


def test_a_family_history_code_is_the_familys() -> None:
    """Z80 to Z84, with or without words."""
    assert CONCEPTS.statement("problem", "Z80.3", "I10", "").certainty == "family"


@pytest.mark.parametrize(
    ("code", "system", "text", "concept"),
    [
        ("Z99.2", "I10", "Dependence on renal dialysis", "dialysis"),
        ("N186", "ICD-10-CM", "", "dialysis"),
        ("N18.6", "", "End stage renal disease", "dialysis"),
        ("N18.4", "I10", "CKD stage 4", "ckd"),
        ("I12.0", "I10", "Hypertensive CKD with stage 5 CKD or end stage renal disease", "ckd"),
        ("N17.9", "I10C", "Acute kidney failure, unspecified", "aki"),
        ("Z94.0", "I10", "Kidney transplant status", "kidney_transplant"),
        ("Z76.82", "I10", "Awaiting kidney transplant", ""),
        ("K74.60", "I10", "Cirrhosis of liver", "cirrhosis"),
        ("K70.30", "I10", "", "cirrhosis"),
        ("K74.00", "I10", "Hepatic fibrosis", "liver_fibrosis"),
        ("O09.90", "I10", "Supervision of high risk pregnancy", "pregnancy"),
        ("Z33.1", "I10", "", "pregnancy"),
        ("Z32.02", "I10", "Encounter for pregnancy test, result negative", ""),
        ("Z90.710", "I10", "", "hysterectomy"),
        ("Z90.711", "I10", "", "hysterectomy"),
        ("Z90.712", "I10", "", ""),
        ("Z98.51", "I10", "Tubal ligation status", ""),
        ("Z78.0", "I10", "Asymptomatic menopausal state", "menopause"),
        ("Z95.0", "I10", "Presence of cardiac pacemaker", "cied"),
        ("Z95.810", "I10", "", "cied"),
        ("Z95.811", "I10", "", ""),
        ("Z91.041", "I10", "Radiographic dye allergy status", "iodinated_contrast"),
        ("N18.6", "I10", "Presence of cardiac pacemaker", ""),  # code and text name two concepts
        ("V45.11", "I9", "", "dialysis"),
        ("", "", "ESRD on hemodialysis", "dialysis"),
        ("", "", "CKD, not on dialysis", "ckd"),
        ("", "", "Dual chamber ICD in place", "cied"),
        ("", "", "Pacing leads in situ", "cied"),
        ("", "", "ECG leads off", ""),
        ("", "", "ICD-10 coding query", ""),
        ("", "", "ICD 10 code N18", ""),
        ("", "", "ICD code review", ""),
        ("", "", "Wandering atrial pacemaker", ""),
        ("", "", "Not pregnant", ""),
    ],
)
def test_problems_by_code_and_words(code: str, system: str, text: str, concept: str) -> None:
    """ICD-10-CM as prefixes, ICD-9, words with their traps (rules.md 3.0.12, 3.0.16)."""
    assert CONCEPTS.concept_of("problem", code, system, text) == concept


@pytest.mark.parametrize(
    ("code", "system", "text", "concept"),
    [
        ("6809", "RXNORM", "", "metformin"),
        ("860975", "RXNORM", "metformin hydrochloride 500 MG Oral Tablet", "metformin"),
        ("A10BD07", "ATC", "", "metformin"),
        ("", "", "JANUMET 50-1000", "metformin"),
        ("11289", "RXN", "Warfarin", "vka"),
        ("B01AA03", "ATC", "", "vka"),
        ("B01AE07", "ATC", "", "doac"),
        ("", "", "apixaban 5 mg tab", "doac"),
        ("", "", "enoxaparin 40 mg", "heparins"),
        ("", "", "HEPARIN 25,000 UNITS/250 ML", "heparins"),
        ("", "", "heparin lock flush 10 units/mL", "heparin_flush"),
        ("1191", "RXN", "aspirin", "antiplt"),
        ("11289", "RXN", "Metformin", ""),  # code and name disagree
        ("", "", "Hydrocortisone 1% cream", ""),
        ("12", "NDC", "Coumadin 5 mg", "vka"),
    ],
)
def test_drugs_by_code_and_name(code: str, system: str, text: str, concept: str) -> None:
    """ATC prefixes, RxNorm ingredients, names and brands."""
    assert CONCEPTS.concept_of("medication", code, system, text) == concept


def test_every_concept_a_rule_asks_for_is_there() -> None:
    """The first relevance set finds its names."""
    wanted = {
        *(
            "egfr",
            "creatinine",
            "inr",
            "platelets",
            "hgb",
            "weight",
            "height",
            "hcg_quant",
            "hcg_urine",
            "hcg_qual_serum",
        ),
        *("dialysis", "kidney_transplant", "aki", "ckd", "cirrhosis", "pregnancy", "hysterectomy", "menopause", "cied"),
        *("iodinated_contrast", "iodine", "povidone_iodine", "seafood", "gadolinium"),
        *("metformin", "vka", "doac", "heparins", "antiplt"),
    }
    assert wanted <= CONCEPTS.names()


def test_a_specimen_that_contradicts_is_told() -> None:
    """OBR-15 or SPM-4 of urine is no blood creatinine; an INR has its ratio."""
    assert CONCEPTS.wrong_specimen("creatinine", "UR Urine")
    assert not CONCEPTS.wrong_specimen("creatinine", "SER Serum")
    assert not CONCEPTS.wrong_specimen("hcg_urine", "URINE")
    assert not CONCEPTS.wrong_specimen("dialysis", "URINE")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labs": [{"concept": "a", "about": "A", "names": "A", "units": ["furlong"]}]}, "furlong"),
        ({"labs": [{"concept": "a", "about": "(?!A)", "names": "A"}]}, "google-re2"),
        ({"labs": [{"concept": "a", "about": "A", "names": "A", "loincs": ["1-1"]}]}, "loincs"),
        (
            {"labs": [{"concept": name, "about": "A", "names": "A", "loinc": ["1-8"]} for name in "ab"]},
            "1-8 is listed for a and b",
        ),
    ],
)
def test_a_mistake_in_the_file_is_refused(change: dict[str, Any], problem: str) -> None:
    """Unknown units and fields, look-ahead, a code of two meanings."""
    with pytest.raises(ValidationError, match=problem):
        parse_concepts({**DOCUMENT, **change})


@given(st.sampled_from(["lab", "allergy", "problem", "medication", "document"]), st.text(), st.text(), st.text())
def test_any_text_has_an_answer(kind: str, code: str, text: str, unit: str) -> None:
    """Odd codes, texts and units are unknown, never an exception."""
    for system in ("", "LN", "I10", "ATC"):
        assert CONCEPTS.concept_of(kind, code, system, text, unit) in {"", *CONCEPTS.names()}
