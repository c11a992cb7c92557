"""TST001: every channel has a test, since it is what keeps a later change from breaking it unseen."""

from collections.abc import Iterator

from engine.check.linted import Finding, Linted

CODE = "TST001"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each channel without one."""
    for document, channel in linted.channels():
        if not channel.tests:
            yield document.finding(("tests",), CODE, f"the channel {channel.channel} has no tests", key=True)
