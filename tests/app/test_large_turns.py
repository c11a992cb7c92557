"""Large frames yield to the others after a commit that took long, and wait for nobody where there are no others."""

from engine.app.journal_items import Intake
from engine.app.large_turns import APART_BYTES, MAX_BATCH, NOTICED, QUIET, REST, LargeTurns


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(*sizes: int) -> tuple[LargeTurns, Clock]:
    clock = Clock()
    made = LargeTurns(clock)
    for number, size in enumerate(sizes):
        made.add(Intake(number, None, size, apart=True))
    return made, clock


def test_nobody_waits_where_there_are_no_others():
    """However long the last commit took: a sender of large messages alone has the journal for himself."""
    large, _ = turns(1)
    assert large
    assert large.wait() == 0
    large.took(1.0)
    assert large.wait() == 0


def test_after_a_long_commit_the_others_have_their_time():
    """Four times as long as it took; and less when they fall silent."""
    large, clock = turns(1)
    large.others()
    large.took(0.1)
    for _ in range(7):
        assert 0 < large.wait() <= QUIET
        clock.now += QUIET
        large.others()
    assert clock.now < 1000 + REST * 0.1
    clock.now = 1000 + REST * 0.1
    large.others()
    assert large.wait() == 0
    large.took(10.0)
    clock.now += QUIET
    assert large.wait() == 0


def test_a_short_commit_is_not_noticed():
    """Frames of some 10 KB go on at once."""
    large, _ = turns(1)
    large.others()
    large.took(NOTICED / 2)
    assert large.wait() == 0


def test_a_commit_holds_as_many_as_keep_others_waiting_no_longer_than_one_would():
    """By bytes and by number, in their order; one that is larger goes alone."""
    large, _ = turns(APART_BYTES // 2, APART_BYTES // 2, 1, APART_BYTES * 9, 1)
    assert [[item.asker for item in large.next()] for _ in range(4)] == [[0, 1], [2], [3], [4]]
    assert not large
    large, _ = turns(*[1] * (MAX_BATCH + 1))
    assert [len(large.next()) for _ in range(2)] == [MAX_BATCH, 1]
