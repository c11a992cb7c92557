"""What every Log knows of messages that persons let through: none is processed twice, and no sender is told otherwise."""

import pytest

from engine.channel.let_through import let_through
from engine.channel.operator_acts import LISTENER, identity_of, processed_body, release_body
from engine.channel.ports import BATCH, Entry, Kind
from engine.channel.receive import judge
from engine.channel.verdict import ListenerRules
from engine.mllp.framing import Framed, FrameEvent

DAY = 86_400_000_000


def order(number, accept=b"", listener="adt", **changes):
    """Makes a message as the listener takes it."""
    body = b"MSH|^~\\&|EMR|HOSP|||20260819||ADT^A08|C%d|P|2.5|||%s\rPID|||%d\r" % (number, accept, number)
    (found,) = judge(FrameEvent(Framed.FRAME, body), ListenerRules(listener), "10.0.0.7:1", 1).received
    return found._replace(**{"received": 10 * DAY, **changes})


def refused(message, answer="AR|202|MSH^1^11", **changes):
    return message._replace(kind=Kind.QUARANTINED, answer=answer, **changes)


def act(message, position=1, number=1, of=1, who="ann", *, again=False, at=10 * DAY):
    """The release of this message, a part of that entry."""
    original = Entry(position, 0, message.listener, message.peer, 1, b"", "", Kind.QUARANTINED, "", "", b"")
    body = release_body(original, message.body, message.charset, number=number, of=of, who=who, again=again)
    return message._replace(
        listener=LISTENER, received=at, body=body, kind=Kind.OPERATOR, answer="", flags="", identity=identity_of(body)
    )


def processed(journals, release):
    """As what the message of this release was processed."""
    with journals.journal.transaction() as tx:
        return tx.log.processed(let_through(release.body), release)


def places(appended):
    return [(one.position, one.duplicate, one.answer) for one in appended]


def test_an_accepted_message_was_processed(journals):
    """Refused, accepted when the site was mended: in the same transaction, later, and after a restart; for seven days."""
    x = order(1)
    with journals.journal.transaction() as tx:
        tx.log.append([refused(x), x])
        assert tx.log.processed(let_through(act(x).body), act(x)) == 2
    assert processed(journals, act(x)) == 2
    journals.reopen()
    assert processed(journals, act(x)) == 2
    assert processed(journals, act(x, at=17 * DAY - 1)) == 2
    assert processed(journals, act(x, at=17 * DAY)) == 0


def test_what_was_only_refused_or_is_another_message_was_not_processed(journals):
    """Not another listener's, nor the same control id with other bytes, nor the same bytes of nobody."""
    x = order(1)
    other = order(1, body=x.body + b"NTE|1\r")
    journals.append(refused(x), refused(x, received=x.received + 1), x._replace(listener="lab"), other)
    assert processed(journals, act(x)) == 0
    assert processed(journals, act(other)) == 3


def test_what_was_refused_after_it_was_accepted_was_processed(journals):
    """Also where its control id is in use so much that the bytes must find it."""
    x = order(1)
    many = [x._replace(body=x.body + b"NTE|%d\r" % number) for number in range(20)]
    journals.append(refused(x))
    journals.append(*many)
    ((position, _, _),) = places(journals.append(x))
    assert processed(journals, act(x)) == position
    assert [processed(journals, act(one)) for one in many] == list(range(2, 22))


def test_of_two_releases_of_the_same_bytes_the_second_was_processed(journals):
    """Twice in a batch, in two batches, or by two persons: by the first one."""
    x = order(1)
    first = act(x, position=1, number=1, of=2)
    journals.append(first)
    for second in (act(x, position=1, number=2, of=2), act(x, position=5), act(x, number=1, of=2, who="ben")):
        assert processed(journals, second) == 1
    assert processed(journals, act(x, position=5, at=17 * DAY)) == 0
    assert processed(journals, act(x._replace(listener="lab"), position=5)) == 0


def test_the_same_release_again_is_no_other_one(journals):
    """`append` answers for it, so that a command that is given twice is carried out once (D17)."""
    x = order(1)
    journals.append(act(x))
    assert processed(journals, act(x)) == 0
    assert places(journals.append(act(x))) == [(1, True, "")]


def settled(message, entry, **changes):
    """The act that is kept instead of the release of a message that was processed as this entry."""
    release = act(message, **changes)
    return release._replace(body=processed_body(release.body, entry))


def test_what_is_settled_is_known_like_what_was_released(journals):
    """For seven days from then, also where the message was processed long before; the same command settles it once."""
    x = order(1)
    journals.append(x)
    assert places(journals.append(settled(x, 1, at=16 * DAY))) == [(2, False, "")]
    assert places(journals.append(settled(x, 1, at=16 * DAY + 1))) == [(2, True, "")]
    assert processed(journals, act(x, position=5, at=16 * DAY + 1)) == 1
    journals.reopen()
    assert processed(journals, act(x, position=5, at=18 * DAY)) == 2
    assert places(journals.append(x._replace(received=18 * DAY))) == [(2, True, "AA")]
    assert places(journals.append(refused(x, received=18 * DAY))) == [(2, True, "AA")]
    assert places(journals.append(x._replace(received=23 * DAY))) == [(3, False, "AA")]


