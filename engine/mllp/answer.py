"""When a destination does not answer: said in fixed words."""

from typing import NamedTuple


class NoAnswer(NamedTuple):
    """The message was not answered: "connection refused", "no answer for 30 s", "answer for another message"."""

    reason: str


MISMATCH = NoAnswer("answer for another message")
