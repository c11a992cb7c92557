"""Hand the message to a Python class of the site.

The class is trusted code that the administrator installs under the entry point group `backstory.steps`; it runs in the
worker's process (C31), whose watchdog ends one that does not return. It is found and made when the site is loaded.
"""

from typing import Annotated, ClassVar, Literal

import hl7
from pydantic import BaseModel, Field

from engine.errors import BackstoryError, ConfigError, StepError
from engine.hl7.message import Message
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, Because

__all__ = ["GROUP", "RunPython", "as_hl7"]

GROUP = "backstory.steps"


class RunPython(BaseModel):
    """Call an installed Python class with the message as python-hl7 reads it, and write the values it returns.

    The class is made once with the `options` as keyword arguments. Called with an `hl7.Message` (a copy, to read), it
    returns a mapping of paths to texts; a text is written as data, None empties the place. It refuses a message by
    raising `engine.errors.StepError`; any other exception fails the message as a surprise, with an alert. Install only
    what you trust: it runs inside the engine.
    """

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: run_python
name: weight_in_kilograms          # entry point of the group backstory.steps
options: {code: 29463-7}           # keyword arguments of the class
"""

    step: Literal["run_python"]
    because: Because = ""
    name: Annotated[str, Field(min_length=1, description="entry point of the group `backstory.steps`")]
    options: dict[str, str] = Field({}, description="keyword arguments of the class, as texts")

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Under which the site keeps the instance."""
        return self.name, tuple(sorted(self.options.items()))

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:
        """The draft with the values written.

        Raises StepError for a class that is not installed, and for what cannot be written where it says.
        """
        plugin = mappings.plugins.get(self.key)
        if plugin is None:
            raise StepError("run_python", "", f"{self.name} is not installed")
        message = draft.message
        for path, value in plugin(as_hl7(message)).items():
            message = self._written(message, path, value)
        return draft._replace(message=message)

    def _written(self, message: Message, path: str, value: str | None) -> Message:
        try:
            return message.without(path) if value is None else message.with_value(path, value)
        except ConfigError:
            raise StepError("run_python", "", f"{self.name} returned a path that is none") from None
        except (BackstoryError, LookupError, ValueError):
            raise StepError("run_python", path, f"{self.name} returned what cannot be written there") from None


def as_hl7(message: Message) -> "hl7.Message":
    """The message as python-hl7 reads it: a copy with CR line ends.

    Raises:
        StepError: python-hl7 cannot read it.
    """
    try:
        lines = [segment.raw.decode(message.charset) for segment in message.segments]
        return hl7.parse("\r".join(lines) + "\r")
    except (hl7.HL7Exception, IndexError, ValueError):
        raise StepError("run_python", "", "python-hl7 cannot read the message") from None
