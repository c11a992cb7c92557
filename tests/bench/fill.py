"""Data folders as a hospital's week leaves them: a million entries, 3,000 patients of 60 facts, everything processed.

    python -m tests.bench.fill FOLDER [--entries 1000000] [--patients 3000] [--lanes 1]

journal.db holds the entries (ADT 40, ORU 40, ORM 20 %), the lanes and their attempts; store.db what the worker would
have committed: outcomes, search keys, facts, orders and the outbox. They agree: the cursor stands at the journal's tail,
every outbox row was sent, every lane is done up to its outbox tail.
"""

import argparse
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.channel.ports import (
    Attempt,
    Commit,
    Cursor,
    Decision,
    Kind,
    Lane,
    OutcomeRow,
    Outgoing,
    Received,
    SearchKey,
)
from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.store import open_journal, open_store

BATCH = 8_192  # entries of one transaction
STEP = 600_000  # microseconds between two entries: a million of them are a week
CONFIGURATION = "9f2c1d7a6b3e4850"
RESULTS = 18  # results with facts for each patient, three facts each; one admission carries six more
ANALYTES = (
    ("48642-3", "GFR/1.73 sq M predicted", "egfr", "mL/min/{1.73_m2}", ">60"),
    ("2160-0", "Creatinine", "creatinine", "mg/dL", "0.6-1.2"),
    ("718-7", "Hemoglobin", "hemoglobin", "g/dL", "12.0-16.0"),
    ("777-3", "Platelets", "platelets", "10*3/uL", "150-400"),
    ("6301-6", "INR", "inr", "", "0.9-1.1"),
    ("3016-3", "Thyrotropin", "tsh", "mIU/L", "0.4-4.0"),
)
ALLERGENS = ("Penicillin", "Latex", "Shellfish")
PROBLEMS = (("E11.9", "Type 2 diabetes mellitus"), ("I10", "Essential hypertension"))
EXAMS = (
    ("CTABD", "CT ABDOMEN W CONTRAST", "CT", "ABD", "IOD"),
    ("MRBRAIN", "MR BRAIN WO CONTRAST", "MR", "BRAIN", "WO"),
)
FAMILIES = ("OKONKWO", "LINDQVIST", "MARCHETTI", "NAKAMURA", "O'BRIEN", "PRZYBYLSKI", "QURESHI", "VANDERBERG")
STREETS = ("Harbour Road", "Mill Lane", "Chestnut Avenue", "Station Street")


class One(NamedTuple):
    """One message of the week: its number from 1, what it is, and which of the patients it is about."""

    number: int
    feed: str  # ADT ORU ORM
    patient: int
    received: int
    stamp: bytes  # DTM


def feed_of(number: int) -> str:
    return ("ADT", "ORU", "ADT", "ORU", "ORM")[number % 5]


