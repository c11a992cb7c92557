"""MSH-10 of what leaves: the same cause always gets the same id, so that a retry after a crash is known as one (D9)."""

import re
from base64 import b32encode
from hashlib import sha256

LENGTH = 20  # MSH-10 is ST 20 up to HL7 2.6
SENT = "sent"  # the kind of search key under which an entry is found by the MSH-10 of what it caused

_OURS = re.compile(rb"B[A-Z2-7]{19}")


def control_id(installation: str, destination: str, cause: tuple[int, str, int], ordinal: int = 0) -> str:
    """The first 20 characters of "B" and the base32 of a hash.

    Args:
        installation: this engine's own id, so that two engines in front of one PACS never share a control id.
        destination: its name.
        cause: (entry position, channel, run).
        ordinal: running number of the message among those of one cause to one destination.
    """
    entry, channel, run = cause
    words = "\0".join((installation, destination, str(entry), channel, str(run), str(ordinal)))
    # 15 bytes are 24 characters of base32, five more than wanted
    return "B" + b32encode(sha256(words.encode()).digest()[:15]).decode("ascii")[: LENGTH - 1]


def may_be_ours(control_id: bytes) -> bool:
    """Whether an MSH-10 has the form of ours; whether it is one, only the store can say."""
    return _OURS.fullmatch(control_id) is not None
