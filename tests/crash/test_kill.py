"""Kill -9 of the engine's processes under load loses nothing acknowledged, repeats no effect and keeps every order.

BACKSTORY_KILL_SEED=n draws the kills of a run again, BACKSTORY_KILL_ROUNDS=n draws more of them.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from engine_process import hooks
from evidence import problems
from storm import NETWORK, drawn, storm

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("unmeasured")]

SEED = int(os.environ.get("BACKSTORY_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
ROUNDS = int(os.environ.get("BACKSTORY_KILL_ROUNDS", "20"))


def test_nothing_is_lost_doubled_or_out_of_order(tmp_path: Path) -> None:
    """Network, worker, supervisor and all, in an order drawn at random, under load from eight connections."""
    print(f"BACKSTORY_KILL_SEED={SEED} BACKSTORY_KILL_ROUNDS={ROUNDS}")
    victims = drawn(SEED, ROUNDS)
    evidence = storm(tmp_path, SEED, victims)
    print(", ".join(victims))
    print(evidence.summary())
    assert evidence.resent  # a storm after which no message was in doubt has shown nothing
    assert problems(evidence) == []


def test_an_acknowledgement_before_the_commit_is_caught(tmp_path: Path) -> None:
    """Negative control: the network process answers first and commits 0.2 s later; the same check misses messages."""
    print(f"BACKSTORY_KILL_SEED={SEED}")
    evidence = storm(tmp_path, SEED, [NETWORK] * 3, at_once=0, environment=hooks("early_ack=0.2"))
    found = Counter(problem.kind for problem in problems(evidence))
    print(evidence.summary(), dict(found))
    assert found["acknowledged and missing"] > 0
