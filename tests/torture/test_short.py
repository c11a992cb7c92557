"""The short form of `make torture`: each target with random words, and time that grows with the input and no faster."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.channel.receive import judge
from engine.hl7.message import Message
from engine.mllp.framing import Framed, FrameEvent, Framer
from tests.torture import targets
from tests.torture.seeds import WORDS, seeds
from tests.torture.targets import LISTENERS, NOW, TARGETS

EXECUTIONS = 10_000  # of each target
MANY = 1 << 16

streams = st.tuples(
    st.binary(max_size=3), st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=4)), max_size=30)
)


@pytest.mark.parametrize("name", TARGETS)
@given(stream=streams)
@settings(max_examples=300)
def test_of_words_and_bytes(name: str, stream: tuple[bytes, list[bytes]]) -> None:
    """Hypothesis puts words together, and makes what fails small."""
    head, words = stream
    TARGETS[name](head + b"".join(words))


@pytest.mark.parametrize("name", TARGETS)
def test_of_changed_messages(name: str) -> None:
    """Messages with bytes flipped, cut, doubled and words put in; the same for the same seed."""
    chance, known = random.Random(name), seeds()
    for _ in range(EXECUTIONS):
        TARGETS[name](_changed(chance, chance.choice(known)))


def test_a_framer_that_loses_a_byte_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with a fault in it, the short form fails."""

    class Losing(Framer):
        def feed(self, data: bytes, now: float = 0.0) -> list[FrameEvent]:
            return super().feed(data.replace(b"\x1c", b"", 1) if len(data) == 5 else data, now)

    monkeypatch.setattr(targets, "Framer", Losing)
    with pytest.raises(AssertionError):
        test_of_changed_messages("framer")


def _changed(chance: random.Random, raw: bytes) -> bytes:
    found = bytearray(raw)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del found[at : at + chance.randrange(1, 20)]
            case 2:
                found[at:at] = chance.choice(WORDS)
            case _:
                found[at:at] = found[at : at + chance.randrange(1, 40)]
    return bytes(found[:4_000])


def _framed(raw: bytes) -> None:
    framer = Framer(1 << 30)
    framer.feed(b"\x0b" + raw[: len(raw) // 2])
    framer.feed(raw[len(raw) // 2 :])


def _judged(raw: bytes) -> None:
    judge(FrameEvent(Framed.FRAME, raw), LISTENERS[0], "peer", NOW)


def _read(raw: bytes) -> None:
    message = Message.parse(raw, "iso8859_1")
    for segment in message.segments[:2]:
        segment.get(5)
    message.get("OBX-5(3).2.1")


HEAD = b"MSH|^~\\&|A|B|C|D|20260819||ADT^A01|X1|P|2.5\rOBX|1|ST|||"


@pytest.mark.parametrize("work", [_framed, _judged, _read])
@pytest.mark.parametrize(
    "bit",
    [
        b"\x0b",
        b"\x1c",
        b"\x0bM",
        b"\x1c\x0b",
        b"\r",
        b"\n",
        b"|",
        b"~",
        b"^",
        b"&",
        b"\\E\\",
        b"\\X41",
        b"\\",
        b"\rOBX",
    ],
)
def test_time_grows_with_the_input_and_no_faster(work: Callable[[bytes], None], bit: bytes) -> None:
    """Eight times the input may take forty times as long; a square would take sixty-four. The best of three of each."""
    short, long = HEAD + bit * MANY, HEAD + bit * (8 * MANY)
    assert _best(work, long) < 40 * max(_best(work, short), 0.001)


def _best(work: Callable[[bytes], None], raw: bytes) -> float:
    found = []
    for _ in range(3):
        began = time.process_time()
        work(raw)
        found.append(time.process_time() - began)
    return min(found)
