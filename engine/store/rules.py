"""What both forms of storage agree on: how long a duplicate is known, what can be stored, how search keys are numbered."""

from collections.abc import Iterable
from typing import Final

from engine.channel.ports import BATCH, Kind, Received
from engine.errors import StoreRefused

DUPLICATE_KNOWN: Final = 7 * 86_400_000_000  # microseconds for which a resend is recognised (D16)

SEARCH_KINDS: Final = {"patient": 1, "control_id": 2, "accession": 3, "placer": 4, "filler": 5, "visit": 6, "sent": 7}

_LARGEST = 2**63


def answers_for(kind: int, received: Received) -> bool:
    """Whether an earlier entry of this kind with the same bytes makes this one a duplicate.

    One that was refused does not, where what comes now is accepted: nothing was done with it (ADR 12).
    """
    return kind != Kind.QUARANTINED or received.kind is not Kind.MESSAGE


def may_be_released(received: Received, *, refused: bool) -> bool:
    """Whether a person may have let these bytes through: they were refused before, alone or as part of a batch."""
    return received.kind is Kind.MESSAGE and (refused or BATCH in received.flags.split())


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
