"""Other people's HL7 software on both ends: python-hl7's `mllp_send` and its asyncio server."""

import asyncio
import shutil
import ssl
import subprocess
import sysconfig
from pathlib import Path
from threading import Thread
from typing import Self

import hl7
import hl7.mllp
import yaml
from engine_process import ROOT, Engine, sample, wait_for
from sink import Sink, accept

from tests.foreign.node import MODULES, NODE, needs_node
from tests.tls.authority import root


def test_mllp_send_of_python_hl7_is_answered(tmp_path: Path) -> None:
    """A file of two messages sent by `mllp_send`: two entries, two answers, both processed."""
    program = Path(sysconfig.get_path("scripts")) / "mllp_send"
    assert program.exists() or shutil.which("mllp_send")
    file = tmp_path / "day.hl7"
    messages = [sample("oru_egfr_31.hl7"), sample("oru_egfr_24.hl7")]
    file.write_bytes(b"".join(b"\x0b" + message + b"\x1c\r" for message in messages))
    with Engine(tmp_path) as engine:
        command = [program, "--port", str(engine.ports["lab"]), "--file", file, "127.0.0.1"]
        told = subprocess.run(command, capture_output=True, timeout=60, check=True)
        assert told.stdout.count(b"MSA|AA|") == 2, told
        engine.wait_processed(2)
        with engine.journal() as journal:
            # mllp_send leaves out the terminator of the last segment
            assert [entry.body + b"\r" for entry in journal.read(0, 0, 10, 10_000)] == messages
        with engine.store() as store:
            assert [row.channel for row in store.outcomes([1, 2])] == ["results", "results"]


class ForeignPacs:
    """python-hl7's asyncio MLLP server in a thread; parses each message and answers with its own ACK, over TLS if asked."""

    def __init__(self, secure: ssl.SSLContext | None = None) -> None:
        self._secure = secure
        self.received: list[hl7.Message] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await hl7.mllp.start_hl7_server(self._talk, host="127.0.0.1", port=0, ssl=self._secure)
        self.port = server.sockets[0].getsockname()[1]
        await self._stop.wait()
        server.close()

    async def _talk(self, reader: hl7.mllp.HL7StreamReader, writer: hl7.mllp.HL7StreamWriter) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                self.received.append(message)
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.port, "the foreign server listens")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


def test_the_server_of_python_hl7_receives_orders(tmp_path: Path) -> None:
    """It reads what we send with its own parser, and its answers decide the deliveries: both SENT, in order."""
    with ForeignPacs() as pacs, Engine(tmp_path, pacs=pacs.port) as engine:
        engine.send("adt", sample("adt_a01_doe.hl7"))
        first = sample("orm_ct_abdomen.hl7")
        second = first.replace(b"SYN0006", b"SYN0106").replace(b"ACC1", b"ACC2")
        for message in (first, second):
            assert b"MSA|AA|" in engine.send("ris", message)
        wait_for(lambda: len(pacs.received) == 2, "both orders arrive")
        assert [str(one.segment("OBR")[18]) for one in pacs.received] == ["ACC1", "ACC2"]
        assert "CT-contrast" in str(pacs.received[0].segment("OBR")[13])
        with engine.journal() as journal:
            wait_for(lambda: journal.lane("pacs", 0).done == 2, "both are decided")
            assert [attempt.answer for attempt in journal.attempts("pacs", 0, [1, 2])] == ["AA", "AA"]


