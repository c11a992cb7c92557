"""CHN001: a channel is called like its file, so that a name in a log leads to the file, and not like a process."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from engine.check.linted import Finding, Linted

CODE = "CHN001"
PROCESSES = frozenset({"supervisor", "network", "worker"})  # each has a log of its own, as each channel has


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each file of another name, and for each name that is taken."""
    for document, channel in linted.channels():
        stem = PurePosixPath(document.name).stem
        if stem != channel.channel:
            yield document.finding(("channel",), CODE, f"the file is {stem}.yaml, the channel {channel.channel}")
        if channel.channel in PROCESSES:
            taken = f"{channel.channel} is a process, and its log would be the channel's as well"
            yield document.finding(("channel",), CODE, taken)
