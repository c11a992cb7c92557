"""Where in a text marks stand: the first of the fields by name, and how many there are."""

import re
from typing import Final, NamedTuple

NAMED: Final = 8  # fields that are named; a message can hold millions
_LOOKED_AT = 64  # fields, since many may have one name: what is no segment has none


class Places(NamedTuple):
    """Fields, as `PID-5` and `OBX[2]-5`."""

    first: tuple[str, ...]  # NAMED at most
    total: int  # of all


NOWHERE: Final = Places((), 0)


def places_of(mark: str, text: str, separator: str) -> Places:
    """The fields in which the mark stands. Linear in the length of the text."""
    at = text.find(mark)
    if at < 0:
        return NOWHERE
    end = re.compile(rf"[{re.escape(separator)}\r\n]")
    found: dict[str, None] = {}
    line = 0
    for _ in range(_LOOKED_AT):
        if at < 0 or len(found) == NAMED:
            break
        line = max(line, text.rfind("\r", line, at) + 1, text.rfind("\n", line, at) + 1)
        found[_path(text, line, text.count(separator, line, at))] = None
        behind = end.search(text, at)
        at = text.find(mark, behind.start()) if behind else -1
    field = re.compile(rf"{mark}[^{re.escape(separator)}\r\n]*")
    return Places(tuple(found), len(found) if at < 0 else field.subn("", text)[1])


def _path(text: str, line: int, field: int) -> str:
    """The name of a field in the line that begins here, without a word of it: a line that is no segment is `?`."""
    name = text[line : line + 3]
    number = field + (name == "MSH")
    if not (len(name) == 3 and name.isascii() and name.isalnum()):
        return f"?-{number}"
    occurrence = sum(text.count(f"{end}{name}", 0, line + 3) for end in "\r\n") + text.startswith(name)
    return f"{name}{f'[{occurrence}]' if occurrence > 1 else ''}-{number}"
