"""What a message that leaves says about its answer: the bytes that MSA-2 must repeat, and whether one comes at all.

HL7 2.9.2: with MSH-15 and MSH-16 empty (original mode) every message is answered. In enhanced mode (2.9.3) MSH-15 says when
the receiver answers that it keeps the message, MSH-16 when its application does.
"""

from typing import NamedTuple

from engine.errors import Unreadable
from engine.hl7.msh import scan_msh

NEVER, ON_ERROR = b"NE", b"ER"
_ALSO_WHEN_TAKEN = frozenset({b"AL", b"SU"})  # of MSH-16: the application answers a message that it took


class Awaited(NamedTuple):
    """What is waited for; `silence` is NE or ER where a message that is taken gets no answer, else empty."""

    control_id: bytes  # MSH-10 as it leaves
    silence: bytes = b""

    def __repr__(self) -> str:
        """Without the control id."""
        return f"<Awaited {self.silence.decode()}>"


def awaited(body: bytes, control_id: str) -> Awaited:
    """What is waited for; the row's control id counts only where the body has no header that can be read."""
    try:
        msh = scan_msh(body)
    except Unreadable:
        return Awaited(control_id.encode())
    if msh.accept not in {NEVER, ON_ERROR} or msh.application in _ALSO_WHEN_TAKEN:
        return Awaited(msh.control_id)
    unanswered = msh.accept == NEVER and msh.application != ON_ERROR
    return Awaited(msh.control_id, NEVER if unanswered else ON_ERROR)
