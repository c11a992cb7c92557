"""What the worker does on command: `status`, `enrichment on|off`, and starting a stopped channel (D15b, D17, D25).

Commands come in threads of the control socket and are carried out by the worker's own thread between two batches, since
the store has one writer in one thread.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from engine.app.control import Command
from engine.app.events import ChannelStarted, CommandRefused, EnrichmentSwitched, Event
from engine.channel.ports import CATCHING_UP, STOPPED, Commit, Store
from engine.channel.process import State
from engine.errors import BackstoryError, Rejected, Retryable
from engine.hl7.printable import printable

TIMEOUT = 30.0
SWITCH = ("on", "off")


class _Asked(NamedTuple):
    command: Command
    answer: "Future[dict[str, Any]]"


class WorkerCommands:
    """The queue between the control socket and the worker's thread.

    Args:
        wake: makes the worker look; called in the socket's threads.
        status: what `status` answers; called in the socket's threads.
        emit: takes events.
    """

    def __init__(
        self, wake: Callable[[], None], status: Callable[[], dict[str, Any]], emit: Callable[[Event], None]
    ) -> None:
        self._wake = wake
        self._status = status
        self._emit = emit
        self._asked: SimpleQueue[_Asked] = SimpleQueue()

    def __call__(self, command: Command) -> Mapping[str, Any]:
        """Carry out a command; called in the socket's threads. Raises Rejected, or Retryable where it took too long."""
        if command.verb == "status":
            return self._status()
        if command.verb not in {"enrichment", "channel"}:
            self._emit(CommandRefused("unknown", "the worker knows channel, enrichment and status"))
            raise Rejected("the worker knows channel, enrichment and status")
        if command.verb == "enrichment" and command.args.get("state") not in SWITCH:
            raise Rejected("enrichment: state is on or off")
        asked = _Asked(command, Future())
        self._asked.put(asked)
        self._wake()
        try:
            return asked.answer.result(TIMEOUT)
        except TimeoutError:
            raise Retryable("the worker did not get to it in time; the same command may be given again") from None

    def carry_out(self, state: State, store: Store) -> None:
        """Carry out what was asked; called in the worker's thread. A failure goes to who asked."""
        while True:
            try:
                asked = self._asked.get_nowait()
            except Empty:
                return
            try:
                work = self._switch if asked.command.verb == "enrichment" else self._start
                asked.answer.set_result(work(asked.command, state, store))
            except BackstoryError as error:
                asked.answer.set_exception(error)

    def _start(self, command: Command, state: State, store: Store) -> dict[str, Any]:
        """TRANSACTION: the cursors of a stopped channel, which from now on catch up, and the id of the command."""
        name = str(command.args.get("name", ""))
        if name not in state.routes.channels:
            raise Rejected(f"there is no channel {printable(name)!r}")
        if store.command_done(command.id):
            return {"name": name}
        stopped = [cursor for cursor in state.behind(STOPPED) if cursor.name == name]
        if not stopped:
            raise Rejected(f"channel {name} is not stopped")
        cursors = tuple(cursor._replace(state=CATCHING_UP, reason="", failures=0) for cursor in stopped)
        commit = Commit(cursors=cursors, commands=(command.id,))
        store.commit(commit)
        state.committed(commit)
        for cursor in cursors:
            self._emit(ChannelStarted(name, cursor.position, command.who))
        return {"name": name, "position": min(cursor.position for cursor in cursors)}

    def _switch(self, command: Command, state: State, store: Store) -> dict[str, Any]:
        """TRANSACTION: the switch and the id of the command that moved it."""
        wanted = str(command.args["state"])
        if store.command_done(command.id):
            return {"state": state.switches.get("enrichment", "on")}
        commit = Commit(cursors=(), commands=(command.id,), switches={"enrichment": wanted})
        store.commit(commit)
        state.committed(commit)
        self._emit(EnrichmentSwitched(wanted, command.who))
        return {"state": wanted}
