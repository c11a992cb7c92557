"""Dates as carriers write them: `19Aug`, with the year when it is not the exam's (settled question C20), never 8/19."""

from datetime import datetime

from engine.patient.fact import YEAR, Fact, coarseness, in_future, seen
from engine.relevance.case import Case, local

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(at: int, case: Case) -> str:
    """`19Aug` or `19Aug2025`; `Aug2025` or `2025` where no day was sent (T47)."""
    when, coarse = local(at, case.zone), coarseness(at)
    if coarse:
        return str(when.year) if coarse == YEAR else f"{_MONTHS[when.month - 1]}{when.year}"
    text = f"{when.day:02d}{_MONTHS[when.month - 1]}"
    return text if when.year == case.year else f"{text}{when.year}"


def moment(at: int, case: Case) -> str:
    """`19Aug 06:10`; the day alone where the time is midnight, as a date without a time is."""
    when = local(at, case.zone)
    return day(at, case) if coarseness(at) or _midnight(when) else f"{day(at, case)} {when:%H:%M}"


def dated(fact: Fact, case: Case) -> str:
    """The day of a fact; `19Aug2027?` where a result claims to be of the future (T50)."""
    return f"{day(fact.observed, case)}?" if in_future(fact) else day(seen(fact), case)


def clock(at: int, case: Case) -> str:
    """`09:02` on the day of the order, else `18Aug 09:02`."""
    when = local(at, case.zone)
    same = when.date() == local(case.subject.now, case.zone).date()
    return f"{when:%H:%M}" if same else f"{day(at, case)} {when:%H:%M}"


def year(at: int, case: Case) -> str:
    """`2021`."""
    return str(local(at, case.zone).year)


def full(at: int, case: Case) -> str:
    """`20Aug2026 09:12`, the time as of which a note speaks."""
    when = local(at, case.zone)
    return f"{when.day:02d}{_MONTHS[when.month - 1]}{when.year} {when:%H:%M}"


def iso(at: int, case: Case) -> str:
    """`2026-08-19 06:10`, for people who trace a line; `2026-08` or `2026` where no more was sent."""
    when = local(at, case.zone)
    if coarse := coarseness(at):
        return f"{when:%Y}" if coarse == YEAR else f"{when:%Y-%m}"
    return f"{when:%Y-%m-%d}" if _midnight(when) else f"{when:%Y-%m-%d %H:%M}"


def dtm(at: int, case: Case) -> str:
    """HL7 DTM in the listener's zone, as exact as it was sent: `2026`, `202608`, `20260818`, `20260819061000`."""
    when = local(at, case.zone)
    if coarse := coarseness(at):
        return f"{when:%Y}" if coarse == YEAR else f"{when:%Y%m}"
    return f"{when:%Y%m%d}" if _midnight(when) else f"{when:%Y%m%d%H%M%S}"


def _midnight(when: datetime) -> bool:
    return not (when.hour or when.minute or when.second)