def patient_of(number: int, patients: int) -> int:
    """Every patient once in each round, in another place of each round."""
    return (number + number // patients) * 7919 % patients


class Week:
    """The messages and what they mean, all from their number."""

    def __init__(self, entries: int, patients: int, until: int) -> None:
        self.entries = entries
        self.patients = patients
        self._start = until - entries * STEP
        self.with_facts = self._latest()

    def _latest(self) -> set[int]:
        """Numbers of the messages that carry facts: for each patient the last results and the last admission."""
        left = {"ORU": [RESULTS] * self.patients, "ADT": [1] * self.patients, "ORM": [0] * self.patients}
        found = set()
        for number in range(self.entries, 0, -1):
            patient = patient_of(number, self.patients)
            feed = left[feed_of(number)]
            if feed[patient]:
                feed[patient] -= 1
                found.add(number)
        return found

    def one(self, number: int) -> One:
        received = self._start + number * STEP
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(received // 1_000_000)).encode()
        return One(number, feed_of(number), patient_of(number, self.patients), received, stamp)

    def batches(self) -> Iterator[list[One]]:
        for start in range(1, self.entries + 1, BATCH):
            yield [self.one(number) for number in range(start, min(start + BATCH, self.entries + 1))]


def mrn(patient: int) -> str:
    return f"{1_000_000 + patient}"


def key_of(patient: int) -> str:
    return f"HOSP|MR|{mrn(patient)}"


def pid(one: One) -> bytes:
    family = FAMILIES[one.patient % len(FAMILIES)]
    return (
        f"PID|1||{mrn(one.patient)}^^^HOSP^MR~{90_000 + one.patient}^^^ENT^PI||{family}^TEST{one.patient}^J||"
        f"{born(one)}|{'MF'[one.patient % 2]}|||"
        f"{one.patient % 300 + 1} {STREETS[one.patient % 4]}^^SPRINGFIELD^IL^62701^USA||555-0{one.patient % 1000:03}|||M\r"
        f"PV1|1|{'IO'[one.patient % 2]}|3W^{one.patient % 40 + 1}^A^HOSP||||1234^ATTEND^ANNA^A^^DR|||MED||||||||"
        f"1234^ATTEND^ANNA|{'IO'[one.patient % 2]}|V{one.patient:06}\r"
    ).encode()


def born(one: One) -> str:
    return f"19{one.patient % 80 + 10}0{one.patient % 9 + 1}15"


def header(one: One, sender: str, event: str, version: str) -> bytes:
    stamp = one.stamp.decode()
    return f"MSH|^~\\&|{sender}|HOSP|BACKSTORY|HOSP|{stamp}||{event}|{control_id(one)}|P|{version}\r".encode()


def control_id(one: One) -> str:
    return f"{one.feed}{one.number:010}"


def body_of(one: One) -> bytes:
    if one.feed == "ADT":
        allergies = "".join(f"AL1|{n}|DA|^{a}||RASH|20200101\r" for n, a in enumerate(ALLERGENS, 1))
        problems = "".join(f"DG1|{n}||{c}^{t}^I10||20210301|W\r" for n, (c, t) in enumerate(PROBLEMS, 1))
        event = b"EVN|A08|%b\r" % one.stamp
        kin = f"NK1|1|{FAMILIES[one.patient % len(FAMILIES)]}^KIN{one.patient}|SPO^Spouse^HL70063|{STREETS[0]}^^SPRINGFIELD^IL|555-0199\r"
        rest = (kin + allergies + problems).encode()
        return header(one, "EMR", "ADT^A08^ADT_A01", "2.5.1") + event + pid(one) + rest
    if one.feed == "ORU":
        obr = f"OBR|1|P{one.number}|L{one.number}|24323-8^Comprehensive panel^LN|||{one.stamp.decode()}|||||||||||||||{one.stamp.decode()}||LAB|F\r"
        obx = "".join(
            f"OBX|{n}|NM|{code}^{text}^LN||{value_of(one, n)}|{unit}|{normal}|N|||F|||{one.stamp.decode()}||TECH7\r"
            for n, (code, text, _, unit, normal) in enumerate(analytes_of(one), 1)
        )
        return header(one, "LAB", "ORU^R01^ORU_R01", "2.5.1") + pid(one) + (obr + obx).encode()
    code, text, modality, *_ = EXAMS[one.number % 2]
    orc = f"ORC|NW|P{one.number}|F{one.number}||SC||^^^{one.stamp.decode()}^^R||{one.stamp.decode()}|CLERK||1234^ATTEND^ANNA\r"
    obr = f"OBR|1|P{one.number}|F{one.number}|{code}^{text}^L||||||||||||1234^ATTEND^ANNA||A{one.number}||||||{modality}|||^^^{one.stamp.decode()}^^R\r"
    note = "NTE|1|P|Pain in the right lower quadrant since two days, fever, rebound; appendicitis?\r"
    zds = f"ZDS|1.2.840.99999.{one.number}^RIS^APPLICATION^DICOM\r"
    return header(one, "RIS", "ORM^O01", "2.3.1") + pid(one) + (orc + obr + note + zds).encode()


def analytes_of(one: One) -> list[tuple[str, str, str, str, str]]:
    return [ANALYTES[(one.number + n) % len(ANALYTES)] for n in range(3)]


def value_of(one: One, n: int) -> str:
    return f"{(one.number * 7 + n * 13) % 900 / 10:.1f}"


LISTENERS = {"ADT": "adt", "ORU": "lab", "ORM": "ris"}
SENDERS = {"ADT": b"EMR", "ORU": b"LAB", "ORM": b"RIS"}
CHANNELS = {"ADT": "adt", "ORU": "results", "ORM": "orders_to_pacs"}


def received_of(one: One) -> Received:
    identity = b"%b\0HOSP\0%b" % (SENDERS[one.feed], control_id(one).encode())
    peer = f"10.1.0.{len(one.feed) + one.number % 3}:{40_000 + one.number // 5_000}"
    return Received(
        LISTENERS[one.feed], peer, one.received, body_of(one), "utf-8", Kind.MESSAGE, "AA", "charset_assumed", identity
    )


def facts_of(one: One) -> list[Fact]:
    def fact(ordinal: int, kind: str, concept: str, code: tuple[str, str], text: str, *rest: str) -> Fact:
        value, unit, normal, key, path = rest
        number = float(value) if kind == "lab" else None
        return Fact(
            *(key_of(one.patient), one.number, 1, ordinal, kind, concept, *code, text, number, "", value, unit, normal),
            *("N" if kind == "lab" else "", "F" if kind == "lab" else "", "", one.received, 0, one.received),
            *(one.received, f"V{one.patient:06}", key, path, LISTENERS[one.feed], f"{text} {value} {unit}".strip()),
        )

    if one.feed == "ORU":
        return [
            fact(300 + 100 * n, "lab", concept, (code, "LN"), text, value_of(one, n), unit, normal, code, f"OBX[{n}]-5")
            for n, (code, text, concept, unit, normal) in enumerate(analytes_of(one), 1)
        ]
    family = FAMILIES[one.patient % len(FAMILIES)]
    return [
        fact(200, "demographics", "", (born(one), ""), family, f"TEST{one.patient}", "", "", "demographics", "PID"),
        *(
            fact(400 + 100 * n, "allergy", "", ("", ""), text, "RASH", "", "", text, f"AL1[{n}]-3")
            for n, text in enumerate(ALLERGENS, 1)
        ),
        *(
            fact(700 + 100 * n, "problem", "", (code, "I10"), text, "", "", "", code, f"DG1[{n}]-3")
            for n, (code, text) in enumerate(PROBLEMS, 1)
        ),
    ]


def keys_of(one: One) -> list[SearchKey]:
    keys = [SearchKey("patient", key_of(one.patient), one.number), SearchKey("control_id", control_id(one), one.number)]
    if one.feed == "ADT":
        keys.append(SearchKey("visit", f"V{one.patient:06}", one.number))
    if one.feed == "ORM":
        found = (("accession", "A"), ("placer", "P"), ("filler", "F"))
        keys += [SearchKey(kind, f"{letter}{one.number}", one.number) for kind, letter in found]
        keys.append(SearchKey("sent", f"B{one.number:019}", one.number))
    return keys


def order_of(one: One) -> Order:
    code, text, modality, region, contrast = EXAMS[one.number % 2]
    n = one.number
    return Order(
        *(
            f"A{n}",
            key_of(one.patient),
            f"A{n}",
            f"P{n}",
            f"F{n}",
            f"V{one.patient:06}",
            "NW",
            "SC",
            "OPEN",
            code,
            text,
        ),
        *(modality, region, contrast, one.received + 3_600_000_000, n, one.received, "ris"),
    )


def lane_of(one: One, lanes: int) -> int:
    return zlib.crc32(key_of(one.patient).encode()) % lanes


def outgoing_of(one: One, lanes: int) -> Outgoing:
    note = b"NTE|1|L|EMR> eGFR 24 (19Aug) falling; severe contrast reaction 2021; metformin; weight 81 kg\r"
    return Outgoing(
        *("pacs", lane_of(one, lanes), key_of(one.patient), body_of(one) + note, f"B{one.number:019}", one.number),
        *("orders_to_pacs", 1, f"A{one.number}", 0, CONFIGURATION, one.received),
    )


def fill(folder: Path, *, entries: int = 1_000_000, patients: int = 3_000, lanes: int = 1, until: int = 0) -> None:
    """Make journal.db and store.db in an empty folder; `until` is when the week ends, in UTC microseconds (0: now)."""
    folder.mkdir(parents=True, exist_ok=True)
    week = Week(entries, patients, until or time.time_ns() // 1000)
    journal = open_journal(folder / "journal.db")
    store = open_store(folder / "store.db")
    done: Counter[int] = Counter()
    for batch in week.batches():
        with journal.transaction() as tx:
            tx.log.append([received_of(one) for one in batch])
            for one in batch:
                if one.feed == "ORM":
                    lane = lane_of(one, lanes)
                    done[lane] += 1
                    sent = Attempt("pacs", lane, done[lane], one.received + 20_000, Decision.SENT, "AA")
                    tx.wire.record(sent, Lane("pacs", lane, done[lane]))
        journal.checkpoint()
        while journal.behind:
            journal.checkpoint()
        store.commit(commit_of(batch, week, lanes))
        store.checkpoint()
    journal.close()
    store.close()


def commit_of(batch: list[One], week: Week, lanes: int) -> Commit:
    """What the worker commits for these messages."""
    orders = [one for one in batch if one.feed == "ORM"]
    span = Span(batch[0].received, batch[-1].received)
    new = [one for one in batch if one.number <= week.patients]
    return Commit(
        cursors=(Cursor("live", 0, batch[-1].number),),
        facts=[fact for one in batch if one.number in week.with_facts for fact in facts_of(one)],
        identity=[
            IdentityEvent(one.number, 1, 0, "link", key_of(one.patient), f"ENT|PI|{90_000 + one.patient}", one.received)
            for one in new
        ],
        orders=[order_of(one) for one in orders],
        outcomes=[
            OutcomeRow(
                *(one.number, CHANNELS[one.feed], 1, 2, "", "", "", "done" if one.feed == "ORM" else ""),
                *("", "", CONFIGURATION, one.received + 5_000),
            )
            for one in batch
        ],
        keys=[key for one in batch for key in keys_of(one)],
        outgoing=[outgoing_of(one, lanes) for one in orders],
        coverage={("lab", "HOSP"): span, ("allergy", "HOSP"): span, ("problem", "HOSP"): span},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a data folder that holds a hospital's week.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--patients", type=int, default=3_000)
    parser.add_argument("--lanes", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    fill(given.folder, entries=given.entries, patients=given.patients, lanes=given.lanes)
    print(f"{given.folder}: {given.entries} entries in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
