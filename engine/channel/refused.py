"""What a refused frame says all the same: the messages and the control id by which a person finds it."""

from typing import NamedTuple

from engine.channel.ports import SearchKey
from engine.channel.search_keys import LONGEST, search_keys
from engine.errors import Unreadable
from engine.hl7.batch import is_batch, split_batch
from engine.hl7.message import Message
from engine.hl7.msh import damage
from engine.hl7.printable import printable
from engine.hl7.received import message_of

_HEAD = 64 * 1024  # bytes that are read: it may be there for its million segments


class Refused(NamedTuple):
    """`type` is MSH-9, or `batch`; of a damaged header, whose MSH-9 may be anything, it is empty."""

    type: str
    control_id: bytes  # of the batch, else MSH-10, as it stands
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        return f"<Refused, {len(self.messages)} messages>"


def read_refused(body: bytes, charset: str) -> Refused:
    """What can be read of its beginning. Raises Unreadable where there is nothing."""
    head = _beginning(body)
    if is_batch(head):
        batch = split_batch(head)
        found = [message for raw in batch.messages if (message := _message(raw, charset)) is not None]
        return Refused("batch", batch.control_id, tuple(found))
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
    own = refused.control_id.decode("utf-8", "backslashreplace")
    keys = [key for message in refused.messages for key in search_keys(message, entry)]
    if own and not (refused.messages and refused.type != "batch"):
        keys.append(SearchKey("control_id", printable(own)[:LONGEST], entry))
    return tuple(dict.fromkeys(keys))


def _message(raw: bytes, charset: str) -> Message | None:
    try:
        return message_of(raw, charset)
    except Unreadable:
        return None


def _beginning(body: bytes) -> bytes:
    """The body; of a long one the lines at its beginning."""
    if len(body) <= _HEAD:
        return body
    head = body[:_HEAD]
    return head[: max(head.rfind(b"\r"), head.rfind(b"\n")) + 1] or head
