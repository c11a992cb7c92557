"""Take a segment or a value out of the message."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field

from engine.hl7.path import Path
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, AnyPath, Because


def _not_the_header(path: Path) -> Path:
    if path.segment == "MSH" and path.field < 3:
        raise ValueError("a message without its MSH, or without its delimiters, is none")
    return path


class Remove(BaseModel):
    """Remove every segment of a name (`NK1`), one of them (`NK1[2]`), or empty a place (`PID-19`, `PID-3.4`).

    What is not there needs no removing.
    """

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: remove
path: PID-19
because: "the PACS has no use for a social security number"
"""

    step: Literal["remove"]
    because: Because = ""
    path: Annotated[AnyPath, AfterValidator(_not_the_header), Field(description="what is removed or emptied")]

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft without it."""
        return draft._replace(message=draft.message.without(self.path))
