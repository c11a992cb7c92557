"""Names in many character sets through a running engine to a PACS that reads another, over sockets."""

from pathlib import Path

import pytest
from engine_process import Engine, sample, wait_for
from sink import Sink

from engine.channel.outcome import Status
from engine.channel.ports import LaneState
from engine.hl7.charset import encode
from engine.hl7.received import delivered

ORDER = sample("orm_ct_abdomen.hl7").decode()
FEEDS = [
    ("BIG-5", "cp950", "許功蓋^功"),
    ("GB 18030-2000", "gb18030", "李明^㐂"),
    ("~ISO IR87", "iso2022:ascii,jisx0208", "山田^太郎"),
    ("8859/1~ISO IR87", "iso2022:iso8859_1,jisx0208", "Müller^山田"),
    ("ISO IR14", "jisx0201", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ("SHIFT_JIS", "cp932", "表^ソ"),
    ("KS X 1001", "euc_kr", "김^철수"),
    ("8859/5", "iso8859_5", "Иванов^Пётр"),
    ("8859/6", "iso8859_6", "محمد^علي"),
    ("8859/8", "iso8859_8", "כהן^דוד"),
    ("8859/9", "iso8859_9", "I\u015f\u0131k^G\u00fcl"),
    ("8859/15", "iso8859_15", "Œuvré^5 €"),
    ("UNICODE UTF-8", "utf-8", "Παπα^Ωμέγα"),
    ("8859/1", "iso8859_1", "MÜLLER^RENÉE"),
]


def order(number: int, declared: str, charset: str, name: str) -> bytes:
    """An order of its own, for a patient of this name, in this set."""
    text = ORDER.replace("|P|2.3.1", f"|P|2.3.1||||||{declared}").replace("DOE^JANE", name)
    text = text.replace("SYN0006", f"SYN1{number:03}").replace("ACC1", f"ACX{number}").replace("12345", f"77{number}")
    return encode(text, charset)


@pytest.mark.parametrize("target", ["utf-8", "gb18030", "8859/1", "ASCII~ISO IR87"])
def test_orders_of_every_set_reach_a_pacs_of_another(tmp_path: Path, target: str) -> None:
    """Each is answered, kept byte for byte, and leaves in the PACS's set with as many segments; U+FFFD is nowhere."""

    def edit(site: Path) -> None:
        config = site / "config.yaml"
        config.write_text(config.read_text().replace("  pacs:\n", f"  pacs:\n    charset: {target}\n"))

    raws = [order(number, *feed) for number, feed in enumerate(FEEDS)]
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, edit=edit) as engine:
        for raw in raws:
            assert b"MSA|AA|" in engine.send("ris", raw)
        wait_for(lambda: len(sink.received) == len(raws), "every order arrives at the PACS")
        sent = list(sink.received)
        with engine.journal() as journal:
            assert [journal.entry(at).body for at in range(1, len(raws) + 1)] == raws
        with engine.store() as store:
            rows = store.outcomes(range(1, len(raws) + 1))
            assert {row.status for row in rows if row.channel == "orders_to_pacs"} == {Status.TRANSFORMED}
        logs = engine.logs()
    for (declared, _, name), raw, out in zip(FEEDS, raws, sent, strict=True):
        message = delivered(out)
        assert message.count("OBR") == raw.count(b"OBR|"), declared
        text = message.raw.decode(message.charset)
        assert "\ufffd" not in text + logs
        assert message.count("PID") == message.count("ORC") == 1
        if target in {"utf-8", "gb18030"}:
            assert message.get("PID-5") == name, declared


def test_a_held_order_waits_for_a_person(tmp_path: Path) -> None:
    """`unencodable: hold`: the lane is HELD before it, says which field, and still is after a restart; nothing left."""

    def edit(site: Path) -> None:
        config = site / "config.yaml"
        line = "  pacs:\n    charset: 8859/1\n    unencodable: hold\n"
        config.write_text(config.read_text().replace("  pacs:\n", line))

    reason = "character set 8859/1 cannot carry a character of PID-5"
    with Sink() as sink, Engine(tmp_path, pacs=sink.port, edit=edit) as engine:

        def held(done: int = 1) -> bool:
            with engine.journal() as journal:
                lane = journal.lane("pacs", 0)
            return (lane.state, lane.reason, lane.done) == (LaneState.HELD, reason, done)

        assert b"MSA|AA|" in engine.send("ris", order(1, "UNICODE UTF-8", "utf-8", "MÜLLER"))
        assert b"MSA|AA|" in engine.send("ris", order(2, "UNICODE UTF-8", "utf-8", "山田"))
        wait_for(held, "the lane is held before the second order")
        engine.stop()
        engine.start()
        assert held()
        assert len(sink.received) == 1
        assert b"MSA|AA|" in engine.send("ris", order(3, "UNICODE UTF-8", "utf-8", "山本"))
        engine.command("supervisor", "lane", act="release", destination="pacs")
        wait_for(lambda: held(2), "the lane is held before the third order")
        assert len(sink.received) == 2
