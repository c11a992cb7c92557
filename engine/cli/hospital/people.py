"""Patients who never lived, and the stories that their messages tell."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

_FAMILIES = (
    *("ALDERBROOK", "BRIARWOOD", "COPPERFIELD", "DUNMORE", "ELLERY", "FAIRWEATHER", "GREENHILL", "HOLLOWAY", "IVES"),
    *("JASPER", "KINGSLEY", "LARKSPUR", "MERRIDEW", "NETTLES", "OAKHURST", "PENROSE", "QUILLER", "ROWANTREE"),
)
_GIVEN_F = ("ADA", "BEATRICE", "CLARA", "DOROTHEA", "EDITH", "FLORA", "GRETA", "HARRIET", "IRENE", "JUNIPER")
_GIVEN_M = ("ALBERT", "BENEDICT", "CEDRIC", "DESMOND", "EDMUND", "FELIX", "GILBERT", "HUMPHREY", "IGOR", "JULIAN")


class Patient(NamedTuple):
    """Who a message is about."""

    mrn: str
    enterprise: str
    family: str
    given: str
    birth: str  # YYYYMMDD
    sex: str
    visit: str
    weight: float  # kg


class Lab(NamedTuple):
    """A result: code, name and unit as LOINC has them, and how many hours ago it was taken."""

    loinc: str
    local: str
    name: str
    value: str  # may begin with a comparator: ">60"
    unit: str
    reference: str
    flag: str
    hours: int


class Story(NamedTuple):
    """What the systems of the hospital know about a patient, and the exam that is ordered."""

    exam: tuple[str, str]  # OBR-4.1, OBR-4.2
    modality: str
    question: str  # OBR-13 as the clinician wrote it, "" where nothing was written
    sex: str = ""
    allergies: tuple[tuple[str, str, str, str], ...] = ()  # code, text, severity, reaction
    problems: tuple[tuple[str, str], ...] = ()  # ICD-10, text
    labs: tuple[Lab, ...] = ()
    drugs: tuple[tuple[str, str, str], ...] = ()  # RxNorm, text, dose
    report: str = ""


def egfr(value: str, hours: int, flag: str = "L") -> Lab:
    """An estimated filtration rate by the 2021 formula."""
    return Lab("98979-8", "GFRE", "eGFR CKD-EPI 2021", value, "mL/min/{1.73_m2}", ">60", flag, hours)


def creatinine(value: str, hours: int) -> Lab:
    """A serum creatinine."""
    return Lab("2160-0", "CREA", "Creatinine", value, "mg/dL", "0.6-1.2", "H", hours)


_INR = Lab("6301-6", "INR", "INR", "2.4", "{INR}", "0.9-1.1", "H", 9)
_PLATELETS = Lab("777-3", "PLT", "Platelets", "41", "10*3/uL", "150-400", "L", 9)
_HCG = Lab("2110-5", "HCGQ", "HCG Qual Serum", "POSITIVE", "", "NEGATIVE", "A", 20)
_CONTRAST = ("CM", "Iodinated contrast media", "SV", "HIVES~BRONCHOSPASM")

STORIES = (
    Story(
        *(("CTABDPELW", "CT ABDOMEN AND PELVIS W CONTRAST"), "CT", "RLQ pain, appendicitis?"),
        allergies=(_CONTRAST,),
        labs=(egfr("31", 240), creatinine("1.9", 30), egfr("24", 26)),
        drugs=(("6809", "metformin 1000 MG Oral Tablet", "1000"),),
    ),
    Story(
        *(("MRBRWWO", "MR BRAIN W AND WO CONTRAST"), "MR", "New seizures"),
        problems=(("Z95.0", "Presence of cardiac pacemaker"),),
        labs=(egfr("72", 50, ""),),
    ),
    Story(
        *(("USBXLIV", "US GUIDED BIOPSY LIVER"), "US", "Segment VI lesion"),
        problems=(("K74.60", "Unspecified cirrhosis of liver"),),
        labs=(_INR, _PLATELETS),
        drugs=(("1364430", "apixaban 5 MG Oral Tablet", "5"),),
    ),
    Story(
        *(("CTCHW", "CT CHEST W CONTRAST"), "CT", "Cough, weight loss"),
        allergies=(("NKDA", "No known drug allergies", "", ""),),
        labs=(egfr(">60", 70, ""),),
    ),
    Story(
        *(("CTABDW", "CT ABDOMEN W CONTRAST"), "CT", ""),
        sex="F",
        problems=(("Z33.1", "Pregnant state, incidental"),),
        labs=(_HCG, egfr("95", 20, "")),
    ),
    Story(
        *(("CTAPE", "CT ANGIO CHEST PE PROTOCOL"), "CT", "Dyspnea, D-dimer positive"),
        allergies=(("SHELL", "Shellfish", "MO", "RASH"),),
        labs=(egfr("38", 12),),
        drugs=(("11289", "warfarin 5 MG Oral Tablet", "5"),),
    ),
    Story(("XRCH2V", "XR CHEST 2 VIEWS"), "CR", "Follow-up pneumonia"),
    Story(
        *(("MRABDWWO", "MR ABDOMEN W AND WO CONTRAST"), "MR", "Cystic lesion of the pancreas"),
        labs=(egfr("29", 400), egfr("22", 30)),
        problems=(("N18.4", "Chronic kidney disease, stage 4"),),
    ),
    Story(("CTHWO", "CT HEAD WO CONTRAST"), "CT", "Fall on anticoagulant?"),
    Story(
        *(("CTABDPELW", "CT ABDOMEN AND PELVIS W CONTRAST"), "CT", "Known aneurysm"),
        problems=(("Z99.2", "Dependence on renal dialysis"),),
        report="CT ABDOMEN 2024: INFRARENAL AORTIC ANEURYSM 4.1 CM.",
    ),
)


def patients(random: Random) -> Iterator[tuple[Patient, Story]]:
    """One patient after the other, each with a story; the stories come in turn, people at random."""
    number = 0
    while True:
        story = STORIES[number % len(STORIES)]
        number += 1
        sex = story.sex or random.choice("FM")
        birth = f"{random.randrange(1972, 2000) if story.sex else random.randrange(1938, 2004)}"
        yield (
            Patient(
                mrn=f"{100_000 + number * 7 + random.randrange(7)}",
                enterprise=f"E{random.randrange(10**8, 10**9)}",
                family=random.choice(_FAMILIES),
                given=random.choice(_GIVEN_F if sex == "F" else _GIVEN_M),
                birth=f"{birth}{random.randrange(1, 13):02}{random.randrange(1, 29):02}",
                sex=sex,
                visit=f"V{200_000 + number}",
                weight=float(random.randrange(48, 118)),
            ),
            story,
        )
