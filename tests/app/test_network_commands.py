"""What the network process does on command."""

import base64
import hashlib
from types import SimpleNamespace

import pytest

from engine.app.control import Command
from engine.app.events import CommandRefused
from engine.app.network_commands import NetworkCommands
from engine.channel.operator_acts import identity_of
from engine.channel.ports import Appended, Entry, Kind
from engine.channel.release import releases
from engine.errors import Rejected, Retryable

NOW = 1_787_131_860_000_000
MESSAGE = b"MSH|^~\\&|RIS|HOSP|||20260819||ORM^O01|C1|T|2.5\r"


class Desk:
    """An exchange whose journal answers at once."""

    def __init__(self, answer=None):
        self.answer = answer or Appended(7, duplicate=False, answer="")
        self.acts = []
        self.events = []
        exchange = self.exchange = SimpleNamespace(
            thread=SimpleNamespace(put=self._put), status=lambda: {"commits": 3}, lane_command=None
        )
        self.commands = NetworkCommands(exchange, self.events.append, lambda: NOW)

    def _put(self, act):
        self.acts.append(act)
        if isinstance(self.answer, Exception):
            act.done.set_exception(self.answer)
        else:
            act.done.set_result(self.answer)

    def __call__(self, verb, **args):
        return self.commands(Command("id1", "anna", verb, args))


def b64(text):
    return base64.b64encode(text).decode()


def test_status_is_what_the_exchange_says():
    """The counters of listeners and lanes."""
    assert Desk()("status") == {"commits": 3}


def test_certificates_are_read_again_where_there_are_any():
    """What the exchange says of each; a site without TLS is told so."""
    desk = Desk()
    desk.exchange.certificates = SimpleNamespace(reload=lambda: {"listener lab": ""})
    assert desk("certificates") == {"reloaded": {"listener lab": ""}}
    desk.exchange.certificates = None
    with pytest.raises(Rejected, match="no listener and no destination of the site has TLS"):
        desk("certificates")


def test_append_makes_an_entry_of_an_operator():
    """D12b: listener `backstory`, kind OPERATOR, never judged; the command id makes a repeat a duplicate."""
    desk = Desk()
    assert desk("append", body=b64(b'{"act": "note"}'), flags="deferred") == {"position": 7, "duplicate": False}
    (act,) = desk.acts
    assert act.received[:8] == ("backstory", "control", NOW, b'{"act": "note"}', "utf-8", Kind.OPERATOR, "", "deferred")
    assert (act.received.identity, act.command) == (b"command\0\0id1", "id1")


def test_append_asks_whether_what_is_released_was_processed():
    """By its listener, sender, control id and bytes, which go with the act; not where a person says again."""
    entry = Entry(1, 0, "ris", "10.0.0.7:1", 1, MESSAGE, "utf-8", Kind.QUARANTINED, "AR|202|", "", b"")
    desk = Desk()
    for again in (False, True):
        (body,) = releases(entry, "", "anna", again=again)
        desk("append", body=b64(body))
    asked, not_asked = desk.acts
    assert asked.message == ("ris", (b"RIS\0HOSP\0C1",), hashlib.sha256(MESSAGE).digest())
    assert not_asked.message is None
    assert asked.received.identity == not_asked.received.identity == identity_of(body)


@pytest.mark.parametrize("args", [{}, {"body": 3}, {"body": "*"}, {"body": ""}, {"body": b64(b"x"), "flags": "a\nb"}])
def test_append_refuses_what_is_not_well_formed(args):
    """One sentence, and an event that holds nothing of the arguments."""
    desk = Desk()
    with pytest.raises(Rejected):
        desk("append", **args)
    assert (desk.acts, type(desk.events[0]), desk.events[0].verb) == ([], CommandRefused, "append")


def test_a_journal_that_cannot_commit_now_is_told():
    """The caller may give the same command again."""
    with pytest.raises(Retryable):
        Desk(Retryable("journal.db: the disk is full"))("append", body=b64(b"x"))


def test_an_unknown_verb_is_refused():
    """It is not repeated in the log."""
    desk = Desk()
    with pytest.raises(Rejected, match="append, certificates, lane, status"):
        desk("DOE^JANE")
    assert "DOE" not in repr(desk.events)
