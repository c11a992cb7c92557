"""What a refused frame says all the same: the messages and the control id by which a person finds it."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from engine.channel.examine import charset_in
from engine.channel.ports import SearchKey
from engine.channel.search_keys import LONGEST, search_keys
from engine.channel.verdict import ListenerRules
from engine.errors import Unreadable
from engine.hl7.batch import is_batch, split_batch
from engine.hl7.message import Message
from engine.hl7.msh import damage, header_of, scan_msh
from engine.hl7.printable import printable
from engine.hl7.received import message_of

_RULES = ListenerRules("")
MESSAGES = 10_000  # of a batch that are looked at
_LINES = 10  # of each of them, on average
_HEAD = 64 * 1024  # bytes that are read of one message: it may be there for its million segments
_STEP = 256 * 1024  # bytes searched by one call
_SOUGHT = re.compile(
    rb"(?:\A|[\r\n\x1c])(?:[ \t]|\xef\xbb\xbf)*+((?:(?i:MSH)|PID|PV1|ORC|OBR|IPC)[!-/:-@\[-`{-~])[^\r\n\x1c]*"
)


class Refused(NamedTuple):
    """`type` is MSH-9, or `batch`; of a damaged header, whose MSH-9 may be anything, it is empty."""

    type: str
    control_id: bytes  # of the batch, else MSH-10, as it stands
    messages: tuple[Message, ...] = ()
    damaged: tuple[bytes, ...] = ()  # MSH-10 of the messages of a batch that cannot be split

    def __repr__(self) -> str:
        return f"<Refused, {len(self.messages)} messages>"


def read_refused(body: bytes, charset: str) -> Refused:
    """What can be read of its beginning; of a batch, of each of 10,000 messages. Raises Unreadable where there is nothing."""
    head = _beginning(body)
    if is_batch(body):
        return _read_batch(body, head, charset)
    message = _message(head, charset)
    if message is not None:
        header = message.segments[0]
        return Refused(header.get(9) or "", header.raw_field(10) or b"", (message,))
    damaged = damage(head)
    if damaged is None:
        raise Unreadable("there is no header")
    return Refused("", damaged.header.control_id)


def refused_keys(refused: Refused, entry: int) -> tuple[SearchKey, ...]:
    """By which it is found: each of its messages' own, and the control id of the whole."""
    keys = [key for message in refused.messages for key in search_keys(message, entry)]
    others = refused.damaged if refused.messages and refused.type != "batch" else (*refused.damaged, refused.control_id)
    words = [one.decode("utf-8", "backslashreplace") for one in others if one]
    keys += [SearchKey("control_id", printable(word)[:LONGEST], entry) for word in words]
    return tuple(dict.fromkeys(keys))


def _read_batch(body: bytes, head: bytes, charset: str) -> Refused:
    """Its headers stand at its beginning; its messages are read without the segments that name nobody."""
    messages: list[Message] = []
    damaged: list[bytes] = []
    for raw in _shortened(body):
        message = _message(raw, charset)
        if message is not None:
            messages.append(message)
        elif (header := header_of(raw)) is not None:
            damaged.append(header.control_id)
    batch = split_batch(head)
    own = messages[0].segments[0].raw_field(10) or b"" if messages and not damaged else b""
    return Refused(
        "batch", batch.control_id if batch.named else own or batch.control_id, tuple(messages), tuple(damaged)
    )


def _shortened(body: bytes) -> Iterator[bytes]:
    """The messages with the segments alone that search keys are made of; a header in small letters begins one as well."""
    lines: list[bytes] = []
    messages = 0
    for line in islice(_lines(body), MESSAGES * _LINES):
        if line.startswith(b"MSH"):
            messages += 1
            if messages > MESSAGES:
                break
            if lines:
                yield b"\r".join(lines)
            lines = [line]
        elif lines:
            lines.append(line)
    if lines:
        yield b"\r".join(lines)


def _lines(body: bytes) -> Iterator[bytes]:
    """Those that are sought, without what stands before them; of a longer one 64 KB."""
    for at in range(0, len(body), _STEP):
        upto = at + _STEP
        for found in _SOUGHT.finditer(body, at, upto + _HEAD):
            if found.start() < upto:
                line = body[found.start(1) : found.end()]
                yield b"MSH" + line[3:] if line[:3].upper() == b"MSH" else line


def _message(raw: bytes, charset: str) -> Message | None:
    """In the set that is known, else the one that it names and is text in, else as UTF-8 or as bytes."""
    try:
        return message_of(raw, charset or charset_in(raw, scan_msh(raw), _RULES).charset)
    except Unreadable:
        return None


def _beginning(body: bytes) -> bytes:
    """The body; of a long one the lines at its beginning."""
    if len(body) <= _HEAD:
        return body
    head = body[:_HEAD]
    return head[: max(head.rfind(b"\r"), head.rfind(b"\n")) + 1] or head
