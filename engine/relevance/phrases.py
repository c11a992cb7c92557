"""The words of a finding: what each name of a template says, in plain characters that no worklist misreads."""

import unicodedata
from collections.abc import Callable, Mapping

from engine.patient.fact import Fact, in_future, latest, seen
from engine.relevance.allergy import reactions, severity
from engine.relevance.case import Case, Hit
from engine.relevance.compiled import Check
from engine.relevance.dates import dated, day, moment, year
from engine.relevance.durations import spoken

_STATUS = {
    "F": "final",
    "C": "corrected",
    "P": "preliminary",
    "R": "not verified",
    "S": "partial",
    "I": "pending",
    "U": "final",
}
NOT_FINAL = frozenset({"preliminary", "not verified", "partial", "pending"})
_MEASURES = frozenset({"lab", "vital"})
_DELIMITERS = str.maketrans({"|": "/", "^": " ", "~": ",", "\\": "/", "&": "+", "\r": " ", "\n": ";", "\t": " "})
_UNIT = str.maketrans("", "", "{}[]_")
_STABLE = 0.05  # a change below 5 % has no direction
_TREND_WINDOW = 180 * 86_400_000_000
_LONGEST = 120  # characters of a text as sent inside a line


def bare(text: str) -> str:
    """The text without what would travel as an escape: delimiters and breaks become `/`, `+`, `,`, `;` or a blank."""
    return " ".join(text.translate(_DELIMITERS).split())


def ascii_only(text: str) -> str:
    """The text in ASCII: accents dropped, what has no ASCII form as `?`."""
    if text.isascii():
        return text
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(plain).encode("ascii", "replace").decode("ascii")


def status(fact: Fact) -> str:
    """`final`, `preliminary`...; empty for kinds that have no status."""
    if fact.kind not in _MEASURES:
        return ""
    return _STATUS.get(fact.status or "F", fact.status)


def where(fact: Fact) -> str:
    """`lab OBX`: the listener and the segment that said it."""
    segment = fact.path.partition("-")[0].partition("[")[0]
    return f"{fact.source} {segment}".strip()


class Phrases:
    """The words of one finding; called with a template's name."""

    __slots__ = ("_case", "_check", "_hit")

    def __init__(self, case: Case, check: Check, hit: Hit) -> None:
        self._case = case
        self._check = check
        self._hit = hit

    def __call__(self, name: str) -> str:
        return _SAYS[name](self._case, self._check, self._hit)


def _value(_case: Case, _check: Check, hit: Hit) -> str:
    return bare(hit.fact.value_text)[:_LONGEST]


def _unit(_case: Case, _check: Check, hit: Hit) -> str:
    return bare(hit.fact.unit.translate(_UNIT))


def _status(_case: Case, _check: Check, hit: Hit) -> str:
    word = status(hit.fact)
    return f"; {word}" if word else ""


def _day(case: Case, _check: Check, hit: Hit) -> str:
    return dated(hit.fact, case)


def _when(case: Case, _check: Check, hit: Hit) -> str:
    if not hit.fact.observed:
        return "date not sent"
    return f"{dated(hit.fact, case)} date in the future" if in_future(hit.fact) else moment(seen(hit.fact), case)


def _year(case: Case, _check: Check, hit: Hit) -> str:
    return year(hit.fact.observed, case) if hit.fact.observed else ""


def _trend(case: Case, _check: Check, hit: Hit) -> str:
    """The value before it and the direction, when it is of the last 180 days."""
    if not hit.series or hit.fact.value is None or seen(hit.fact) - seen(hit.series[0]) > _TREND_WINDOW:
        return ""
    past = hit.series[0]
    before = past.value or 0.0
    change = hit.fact.value - before
    direction = "stable" if abs(change) < _STABLE * abs(before) else "falling" if change < 0 else "rising"
    return f"; {bare(past.value_text)} on {dated(past, case)}; {direction}"


def _stale(_case: Case, check: Check, hit: Hit) -> str:
    return f"; older than {spoken(check.stale_after)}" if hit.stale else ""


def _formula(_case: Case, _check: Check, hit: Hit) -> str:
    return f", {hit.formula}" if hit.formula else ""


def _values(case: Case, _check: Check, hit: Hit) -> str:
    last = [hit.fact, *hit.series[:2]][::-1]
    return ", ".join(f"{bare(fact.value_text)} ({dated(fact, case)})" for fact in last)


def _name(_case: Case, check: Check, hit: Hit) -> str:
    return check.names.get(hit.fact.concept) or hit.fact.concept.replace("_", " ")


def _agent(_case: Case, check: Check, hit: Hit) -> str:
    return bare(hit.fact.text)[:_LONGEST] or _name(_case, check, hit)


def _code(_case: Case, _check: Check, hit: Hit) -> str:
    return f" {bare(hit.fact.code)}" if hit.fact.code else ""


def _severity(_case: Case, _check: Check, hit: Hit) -> str:
    return severity(hit.fact)


def _reactions(_case: Case, _check: Check, hit: Hit) -> str:
    words = list(dict.fromkeys(word for fact in (hit.fact, *hit.others) for word in reactions(fact)))
    return f" ({bare(', '.join(words))})" if words else ""


def _use(case: Case, _check: Check, hit: Hit) -> str:
    fact = hit.fact
    if fact.ended and latest(fact.ended) <= case.anchor:
        return f"until {day(fact.ended, case)}"
    return f"active since {day(fact.observed, case)}" if fact.observed else "active"


def _certainty(_case: Case, _check: Check, hit: Hit) -> str:
    return "possible" if hit.fact.certainty == "possible" else ""


def _others(_case: Case, check: Check, hit: Hit) -> str:
    shown = {_agent(_case, check, hit).lower()}
    texts = []
    for fact in hit.others:
        text = bare(fact.text)[:_LONGEST]
        if text and text.lower() not in shown:
            shown.add(text.lower())
            texts.append(text)
    return f"; also listed: {', '.join(texts)}" if texts else ""


def _conflict(case: Case, _check: Check, hit: Hit) -> str:
    said = any(fact.kind == hit.fact.kind for fact in case.none_known)
    return "; the list also says no known allergies" if said else ""


def _reason(case: Case, check: Check, hit: Hit) -> str:
    if hit.reason is None:
        return ""
    fact = hit.reason
    date = f" ({day(fact.observed, case)})" if fact.observed else ""
    return f"{fact.concept.replace('_', ' ')}{_code(case, check, Hit(fact))}{date}"


_SAYS: Mapping[str, Callable[[Case, Check, Hit], str]] = {
    "value": _value,
    "unit": _unit,
    "date": _day,
    "when": _when,
    "year": _year,
    "status": _status,
    "trend": _trend,
    "stale": _stale,
    "formula": _formula,
    "limit": lambda _case, check, _hit: check.when.limit(),
    "values": _values,
    "name": _name,
    "agent": _agent,
    "code": _code,
    "severity": _severity,
    "SEVERITY": lambda case, check, hit: _severity(case, check, hit).upper(),
    "reactions": _reactions,
    "use": _use,
    "certainty": _certainty,
    "others": _others,
    "conflict": _conflict,
    "reason": _reason,
    "window": lambda _case, check, _hit: spoken(check.window),
}
