"""The identity guard (D13b): what is known of one person must never be shown for another who has the number now.

A hospital gives a number to somebody else by registering that person under it. From then on the stored patient is the new
one, and it is the facts from before that are nobody's (docs/adr/0010).
"""

from engine.hl7.message import Segment
from engine.patient.context import PatientContext
from engine.patient.fact import Demographics
from engine.patient.identity import said

_NEVER = 2**63  # after every entry


def demographics(pid: Segment | None) -> Demographics:
    """What a PID says about who this is: PID-5.1, 5.2, 7, 8; absent and deleted places as empty text."""
    if pid is None:
        return Demographics("", "", "", "")
    return Demographics(said(pid.get(5, 1, 1)), said(pid.get(5, 2)), said(pid.get(7, 1)), said(pid.get(8, 1)))


def in_doubt(order: Demographics, stored: Demographics | None) -> bool:
    """Whether birth date AND family name of an order's PID both differ from the stored patient's.

    One of them alone is a typing error, a marriage, a correction. What one side did not send cannot differ: with a missing
    birth date or family name there is no doubt, since most feeds leave one out now and then. Names are compared in
    capitals without blanks, hyphens and apostrophes; dates as far as both were sent (1960 and 19600101 agree).
    """
    return stored is not None and _names_differ(order.family, stored.family) and _dates_differ(order, stored)


def begins(order: Demographics, context: PatientContext) -> dict[str, int]:
    """The entry since which each identifier has been this order's patient's; empty where it was never somebody else's.

    An identifier that names somebody else to this day begins after every entry. One of which no feed ever said whose it is
    begins when the last of the others does.
    """
    starts: dict[str, int] = {}
    named = set()
    for row in sorted(context.people, key=lambda row: (row.entry, row.run)):
        named.add(row.patient)
        if in_doubt(order, Demographics(said(row.text), "", said(row.code), "")):
            starts[row.patient] = _NEVER
        elif starts.get(row.patient) == _NEVER:
            starts[row.patient] = row.entry
    last = max(starts.values(), default=0)
    return starts | (dict.fromkeys(context.identifiers - named, last) if last else {})


def _names_differ(one: str, other: str) -> bool:
    a, b = _letters(one), _letters(other)
    return bool(a and b and a != b)


def _dates_differ(one: Demographics, other: Demographics) -> bool:
    a, b = one.birth_date[:8], other.birth_date[:8]
    shared = min(len(a), len(b))
    return bool(shared and a[:shared] != b[:shared])


def _letters(name: str) -> str:
    return "".join(letter for letter in said(name).upper() if letter.isalnum())
