"""Frames that never ended, each kept once: a peer that cuts the same one again and again must not fill the disk."""

import hashlib

HOUR = 3600.0  # seconds for which one is remembered
MOST = 1_000  # frames that are remembered


class CutFrames:
    """Remembers by digest what a listener has kept of whom."""

    def __init__(self) -> None:
        self._kept: dict[bytes, float] = {}  # when, oldest first

    def kept(self, who: str, body: bytes, now: float) -> None:
        """This one is on disk; `now` in seconds."""
        digest = _digest(who, body)
        self._kept.pop(digest, None)
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = now

    def knows(self, who: str, body: bytes, now: float) -> bool:
        """Whether it was kept within the last hour."""
        at = self._kept.get(_digest(who, body))
        return at is not None and now - at < HOUR


def _digest(who: str, body: bytes) -> bytes:
    return hashlib.sha256(who.encode() + b"\0" + body).digest()
