"""TYP001: the message types that channels accept exist; `ORM^001` never comes, and its channel would wait for ever."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.channel.match import GROUPS
from engine.check.linted import Finding, Linted, Location
from engine.hl7.known import known_type

CODE = "TYP001"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each literal MSH-9 that no version of HL7 has; types of a site's own begin with Z."""
    for document, channel in linted.channels():
        for location, word in _types(channel.accept, ("accept",)):
            code, _, rest = word.partition("^")
            event = rest.partition("^")[0]
            if not (code.startswith("Z") or event.startswith("Z") or known_type(code, event)):
                what = f"event {event!r}" if known_type(code, "") else f"message type {code!r}"
                yield document.finding(location, CODE, f"no version of HL7 has the {what}")


def _types(wanted: Mapping[str, Any], here: Location) -> Iterator[tuple[Location, str]]:
    for key, value in wanted.items():
        below = (*here, key)
        if key == "MSH-9":
            if isinstance(value, str):
                yield below, value
            elif isinstance(value, list):
                yield from (((*below, n), word) for n, word in enumerate(value))
        elif key in GROUPS:
            if isinstance(value, Mapping):
                yield from _types(value, below)
            for n, part in enumerate(value if isinstance(value, list) else []):
                yield from _types(part, (*below, n))
