"""Copy a field, with its components, to another place of the message."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from engine.errors import StepError
from engine.hl7.message import Message
from engine.hl7.path import Path
from engine.hl7.segment import part_of, repetition_of
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, Because, FieldPath


class CopyField(BaseModel):
    """Copy what stands at one path to another, as it stands: components, repetitions, escapes and `""` included.

    An absent or empty source leaves the message alone (`missing: keep`) or fails it (`missing: error`). A value with
    components cannot be copied into one component.
    """

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: copy_field
path: OBR-3
to: OBR-20
missing: keep                      # keep | error
"""

    step: Literal["copy_field"]
    because: Because = ""
    path: Annotated[FieldPath, Field(description="from where")]
    to: Annotated[FieldPath, Field(description="where to; the segment must be there")]
    missing: Literal["keep", "error"] = Field("keep", description="what becomes of a message without the source")

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft with the copy.

        Raises StepError for a missing source under `error`, a missing target segment, and a value with separators that
        the target cannot hold.
        """
        content = _raw(draft.message, self.path)
        if not content:
            if self.missing == "error":
                raise StepError("copy_field", str(self.path), "there is no value to copy")
            return draft
        try:
            return draft._replace(message=draft.message.with_raw(self.to, content))
        except LookupError:
            raise StepError("copy_field", str(self.to), "the message has no such segment to write to") from None
        except ValueError:
            problem = f"the value at {self.path} has separators that this place cannot hold"
            raise StepError("copy_field", str(self.to), problem) from None


def _raw(message: Message, path: Path) -> bytes | None:
    """The bytes at a path as they stand; None where it is absent."""
    found = message.all(path.segment)
    at = max(path.occurrence, 1)
    field = found[at - 1].raw_field(path.field) if at <= len(found) else None
    if field is None or not (path.repetition or path.component):
        return field
    repetition = repetition_of(field, message.delimiters, path.repetition or 1)
    return None if repetition is None else part_of(repetition, message.delimiters, path.component, path.subcomponent)
