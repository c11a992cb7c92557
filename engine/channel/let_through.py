"""A message that was refused, as the journal would know it had it been accepted (D16, ADR 12)."""

import base64
import hashlib

from engine.channel.operator_acts import words_in
from engine.channel.ports import LetThrough
from engine.channel.receive import sender_identity
from engine.errors import Unreadable
from engine.hl7.charset import splittable, usable
from engine.hl7.msh import scan_msh
from engine.hl7.received import opened


def let_through(act: bytes) -> LetThrough | None:
    """The message of a release that must not be processed twice; None of other acts, and where a person says `again`."""
    words = words_in(act)
    if words.get("act") != "release" or words.get("again"):
        return None
    try:
        message = base64.b64decode(words["body"], validate=True)
        identities = _identities(message, str(words["charset"]))
        return LetThrough(str(words["listener"]), identities, hashlib.sha256(message).digest())
    except (KeyError, TypeError, ValueError, Unreadable):  # of base64 and of the character set as well
        return None


def _identities(message: bytes, charset: str) -> tuple[bytes, ...]:
    """As receive makes them: of the header's bytes, or, where a delimiter may be half of a character, read as UTF-8."""
    headers = [scan_msh(message)]
    if usable(charset) and not splittable(charset):
        headers.append(scan_msh(opened(message, charset)))
    return tuple(dict.fromkeys(sender_identity(message, msh) for msh in headers))
