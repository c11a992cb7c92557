"""Which channels see an entry: those of its listener, context channels first (D5); worked out once for a site."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from engine.channel.model import Channel
from engine.channel.outgoing import DestinationRules, refused
from engine.channel.site import Site
from engine.hl7.message import Message
from engine.patient.identity import Identifier, identifiers, linked, pick
from engine.steps.draft import Origin


class Route(NamedTuple):
    """A channel as the batch loop needs it."""

    channel: Channel
    name: str
    acceptable: Callable[[Message, Message], str]  # "" or why a destination could not take what a step made (D1)
    needs_context: bool
    to: bool


class Who(NamedTuple):
    """Whom a message is about."""

    key: str  # Identifier.key that the listener's rule picks, "" where the message names nobody
    linked: tuple[tuple[str, str], ...]  # keys that its PID lists together

    def __repr__(self) -> str:
        return f"Who({len(self.linked)} links)"


class Feed(NamedTuple):
    """A listener: its channels in order, and how it names patients."""

    routes: tuple[Route, ...]
    origin: Origin  # with position and received 0
    history_from: int
    log_control_id: str
    backfill: bool  # facts are stored, nothing is sent

    def who(self, message: Message) -> Who:
        """The patient of the message by the listener's identity rule (D3)."""
        origin = self.origin
        found = identifiers(message.first("PID"), origin.authority, origin.strip_zeros)
        if not found:
            return Who("", ())
        one: Identifier | None = pick(found, origin.authority, origin.prefer)
        return Who(one.key if one else "", linked(found, origin.prefer) if len(found) > 1 else ())


_NOWHERE = Feed((), Origin(0, 1, "", 0, "", (), False, "UTC"), 0, "plain", backfill=False)


class Routes:
    """The feeds of a site by listener."""

    def __init__(self, site: Site) -> None:
        self.site = site
        routes = [_route(channel, site) for channel in site.channels]
        routes.sort(key=lambda route: (route.to, route.name))
        self.channels = {route.name: route for route in routes}
        self._feeds = {
            name: Feed(
                tuple(route for route in routes if route.channel.from_ == name),
                Origin(
                    *(0, 1, name, 0, listener.identity.authority, tuple(listener.identity.prefer)),
                    *(listener.identity.strip_zeros, listener.identity.zone),
                ),
                listener.history_from_microseconds,
                listener.log_control_id,
                listener.backfill,
            )
            for name, listener in site.config.listeners.items()
        }

    def feed(self, listener: str) -> Feed:
        """The feed of a listener; one that the configuration no longer names has no channels."""
        return self._feeds.get(listener, _NOWHERE)


def _route(channel: Channel, site: Site) -> Route:
    rules: list[DestinationRules] = [site.config.destinations[name] for name in channel.to]
    return Route(
        channel=channel,
        name=channel.channel,
        acceptable=partial(_acceptable, rules),
        needs_context=any(step.needs_context for step in channel.steps),
        to=bool(channel.to),
    )


def _acceptable(rules: Sequence[DestinationRules], before: Message, after: Message) -> str:
    return refused(before, after, rules)
