"""Hand the message to a Python class of the site.

The class is trusted code that the administrator installs; it runs in the worker's process (C31), whose watchdog ends
one that does not return.
"""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Annotated, ClassVar, Literal, Protocol

import hl7
from pydantic import BaseModel, Field

from engine.errors import ConfigError, StepError
from engine.hl7.message import Unencodable
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP

GROUP = "backstory.steps"


class PythonStep(Protocol):
    """What the class must be: called with a python-hl7 message to read, it returns values to write by path."""

    def __call__(self, message: "hl7.Message") -> Mapping[str, str]: ...


@cache
def _installed(name: str) -> Callable[[], PythonStep]:
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=GROUP))) or "none is installed"
        raise ConfigError(f"run_python: no entry point {name!r} in the group {GROUP} ({known})")
    made: Callable[[], PythonStep] = next(iter(found)).load()
    return made


class RunPython(BaseModel):
    """Call an installed Python class with the message as python-hl7 reads it, and write the values it returns."""

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: run_python
name: upper_case_family_name       # entry point of the group backstory.steps
"""

    step: Literal["run_python"]
    because: str = ""
    name: Annotated[str, Field(min_length=1)]

    @cached_property
    def call(self) -> PythonStep:
        """The instance, made once. Raises ConfigError where nothing of this name is installed."""
        return _installed(self.name)()

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft with the values written. Raises StepError for a place that cannot be written."""
        message = draft.message
        for path, value in self.call(as_hl7(draft)).items():
            try:
                message = message.with_value(path, value)
            except (LookupError, ValueError, ConfigError, Unencodable):
                raise StepError("run_python", str(path), f"{self.name} returned what cannot be written there") from None
        return draft._replace(message=message)


def as_hl7(draft: Draft) -> "hl7.Message":
    """The message as python-hl7 reads it, with CR line ends.

    Raises:
        StepError: python-hl7 cannot read it.
    """
    lines = [segment.raw.decode(draft.message.charset, "surrogateescape") for segment in draft.message.segments]
    try:
        return hl7.parse("\r".join(lines) + "\r")
    except (hl7.HL7Exception, IndexError, ValueError):
        raise StepError("run_python", "", "python-hl7 cannot read the message") from None
