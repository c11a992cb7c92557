"""The feeds behind a CT abdomen with contrast, then its order: what leaves for the PACS, over real sockets."""

from pathlib import Path

import pytest
from engine_process import Engine, hooks, sample, wait_for
from sink import Sink

from engine.channel.control_ids import control_id
from engine.hl7.message import Message

NOON = "frozen_clock=1787234400000000"  # 2026-08-20 14:00 UTC, 09:00 in Chicago, when the exam is scheduled
FEEDS = [
    ("adt", "adt_a01_doe.hl7"),
    ("lab", "oru_egfr_31.hl7"),
    ("lab", "oru_egfr_24.hl7"),
    ("lab", "oru_weight.hl7"),
    ("pharmacy", "rde_metformin.hl7"),
]
ORDER = sample("orm_ct_abdomen.hl7")

EXPECTED = """\
MSH|^~\\&|RIS|SYNTHETIC|PACS|HOSP|20260820090000-0500||ORM^O01|{control_id}|P|2.3.1
PID|1||12345^^^HOSP^MR||DOE^JANE||19600101|F
PV1|1|O|RADCT||||||||||||||||V1^^^HOSP
AL1|1|DA|^Iodinated contrast media|SV|HIVES~HYPOTENSION|20210312
ORC|NW|P1^EMR|F1^RIS||SC||^^^20260820090000-0500^^R||20260820085500
OBR|1|P1^EMR|F1^RIS|CTAPW^CT ABD PELVIS W IV CONTRAST^L|||||||||!eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; metformin <EMR>|||||ACC1|RP1|SPS1||||CT|||||||R10.9^Abdominal pain^I10
NTE|1||EMR CONTEXT 20Aug2026 09:00. SAFETY: eGFR 24 mL/min/1.73m2 (19Aug 06:10; final; 31 on 30Jul; falling); below 30 \
[lab OBX, R01]. Iodinated contrast: severe reaction 12Mar2021 (hives, hypotension) [adt AL1, R07]. Metformin active since \
01Aug, with eGFR below 30 or AKI [pharmacy RXE, R06]. CONTEXT: Weight 82 kg (18Aug; final) [lab OBX, R88]. 4 findings \
shown, 3 safety.
OBX|1|NM|29463-7^BODY WEIGHT^LN||82|kg|||||F|||20260818
OBX|2|NM|98979-8^eGFR CKD-EPI 2021^LN||24|mL/min/{{1.73_m2}}|>=60|LL|||F|||20260819061000
ZDS|1.2.840.99.1.42^HOSP^Application^DICOM
"""


def feed(engine: Engine) -> None:
    for listener, name in FEEDS:
        assert b"MSA|AA|" in engine.send(listener, sample(name))


def order(engine: Engine, sink: Sink, message: bytes = ORDER) -> bytes:
    """Send the order and return what arrives at the PACS."""
    before = len(sink.received)
    assert b"MSA|AA|" in engine.send("ris", message)
    wait_for(lambda: len(sink.received) > before, "the order arrives at the PACS")
    return sink.received[before]


def as_it_came(sent: bytes, original: bytes) -> bool:
    """Whether nothing but MSH-5, MSH-10 and the translated code differs."""
    message, came = Message.parse(sent), Message.parse(original)
    for path in ("MSH-5", "MSH-10", "OBR-4.1"):
        message = message.with_value(path, came.get(path) or "")
    return message.to_er7() == original


