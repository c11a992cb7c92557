"""What a channel test gives: the patient's context from its shorthand, and from messages that came before."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.channel.expectations import Given, GivenAllergy, GivenConcept, GivenFact, GivenMedication, GivenProblem
from engine.channel.model import Channel
from engine.channel.outcome import Outcome
from engine.channel.outgoing import refused
from engine.channel.run import run
from engine.channel.site import Site
from engine.hl7.datatypes import number
from engine.hl7.message import Message
from engine.patient.concept import Concepts
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage, Span
from engine.patient.extract import instant
from engine.patient.fact import Fact
from engine.patient.identity import Clusters, IdentityEvent, pick_identifier
from engine.steps.draft import Identify, Origin, StoreFacts

_EMPTY = Fact(
    *("", 0, 1, 0, "", "", "", "", "", None, "", "", "", "", "", "", ""),
    *(0, 0, 0, 0, "", "", "", "given", ""),
)
_SEGMENTS = {"lab": "OBX", "vital": "OBX", "allergy": "AL1", "medication": "RXE", "problem": "DG1"}


class World(NamedTuple):
    """The facts and identity events that hold before the message of a test."""

    facts: tuple[Fact, ...]
    events: tuple[IdentityEvent, ...]
    position: int  # of the message itself


def world(site: Site, given: Given, origin: Origin, patient: str) -> World:
    """The world of a test: `context:` is of the message's own patient, `before:` of whoever its messages name."""
    facts = list(_context(given.context, site.mappings.concepts, origin, patient))
    events: list[IdentityEvent] = []
    position = len(facts) + 1
    for name in given.before:
        message = read_sample(site, name)
        for channel in site.channels:
            if not channel.to and channel.accepts(message):
                for effect in outcome_of(site, channel, message, World((), (), position)).effects:
                    if isinstance(effect, StoreFacts):
                        facts += effect.facts
                    elif isinstance(effect, Identify):
                        events += effect.events
        position += 1
    return World(tuple(facts), tuple(events), position)


def read_sample(site: Site, name: str) -> Message:
    """A file beside the channels, with the line ends of the wire.

    Raises:
        OSError, Unreadable: it is not there, or no message.
    """
    raw = (site.folder / "channels" / name).read_bytes()
    return Message.parse(raw.replace(b"\r\n", b"\r").replace(b"\n", b"\r"))


def message_of(site: Site, given: Given) -> Message:
    """The message of a test; raises as `read_sample` does."""
    if given.message_file:
        return read_sample(site, given.message_file)
    return Message.parse(given.message.replace("\n", "\r").encode("utf-8"))


def origin_of(site: Site, channel: Channel, message: Message, position: int, received: str = "") -> Origin:
    """Where the message came from: the channel's listener, at `received`, else at MSH-7."""
    identity = site.config.listeners[channel.from_].identity
    time = instant(received or message.get("MSH-7") or "", identity.zone)
    rules = (identity.authority, identity.prefer, identity.strip_zeros, identity.zone)
    return Origin(position, 1, channel.from_, time, *rules)


def patient_of(message: Message, origin: Origin) -> str:
    """Identifier key of the patient, "" where the message names nobody."""
    found = pick_identifier(message.first("PID"), origin.authority, origin.prefer, origin.strip_zeros)
    return found.key if found else ""


def outcome_of(site: Site, channel: Channel, message: Message, known: World, given: Given | None = None) -> Outcome:
    """Run the channel over the message as the worker would."""
    received = given.received if given and given.received else ""
    origin = origin_of(site, channel, message, known.position, received)
    patient = patient_of(message, origin)
    cluster = Clusters.of(known.events).cluster(patient) if patient else frozenset()
    heard = given.heard if given else {}
    spans: dict[str, Span] = {kind: Span(instant(since, origin.zone), origin.received) for kind, since in heard.items()}
    facts = [fact for fact in known.facts if fact.patient in cluster]
    context = PatientContext.of(cluster, facts, Coverage(spans)) if patient else None
    destinations = [site.config.destinations[name] for name in channel.to]
    return run(
        *(channel, message, context, site.mappings, origin),
        elapsed=lambda: 0.0,
        enrich=given is None or given.enrichment == "on",
        acceptable=lambda before, after: refused(before, after, destinations),
    )


def _context(given: Iterable[GivenFact], concepts: Concepts, origin: Origin, patient: str) -> Iterator[Fact]:
    for n, one in enumerate(given, start=1):
        fact = _fact(one, concepts, origin.zone)
        received = max(fact.observed, 1)
        yield fact._replace(
            patient=patient,
            entry=n,
            version=received,
            received=received,
            key=fact.key or f"{fact.code or fact.text}|{n}",
            path=f"{_SEGMENTS.get(fact.kind, 'OBX')}[{n}]-{'5' if fact.kind in {'lab', 'vital'} else '3'}",
            quote=" ".join(filter(None, (fact.text, fact.value_text, fact.unit))),
        )


def _fact(one: GivenFact, concepts: Concepts, zone: str) -> Fact:
    match one:
        case GivenConcept():
            return _measured(one, concepts, zone)
        case GivenMedication():
            fact = _coded("medication", one.medication, one, concepts)
            status, ended = ("I" if one.until else "A"), instant(one.until or "", zone)
            return fact._replace(status=status, observed=instant(one.since or "", zone), ended=ended)
        case GivenProblem():
            return _coded("problem", one.problem, one, concepts)._replace(observed=instant(one.observed or "", zone))
    fact = _coded("allergy", one.allergy, one, concepts)
    return fact._replace(flag=one.severity, value_text=one.reaction, observed=instant(one.observed or "", zone))


def _coded(kind: str, text: str, one: GivenAllergy | GivenMedication | GivenProblem, concepts: Concepts) -> Fact:
    said = concepts.statement(kind, one.code, one.system, text)
    return _EMPTY._replace(
        kind=kind, concept=said.concept, certainty=said.certainty, code=one.code, system=one.system, text=text
    )


def _measured(one: GivenConcept, concepts: Concepts, zone: str) -> Fact:
    value = number(one.value)
    return _EMPTY._replace(
        kind=concepts.kind_of(one.concept) or "lab",
        concept=one.concept,
        code=one.code or one.concept,
        system=one.system or "L",
        text=one.text or one.concept,
        value=value.value if value else None,
        comparator=value.comparator if value else "",
        value_text=one.value,
        unit=one.unit,
        reference=one.reference,
        flag=one.flag,
        status=one.status,
        observed=instant(one.observed or "", zone),
    )
