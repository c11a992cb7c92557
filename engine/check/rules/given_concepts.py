"""TST003: what a channel test gives as a concept is one that the site measures; a misspelt one would prove nothing."""

from collections.abc import Iterator

from engine.channel.expectations import GivenConcept
from engine.check.linted import Finding, Linted
from engine.source import meant

CODE = "TST003"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each concept that mappings/concepts.yaml does not know as a result or vital sign."""
    concepts = linted.site.mappings.concepts
    for document, channel in linted.channels():
        for n, test in enumerate(channel.tests):
            for m, given in enumerate(test.given.context):
                if isinstance(given, GivenConcept) and not concepts.kind_of(given.concept):
                    measured = [name for name in concepts.names() if concepts.kind_of(name)]
                    text = (
                        f"{given.concept!r} is no result or vital sign of concepts.yaml{meant(given.concept, measured)}"
                    )
                    yield document.finding(("tests", n, "given", "context", m, "concept"), CODE, text)
