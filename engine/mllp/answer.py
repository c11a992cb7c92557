"""When a destination does not answer: said in fixed words."""

from typing import NamedTuple

from engine.errors import Retryable


class NoAnswer(NamedTuple):
    """The message was not answered: "connection refused", "no answer for 30 s", "answer for another message"."""

    reason: str
    taken: bool = False  # it counts as delivered all the same: it asked for no answer (MSH-15)


MISMATCH = NoAnswer("answer for another message")


class TlsFailed(Retryable):
    """TLS did not come about, or the peer ended it for a reason; the text says which, and begins with `TLS: `."""
