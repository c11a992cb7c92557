"""Faults for the engine's processes, put in from outside the product: `hooks(...)` of engine_process sets the variable.

Python imports this module at start because its folder is in PYTHONPATH. Each word of BACKSTORY_TEST_HOOKS is a function.
"""

import os
import signal
import sys
import time
from pathlib import Path


def _process():
    return next((word.removeprefix("engine.app.") for word in sys.orig_argv if word.startswith("engine.app.")), "")


def frozen_clock(value):
    """Wall stands still at this UTC microsecond, so that every text is known in advance."""
    from engine.app import clock

    clock.SystemClock.wall = lambda _self: int(value)


def early_ack(seconds):
    """The network process acknowledges before it commits what came, and commits late: what the kill test must catch."""
    if _process() != "network":
        return
    from engine.app import journal_thread

    class Deaf:
        def answer(self, reply):
            """It has its answer."""

    commit = journal_thread.JournalThread._commit

    def liar(self, journal, batch):
        from twisted.internet import reactor

        told = []
        for item in batch:
            if isinstance(item, journal_thread.Intake):
                reactor.callFromThread(item.asker.answer, item.judged.reply)
                item = item._replace(asker=Deaf())  # noqa: PLW2901 - the same item without its asker
            told.append(item)
        if any(isinstance(item, journal_thread.Intake) for item in batch):
            time.sleep(float(seconds))
        commit(self, journal, told)

    journal_thread.JournalThread._commit = liar


def killed_once(words):
    """`worker:FILE`: the process is killed while it starts, the first time, which the file remembers."""
    name, _, file = words.partition(":")
    if _process() != name or os.path.exists(file):  # noqa: PTH110 - before anything is imported
        return
    with open(file, "w"):  # noqa: PTH123 - as above
        os.kill(os.getpid(), signal.SIGKILL)


def impatient(seconds):
    """The supervisor's watchdog, and the opening of a file that somebody else has, wait for this long."""
    if _process() == "supervisor":
        from engine.app import child

        child.SILENT = float(seconds)
    elif _process() == "network":
        from engine.app import journal_thread

        journal_thread.OPENING = float(seconds)


def throwing_enrich(_value):
    """The step `enrich` raises something nobody named, with a patient's name in its text."""
    if _process() != "worker":
        return
    from engine.steps import enrich

    def apply(_self, draft, _mappings):
        raise ZeroDivisionError(draft.message.get("PID-5"))

    enrich.Enrich.apply = apply


def stuck_validation(_value):
    """The worker's child never comes back from a message."""
    if _process() != "deferred":
        return
    from threading import Event

    from engine.hl7 import conformance

    conformance.structure_findings = lambda _message: Event().wait()


def full_store(switch):
    """The worker's disk is full while this file is there."""
    if _process() != "worker":
        return
    from engine.errors import Retryable
    from engine.store.store import SqlStore

    commit = SqlStore.commit

    def refuse(self, batch):
        if Path(switch).exists():
            raise Retryable("store.db: the disk is full (SQLITE_FULL)")
        commit(self, batch)

    SqlStore.commit = refuse


def full_journal(switch):
    """While this file is there, SQLite gives journal.db no more pages than the file says beyond those it has."""
    if _process() != "network":
        return
    from engine.store import sqlite

    immediate = sqlite.WriterFile.immediate

    def limited(self):
        raw = sqlite.driver(self.connection)
        ((pages,),) = raw.execute("PRAGMA page_count").fetchall()
        room = int(Path(switch).read_text()) if Path(switch).exists() else 1_000_000
        raw.execute(f"PRAGMA max_page_count = {pages + room}").fetchall()
        return immediate(self)

    sqlite.WriterFile.immediate = limited


def throwing_loop(_value):
    """The worker's loop meets something nobody named, with a patient's name in its text, at its first entry."""
    if _process() != "worker":
        return
    from engine.channel import process

    def broken(_state, log, *_rest, **_more):
        for entry in log.read(0, 0, 1, 1):
            raise ZeroDivisionError(entry.body)
        return process.NOTHING

    process.process = broken


def throwing_rule(_value):
    """A relevance rule raises something nobody named, with a patient's name in its text."""
    if _process() != "worker":
        return
    from engine.relevance import evaluate

    def apply(_rule, _rules, case, *_rest):
        raise KeyError(repr(case))

    evaluate._apply = apply


for _hook in os.environ.get("BACKSTORY_TEST_HOOKS", "").split():
    _name, _, _argument = _hook.partition("=")
    globals()[_name](_argument)
