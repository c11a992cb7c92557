"""`backstory status`: what runs, what waits, and whether somebody is needed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli.console import ago, columns, moment, printable
from engine.cli.health import Health, LaneHealth, channel_state, gather, needs
from engine.cli.site import SiteOption
from engine.cli.waiting import lane_state


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the same as one JSON object.")] = False,
    site: SiteOption = Path(),
) -> int:
    """Say what runs, what waits, and whether somebody is needed.

    Exit status 0 when all is well, 1 when something needs a person: the engine does not run, the worker is behind, a
    channel stopped, a message failed with an alert, at a destination, or was refused in the last day, a lane is held or has
    been trying for long, messages are parked, a certificate ends within 30 days.

    Examples:
      backstory status
      backstory status --json
    """
    health = gather(site)
    wanted = needs(health)
    typer.echo(json.dumps(as_words(health, wanted), indent=2) if as_json else "\n".join(lines(health, wanted)))
    return 1 if wanted else 0


def lines(health: Health, wanted: list[str]) -> list[str]:
    """The text for a terminal."""
    text = [
        f"engine      {'running' if health.running else 'not running'}{_pids(health.processes)}",
        f"enrichment  {health.enrichment}",
        f"received    {health.received} entries",
        f"processed   {health.processed} entries{_behind(health)}",
        "counts      " + ", ".join(f"{count} {name}" for name, count in sorted(health.counts.items())),
        "",
        columns((_listener(health, name) for name in health.listeners), _LISTENERS),
        "",
        columns(((name, _channel(health, name)) for name in health.channels), ("CHANNEL", "STATE")),
    ]
    if health.lanes:
        head = ("LANE", "STATE", "SENT UP TO", "WAITING", "OLDEST WAITS", "TRIES", "NEXT TRY", "REASON")
        text += ["", columns((_lane(lane, health.now) for lane in health.lanes), head)]
    text += ["", *(f"needs a person: {sentence}" for sentence in wanted)] if wanted else ["", "all is well"]
    return text


_LISTENERS = ("LISTENER", "ADDRESS", "CONNECTIONS", "FRAMES", "REFUSED", "NOT ALLOWED", "FAULTS")


def _listener(health: Health, name: str) -> list[str]:
    """Its counters since the process started: of connections, the open ones, those refused, not listed, closed by us."""
    found = health.traffic.get(name, {})
    names = ("connections", "frames", "refused", "not_allowed", "faults")
    return [name, health.listeners[name], *(str(found.get(one, "-")) for one in names)]


def _behind(health: Health) -> str:
    if not health.behind:
        return ""
    return f", {health.behind} behind, the oldest waits for {ago(health.oldest_unprocessed, health.now)}"


def _pids(processes: Mapping[str, Any]) -> str:
    named = processes.get("processes")
    if not isinstance(named, Mapping):
        return ""
    return " (" + ", ".join(f"{name} {_process(state)}" for name, state in named.items()) + ")"


def _process(state: Any) -> str:
    if isinstance(state, Mapping):
        return str(state.get("pid") or state.get("state") or "down")
    return str(state)


def _channel(health: Health, name: str) -> str:
    cursor = health.channels[name]
    if cursor is None:
        return "running"
    return f"{channel_state(cursor)} at entry {cursor.position}" + (f": {cursor.reason}" if cursor.reason else "")


def _lane(health: LaneHealth, now: int) -> list[str]:
    lane = health.lane
    state = lane_state(lane)
    return [
        f"{lane.destination}/{lane.lane}",
        state,
        str(lane.done),
        str(health.waiting),
        ago(health.oldest, now),
        str(lane.tries),
        moment(lane.next_try)[11:19] if state == "retrying" and lane.next_try else "-",
        printable(health.told) or "-",
    ]


def as_words(health: Health, wanted: list[str]) -> dict[str, Any]:
    """The same for programs; times are UTC microseconds."""
    return {
        "needs": wanted,
        "running": health.running,
        "processes": dict(health.processes),
        "enrichment": health.enrichment,
        "received": health.received,
        "processed": health.processed,
        "behind": health.behind,
        "oldest_unprocessed": health.oldest_unprocessed,
        "listeners": dict(health.listeners),
        "traffic": {name: dict(found) for name, found in health.traffic.items()},
        "channels": {
            name: {"state": channel_state(cursor), **({} if cursor is None else _cursor(cursor._asdict()))}
            for name, cursor in health.channels.items()
        },
        "lanes": [
            {
                **one.lane._asdict(),
                "state": one.lane.state.name,
                "told": one.told,
                "waiting": one.waiting,
                "oldest": one.oldest,
            }
            for one in health.lanes
        ],
        "parked": dict(health.parked),
        "quarantined": health.quarantined,
        "removed": dict(health.removed),
        "failed": dict(health.failed),
        "alerts": dict(health.alerts),
        "counts": dict(health.counts),
    }


def _cursor(words: dict[str, Any]) -> dict[str, Any]:
    return {name: words[name] for name in ("position", "reason", "failures")}
