"""The whole corpus by other people's clients: python-hl7 and node's simple-hl7, each with its own idea of a message.

One answer for each frame unless MSH-15 asks for none, and the bytes that the client wrote in the journal, once.
"""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import hl7.mllp
import pytest

from engine.channel.ports import Kind
from tests.corpus.frames import Frame, batch_members, frames, is_batch, rewritten
from tests.corpus.through_engine import LISTENERS, take_all
from tests.corpus_files import corpus_files, needs_corpus
from tests.e2e.engine_process import ROOT, Engine
from tests.foreign.node import MODULES, NODE, needs_node

pytestmark = [pytest.mark.corpus, needs_corpus]

LONGEST = 16 * 1024 * 1024  # bytes that python-hl7 reads of one answer


class Told(NamedTuple):
    """A frame as the client wrote it, and what it read: "AA" and MSA-2, both "" where none came."""

    frame: Frame
    code: str
    control_id: str


@pytest.fixture
def engine(tmp_path: Path) -> Iterable[Engine]:
    with Engine(tmp_path, edit=take_all) as running:
        yield running


def test_python_hl7_sends_the_corpus(engine: Engine) -> None:
    """Its asyncio client: the bytes as they are, the answer parsed by its own parser."""
    told = asyncio.run(_by_python_hl7(engine.ports, list(frames(corpus_files()))))
    _assert_answered(told)
    assert sum(not one.code for one in told) > 123
    _assert_kept(engine, [one.frame for one in told])


@needs_node
def test_simple_hl7_of_node_sends_the_corpus(engine: Engine) -> None:
    """It parses what it sends and writes it again, often in other bytes: these are judged, answered and kept."""
    asked = [one for one in frames(corpus_files()) if not is_batch(one.body)]  # it knows no batches
    written = [bytes.fromhex(one["sent"]) for one in _by_simple_hl7({"text": _text(one.body)} for one in asked)]
    assert sum(one.body == body for one, body in zip(asked, written, strict=True)) > 700
    sent = [
        one if one.body == body else rewritten(one.name, one.listener, body)
        for one, body in zip(asked, written, strict=True)
    ]
    lines = (
        {"text": _text(one.body), "port": engine.ports[frame.listener], "answered": bool(frame.answer)}
        for one, frame in zip(asked, sent, strict=True)
    )
    answers = _by_simple_hl7(lines)
    told = [Told(frame, answer["code"], answer["id"]) for frame, answer in zip(sent, answers, strict=True)]
    assert len(told) > 3_000
    _assert_answered(told)
    _assert_kept(engine, [one.frame for one in told])


def test_a_wrong_expectation_is_seen() -> None:
    """The control: an answer that is another, one that nobody wanted, and a control id of another message."""
    wanted = rewritten("one", "adt", b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|X1|P|2.5\r")
    silent = rewritten("two", "adt", b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|X1|P|2.5|||NE\r")
    _assert_answered([Told(wanted, "AA", "X1"), Told(silent, "", "")])
    for wrong in (Told(wanted, "AE", "X1"), Told(wanted, "AA", "X2"), Told(wanted, "", ""), Told(silent, "CA", "X1")):
        with pytest.raises(AssertionError):
            _assert_answered([wrong])


async def _by_python_hl7(ports: dict[str, int], asked: Sequence[Frame]) -> list[Told]:
    connections = {}
    for name in LISTENERS:
        connections[name] = await hl7.mllp.open_hl7_connection("127.0.0.1", ports[name], limit=LONGEST)
    told = []
    for one in asked:
        reader, writer = connections[one.listener]
        writer.writeblock(one.body)
        await writer.drain()
        code = control_id = ""
        if one.answer:
            answer = hl7.parse((await asyncio.wait_for(reader.readblock(), 30)).decode("latin-1"))
            msa = answer.segment("MSA")
            code, control_id = str(msa[1]), str(msa[2])
        told.append(Told(one, code, control_id))
    for reader, writer in connections.values():
        writer.write_eof()
        rest = await asyncio.wait_for(reader.read(), 30)
        assert rest == b"", "an answer that nobody wanted"
        writer.close()
    return told


def _by_simple_hl7(lines: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """What its client says of each line, in order; a line without a port is only written."""
    program = [str(NODE), str(ROOT / "tests" / "foreign" / "client.js"), str(MODULES)]
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(program, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _assert_answered(told: Iterable[Told]) -> None:
    """Each as D16 says, and MSA-2 is the message's own control id."""
    wrong = [one for one in told if one.code != one.frame.answer.partition(" ")[0] or not _is_its_own(one)]
    assert [(one.frame.name, one.frame.answer, one.code, one.control_id, one.frame.body[:90]) for one in wrong] == []


def _is_its_own(one: Told) -> bool:
    return one.control_id.encode("latin-1", "replace") in one.frame.body or not one.control_id.isascii()


def _assert_kept(engine: Engine, sent: Iterable[Frame]) -> None:
    """One entry for each frame, of a batch for each member, byte for byte; the same to the same listener again is none."""
    wanted = {(frame.listener, part) for frame in sent for part in _parts(frame)}
    engine.wait_processed()
    with engine.journal() as journal:
        kept = [entry for entry in journal.read(0, 0, 10**9, 10**9) if entry.kind is not Kind.OPERATOR]
    assert Counter((entry.listener, entry.body) for entry in kept) == Counter(wanted)


def _parts(frame: Frame) -> list[bytes]:
    split = is_batch(frame.body) and frame.verdict == "AA"
    return batch_members(frame.body) if split else [frame.body]
