"""Deferred validation through the engine: what it finds reaches the outcome, and what it meets holds up nobody (D15, C30)."""

import subprocess
import sys
from pathlib import Path

from engine_process import Engine, hooks, sample, wait_for
from sink import Sink

from engine.app.jobs import CONFORMS
from engine.hl7.message import Message

ORDER = sample("orm_ct_abdomen.hl7")
FOUND = [
    "PV1[1] stands where ORM_O01 of 2.3.1 has NTE, PID, ORC",
    "PID[1] stands where ORM_O01 of 2.3.1 has PV2, IN1, GT1, AL1, ORC",
]
NOON = "frozen_clock=1787234400000000"  # 2026-08-20 14:00 UTC, when the exam is scheduled
SAMPLED = 100  # `every:` of the shipped channel


def order(number: int, *, wrong: bool = False) -> bytes:
    """The sample order under a number of its own; a wrong one has PV1 before PID."""
    lines = ORDER.replace(b"SYN0006", b"N%d" % number).replace(b"ACC1", b"A%d" % number).split(b"\r")
    if wrong:
        lines[1], lines[2] = lines[2], lines[1]
    return b"\r".join(lines)


def accessions(sink: Sink) -> list[str]:
    return [Message.parse(message).get("OBR-18") or "" for message in sink.received]


def every_one(site: Path) -> None:
    """Validate each message, not one of a hundred."""
    channel = site / "channels" / "orders_to_pacs.yaml"
    text = channel.read_text()
    assert f"every: {SAMPLED} " in text
    channel.write_text(text.replace(f"every: {SAMPLED} ", "every: 1 "))


def shown(site: Path, position: int) -> list[str]:
    """What `backstory messages show` prints."""
    words = [sys.executable, "-m", "engine.cli", "messages", "show", str(position), "--site", str(site)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def test_one_order_of_a_hundred_is_compared_with_the_standard(tmp_path: Path) -> None:
    """The shipped channel as it is: the hundredth is wrong, leaves in its place, and its outcome says what is wrong."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port) as engine:
        with engine.connect("ris") as ris:
            for number in range(1, SAMPLED + 3):
                assert b"MSA|AA|" in ris.send(order(number, wrong=number >= SAMPLED))
        wait_for(lambda: len(sink.received) == SAMPLED + 2, "all orders leave")
        assert accessions(sink) == [f"A{number}" for number in range(1, SAMPLED + 3)]
        with engine.store() as store, engine.journal() as journal:
            (note,) = wait_for(lambda: store.notes([SAMPLED]), "the note is there")
            assert (note.channel, note.kind, note.cause) == ("orders_to_pacs", "validate", SAMPLED + 3)
            assert note.text.split("\n") == FOUND
            assert journal.entry(note.cause).listener == "backstory"
            assert store.notes([*range(1, SAMPLED), SAMPLED + 1, SAMPLED + 2]) == []
            wait_for(lambda: not store.deferred(1), "the job is done")
        page = shown(engine.site, SAMPLED)
        at = page.index("  orders_to_pacs: TRANSFORMED")
        assert [line.strip() for line in page[at + 2 : at + 4]] == [f"validate    {FOUND[0]}", FOUND[1]]
        assert not any("validate" in line for line in shown(engine.site, SAMPLED + 1))


def test_a_good_order_conforms_also_in_what_we_added(tmp_path: Path) -> None:
    """What is compared is what leaves: AL1, NTE and OBX of ours stand where the standard has them."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, edit=every_one, environment=hooks(NOON)) as engine:
        for listener, name in (("adt", "adt_a01_doe.hl7"), ("lab", "oru_egfr_24.hl7"), ("lab", "oru_weight.hl7")):
            engine.send(listener, sample(name))
        engine.send("ris", order(4))
        wait_for(lambda: sink.received, "the order leaves")
        assert {b"AL1", b"NTE", b"OBX"} <= {line[:3] for line in sink.received[0].split(b"\r")}
        with engine.store() as store:
            (note,) = wait_for(lambda: store.notes([4]), "the note is there")
            assert note.text == CONFORMS


def test_a_message_that_the_child_never_comes_back_from_holds_up_nobody(tmp_path: Path) -> None:
    """The orders leave while the child hangs; its work is not done, and no outcome waits for it."""
    with (
        Sink() as sink,
        Engine(tmp_path, pacs=sink.port, edit=every_one, environment=hooks("stuck_validation")) as engine,
    ):
        for number in range(1, 6):
            assert b"MSA|AA|" in engine.send("ris", order(number, wrong=number == 1))
        wait_for(lambda: len(sink.received) == 5, "all orders leave")
        assert accessions(sink) == ["A1", "A2", "A3", "A4", "A5"]
        with engine.store() as store:
            assert [job.entry for job in store.deferred(9)] == [1, 2, 3, 4, 5]
            assert store.notes([1, 2, 3, 4, 5]) == []
            assert {row.status for row in store.outcomes([1, 2, 3, 4, 5])} == {2}
        assert engine.stop() == 0
