"""The planes name every run that holds a hash, and few others."""

import random

from engine.store.planes import Planes, plane_of

RANDOM = random.Random(7)
RUNS = {run: [RANDOM.getrandbits(64) - 2**63 for _ in range(400)] for run in range(1, 131)}  # more than two groups
PLANES = {run: plane_of(hashes) for run, hashes in RUNS.items()}


def test_a_run_that_holds_a_hash_is_always_named() -> None:
    planes = Planes(PLANES.items())
    assert planes.newest == 130
    found = planes.perhaps([h for hashes in RUNS.values() for h in hashes])
    missed = [(run, h) for run, hashes in RUNS.items() for h in hashes if run not in found.get(h, [])]
    assert missed == []


def test_runs_are_named_oldest_first() -> None:
    h = RUNS[1][0]
    planes = Planes((run, plane_of([h])) for run in (1, 70, 9, 2))
    assert planes.perhaps([h, h]) == {h: [1, 2, 9, 70]}


def test_a_new_hash_is_hardly_ever_looked_up() -> None:
    """Of a full run's plane 9 % of the bits are set, so a run is asked in vain once in 1,300 times."""
    full = plane_of(RANDOM.getrandbits(64) - 2**63 for _ in range(16_384))
    planes = Planes([(1, full)])
    asked = len(planes.perhaps([RANDOM.getrandbits(64) - 2**63 for _ in range(20_000)]))
    assert 0 < asked < 100


def test_a_dropped_run_is_named_no_more_and_its_slot_is_used_again() -> None:
    planes = Planes(PLANES.items())
    planes.drop([1, 65, 130])
    gone = [h for run in (1, 65, 130) for h in RUNS[run] if run in planes.perhaps([h]).get(h, [])]
    assert gone == []
    assert planes.newest == 129
    kept = RUNS[2] + RUNS[64] + RUNS[66]
    assert set(planes.perhaps(kept)) == set(kept)
    planes.add(131, PLANES[1])
    assert all(131 in runs for runs in planes.perhaps(RUNS[1]).values())
    assert set(planes.perhaps(RUNS[1])) == set(RUNS[1])
    planes.drop(range(132))
    assert planes.perhaps(RUNS[5]) == {}
    assert planes.newest == 0
