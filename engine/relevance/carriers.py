"""Write a synopsis into an order: OBR-13, one order-level NTE, OBX and AL1, each where the grammar wants it.

Grammar (carriers.md 2.1): AL1 is patient level, before the first ORC and after PV1, IN1, GT1; the NTE follows its OBR before
DG1 and OBX; OBX come after DG1 and the order's own OBX, before ZDS. Nothing else of the message moves a byte.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from engine.hl7.message import Message, Segment
from engine.patient.fact import Fact
from engine.relevance.case import Case
from engine.relevance.lines import allergy_line, encoded, note_line, observation_line, plain
from engine.relevance.ownwords import cut_at_word, join_relevant, split_relevant
from engine.relevance.profiles import Observation, Profile
from engine.relevance.synopsis import Headline, Item, headline, note

_PATIENT_LEVEL = frozenset({"PID", "PD1", "NK1", "PV1", "PV2", "IN1", "IN2", "IN3", "GT1", "AL1"})
_ORDER_DETAIL = frozenset({"NTE", "CTD", "DG1", "OBX"})
_NOTHING = ("", '""')


class Plan(NamedTuple):
    """Which carriers a channel asks for. Lengths in characters, 0 = the carrier is not asked for."""

    relevant: int = 0  # OBR-13
    headline: int = 0  # characters of it that are sure to be seen, 0 = all
    original_first: bool = False
    note: int = 0
    observations: frozenset[str] = frozenset()  # kinds of fact that become OBX
    allergies: bool = False
    written_as: Mapping[str, Observation] = MappingProxyType({})  # concept -> how the receiver wants it


class Carried(NamedTuple):
    """The message with the synopsis in it, the paths written, the carriers of each item, and the headline."""

    message: Message
    owned: tuple[str, ...]
    places: tuple[str, ...]  # "OBR-13+NTE"
    headline: str

    def __repr__(self) -> str:
        return f"Carried({self.message!r}, {self.owned}, {len(self.headline)} characters)"


class _Relevant(NamedTuple):
    """An OBR-13 to write; `lost` is the original text where the field cannot keep all of it (C23)."""

    value: bytes
    lost: str

    def __repr__(self) -> str:
        return f"_Relevant({len(self.value)} bytes, {len(self.lost)} characters lost)"


class _Edit(NamedTuple):
    """A new segment, before the segment that stands at `at` in the message as it came."""

    at: int
    name: str
    line: bytes

    def __repr__(self) -> str:
        return f"_Edit({self.name} at {self.at}, {len(self.line)} bytes)"


def permitted(plan: Plan, profile: Profile) -> Plan:
    """The plan without the carriers that the receiver cannot be made to forget (D11), at the receiver's lengths."""
    accepted = profile.carriers
    relevant = min(plan.relevant, accepted["OBR-13"].max) if profile.takes("OBR-13") else 0
    note_length = min(plan.note, accepted["NTE"].max) if profile.takes("NTE") else 0
    sure = accepted["OBR-13"].headline if relevant else 0
    return plan._replace(
        relevant=relevant,
        headline=min(plan.headline, sure) if plan.headline and sure else plan.headline or sure,
        note=note_length,
        observations=plan.observations if profile.takes("OBX") else frozenset(),
        allergies=plan.allergies and profile.takes("AL1"),
        written_as=profile.observations,
    )


def write(message: Message, details: Sequence[Segment], written: Sequence[Item], case: Case, plan: Plan) -> Carried:
    """The message with the items in each of these OBR (T38). `plan` is a permitted one.

    Raises engine.hl7.message.Unencodable where the message's character set cannot hold a value.
    """
    shown = headline(written, plan.headline or plan.relevant) if plan.relevant else Headline("", ())
    edits = _allergies(message, written, case) if plan.allergies else []
    changed, owned = message, []
    for detail in details:
        lost = ""
        if shown.text:
            field = _relevant(message, detail, shown.text, plan)
            path = _path(message, detail, 13)
            changed, lost = changed.with_raw(path, field.value), field.lost
            owned.append(path)
        if plan.note:
            edits.append(_note(message, detail, note(written, case, lost, plan.note)))
        edits += _observations(message, detail, written, case, plan)
    places = tuple("+".join(_places(item, shown, plan)) for item in written)
    edits.sort(key=lambda edit: edit.at)
    for edit in reversed(edits):
        changed = changed.with_segment(edit.line, at=edit.at)
    return Carried(changed, (*owned, *_owned(message, edits)), places, shown.text)


