"""The identity guard (D13b): what is known of one person must never be shown for another who has the number now.

A hospital gives a number to somebody else by registering that person under it. From then on the stored patient is the new
one, and it is the facts of the former one that are nobody's (docs/adr/0010). Feeds other than registrations name a person in
each message as well: what came under another name is no fact of this order's patient.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from engine.hl7.message import Segment
from engine.patient.context import PatientContext
from engine.patient.fact import BESIDE, REGISTERED, Demographics, Fact
from engine.patient.identity import said

_UNKNOWN = frozenset({"19000101", "18000101", "00010101", "11111111", "99991231"})  # birth dates sent for unknown ones
_SPELT = str.maketrans({"Ä": "AE", "Ö": "OE", "Ü": "UE", "Ø": "OE", "Å": "AA"})
_BESIDE = BESIDE | {"demographics"}  # nothing that would be shown
_REUSED = "this number was somebody else's before; what was known then is left out of the order"
_MISNAMED = "messages under this number name somebody else; what they say is left out of the order"


def demographics(pid: Segment | None) -> Demographics:
    """What a PID says about who this is: PID-5.1, 5.2, 7, 8; absent and deleted places as empty text."""
    if pid is None:
        return Demographics("", "", "", "")
    return Demographics(said(pid.get(5, 1, 1)), said(pid.get(5, 2)), said(pid.get(7, 1)), said(pid.get(8, 1)))


def in_doubt(order: Demographics, stored: Demographics | None) -> bool:
    """Whether birth date AND family name of an order's PID both differ from the stored patient's.

    One of them alone is a typing error, a marriage, a correction. Where one of them was not sent by both, the given name
    stands in for it: a family name that differs under one given name is a marriage. So what was sent contradicts, and
    nothing that was sent agrees (docs/adr/0010); where nothing was, there is nothing to tell. Names are compared in capitals without blanks, hyphens and apostrophes; dates as far as both were sent (1960 and
    19600101 agree).
    """
    if stored is None:
        return False
    family, born = _same_name(order.family, stored.family), _same_date(order.birth_date, stored.birth_date)
    if family or born or (family is None and born is None):
        return False
    return None not in {family, born} or not (_same_given(order, stored) or _one_begins_the_other(order, stored))


def doubted(order: Demographics, context: PatientContext) -> bool:
    """Whether everybody who says whose the identifiers are names somebody else: registrations, or else every other feed."""
    if context.people:
        return in_doubt(order, context.demographics)
    latest = {(row.patient, row.source): row for row in _in_order(context.named)}
    return bool(latest) and all(in_doubt(order, _who(row)) for row in latest.values())


def only_own(order: Demographics, context: PatientContext) -> tuple[PatientContext, str]:
    """The context without what is somebody else's, and why something was left out ("" = nothing was).

    Of a kind of facts of which some were left out no absence is claimed either: they may be the patient's after all, under a
    name that was a mistake or was not known yet.
    """
    patient = _completed(order, context.demographics)
    everybody = _Everybody(patient, context)
    if not everybody.others:
        return context, ""
    left = [fact for fact in context.rows if everybody.is_others(fact)]
    gone = set(map(id, left))
    told = [fact for fact in left if fact.kind not in _BESIDE]
    misnamed = [everybody.is_misnamed(fact) for fact in told]
    own = context.only(lambda fact: id(fact) not in gone, silent={fact.kind for fact in told})
    return own, "; ".join([_REUSED] * (False in misnamed) + [_MISNAMED] * (True in misnamed))


class _Said(NamedTuple):
    """Whom a row names: this patient (True), somebody else (False), or nobody in particular (None)."""

    place: tuple[int, int]  # entry, and place in the message
    version: int
    ours: bool | None


class _Everybody:
    """Whom registrations, and the other feeds, called by each identifier, entry by entry, against one patient."""

    def __init__(self, patient: Demographics, context: PatientContext) -> None:
        self._registered: dict[str, list[_Said]] = {}
        self._named: dict[tuple[str, str], list[_Said]] = {}
        families = set()  # of others who were registered: a name of theirs tells, also where nothing else was sent
        for row in _in_order(context.people):
            said = _said(patient, row)
            self._registered.setdefault(row.patient, []).append(said)
            if said.ours is False:
                families.add(_letters(row.text))
        for row in _in_order(context.named):
            said = _said(patient, row)
            if said.ours is None and _letters(row.text) in families:
                said = said._replace(ours=False)
            self._named.setdefault((row.patient, row.source), []).append(said)
        every = (*self._registered.values(), *self._named.values())
        self.others = any(one.ours is False for said in every for one in said)
        # an identifier that nobody registered begins when the last of the others became this patient's
        self._since = max(map(_begun, self._registered.values()), default=0)

    def is_others(self, fact: Fact) -> bool:
        """Whether a fact is somebody else's: by its own message, else by whose the number was."""
        if fact.kind == "vip":
            return False  # whoever it marks: what is confidential stays so (D23)
        registered = self._registered.get(fact.patient, [])
        if _kind(fact) in REGISTERED:
            return _last_told(registered, fact) is False
        named = self._named.get((fact.patient, fact.source), [])
        own = _told(named, fact)
        if own is not None:
            return not own
        if registered:
            return _in_force(registered, fact) is False
        return fact.entry < self._since or _last_told(named, fact) is False

    def is_misnamed(self, fact: Fact) -> bool:
        """Whether it is somebody else's by its own message, which registers nobody."""
        named = self._named.get((fact.patient, fact.source), [])
        return _kind(fact) not in REGISTERED and _told(named, fact) is False


