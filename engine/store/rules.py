"""What both forms of storage agree on: how long a duplicate is known, what can be stored, how search keys are numbered."""

from collections.abc import Iterable
from typing import Final

from engine.errors import StoreRefused

DUPLICATE_KNOWN: Final = 7 * 86_400_000_000  # microseconds for which a resend is recognised (D16)

SEARCH_KINDS: Final = {"patient": 1, "control_id": 2, "accession": 3, "placer": 4, "filler": 5, "visit": 6, "sent": 7}

_LARGEST = 2**63


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
