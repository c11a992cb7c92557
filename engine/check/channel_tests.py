"""The tests that stand inside channels: a message and a context in, what leaves and what is kept out; no server.

tests:
- test: a CT with contrast shows the eGFR
given: {message_file: samples/orm_ct_abdomen.hl7, before: [samples/oru_egfr_24.hl7]}
expect: {status: TRANSFORMED, sent: {pacs: {OBR-13: {starts: "!eGFR 24"}}}, unchanged_except: [MSH-5, OBR-13]}
"""

from collections.abc import Iterator
from itertools import zip_longest
from time import perf_counter
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.channel.model import Channel
from engine.channel.outcome import Outcome, Status
from engine.channel.run import run
from engine.channel.site import Finding, Site
from engine.errors import BackstoryError
from engine.hl7.datatypes import Dtm
from engine.hl7.message import Message, Segment
from engine.hl7.path import Path
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage
from engine.patient.fact import Fact
from engine.patient.identity import identifiers, pick
from engine.steps.draft import Origin, StoreFacts


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Given(_Model):
    """The message, and the messages before it: each is run through the first channel that accepts it."""

    message_file: str = ""
    message: str = ""
    before: tuple[str, ...] = ()
    enrichment: Literal["on", "off"] = "on"


class Expected(_Model):
    """What the outcome must be; what is not named is not looked at."""

    status: Literal["FILTERED", "TRANSFORMED", "FAILED"] = "TRANSFORMED"
    reason: str = ""
    sent: dict[str, dict[str, Any]] = {}
    unchanged_except: tuple[str, ...] | None = None
    facts: tuple[dict[str, str], ...] = ()


class ChannelTest(_Model):
    """One test."""

    test: str
    given: Given
    expect: Expected


class Result(NamedTuple):
    """A test that ran; no failures: it passed."""

    channel: str
    test: str
    failures: tuple[str, ...]


def parse_tests(channel: Channel, file: str) -> tuple[list[ChannelTest], list[Finding]]:
    """The tests of a channel, and a finding for each that cannot be read."""
    tests, findings = [], []
    for number, content in enumerate(channel.tests, start=1):
        try:
            tests.append(ChannelTest.model_validate(content))
        except ValidationError as problem:
            error = problem.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in error["loc"])
            findings.append(Finding(file, 1, 1, "TEST002", f"test {number}: {where}: {error['msg']}"))
    return tests, findings


def run_tests(site: Site) -> Iterator[Result]:
    """Run every test of every channel."""
    for channel in site.channels:
        for test in parse_tests(channel, "")[0]:
            try:
                failures = tuple(_run(site, channel, test))
            except (BackstoryError, OSError) as problem:
                failures = (f"{type(problem).__name__}: {problem}",)
            yield Result(channel.channel, test.test, failures)


def _run(site: Site, channel: Channel, test: ChannelTest) -> Iterator[str]:
    facts: list[Fact] = []
    for position, name in enumerate(test.given.before, start=1):
        facts += _facts_of(site, _read(site, name), position)
    given = test.given
    if bool(given.message) == bool(given.message_file):
        yield "given: exactly one of message and message_file is wanted"
        return
    raw = given.message.replace("\n", "\r").encode() if given.message else b""
    message = Message.parse(raw) if raw else _read(site, given.message_file)
    if not channel.accepts(message):
        outcome = Outcome(channel.channel, Status.FILTERED, None, (), (), reason="the channel does not accept it")
    else:
        position = len(test.given.before) + 1
        outcome = _outcome(site, channel, message, position, facts, enrich=given.enrichment == "on")
    yield from _compare(test.expect, message, outcome)


