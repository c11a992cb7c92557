"""Keep what a message says about its patient: allergies, problems, results, vital signs, medications, documents."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import StepError
from engine.hl7.message import Message, Segment
from engine.patient.extract import Extracted, Person, Source, persons, said, sent
from engine.patient.extract_adt import allergies, demographics, diagnoses, vip
from engine.patient.extract_adt import person as whom
from engine.patient.extract_documents import document, is_own_line, report, split
from engine.patient.extract_medications import medications
from engine.patient.extract_results import groups, order_of, result
from engine.patient.fact import BESIDE, REGISTERED, Fact
from engine.patient.identity import Identifier, IdentityEvent, identifiers, linked, pick
from engine.steps import draft as effects
from engine.steps.draft import Draft, Identify, Origin
from engine.steps.mappings import Mappings
from engine.steps.paths import Because

Kind = Literal["demographics", "allergy", "problem", "lab", "vital", "medication", "document", "pregnancy"]
_KINDS: tuple[Kind, ...] = get_args(Kind)

# events that take a visit or a person back: what they list is no news about the patient (T29)
_TAKING_BACK = frozenset({"A11", "A12", "A13", "A23", "A27", "A29", "A32", "A33", "A38"})
_MARKS = (b"EMR>", b"EMR CONTEXT")
_ORDERS = frozenset({"ORM", "OMP", "RDE", "RDO", "ORP", "OMG", "OMI", "OML"})


class StoreFacts(BaseModel):
    """Keep the facts of the message, each with where it stood, when it was observed and how sure it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: store_facts
