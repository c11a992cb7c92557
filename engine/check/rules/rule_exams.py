"""REF009: the exams that relevance rules are for can be told; a rule for `region: [HAED]` would never fire."""

from collections.abc import Iterator
from typing import Any

from engine.check.linted import Finding, Linted, Location
from engine.source import meant

CODE = "REF009"
_SLOTS = ("modality", "region", "contrast", "special")


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each modality, region, contrast or special kind that mappings/exams.yaml tells no exam by."""
    known = linted.site.mappings.exams.words
    for document in linted.relevance():
        for location, slot, word in _words(document.content, ()):
            if word not in known[slot]:
                text = f"no exam has the {slot} {word!r}{meant(word, known[slot])}"
                yield document.finding(location, CODE, text)


def _words(content: Any, here: Location) -> Iterator[tuple[Location, str, str]]:
    """Every word of a slot below an `exams:`, wherever one stands."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in _SLOTS and "exams" in here:
                yield from (((*here, key, n), key, word) for n, word in enumerate(value))
            else:
                yield from _words(value, (*here, key))
    elif isinstance(content, list):
        for n, value in enumerate(content):
            yield from _words(value, (*here, n))
