"""`unchanged_except` of a channel test: every byte that is not named is as it came."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from engine.hl7.message import Message, Segment
from engine.hl7.path import Path

_ENDS = re.compile(rb"[\r\n]+")


class _Held(NamedTuple):
    """A segment that is compared, and what of it may differ."""

    segment: Segment
    name: str  # `OBX[2]`, as a failure says it
    allowed: Sequence[Path]


def moved(before: Message, after: Message, allowed: Sequence[Path]) -> Iterator[str]:
    """Every place that differs and may not.

    `NTE` allows all segments of a name, `NTE[2]` one of them, `OBX-5` a field of each, `OBX[2]-5` of one of them,
    `PID-3(2)` a repetition, `OBR-4.1` a component.
    """
    old, new = list(_held(before, allowed)), list(_held(after, allowed))
    if [one.segment.name for one in old] != [one.segment.name for one in new]:
        names = (", ".join(one.segment.name for one in held) for held in (old, new))
        yield f"unchanged_except: segments came, went or moved: {' became '.join(names)}"
        return
    for a, b in zip(old, new, strict=True):
        yield from _fields(a, b)
    ends = [set(_ENDS.findall(message.raw)) for message in (before, after)]
    if ends[0] != ends[1]:
        yield "unchanged_except: the line ends differ"


def _held(message: Message, allowed: Sequence[Path]) -> Iterator[_Held]:
    seen: Counter[str] = Counter()
    for segment in message.segments:
        seen[segment.name] += 1
        at = seen[segment.name]
        here = [path for path in allowed if path.segment == segment.name and path.occurrence in {0, at}]
        if all(path.field for path in here):
            yield _Held(segment, f"{segment.name}[{at}]" if at > 1 else segment.name, here)


def _fields(a: _Held, b: _Held) -> Iterator[str]:
    padded = max((path.field for path in a.allowed), default=0)  # separators up to a field that was written
    for n in range(1, max(len(a.segment.fields), len(b.segment.fields))):
        left, right = a.segment.raw_field(n), b.segment.raw_field(n)
        if left == right or (n < padded and not left and not right):
            continue
        paths = [path for path in a.allowed if path.field == n]
        if any(not path.repetition and not path.component for path in paths):
            continue
        if paths and _same(left or b"", right or b"", paths, a.segment):
            continue
        yield f"unchanged_except: {a.name}-{n} changed from {_shown(left, a.segment)} to {_shown(right, b.segment)}"


def _same(left: bytes, right: bytes, paths: Sequence[Path], segment: Segment) -> bool:
    """Whether two fields differ in these parts only; separators up to a part that was written are no difference."""
    marks = segment.delimiters
    levels = (marks.repetition_byte, marks.component_byte, marks.subcomponent_byte)
    numbers = [(path.repetition or 1, path.component, path.subcomponent) for path in paths]
    return _parts_are_same(left, right, numbers, levels)


def _parts_are_same(left: bytes, right: bytes, numbers: Sequence[tuple[int, ...]], separators: Sequence[bytes]) -> bool:
    if left == right or any(not any(number) for number in numbers):
        return True
    if not numbers:
        return False
    pairs = zip_longest(left.split(separators[0]), right.split(separators[0]), fillvalue=b"")
    return all(
        _parts_are_same(one, other, [number[1:] for number in numbers if number[0] == n], separators[1:])
        for n, (one, other) in enumerate(pairs, start=1)
    )


def _shown(field: bytes | None, segment: Segment) -> str:
    return "nothing" if field is None else repr(field.decode(segment.charset, "backslashreplace"))
