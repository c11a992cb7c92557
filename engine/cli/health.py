"""The state of an engine, gathered from its files and its supervisor, and what of it needs a person."""

import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.channel.answer_words import told
from engine.channel.operator_acts import ONCE
from engine.channel.outcome import Status
from engine.channel.ports import LIVE, STOPPED, Cursor, Decision, Lane, LaneState, OutcomeRow
from engine.cli.certificate_needs import certificate_needs
from engine.cli.console import ago
from engine.cli.site import Readers, load_config, open_readers, socket_of
from engine.cli.waiting import lane_rows
from engine.errors import BackstoryError

SECOND = 1_000_000
LATE = 60 * SECOND  # an entry that waits longer for the worker needs a look
LATELY = 24 * 60 * 60 * SECOND  # for how long a message that failed with an alert is called to mind
MOST_FAILED = 1_000  # newest failed outcomes that are looked at
_REFUSED = re.compile(r"[AC][ER]\||refused_")  # reasons of entries that were quarantined
LONG_RETRY = 5 * 60 * SECOND  # a lane that tries for longer needs a look


class LaneHealth(NamedTuple):
    """A lane and what waits in it."""

    lane: Lane
    waiting: int
    oldest: int  # created, UTC microseconds; 0 = nothing waits
    behind: str = ""  # what of an earlier layout it waits for

    @property
    def told(self) -> str:
        """Why it does not go on; "" where it does."""
        return told(self.lane.reason) or self.behind


class Health(NamedTuple):
    """Everything `status` tells."""

    now: int
    running: bool
    processes: Mapping[str, Any]
    listeners: Mapping[str, str]
    enrichment: str
    received: int
    processed: int
    oldest_unprocessed: int
    channels: Mapping[str, Cursor | None]  # None: runs with the live cursor
    lanes: tuple[LaneHealth, ...]
    parked: Mapping[str, int]
    counts: Mapping[str, int]
    quarantined: int = 0  # lately, refused with an answer or silently by MSH-15, neither released nor dismissed
    traffic: Mapping[str, Mapping[str, int]] = {}  # by listener: what it has counted since the process started
    # by channel: messages that failed lately, and that somebody must look at: an order of two patients, a surprise
    alerts: Mapping[str, int] = {}
    failed: Mapping[str, int] = {}  # by destination: messages that lately failed there and do not go again
    removed: Mapping[str, int] = {}  # by destination that config.yaml lacks: messages that wait for it
    new: Mapping[str, int] = {}  # by destination that the running network process does not know: the same

    @property
    def behind(self) -> int:
        """Entries that wait for the worker."""
        return max(self.received - self.processed, 0)


