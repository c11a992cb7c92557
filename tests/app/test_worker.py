"""The worker's commands and what it tells; its loop is tested as a process (tests/e2e)."""

from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

from engine.app.control import Command
from engine.app.events import (
    AlertRaised,
    BatchProcessed,
    ChannelStarted,
    ChannelStopped,
    CommandRefused,
    EnrichmentSwitched,
    EntryFailed,
    EntryProcessed,
    Event,
    StoreRefused,
)
from engine.app.telling import Telling
from engine.app.worker_commands import WorkerCommands
from engine.channel.batch import Done
from engine.channel.outcome import Status
from engine.channel.ports import Commit, Cursor, OutcomeRow
from engine.channel.process import Processed, load
from engine.channel.site import load_site
from engine.errors import Rejected, Retryable
from engine.steps.draft import Alert
from engine.store import MemoryJournal, MemoryStore

ROOT = Path(__file__).parents[2]


def site() -> Any:
    return load_site(ROOT).site


class Desk:
    """Commands, the store they work on, and a thread that asks."""

    def __init__(self) -> None:
        self.store: Any = MemoryStore()
        self.state = load(site(), self.store, MemoryJournal(), "0" * 32)
        self.events: list[Event] = []
        self.woken: SimpleQueue[None] = SimpleQueue()
        self.commands = WorkerCommands(lambda: self.woken.put(None), lambda: {"processed": 3}, self.events.append)

    def ask(self, command: Command) -> Any:
        """Ask as the socket's thread does, and carry out as the worker's does."""
        found: SimpleQueue[Any] = SimpleQueue()

        def caller() -> None:
            try:
                found.put(self.commands(command))
            except Exception as error:  # noqa: BLE001
                found.put(error)

        thread = Thread(target=caller)
        thread.start()
        self.woken.get(timeout=10)
        self.commands.carry_out(self.state, self.store)
        thread.join(10)
        return found.get(timeout=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def switch(state: str, command_id: str) -> Command:
    return Command(command_id, "anna", "enrichment", {"state": state})


def test_the_switch_is_a_row_and_the_same_command_changes_nothing(desk: Desk) -> None:
    """off, on, and off again by the first id: it stays on (D17)."""
    assert desk.ask(switch("off", "1")) == {"state": "off"}
    assert not desk.state.enrich
    assert desk.ask(switch("on", "2")) == {"state": "on"}
    assert desk.ask(switch("off", "1")) == {"state": "on"}
    assert desk.state.enrich
    assert desk.store.switches() == {"enrichment": "on"}
    assert desk.events == [EnrichmentSwitched("off", "anna"), EnrichmentSwitched("on", "anna")]


def test_a_switch_that_cannot_be_committed_is_told_to_who_asked(desk: Desk) -> None:
    """A full disk: refused, unchanged, and the worker goes on."""

    class Full(MemoryStore):
        def commit(self, _batch: Commit) -> None:
            raise Retryable("store.db: the disk is full")

    desk.store = Full()
    assert isinstance(desk.ask(switch("off", "1")), Retryable)
    assert desk.state.enrich
    assert desk.events == []


def test_a_stopped_channel_is_started_once(desk: Desk) -> None:
    """The same command again changes nothing; one that runs or is none is refused, and who asked is told (D17)."""
    desk.store.commit(Commit(cursors=(Cursor("results", 0, 7, "stopped", "10 messages failed in a row", 10),)))
    desk.state = load(site(), desk.store, MemoryJournal(), "0" * 32)
    start = Command("1", "anna", "channel", {"name": "results"})
    assert desk.ask(start) == {"name": "results", "position": 7}
    assert desk.state.cursors["results", 0] == Cursor("results", 0, 7, "catching_up")
    assert desk.ask(start) == {"name": "results"}
    assert desk.events == [ChannelStarted("results", 7, "anna")]
    assert str(desk.ask(Command("2", "anna", "channel", {"name": "results"}))) == "channel results is not stopped"
    assert str(desk.ask(Command("3", "anna", "channel", {"name": "nix"}))) == "there is no channel 'nix'"


def test_what_is_no_command_is_refused(desk: Desk) -> None:
    """At once, without the worker's thread."""
    with pytest.raises(Rejected, match="on or off"):
        desk.commands(switch("maybe", "1"))
    with pytest.raises(Rejected, match="enrichment and status"):
        desk.commands(Command("1", "anna", "dance", {}))
    assert desk.events == [CommandRefused("unknown", "the worker knows channel, enrichment and status")]
    assert desk.commands(Command("1", "anna", "status", {})) == {"processed": 3}


def row(entry: int, channel: str, status: Status, reason: str = "") -> OutcomeRow:
    return OutcomeRow(entry, channel, 1, int(status), "translate", "OBR-4.1", reason, "", "", "", "hash", 0)


def test_a_batch_is_told_channel_by_channel() -> None:
    """One line each; what was quarantined was told by the network process."""
    told: list[Event] = []
    alert = Alert("surprise", "a step raised an exception that nobody named")
    done = (
        Done(row(1, "results", Status.TRANSFORMED), "lab", b"ID1", ()),
        Done(row(2, "adt", Status.FAILED, "no such code"), "adt", b"ID\r2", (alert,)),
        Done(row(3, "", Status.FILTERED), "gone", b"ID3", ()),
        Done(row(4, "", Status.FAILED, "AE|102|"), "lab", b"ID4", ()),
    )
    stopped = (Cursor("adt", 0, 2, "stopped", "10 messages failed in a row", 10),)
    Telling(told.append, site()).batch(
        Processed(4, 1, 4, done, stopped, ((4, "store refused: OverflowError"),), 0, 0), 0.0123
    )
    assert told == [
        EntryProcessed("results", 1, "ID1", "TRANSFORMED"),
        EntryFailed("adt", 2, "ID\\x0d2", "translate", "OBR-4.1", "no such code"),
        AlertRaised("adt", 2, "ID\\x0d2", "surprise", "a step raised an exception that nobody named"),
        EntryProcessed("", 3, "ID3", "FILTERED"),
        StoreRefused(4, "store refused: OverflowError"),
        ChannelStopped("adt", 2, "10 messages failed in a row"),
        BatchProcessed(1, 4, 4, 12.3),
    ]
