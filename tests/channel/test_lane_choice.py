"""STAT orders go in a lane of their own, and an order's later messages follow its first (beyond D8)."""

from types import SimpleNamespace

import pytest

from engine.channel.lane_choice import LaneChoice, parking_key
from engine.channel.lane_layout import STAT
from engine.channel.ports import Commit, OrderLane
from engine.hl7.groups import order_groups
from engine.hl7.message import Message
from engine.order.reading import is_stat
from engine.store.memory import MemoryStore

HEAD = "MSH|^~\\&|RIS|H|||20260820||ORM^O01|C1|P|2.5.1\rPID|||1^^^HOSP^MR\r"
ON = SimpleNamespace(lanes=1, stat_lane=True)


def order(*, orc7="", tq1="", obr5="", obr27="", placer="P1", filler="F1", accession="ACC1"):
    timing = f"TQ1|1||||||||{tq1}\r" if tq1 else ""
    empty = "|" * 9
    return (
        f"ORC|NW|{placer}|{filler}||||{orc7}\r{timing}"
        f"OBR|1|{placer}|{filler}|CT|{obr5}{'|' * 13}{accession}{empty}{obr27}\r"
    )


def message(*orders):
    return Message.parse((HEAD + "".join(orders)).encode())


class Feed:
    """Messages one after the other, each in a commit of its own."""

    def __init__(self):
        self.store = MemoryStore()

    def __call__(self, *orders, rules=ON, patient="HOSP|MR|1"):
        choice = LaneChoice(self.store)
        self.chosen = choice.choose("pacs", rules, patient, message(*orders))
        self.store.commit(Commit(cursors=(), order_lanes=choice.rows))
        return self.chosen.lane


@pytest.fixture
def feed():
    return Feed()


@pytest.mark.parametrize(
    ("fields", "stat"),
    [
        ({"orc7": "1^^^^^S"}, True),
        ({"orc7": "1^^^^^stat"}, True),
        ({"tq1": "S^Stat^HL70485"}, True),
        ({"obr5": "STAT"}, True),
        ({"obr27": "1^^^^^S"}, True),
        ({"tq1": "R~S"}, True),
        ({"orc7": "1^^^^^R~1^^^^^~2^^^^^STAT"}, True),
        ({"obr27": "1^^^^^R~S^^^^^A", "tq1": "A~R"}, False),
        ({"orc7": "1^^^^^A"}, False),
        ({"tq1": "R"}, False),
        ({"obr5": "SUPER"}, False),
        ({}, False),
    ],
)
def test_where_the_priority_stands(fields, stat):
    """ORC-7.6, TQ1-9, OBR-5 and OBR-27.6; A is urgent, but not STAT."""
    (group,) = order_groups(message(order(**fields)))
    assert is_stat(group) is stat


def test_a_stat_order_has_a_lane_of_its_own(feed):
    """And a routine one that of its patient."""
    assert feed(order(obr5="S")) == STAT
    assert feed(order(placer="P2", filler="F2", accession="ACC2")) == 0
    assert feed(order(obr5="S"), rules=SimpleNamespace(lanes=1, stat_lane=False)) == 0
    assert feed(rules=SimpleNamespace(lanes=4, stat_lane=False)) in range(4)


@pytest.mark.parametrize("first", [True, False])
def test_later_messages_follow_the_first(feed, first):
    """Also when the priority changes, and when another of the numbers names it: a cancel never overtakes its order."""
    lane = feed(order(obr5="S" if first else "R", accession=""))
    assert lane == (STAT if first else 0)
    assert feed(order(obr5="R" if first else "S")) == lane
    assert feed(order(placer="", filler="")) == lane


def test_within_one_batch_as_well(feed):
    """The lane of an order that the same commit brings is known to the next message."""
    choice = LaneChoice(feed.store)
    assert choice.choose("pacs", ON, "A", message(order(obr5="S"))) == (STAT, ())
    assert choice.choose("pacs", ON, "A", message(order())) == (STAT, ())
    assert choice.choose("ris", ON, "A", message(order())) == (0, ())
    assert choice.rows == [
        *(OrderLane("pacs", name, STAT) for name in ("accession ACC1", "filler F1", "placer P1")),
        *(OrderLane("ris", name, 0) for name in ("accession ACC1", "filler F1", "placer P1")),
    ]
    assert "ACC1" not in repr(choice.rows)


def test_several_orders_in_one_message(feed):
    """New ones: STAT where one of them is. Of which one went the usual way: the usual way."""
    other = {"placer": "P2", "filler": "F2", "accession": "ACC2"}
    assert feed(order(), order(**other, obr5="S")) == STAT
    third = {"placer": "P3", "filler": "F3", "accession": "ACC3"}
    assert feed(order(**third)) == 0
    assert feed(order(), order(**third, obr5="S")) == 0
    assert feed.chosen.behind == (STAT,)


def test_an_order_stays_where_its_last_message_went(feed):
    """One message about a STAT order and a routine one goes behind both; a later one of either follows it."""
    routine = {"placer": "P2", "filler": "F2", "accession": "ACC2"}
    assert (feed(order(obr5="S")), feed(order(**routine))) == (STAT, 0)
    assert (feed(order(), order(**routine)), feed.chosen.behind) == (0, (STAT,))
    assert (feed(order(obr5="S")), feed.chosen.behind) == (0, ())
    choice = LaneChoice(feed.store)
    fifth = {"placer": "P5", "filler": "F5", "accession": "ACC5"}
    assert choice.choose("pacs", ON, "A", message(order(**fifth, obr5="S"))).lane == STAT
    assert choice.choose("pacs", ON, "A", message(order(**fifth), order(**routine))) == (0, (STAT,))
    assert choice.choose("pacs", ON, "A", message(order(**fifth))) == (0, ())


def test_what_is_parked_together():
    """The patient's; of an order that names nobody the order's; a message that names neither stays alone."""
    assert parking_key("HOSP|MR|1", message(order())) == "HOSP|MR|1"
    assert parking_key("", message(order())) == "order ACC1"
    assert parking_key("", message(order(placer="", filler="", accession=""), order(accession=""))) == "order F1"
    assert parking_key("", message()) == ""


def test_without_a_number_nothing_is_promised(feed):
    """What cannot be told apart stays in order."""
    assert feed(order(obr5="S", placer="", filler="", accession="")) == 0
