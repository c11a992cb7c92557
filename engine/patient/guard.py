"""The identity guard (D13b): what is known of one person must never be shown for another who has the number now.

A hospital gives a number to somebody else by registering that person under it. From then on the stored patient is the new
one, and it is the facts from before that are nobody's (docs/adr/0010). Feeds other than registrations name a person in each
message as well: what came under another name is no fact of this order's patient.
"""

from collections.abc import Iterable

from engine.hl7.message import Segment
from engine.patient.context import PatientContext
from engine.patient.fact import Demographics, Fact
from engine.patient.identity import said

_NEVER = 2**63  # after every entry
_REGISTERED = frozenset({"demographics", "vip", "allergy", "problem"})  # what only registrations (ADT) bring
_REUSED = "this number was somebody else's before; what was known then is left out of the order"
_MISNAMED = "messages under this number name somebody else; what they say is left out of the order"


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


def doubted(order: Demographics, context: PatientContext) -> bool:
    """Whether everybody who says whose the identifiers are names somebody else: registrations, or else every other feed."""
    if context.people:
        return in_doubt(order, context.demographics)
    latest = {(row.patient, row.source): row for row in _in_order(context.named)}
    return bool(latest) and all(in_doubt(order, _who(row)) for row in latest.values())


def only_own(order: Demographics, context: PatientContext) -> tuple[PatientContext, str]:
    """The context without what is somebody else's, and why something was left out ("" = nothing was).

    Of a feed whose facts were left out because its messages name somebody else, no absence is claimed either.
    """
    starts, others = begins(order, context), named_otherwise(order, context)
    if not starts and not others:
        return context, ""

    def of_others(fact: Fact) -> bool:
        return any(start <= fact.entry < end for start, end in others.get((fact.patient, fact.source), ()))

    of_number = context.only(lambda fact: fact.entry >= starts.get(fact.patient, 0))
    misnamed = {fact.kind for fact in of_number.current() if fact.kind not in _REGISTERED and of_others(fact)}
    own = of_number.only(lambda fact: fact.kind in _REGISTERED or not of_others(fact), silent=misnamed)
    return own, "; ".join([_REUSED] * bool(starts) + [_MISNAMED] * bool(misnamed))


def begins(order: Demographics, context: PatientContext) -> dict[str, int]:
    """The entry since which each identifier has been this order's patient's; empty where it was never somebody else's.

    An identifier that names somebody else to this day begins after every entry. One of which no feed ever said whose it is
    begins when the last of the others does.
    """
    starts: dict[str, int] = {}
    registered = set()
    for row in _in_order(context.people):
        registered.add(row.patient)
        if in_doubt(order, _who(row)):
            starts[row.patient] = _NEVER
        elif starts.get(row.patient) == _NEVER and _agrees(order, _who(row)):
            starts[row.patient] = row.entry
    last = max(starts.values(), default=0)
    return starts | (dict.fromkeys(context.identifiers - registered, last) if last else {})


def named_otherwise(order: Demographics, context: PatientContext) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """For each (identifier, listener) the entries, from and up to, in which its results and reports named somebody else."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    since: dict[tuple[str, str], int] = {}
    for row in _in_order(context.named):
        place = row.patient, row.source
        if in_doubt(order, _who(row)):
            since.setdefault(place, row.entry)
        elif place in since and _agrees(order, _who(row)):
            spans.setdefault(place, []).append((since.pop(place), row.entry))
    for place, start in since.items():
        spans.setdefault(place, []).append((start, _NEVER))
    return spans


def _in_order(rows: Iterable[Fact]) -> list[Fact]:
    return sorted(rows, key=lambda row: (row.entry, row.run))


def _who(row: Fact) -> Demographics:
    """Whom a row of kind `demographics` or `person` names; a deleted place names nobody."""
    return Demographics(said(row.text), "", said(row.code), "")


def _agrees(order: Demographics, other: Demographics) -> bool:
    """Whether family name or birth date were sent by both and are the same: what says nothing ends no doubt."""
    named = bool(_letters(order.family) and _letters(other.family)) and not _names_differ(order.family, other.family)
    return named or (bool(order.birth_date and other.birth_date) and not _dates_differ(order, other))


def _names_differ(one: str, other: str) -> bool:
    a, b = _letters(one), _letters(other)
    return bool(a and b and a != b)


def _dates_differ(one: Demographics, other: Demographics) -> bool:
    a, b = one.birth_date[:8], other.birth_date[:8]
    shared = min(len(a), len(b))
    return bool(shared and a[:shared] != b[:shared])


def _letters(name: str) -> str:
    return "".join(letter for letter in said(name).upper() if letter.isalnum())
