"""PTH001: the standard has the places that steps, conditions and tests name; `OBR-113` is a slip of the finger.

Z segments are the site's own and pass. A place counts as there when version 2.8.2 or 2.5.1 has it.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from engine.channel.match import GROUPS
from engine.channel.model import Channel
from engine.check.linted import Finding, Linted, Location
from engine.hl7.dictionary import field_name, known_segment
from engine.hl7.path import Path

CODE = "PTH001"
_VERSIONS = ("2.5.1", "2.8.2", "2.3.1")


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each place that no version has."""
    for document, channel in linted.channels():
        for location, path, key in _places(channel, document.content):
            problem = _problem(path)
            if problem:
                yield document.finding(location, CODE, problem, key=key)


def _places(channel: Channel, content: Any) -> Iterator[tuple[Location, Path, bool]]:
    """Location, path, and whether the path is the key there."""
    yield from _conditions(channel.accept, ("accept",))
    for n, step in enumerate(channel.steps):
        for name in ("path", "to"):
            path = getattr(step, name, None)
            if isinstance(path, Path):
                yield ("steps", n, name), path, False
        when = content["steps"][n].get("when")
        if when:
            yield from _conditions(when, ("steps", n, "when"))
    for n, test in enumerate(channel.tests):
        here: Location = ("tests", n, "expect")
        for destination, places in (test.expect.sent or {}).items():
            yield from (((*here, "sent", destination, str(path)), path, True) for path in places)
        for m, path in enumerate(test.expect.unchanged_except or ()):
            yield (*here, "unchanged_except", m), path, False


def _conditions(wanted: Mapping[str, Any], here: Location) -> Iterator[tuple[Location, Path, bool]]:
    for key, value in wanted.items():
        if key not in GROUPS:
            yield (*here, key), Path.parse(key), True
            continue
        for n, part in enumerate(value if isinstance(value, list) else []):
            yield from _conditions(part, (*here, key, n))
        if isinstance(value, Mapping):
            yield from _conditions(value, (*here, key))


@lru_cache(maxsize=1024)
def _problem(path: Path) -> str:
    if path.segment.startswith("Z"):
        return ""
    if not any(known_segment(path.segment, version) for version in _VERSIONS):
        return f"no version of HL7 has a segment {path.segment}"
    field = path._replace(occurrence=0, repetition=0, component=0, subcomponent=0)
    if path.field and not any(field_name(field, version) for version in _VERSIONS):
        return f"no version of HL7 has {field}"
    return ""
