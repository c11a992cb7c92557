"""Run the tests that stand inside channels: a message and a context in, what leaves and what is kept out; no server."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.channel.expectations import ChannelTest
from engine.channel.model import Channel
from engine.channel.outcome import Outcome, Status
from engine.channel.site import Site
from engine.check.compare import differences
from engine.check.given import message_of, origin_of, outcome_of, patient_of, world
from engine.errors import BackstoryError

__all__ = ["ChannelTest", "Result", "run_tests"]


class Result(NamedTuple):
    """A test that ran; no failures: it passed."""

    channel: str
    test: str
    failures: tuple[str, ...]


def run_tests(site: Site, channels: Iterable[str] = ()) -> Iterator[Result]:
    """Run every test of these channels, of all where none is named."""
    wanted = set(channels)
    for channel in site.channels:
        if not wanted or channel.channel in wanted:
            for test in channel.tests:
                yield Result(channel.channel, test.test, tuple(_failures(site, channel, test)))


def _failures(site: Site, channel: Channel, test: ChannelTest) -> Iterator[str]:
    try:
        message = message_of(site, test.given)
        origin = origin_of(site, channel, message, 0, test.given.received or "")
        known = world(site, test.given, origin, patient_of(message, origin))
        accepted = channel.accepts(message)
        outcome = outcome_of(site, channel, message, known, test.given) if accepted else _not_accepted(channel)
    except OSError as problem:
        yield f"given: {problem.filename} cannot be read: {problem.strerror}"
    except BackstoryError as problem:
        yield f"given: {problem}"
    else:
        yield from differences(test.expect, message, outcome, origin.zone)


def _not_accepted(channel: Channel) -> Outcome:
    return Outcome(channel.channel, Status.FILTERED, None, (), (), reason="the channel does not accept it")
