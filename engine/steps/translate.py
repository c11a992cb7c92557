"""Replace a code by what a table of the site says it is."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator
from pydantic.config import JsonDict

from engine.errors import StepError
from engine.hl7.message import DELETE, Message, Unencodable
from engine.hl7.path import Path
from engine.steps.draft import Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, Because, FieldPath

_DEFAULT_IS_USED: JsonDict = {
    "if": {"properties": {"unmapped": {"const": "default"}}, "required": ["unmapped"]},
    "then": {"required": ["default"]},
    "else": {"properties": {"default": False}},
}


class Translate(BaseModel):
    """Replace the code at a path by what mappings/tables/TABLE.csv says.

    A path without an occurrence (`OBR-4.1`) means every segment of the name, since an order may ask for several exams;
    `OBR[1]-4.1` means the first. A code that is absent, empty or `""` is left alone. What becomes of a code that the
    table does not know is `unmapped`: `keep` it (the outcome is flagged), `error` (the message fails), `empty` the
    field, or write the `default`.
    """

    model_config = STEP | {"json_schema_extra": _DEFAULT_IS_USED}

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: translate
path: OBR-4.1
table: procedure_codes             # mappings/tables/procedure_codes.csv
unmapped: keep                     # keep | error | empty | default
because: "the exam is classified from its text as well"
"""

    step: Literal["translate"]
    because: Because = ""
    path: Annotated[FieldPath, Field(description="where the code stands")]
    table: Annotated[str, Field(min_length=1, description="mappings/tables/TABLE.csv, with the columns code and value")]
    unmapped: Literal["keep", "error", "empty", "default"] = Field("error", description="for a code the table lacks")
    default: str | None = Field(None, description="what is written under `unmapped: default`, and only then")

    @model_validator(mode="after")
    def _default_is_used(self) -> "Translate":
        if (self.default is not None) != (self.unmapped == "default"):
            raise ValueError("`default: VALUE` and `unmapped: default` belong together")
        return self

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:
        """The draft with the translated codes.

        Raises StepError for a code that the table does not know under `unmapped: error`, for an unknown table, and for
        a value that the message's character set cannot hold.
        """
        table = mappings.tables.get(self.table)
        if table is None:
            raise StepError("translate", str(self.path), f"there is no table {self.table}")
        message, flags = draft.message, list(draft.flags)
        for place in self._places(message):
            code = message.get(place)
            if not code or code == DELETE:
                continue
            found = table.get(code)
            if found is None:
                found = self._unknown(code, place, flags)
            if found != code:
                message = self._written(message, place, found)
        return draft._replace(message=message, flags=tuple(flags))

    def _places(self, message: Message) -> tuple[Path, ...]:
        count = 1 if self.path.occurrence else message.count(self.path.segment)
        if count < 2:
            return (self.path,)
        return tuple(self.path._replace(occurrence=n) for n in range(1, count + 1))

    def _unknown(self, code: str, place: Path, flags: list[str]) -> str:
        if self.unmapped == "error":
            raise StepError("translate", str(place), f"the code is not in the table {self.table}")
        if self.unmapped == "keep":
            flags.append(f"unmapped {place} {self.table}")
            return code
        return self.default or ""

    def _written(self, message: Message, place: Path, value: str) -> Message:
        try:
            return message.with_value(place, value)
        except Unencodable:
            problem = f"a value of the table {self.table} does not exist in the message's character set"
            raise StepError("translate", str(place), problem) from None
