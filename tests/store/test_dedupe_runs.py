"""Duplicates beyond those in memory: runs of hashes on disk, found by their planes, dropped when they are too old."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.channel.operator_acts import LISTENER, identity_of, release_body
from engine.channel.ports import Entry, Kind, Received
from engine.errors import Retryable
from engine.store import dedupe, journal, open_journal, resends
from engine.store.rules import DAY, DUPLICATE_KNOWN

RUN = 8
PIECE = 3
STEPS = 4  # in which a run is written: three pieces, and what makes it one


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "RUN", RUN)
    monkeypatch.setattr(dedupe, "PIECE", PIECE)


@pytest.fixture
def log(short_runs: None, tmp_path: Path) -> Iterator[Any]:
    opened = open_journal(tmp_path / "journal.db")
    yield opened
    opened.close()


def message(number: int, at: int = 0) -> Received:
    return Received("lab", "p:1", at or number, b"MSH|%d" % number, "utf-8", Kind.MESSAGE, "AA", "", b"C%d" % number)


def append(log: Any, *messages: Received) -> list[tuple[int, bool]]:
    with log.transaction() as tx:
        return [(place.position, place.duplicate) for place in tx.log.append(messages)]


def runs(log: Any) -> list[tuple[int, int]]:
    """(run, hashes in it) on disk."""
    found = log._writer.connection.exec_driver_sql("SELECT run, count(*) FROM dedupe GROUP BY run ORDER BY run")
    return [tuple(row) for row in found.fetchall()]


def upkeep(log: Any) -> None:
    """All steps that are due."""
    for _ in range(STEPS):
        log.checkpoint()


def test_a_full_run_is_written_between_transactions_and_found_again(log: Any) -> None:
    """Messages of every run, of memory, and new ones: each is known for what it is, also after a restart."""
    for number in range(1, 31):
        append(log, message(number))
        log.checkpoint()
    assert runs(log) == [(1, RUN), (2, RUN), (3, RUN)]
    again = [message(number)._replace(received=1000) for number in (1, 8, 9, 24, 25, 30, 31)]
    assert append(log, *again) == [(1, True), (8, True), (9, True), (24, True), (25, True), (30, True), (31, False)]


def test_what_was_sealed_is_read_back(short_runs: None, tmp_path: Path) -> None:
    """Three processes: what was in runs, and what was only in memory, is known to the next."""
    path = tmp_path / "journal.db"
    for start in (1, 11, 21):
        log = open_journal(path)
        append(log, *(message(number) for number in range(start, start + 10)))
        log.checkpoint()
        assert append(log, *(message(number) for number in range(1, start + 10))) == [
            (number, True) for number in range(1, start + 10)
        ]
        log.close()


def test_a_run_is_written_in_steps_between_which_others_come(log: Any) -> None:
    """Everything is known after each step, and none of it twice."""
    append(log, *(message(number) for number in range(1, RUN + 2)))
    sizes = []
    for step in range(1, STEPS + 1):
        log.checkpoint()
        sizes.append(sum(size for _, size in runs(log)))
        assert append(log, *(message(number) for number in range(1, RUN + 1 + step))) == [
            (number, True) for number in range(1, RUN + 1 + step)
        ]
        append(log, message(RUN + 1 + step))
    assert sizes == [PIECE, 2 * PIECE, RUN, RUN]
    assert log._append.dedupe._recent.keys() == {dedupe.hash_of("lab", b"C%d" % n) for n in range(RUN + 1, RUN + 6)}


@pytest.mark.parametrize("steps", range(1, STEPS))
def test_a_run_that_was_not_finished_is_begun_again(short_runs: None, tmp_path: Path, steps: int) -> None:
    """A process that ends in the middle leaves pieces that nobody looks into; the next one clears them away."""
    path = tmp_path / "journal.db"
    log = open_journal(path)
    append(log, *(message(number) for number in range(1, RUN + 1)))
    for _ in range(steps):
        log.checkpoint()
    assert runs(log) == [(1, min(steps * PIECE, RUN))]
    log.close()
    log = open_journal(path)
    for _ in range(2):
        assert append(log, *(message(number) for number in range(1, RUN + 2)))[:RUN] == [
            (number, True) for number in range(1, RUN + 1)
        ]
        upkeep(log)
        assert runs(log) == [(1, RUN)]
    log.close()


def test_a_journal_whose_upkeep_is_late_says_so(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has large batches to write takes steps of it first."""
    monkeypatch.setattr(journal, "_SLACK", 4)
    append(log, *(message(number) for number in range(1, RUN + 4)))
    assert not log.behind
    append(log, message(RUN + 4))
    assert log.behind
    upkeep(log)
    assert not log.behind


