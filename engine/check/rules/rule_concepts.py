"""REF007: the concepts that relevance rules ask for are defined; a rule about a misspelt one would never fire."""

from collections.abc import Iterator
from typing import Any

from engine.check.linted import Finding, Linted, Location
from engine.source import meant

CODE = "REF007"
_KEYS = ("concepts", "without")  # where rules name concepts


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each concept that mappings/concepts.yaml does not define."""
    known = linted.site.mappings.concepts.names()
    unknown = linted.site.mappings.rules.concepts - known
    if not unknown:
        return
    for document in linted.relevance():
        for location, word in _words(document.content, ()):
            if word in unknown and any(key in location for key in _KEYS):
                yield document.finding(location, CODE, f"there is no concept {word!r}{meant(word, known)}")


def _words(content: Any, here: Location) -> Iterator[tuple[Location, str]]:
    """Every text of a document with its location."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _words(value, (*here, key))
    elif isinstance(content, list):
        for n, value in enumerate(content):
            yield from _words(value, (*here, n))
    elif isinstance(content, str):
        yield here, content
