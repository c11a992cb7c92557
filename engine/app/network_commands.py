"""What the network process does on command: `status`, and `append`, by which operator acts become entries (D12b, D17)."""

import base64
import binascii
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from engine.app.control import Command
from engine.app.events import CommandRefused, Event
from engine.app.exchange import Exchange
from engine.app.journal_items import Act
from engine.channel.let_through import let_through
from engine.channel.operator_acts import LISTENER, command_identity, identity_of
from engine.channel.ports import Appended, Kind, Received
from engine.errors import Rejected, Retryable

TIMEOUT = 30.0  # seconds that a commit may take


class NetworkCommands:
    """Carries commands out, in the thread of the control socket."""

    def __init__(self, exchange: Exchange, emit: Callable[[Event], None], wall: Callable[[], int]) -> None:
        self._exchange = exchange
        self._emit = emit
        self._wall = wall
        self._verbs: Mapping[str, Callable[[Command], dict[str, Any]]] = {
            "status": self._status,
            "append": self._append,
            "lane": exchange.lane_command,
            "certificates": self._certificates,
        }

    def __call__(self, command: Command) -> dict[str, Any]:
        """Raises Rejected for what is not known or not well formed, Retryable when the journal cannot commit now."""
        verb = self._verbs.get(command.verb)
        if verb is None:
            known = ", ".join(sorted(self._verbs))
            self._emit(CommandRefused("unknown", f"the network process knows {known}"))
            raise Rejected(f"the network process knows {known}")
        try:
            return verb(command)
        except (Rejected, Retryable) as error:
            self._emit(CommandRefused(command.verb, str(error)))
            raise

    def _status(self, _command: Command) -> dict[str, Any]:
        return self._exchange.status()

    def _certificates(self, _command: Command) -> dict[str, Any]:
        """Read all files of TLS again, for new connections."""
        if self._exchange.certificates is None:
            raise Rejected("no listener and no destination of the site has TLS")
        return {"reloaded": self._exchange.certificates.reload()}

    def _append(self, command: Command) -> dict[str, Any]:
        """Append `args.body` (base64) as an operator's entry; the same command again answers with the same position.

        So does the release of a message that was processed already, with the position of that.
        """
        body = _body(command.args)
        flags = str(command.args.get("flags", ""))
        if not flags.isascii() or not flags.isprintable():
            raise Rejected("append: flags are printable ASCII words")
        charset = str(command.args.get("charset", "utf-8"))
        identity = identity_of(body) or command_identity(command.id)
        kept = (body, charset, Kind.OPERATOR, "", flags, identity)
        done: Future[Appended] = Future()
        received = Received(LISTENER, "control", self._wall(), *kept)
        self._exchange.thread.put(Act(received, done, command.id, let_through(body)))
        try:
            place = done.result(TIMEOUT)
        except TimeoutError:
            raise Retryable("the journal did not commit in time; the same command may be given again") from None
        return {"position": place.position, "duplicate": place.duplicate}


def _body(args: Mapping[str, Any]) -> bytes:
    try:
        body = base64.b64decode(args["body"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Rejected("append: body must be base64 of the bytes to keep") from None
    if not body:
        raise Rejected("append: body is empty")
    return body