kinds: [allergy, problem]          # all kinds where nothing is written
"""

    step: Literal["store_facts"]
    because: Because = ""
    kinds: tuple[Kind, ...] = Field(_KINDS, description="which kinds of facts")
    # always so in a channel that sends: what cannot be kept must not keep the order (D1)
    best_effort: bool = Field(False, description="whether a message that cannot be kept goes on all the same")

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:
        """The draft with one StoreFacts for each patient of the message, and Identify where an ADT links identifiers.

        Raises StepError for a message that names no patient: its facts would be nobody's.
        """
        message, origin = draft.message, draft.origin
        flags = ("own_words MSH-10",) if origin.own else _own_words(message)
        if flags:
            return draft._replace(flags=(*draft.flags, *flags))
        kind = _type(message)
        found: list[effects.Effect] = []
        noted: list[str] = []
        count = 0
        for person in persons(message):
            count += 1
            found += self._of(message, kind, origin, person, mappings, noted=noted)
        if kind == "ADT" and message.first("MRG") is not None:
            noted.append("merge_not_applied MRG-1")  # facts stay under the number they came with
        if not count:
            raise StepError("store_facts", "PID", "no PID; a patient is wanted")
        return draft._replace(effects=(*draft.effects, *found), flags=(*draft.flags, *noted))

    def _of(
        self, message: Message, kind: str, origin: Origin, person: Person, mappings: Mappings, *, noted: list[str]
    ) -> Iterator[effects.Effect]:
        listed = identifiers(person.pid, origin.authority, origin.strip_zeros)
        who = pick(listed, origin.authority, origin.prefer)
        if who is None:
            raise StepError("store_facts", "PID-3", "no identifier of the patient; one is wanted")
        source, ahead = _source(message, origin, person, who, mappings)
        if ahead:
            noted.append("time_in_future MSH-7")
        extracted = list(_extracted(message, kind, source, person))
        noted += [flag for part in extracted for flag in part.flags]
        wanted = (*self.kinds, "vip")  # confidentiality is kept whatever else is
        facts = [fact for part in extracted for fact in part.facts if _kind(fact) in wanted]
        sets = tuple(one for part in extracted for one in part.snapshots if one[0] in wanted)
        if facts:
            if kind != "ADT" or any(fact.kind not in REGISTERED | BESIDE for fact in facts):
                named = whom(source, person.pid)
                facts, sets = [*facts, *named.facts], (*sets, *named.snapshots)
            yield effects.StoreFacts(source.patient, tuple(facts), sets)
        if len(listed) > 1 and kind == "ADT":
            links = _links(origin, person.pid, listed)
            if links:
                yield Identify(links)


def _kind(fact: Fact) -> str:
    return fact.text if fact.kind == "snapshot" else fact.kind


def _type(message: Message) -> str:
    return said(message.first("MSH"), 9).upper()


def _own_words(message: Message) -> tuple[str, ...]:
    """An order that we enriched and that came back is no evidence, nor are its AL1 and OBX (D13c)."""
    if not any(mark in message.raw for mark in _MARKS):
        return ()
    marked = any(is_own_line(segment.get(13) or "") for segment in message.all("OBR"))
    marked = marked or any((segment.get(3) or "").startswith("EMR CONTEXT") for segment in message.all("NTE"))
    return ("own_words OBR-13",) if marked and _type(message) in _ORDERS else ()


def _source(
    message: Message, origin: Origin, person: Person, who: Identifier, mappings: Mappings
) -> tuple[Source, bool]:
    time, ahead = sent(message, origin.zone, origin.received)
    visit = next((segment for segment in person.segments if segment.name == "PV1"), None)
    return (
        Source(
            who.key,
            origin.position,
            origin.run,
            origin.listener,
            origin.received,
            origin.zone,
            time,
            said(visit, 19),
            mappings.concepts,
        ),
        ahead,
    )


def _extracted(message: Message, kind: str, source: Source, person: Person) -> Iterator[Extracted]:
    event = said(message.first("MSH"), 9, 2).upper()
    segments = person.segments
    if kind == "ADT":
        if event in _TAKING_BACK:
            return
        yield demographics(source, person.pid)
        yield vip(source, next((segment for segment in segments if segment.name == "PV1"), None))
        yield allergies(source, [segment for segment in segments if segment.name == "AL1"])
        yield diagnoses(source, [segment for segment in segments if segment.name == "DG1"])
        yield from _results(message, source, segments)
    elif kind == "MDM":
        yield from _document(message, source, event, segments)
    elif kind in _ORDERS:
        yield Extracted(medications(source, segments), [], [])
    else:
        yield from _results(message, source, segments)


def _results(message: Message, source: Source, segments: Sequence[Segment]) -> Iterator[Extracted]:
    seen: dict[str, int] = {}
    for group in groups(segments, _before(message, segments)):
        order = order_of(source, group.obr)
        values, lines = split(source, group)
        facts = [fact for place in values if (fact := result(source, group, order, place, seen)) is not None]
        flags = [f"time_in_future {fact.path}" for fact in facts if fact.observed > source.received + 86_400_000_000]
        yield Extracted(facts, [], flags)
        if lines:
            yield report(source, group, lines)


def _document(message: Message, source: Source, event: str, segments: Sequence[Segment]) -> Iterator[Extracted]:
    txa = next((segment for segment in segments if segment.name == "TXA"), None)
    if txa is None:
        yield from _results(message, source, segments)
        return
    lines = [segment for segment in segments if segment.name == "OBX"]
    yield document(source, event, txa, list(enumerate(lines, _before(message, segments) + 1)))


def _before(message: Message, segments: Sequence[Segment]) -> int:
    """How many OBX of the message stand before this person's segments."""
    if not segments:
        return 0
    start = segments[0].index
    return sum(segment.name == "OBX" for segment in message.segments[:start])


def _links(origin: Origin, pid: Segment, listed: tuple[Identifier, ...]) -> tuple[IdentityEvent, ...]:
    return tuple(
        IdentityEvent(origin.position, origin.run, pid.index * 100 + number, "link", one, other, origin.received)
        for number, (one, other) in enumerate(linked(listed, origin.prefer))
    )
