"""Where the records of TLS end in a stream of bytes (RFC 8446, 5.1); nothing in them is looked at."""

HEADER = 5  # bytes: type, version, length


class Records:
    """Follows one direction of one connection."""

    def __init__(self) -> None:
        self._left = 0  # bytes that the record before still has

    def take(self, data: bytes, most: int) -> tuple[int, int]:
        """How many bytes of `data` hold at most `most` records, and how many records end or begin in them.

        The last of them may go on behind `data`. A header that is not whole is not counted: come again with it and what
        follows.
        """
        at, end, count = self._left, len(data), 0
        while count < most and at + HEADER <= end:
            at += HEADER + (data[at + 3] << 8 | data[at + 4])
            count += 1
        taken = min(at, end)
        self._left = at - taken
        return taken, count
