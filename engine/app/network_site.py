"""Reads the network process's plan from the site's files, in a process of its own.

What reading needs (pydantic, YAML) would stay in memory for as long as the network process lives: 9 MB for nothing.
"""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engine.app.network_plan import DestinationPlan, ListenerPlan, NetworkPlan
from engine.channel.limits import Limits
from engine.channel.verdict import ListenerRules
from engine.errors import BackstoryError, ConfigError
from engine.mllp.listener import ConnectionRules
from engine.mllp.sender import Target

if TYPE_CHECKING:
    from engine.channel.destination_config import DestinationConfig
    from engine.channel.listener_config import ListenerConfig


def plan_apart(folder: Path) -> NetworkPlan:
    """Like `plan_of`, in a forked child; call it before any thread is started."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _child(folder, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise ConfigError(f"{folder}: the configuration could not be read; see `backstory check`")
    found = pickle.loads(told)  # noqa: S301 - written by our own child
    if isinstance(found, BackstoryError):
        raise found
    return cast("NetworkPlan", found)


def _child(folder: Path, write: int) -> None:
    status = 1
    try:
        try:
            told: NetworkPlan | BackstoryError = plan_of(folder)
        except BackstoryError as error:
            told = error
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(told, pipe)
        status = 0
    finally:
        os._exit(status)  # no way back into the parent's code


def plan_of(folder: Path) -> NetworkPlan:
    """Read config.yaml, and of channels/*.yaml only which message types they ask for.

    Raises ConfigError in one line; `backstory check` names every mistake.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - in the child only

    from engine.channel.config import SiteConfig  # noqa: PLC0415 - in the child only
    from engine.source import load_yaml  # noqa: PLC0415 - in the child only

    try:
        config = SiteConfig.model_validate(load_yaml(folder / "config.yaml").content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise ConfigError(f"{folder / 'config.yaml'}: {place} cannot be used; see `backstory check`") from None
    wanted = _wanted_types(folder)
    listeners = tuple(_listener(name, row, wanted.get(name, set()), folder) for name, row in config.listeners.items())
    destinations = tuple(_destination(name, row, folder) for name, row in config.destinations.items())
    return NetworkPlan((folder / config.data).absolute(), listeners, destinations)


def _destination(name: str, row: "DestinationConfig", folder: Path) -> DestinationPlan:
    tls = row.tls.plan(folder, row.host) if row.tls is not None else None
    return DestinationPlan(
        name, Target(row.host, row.port, row.ack_timeout), row.lanes, row.on_reject, row.stat_lane, tls
    )


def _listener(name: str, row: "ListenerConfig", wanted: set[bytes], folder: Path) -> ListenerPlan:
    processing_ids = frozenset(word.encode() for word in row.processing_ids)
    rules = ListenerRules(
        *(name, processing_ids, row.identity.charset, frozenset(wanted), Limits(**dict(row.limits))),
        override=row.identity.charset_override or "",
        strict=row.strict,
    )
    connections = ConnectionRules(
        *(row.max_bytes, row.idle, row.frame_time),
        max_connections=row.max_connections,
        allow=row.allow,
        strict=row.strict,
    )
    if row.connections is not None:
        connections = connections._replace(per_peer=row.connections, count_local=True)
    tls = row.tls.plan(folder) if row.tls is not None else None
    return ListenerPlan(row.host, row.port, rules, connections, row.log_control_id, tls)


def _wanted_types(folder: Path) -> dict[str, set[bytes]]:
    """MSH-9 as the channels of each listener accept it, literally: how a type that HL7 does not know is let in (D16)."""
    from engine.source import load_yaml  # noqa: PLC0415 - in the child only

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