def gather(site: Path) -> Health:
    """Ask the supervisor and read the files; raises ConfigError where the engine never ran."""
    config = load_config(site)
    running, processes = ask_processes(site)
    names = sorted(file.stem for file in (site / "channels").glob("*.yaml"))
    listeners = {name: f"{listener.host}:{listener.port}" for name, listener in sorted(config.listeners.items())}
    with open_readers(site) as readers:
        found = look(readers, names, listeners, (running, processes), time.time_ns() // 1000)
    served = {lane["destination"] for lane in processes.get("processes", {}).get("network", {}).get("lanes", ())}
    new = _waiting_beyond(found, served) if served else {}  # a network process that starts has none yet
    return found._replace(removed=_waiting_beyond(found, config.destinations), new=new)


def ask_processes(site: Path) -> tuple[bool, Mapping[str, Any]]:
    """Whether the supervisor answers, and what it says."""
    from engine.app.control import call  # noqa: PLC0415 - only where a process is asked

    try:
        return True, call(socket_of(site, "supervisor"), "status", timeout=5)
    except BackstoryError as error:
        return False, {"error": str(error)}


def look(
    readers: Readers,
    channels: list[str],
    listeners: Mapping[str, str],
    answer: tuple[bool, Mapping[str, Any]],
    now: int,
) -> Health:
    """The health as the files say it at `now` (UTC microseconds)."""
    journal, store = readers
    cursors = store.cursors()
    live = {cursor.partition: cursor.position for cursor in cursors if cursor.name == LIVE}
    tails = journal.tails()
    own = {cursor.name: cursor for cursor in cursors if LIVE not in {cursor.name, cursor.state}}  # others run with it
    failed = store.latest(before=0, limit=MOST_FAILED, status=Status.FAILED)
    lately = [row for row in failed if row.committed > now - LATELY]
    oldest = [entry.received for partition in tails for entry in journal.read(partition, live.get(partition, 0), 1, 1)]
    return Health(
        now=now,
        running=answer[0],
        processes=answer[1],
        listeners=listeners,
        enrichment=store.switches().get("enrichment", "on"),
        received=max(tails.values(), default=0),
        processed=max(live.values(), default=0),
        oldest_unprocessed=min(oldest, default=0),
        channels={name: own.get(name) for name in sorted({*channels, *own})},
        lanes=tuple(_lanes(readers)),
        parked=Counter(parked.destination for parked in journal.parked() if not parked.released),
        counts=store.counts(),
        quarantined=_quarantined(readers, lately),
        traffic=answer[1].get("processes", {}).get("network", {}).get("listeners", {}),
        failed=_failed(readers, now - LATELY),
        alerts=Counter(row.channel or "(no channel)" for row in lately if row.alerts),
    )


def _waiting_beyond(health: Health, known: Collection[str]) -> dict[str, int]:
    """What waits for destinations that are none of these, parked messages included."""
    waiting = Counter(dict(health.parked))
    for one in health.lanes:
        waiting[one.lane.destination] += one.waiting
    return {name: count for name, count in sorted(waiting.items()) if count and name not in known}


def _quarantined(readers: Readers, failed: Iterable[OutcomeRow]) -> int:
    """Refused messages that a sender meant; not what was cut off, nor what nobody framed."""
    refused = {row.entry for row in failed if not row.channel and _REFUSED.match(row.reason)}
    return len(refused - {note.entry for note in readers.store.notes(refused) if note.kind in ONCE})


def _lanes(readers: Readers) -> list[LaneHealth]:
    return [LaneHealth(row.lane, row.waiting, row.oldest, row.behind) for row in lane_rows(readers)]


def _failed(readers: Readers, since: int) -> dict[str, int]:
    """By destination: messages that were refused and passed over (`on_reject: skip`), or that are lost."""
    attempts = readers.journal.latest_attempts(Decision.FAILED, since, MOST_FAILED)
    return Counter(name for name, _, _ in {(one.destination, one.lane, one.seq) for one in attempts})


def needs(health: Health) -> list[str]:
    """What needs a person, one sentence each; empty when all is well."""
    found = []
    if not health.running:
        found.append("the engine is not running (backstory run)")
    found += [
        f"process {name} does not run as it should: {words.get('error') or 'it is not ready'}"
        for name, words in health.processes.get("processes", {}).items()
        if words.get("error") or not words.get("ready", True)
    ]
    if health.oldest_unprocessed and health.now - health.oldest_unprocessed > LATE:
        found.append(f"the worker is behind: the oldest entry waits for {ago(health.oldest_unprocessed, health.now)}")
    found += [
        f"channel {name} is {cursor.state} at entry {cursor.position}{': ' + cursor.reason if cursor.reason else ''}"
        for name, cursor in health.channels.items()
        if cursor is not None and cursor.state == STOPPED
    ]
    found += [
        f"{count} message{'s' if count > 1 else ''} of {name} FAILED with an alert in the last day (backstory messages --status FAILED)"
        for name, count in sorted(health.alerts.items())
    ]
    found += [
        f"{count} message{'s' if count > 1 else ''} to {name} FAILED in the last day and do not go again"
        " (backstory messages --status FAILED)"
        for name, count in sorted(health.failed.items())
    ]
    if health.quarantined:
        messages = f"{health.quarantined} message{'s' if health.quarantined > 1 else ''}"
        found.append(
            f"{messages} refused in the last day, neither released nor dismissed (backstory messages --status QUARANTINED)"
        )
    found += certificate_needs(health.processes, health.now)
    found += [sentence for lane in health.lanes if (sentence := _lane_need(lane, health.now))]
    found += [
        f"destination {name} is not in config.yaml any more, and {count} messages wait for it; put it back to send them"
        for name, count in sorted(health.removed.items())
    ]
    found += [
        f"destination {name} is newer than the running engine, and {count} messages wait for it; start the engine again to send them"
        for name, count in sorted(health.new.items())
        if name not in health.removed
    ]
    found += [
        f"destination {name} has {count} parked messages, refused or behind a refused one of their patient (backstory lane parked)"
        for name, count in sorted(health.parked.items())
    ]
    return found


def _lane_need(health: LaneHealth, now: int) -> str:
    lane = health.lane
    name = f"lane {lane.destination}/{lane.lane}"
    because = f": {told(lane.reason)}" if lane.reason else ""
    if lane.state is not LaneState.OPEN:
        return f"{name} is {lane.state.name} since {ago(lane.since, now)}{because}; {health.waiting} messages wait"
    if lane.tries and lane.since and now - lane.since > LONG_RETRY:
        return f"{name} has been trying for {ago(lane.since, now)}{because}; {health.waiting} messages wait"
    return ""


def channel_state(cursor: Cursor | None) -> str:
    """A channel's state in a word: those without a cursor of their own run with the live one."""
    return "running" if cursor is None else cursor.state.replace("_", " ")
