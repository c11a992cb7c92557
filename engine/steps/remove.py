"""Take a segment or a value out of the message."""

from typing import ClassVar, Literal

from pydantic import BaseModel

from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, AnyPath


class Remove(BaseModel):
    """Remove every segment of a name (`NK1`), one of them (`NK1[2]`), or empty a field (`PID-19`)."""

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: remove
path: PID-19
because: "the PACS has no use for a social security number"
"""

    step: Literal["remove"]
    because: str = ""
    path: AnyPath

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft without it; what is not there needs no removing."""
        return draft._replace(message=draft.message.without(self.path))
