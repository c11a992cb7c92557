"""REF008: every listener has a channel; what comes in without one is acknowledged, kept, and nothing is done with it."""

from collections.abc import Iterator

from engine.channel.site import CONFIG
from engine.check.linted import Finding, Linted

CODE = "REF008"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each listener that no channel is from."""
    heard = {channel.from_ for channel in linted.site.channels}
    for name in linted.site.config.listeners:
        if name not in heard:
            text = f"no channel is `from: {name}`; what comes in there is kept and nothing is done with it"
            yield linted.documents[CONFIG].finding(("listeners", name), CODE, text, key=True)
