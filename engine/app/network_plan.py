"""What the network process takes from the site: its ports, its destinations and where its files are."""

from pathlib import Path
from typing import NamedTuple

from engine.channel.deliver import OnReject
from engine.channel.verdict import ListenerRules
from engine.mllp.listener import ConnectionRules
from engine.mllp.sender import Target
from engine.tls.plan import ClientTls, ServerTls


class ListenerPlan(NamedTuple):
    """A port to open."""

    host: str
    port: int
    rules: ListenerRules
    limits: ConnectionRules
    log_control_id: str = "plain"
    tls: ServerTls | None = None


class DestinationPlan(NamedTuple):
    """A destination and how many lanes lead to it."""

    name: str
    target: Target
    lanes: int = 1
    on_reject: OnReject = "park"
    stat_lane: bool = False
    tls: ClientTls | None = None


class NetworkPlan(NamedTuple):
    """Everything the network process is told."""

    data: Path
    listeners: tuple[ListenerPlan, ...]
    destinations: tuple[DestinationPlan, ...]

    @property
    def has_tls(self) -> bool:
        """Whether OpenSSL is needed at all: it takes 10 MB of memory."""
        return any(row.tls for row in self.listeners) or any(row.tls for row in self.destinations)
