"""All 1,969 public messages: parsed, written back, changed at one place; and read as python-hl7 reads them."""

import random
from collections import Counter
from collections.abc import Iterator

import hl7
import pytest

from engine.errors import Unreadable
from engine.hl7.acknowledge import acknowledge, read_ack
from engine.hl7.batch import has_headers as is_batch
from engine.hl7.batch import split_batch
from engine.hl7.groups import order_groups
from engine.hl7.message import Message, Repetition
from engine.hl7.msh import scan_msh
from engine.hl7.path import Path
from tests.corpus_files import CorpusFile

pytestmark = pytest.mark.corpus

# every file that is no message by itself and no batch, and why; one that is missing here fails the test
UNREADABLE = {
    "cdc-data-exchange/0171.hl7": "one character is declared as two delimiters",
    "cosyte-hl7/0065.hl7": "fewer than four encoding characters",
    "cosyte-hl7/0066.hl7": "does not begin with an MSH",
    "hl7apy/0012.hl7": "fewer than four encoding characters",
    "hl7apy/0019.hl7": "one character is declared as two delimiters",
    "hl7apy/0023.hl7": "a delimiter is a letter",
    "pacs-bridge/0072.hl7": "one character is declared as two delimiters",
    "pacs-bridge/0074.hl7": "fewer than four encoding characters",
}
# where python-hl7 differs on purpose: a second, broken MSH inside (0095), and what MLLP left behind (FS, VT)
READ_OTHERWISE = {"cosyte-hl7/0095.hl7", "cosyte-hl7/0234.hl7", "pacs-bridge/0184.hl7"}
VALUES = ("X", "", '""', "a|b^c~d\\e&f#", "line\nfeed\r\x0b\x1c", "\\F\\", "é")
ENDS = ((b"\r",), (b"\n",), (b"\r\n",), (b"\n", b"\r", b"\r\n", b"\r\r\n"))


