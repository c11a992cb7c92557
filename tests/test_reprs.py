"""No object of ours shows content of a message in its repr: a debugger, a log or a traceback may print any of them (D22).

The shipped channels run over the samples with canaries in them, are searched, explained and compared, and every object of
the engine that any of its functions takes, holds or returns on the way is printed.
"""

import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from engine.channel import process as processing
from engine.channel.ports import Kind, Received
from engine.channel.receive import Answer
from engine.channel.site import load_site
from engine.cli.explain import explanation
from engine.cli.message_page import message_page
from engine.cli.search import Criteria, search
from engine.cli.site import Readers
from engine.hl7.datatypes import Cwe, Cx, Xpn
from engine.hl7.message import Message
from engine.store import MemoryJournal, MemoryStore

ROOT = Path(__file__).parents[1]
ENGINE = str(ROOT / "engine")
START = 1_787_227_200_000_000  # 2026-08-20 12:00 UTC
SAMPLES = [
    ("adt", "adt_a01_doe"),
    ("lab", "oru_egfr_31"),
    ("lab", "oru_egfr_24"),
    ("lab", "oru_weight"),
    ("pharmacy", "rde_metformin"),
    ("documents", "mdm_t02"),
    ("ris", "orm_ct_abdomen"),
]
# what only feeds say, in places where it still means what it did
CANARIES = {
    b"DOE^JANE": b"CNRYDOE^CNRYJANE",
    b"12345": b"CNRY12345",
    b"ACC1": b"CNRYACC1",
    b"CT ABD PELVIS W IV CONTRAST": b"CT ABD PELVIS W IV CONTRAST CNRYEXAM",
    b"Iodinated contrast media": b"Iodinated contrast media CNRYALLERGY",
    b"HIVES": b"CNRYHIVES",
    b"Seen in clinic": b"CNRYNOTE",
    b"metformin": b"metformin CNRYDRUG",
    b"RADCT": b"CNRYWARD",
    b"|V1": b"|CNRYVISIT",
    b"eGFR CKD-EPI 2021": b"eGFR CNRYNAME",
}
SAFE = {("MSH", 3), ("MSH", 4), ("MSH", 10)}  # what a log may show of a message is MSH-10 alone (C12)
VIP = ("PV1", 16)  # of somebody else: it would withhold the patient's story
CANARY = re.compile("CNRY[A-Z0-9]+")
ENOUGH = 400  # objects of one type


class Look:
    """Keeps what the engine's functions hold when they return, to be printed afterwards."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Any]] = defaultdict(list)

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        if event != "return" or not frame.f_code.co_filename.startswith(ENGINE):
            return
        for thing in (*frame.f_locals.values(), value):
            kind = type(thing)
            name = f"{kind.__module__}.{kind.__name__}"
            if kind.__module__.startswith("engine.") and len(self.kept[name]) < ENOUGH:
                self.kept[name].append(thing)

    def leaks(self) -> set[str]:
        """The types of which one shows something."""
        return {name for name, things in self.kept.items() if any(CANARY.search(repr(thing)) for thing in things)}


def planted(raw: bytes) -> bytes:
    for old, new in CANARIES.items():
        raw = raw.replace(old, new)
    return raw


def messages() -> Iterator[tuple[str, bytes]]:
    """The samples with canaries all over them, and then with one more in each field, whatever that breaks."""
    for listener, name in SAMPLES:
        raw = planted((ROOT / "channels" / "samples" / f"{name}.hl7").read_bytes().replace(b"\n", b"\r"))
        yield listener, raw
        whole = Message.parse(raw)
        for segment in whole.segments:
            for field in range(3 if segment.name == "MSH" else 1, len(segment.fields) + 2):
                place = (segment.name, field)
                if place not in SAFE:
                    marked = whole.with_value(f"{segment.name}-{field}", "CNRYFIELD")
                    yield listener, (marked.with_value("PID-3", "CNRYVIP") if place == VIP else marked).to_er7()


def received() -> list[Received]:
    return [
        Received(listener, "10.0.0.1:4000", START + n, body, "utf-8", Kind.MESSAGE, "AA", "", b"")
        for n, (listener, body) in enumerate(messages())
    ]


def story() -> None:
    """Receive, process, search, show and explain."""
    loaded = load_site(ROOT)
    assert loaded.site is not None
    journal, store = MemoryJournal(), MemoryStore()
    with journal.transaction() as tx:
        tx.log.append(received())
    state = processing.load(loaded.site, store, journal, "test")
    while processing.process(state, journal, store, now=lambda: START, elapsed=time.perf_counter).entries:
        pass
    readers = Readers(journal, store)
    assert search(readers, Criteria(accession="CNRYACC1")).rows
    assert any("CNRYALLERGY" in line or "Iodinated" in line for line in explanation(readers, "CNRYACC1"))
    for entry in journal.read(0, 0, 300, 1_000_000):
        assert message_page(readers, entry, raw=True)


def looked_at(work: Callable[[], None]) -> Look:
    look = Look()
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
    return look


def test_no_repr_shows_content() -> None:
    """Several dozen types, from a fact to an order's synopsis, and none says a word of a message."""
    look = looked_at(story)
    assert len(look.kept) > 100
    assert {"engine.patient.fact.Fact", "engine.steps.draft.Synopsis", "engine.relevance.synopsis.Item"} <= set(
        look.kept
    )
    assert look.leaks() == set()


def test_what_the_story_does_not_meet() -> None:
    """Types that only other code asks for, and what a sender is answered, which names what it sent."""
    pid = Message.parse(planted(b"MSH|^~\\&|A\rPID|1||12345^^^HOSP^MR||DOE^JANE\r")).all("PID")[0]
    shown = repr([Cx.of(pid, 3), Xpn.of(pid, 5), Cwe.of(pid, 5), Answer(b"MSH|CNRYDOE", 7)])
    assert shown == "[Cx(...), Xpn(...), Cwe(...), Answer(entry 7, 11 bytes)]"


def test_a_repr_that_shows_content_is_noticed(monkeypatch) -> None:
    """Control: a fact as a plain tuple."""
    from engine.patient.fact import Fact

    monkeypatch.setattr(Fact, "__repr__", tuple.__repr__)
    assert "engine.patient.fact.Fact" in looked_at(story).leaks()
