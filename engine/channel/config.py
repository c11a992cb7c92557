"""config.yaml: the site's folder, listeners and destinations, parsed once into types."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from engine.channel.amounts import Model, Name
from engine.channel.destination_config import DestinationConfig
from engine.channel.listener_config import ListenerConfig
from engine.channel.located import refusal
from engine.mllp.admission import is_local
from engine.source import Location


class SiteConfig(Model):
    """What config.yaml says."""

    data: Path = Field(Path("data"), description="folder of the engine's files, relative to this file's")
    mappings: Path = Field(Path("mappings"), description="folder of tables and rules, relative to this file's")
    listeners: Annotated[dict[Name, ListenerConfig], Field(min_length=1)]
    destinations: dict[Name, DestinationConfig] = Field({}, description="where messages go")

    @model_validator(mode="after")
    def _ports_are_different_and_safe(self) -> "SiteConfig":
        clashes = [*self._clashes(), *self._open_to_all()]
        if clashes:
            raise refusal("config.yaml", clashes)
        return self

    def _open_to_all(self) -> Iterator[tuple[Location, str]]:
        for name, listener in self.listeners.items():
            if listener.tls is None and listener.plaintext is None and not _is_here(listener.host):
                text = "other machines would send without TLS: give the listener `tls:`, or write `plaintext: accepted`"
                yield ("listeners", name, "host"), text

    def _clashes(self) -> Iterator[tuple[Location, str]]:
        taken: dict[tuple[str, int], str] = {}
        for name, listener in self.listeners.items():
            other = taken.setdefault((listener.host, listener.port), name)
            if listener.port and other != name:
                yield ("listeners", name, "port"), f"the listener {other} has this port already"
        for name, destination in self.destinations.items():
            for (host, port), own in taken.items():
                if port and port == destination.port and destination.host in {host, "localhost", "127.0.0.1", "::1"}:
                    yield ("destinations", name, "port"), f"this is our own listener {own}: messages would go round"


def _is_here(host: str) -> bool:
    """Whether only this machine reaches a listener on this address."""
    return host == "localhost" or is_local(host)
