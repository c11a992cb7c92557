"""What the log says about a batch: one line for each channel that saw an entry, and one for each alert."""

from collections.abc import Callable

from engine.app.events import (
    AlertRaised,
    BatchProcessed,
    ChannelStopped,
    EntryFailed,
    EntryProcessed,
    Event,
    StoreRefused,
    control_id,
)
from engine.channel.batch import Done
from engine.channel.outcome import Status
from engine.channel.process import Processed
from engine.channel.site import Site

_NAMES = {int(status): status.name for status in Status}


class Telling:
    """Makes events of what was processed; control ids as their listener wants them logged."""

    def __init__(self, emit: Callable[[Event], None], site: Site) -> None:
        self._emit = emit
        self._modes = {name: listener.log_control_id for name, listener in site.config.listeners.items()}

    def batch(self, processed: Processed, seconds: float) -> None:
        """Tell about a committed batch."""
        for done in processed.done:
            self._entry(done)
        for entry, reason in processed.refused:
            self._emit(StoreRefused(entry, reason))
        for cursor in processed.stopped:
            self._emit(ChannelStopped(cursor.name, cursor.position, cursor.reason))
        milliseconds = round(seconds * 1000, 1)
        self._emit(BatchProcessed(processed.first, processed.last, processed.entries, milliseconds))

    def _entry(self, done: Done) -> None:
        row = done.row
        name = control_id(done.control_id, self._modes.get(done.listener, "plain"))
        if row.status == Status.FAILED and row.channel:
            self._emit(EntryFailed(row.channel, row.entry, name, row.step, row.path, row.reason))
        elif row.channel or row.status != Status.FAILED:
            # what is FAILED without a channel was quarantined, which the network process has told
            self._emit(EntryProcessed(row.channel, row.entry, name, _NAMES[row.status], row.enrichment))
        for alert in done.alerts:
            self._emit(AlertRaised(row.channel, row.entry, name, alert.kind, alert.text))