def _relevant(message: Message, detail: Segment, ours: str, plan: Plan) -> _Relevant:
    """OBR-13 with the order's own text kept byte for byte, or cut at a word where both do not fit."""
    ours = plain(message, ours)
    raw = (detail.raw_field(13) or b"").decode(message.charset, "surrogateescape")
    original = split_relevant(raw).original
    original = "" if original in _NOTHING else original
    value = join_relevant(ours, original, original_first=plan.original_first)
    if len(value) <= plan.relevant or not original:
        return _Relevant(value.encode(message.charset, "surrogateescape"), "")
    text = split_relevant(detail.get(13) or "").original
    room = plan.relevant - len(join_relevant(ours, "x", original_first=plan.original_first)) + 1
    part = cut_at_word(plain(message, text), room)
    value = join_relevant(ours, part, original_first=plan.original_first)
    return _Relevant(encoded(message, value, "OBR-13"), text)


def _note(message: Message, detail: Segment, text: str) -> _Edit:
    at = detail.index + 1
    segments = message.segments
    own = []
    while at < len(segments) and segments[at].name == "NTE":
        own.append(segments[at])
        at += 1
    return _Edit(at, "NTE", note_line(message, _next_id(own), text))


def _observations(message: Message, detail: Segment, written: Sequence[Item], case: Case, plan: Plan) -> list[_Edit]:
    at = detail.index + 1
    segments = message.segments
    while at < len(segments) and segments[at].name in _ORDER_DETAIL:
        at += 1
    own = [segment for segment in segments[detail.index : at] if segment.name == "OBX"]
    there = {(obx.get(3, 1), obx.get(5), obx.get(14)) for obx in own}
    number = _next_id(own)
    edits: list[_Edit] = []
    for fact in _measures(written, plan):
        wanted = plan.written_as.get(fact.concept)
        wanted = wanted if wanted and wanted.unit == fact.unit.strip().lower() else None
        line = observation_line(message, number + len(edits), fact, case, wanted)
        fields = line.decode(message.charset).split(message.delimiters.field)
        same = (fields[3].split(message.delimiters.component)[0], fields[5], fields[14] if len(fields) > 14 else None)
        if same not in there:
            edits.append(_Edit(at, "OBX", line))
    return edits


def _measures(written: Sequence[Item], plan: Plan) -> list[Fact]:
    """Facts of the asked kinds; vital signs first, since a receiver may read but one of each."""
    facts = [item.finding.hit.fact for item in written if item.finding.hit]
    return sorted((fact for fact in facts if fact.kind in plan.observations), key=lambda fact: fact.kind != "vital")


def _allergies(message: Message, written: Sequence[Item], case: Case) -> list[_Edit]:
    """AL1 of the shown allergies that the order does not hold already (D11)."""
    last = max((segment.index for segment in message.segments if segment.name in _PATIENT_LEVEL), default=-1)
    if last < 0:
        return []
    own = message.all("AL1")
    codes = {segment.get(3, 1) for segment in own} - {None, ""}
    texts = {(segment.get(3, 2) or "").casefold() for segment in own} - {""}
    number = _next_id(own)
    edits: list[_Edit] = []
    for item in written:
        fact = _allergy(item)
        if fact is not None and fact.code not in codes and fact.text.casefold() not in texts:
            edits.append(_Edit(last + 1, "AL1", allergy_line(message, number + len(edits), fact, case)))
    return edits


def _allergy(item: Item) -> Fact | None:
    hit = item.finding.hit
    return hit.fact if hit and hit.fact.kind == "allergy" and hit.fact.certainty != "none_known" else None


def _places(item: Item, shown: Headline, plan: Plan) -> list[str]:
    fact = item.finding.hit.fact if item.finding.hit else None
    return [
        name
        for name, stands in (
            ("OBR-13", any(item is other for other in shown.shown)),
            ("NTE", plan.note > 0),
            ("OBX", fact is not None and fact.kind in plan.observations),
            ("AL1", plan.allergies and _allergy(item) is not None),
        )
        if stands
    ]


def _owned(message: Message, edits: Sequence[_Edit]) -> list[str]:
    """Where the new segments stand in the message that leaves: `NTE[1]`."""
    written: dict[str, int] = {}
    paths = []
    for edit in edits:
        before = sum(segment.name == edit.name for segment in message.segments[: edit.at])
        written[edit.name] = written.get(edit.name, 0) + 1
        paths.append(f"{edit.name}[{before + written[edit.name]}]")
    return paths


def _path(message: Message, detail: Segment, field: int) -> str:
    number = sum(segment.name == detail.name for segment in message.segments[: detail.index + 1])
    return f"{detail.name}-{field}" if number == 1 else f"{detail.name}[{number}]-{field}"


def _next_id(segments: Sequence[Segment]) -> int:
    """The set id after the highest one there (fields that are no number count by their place)."""
    ids = [int(text) for segment in segments if (text := segment.get(1) or "").isascii() and text.isdigit()]
    return max([len(segments), *ids]) + 1
