"""Orders that the corpus does not hold: for each patient of a simulated hospital a CT with contrast and a liver biopsy.

The corpus has few imaging orders, and none of a patient of whom it says more. Who the orders are for is taken from the
PID segments as they came; what the laboratory said of the kidneys is read here by splitting bytes, to compare with.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.corpus.frames import Frame

HOSPITAL = "simhospital"
EXAMS = ("CT ABDOMEN AND PELVIS W CONTRAST", "CT GUIDED LIVER BIOPSY")

_LINES = re.compile(rb"[\r\n]+")
_ORDER = """\
MSH|^~\\&|RIS|SYNTHETIC|BACKSTORY|HOSP|20200508200000-0500||ORM^O01|ASKED{0}|P|2.3.1\r{1}\rPV1|1|O\r\
ORC|NW|P{0}^EMR|F{0}^RIS||SC\rOBR|1|P{0}^EMR|F{0}^RIS|X{0}^{2}^L||||||||||||||ACC{0}||||||CT\r"""


class Creatinine(NamedTuple):
    """A value in umol/L."""

    taken: datetime
    value: float


def hospital(frames: Iterable[Frame]) -> list[Frame]:
    """What the simulated hospital sent."""
    return [frame for frame in frames if frame.name.startswith(f"{HOSPITAL}/")]


def asked_orders(frames: Iterable[Frame]) -> Iterator[Frame]:
    """An order of each exam for each patient, with the PID that came last."""
    pids = {
        _number(line): line for frame in _readable(frames) for line in _LINES.split(frame.body) if line[:4] == b"PID|"
    }
    number = 0
    for patient in sorted(pids):
        for exam in EXAMS:
            number += 1
            body = _ORDER.format(number, pids[patient].decode("ascii"), exam).encode("ascii")
            yield Frame(f"asked/{number}", "ris", body, "AA", "AA")


def risen_creatinine(frames: Iterable[Frame], now: datetime) -> set[str]:
    """Patients whose newest creatinine, of the last seven days, is a kidney injury by KDIGO's numbers."""
    values: dict[str, set[Creatinine]] = {}
    for patient, taken, value in _results(frames, "Creatinine"):
        if re.fullmatch(r"\d+(\.\d+)?", value):
            values.setdefault(patient, set()).add(Creatinine(taken, float(value)))
    return {patient for patient, found in values.items() if _risen(sorted(found), now)}


def low_egfr(frames: Iterable[Frame]) -> set[str]:
    """Patients with an eGFR below 15, which is what this laboratory sends of those whom it warns of."""
    return {patient for patient, _, value in _results(frames, "eGFR (MDRD)") if value == "<15"}


def _risen(values: list[Creatinine], now: datetime) -> bool:
    newest = values[-1]
    if now - newest.taken > timedelta(days=7):
        return False
    return any(
        (newest.taken - one.taken <= timedelta(hours=48) and newest.value - one.value >= 26.5)
        or (newest.taken - one.taken <= timedelta(days=7) and newest.value >= 1.5 * one.value)
        for one in values[:-1]
    )


def _results(frames: Iterable[Frame], name: str) -> Iterator[tuple[str, datetime, str]]:
    """(patient, when it was taken, OBX-5) of every result of this name; OBX-14, else OBR-7 (T17)."""
    for frame in _readable(frames):
        patient = ordered = ""
        for line in _LINES.split(frame.body):
            fields = [*line.decode("ascii").split("|"), *[""] * 20]
            if fields[0] == "PID":
                patient = _number(line)
            elif fields[0] == "OBR":
                ordered = fields[7]
            elif fields[0] == "OBX" and fields[3].split("^")[1:2] == [name]:
                yield patient, datetime.strptime(fields[14] or ordered, "%Y%m%d%H%M%S"), fields[5]  # noqa: DTZ007


def _readable(frames: Iterable[Frame]) -> Iterator[Frame]:
    return (frame for frame in frames if frame.verdict == "AA" and frame.body.isascii())


def _number(pid: bytes) -> str:
    return pid.split(b"|")[3].split(b"^")[0].decode("ascii")
