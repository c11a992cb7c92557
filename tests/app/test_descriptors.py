"""Open files for all connections, or fewer connections."""

import resource
from pathlib import Path

import pytest

from engine.app import descriptors
from engine.app.descriptors import OTHERS, with_descriptors
from engine.app.network_plan import ListenerPlan, NetworkPlan
from engine.channel.verdict import ListenerRules
from engine.mllp.rules import ConnectionRules


def plan(*most: int) -> NetworkPlan:
    listeners = (
        ListenerPlan("127.0.0.1", 0, ListenerRules(f"l{n}"), ConnectionRules(max_connections=count))
        for n, count in enumerate(most)
    )
    return NetworkPlan(Path(), tuple(listeners), ())


@pytest.fixture
def system(monkeypatch):
    """A system whose limits the test sets; root may raise the hard one."""

    class System:
        soft, hard, root = 1_024, 4_096, False

        def set(self, _what, limits):
            if limits[1] > self.hard and not self.root:
                raise ValueError
            if limits[0] > limits[1]:
                raise ValueError
            self.soft, self.hard = limits

    system = System()
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: (system.soft, system.hard))
    monkeypatch.setattr(descriptors.resource, "setrlimit", system.set)
    return system


def test_the_limit_is_raised_to_what_is_needed(system) -> None:
    wanted = plan(1_024, 1_024)
    assert with_descriptors(wanted) == (wanted, "")
    assert system.soft == 2_048 + OTHERS + 4


def test_root_raises_the_hard_limit(system) -> None:
    system.root = True
    wanted = plan(10_000)
    assert with_descriptors(wanted) == (wanted, "")
    assert system.hard == 10_000 + OTHERS + 2


def test_where_it_cannot_be_raised_there_are_fewer_connections_and_it_is_said(system) -> None:
    found, said = with_descriptors(plan(9_000, 1_000))
    counts = [one.limits.max_connections for one in found.listeners]
    assert counts == [int(9_000 * 0.3964), int(1_000 * 0.3964)]
    assert "the system allows 4096" in said
    assert f"together they take {sum(counts)} connections" in said


def test_what_is_enough_is_left_alone(system) -> None:
    for system.soft in (100_000, resource.RLIM_INFINITY):
        assert with_descriptors(plan(1_024))[1] == ""
    assert system.hard == 4_096
