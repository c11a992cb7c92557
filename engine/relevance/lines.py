"""The segments a synopsis adds, as encoded lines: NTE, AL1 and OBX with what their fact says, field for field."""

from collections.abc import Sequence

from engine.hl7.escape import escape
from engine.hl7.message import Message, Unencodable
from engine.patient.fact import Fact
from engine.relevance.allergy import reactions_as_sent
from engine.relevance.case import Case
from engine.relevance.dates import dtm
from engine.relevance.profiles import Observation

_ALLERGY_TYPES = frozenset({"DA", "FA", "MA", "MC", "EA", "AA", "PA", "LA"})  # table 0127
_TYPES = {"iodinated_contrast": "DA", "iodine": "DA", "povidone_iodine": "DA", "seafood": "FA"}


def plain(message: Message, text: str) -> str:
    """The text without any of the message's own delimiters, so that nothing of it travels as an escape (T46)."""
    marks = message.delimiters
    for mark in (marks.field, marks.component, marks.repetition, marks.escape, marks.subcomponent):
        text = text.replace(mark, " ") if mark else text
    return text


def note_line(message: Message, number: int, text: str) -> bytes:
    """NTE with the text in NTE-3."""
    return _line(message, "NTE", [str(number), "", plain(message, text)])


def allergy_line(message: Message, number: int, fact: Fact, case: Case) -> bytes:
    """AL1 as the feed said it: type, agent, severity, reactions, date of identification."""
    repeat = message.delimiters.repetition
    reactions = repeat.join(_escaped(message, word) for word in reactions_as_sent(fact))
    date = dtm(fact.observed, case)[:8] if fact.observed else ""
    agent = _coded(message, fact.code, fact.text, fact.system)
    return _line(message, "AL1", [str(number), _type(fact), agent, _escaped(message, fact.flag), reactions, date])


def observation_line(message: Message, number: int, fact: Fact, case: Case, wanted: Observation | None) -> bytes:
    """OBX as the feed said it, or under the receiver's code and text where it wants this measure its own way."""
    code, text, system = (wanted.code, wanted.text, wanted.system) if wanted else (fact.code, fact.text, fact.system)
    kind = "NM" if fact.value is not None and not fact.comparator else "ST"
    fields = [str(number), kind, _coded(message, code, text, system), ""]
    fields += [_escaped(message, part) for part in (fact.value_text, fact.unit, fact.reference, fact.flag)]
    fields += ["", "", _escaped(message, fact.status or "F"), "", "", dtm(fact.observed, case) if fact.observed else ""]
    return _line(message, "OBX", fields)


def encoded(message: Message, text: str, where: str) -> bytes:
    """The text in the message's character set; raises Unencodable that names only the place."""
    try:
        return text.encode(message.charset)
    except UnicodeEncodeError:
        raise Unencodable(where) from None


def _type(fact: Fact) -> str:
    if fact.reference in _ALLERGY_TYPES:
        return fact.reference
    return _TYPES.get(fact.concept, "")


def _coded(message: Message, code: str, text: str, system: str) -> str:
    parts = [_escaped(message, part) for part in (code, text, system)]
    return message.delimiters.component.join(parts).rstrip(message.delimiters.component)


def _escaped(message: Message, text: str) -> str:
    return escape(text, message.delimiters)


def _line(message: Message, name: str, fields: Sequence[str]) -> bytes:
    separator = message.delimiters.field
    return encoded(message, separator.join([name, *fields]).rstrip(separator), name)
