"""What each entry of a run came to, in words: the labels that are counted and explained."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

from engine.channel.outcome import Status
from engine.channel.ports import Entry, Kind, OutcomeRow
from engine.channel.site import load_site
from engine.hl7.groups import order_groups
from engine.hl7.message import Message
from engine.order.exam import classify
from engine.order.lifecycle import OPEN, state_of
from engine.order.reading import control, modality
from engine.patient.fact import Fact
from engine.patient.identity import pick_identifier
from engine.steps.mappings import Mappings
from engine.steps.track_order import is_imaging
from tests.corpus.through_engine import Run
from tests.e2e.engine_process import ROOT

FILTERED, TRANSFORMED, FAILED = Status.FILTERED, Status.TRANSFORMED, Status.FAILED
ORDERS = "orders_to_pacs"
_CLINICAL = {"AL1", "DG1", "IAM", "OBX", "PR1", "PRB", "RXA", "RXC", "RXD", "RXE", "RXO", "TXA"}
_STATUSES = {"", *"ABCDFINOPRSUVWX"}  # table 0085; A, D and I are also ours for medications
_TAKES_BACK = {"A11", "A12", "A13", "A23", "A29"}  # T29

_FLAGS = {
    "merge_not_applied": r"merge_not_applied MRG-1",
    "lf_line_ends": r"lf_line_ends",
    "batch": r"batch",
    "datetime_odd": r"datetime_odd",
    "version_unknown": r"version_unknown",
    "local_type": r"local_type",
    "refused": r"refused_\w+",
    "unmapped": r"unmapped \S+ \S+",
    "enrichment_withheld": r"enrichment_withheld: (?:MSH-11 marks a test or training message|PV1-16 marks a person whose facts are withheld)",
    "document_not_read": r"document_not_read \S+",
    "time_in_future": r"time_in_future \S+",
}


class Labels:
    """Counts of what a run came to."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._entries = run.entries
        self._facts: dict[int, list[Fact]] = {}
        self._patients: dict[str, list[Fact]] = {}
        for fact in run.facts:
            self._facts.setdefault(fact.entry, []).append(fact)
            self._patients.setdefault(fact.patient, []).append(fact)
        self._messages: dict[int, Message] = {}

    @cached_property
    def refused(self) -> Counter[str]:
        """Quarantined entries by the verdict."""
        return Counter(_refusal(entry) for entry in self._entries.values() if entry.kind is Kind.QUARANTINED)

    @cached_property
    def channels(self) -> Counter[tuple[str, str]]:
        """Outcomes by channel ("" = none) and status; refused entries are counted by `refused`."""
        return Counter((row.channel, Status(row.status).name) for row in self._processed())

    @cached_property
    def filtered(self) -> Counter[str]:
        """Entries that no channel takes, by message type."""
        rows = (row for row in self._processed() if row.status == FILTERED)
        return Counter(f"{row.channel} {self._message(row).get('MSH-9.1')}".strip() for row in rows)

    @cached_property
    def failed(self) -> Counter[str]:
        return Counter(self._failure(row) for row in self._processed() if row.status == FAILED)

    @cached_property
    def nothing_kept(self) -> Counter[str]:
        """Entries that a context channel took and that added no fact."""
        context = (row for row in self._processed() if row.status == TRANSFORMED and row.channel != ORDERS)
        return Counter(self._nothing(row) for row in context if row.entry not in self._facts)

    @cached_property
    def enriched(self) -> Counter[str]:
        """Messages of the order channel by what enrichment made of them."""
        rows = (row for row in self._processed() if row.channel == ORDERS and row.status == TRANSFORMED)
        return Counter(self._enrichment(row) for row in rows)

    @cached_property
    def flags(self) -> Counter[str]:
        """Entries by flag, each flag once; what is not known here stands as it is."""
        found: Counter[str] = Counter()
        for row in self._run.outcomes:
            found.update(set(_flags(self._entries[row.entry].flags)) | set(_flags(row.flags)))
        return found

    @cached_property
    def kinds(self) -> Mapping[str, tuple[int, int, int]]:
        """Of each kind of fact: how many, how many with a concept, of how many identifiers."""
        found: dict[str, list[Fact]] = {}
        for fact in self._run.facts:
            if fact.kind != "snapshot":
                found.setdefault(fact.kind, []).append(fact)
        return {
            kind: (len(facts), sum(bool(fact.concept) for fact in facts), len({fact.patient for fact in facts}))
            for kind, facts in sorted(found.items())
        }

    @cached_property
    def statuses(self) -> Counter[str]:
        """Facts by a status that table 0085 does not have."""
        return Counter(fact.status for fact in self._run.facts if fact.status not in _STATUSES)

    @cached_property
    def unread(self) -> Counter[str]:
        """Segments that say something clinical and of which, in messages of their type, nothing is ever kept."""
        seen: Counter[str] = Counter()
        read: set[str] = set()
        for row in self._processed():
            if row.status == TRANSFORMED:
                message, facts = self._message(row), self._facts.get(row.entry, ())
                kept = {fact.ordinal // 100 for fact in facts if fact.kind != "snapshot"}
                documents = {"OBX"} if any(fact.kind == "document" for fact in facts) else set()  # their lines
                for segment in message.segments:
                    if segment.name in _CLINICAL:
                        label = f"{segment.name} in {message.get('MSH-9.1')}"
                        seen[label] += 1
                        read |= {label} if segment.index in kept or segment.name in documents else set()
        return Counter({label: count for label, count in seen.items() if label not in read})

    def _processed(self) -> Iterator[OutcomeRow]:
        return (row for row in self._run.outcomes if self._entries[row.entry].kind is Kind.MESSAGE)

    def _message(self, row: OutcomeRow) -> Message:
        entry = self._entries[row.entry]
        if row.entry not in self._messages:
            self._messages[row.entry] = Message.parse(entry.body, entry.charset)
        return self._messages[row.entry]

    def _failure(self, row: OutcomeRow) -> str:
        message = self._message(row)
        if (row.step, row.path, row.reason) == ("store_facts", "PID", "no PID; a patient is wanted"):
            others = {segment.name for segment in message.segments} - {"MSH", "EVN"}
            return "no PID, other segments" if others else "no PID, nothing but a header"
        if (row.step, row.path, row.reason) == (
            "store_facts",
            "PID-3",
            "no identifier of the patient; one is wanted",
        ):
            values = [field.strip(b"^~&") for field in message.all("PID")[0].fields[2:]]
            return "a PID with values and no number" if any(values) else "a PID that says nothing"
        return f"{row.channel} {row.step} {row.path} {row.reason}"

    def _nothing(self, row: OutcomeRow) -> str:
        message = self._message(row)
        if row.channel == "results" and not any(obx.get(5) for obx in message.all("OBX")):
            return "an ORU without a value"
        if row.channel == "documents" and not any(obx.get(5) for obx in message.all("OBX")):
            return "an MDM without text"
        if row.channel == "adt" and message.get("MSH-9.2") in _TAKES_BACK:
            return "an ADT that takes something back"
        if row.channel == "adt" and message.count("MRG"):
            return "an ADT that changes or merges numbers"
        if row.channel == "adt":
            return self._known_already(row, message)
        return f"{row.channel} kept nothing of entry {row.entry}"

    def _known_already(self, row: OutcomeRow, message: Message) -> str:
        said = {*_persons(message), *_listed(message)}
        if not said:
            return "an ADT that says only a number"
        earlier = (fact for fact in self._patients.get(_patient(message), ()) if fact.entry < row.entry)
        before = {told for fact in earlier for told in _told(fact)}
        return "an ADT that says what was known" if said <= before else f"adt kept nothing of entry {row.entry}"

    def _enrichment(self, row: OutcomeRow) -> str:
        if row.enrichment != "nothing":
            return row.enrichment
        message = self._message(row)
        mappings = _mappings()
        groups = [group for group in order_groups(message) if group.detail is not None and group.detail.name == "OBR"]
        imaging = [
            one for one in groups if one.detail and is_imaging(one, classify(one.detail, mappings.exams, modality(one)))
        ]
        if not imaging:
            return "no imaging"
        orcs = [control(group) for group in imaging]
        if all(orc is not None and state_of(orc.get(1) or "", orc.get(5, 1) or "") != OPEN for orc in orcs):
            return "over"
        known = any(fact.entry < row.entry for fact in self._patients.get(_patient(message), ()))
        return "nothing that a rule asks for" if known else "nobody known"


def _refusal(entry: Entry) -> str:
    """`AR 101 MSH-9`: code and number in original mode, and the field of the header."""
    silent = re.search(r"refused_(\w\w)_(\d+)", entry.flags)
    code, number, place = (*silent.groups(), "") if silent else [*entry.answer.split("|"), "", ""][:3]
    if number == "101":
        header = Message.parse(entry.body, "latin-1").segments[0]
        place = "MSH-9" if not header.get(9) or not header.get(9, 1) else "MSH-10"
    else:
        place = ""
    return f"A{code[1:]} {number} {place}".strip()


def _flags(text: str) -> Iterator[str]:
    """The known flags of a text, and the rest of it as it is."""
    for label, pattern in _FLAGS.items():
        text, times = re.subn(rf"(?<!\S){pattern}(?!\S)", "", text)
        if times:
            yield label
    if text.strip():
        yield " ".join(text.split())


def _patient(message: Message) -> str:
    who = pick_identifier(message.first("PID"), "HOSP", ("MR", "PI"))
    return who.key if who else ""


def _persons(message: Message) -> Iterator[tuple[str, str]]:
    pid = message.all("PID")[0]
    texts = (pid.get(5, 1, 1), pid.get(5, 2), pid.get(7, 1), pid.get(8, 1))
    person = tuple((text or "").strip() for text in texts)
    if any(person):
        yield "person", "|".join(person)


def _listed(message: Message) -> Iterator[tuple[str, str]]:
    for name, kind in (("AL1", "allergy"), ("DG1", "problem")):
        for row in message.all(name):
            if row.get(3):
                yield kind, row.get(3, 1) or row.get(3, 2) or ""


def _told(fact: Fact) -> Iterator[tuple[str, str]]:
    if fact.kind == "demographics":
        yield "person", f"{fact.text}|{fact.value_text}|{fact.code}|{fact.flag}"
    elif fact.kind in {"allergy", "problem"}:
        yield fact.kind, fact.code or fact.text


def _mappings() -> Mappings:
    site = load_site(ROOT).site
    assert site is not None
    return site.mappings
