"""What the network process takes from the site: its ports, its destinations and where its files are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from engine.channel.config import ListenerConfig, SiteConfig
from engine.channel.deliver import OnReject
from engine.channel.verdict import ListenerRules
from engine.errors import ConfigError
from engine.mllp.listener import ConnectionRules
from engine.mllp.sender import Target
from engine.source import load_yaml


class ListenerPlan(NamedTuple):
    """A port to open."""

    host: str
    port: int
    rules: ListenerRules
    limits: ConnectionRules
    log_control_id: str = "plain"


class DestinationPlan(NamedTuple):
    """A destination and how many lanes lead to it."""

    name: str
    target: Target
    lanes: int = 1
    on_reject: OnReject = "park"


class NetworkPlan(NamedTuple):
    """Everything the network process is told."""

    data: Path
    listeners: tuple[ListenerPlan, ...]
    destinations: tuple[DestinationPlan, ...]


def plan_of(folder: Path) -> NetworkPlan:
    """Read config.yaml, and of channels/*.yaml only which message types they ask for.

    Raises ConfigError in one line; `backstory check` names every mistake.
    """
    try:
        config = SiteConfig.model_validate(load_yaml(folder / "config.yaml").content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise ConfigError(f"{folder / 'config.yaml'}: {place} cannot be used; see `backstory check`") from None
    wanted = _wanted_types(folder)
    listeners = tuple(_listener(name, row, wanted.get(name, set())) for name, row in config.listeners.items())
    destinations = tuple(
        DestinationPlan(name, Target(row.host, row.port, row.ack_timeout), row.lanes, row.on_reject)
        for name, row in config.destinations.items()
    )
    return NetworkPlan((folder / config.data).absolute(), listeners, destinations)


def _listener(name: str, row: ListenerConfig, wanted: set[bytes]) -> ListenerPlan:
    processing_ids = frozenset(word.encode() for word in row.processing_ids)
    rules = ListenerRules(name, processing_ids, row.identity.charset, frozenset(wanted))
    limits = ConnectionRules(row.max_bytes, row.idle, row.frame_time)
    return ListenerPlan(row.host, row.port, rules, limits, row.log_control_id)


def _wanted_types(folder: Path) -> dict[str, set[bytes]]:
    """MSH-9 as the channels of each listener accept it, literally: how a type that HL7 does not know is let in (D16)."""
    found: dict[str, set[bytes]] = {}
    for path in sorted(folder.glob("channels/*.yaml")):
        content = load_yaml(path).content
        if isinstance(content, dict) and isinstance(content.get("accept"), dict):
            types = {word.encode() for word in _literal_types(content["accept"])}
            found.setdefault(str(content.get("from", "")), set()).update(types)
    return found


def _literal_types(accept: dict[str, Any]) -> Iterator[str]:
    for key, value in accept.items():
        if key in {"MSH-9", "MSH-9.1"}:
            yield from (word for word in (value if isinstance(value, list) else [value]) if isinstance(word, str))
        elif key in {"any", "all"} and isinstance(value, list):
            for part in value:
                yield from _literal_types(part if isinstance(part, dict) else {})
