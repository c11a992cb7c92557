"""A process that dies between any two statements of a transaction leaves all of it or nothing."""

import os
import shutil

import pytest

from engine.channel.ports import (
    Attempt,
    Commit,
    Cursor,
    Decision,
    Deferred,
    Kind,
    Lane,
    OutcomeNote,
    OutcomeRow,
    Outgoing,
    Received,
    SearchKey,
)
from engine.order.order import Order
from engine.patient.coverage import Span
from engine.patient.fact import Fact
from engine.patient.identity import IdentityEvent
from engine.steps.draft import Synopsis
from engine.store import log, open_journal, open_store, sql, sqlite

pytestmark = pytest.mark.crash

KILLED = 9
ENOUGH = 100  # statements, more than any transaction has
NOW = 1_790_000_000_000_000


def a_commit(position):
    """One of everything that the process transaction writes."""
    fact = Fact(
        *("P", position, 1, 100, "lab", "egfr", "1", "LN", "GFR", 24.0, "", "24", "mL", "", "L", "F", ""),
        *(NOW, 0, NOW, NOW, "V", "egfr", "OBX-5", "lab", "eGFR 24"),
    )
    order = Order(f"A{position}", "P", *"abcdefghijkl", NOW, position, NOW, "ris")
    return Commit(
        cursors=(Cursor("live", 0, position),),
        facts=[fact],
        snapshots={("P", "allergy", ""): b"%d" % position},
        identity=[IdentityEvent(position, 1, 0, "link", "P", "Q", NOW)],
        orders=[order],
        outcomes=[OutcomeRow(position, f"new channel {position}", 1, 2, *(7 * [f"word {position}"]), NOW)],
        keys=[SearchKey("patient", "P", position)],
        outgoing=[Outgoing("pacs", 0, "P", b"MSH", f"B{position}", position, "orders", 1, f"A{position}")],
        synopses=[(position, Synopsis("A", (), "", NOW))],
        deferred=[Deferred(0, position, "adt", "validate", b"MSH", "utf-8", "{}")],
        deferred_done=[1],
        coverage={("lab", "HOSP"): Span(NOW, NOW + position)},
        notes=[OutcomeNote(position, "adt", 1, position, "validate", "PID-8")],
        commands=[f"c{position}"],
        switches={"enrichment": f"{position}"},
    )


class StoreFile:
    """The process transaction, and all that can be seen of it."""

    def __init__(self, folder):
        self.opened = open_store(folder / "store.db")

    def work(self, position):
        self.opened.commit(a_commit(position))

    def seen(self):
        s = self.opened
        entries = range(10)
        return (
            *(s.cursors(), s.facts(["P"]), s.snapshots(["P"]), s.identity(["P"]), s.orders([f"A{n}" for n in entries])),
            *(s.outcomes(entries), s.find("P"), s.outbox("pacs", 0, 0, 10), s.outbox_tails(), s.synopses("A")),
            *(s.deferred(10), s.coverage(), s.notes(entries), s.switches(), s.counts()),
            [s.command_done(f"c{n}") for n in entries],
        )


class JournalFile:
    """The transactions of receive and deliver, which share a commit, and all that can be seen of them."""

    def __init__(self, folder):
        self.opened = open_journal(folder / "journal.db")

    def work(self, position):
        received = [
            Received(
                f"listener {position}", "h:1", NOW, b"%d %d" % (position, n), "", Kind.MESSAGE, "AA", "", b"%d" % n
            )
            for n in range(70)
        ]
        with self.opened.transaction() as tx:
            tx.log.append(received[:3])
            tx.wire.record(
                Attempt("pacs", 0, position, NOW, Decision.SENT, f"AA {position}"), Lane("pacs", 0, position)
            )
            tx.wire.record(Attempt("ris", 0, position, NOW, Decision.PARKED, "AE", "P"), Lane("ris", 0, position))
            tx.wire.unpark("ris", "P")
            tx.wire.parked_decided(Attempt("ris", 0, position - 1, NOW, Decision.SENT, "AA"))
            tx.log.append(received[3:])
            tx.wire.command(f"c{position}")

    def seen(self):
        j = self.opened
        entries = [e[:5] for e in j.read(0, 0, 1000, 10**6)]
        return (
            j.tails(),
            entries,
            j.lanes(),
            j.attempts_after(0, 99),
            j.parked(),
            [j.command_done(f"c{n}") for n in range(5)],
        )


class Watched:
    """The driver's connection in a child that ends, as kill -9 would, before its n-th statement, BEGIN and COMMIT included.

    `careless` commits each statement on its own, as a library in autocommit does: the negative control.
    """

    def __init__(self, raw, statement, *, careless):
        self._raw = raw
        self._left = statement
        self._careless = careless

    def execute(self, text, parameters=()):
        self._count()
        cursor = self._raw.execute(text, parameters)
        if self._careless and self._raw.in_transaction:
            self._raw.commit()
            self._raw.execute("BEGIN IMMEDIATE")
        return cursor

    def commit(self):
        self._count()
        self._raw.commit()

    def rollback(self):
        self._raw.rollback()

    def _count(self):
        self._left -= 1
        if not self._left:
            os._exit(KILLED)


def in_a_child(form, folder, statement, *, careless):
    """Run the second transaction in a child that dies before its n-th statement; returns how the child ended."""
    child = os.fork()
    if child == 0:
        try:
            file = form(folder)
            watched = Watched(sql.driver(file.opened._file.connection), statement, careless=careless)
            for module in (sql, sqlite, log):
                module.driver = lambda _: watched
            file.work(2)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look(form, folder):
    file = form(folder)
    try:
        return file.seen()
    finally:
        file.opened.close()


def halves(form, folder, *, careless=False):
    """(number of places it died at, the places at which neither all nor nothing was left)."""
    start = folder / "start"
    start.mkdir()
    file = form(start)
    file.work(1)
    nothing = file.seen()
    file.opened.close()
    shutil.copytree(start, folder / "whole")
    file = form(folder / "whole")
    file.work(2)
    everything = file.seen()
    file.opened.close()
    assert nothing != everything
    torn = []
    for statement in range(1, ENOUGH):
        died = folder / f"died-{statement}"
        shutil.copytree(start, died)
        ended = in_a_child(form, died, statement, careless=careless)
        left = look(form, died)
        if ended == 0:
            assert left == everything
            return statement - 1, torn
        assert ended == KILLED
        if left not in (nothing, everything):
            torn.append(statement)
        elif left == nothing and not careless:
            again = form(died)
            again.work(2)  # what was lost is done again, and ends where it would have ended
            assert again.seen() == everything
            again.opened.close()
    raise AssertionError("the transaction never ended")


@pytest.mark.parametrize(("form", "at_least"), [(StoreFile, 20), (JournalFile, 12)])
def test_all_or_nothing(tmp_path, form, at_least):
    """Before BEGIN, between any two statements, before COMMIT: nothing; after it: everything; the work done again is whole."""
    places, torn = halves(form, tmp_path)
    assert torn == []
    assert places >= at_least


@pytest.mark.parametrize("form", [StoreFile, JournalFile])
def test_a_commit_per_statement_is_caught(tmp_path, form):
    """Negative control: the same check finds half a transaction when each statement commits on its own."""
    _, torn = halves(form, tmp_path, careless=True)
    assert len(torn) > 5
