"""CHN001: a channel is called like its file, so that a name in a log leads to the file."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from engine.check.linted import Finding, Linted

CODE = "CHN001"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each file of another name."""
    for document, channel in linted.channels():
        stem = PurePosixPath(document.name).stem
        if stem != channel.channel:
            yield document.finding(("channel",), CODE, f"the file is {stem}.yaml, the channel {channel.channel}")
