"""Absent is not "none" (D13): what may be said about a missing fact, from when its feed was heard."""

from collections.abc import Mapping
from typing import NamedTuple

from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.relevance.case import Case
from engine.relevance.dates import clock, dated, day
from engine.relevance.durations import spoken
from engine.relevance.phrases import ascii_only, bare

FEEDS: Mapping[str, str] = {
    "lab": "laboratory",
    "vital": "vital signs",
    "allergy": "allergy",
    "problem": "problem list",
    "medication": "medication",
    "procedure": "procedure",
    "device": "device",
    "pregnancy": "pregnancy status",
}

_LONGEST_VALUE = 60  # characters of a value as sent


class Silence(NamedTuple):
    """The site's word on absence: how long a feed may be silent, and the kinds its policy hides (never called missing)."""

    after: Mapping[str, int]  # kind -> microseconds
    hidden: frozenset[str]


class Heard(NamedTuple):
    """When the feed of a kind was heard, and whether that covers the window."""

    kind: str
    span: Span
    covers: bool
    delayed_since: int
    silent: bool
    last: Fact | None = None  # the newest number before the window, so that nobody thinks there never was one
    unread: Fact | None = None  # the newest result of the window, if the rule cannot use its value or unit
    may_tell: bool = False  # whether `unread` may say what the rule asks, and is only not understood


def heard(case: Case, kind: str, window: int, silence: Silence) -> Heard | None:
    """What is known about the feed; None where it was never heard or the policy hides it, so that nothing is said."""
    coverage = case.coverage
    span = coverage.spans.get(kind)
    if kind in silence.hidden or (span is None and not coverage.delayed_since):
        return None
    span = span or Span(0, 0)
    limit = silence.after.get(kind, 0)
    silent = bool(limit and span.last and case.subject.now - span.last > limit)
    since = bool(window and span.first and span.first <= case.anchor - window)
    return Heard(kind, span, since and not silent and not coverage.delayed_since, coverage.delayed_since, silent)


def absence_line(case: Case, name: str, window: int, said: Heard) -> str:
    """The sentence: `no INR in 30 d`, or why nothing can be claimed."""
    if said.unread and said.may_tell:
        return f"{name} not judged, received as {_as_sent(said.unread, case)}"
    feed = FEEDS.get(said.kind, said.kind)
    last = f", last {said.last.value_text} ({dated(said.last, case)})" if said.last else ""
    name = f"{name} value" if said.unread else name
    last += f", received as {_as_sent(said.unread, case)}" if said.unread else ""
    if said.covers:
        return f"no {name} in {spoken(window)}{last} ({feed} feed heard {clock(said.span.last, case)})"
    if said.delayed_since:
        return f"{name} not known{last}; results delayed since {clock(said.delayed_since, case)}"
    if said.silent:
        return f"{name} not known{last}; {feed} silent since {clock(said.span.last, case)}"
    return f"no {'recent ' if said.last else ''}{name} received{last} ({feed} feed since {day(said.span.first, case)})"


def _as_sent(fact: Fact, case: Case) -> str:
    own = "" if fact.concept else f"{fact.text or fact.code} "  # a name that is not quite the one asked for
    words = ascii_only(bare(f"{own}{fact.value_text} {fact.unit}"))
    return f"{words[:_LONGEST_VALUE]} ({dated(fact, case)})"
