"""Write the facts that matter for this exam into the order: OBR-13, one note, OBX and AL1.

Best effort (D1): what throws here leaves the order as it came, with an alert.
"""

from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import StepError
from engine.hl7.groups import OrderGroup, order_groups
from engine.hl7.message import Message, Unencodable
from engine.order.exam import classify
from engine.order.lifecycle import OPEN, state_of
from engine.order.reading import control, modality, order_number
from engine.patient.context import PatientContext
from engine.patient.fact import Demographics
from engine.patient.guard import demographics, doubted, only_own
from engine.relevance.carriers import Carried, Plan, permitted, write
from engine.relevance.case import Case
from engine.relevance.evaluate import evaluate, rank
from engine.relevance.ownwords import without_own_notes
from engine.relevance.subject import facts_of_order, subject_of
from engine.relevance.synopsis import Item, items, origin, threshold
from engine.steps.draft import Alert, Draft, KeepSynopsis, Shown, Synopsis
from engine.steps.mappings import Mappings
from engine.steps.paths import Because
from engine.steps.track_order import is_imaging


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RelevantCarrier(_Model):
    """OBR-13: the headline and the order's own text."""

    carrier: Literal["OBR-13"]
    max: Annotated[int, Field(ge=64, description="characters of the field")] = 300
    headline: Annotated[int, Field(ge=32)] | None = Field(
        None, description="characters that every receiver shows; else all of max"
    )
    keep_original: Literal["after", "before"] = Field("after", description="where the order's own text stands")


class NoteCarrier(_Model):
    """One NTE after each OBR."""

    carrier: Literal["NTE"]
    max: Annotated[int, Field(ge=300, description="characters of the note")] = 10240


class ObservationCarrier(_Model):
    """OBX of the facts shown."""

    carrier: Literal["OBX"]
    kinds: Annotated[tuple[Literal["lab", "vital"], ...], Field(min_length=1, description="of which kinds")] = (
        "lab",
        "vital",
    )


class AllergyCarrier(_Model):
    """AL1 of the allergies shown."""

    carrier: Literal["AL1"]


AnyCarrier = Annotated[
    RelevantCarrier | NoteCarrier | ObservationCarrier | AllergyCarrier, Field(discriminator="carrier")
]


class Enrich(_Model):
    """Add to the order what the feeds said about this patient and matters for this exam."""

    best_effort: ClassVar[bool] = True
    needs_context: ClassVar[bool] = True
    example: ClassVar[str] = """\
step: enrich
rules: relevance                   # mappings/relevance/*.yaml
carriers:
  - {carrier: OBR-13, max: 300, headline: 64, keep_original: after}
  - {carrier: NTE, max: 10240}
  - {carrier: OBX, kinds: [lab, vital]}
  - {carrier: AL1}
"""

    step: Literal["enrich"]
    because: Because = ""
    rules: Literal["relevance"] = Field("relevance", description="the rules: mappings/relevance/*.yaml")
    profile: str = Field("dcm4chee", description="what the receiver reads: mappings/profiles.yaml")
    carriers: Annotated[tuple[AnyCarrier, ...], Field(min_length=1, description="where the findings travel")]

    @cached_property
    def plan(self) -> Plan:
        """The carriers as one record."""
        plan = Plan()
        for carrier in self.carriers:
            match carrier:
                case RelevantCarrier():
                    first = carrier.keep_original == "before"
                    plan = plan._replace(relevant=carrier.max, headline=carrier.headline or 0, original_first=first)
                case NoteCarrier():
                    plan = plan._replace(note=carrier.max)
                case ObservationCarrier():
                    plan = plan._replace(observations=frozenset(carrier.kinds))
                case AllergyCarrier():  # pragma: no branch - there is no other
                    plan = plan._replace(allergies=True)
        return plan

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:
        """The draft with the enriched message, or as it was with the reason in `enrichment`.

        Raises StepError for a rule that throws and for a value that the message's character set cannot hold.
        """
        if not draft.enrich:
            return draft._replace(enrichment="off")
        if draft.context is None:
            raise StepError("enrich", "", "the channel runs without the patient's context")
        reason = _withheld(draft.message, draft.context, mappings)
        if reason:
            return draft._replace(enrichment="withheld", flags=(*draft.flags, f"enrichment_withheld: {reason}"))
        message = without_own_notes(draft.message)
        groups = [group for group in order_groups(message) if _enrichable(group, mappings)]
        if not groups:
            return draft._replace(enrichment="nothing")
        person = demographics(message.first("PID"))
        doubt = _doubt(message, person, draft.context)
        if doubt:
            return draft._replace(enrichment="doubt", alerts=(*draft.alerts, Alert("identity_in_doubt", doubt)))
        context, left_out = only_own(person, draft.context)
        if left_out:
            draft = draft._replace(alerts=(*draft.alerts, Alert("identity_in_doubt", left_out)))
        return self._enriched(draft, message, groups, context, mappings)

    def _enriched(
        self, draft: Draft, message: Message, groups: list[OrderGroup], context: PatientContext, mappings: Mappings
    ) -> Draft:
        here, policy = draft.origin, mappings.policy
        stated = facts_of_order(message, here.position, here.received, here.listener)
        context = context.with_facts(stated) if stated else context
        subject = subject_of(message, groups, context, mappings.exams, now=here.received, zone=here.zone)
        case = Case(subject, context, mappings.rules.concepts, policy.hides, mappings.concepts.may_be)
        written = items(rank(evaluate(mappings.rules, case, policy.silence), subject.text), case)
        if not written:
            return draft._replace(enrichment="nothing")
        details = [group.detail for group in groups if group.detail is not None]
        profile = mappings.profiles[self.profile]
        try:
            carried = write(message, details, written, case, permitted(self.plan, profile))
        except Unencodable as problem:
            raise StepError("enrich", str(problem), "a value does not exist in the message's character set") from None
        return _done(draft, groups, written, carried, case)


