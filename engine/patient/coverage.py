"""Since when, and until when, a feed for a kind of fact has been heard (D13): absent is not "none"."""

from collections.abc import Mapping
from typing import NamedTuple


class Span(NamedTuple):
    """First and last received time (UTC microseconds) of entries that fed a kind of fact."""

    first: int
    last: int


class Coverage(NamedTuple):
    """What the engine may claim about absence, for one patient's authority.

    `spans` maps a fact kind to its span; `delayed_since` is the received time of the oldest unprocessed entry of a
    stopped or lagging context channel, or 0.
    """

    spans: Mapping[str, Span]
    delayed_since: int = 0
