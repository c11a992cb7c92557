"""What happens again and again is told once a minute: a storm of connections must not wash the logs away."""

MINUTE = 60.0  # seconds
MOST = 1_000  # addresses that are told apart


class Repeats:
    """Remembers what was told of whom."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # when it was told, and how often it was not since

    def told(self, who: str, what: str, now: float) -> int:
        """How often it has happened since it was told, or 0: it was told within the last minute (`now` in seconds)."""
        at, untold = self._seen.get((who, what), (0.0, -1))
        if untold >= 0 and now - at < MINUTE:
            self._seen[who, what] = at, untold + 1
            return 0
        if untold < 0 and len(self._seen) >= MOST:
            self._forget(now)
            if len(self._seen) >= MOST and who:
                return self.told("", what, now)  # so many at once are told as one
        self._seen[who, what] = now, 0
        return max(untold, 0) + 1

    def _forget(self, now: float) -> None:
        self._seen = {key: found for key, found in self._seen.items() if now - found[0] < MINUTE}