def _doubt(message: Message, person: Demographics, context: PatientContext) -> str:
    """Why it is not sure whose facts these would be (D13b); "" = it is."""
    if message.count("PID") > 1:
        return "the order names more than one patient"
    if doubted(person, context):
        return "birth date and family name of the order both differ from the stored patient's"
    return ""


def _withheld(message: Message, context: PatientContext, mappings: Mappings) -> str:
    """Why the policy leaves the order as it came (D23); "" = it may be enriched."""
    vip = [message.get("PV1-16") or "", *(fact.value_text for fact in context.current("vip"))]
    order = message.first("ORC")
    confidential = (order.get(28, 1) if order else None) or ""
    return mappings.policy.withholds(message.get("MSH-11.1") or "", vip, confidential)


def _enrichable(group: OrderGroup, mappings: Mappings) -> bool:
    """Whether the group is an imaging order that is neither cancelled nor done (T37)."""
    detail, order = group.detail, control(group)
    if detail is None or detail.name != "OBR":
        return False
    is_open = order is None or state_of(order.get(1) or "", order.get(5, 1) or "") == OPEN
    return is_open and is_imaging(group, classify(detail, mappings.exams, modality(group)))


def _done(draft: Draft, groups: list[OrderGroup], written: tuple[Item, ...], carried: Carried, case: Case) -> Draft:
    shown = tuple(_shown(item, place, case) for item, place in zip(written, carried.places, strict=True))
    numbers = dict.fromkeys(order_number(group) for group in groups)
    as_of = draft.origin.received
    kept = tuple(KeepSynopsis(Synopsis(number, shown, carried.headline, as_of)) for number in numbers)
    return draft._replace(
        message=carried.message,
        effects=(*draft.effects, *kept),
        enrichment="done",
        owned=(*draft.owned, *carried.owned),
    )


def _shown(item: Item, place: str, case: Case) -> Shown:
    finding = item.finding
    fact = finding.hit.fact if finding.hit else None
    return Shown(
        rule=finding.rule.id,
        severity=finding.severity,
        fact=f"{fact.entry}:{fact.run}:{fact.ordinal}:{fact.kind}" if fact else "",
        value=fact.value_text if fact else "",
        status=fact.status if fact else "",
        certainty=fact.certainty if fact else finding.kind,
        place=place,
        line=item.line,
        threshold=threshold(finding),
        source=finding.rule.source,
        origin=origin(finding, case),
    )
