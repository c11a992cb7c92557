"""Lengths of time as rules write them: `90d`, `48h`, `30min`, `2w`, and `ever`."""

import re

EVER = 0  # a window without an end
_SECONDS = {"min": 60, "h": 3600, "d": 86400, "w": 604800}
_LENGTH = re.compile(r"([1-9][0-9]{0,4})\s*(min|h|d|w)")
MICROSECONDS = 1_000_000


def microseconds(text: str) -> int:
    """Length in microseconds of `90d`, `48h`, `30min` or `2w`; `ever` is 0. Raises ValueError with what is wanted."""
    if text == "ever":
        return EVER
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError("a length of time is a number and min, h, d or w (`90d`, `48h`), or `ever`")
    return int(found[1]) * _SECONDS[found[2]] * MICROSECONDS


def spoken(length: int) -> str:
    """The length as carriers write it: `90 d`, `72 h`, `30 min`."""
    seconds = length // MICROSECONDS
    if seconds > 4 * 86400 and seconds % 86400 == 0:
        return f"{seconds // 86400} d"
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"