def _read(site: Site, name: str) -> Message:
    raw = (site.folder / "channels" / name).read_bytes()
    return Message.parse(raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r"))


def _facts_of(site: Site, message: Message, position: int) -> Iterator[Fact]:
    for channel in site.channels:
        if channel.accepts(message):
            for effect in _outcome(site, channel, message, position, [], enrich=True).effects:
                if isinstance(effect, StoreFacts):
                    yield from effect.facts
            return


def _outcome(
    site: Site, channel: Channel, message: Message, position: int, facts: list[Fact], *, enrich: bool
) -> Outcome:
    identity = site.config.listeners[channel.from_].identity
    sent = Dtm.parse(message.get("MSH-7") or "", identity.zone)
    received = sent.instant if sent is not None and sent.instant is not None else 0
    rule = (identity.authority, tuple(identity.prefer), identity.strip_zeros, identity.zone)
    origin = Origin(position, 1, channel.from_, received, *rule)
    found = identifiers(message.first("PID"), identity.authority, identity.strip_zeros)
    who = pick(found, identity.authority, tuple(identity.prefer)) if found else None
    keys = frozenset({who.key}) if who else frozenset()
    context = PatientContext.of(keys, [fact for fact in facts if fact.patient in keys], Coverage({}))
    return run(channel, message, context, site.mappings, origin, elapsed=perf_counter, enrich=enrich)


def _compare(expect: Expected, before: Message, outcome: Outcome) -> Iterator[str]:
    if outcome.status.name != expect.status:
        yield f"status: wanted {expect.status}, got {outcome.status.name} ({outcome.step} {outcome.path} {outcome.reason})"
    if expect.reason and expect.reason not in outcome.reason:
        yield f"reason: wanted {expect.reason!r}, got {outcome.reason!r}"
    for destination, places in expect.sent.items():
        if destination not in outcome.destinations or outcome.message is None:
            yield f"sent: nothing left for {destination}"
            continue
        for path, wanted in places.items():
            problem = _value(outcome.message.get(path), wanted)
            if problem:
                yield f"{destination} {path}: {problem}"
    if expect.unchanged_except is not None and outcome.message is not None:
        yield from _moved(before, outcome.message, expect.unchanged_except)
    facts = [fact for e in outcome.effects if isinstance(e, StoreFacts) for fact in e.facts]
    for wanted in expect.facts:
        if not any(all(str(getattr(fact, name)) == value for name, value in wanted.items()) for fact in facts):
            yield f"facts: none is {wanted}; kept: {[(fact.kind, fact.concept, fact.value_text) for fact in facts]}"


def _value(found: str | None, wanted: Any) -> str:
    if isinstance(wanted, dict) and len(wanted) == 1:
        ((word, operand),) = wanted.items()
        if word == "absent":
            return "" if found is None else f"wanted nothing, got {found!r}"
        if word in ("starts", "contains"):
            holds = found is not None and (found.startswith(operand) if word == "starts" else operand in found)
            return "" if holds else f"wanted a text that {word} {operand!r}, got {found!r}"
    return "" if found == (wanted or "") else f"wanted {wanted!r}, got {found!r}"


def _moved(before: Message, after: Message, allowed: tuple[str, ...]) -> Iterator[str]:
    """Every place that differs and is not allowed to; a whole segment (NTE) allows added ones of its name."""
    paths = [Path.parse(path) for path in allowed]
    whole = {path.segment for path in paths if not path.field}
    fields = {(path.segment, path.field) for path in paths if path.field}
    old = [segment for segment in before.segments if segment.name not in whole]
    new = [segment for segment in after.segments if segment.name not in whole]
    for a, b in zip_longest(old, new):
        if a is None or b is None or a.name != b.name:
            yield f"unchanged_except: segment {(a or b).name} came, went or moved"
            return
        yield from (f"unchanged_except: {a.name}-{n} differs" for n in _fields(a, b) if (a.name, n) not in fields)


def _fields(a: Segment, b: Segment) -> Iterator[int]:
    n = 1
    while (left := a.raw_field(n)) is not None or b.raw_field(n) is not None:
        if left != b.raw_field(n):
            yield n
        n += 1
