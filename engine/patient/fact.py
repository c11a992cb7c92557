"""A fact: one dated, sourced statement about a patient, exactly as a feed said it.

Facts are only ever added. A correction is a newer fact with the same `key`, a withdrawal is a fact whose status says so,
a snapshot is a marker row after which older facts of its kind and scope no longer hold. What is true now is worked out
when the facts are read (`engine.patient.context`), so "as it was at 09:12" is the same fold over fewer rows.
"""

from typing import NamedTuple

# kinds that only registrations (ADT) bring, and kinds of rows that say nothing of the patient's state
REGISTERED = frozenset({"demographics", "vip", "allergy", "problem"})
BESIDE = frozenset({"snapshot", "person"})

MONTH, YEAR = 1, 2  # microseconds of a time of which only the month or the year was sent
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_QUARTER = 900 * _SECOND
_RESULTS = frozenset({"lab", "vital", "document"})


class Fact(NamedTuple):
    """One row of the fact table; the identity is (entry, run, ordinal, kind), so storing it again changes nothing.

    Times are UTC microseconds; 0 means not known. Texts are unescaped; `""` means the feed did not say.
    """

    patient: str  # identifier key the fact came with (Identifier.key), for ever: nothing moves in a merge
    entry: int  # journal position of the message
    run: int  # 1, or 2, 3... when reprocessed
    ordinal: int  # running number inside the message: segment index * 100 + repetition
    kind: str  # allergy problem lab vital medication document procedure device pregnancy, vip, demographics, or BESIDE
    concept: (
        str  # canonical name (`egfr`, `iodinated_contrast`, `metformin`), or "" when the site's concepts do not know it
    )
    code: str  # first code of the CWE as sent
    system: str  # its coding system as sent (LN, I10, RXN, L...)
    text: str  # its text as sent
    value: float | None  # numeric value where the field was a plain number (with its comparator)
    comparator: str  # "" < <= > >=
    value_text: str  # the value as sent: "24", ">60", "HEMOLYZED", a report's text, a reaction
    unit: str  # as sent
    reference: str  # reference range as sent (OBX-7)
    flag: str  # abnormal flag as sent (OBX-8), severity for an allergy (AL1-4)
    status: str  # F C P R I S X D W ...; "" = F for kinds without a status; A/I/D for medication: active, stopped, discontinued
    certainty: str  # "" stated | none_known | refuted | family | possible
    observed: int  # clinical time: OBX-14, else OBR-7..., AL1-6, onset, start of the medication (see `coarseness`)
    ended: int  # end of the medication or problem
    version: int  # order of corrections: OBR-22, else MSH-7, else arrival
    received: int  # when the entry arrived
    visit: str  # PV1-19 as sent, for kinds that belong to a visit
    key: str  # supersession key inside (patient, kind): the newest by (version, status rank, entry, ordinal) holds
    path: str  # where it stood: "OBX[3]-5"
    source: str  # listener that received it
    quote: str  # the words quoted when the fact is shown, kept here because the entry may be pruned

    def __repr__(self) -> str:
        return f"Fact({self.entry}:{self.run}:{self.ordinal}:{self.kind}, {self.path})"


def coarseness(at: int) -> int:
    """MONTH or YEAR where no more was sent, else 0.

    Such a time is the start of its period, midnight in some zone, with that many microseconds; a time read off a clock
    would have to be that very microsecond of a quarter of an hour.
    """
    rest = at % _QUARTER
    return rest if rest in (MONTH, YEAR) else 0


def latest(at: int) -> int:
    """The last instant that a time may mean: a month or a year sent alone may mean its end."""
    coarse = coarseness(at)
    return at + _DAY * (366 if coarse == YEAR else 31) if coarse else at


def in_future(fact: Fact) -> bool:
    """Whether a result or report claims to be of more than a day after it arrived (T50)."""
    return fact.observed > fact.received + _DAY and fact.kind in _RESULTS


def seen(fact: Fact) -> int:
    """Clinical time of a fact; when it arrived where the feed did not say or claims what cannot be."""
    return fact.observed if fact.observed and not in_future(fact) else fact.received


class Demographics(NamedTuple):
    """What the PID says about who this is; compared by the identity guard (D13b)."""

    family: str
    given: str
    birth_date: str  # YYYYMMDD as far as sent
    sex: str

    def __repr__(self) -> str:
        return "Demographics(...)"