def test_the_order_leaves_with_the_patients_story(tmp_path: Path) -> None:
    """The message is compared whole; only MSH-10 is computed, from the installation and the cause."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, environment=hooks(NOON)) as engine:
        feed(engine)
        sent = order(engine, sink)
        stamp = control_id(engine.installation(), "pacs", (6, "orders_to_pacs", 1))
        assert sent.decode().replace("\r", "\n") == EXPECTED.format(control_id=stamp)
        with engine.store() as store:
            (row,) = store.outcomes([6])
            assert (row.enrichment, row.alerts) == ("done", "")
    assert engine.stderr.read_text() == ""


ODD = ORDER.replace(b"\rZDS|", b"\rZX1|a\\F\\b\\Zdeadbeef\\|^^|~&|\\H\\x\\N\\|||\rZDS|").replace(
    b"|F\rPV1", b"|F||||||\rPV1"
)


def test_what_no_step_names_leaves_byte_for_byte(tmp_path: Path) -> None:
    """Z segments, odd escapes and trailing delimiters of an enriched order stay as they came."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, environment=hooks(NOON)) as engine:
        feed(engine)
        sent = order(engine, sink, ODD)
    lines, came = sent.split(b"\r"), ODD.split(b"\r")
    added = {line for line in lines if line[:3] in {b"NTE", b"OBX", b"AL1"}}
    assert added
    kept = [line for line in lines if line not in added]
    changed = {came[0][:3], came[4][:3]}
    assert changed == {b"MSH", b"OBR"}
    assert [line for line in kept if line[:3] not in changed] == [line for line in came if line[:3] not in changed]
    assert differing(kept[0], came[0]) == {4, 9}  # MSH-5, MSH-10: MSH-1 is the separator itself
    assert differing(kept[4], came[4]) == {4, 13}


def differing(one: bytes, other: bytes) -> set[int]:
    pairs = zip(one.split(b"|"), other.split(b"|"), strict=True)
    return {number for number, (a, b) in enumerate(pairs) if a != b}


@pytest.mark.parametrize("fault", ["throwing_enrich", "throwing_rule"])
def test_what_throws_lets_the_order_leave_as_it_came(tmp_path: Path, fault: str) -> None:
    """A step and a rule that raise what nobody named (D1): as it came, an alert, and no word of the patient anywhere."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, environment=hooks(NOON, fault)) as engine:
        feed(engine)
        assert as_it_came(order(engine, sink), ORDER)
        with engine.store() as store:
            (row,) = store.outcomes([6])
            assert (row.enrichment, row.alerts) == ("failed", "enrichment_failed")
        engine.stop()
        logs = engine.logs()
        assert '"event":"AlertRaised"' in logs
        assert "DOE" not in logs + engine.stderr.read_text()


def test_a_value_that_cannot_be_written_lets_the_order_leave_as_it_came(tmp_path: Path) -> None:
    """An allergy with Greek words, an order in Latin 1 (D1)."""
    greek = sample("adt_a01_doe.hl7").replace(b"Iodinated contrast media", "Iodinated contrast media Ω".encode())
    latin = ORDER.replace(b"|P|2.3.1", b"|P|2.3.1||||||8859/1").replace(b"DOE^JANE", "DOE^JANÉ".encode("latin-1"))

    def edit(site: Path) -> None:
        config = site / "config.yaml"
        config.write_text(config.read_text().replace("  pacs:\n", "  pacs:\n    charset: 8859/1\n"))

    with Sink() as sink, Engine(tmp_path, pacs=sink.port, edit=edit, environment=hooks(NOON)) as engine:
        assert b"MSA|AA|" in engine.send("adt", greek.replace(b"|P|2.5.1", b"|P|2.5.1||||||UNICODE UTF-8"))
        assert as_it_came_in_latin_1(order(engine, sink, latin), latin)
        with engine.store() as store:
            (row,) = store.outcomes([2])
            assert (row.enrichment, row.alerts) == ("failed", "enrichment_failed")


def as_it_came_in_latin_1(sent: bytes, original: bytes) -> bool:
    message, came = Message.parse(sent, "iso8859_1"), Message.parse(original, "iso8859_1")
    for path in ("MSH-5", "MSH-10", "OBR-4.1"):
        message = message.with_value(path, came.get(path) or "")
    return message.to_er7() == original


def test_enrichment_off_survives_a_restart(tmp_path: Path) -> None:
    """The switch of D25: at once, as a row, and the same command again changes nothing."""
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, environment=hooks(NOON)) as engine:
        feed(engine)
        assert engine.command("supervisor", "enrichment", state="off") == {"state": "off"}
        assert as_it_came(order(engine, sink), ORDER)
        engine.stop()
        engine.start()
        again = ORDER.replace(b"SYN0006", b"SYN0106")
        assert as_it_came(order(engine, sink, again), again)
        engine.command("supervisor", "enrichment", state="on")
        assert b"eGFR 24" in order(engine, sink, ORDER.replace(b"SYN0006", b"SYN0206"))
        engine.stop()
        assert engine.logs().count('"event":"EnrichmentSwitched"') == 2