def test_a_batch_of_which_one_message_was_accepted_before_is_let_through_whole(journals):
    """One is released, the other one settled: refused again, the batch is answered as accepted."""
    x, y = order(1), order(2)
    body = b"BHS|^~\\&\r" + x.body + y.body + b"BTS|9\r"
    batch = refused(x, "AE|100|", body=body, identity=b"B1")
    journals.append(x, batch)
    journals.append(act(y, position=2, number=2, of=2))
    assert places(journals.append(batch)) == [(2, True, "AE|100|")]
    journals.append(settled(x, 1, position=2, number=1, of=2))
    assert places(journals.append(batch)) == [(4, True, "AA")]


@pytest.mark.parametrize("refusal", ["AR|202|MSH^1^11", "CR|202|MSH^1^11", ""])
def test_a_released_message_that_would_be_refused_again_is_answered_as_accepted(journals, refusal):
    """Otherwise its sender would try for ever; nothing new is kept. Receive tells it in the mode that is asked for."""
    t = refused(order(1), refusal)
    journals.append(t)
    assert places(journals.append(t)) == [(1, True, refusal)]
    journals.append(act(t))
    assert places(journals.append(t)) == [(2, True, "AA")]
    journals.reopen()
    assert places(journals.append(t, order(2))) == [(2, True, "AA"), (3, False, "AA")]


@pytest.mark.parametrize("again", [False, True], ids=["accepted now", "refused again"])
def test_a_release_counts_for_seven_days_of_its_own(journals, again):
    """Refused on day 10, let through on day 16, sent again on day 18 and a moment before day 23: known, also by a restart."""
    x = order(1)
    journals.append(refused(x))
    journals.append(act(x, at=16 * DAY))
    later = refused(x) if again else x
    assert places(journals.append(later._replace(received=18 * DAY))) == [(2, True, "AA")]
    journals.reopen()
    assert places(journals.append(later._replace(received=23 * DAY - 1))) == [(2, True, "AA")]
    assert places(journals.append(later._replace(received=23 * DAY))) == [(3, False, later.answer)]


def test_a_message_of_a_released_batch_is_known_alone(journals):
    """Its bytes were never an entry of their own; one that was not released is new, and so is another listener's."""
    x, y, z = order(1), order(2), order(3)
    batch = refused(x, "AE|100|", body=b"BHS|^~\\&\r" + x.body + y.body + b"BTS|9\r", identity=b"B1")
    journals.append(batch)
    journals.append(act(x, number=1, of=2), act(y, number=2, of=2))
    assert places(journals.append(y, z, x._replace(flags=BATCH), x._replace(listener="lab"))) == [
        (3, True, "AA"),
        (4, False, "AA"),
        (2, True, "AA"),
        (5, False, "AA"),
    ]


def test_a_released_batch_that_would_be_refused_again_is_answered_as_accepted(journals):
    """Where each of its messages was let through; not while one of them was not, nor where the end of it was lost."""
    x, y = order(1), order(2)
    body = b"BHS|^~\\&\r" + x.body + y.body + b"BTS|9\r"
    batch = refused(x, "AE|100|", body=body, identity=b"B1")
    cut = refused(x, "AR|104|", body=body, identity=b"B2", flags="too_long")
    empty = refused(x, "AE|100|", body=b"BHS|^~\\&\rBTS|0\r", identity=b"B3")
    enhanced = refused(x, "CE|100|", body=b"BHS|^~\\&\r" + x.body + b"BTS|9\r", identity=b"B4")
    silent = refused(x, "", body=b"BHS|^~\\&\r" + x.body + b"BTS|8\r", identity=b"B5")
    journals.append(batch, cut, empty, enhanced, silent)
    journals.append(act(x, number=1, of=2))
    assert places(journals.append(batch)) == [(1, True, "AE|100|")]
    journals.append(act(y, number=2, of=2))
    assert places(journals.append(batch, cut, empty, enhanced, silent)) == [
        (6, True, "AA"),
        (2, True, "AR|104|"),
        (3, True, "AE|100|"),
        (6, True, "AA"),
        (6, True, "AA"),
    ]
    late = [one._replace(received=17 * DAY) for one in (batch, x, y)]
    assert [one.duplicate for one in journals.append(*late)] == [False, False, False]


def test_one_control_id_for_all_and_one_that_was_refused_first(journals):
    """Refused, eight others accepted, the site mended: accepted once, and every resend of it is that one."""
    x = order(1)
    others = [x._replace(body=x.body + b"NTE|%d\r" % number) for number in range(8)]
    journals.append(refused(x))
    journals.append(*others)
    assert [places(journals.append(x)) for _ in range(4)] == [[(10, False, "AA")], *[[(10, True, "AA")]] * 3]
    assert places(journals.append(refused(x))) == [(10, True, "AA")]
    y = x._replace(body=x.body + b"NTE|y\r")
    assert places(journals.append(refused(y))) == [(11, False, "AR|202|MSH^1^11")]
    assert places(journals.append(refused(y), y, y)) == [
        (11, True, "AR|202|MSH^1^11"),
        (12, False, "AA"),
        (12, True, "AA"),
    ]
    journals.reopen()
    assert places(journals.append(x, y)) == [(10, True, "AA"), (12, True, "AA")]
