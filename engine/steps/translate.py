"""Replace a code by what a table of the site says it is."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from engine.errors import StepError
from engine.hl7.message import Unencodable
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, FieldPath


class Translate(BaseModel):
    """Replace the code at a path by what mappings/tables/<table>.csv says; an absent or empty code is left alone."""

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: translate
path: OBR-4.1
table: procedure_codes             # mappings/tables/procedure_codes.csv
unmapped: keep                     # keep | error | default
because: "the exam is classified from its text as well"
"""

    step: Literal["translate"]
    because: str = ""
    path: FieldPath
    table: Annotated[str, Field(min_length=1)]
    unmapped: Literal["keep", "error", "default"] = "error"
    default: str = ""

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:
        """The draft with the translated code.

        Raises StepError for a code that the table does not know under `unmapped: error`, and for an unknown table.
        """
        code = draft.message.get(self.path)
        if not code or code == '""':
            return draft
        table = mappings.tables.get(self.table)
        if table is None:
            raise StepError("translate", str(self.path), f"there is no table {self.table}")
        found = table.get(code)
        if found is None:
            if self.unmapped == "error":
                raise StepError("translate", str(self.path), f"the code is not in the table {self.table}")
            if self.unmapped == "keep":
                return draft._replace(flags=(*draft.flags, f"unmapped {self.path} {self.table}"))
            found = self.default
        try:
            return draft._replace(message=draft.message.with_value(self.path, found))
        except Unencodable as problem:
            raise StepError("translate", str(self.path), str(problem)) from None
