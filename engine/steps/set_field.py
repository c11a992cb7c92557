"""Write a fixed value into a field."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from engine.errors import StepError
from engine.hl7.message import Unencodable
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import SCALAR, STEP, Because, FieldPath


def _text(value: object) -> object:
    return "" if value is None else value


class SetField(BaseModel):
    """Write a fixed text at a path; the text is data, so a delimiter in it is escaped.

    An empty value empties the place; `'""'` asks the receiver to delete what it has. The segment must be there.
    """

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: set_field
path: MSH-5
value: PACS
"""

    step: Literal["set_field"]
    because: Because = ""
    path: Annotated[FieldPath, Field(description="where to")]
    value: Annotated[
        str, BeforeValidator(_text), WithJsonSchema({"type": [*SCALAR, "null"]}), Field(description="the text, as data")
    ]

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft with the value. Raises StepError where the segment is missing or the charset cannot write it."""
        try:
            return draft._replace(message=draft.message.with_value(self.path, self.value))
        except LookupError:
            raise StepError("set_field", str(self.path), "the message has no such segment to write to") from None
        except Unencodable:
            problem = "the value does not exist in the message's character set"
            raise StepError("set_field", str(self.path), problem) from None