def test_python_hl7_speaks_tls_on_both_sides(tmp_path: Path) -> None:
    """Its asyncio client with a certificate of its own to our listener; our order to its asyncio server, mutual as well."""
    ca = root()
    ca.write(tmp_path, "ca")
    for name in ("engine", "ris", "pacs"):
        ca.issue(name, sans=["localhost", "127.0.0.1"]).write(tmp_path, name)

    def edit(site: Path) -> None:
        config = yaml.safe_load((site / "config.yaml").read_text())
        own = {name: str(tmp_path / f"engine.{end}") for name, end in (("certificate", "pem"), ("key", "key"))}
        config["listeners"]["ris"]["tls"] = {**own, "client_ca": str(tmp_path / "ca.pem"), "subjects": ["ris"]}
        config["destinations"]["pacs"]["tls"] = {**own, "ca": str(tmp_path / "ca.pem")}
        (site / "config.yaml").write_text(yaml.safe_dump(config))

    async def send(port: int, body: bytes) -> hl7.Message:
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / "ris.pem", tmp_path / "ris.key")
        where = {"host": "127.0.0.1", "port": port, "ssl": context, "server_hostname": "localhost"}
        reader, writer = await hl7.mllp.open_hl7_connection(**where)
        writer.writemessage(hl7.parse(body.decode()))
        await writer.drain()
        answer = await asyncio.wait_for(reader.readmessage(), 20)
        writer.close()
        return answer

    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    secure.load_cert_chain(tmp_path / "pacs.pem", tmp_path / "pacs.key")
    secure.verify_mode = ssl.CERT_REQUIRED
    with ForeignPacs(secure) as pacs, Engine(tmp_path, pacs=pacs.port, edit=edit) as engine:
        answer = asyncio.run(send(engine.ports["ris"], sample("orm_ct_abdomen.hl7")))
        assert str(answer.segment("MSA")[1]) == "AA"
        wait_for(lambda: len(pacs.received) == 1, "the order arrives")
        assert str(pacs.received[0].segment("OBR")[18]) == "ACC1"
        with engine.journal() as journal:
            wait_for(lambda: journal.lane("pacs", 0).done == 1, "it is decided")
            assert [attempt.answer for attempt in journal.attempts("pacs", 0, [1])] == ["AA"]


@needs_node
def test_the_server_of_simple_hl7_receives_orders(tmp_path: Path) -> None:
    """Node's simple-hl7 takes both orders as they were queued, and its own ACK, a version 2.3 of it, decides them."""
    program = [str(NODE), str(ROOT / "tests" / "foreign" / "server.js"), str(MODULES)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as pacs:
        assert pacs.stdout is not None
        with Engine(tmp_path, pacs=int(pacs.stdout.readline())) as engine:
            first = sample("orm_ct_abdomen.hl7")
            for message in (first, first.replace(b"SYN0006", b"SYN0106").replace(b"ACC1", b"ACC2")):
                assert b"MSA|AA|" in engine.send("ris", message)
            arrived = [bytes.fromhex(pacs.stdout.readline()) for _ in range(2)]
            with engine.journal() as journal, engine.store() as store:
                wait_for(lambda: journal.lane("pacs", 0).done == 2, "both are decided")
                assert [attempt.answer for attempt in journal.attempts("pacs", 0, [1, 2])] == ["AA", "AA"]
                assert arrived == [b"\x0b" + row.body + b"\x1c\r" for row in store.outbox("pacs", 0, 0, 9)]
        pacs.terminate()


def test_a_sink_that_says_no_parks_the_patient_and_not_the_feed(tmp_path: Path) -> None:
    """AE under `on_reject: park` (D8): the next patient's order leaves, the first one's wait in order."""

    def answer(message: bytes) -> bytes:
        return accept(message, b"AE" if b"12345" in message else b"AA")

    order = sample("orm_ct_abdomen.hl7")
    other = order.replace(b"12345", b"54321").replace(b"ACC1", b"ACC2").replace(b"SYN0006", b"SYN0106")
    third = order.replace(b"ACC1", b"ACC3").replace(b"SYN0006", b"SYN0206")
    with Sink(answer) as sink, Engine(tmp_path, pacs=sink.port) as engine:
        for message in (order, third, other):
            engine.send("ris", message)
        with engine.journal() as journal:
            wait_for(lambda: journal.lane("pacs", 0).done == 3, "all are decided for the lane")
            assert [(row.seq, row.key) for row in journal.parked()] == [(1, "HOSP|MR|12345"), (2, "HOSP|MR|12345")]
        assert [b"54321" in message for message in sink.received] == [False, True]
