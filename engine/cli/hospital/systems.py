"""The systems of the hospital, each writing HL7 in its vendor's way: order of identifiers, line ends, types, Z segments."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from engine.cli.hospital.people import Lab, Patient, Story

AUTHORITY = "HOSP"
_COMPARATORS = (">=", "<=", ">", "<")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment from the fields by number."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def message(segments: Sequence[str], end: str = "\r") -> bytes:
    """Segments as one message, each ended the vendor's way."""
    return "".join(line + end for line in segments).encode("utf-8")


def header(application: str, kind: str, control_id: str, now: datetime, version: str) -> str:
    """MSH of a message of production."""
    return f"MSH|^~\\&|{application}|{AUTHORITY}|BACKSTORY|{AUTHORITY}|{stamp(now)}||{kind}|{control_id}|P|{version}"


def stamp(moment: datetime) -> str:
    """A time with its offset, `20260820093107+0000`."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def name_of(patient: Patient) -> str:
    """PID-5."""
    return f"{patient.family}^{patient.given}"


def admission(patient: Patient, story: Story, kind: str, control_id: str, now: datetime) -> bytes:
    """The registration: MRN first, allergies and problems with every A01, A04 and A08, and a Z segment of its own."""
    lines = [
        header("REGISTRAR", f"ADT^{kind}", control_id, now, "2.5.1"),
        segment("EVN", {1: kind, 2: stamp(now)}),
        _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR~{patient.enterprise}^^^ENT^PI"),
        segment("PV1", {1: "1", 2: "E", 3: "ED^12^1", 19: patient.visit}),
    ]
    lines += [
        segment("AL1", {1: f"{n}", 2: "DA", 3: f"{code}^{text}^L", 4: severity, 5: reaction, 6: "20210312"})
        for n, (code, text, severity, reaction) in enumerate(story.allergies, start=1)
    ]
    lines += [
        segment("DG1", {1: f"{n}", 2: "", 3: f"{code}^{text}^I10", 5: "20240115", 6: "F"})
        for n, (code, text) in enumerate(story.problems, start=1)
    ]
    return message([*lines, segment("ZPV", {1: patient.visit, 5: "REGISTRAR 9.1"})])


def laboratory(patient: Patient, lab: Lab, vendor: int, control_id: str, now: datetime) -> bytes:
    """A result from one of three laboratories."""
    return (_main_laboratory, _branch_laboratory, _bedside)[vendor % 3](patient, lab, control_id, now)


def _main_laboratory(patient: Patient, lab: Lab, control_id: str, now: datetime) -> bytes:
    """The MRN first, LOINC first, numbers as NM, a comparator as SN."""
    kind, value = _structured(lab.value)
    taken = now - timedelta(hours=lab.hours)
    return message(
        [
            header("MAINLAB", "ORU^R01^ORU_R01", control_id, now, "2.5.1"),
            _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR"),
            _request(control_id, f"{lab.local}^{lab.name}^L", taken, now),
            _observation(
                1,
                kind,
                f"{lab.loinc}^{lab.name}^LN^{lab.local}^{lab.name}^L",
                value,
                lab.unit,
                lab.reference,
                lab.flag,
                taken,
            ),
        ]
    )


def _branch_laboratory(patient: Patient, lab: Lab, control_id: str, now: datetime) -> bytes:
    """Its lines end in LF, the enterprise id comes first, its own code first, `>60` stands in a text field."""
    kind = "NM" if lab.value.replace(".", "").isdigit() else "ST"
    taken = now - timedelta(hours=lab.hours)
    lines = [
        header("BRANCHLAB", "ORU^R01", control_id, now, "2.3"),
        _pid(patient, f"{patient.enterprise}^^^ENT^PI~{patient.mrn}^^^{AUTHORITY}^MR"),
        _request(control_id, f"{lab.local}^{lab.name}^99BRL", taken, now),
        _observation(
            1,
            kind,
            f"{lab.local}^{lab.name}^99BRL^{lab.loinc}^{lab.name}^LN",
            lab.value,
            lab.unit,
            lab.reference,
            lab.flag,
            taken,
        ),
        segment("ZBR", {1: "LIS", 3: "7.0.2"}),
    ]
    return message(lines, "\n")


def _bedside(patient: Patient, lab: Lab, control_id: str, now: datetime) -> bytes:
    """A meter at the bedside: short messages, a local code only, the unit spelled its own way."""
    kind = "NM" if lab.value.replace(".", "").isdigit() else "ST"
    unit = {"mL/min/{1.73_m2}": "mL/min/1.73m2", "10*3/uL": "K/uL", "{INR}": ""}.get(lab.unit, lab.unit)
    short = {"98979-8": "eGFR", "2160-0": "Creatinine", "6301-6": "INR", "777-3": "Platelets"}.get(lab.loinc, lab.name)
    taken = now - timedelta(hours=lab.hours)
    return message(
        [
            header("POCT", "ORU^R30", control_id, now, "2.5"),
            _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR"),
            _request(control_id, f"{lab.local}^{short}^L", taken, now),
            _observation(1, kind, f"{lab.local}^{short}^L", lab.value, unit, lab.reference, lab.flag, taken),
        ]
    )


def vitals(patient: Patient, control_id: str, now: datetime) -> bytes:
    """The weight, from the ward's charting system, which writes pounds for some and ends lines in CR LF."""
    heavy = patient.weight > 90
    value, unit = (f"{patient.weight * 2.2046:.0f}", "lb") if heavy else (f"{patient.weight:g}", "kg")
    taken = now - timedelta(hours=1)
    lines = [
        header("WARDCHART", "ORU^R01", control_id, now, "2.4"),
        _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR"),
        _request(control_id, "VITALS^Vital signs^L", taken, now),
        _observation(1, "NM", "29463-7^Body weight^LN", value, unit, "", "", taken),
    ]
    return message(lines, "\r\n")


