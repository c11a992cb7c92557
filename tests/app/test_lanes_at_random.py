"""Anything that senders, a destination, persons and a dying process do, in any order: nothing leaves unseen or out of order."""

import random

import pytest

from engine.channel.lane_layout import STAT
from engine.channel.ports import LaneState
from engine.errors import Rejected
from tests.app.pacs_rig import CrashError, Rig, ack

KEYS = ("HOSP|MR|1", "HOSP|MR|2", "order ACC1", "")
WHY = "character set 8859/1 cannot carry a character of PID-5"

VERBS = {"queue": 10, "pacs": 4, "pump": 4, "ask": 3, "release": 4, "skip": 1, "wait": 1, "crash": 1, "kill": 1}


def words(verb, chance):
    """What is said with a verb, by chance."""
    if verb == "queue":
        return chance.choice(KEYS), chance.choice([0, 0, STAT]), chance.random() < 0.15, chance.random() < 0.3
    if verb == "ask":
        return chance.choice(["hold", "retry", *["release"] * 6]), chance.choice([None, None, 0, STAT])
    if verb == "release":
        return chance.choice(["all", "row", "key"]), chance.randrange(9)
    if verb == "skip":
        return chance.randrange(30), chance.randrange(30)
    return (chance.choice(["AA", "AA", "AE", "AE", "AR 207", "silent", "every second"]),) if verb == "pacs" else ()


class World:
    """A rig with a lane for STAT, and what a careful onlooker notes down."""

    def __init__(self, tmp_path, on_reject):
        self.rig = Rig(tmp_path, stat_lane=True, on_reject=on_reject)
        self.rows = {}  # name -> (key, lane, seq, hold, behind)
        self.seen = set()  # names of messages that a person let go
        self.skipped = set()
        self.given_up = set()  # refused under `on_reject: skip`
        self.policy = on_reject
        self.taken = []  # names in the order in which the destination took them
        self.says = "AA"
        self.rig.pacs.answer = self._answer

    def _answer(self, line, name):
        code = self.says
        if code == "every second":
            code = "AE" if int(name[1:]) % 2 else "AA"
        if code == "silent":
            return
        assert not self.rows[name][3] or name in self.seen, f"{name} left unseen"
        assert name not in self.skipped, f"{name} left although it was skipped"
        if code == "AA" and name not in self.taken:
            self._look_at_order(name)
            self.taken.append(name)
        if code == "AE" and self.policy == "skip":
            self.given_up.add(name)
        line.answer(ack(name, *code.split()))

    def _look_at_order(self, name):
        """Everything before it of its patient in its lane, and in the lanes that it is behind, is through."""
        key, lane, _, _, behind = self.rows[name]
        lanes = {lane, STAT} if behind else {lane}
        for other, (its_key, its_lane, *_) in self.rows.items():
            earlier = int(other[1:]) < int(name[1:]) and its_lane in lanes
            if earlier and key and its_key == key:
                assert other in {*self.taken, *self.skipped, *self.given_up}, f"{name} overtook {other}"

    def name_of(self, lane, seq):
        return next((name for name, row in self.rows.items() if row[1:3] == (lane, seq)), "")

    def do(self, verb, *words):
        getattr(self, f"do_{verb}")(*words)

    def do_queue(self, key, lane, hold, behind):
        behind = (STAT,) if behind and lane == 0 else ()
        seq = sum(row[1] == lane for row in self.rows.values()) + 1
        self.rows[f"B{self.rig.count + 1}"] = (key, lane, seq, hold, bool(behind))
        self.rig.queue(key, lane=lane, hold=WHY if hold else "", behind=behind)

    def do_ask(self, act, lane):
        held = [x for x in self.rig.journal.lanes() if x.state is LaneState.HELD and x.reason == WHY]
        if self.ask(act, **({} if lane is None else {"lane": lane})) and act == "release":
            self.seen |= {self.name_of(x.lane, x.done + 1) for x in held if lane in {None, x.lane}}

    def do_release(self, what, number):
        parked = self.rig.journal.parked()
        row = parked[number % len(parked)] if parked else None
        if what == "all" or row is None:
            self.ask("release", parked=True)
        elif what == "key" and row.key:
            self.ask("release", keys=[row.key])
        elif self.ask("release", rows=[row[1:3]]):
            self.seen.add(self.name_of(*row[1:3]))

    def do_skip(self, first, second):
        rows = list(self.rows.values())
        places = [list(rows[number % len(rows)][1:3]) for number in (first, second)] if rows else []
        if self.ask("skip", rows=places, because="x"):
            self.skipped |= {self.name_of(*place) for place in places}

    def do_pacs(self, says):
        self.says = says

    def do_crash(self):
        self.rig.crash()

    def do_kill(self):
        """Between two commits."""
        self.rig.crash_at = self.rig.commits + 2
        try:
            self.rig.pump()
        except CrashError:
            self.rig.crash()
        self.rig.crash_at = 0

    def do_pump(self):
        self.rig.pump()

    def do_wait(self):
        self.rig.pump(31)

    def ask(self, act, **args):
        try:
            self.rig.ask(act, f"c{self.rig.commits}-{len(self.rows)}-{act}-{args}", **args)
        except Rejected:
            return False
        return True

    def settle(self):
        """The receiver is mended, and a person lets everything go."""
        self.says = "AA"
        for _ in range(4 * len(self.rows) + 8):
            self.rig.pump(300)
            self.do_ask("release", None)
            for number in range(len(self.rig.journal.parked())):
                self.do_release("row", number)
        self.rig.pump(300)


@pytest.mark.parametrize("on_reject", ["park", "hold", "skip"])
@pytest.mark.parametrize("start", range(0, 60, 20))
def test_nothing_leaves_unseen_or_out_of_order(tmp_path, start, on_reject):
    """Whatever happens; and in the end everything is through that nobody skipped, and nothing is kept of it."""
    for seed in range(start, start + 20):
        chance = random.Random(seed)
        world = World(tmp_path, on_reject)
        for verb in chance.choices(list(VERBS), VERBS.values(), k=60):
            world.do(verb, *words(verb, chance))
            if chance.random() < 0.6:
                world.do("pump")
        world.settle()
        rig = world.rig
        failed = {name for name, row in world.rows.items() if "FAILED" in rig.decisions(row[2], row[1])}
        assert set(world.taken) | world.skipped | failed == set(world.rows), seed
        assert (rig.journal.parked(), rig.journal.approvals(), rig.journal.skips()) == ([], [], []), seed
        assert all(runner.idle for runner in rig.delivering.runners.values()), seed
