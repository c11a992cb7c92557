"""STP001: steps stand where they do their work: an order is tracked before it is enriched, and enriched to be sent."""

from collections.abc import Iterator

from engine.check.linted import Finding, Linted

CODE = "STP001"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each step that has no effect, or less than it seems, where it stands."""
    for document, channel in linted.channels():
        names = [step.step for step in channel.steps]
        for n, name in enumerate(names):
            if name != "enrich":
                continue
            if not channel.to:
                yield document.finding(("steps", n), CODE, "the order is enriched and goes nowhere: there is no `to:`")
            if "track_order" not in names[:n]:
                text = "put `track_order` before `enrich`: an order that is not kept cannot be explained"
                yield document.finding(("steps", n), CODE, text)
