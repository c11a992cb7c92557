"""Write ranked findings at a budget: a headline of 64 characters, OBR-13, the note. A fact is never cut inside."""

from collections.abc import Sequence
from typing import NamedTuple

from engine.patient.fact import Fact
from engine.relevance.absence import absence_line
from engine.relevance.case import Case
from engine.relevance.dates import clock, full, iso
from engine.relevance.durations import EVER, spoken
from engine.relevance.evaluate import Finding
from engine.relevance.phrases import NOT_FINAL, Phrases, ascii_only, bare, status, where

NOTE_MARK = "EMR CONTEXT"  # what our NTE begins with (D13c)
_TIERS = {"S": "SAFETY", "I": "INTERPRETATION", "C": "CONTEXT"}


class Item(NamedTuple):
    """A finding in words: `short` for the headline ("" = not there), `line` for the note with its source and rule."""

    finding: Finding
    short: str
    line: str

    def __repr__(self) -> str:
        return f"Item({self.finding!r}, {len(self.line)} characters)"


class Headline(NamedTuple):
    """The text, and the items in it."""

    text: str
    shown: tuple[Item, ...]

    def __repr__(self) -> str:
        return f"Headline({len(self.text)} characters, {len(self.shown)} shown)"


def items(findings: Sequence[Finding], case: Case) -> tuple[Item, ...]:
    """The findings in words, in the order given."""
    return tuple(_item(finding, case) for finding in findings)


def headline(written: Sequence[Item], width: int) -> Headline:
    """The most important items that fit, ASCII, whole, and how many more there are; nothing pads it (C19, C22).

    A safety item that does not fit is counted as `+2 more safety, see note`, others as `+2`.
    """
    shorts = [item for item in written if item.short]
    for count in range(len(shorts), -1, -1):
        text = "; ".join([*(item.short for item in shorts[:count]), *_more(shorts[count:])])
        if len(text) <= width:
            return Headline(text, tuple(shorts[:count]))
    return Headline("", ())


def note(written: Sequence[Item], case: Case, order_text: str, width: int) -> str:
    """The whole summary as one line without escapes; safety is never left out, others from the least important up.

    `order_text` is the order's own OBR-13 where that field could not keep it (C23).
    """
    for count in range(len(written), -1, -1):
        kept = [item for n, item in enumerate(written) if n < count or item.finding.severity == "S"]
        text = _note(kept, len(written) - len(kept), case, order_text)
        if len(text) <= width or len(kept) == sum(item.finding.severity == "S" for item in written):
            return text
    return ""


def threshold(finding: Finding) -> str:
    """What the rule asked: `egfr below 30, 90 d before the exam`; made from the rule itself, so it cannot differ."""
    check = finding.check
    names = " or ".join(check.concepts) or " or ".join(check.kinds)
    if finding.missing is not None:
        return f"{names} missing, {spoken(finding.missing.window)} before the exam"
    window = "ever" if check.window == EVER else f"{spoken(check.window)} before the exam"
    also = f", with {' or '.join(check.with_any)}" if check.with_any else ""
    return f"{names} {check.when.limit()}{also}, {window}"


def origin(finding: Finding, case: Case) -> str:
    """Where the fact stands: `lab entry 4711 OBX[3]-5, final, observed 2026-08-19 06:10`; "" for a missing one."""
    if finding.hit is None:
        return ""
    fact = finding.hit.fact
    word = status(fact)
    observed = f", observed {iso(fact.observed, case)}" if fact.observed else ""
    return f"{fact.source} entry {fact.entry} {fact.path}{f', {word}' if word else ''}{observed}"


def _item(finding: Finding, case: Case) -> Item:
    check = finding.check
    if finding.hit is None:
        return _absent(finding, case)
    words = Phrases(case, check, finding.hit)
    short = _qualified(ascii_only(check.h64.render(words)), finding.hit.fact) if check.h64 else ""
    line = f"{check.line.render(words)} [{where(finding.hit.fact)}, {finding.rule.id}]"
    return Item(finding, short, line)


def _qualified(short: str, fact: Fact) -> str:
    """The words for the headline with what keeps them from being certain: a mere possibility, a result that is not final."""
    if fact.certainty == "possible":
        short = f"{short[:1]}poss. {short[1:]}" if short.startswith("!") else f"poss. {short}"
    return f"{short} prelim" if status(fact) in NOT_FINAL else short


def _absent(finding: Finding, case: Case) -> Item:
    missing, heard = finding.missing, finding.heard
    if missing is None or heard is None:
        return Item(finding, "", "")
    line = f"{absence_line(case, missing.name, missing.window, heard)} [{finding.rule.id}]"
    stated = finding.kind == "missing" and missing.h64
    return Item(finding, stated.render(lambda _window: spoken(missing.window)) if stated else "", line)


def _more(left: Sequence[Item]) -> list[str]:
    safety = sum(item.finding.severity == "S" for item in left)
    if safety:
        return [f"+{safety} more safety, see note"]
    return [f"+{len(left)}"] if left else []


def _note(kept: Sequence[Item], left: int, case: Case, order_text: str) -> str:
    parts = [f"{NOTE_MARK} {full(case.subject.now, case)}"]
    if order_text:
        parts.append(f"ORDER TEXT: {bare(order_text)}")
    for tier, word in _TIERS.items():
        lines = [item.line for item in kept if item.finding.severity == tier]
        if lines:
            parts.append(f"{word}: {'. '.join(lines)}")
    if case.coverage.delayed_since:
        parts.append(f"Results delayed since {clock(case.coverage.delayed_since, case)}")
    safety = sum(item.finding.severity == "S" for item in kept)
    shown = f"{len(kept)} finding{'' if len(kept) == 1 else 's'} shown, {safety} safety"
    parts.append(f"{shown}, +{left} more" if left else shown)
    return ". ".join(parts) + "."
