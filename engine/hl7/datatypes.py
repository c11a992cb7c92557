"""Typed readings of the data types that the engine works with: DTM, CX, XPN, CWE and numbers (chapter 2A)."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from engine.hl7.number import Number, number
from engine.hl7.segment import Repetition, Segment

__all__ = ["Cwe", "Cx", "Dtm", "Number", "Xpn", "number"]

_DTM = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?"
    r"(?:([+-])([0-9]{2})([0-9]{2}))?"
)
_PRECISION = ("year", "month", "day", "hour", "minute", "second")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of a difference are naive, offsets are taken off by hand
_MICROSECOND = timedelta(microseconds=1)
_WIDEST = 14 * 60  # minutes; no place on earth is further from UTC


class Dtm(NamedTuple):
    """A time as sent: `text`, how exact it is, and the instant at which it begins in microseconds since 1970 UTC."""

    text: str
    precision: str  # year month day hour minute second
    instant: int
    offset_given: bool

    @staticmethod
    def parse(text: str, zone: str | None) -> "Dtm | None":
        """Read `YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+/-ZZZZ]` (chapter 2A.3.22); None for anything else or no such day.

        Without an offset the time is of `zone` (an IANA name; None: UTC). A time that the clocks skip in spring is read
        with the offset before the change, one that comes twice in autumn is the first. Raises
        zoneinfo.ZoneInfoNotFoundError for a zone that this machine does not know.
        """
        match = _DTM.fullmatch(text.strip(" "))
        if match is None:
            return None
        *parts, fraction, sign, hours, minutes = match.groups()
        numbers = [int(part) for part in parts if part is not None]
        naive = _naive(numbers, int((fraction or "").ljust(6, "0")))
        if naive is None:
            return None
        offset = _offset(naive, zone) if sign is None else _given(sign, int(hours), int(minutes))
        if offset is None:
            return None
        instant = (naive - _EPOCH - offset) // _MICROSECOND
        return Dtm(text, _PRECISION[len(numbers) - 1], instant, sign is not None)


def _naive(numbers: list[int], microsecond: int) -> datetime | None:
    year, month, day, hour, minute, second = [*numbers, *(0, 1, 1, 0, 0, 0)[len(numbers) :]]
    try:
        return datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001 - see _EPOCH
    except ValueError:
        return None


def _given(sign: str, hours: int, minutes: int) -> timedelta | None:
    total = hours * 60 + minutes
    if minutes > 59 or total > _WIDEST:
        return None
    return timedelta(minutes=-total if sign == "-" else total)


def _offset(naive: datetime, zone: str | None) -> timedelta:
    if zone is None or zone == "UTC":
        return timedelta(0)
    return naive.replace(tzinfo=_zone(zone)).utcoffset() or timedelta(0)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Cx(NamedTuple):
    """An identifier with its authority. Components that are absent or empty are both empty; `""` (delete) stays."""

    id: str
    check_digit: str
    scheme: str
    authority: str  # CX.4.1, the namespace
    universal_id: str  # CX.4.2
    type: str

    def __repr__(self) -> str:
        return "Cx(...)"

    @classmethod
    def of(cls, source: Repetition | Segment, field: int = 0, repetition: int = 1) -> Self:
        """Read a repetition, or that of a segment's field: `Cx.of(pid, 3)`."""
        return cls(*_components(source, field, repetition, ((1, 0), (2, 0), (3, 0), (4, 1), (4, 2), (5, 0))))


class Xpn(NamedTuple):
    """A person's name; `family` is the first subcomponent of XPN.1, without a partner's name or prefixes of it."""

    family: str
    given: str
    middle: str
    suffix: str
    prefix: str
    degree: str
    type: str

    def __repr__(self) -> str:
        return "Xpn(...)"

    @classmethod
    def of(cls, source: Repetition | Segment, field: int = 0, repetition: int = 1) -> Self:
        """Read a repetition, or that of a segment's field: `Xpn.of(pid, 5)`."""
        places = ((1, 1), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0))
        return cls(*_components(source, field, repetition, places))


class Cwe(NamedTuple):
    """A coded element with its alternate: CE, CNE and CWE alike."""

    code: str
    text: str
    system: str
    alt_code: str
    alt_text: str
    alt_system: str
    original: str  # CWE.9

    def __repr__(self) -> str:
        return "Cwe(...)"

    @classmethod
    def of(cls, source: Repetition | Segment, field: int = 0, repetition: int = 1) -> Self:
        """Read a repetition, or that of a segment's field: `Cwe.of(obx, 3)`."""
        places = ((1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (9, 0))
        return cls(*_components(source, field, repetition, places))


def _components(
    source: Repetition | Segment, field: int, repetition: int, places: tuple[tuple[int, int], ...]
) -> list[str]:
    if isinstance(source, Segment):
        return [source.get(field, component, sub, repetition) or "" for component, sub in places]
    return [source.get(component, sub) or "" for component, sub in places]
