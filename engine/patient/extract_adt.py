"""Facts of an ADT: who the patient is (PID), allergies (AL1) and diagnoses (DG1), as whole sets (T25, T26)."""

from collections.abc import Iterable, Sequence

from engine.hl7.message import Segment
from engine.patient.extract import Coded, Extracted, Source, coded, instant, marker, named, quoted, said, text_of
from engine.patient.fact import Fact

_SEVERE = frozenset({"SV", "MO"})
_DELETED = b'""'


def demographics(source: Source, pid: Segment) -> Extracted:
    """Who the patient is: text family name, value_text given name, code birth date, flag sex (context.demographics).

    An empty place says nothing and a deleted one empties what was known; so `""` is kept as sent.
    """
    fact = _named(source, pid, "demographics")
    if not (fact.text or fact.value_text or fact.code or fact.flag):
        return Extracted([], [], [])
    return Extracted([fact, marker(source, pid, "demographics", "")], [("demographics", "")], [])


def person(source: Source, pid: Segment) -> Extracted:
    """Whom a message names beside its results, or nobody, kept where its listener begins to name somebody else (D13b)."""
    return Extracted([_named(source, pid, "person")], [("person", source.listener)], [])


def vip(source: Source, pv1: Segment | None) -> Extracted:
    """The VIP indicator (PV1-16) of the newest registration that sends one; `""` takes it back (D23)."""
    value = pv1.get(16, 1) if pv1 is not None else None
    if pv1 is None or not value or not value.strip():
        return Extracted([], [], [])
    fact = Fact._make(
        (
            *(*source[:3], pv1.index * 100),
            *("vip", "", "", "", "", None, "", value.strip(), "", "", "", "", ""),
            *(0, 0, source.sent, source.received, "", "vip", "PV1-16", source.listener, ""),
        )
    )
    return Extracted([fact], [("vip", "")], [])


def _named(source: Source, pid: Segment, kind: str) -> Fact:
    places = [_kept(pid, field, component) for field, component in ((5, 1), (5, 2), (7, 1), (8, 1))]
    family, given, birth_date, sex = places
    return Fact._make(
        (
            *(*source[:3], pid.index * 100),
            *(kind, "", birth_date, "", family, None, "", given, "", "", sex, "", ""),
            *(0, 0, source.sent, source.received, "", "PID", "PID", source.listener, ""),
        )
    )


def _kept(pid: Segment, field: int, component: int) -> str:
    raw = pid.raw_field(field)
    if raw == _DELETED:
        return '""'
    text = pid.get(field, component, 1)  # the first subcomponent of a family name, as the guard reads it
    return text.strip() if text else ""


def allergies(source: Source, rows: Sequence[Segment]) -> Extracted:
    """The list of AL1: complete in each message that holds one; none of them says nothing, `""` in AL1-3 empties it."""
    names = _Names()
    facts = [fact for number, row in enumerate(rows, 1) if (fact := _allergy(source, row, number, names))]
    return _whole(source, rows, "allergy", "", facts)


def _allergy(source: Source, row: Segment, number: int, names: "_Names") -> Fact | None:
    code = coded(row, 3, source.concepts)
    if not text_of(code):
        return None
    concept, certainty = named(source, "allergy", code)
    reactions = ", ".join(filter(None, (_reaction(part.get(1), part.get(2)) for part in row.repetitions(5))))
    severity = said(row, 4).upper()
    if certainty == "refuted" and (reactions or severity in _SEVERE):
        certainty = "possible"  # denied beside a reaction: one of them is wrong, and nobody here knows which
    return Fact._make(
        (
            *(*source[:3], row.index * 100),
            *(
                "allergy",
                concept,
                code.code,
                code.system,
                code.text,
                None,
                "",
                reactions,
                "",
                "",
                severity,
                "",
                certainty,
            ),
            *(instant(said(row, 6), source.zone), 0, source.sent, source.received, ""),
            *(names.key(code), f"AL1[{number}]-3", source.listener, quoted(text_of(code), severity, reactions)),
        )
    )


def _reaction(code: str | None, text: str | None) -> str:
    return next((word.strip() for word in (text, code) if word and word != '""'), "")


def diagnoses(source: Source, rows: Sequence[Segment]) -> Extracted:
    """The list of DG1, complete for its visit: an update of an old encounter never erases current problems (3.0.24)."""
    names = _Names()
    facts = [fact for number, row in enumerate(rows, 1) if (fact := _diagnosis(source, row, number, names))]
    return _whole(source, rows, "problem", source.visit, facts)


def _diagnosis(source: Source, row: Segment, number: int, names: "_Names") -> Fact | None:
    code = coded(row, 3, source.concepts)
    text = code.text or said(row, 4)
    if not (code.code or text) or said(row, 21) == "D":
        return None
    code = code._replace(text=text, system=code.system or said(row, 2))
    concept, certainty = named(source, "problem", code)
    observed = instant(said(row, 5), source.zone) or instant(said(row, 19), source.zone)
    return Fact._make(
        (
            *(*source[:3], row.index * 100),
            *("problem", concept, code.code, code.system, text, None, "", said(row, 6), "", "", "", "", certainty),
            *(observed, 0, source.sent, source.received, source.visit),
            *(f"{source.visit}|{names.key(code)}", f"DG1[{number}]-3", source.listener, quoted(code.code, text)),
        )
    )


def _whole(source: Source, rows: Sequence[Segment], kind: str, scope: str, facts: list[Fact]) -> Extracted:
    """The facts with the marker that makes them the whole set; rows that say nothing at all replace nothing."""
    if not rows:
        return Extracted([], [], [])
    if not facts and not _all_deleted(rows):
        return Extracted([], [], [f"{kind}_list_says_nothing {rows[0].name}"])
    return Extracted([*facts, marker(source, rows[0], kind, scope)], [(kind, scope)], [])


def _all_deleted(rows: Iterable[Segment]) -> bool:
    """Whether every row deletes: `""` in the third field, or DG1-21 D."""
    return all(
        row.raw_field(3) == _DELETED or row.get(3, 1) == '""' or (row.name == "DG1" and said(row, 21) == "D")
        for row in rows
    )


class _Names:
    """Keys of the rows of one list: a row that is named twice keeps both, since severities may differ."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def key(self, code: Coded) -> str:
        name = f"{code.system}:{code.code}" if code.code else code.text.upper()
        times = self._seen.get(name, 0) + 1
        self._seen[name] = times
        return name if times == 1 else f"{name}#{times}"
