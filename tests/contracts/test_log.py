"""What every Log promises: order, durability after the transaction, all or nothing, and that a resend is recognised."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.channel.operator_acts import LISTENER, released_identity
from engine.channel.ports import Kind
from engine.errors import StoreRefused

DAY = 86_400_000_000


def bodies(entries):
    return [entry.body for entry in entries]


def test_entries_come_back_as_they_were_appended(journals, received):
    """Position 1, 2, 3...; every field survives, and the digest is the body's."""
    odd = received(
        2,
        listener="lab",
        peer="fe80::1%eth0:40000",
        body=b"\xff\x00bytes\r",
        charset="",
        kind=Kind.QUARANTINED,
        answer="AE|102|OBX^1^5",
        flags="charset_assumed lf_line_ends",
        identity=b"",
    )
    appended = journals.append(received(1), odd)
    assert [(a.position, a.duplicate, a.answer, a.control_id_reused) for a in appended] == [
        (1, False, "AA", False),
        (2, False, "AE|102|OBX^1^5", False),
    ]
    first, second = (journals.reader.entry(position) for position in (1, 2))
    assert first == (1, 0, *received(1)[:8], hashlib.sha256(received(1).body).digest())
    assert second == (2, 0, *odd[:8], hashlib.sha256(odd.body).digest())
    assert isinstance(second.kind, Kind)
    assert journals.reader.entry(3) is None
    assert journals.reader.read(0, 0, 10, 10_000) == [first, second]


@pytest.mark.parametrize(
    "peer", ["", "10.0.0.7", "10.0.0.7:0", "10.0.0.7:0080", ":1", "[::1]:2575", "host:123456", "::1", "x:٣"]
)
def test_any_peer_comes_back(journals, received, peer):
    """The peer is split to save bytes, and joined as it was."""
    journals.append(received(peer=peer))
    assert journals.reader.entry(1).peer == peer


def test_a_long_body_comes_back(journals, received):
    """Bodies that compress and bodies that do not are the same bytes again, in reads and in searches."""
    soft = b"MSH|" + b"OBX|1|TX|text\r" * 5_000 + b"needle"
    hard = b"MSH|" + b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1_000)) + b"needle"
    journals.append(received(1, body=soft), received(2, body=hard))
    assert bodies(journals.reader.read(0, 0, 10, 10**6)) == [soft, hard]
    assert bodies(journals.reader.find(0, b"needle", 10)) == [hard, soft]


def test_nothing_is_kept_of_a_transaction_that_fails(journals, received):
    """Neither entries nor the memory of duplicates nor positions survive; what was there before does."""
    journals.append(received(1))
    with journals.failing() as tx:
        tx.log.append([received(2), received(3, listener="never seen before")])
    assert journals.reader.tails()[0] == 1
    assert journals.append(received(2))[0] == (2, False, "AA", False)
    assert journals.append(received(3, listener="never seen before"))[0] == (3, False, "AA", False)
    assert journals.reader.entry(3).listener == "never seen before"


def test_what_cannot_be_stored_is_refused_whole(journals, received):
    """A number beyond 64 bits or a lone surrogate refuses the transaction by name, without the value (D6)."""
    for bad in (received(2, received=2**70), received(2, flags="\udc80")):
        with pytest.raises(StoreRefused) as refused:
            journals.append(received(1), bad)
        assert str(refused.value) in {"store refused: OverflowError", "store refused: UnicodeEncodeError"}
        assert journals.reader.tails()[0] == 0


def test_the_same_message_again_is_the_first_one(journals, received):
    """Same listener, MSH-3/4/10 and body: the first one's position and answer, and nothing new (D16)."""
    journals.append(received(1, answer="AE|102|OBX^1^5"), received(2))
    again = received(1, peer="10.0.0.7:50000", received=received(1).received + 5, answer="AA")
    assert journals.append(again, received(3)) == [(1, True, "AE|102|OBX^1^5", False), (3, False, "AA", False)]
    assert journals.reopen().tails()[0] == 3
    assert journals.append(again) == [(1, True, "AE|102|OBX^1^5", False)]