def charset(raw: bytes) -> str:
    """UTF-8 where the bytes are; two files of the corpus are ISO 8859-1."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "iso8859_1"
    return "utf-8"


def readable(corpus: tuple[CorpusFile, ...]) -> Iterator[tuple[str, bytes, Message]]:
    """Every message that can be read; of a batch each member."""
    for name, raw, _ in corpus:
        if name in UNREADABLE:
            continue
        for number, member in enumerate(split_batch(raw).messages if is_batch(raw) else (raw,)):
            yield f"{name}:{number}", member, Message.parse(member, charset(member))


def test_every_file_is_a_message_a_batch_or_named(corpus: tuple[CorpusFile, ...]) -> None:
    """1,969 files: parsed to the same bytes, or batches, or refused for the reason that is listed."""
    kinds: Counter[str] = Counter()
    for name, raw, _ in corpus:
        if name in UNREADABLE:
            with pytest.raises(Unreadable, match=UNREADABLE[name]):
                Message.parse(raw)
            with pytest.raises(Unreadable, match=UNREADABLE[name]):
                scan_msh(raw)
            kinds["refused"] += 1
        elif is_batch(raw):
            kinds["batch"] += 1
        else:
            assert Message.parse(raw, charset(raw)).to_er7() == raw
            kinds["message"] += 1
    assert kinds == {"message": 1937, "batch": 24, "refused": 8}


def test_members_of_batches(corpus: tuple[CorpusFile, ...]) -> None:
    """48 messages in 24 batches; three hold no message, and seven have lines outside of messages."""
    batches = [(raw, split_batch(raw)) for _, raw, _ in corpus if is_batch(raw)]
    members = [(raw, member) for raw, batch in batches for member in batch.messages]
    assert len(members) == 48
    assert all(member in raw and Message.parse(member).to_er7() == member for raw, member in members)
    assert sum(not batch.problem for _, batch in batches) == 14


def test_segments_are_counted_as_in_the_index(corpus: tuple[CorpusFile, ...]) -> None:
    """For CR, LF, CRLF and mixed ends; and again with each line end replaced by another, and by all in turn."""
    seen: Counter[str] = Counter()
    for name, raw, row in corpus:
        if name in UNREADABLE or is_batch(raw):
            continue
        parsed = Message.parse(raw, charset(raw))
        assert len(parsed.segments) == int(row["nseg"]), name
        seen[row["sep"]] += 1
        lines = [segment.raw for segment in parsed.segments]
        for style in ENDS:
            again = b"".join(line + style[at % len(style)] for at, line in enumerate(lines))
            assert [segment.raw for segment in Message.parse(again, parsed.charset).segments] == lines, name
    assert {"CR", "LF", "CRLF", "CR+LF", "CR+CRLF", "CR+LF+CRLF"} <= seen.keys()


def places(message: Message, draw: random.Random) -> Iterator[Path]:
    """A few places of a message, existing and beyond its ends."""
    named = [segment for segment in message.segments if segment.name.isupper() and segment.name[0].isalpha()]
    for segment in draw.sample(named, min(4, len(named))):
        occurrence = message.all(segment.name).index(segment) + 1
        first = 3 if segment.name == "MSH" else 1
        field = draw.randint(first, max(first, len(segment.fields) + 1))
        repetition, component = draw.choice((0, 1, 2)), draw.choice((0, 1, 5))
        yield Path(segment.name, occurrence, field, repetition, component, draw.choice((0, 2)) if component else 0)


def test_one_place_changes_and_no_other_byte_moves(corpus: tuple[CorpusFile, ...]) -> None:
    """`with_value(p, v).get(p) == v`; the bytes before and behind the field are those that came."""
    draw = random.Random(20260819)
    changes = 0
    for name, raw, parsed in readable(corpus):
        for path in places(parsed, draw):
            value = draw.choice(VALUES)
            changed = parsed.with_value(path, value)
            assert changed.get(path) == value, (name, path)
            segment = parsed.all(path.segment)[path.occurrence - 1]
            written = changed.all(path.segment)[path.occurrence - 1]
            end = segment.start + len(segment.raw)
            assert changed.raw == raw[: segment.start] + written.raw + raw[end:], (name, path)
            before, after = segment.fields, written.fields
            assert after[: path.field] == (before + [b""] * path.field)[: path.field], (name, path)
            assert after[path.field + 1 :] == before[path.field + 1 :], (name, path)
            changes += 1
    assert changes > 6000


def components(repetition: Repetition) -> Iterator[str]:
    """The components of a repetition until there is none."""
    number = 1
    while (text := repetition.get(number)) is not None:
        yield text
        number += 1


def test_every_place_can_be_read(corpus: tuple[CorpusFile, ...]) -> None:
    """Each field, repetition and component as text; joined they are the field, where it holds no escapes."""
    for name, _, parsed in readable(corpus):
        marks = parsed.delimiters
        for segment in parsed.segments[1:]:
            for number in range(1, len(segment.fields)):
                texts = [marks.component.join(components(one)) for one in segment.repetitions(number)]
                whole = segment.get(number)
                if marks.escape_byte not in segment.fields[number]:
                    assert marks.repetition.join(texts) == whole, (name, segment.name, number)


def test_every_message_is_acknowledged_and_the_answer_reads_back(corpus: tuple[CorpusFile, ...]) -> None:
    """Whatever the header holds, the answer is one message with the control id that came."""
    for name, raw, parsed in readable(corpus):
        header = scan_msh(raw)
        answer = acknowledge(header, "AA", now="20260819", control_id="E1", error=None)
        read = read_ack(answer)
        assert (read.code, read.control_id.encode(parsed.charset)) == ("AA", header.control_id), name


def test_orders_do_not_overlap(corpus: tuple[CorpusFile, ...]) -> None:
    """Groups follow each other, and each begins with its ORC or its detail segment."""
    seen = 0
    for name, _, parsed in readable(corpus):
        end = 0
        for group in order_groups(parsed):
            assert end <= group.start < group.end <= len(parsed.segments), name
            assert parsed.segments[group.start] in (group.orc, group.detail, *group.others[:1]), name
            end = group.end
            seen += 1
    assert seen > 2000


def test_python_hl7_reads_the_same(corpus: tuple[CorpusFile, ...]) -> None:
    """The independent reader finds the same segments and the same text in every field of 1,305 CR-ended messages.

    Messages that end their lines otherwise are one segment to it, which is why it does not stand on this path.
    """
    messages = fields = 0
    for name, raw, row in corpus:
        if name in UNREADABLE or name in READ_OTHERWISE or is_batch(raw) or row["sep"] != "CR":
            continue
        ours = Message.parse(raw, charset(raw))
        theirs = hl7.parse(raw.decode(ours.charset))
        assert len(theirs) == len(ours.segments), name
        for own, other in zip(ours.segments, theirs, strict=True):
            assert [str(field) for field in other] == [field.decode(ours.charset) for field in own.fields], (name, own)
            fields += len(own.fields)
        messages += 1
    assert messages == 1305
    assert fields > 100_000