def test_a_run_is_dropped_whole_when_its_newest_is_too_old(log: Any) -> None:
    """Seven days later its messages are new ones, a day after that it goes; a run that is young stays."""
    append(log, *(message(number) for number in range(1, RUN + 1)))
    upkeep(log)
    late = DUPLICATE_KNOWN + RUN
    append(log, *(message(number, late) for number in range(RUN + 1, 2 * RUN + 1)))
    upkeep(log)
    assert append(log, message(1, late), message(RUN + 1, late)) == [(2 * RUN + 1, False), (RUN + 1, True)]
    assert runs(log) == [(1, RUN), (2, RUN)]
    append(log, *(message(number, late + DAY) for number in range(2 * RUN + 2, 3 * RUN + 1)))
    upkeep(log)
    assert runs(log) == [(2, RUN), (3, RUN)]
    assert append(log, message(RUN + 1, late + DAY), message(2, late + DAY)) == [(RUN + 1, True), (3 * RUN + 1, False)]


def test_a_seal_that_the_disk_refuses_is_made_again(log: Any) -> None:
    """Nothing of it is kept and nothing is forgotten: what it would have written is known all the same."""
    append(log, *(message(number) for number in range(1, RUN + 3)))
    connection = log._writer.connection
    ((pages,),) = connection.exec_driver_sql("PRAGMA page_count").fetchall()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    for _ in range(2):
        with pytest.raises(Retryable, match="the disk is full"):
            upkeep(log)
        assert runs(log) == [(1, RUN)]  # of which the plane is missing, so that nobody looks into it
    assert append(log, message(1), message(RUN + 2)) == [(1, True), (RUN + 2, True)]
    connection.exec_driver_sql("PRAGMA max_page_count = 1000000").fetchall()
    upkeep(log)
    assert runs(log) == [(1, RUN)]
    assert append(log, message(1), message(RUN + 2)) == [(1, True), (RUN + 2, True)]


def test_many_of_one_control_id_in_one_batch_are_told_apart_at_once(tmp_path: Path) -> None:
    """A batch of ten thousand may have one: looking through all before each took seconds."""
    log = open_journal(tmp_path / "journal.db")
    same = [message(number, at=1)._replace(identity=b"C1") for number in range(10_000)]
    began = time.process_time()
    with log.transaction() as tx:
        found = tx.log.append([*same, same[0], same[-1]])
    assert time.process_time() - began < 2.0
    assert [one.duplicate for one in found] == [False] * 10_000 + [True, True]
    assert [one.control_id_reused for one in found[:3]] == [False, True, True]
    assert (found[-2].position, found[-1].position) == (1, 10_000)
    log.close()


def test_a_constant_control_id_costs_no_more_with_every_message(log: Any) -> None:
    """A few are found by the identity, in memory and on disk, before and after a restart; the bytes find the others."""
    same = [message(1)._replace(body=b"MSH|1|%d" % number) for number in range(10 * RUN)]
    for one in same:
        ((_, duplicate),) = append(log, one)
        assert not duplicate
        upkeep(log)
    assert len(runs(log)) > 1
    found = log._append.dedupe.find([dedupe.hash_of("lab", b"C1")])
    assert [len(places) for places in found.values()] == [resends.MANY]
    assert append(log, same[3], same[-1], same[40]) == [(4, True), (len(same), True), (41, True)]


