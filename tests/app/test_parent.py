"""The line to the supervisor."""

import os
import socket

import pytest
from twisted.internet.testing import MemoryReactor

from engine.app.parent import ParentPipe


@pytest.fixture
def line():
    ours, theirs = socket.socketpair()
    ended = []
    parent = ParentPipe(os.dup(theirs.fileno()), lambda: ended.append(1), MemoryReactor())
    theirs.close()
    yield ours, parent, ended
    ours.close()
    os.close(parent.fileno())


def test_lines_go_out(line):
    """A word alone, or with what it is about as JSON."""
    ours, parent, _ = line
    parent.line("ready", {"listeners": {"lab": 2575}})
    parent.line("beat")
    assert ours.recv(100) == b'ready {"listeners": {"lab": 2575}}\nbeat\n'


def test_the_end_of_the_other_side_is_told(line):
    """What it says is not for us; that it is gone is."""
    ours, parent, ended = line
    assert parent.doRead() is None
    ours.send(b"x")
    assert parent.doRead() is None
    ours.close()
    reason = parent.doRead()
    parent.connectionLost(reason)
    assert ended == [1]


def test_a_supervisor_that_does_not_read_or_is_gone_stops_nothing(line):
    """Lines are lost, the process goes on."""
    ours, parent, _ = line
    for _ in range(50_000):
        parent.line("beat")
    ours.close()
    parent.line("beat")
    assert isinstance(parent.doRead(), Exception)
