"""The values by which a person finds an entry again: patient, control id, accession, placer, filler, visit (D5)."""

from collections.abc import Iterator

from engine.channel.ports import SearchKey
from engine.hl7.message import Message, Segment
from engine.hl7.printable import printable

LONGEST = 200  # characters of a value

# segment -> (kind, field, component); numbers as order entry and the laboratory write them
_PLACES: dict[str, tuple[tuple[str, int, int], ...]] = {
    "MSH": (("control_id", 10, 1),),
    "PID": (),
    "PV1": (("visit", 19, 1),),
    "ORC": (("placer", 2, 1), ("filler", 3, 1)),
    "OBR": (("placer", 2, 1), ("filler", 3, 1), ("accession", 18, 1)),
    "IPC": (("accession", 1, 1),),
}


def search_keys(message: Message, entry: int) -> list[SearchKey]:
    """Every distinct (kind, value) of the message; controls written as \\xNN, cut at 200 characters."""
    found = dict.fromkeys(_pairs(message))
    return [SearchKey(kind, printable(value)[:LONGEST], entry) for kind, value in found]


def _pairs(message: Message) -> Iterator[tuple[str, str]]:
    for segment in message.segments:
        places = _PLACES.get(segment.name)
        if places is None:
            continue
        if segment.name == "PID":
            yield from _patients(segment)
        for kind, field, component in places:
            value = segment.get(field, component)
            if value and value != '""':
                yield kind, value


def _patients(pid: Segment) -> Iterator[tuple[str, str]]:
    """The numbers of PID-3, else of PID-2, else of PID-4: where a person looks who knows the patient's number."""
    for field in (3, 2, 4):
        values = [repetition.get(1) for repetition in pid.repetitions(field)]
        found = [value for value in values if value and value != '""']
        if found:
            yield from (("patient", value) for value in found)
            return
