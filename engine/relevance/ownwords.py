"""Our own words in a message: how they are marked, and told from the clinician's, since they are no evidence (D13c).

OBR-13 holds ours first, `!eGFR 24 (19Aug) <EMR> rule out appendicitis`, or the original first, `rule out appendicitis
EMR> !eGFR 24 (19Aug)`; in both, `EMR>` says that an order was enriched already (C49). Our note begins with `EMR CONTEXT`.
"""

from typing import NamedTuple

from engine.hl7.message import Message
from engine.relevance.synopsis import NOTE_MARK

OURS_BEFORE = "<EMR>"
OURS_AFTER = "EMR>"
CUT = "(cut, see NTE)"


class Relevant(NamedTuple):
    """OBR-13 taken apart."""

    ours: str
    original: str

    def __repr__(self) -> str:
        return f"Relevant({len(self.ours)} and {len(self.original)} characters)"


def split_relevant(text: str) -> Relevant:
    """Our part and the clinician's part of an OBR-13, both without the mark."""
    ours, mark, original = text.partition(OURS_BEFORE)
    if mark:
        return Relevant(ours.strip(), original.strip())
    original, mark, ours = text.partition(OURS_AFTER)
    return Relevant(ours.strip(), original.strip()) if mark else Relevant("", text)


def join_relevant(ours: str, original: str, *, original_first: bool) -> str:
    """The two parts as one OBR-13; an empty original leaves ours and the mark."""
    if not original:
        return f"{ours} {OURS_BEFORE}"
    return f"{original} {OURS_AFTER} {ours}" if original_first else f"{ours} {OURS_BEFORE} {original}"


def cut_at_word(text: str, width: int) -> str:
    """As many whole words as fit, then `(cut, see NTE)`; the result is at most `width` characters."""
    room = width - len(CUT) - 1
    words = text.split()
    kept = ""
    for word in words:
        longer = f"{kept} {word}".strip()
        if len(longer) > room:
            break
        kept = longer
    return f"{kept} {CUT}".strip()


def is_own_note(text: str) -> bool:
    """Whether an NTE-3 is a note of ours."""
    return text.startswith(NOTE_MARK)


def without_own_notes(message: Message) -> Message:
    """The message without the notes an earlier enrichment wrote into it; most messages come back as they are."""
    own = [n for n, segment in enumerate(message.all("NTE"), 1) if is_own_note(segment.get(3) or "")]
    for number in reversed(own):
        message = message.without(f"NTE[{number}]")
    return message