def test_a_resend_within_a_batch_or_a_transaction_is_recognised(journals, received):
    """It makes no difference whether the first one is committed, in the same transaction or in the same batch."""
    assert journals.append(received(1), received(1)) == [(1, False, "AA", False), (1, True, "AA", False)]
    with journals.journal.transaction() as tx:
        assert tx.log.append([received(2)]) == [(2, False, "AA", False)]
        assert tx.log.append([received(2), received(1)]) == [(2, True, "AA", False), (1, True, "AA", False)]


def test_a_control_id_with_another_body_is_a_new_entry(journals, received):
    """It is kept and counted; each of the bodies is recognised when it comes again."""
    other = received(1, body=b"MSH|other")
    third = received(1, body=b"MSH|third")
    assert journals.append(received(1), other) == [(1, False, "AA", False), (2, False, "AA", True)]
    assert journals.append(third, other, received(1)) == [
        (3, False, "AA", True),
        (2, True, "AA", False),
        (1, True, "AA", False),
    ]


def test_many_messages_with_one_control_id_are_told_apart(journals, received):
    """New each, counted as reused, and each known again by its bytes; also within one batch."""
    messages = [received(1, body=b"MSH|%d" % number) for number in range(40)]
    first = journals.append(*messages[:30])
    second = [journals.append(one)[0] for one in messages[30:]]
    assert [(one.duplicate, one.control_id_reused) for one in (*first, *second)] == [
        (False, False),
        *[(False, True)] * 39,
    ]
    for number in (0, 5, 20, 35, 39):
        (again,) = journals.append(messages[number])
        assert (again.position, again.duplicate) == (number + 1, True)
    refused = received(1, body=b"MSH|x", kind=Kind.QUARANTINED, answer="AR|202|")
    assert [one.duplicate for one in journals.append(refused, refused)] == [False, True]
    (accepted,) = journals.append(received(1, body=b"MSH|x"))
    assert (accepted.duplicate, accepted.answer) == (False, "AA")
    assert journals.append(received(1, body=b"MSH|x"))[0].position == accepted.position


def test_what_was_refused_is_new_where_it_is_accepted_now(journals, received):
    """Nothing was done with it: an answer AA for the first one's sake would lose it. Refused again, it is the first one."""
    refused = received(1, kind=Kind.QUARANTINED, answer="AR|202|MSH^1^11")
    again = refused._replace(received=refused.received + 1)
    accepted = received(1)._replace(received=refused.received + 2, body=refused.body)
    appended = journals.append(refused, again)
    assert [(a.position, a.duplicate, a.answer) for a in appended] == [
        (1, False, "AR|202|MSH^1^11"),
        (1, True, "AR|202|MSH^1^11"),
    ]
    (new,) = journals.append(accepted)
    assert (new.position, new.duplicate, new.answer, new.control_id_reused) == (2, False, "AA", False)
    (same,) = journals.append(accepted)
    assert (same.duplicate, same.answer) == (True, "AA")
    (later,) = journals.append(again)
    assert (later.position, later.duplicate, later.answer) == (2, True, "AA")


@pytest.mark.parametrize("batch", ["", "batch", "fs_inside batch lf_line_ends"])
def test_what_a_person_let_through_is_not_new(journals, received, batch):
    """Alone or as a member of a batch that was refused: it has been processed, and its resend is a duplicate."""
    message = received(1, flags=batch)
    other = received(2, flags=message.flags)
    refused = received(3, kind=Kind.QUARANTINED, answer="AE|100|") if batch else message._replace(kind=Kind.QUARANTINED)
    digest = hashlib.sha256(message.body).digest()
    identity = released_identity(message.listener, digest)
    act = received(4, listener=LISTENER, kind=Kind.OPERATOR, answer="", identity=identity)
    journals.append(refused)
    journals.append(act)
    (first, second) = journals.append(message, other)
    assert (first.position, first.duplicate, first.answer) == (2, True, "AA")
    assert not second.duplicate
    (elsewhere,) = journals.append(message._replace(listener="elsewhere"))
    assert not elsewhere.duplicate
    later = message._replace(received=act.received + 7 * DAY)
    assert not journals.append(later)[0].duplicate


def test_other_listeners_and_messages_without_identity_are_no_duplicates(journals, received):
    """The listener belongs to the identity; an empty identity is never a duplicate."""
    nameless = received(3, identity=b"")
    appended = journals.append(received(1), received(1, listener="lab"), nameless, nameless)
    assert [(a.position, a.duplicate) for a in appended] == [(1, False), (2, False), (3, False), (4, False)]


