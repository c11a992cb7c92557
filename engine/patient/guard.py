"""The identity guard (D13b): a number that now belongs to somebody else must show nobody's facts."""

from engine.hl7.message import Segment
from engine.patient.fact import Demographics
from engine.patient.identity import said


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


def _names_differ(one: str, other: str) -> bool:
    a, b = _letters(one), _letters(other)
    return bool(a and b and a != b)


def _dates_differ(one: Demographics, other: Demographics) -> bool:
    a, b = one.birth_date[:8], other.birth_date[:8]
    shared = min(len(a), len(b))
    return bool(shared and a[:shared] != b[:shared])


def _letters(name: str) -> str:
    return "".join(letter for letter in said(name).upper() if letter.isalnum())
