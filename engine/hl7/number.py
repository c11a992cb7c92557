"""Numbers as feeds write them: with a comparator, which is kept, or not at all."""

import re
from typing import NamedTuple

_NUMBER = re.compile(r"(<=|>=|<|>)? ?([+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15}))", re.ASCII)


class Number(NamedTuple):
    """A value and its comparator, which is empty, `<`, `<=`, `>` or `>=`: `>60` is not 60 (T2)."""

    value: float
    comparator: str = ""


def number(text: str) -> Number | None:
    """Read `24`, `-1.5`, `>60`, `>= 90`, in ASCII digits only and at most 15 of them; None for anything else."""
    match = _NUMBER.fullmatch(text.strip(" "))
    return Number(float(match[2]), match[1] or "") if match else None
