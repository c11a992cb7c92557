"""What both forms of storage agree on: how long a duplicate is known, what can be stored, how search keys are numbered."""

import hashlib
from collections.abc import Iterable
from typing import Final

from engine.channel.ports import Kind, Received
from engine.errors import StoreRefused
from engine.hl7.batch import is_batch, split_batch

DAY: Final = 86_400_000_000  # microseconds
DUPLICATE_KNOWN: Final = 7 * DAY  # microseconds for which a resend is recognised (D16)

SEARCH_KINDS: Final = {"patient": 1, "control_id": 2, "accession": 3, "placer": 4, "filler": 5, "visit": 6, "sent": 7}

_LARGEST = 2**63
_PART = frozenset({"cut_off", "too_long", "utf_16"})  # flags of frames of which not every message is there


def answers_for(kind: int, received: Received) -> bool:
    """Whether an earlier entry of this kind with the same bytes makes this one a duplicate.

    One that was refused does not, where what comes now is accepted: nothing was done with it (ADR 12).
    """
    return kind != Kind.QUARANTINED or received.kind is not Kind.MESSAGE


def answer_of_released(received: Received) -> str:
    """What the resend of a message is answered that a person let through: AA also where it would be refused again.

    Receive tells it in the mode that the frame asks for.
    """
    return received.answer if received.kind is Kind.MESSAGE else "AA"


def members(received: Received, digest: bytes) -> list[bytes]:
    """The digests of what must have been let through so that a refused frame was: itself, or each message of a batch."""
    if not is_batch(received.body) or not _PART.isdisjoint(received.flags.split()):
        return [digest]
    return [hashlib.sha256(message).digest() for message in split_batch(received.body).messages] or [digest]


def refuse_unstorable(rows: Iterable[Iterable[object]]) -> None:
    """Refuse what no database can hold, as SQLite does: integers beyond 64 bits and text with lone surrogates.

    Raises StoreRefused naming the kind of refusal, never the value.
    """
    for row in rows:
        for value in row:
            if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
                raise StoreRefused("store refused: OverflowError")
            if isinstance(value, str) and not value.isascii():
                _refuse_surrogates(value)


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StoreRefused("store refused: UnicodeEncodeError") from None
