"""A place in a message, written as analysts write it: `PID-3.1`, `OBX[2]-5`, `PID-3(2).4.1`, `AL1`."""

import re
from functools import lru_cache
from typing import NamedTuple

from engine.errors import ConfigError

_NUMBER = "([1-9][0-9]{0,3})"
PATTERN = rf"([A-Z][A-Z0-9]{{2}})(?:\[{_NUMBER}\])?(?:-{_NUMBER}(?:\({_NUMBER}\))?(?:\.{_NUMBER}(?:\.{_NUMBER})?)?)?"
"""A path as a regular expression, for schemas too: nothing but what every dialect has."""
_PATH = re.compile(PATTERN)


class Path(NamedTuple):
    """Segment, field, component. All numbers count from one as in the standard; 0 means "not written".

    No occurrence means the first segment of the name (for `without`: every one). No repetition means the whole field,
    or, with a component, the component of its first repetition. No field means the whole segment.
    """

    segment: str
    occurrence: int = 0
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    @staticmethod
    def parse(text: str) -> "Path":
        """Read `SEG[occurrence]-field(repetition).component.subcomponent`. Raises ConfigError with a plain sentence."""
        return _parse(text)

    def __str__(self) -> str:
        """The canonical text; `Path.parse(str(path)) == path`."""
        text = self.segment
        if self.occurrence:
            text += f"[{self.occurrence}]"
        if self.field:
            text += f"-{self.field}"
        if self.repetition:
            text += f"({self.repetition})"
        if self.component:
            text += f".{self.component}"
        return f"{text}.{self.subcomponent}" if self.subcomponent else text


@lru_cache(maxsize=4096)
def _parse(text: str) -> Path:
    match = _PATH.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no place in a message; write it like PID-3.1, OBX[2]-5 or PID-3(2).4")
    segment, *numbers = match.groups()
    return Path(segment, *(int(number or 0) for number in numbers))