@pytest.mark.parametrize("last", [0.3, 0.97, 1.5, 6.95])
def test_a_constant_control_id_is_known_while_one_of_its_messages_is_young(log: Any, last: float) -> None:
    """Many on day 0, one on a later day, others between which runs go; that one again after 7 days less a moment."""
    start = 10 * DAY
    numbers = iter(range(10**6))

    def one_of_many(at: int) -> Received:
        return message(1, at)._replace(body=b"MSH|1|%d" % next(numbers))

    def others(at: int) -> None:
        append(log, *(message(1_000 + next(numbers), at) for _ in range(RUN)))
        for _ in range(3):
            upkeep(log)

    append(log, *(one_of_many(start) for _ in range(2 * RUN)))
    others(start)
    at = start + int(last * DAY)
    late = one_of_many(at)
    ((position, _),) = append(log, late)
    others(at)
    for half in range(1, 15):  # runs of day 0 go meanwhile
        others(min(at + half * DAY // 2, at + DUPLICATE_KNOWN - 1))
    assert append(log, late._replace(received=at + DUPLICATE_KNOWN - 1)) == [(position, True)]
    assert append(log, late._replace(received=at + DUPLICATE_KNOWN))[0][1] is False


def test_a_constant_control_id_for_weeks_is_found_a_few_times_by_itself(log: Any) -> None:
    """Of each day one more, and none of those that went."""
    messages = [
        message(1, at=10 * DAY + number * DAY // 20)._replace(body=b"MSH|1|%d" % number) for number in range(500)
    ]
    for one in messages:
        ((_, duplicate),) = append(log, one)
        assert not duplicate
        upkeep(log)
        found = log._append.dedupe.find([dedupe.hash_of("lab", b"C1")])
        assert len(next(iter(found.values()))) <= resends.MANY + 9
    for number in (361, 380, 400, 499):
        assert append(log, messages[number]._replace(received=messages[-1].received)) == [(number + 1, True)]


def release(number: int, at: int, padding: int = 0) -> Received:
    """The release of the message of this number."""
    of = message(number)
    body = of.body + b"x" * padding
    original = Entry(1, 0, "lab", "p:1", 1, b"", "", Kind.QUARANTINED, "", "", b"")
    act = release_body(original, body, "utf-8", number=1, of=1, who="ann")
    return Received(LISTENER, "control", at, act, "utf-8", Kind.OPERATOR, "", "", identity_of(act))


def test_only_releases_that_still_count_are_kept_in_mind(tmp_path: Path) -> None:
    """Other acts are not, nor what is older than 7 days: with none of them a message costs no look for any."""
    path = tmp_path / "journal.db"
    start = 10 * DAY
    note = release(9, start)._replace(body=b'{"act": "note"}', identity=b"command\0\0id1")
    log = open_journal(path)
    append(
        log, release(1, start - DAY), note, release(2, start), release(3, start + 1, padding=9_000), message(5, start)
    )
    kept = [dedupe.identified(act) for act in (release(1, 0), release(2, 0), release(3, 0, padding=9_000))]
    assert list(log._append._resends.releases) == kept
    for late, left in (
        (start, kept),
        (start + 6 * DAY, kept[1:]),
        (start + 7 * DAY, kept[2:]),
        (start + 7 * DAY + 1, []),
    ):
        append(log, message(1_000 + late % 997, late))
        assert list(log._append._resends.releases) == left
        log.close()
        log = open_journal(path)
        assert list(log._append._resends.releases) == left
    append(
        log, release(2, start + 8 * DAY), release(4, start + 8 * DAY), release(2, start + 9 * DAY)._replace(body=b"x")
    )
    assert list(log._append._resends.releases) == [dedupe.identified(release(n, 0)) for n in (4, 2)]
    log.close()


def test_releases_are_loaded_by_their_index(tmp_path: Path) -> None:
    """A start does not read a million entries for the few."""
    log = open_journal(tmp_path / "journal.db")
    plan = log._writer.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {resends._RELEASES}", (0, b"")).fetchall()
    assert ["entries_released" in row[-1] for row in plan] == [True]
    plan = log._writer.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {resends._NEWEST}").fetchall()
    assert all("SCAN" not in row[-1] for row in plan)
    log.close()
