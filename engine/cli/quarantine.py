"""A quarantined entry in words: what was wrong, where, what its sender was told, what a person can do."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.channel.operator_acts import DISMISSED, PROCESSED, RELEASED, Release, read, text_of, words_of
from engine.channel.ports import Entry, Kind, OutcomeNote
from engine.channel.release import releases
from engine.cli.console import printable
from engine.errors import Rejected, Unreadable
from engine.hl7.acknowledge import ERRORS
from engine.hl7.batch import has_headers, is_batch, split_batch
from engine.hl7.delimiters import start_of

_SILENT = {
    "cut_off": (
        "the frame never ended: the sender left, stopped, or began another one",
        "nothing: senders send it again",
    ),
    "utf_16": (
        "every character is two bytes, the frame's own as well",
        "let the sender send UTF-8 or one of table 0211",
    ),
}
_STRICT = "strict: no on listener {listener}"
_RELEASE = "backstory messages release {position}"
_RECODE = _RELEASE + " --charset 8859/1 (or what it is in)"
_BY_CODE = {
    "101": ("it is empty", (_RELEASE,)),
    "102": (
        "the bytes are no text in the character set",
        (_RECODE, "identity: {{charset: ...}} on listener {listener}"),
    ),
    "103": ("the character set is not known", (_RECODE,)),
    "104": ("it is longer, or there is more of it, than a message may have", ()),
    "200": ("no version of HL7 has this message type", ("accept: {{MSH-9: ...}} in a channel", _RELEASE)),
    "201": ("no version of HL7 has this trigger event", ("accept: {{MSH-9: ...}} in a channel", _RELEASE)),
    "202": ("the listener does not take this processing id", ("processing_ids on listener {listener}", _RELEASE)),
    "203": ("the listener is strict, and this is no version", (_STRICT, _RELEASE)),
}
_BY_PLACE = {
    ("102", "MSH^1^1"): ("the field separator cannot be used", ()),
    ("102", "MSH^1^2"): ("the encoding characters cannot be used", ()),
    ("102", "MSH^1^7"): ("the listener is strict, and this is no time", (_STRICT, _RELEASE)),
    ("101", "MSH^1^7"): ("the listener is strict, and it is empty", (_STRICT, _RELEASE)),
    ("104", "MSH^1^10"): ("the control id has more than 199 characters", (_RELEASE,)),
}


class Refusal(NamedTuple):
    """An answer taken apart: `AR`, `202`, `MSH^1^11`; the code is "" where none was sent."""

    code: str
    error: str
    location: str

    @classmethod
    def of(cls, entry: Entry) -> "Refusal":
        if entry.answer:
            code, error, location = (*entry.answer.split("|"), "", "")[:3]
            return cls(code, error, location)
        silent = next((word for word in entry.flags.split() if word.startswith("refused_")), "")
        return cls("", silent.rpartition("_")[2], "")


def shown(entry: Entry) -> Entry:
    """The entry as a person wants to see it: of a release, the message released."""
    act = read(entry) if entry.kind is Kind.OPERATOR else None
    return act.entry if isinstance(act, Release) else entry


def state(entry: Entry, notes: Iterable[OutcomeNote]) -> str:
    """`QUARANTINED AR 202`, and what a person did about it."""
    refusal = Refusal.of(entry)
    why = f"{refusal.code or 'silently'} {refusal.error}" if refusal.error else entry.flags.split(" ")[0]
    acts = [_act(note) for note in notes if note.kind in (RELEASED, DISMISSED)]
    return ", ".join([f"QUARANTINED {why}".strip(), *acts])


def _act(note: OutcomeNote) -> str:
    processed = note.text.partition(PROCESSED)[2]
    return f"processed as entry {processed}" if processed else f"{note.kind} by entry {note.cause}"


def released_before(notes: Iterable[OutcomeNote], number: int, of: int, *, again: bool) -> str:
    """How a message of the entry that has these notes was settled; "" where it was not."""
    text = text_of(number, of, again=again)
    for note in notes:
        which, _, processed = note.text.partition(PROCESSED)
        if note.kind == RELEASED and which == text:
            return f"was processed as entry {processed}" if processed else f"was released before as entry {note.cause}"
    return ""


def known_as(place: int, found: Entry | None, position: int, number: int) -> str:
    """What the journal found instead of releasing this message of an entry: this release itself, or that it was processed."""
    words = words_of(found) if found is not None and found.kind is Kind.OPERATOR else {}
    if found is None or (words.get("entry"), words.get("number")) == (position, number):
        return f"was released before as entry {place}"
    return f"was processed as entry {place} (--again processes it once more)"


def explanation(entry: Entry) -> Iterator[str]:
    """Lines for the page of a quarantined entry."""
    refusal = Refusal.of(entry)
    why, ways = _cause(entry, refusal)
    yield f"  {'why':<10}{why}"
    if refusal.location:
        yield f"  {'where':<10}{_place(refusal.location)}"
    yield f"  {'told':<10}{_told(refusal)}"
    words = {"listener": entry.listener, "position": entry.position}
    dismiss = f"backstory messages dismiss {entry.position} --because TEXT"
    possible = [way.format(**words) for way in ways if not way.startswith(_RELEASE) or _releasable(entry)]
    for number, way in enumerate([*possible, dismiss]):
        yield f"  {'' if number else 'you can':<10}{way}"


def act_lines(entry: Entry) -> Iterator[str]:
    """What an operator's entry did, and who."""
    words = words_of(entry)
    if words.get("act") == "release":
        number, of, processed = (words.get(name) for name in ("number", "of", "processed"))
        again = ", again" if words.get("again") else ""
        who = printable(str(words.get("who")))
        does = "settles" if processed else "releases"
        yield f"  {does:<10}entry {words.get('entry')}, message {number} of {of}{again}, by {who}"
        if processed:
            yield f"  {'because':<10}it was processed as entry {processed}"
    elif words.get("act") == "dismiss":
        yield f"  {'dismisses':<10}entry {words.get('entry')}, by {printable(str(words.get('who')))}"
        yield f"  {'because':<10}{printable(str(words.get('because')))}"


