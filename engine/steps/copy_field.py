"""Copy a field, with its components, to another place of the message."""

from typing import ClassVar, Literal

from pydantic import BaseModel

from engine.errors import StepError
from engine.hl7.message import Unencodable
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, FieldPath


class CopyField(BaseModel):
    """Copy the text at one path to another; an absent source leaves the message alone unless it is required."""

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: copy_field
path: OBR-3.1
to: OBR-18
missing: keep                      # keep | error
"""

    step: Literal["copy_field"]
    because: str = ""
    path: FieldPath
    to: FieldPath
    missing: Literal["keep", "error"] = "keep"

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft with the copy. Raises StepError for a missing source under `error` and a missing target segment."""
        value = draft.message.get(self.path)
        if not value:
            if self.missing == "error":
                raise StepError("copy_field", str(self.path), "there is no value to copy")
            return draft
        try:
            return draft._replace(message=draft.message.with_value(self.to, value))
        except (LookupError, Unencodable):
            problem = "the segment is missing, or the message's character set cannot write the value"
            raise StepError("copy_field", str(self.to), problem) from None