def test_a_resend_after_seven_days_is_a_new_message(journals, received):
    """A duplicate is known for seven days (D16)."""
    first = received(1)
    journals.append(first)
    assert journals.append(first._replace(received=first.received + 7 * DAY - 1))[0].duplicate
    assert journals.append(first._replace(received=first.received + 7 * DAY)) == [(2, False, "AA", False)]


def test_reading_stops_at_the_limit_and_at_the_size(journals, received):
    """At most `limit` entries, about `max_bytes` of bodies, and always one."""
    journals.append(*(received(n, body=b"x" * 100) for n in range(1, 301)))
    assert [e.position for e in journals.reader.read(0, 7, 3, 10_000)] == [8, 9, 10]
    assert [e.position for e in journals.reader.read(0, 0, 256, 250)] == [1, 2, 3]
    assert [e.position for e in journals.reader.read(0, 299, 256, 1)] == [300]
    assert len(journals.reader.read(0, 0, 1000, 10**6)) == 300
    assert journals.reader.read(0, 300, 10, 100) == []


def test_partitions_share_one_sequence_of_positions(journals, received):
    """Each partition is read for itself, in order; tails name the last position of each."""
    count = journals.partitions
    journals.append(*(received(n, partition=n % count) for n in range(1, 11)))
    assert set(journals.reader.tails()) == set(range(count))
    for partition in range(count):
        positions = [n for n in range(1, 11) if n % count == partition]
        entries = journals.reader.read(partition, 0, 100, 10_000)
        assert [e.position for e in entries] == positions
        assert {e.partition for e in entries} == {partition}
        assert [e.position for e in journals.reader.read(partition, positions[0], 1, 10_000)] == positions[1:2]
        assert journals.reader.tails()[partition] == positions[-1]


def test_a_partition_that_does_not_exist_is_refused(journals, received):
    """Partitions are 0 to P - 1."""
    with pytest.raises(StoreRefused, match=f"partition {journals.partitions} of a journal that has"):
        journals.append(received(1, partition=journals.partitions))


def test_search_finds_bytes_in_entries_newest_first(journals, received):
    """What the search keys do not cover yet is found by looking through the bodies after the cursor."""
    journals.append(*(received(n, body=b"MSH|%d|%s" % (n, b"needle" if n % 2 else b"hay")) for n in range(1, 8)))
    assert [e.position for e in journals.reader.find(0, b"needle", 10)] == [7, 5, 3, 1]
    assert [e.position for e in journals.reader.find(3, b"needle", 1)] == [7]
    assert journals.reader.find(7, b"needle", 10) == []


def test_a_command_is_noted_once(journals):
    """The same id again changes nothing; of a transaction that fails nothing is noted (D17)."""
    with journals.journal.transaction() as tx:
        tx.wire.command("c-1")
        tx.wire.command("c-1")
    with journals.failing() as tx:
        tx.wire.command("c-2")
    assert journals.reopen().command_done("c-1")
    assert not journals.reader.command_done("c-2")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), max_size=9), st.booleans()), max_size=8
    )
)
def test_any_history_equals_the_model(journals, received, batches):
    """Whatever is appended, in whatever batches, kept or rolled back: first of its kind new, every other the first."""
    known = {}
    tail = journals.reader.tails()[0]
    start = tail
    for batch, keep in batches:
        wanted, fresh = [], dict(known)
        for number, variant in batch:
            same = [place for (n, v), place in fresh.items() if n == number]
            if (number, variant) in fresh:
                wanted.append((fresh[number, variant], True, "AA", False))
            else:
                fresh[number, variant] = start + len(fresh) + 1
                wanted.append((fresh[number, variant], False, "AA", bool(same)))
        messages = [received(n, body=b"%d %d" % (n, v), identity=b"%d %d" % (start, n)) for n, v in batch]
        with journals.journal.transaction() if keep else journals.failing() as tx:
            assert tx.log.append(messages) == wanted
        known = fresh if keep else known
        journals.journal.checkpoint()
    assert journals.reader.tails()[0] == start + len(known)
