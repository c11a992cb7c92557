"""What the standard calls things: names of fields and components, which segments a version has, how it builds messages.

The tables are hl7apy's. It is loaded when a name is first asked for, never where messages are received or processed.
"""

from functools import lru_cache
from typing import Any

from engine.errors import ConfigError
from engine.hl7.conformance import structure_findings
from engine.hl7.path import Path
from engine.hl7.versions import DEFAULT_VERSION, library, library_version, segment_names

__all__ = ["field_name", "known_segment", "segment_names", "structure_findings"]

_SMALL = frozenset({"and", "at", "by", "for", "from", "in", "of", "on", "or", "than", "the", "to", "with"})
_CAPITALS = frozenset(
    {"ID", "DNA", "DRG", "DST", "HCFA", "HMO", "ICD", "NDC", "PIN", "SSN", "UB", "UB1", "UB2", "UPIN", "VIP"}
)


def known_segment(name: str, version: str = DEFAULT_VERSION) -> bool:
    """Whether this version has a segment of this name. An unknown version is read as the default one."""
    return name in segment_names(version)


@lru_cache(maxsize=4096)
def field_name(path: str | Path, version: str = DEFAULT_VERSION) -> str:
    """What the standard calls a place: `OBR-13` is `Relevant Clinical Information`, `PID-3.4` adds the component.

    Empty where the version has no such place, for Z segments, and for a path that is none or names no field.
    """
    try:
        at = path if isinstance(path, Path) else Path.parse(path)
    except ConfigError:
        return ""
    tables = library(library_version(version) or DEFAULT_VERSION)
    fields = tables.SEGMENTS.get(at.segment, ("", ()))[1]
    entry = _child(fields, at.field)
    names = [_spelled(entry, at.segment)]
    for number in (at.component, at.subcomponent):
        if number:
            entry = _child(entry[1] if entry and entry[0] == "sequence" else (), number)
            names.append(_spelled(entry, at.segment))
    return ", ".join(names) if all(names) else ""


def _child(children: Any, number: int) -> Any:
    """The entry of a numbered child, `(kind, children, type, NAME, table, length)`; None where there is none."""
    return next((child[1] for child in children or () if child[0].rpartition("_")[2] == str(number)), None)


def _spelled(entry: Any, segment: str) -> str:
    """`DATE_TIME_OF_MESSAGE` as `Date Time of Message`."""
    words = (entry[3] or "").split("_") if entry else []
    kept = [word for word in words if word]
    return " ".join(_word(word, segment, at) for at, word in enumerate(kept))


def _word(word: str, segment: str, at: int) -> str:
    if word in _CAPITALS or word == segment:
        return word
    return word.lower() if at and word.lower() in _SMALL else word.capitalize()
