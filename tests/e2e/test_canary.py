"""No content ever leaves through a log, stderr or an exception (D22): canaries in every field but MSH-3, MSH-4, MSH-10."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from engine_process import Engine, hooks, sample, wait_for
from sink import Sink, accept

from engine.hl7.message import Message

CANARY = re.compile(r"CNRY[0-9]+|77[0-9]{7}77", re.IGNORECASE)
FEEDS = {
    "adt": ["adt_a01_doe.hl7"],
    "lab": ["oru_egfr_24.hl7", "oru_weight.hl7"],
    "pharmacy": ["rde_metformin.hl7"],
    "documents": ["mdm_t02.hl7"],
    "ris": ["orm_ct_abdomen.hl7"],
}
SAFE = {("MSH", 3), ("MSH", 4), ("MSH", 10)}  # what a log may show of a message is MSH-10 alone (C12)

numbers = count(1)


def canary() -> str:
    return f"CNRY{next(numbers)}"


def places(message: Message) -> Iterator[tuple[str, int, int]]:
    """Every (segment, occurrence, field) that could hold something, some beyond the last one that does."""
    seen: dict[str, int] = {}
    for segment in message.segments:
        seen[segment.name] = seen.get(segment.name, 0) + 1
        for field in range(3 if segment.name == "MSH" else 1, segment.raw.count(b"|") + 3):
            if (segment.name, field) not in SAFE:
                yield segment.name, seen[segment.name], field


def stamped(message: Message, number: int) -> bytes:
    return message.with_value("MSH-10", f"ID{number}").to_er7()


def planted() -> Iterator[tuple[str, bytes]]:
    """(listener, message): one canary in one field, for each field; in all components of all; numbers for numbers."""
    serial = count(1)
    for listener, names in FEEDS.items():
        for name in names:
            original = Message.parse(sample(name))
            everywhere = original
            for segment, occurrence, field in places(original):
                path = f"{segment}[{occurrence}]-{field}"
                yield listener, stamped(original.with_value(path, canary()), next(serial))
                if segment != "MSH":
                    words = b"^".join(canary().encode() for _ in range(6))
                    everywhere = everywhere.with_raw(path, words + b"~" + words)
            yield listener, stamped(everywhere, next(serial))
            for old, new in ((b"12345", b"77%07d77"), (b"DOE^JANE", b"CNRY%d^CNRY%d"), (b"ACC1", b"CNRY%d")):
                values = tuple(next(numbers) for _ in range(new.count(b"%")))
                yield listener, stamped(original, next(serial)).replace(old, new % values)


def broken() -> Iterator[tuple[str, bytes]]:
    """Frames that are refused: no header, no control id, unknown type and charset, not decodable, batches."""
    order = sample("orm_ct_abdomen.hl7").replace(b"DOE^JANE", b"CNRY0^CNRY0").replace(b"12345", b"77000000077")
    yield "ris", b"CNRY0 is no message"
    yield "ris", order.replace(b"|SYN0006|", b"||")
    yield "ris", order.replace(b"ORM^O01", b"CNRY0^CNRY0")
    yield "ris", order.replace(b"|P|2.3.1", b"|P|2.3.1||||||CNRY0")
    yield "ris", order.replace(b"|P|2.3.1", b"|CNRY0|2.3.1")
    yield "ris", order.replace(b"CNRY0^CNRY0", b"CNRY0\xff^CNRY0")
    yield "ris", b"FHS|^~\\&|CNRY0\rBHS|^~\\&|CNRY0\r" + order + b"BTS|9|CNRY0\rFTS|9|CNRY0\r"
    yield "ris", order + b"ZZZ|" + b"CNRY0" * 20_000 + b"\r"
    yield "ris", order.replace(b"ACC1", b"").replace(b"P1^EMR", b"").replace(b"F1^RIS", b"").replace(b"0006", b"0306")
    yield "ris", b"FHS|^~\\&|CNRY0\rMSH|CNRY0"


def everything_said(engine: Engine) -> str:
    return engine.logs() + engine.stdout.read_text() + engine.stderr.read_text()


def send_all(engine: Engine) -> int:
    sent = 0
    for listener, message in [*planted(), *broken()]:
        # a connection each: some of these frames may close theirs
        with engine.connect(listener) as connection:
            assert b"MSA|" in connection.send(message)
        sent += 1
    return sent


def validate_everything(site: Path) -> None:
    """Every channel checks every message against the standard as well, so that foreign parsers see canaries too."""
    for file in (site / "channels").glob("*.yaml"):
        text = re.sub(r"  - step: validate\n(    .*\n)*", "", file.read_text())
        text = text.replace("steps:\n", "steps:\n  - step: validate\n    every: 1\n", 1).replace(
            "channel: ", "stop_after: 100000\nchannel: ", 1
        )
        file.write_text(text)


def refuse_some(message: bytes) -> bytes | None:
    return accept(message, b"AE" if len(message) % 3 == 0 else b"AA")


@pytest.mark.usefixtures("unmeasured")
def test_no_word_of_a_message_is_logged(tmp_path: Path) -> None:
    """Some hundred messages with canaries, accepted, failed, quarantined, parked, validated: 0 hits in all that is said."""
    with Sink(refuse_some) as sink, Engine(tmp_path, pacs=sink.port, edit=validate_everything) as engine:
        sent = send_all(engine)
        engine.wait_processed()
        with engine.store() as store:
            wait_for(lambda: not store.deferred(1), "the deferred checks are done", timeout=120)
            failed = [row for row in store.latest(before=0, limit=5000) if row.status == 3]
            assert not CANARY.findall(" ".join(" ".join(map(str, row)) for row in failed))
        engine.wait_processed()
        engine.stop()
        said = everything_said(engine)
        assert sent > 300
        assert len(failed) > 20
        # the logs speak of these messages, and of their troubles: a test that reads nothing finds nothing
        for event in ("EntryProcessed", "EntryFailed", "MessageRefused", "DeliveryRefused", "DeferredDone"):
            assert f'"event":"{event}"' in said, event
        assert '"control_id":"ID1"' in said
        assert CANARY.findall(said) == []


def test_no_word_of_a_message_is_in_what_is_thrown(tmp_path: Path) -> None:
    """A step that raises with the patient's name in its text, and a PACS that is not there."""
    with Engine(tmp_path, edit=validate_everything, environment=hooks("throwing_enrich")) as engine:
        order = sample("orm_ct_abdomen.hl7").replace(b"DOE^JANE", b"CNRY1^CNRY2")
        for number in range(12):
            engine.send("ris", order.replace(b"SYN0006", b"ID%d" % number).replace(b"ACC1", b"CNRY%d" % number))
        engine.wait_processed()
        wait_for(lambda: '"event":"DeliveryWaits"' in engine.logs(), "the lane says that it waits")
        engine.stop()
        said = everything_said(engine)
        assert said.count('"event":"AlertRaised"') == 12
        assert CANARY.findall(said) == []


def test_a_hashed_control_id_is_not_logged(tmp_path: Path) -> None:
    """`log_control_id: hash` for a sender that puts record numbers into MSH-10."""

    def edit(site: Path) -> None:
        config = site / "config.yaml"
        config.write_text(re.sub(r"(    port:)", r"    log_control_id: hash\n\1", config.read_text(), count=5))

    with Engine(tmp_path, edit=edit) as engine:
        engine.send("ris", sample("orm_ct_abdomen.hl7").replace(b"SYN0006", b"CNRY1"))
        assert b"AR" in engine.send(
            "ris", sample("orm_ct_abdomen.hl7").replace(b"SYN0006", b"CNRY1").replace(b"|P|", b"|X|")
        )
        engine.wait_processed(2)
        engine.stop()
        said = everything_said(engine)
        assert said.count('"control_id":"#') >= 2
        assert CANARY.findall(said) == []