def _releasable(entry: Entry) -> bool:
    """Whether a release would be taken, at least in a character set in which every byte is a character."""
    try:
        releases(entry, "8859/1", "")
    except Rejected:
        return False
    return True


def _cause(entry: Entry, refusal: Refusal) -> tuple[str, tuple[str, ...]]:
    flags = entry.flags.split()
    silent = next((_SILENT[flag] for flag in flags if flag in _SILENT), None)
    if silent:
        return silent[0], (silent[1],)
    if "too_long" in flags:
        return "the frame is longer than max_bytes; its first 64 KB are kept", ("max_bytes on listener {listener}",)
    if refusal.error == "100":
        return _structure(entry)
    if "vt_inside" in flags:
        return "a VT byte (0x0B) stands in the text", (_RELEASE,)
    found = _BY_PLACE.get((refusal.error, refusal.location)) or _BY_CODE.get(refusal.error)
    return found or ("it was refused", ())


def _structure(entry: Entry) -> tuple[str, tuple[str, ...]]:
    if is_batch(entry.body):
        problem = split_batch(entry.body).problem
        if problem:
            return problem, (_RELEASE,)
        if not has_headers(entry.body):
            return "the listener is strict, and the frame is a batch without FHS or BHS", (
                _STRICT,
                _RELEASE,
            )
    try:
        start_of(entry.body)
    except Unreadable:
        if not is_batch(entry.body):
            return "the frame does not begin with an MSH segment", ()
    return "the listener is strict, and segments end with LF, or bytes stand before the first one", (_STRICT, _RELEASE)


def _place(location: str) -> str:
    """`MSH^1^18` as `MSH-18 Character Set`, `OBX^2^5` as `OBX[2]-5 Observation Value`."""
    from engine.hl7.dictionary import field_name  # noqa: PLC0415 - the field names, which a list does not need

    segment, occurrence, field = location.split("^")
    path = f"{segment}-{field}"
    name = field_name(path)
    where = f"{segment}[{occurrence}]-{field}" if occurrence != "1" else path
    return f"{where} {name}".strip()


def _told(refusal: Refusal) -> str:
    if not refusal.code:
        return "nothing" + (": MSH-15 wanted no answer" if refusal.error else "")
    return f"{refusal.code} {refusal.error} {ERRORS.get(refusal.error, '').capitalize()}".strip()