def _kind(fact: Fact) -> str:
    """The kind of a fact, or of the set that a snapshot's marker ends."""
    return fact.text if fact.kind == "snapshot" else fact.kind


def _told(rows: list[_Said], fact: Fact) -> bool | None:
    """What the PID before a fact says, in its own message or in the last one that differs from those before."""
    before = bisect_right(rows, (fact.entry, fact.ordinal), key=lambda one: one.place)
    return rows[before - 1].ours if before else None


def _last_told(rows: list[_Said], fact: Fact) -> bool | None:
    """The same, where a PID that says nothing leaves what an earlier one said."""
    before = bisect_right(rows, (fact.entry, fact.ordinal), key=lambda one: one.place)
    return next((one.ours for one in reversed(rows[:before]) if one.ours is not None), None)


def _in_force(rows: list[_Said], fact: Fact) -> bool | None:
    """Whose the number was when an entry came: by the newest registration of those before it, else by the first ever.

    Registrations come late, so the newest is the one of the highest version.
    """
    telling = [one for one in rows if one.ours is not None]
    before = [one for one in telling if one.place <= (fact.entry, fact.ordinal)]
    if before:
        return max(before, key=lambda one: (one.version, one.place)).ours
    return telling[0].ours if telling else None


def _begun(rows: list[_Said]) -> int:
    """The entry with which a number that was somebody else's became this patient's; 0 where it always was."""
    since, others = 0, False
    for one in sorted(rows, key=lambda one: (one.version, one.place)):
        if one.ours is not None:
            since = one.place[0] if others and one.ours else since
            others = not one.ours
    return since


def _completed(order: Demographics, stored: Demographics | None) -> Demographics:
    """The patient as the order names them; a place that it leaves empty as the registrations do."""
    if stored is None:
        return order
    return Demographics(*(mine or theirs for mine, theirs in zip(order, stored, strict=True)))


def _said(patient: Demographics, row: Fact) -> _Said:
    who = _who(row)
    agrees = _same_name(patient.family, who.family) or _same_date(patient.birth_date, who.birth_date)
    return _Said((row.entry, row.ordinal), row.version, False if in_doubt(patient, who) else True if agrees else None)


def _in_order(rows: Iterable[Fact]) -> list[Fact]:
    return sorted(rows, key=lambda row: (row.entry, row.ordinal, row.run))


def _who(row: Fact) -> Demographics:
    """Whom a row of kind `demographics` or `person` names; a deleted place names nobody."""
    return Demographics(said(row.text), said(row.value_text), said(row.code), "")


def _same_name(one: str, other: str) -> bool | None:
    """Whether two names are one; None where one was not sent."""
    a, b = _letters(one), _letters(other)
    return a == b if a and b else None


def _one_begins_the_other(one: Demographics, other: Demographics) -> bool:
    """Whether the whole names begin alike: some feeds send `DOE JANE` as the family name."""
    a, b = _letters(one.family + one.given), _letters(other.family + other.given)
    return bool(a and b) and (a.startswith(b) or b.startswith(a))


def _same_date(one: str, other: str) -> bool | None:
    """Whether two birth dates agree as far as both were sent; None where one was not."""
    a, b = _digits(one), _digits(other)
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared] if shared else None


def _same_given(one: Demographics, other: Demographics) -> bool:
    """Whether the given names agree as far as both were sent: `JANE M`, `J` and `JANE` do."""
    a, b = _letters(one.given), _letters(other.given)
    return bool(a and b) and (a.startswith(b) or b.startswith(a))


def _digits(date: str) -> str:
    """The digits of a birth date as far as the day; a date that stands for an unknown one says nothing."""
    digits = "".join(filter(str.isdigit, date))[:8]
    return "" if digits in _UNKNOWN else digits


def _letters(name: str) -> str:
    """A name in plain capitals: `Müller` and `MUELLER`, `O'Brien` and `OBRIEN` are one."""
    plain = unicodedata.normalize("NFKD", said(name).upper().translate(_SPELT))
    return "".join(letter for letter in plain if letter.isalnum())