def pharmacy(patient: Patient, drug: tuple[str, str, str], control_id: str, now: datetime) -> bytes:
    """An encoded medication order that is running."""
    code, text, dose = drug
    since = (now - timedelta(days=40)).strftime("%Y%m%d")
    return message(
        [
            header("DISPENSARY", "RDE^O11^RDE_O11", control_id, now, "2.5.1"),
            _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR"),
            segment("ORC", {1: "NW", 2: f"RX{control_id}", 5: "IP", 9: stamp(now)}),
            segment("RXE", {1: f"1^BID^^{since}", 2: f"{code}^{text}^RXNORM", 3: dose, 5: "mg", 6: "TAB"}),
            segment("RXR", {1: "PO^Oral^HL70162"}),
        ]
    )


def report(patient: Patient, text: str, control_id: str, now: datetime) -> bytes:
    """An older report, as the archive of documents sends it."""
    return message(
        [
            header("ARCHIVE", "MDM^T02^MDM_T02", control_id, now, "2.5"),
            segment("EVN", {1: "T02", 2: stamp(now)}),
            _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR"),
            segment("PV1", {1: "1", 2: "O"}),
            segment(
                "TXA",
                {1: "1", 2: "DI^Diagnostic imaging report", 3: "TX", 4: stamp(now), 12: f"D{control_id}", 17: "LA"},
            ),
            segment("OBX", {1: "1", 2: "TX", 3: "18748-4^Diagnostic imaging report^LN", 5: text, 11: "F"}),
        ]
    )


def imaging_order(patient: Patient, story: Story, accession: str, control_id: str, now: datetime) -> bytes:
    """A new order from one of two departments: 2.3.1 with the time in ORC-7, or 2.5.1 with a TQ1."""
    modern = accession.endswith(("1", "3", "5", "7", "9"))
    exam_at = stamp(now + timedelta(hours=3))
    order = {1: "NW", 2: f"P{accession}", 3: f"F{accession}", 5: "SC", 9: stamp(now)}
    detail = {
        1: "1", 2: f"P{accession}", 3: f"F{accession}", 4: f"{story.exam[0]}^{story.exam[1]}^L", 13: story.question,
        18: accession, 19: f"RP{accession}", 20: f"SPS{accession}", 24: story.modality,
    }  # fmt: skip
    study = f"1.2.826.0.1.3680043.10.511.{accession}"
    if not modern:
        order[7] = detail[27] = f"1^once^^{exam_at}^^R"
    return message(
        [
            header("RADBOOK" if modern else "OLDRIS", "ORM^O01", control_id, now, "2.5.1" if modern else "2.3.1"),
            _pid(patient, f"{patient.mrn}^^^{AUTHORITY}^MR"),
            segment("PV1", {1: "1", 2: "E", 3: "ED^12^1", 19: patient.visit}),
            segment("ORC", order),
            *([segment("TQ1", {1: "1", 7: exam_at, 9: "R"})] if modern else []),
            segment("OBR", detail),
            segment("ZDS", {1: f"{study}^Application^DICOM"}),
        ]
    )


def _pid(patient: Patient, identifiers: str) -> str:
    return segment("PID", {1: "1", 3: identifiers, 5: name_of(patient), 7: patient.birth, 8: patient.sex})


def _request(control_id: str, service: str, taken: datetime, now: datetime) -> str:
    fields = {1: "1", 3: f"L{control_id}", 4: service, 7: stamp(taken), 22: stamp(now), 25: "F"}
    return segment("OBR", fields)


def _observation(
    number: int, kind: str, what: str, value: str, unit: str, reference: str, flag: str, at: datetime
) -> str:
    fields = {1: f"{number}", 2: kind, 3: what, 5: value, 6: unit, 7: reference, 8: flag, 11: "F", 14: stamp(at)}
    return segment("OBX", fields)


def _structured(value: str) -> tuple[str, str]:
    """A plain number as NM, a comparator with its number as SN, words as ST."""
    for comparator in _COMPARATORS:
        if value.startswith(comparator):
            return "SN", f"{comparator}^{value.removeprefix(comparator)}"
    return ("NM", value) if value.replace(".", "").isdigit() else ("ST", value)
