"""Have the message compared with the standard, off the hot path (D15, C30)."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from engine.steps.draft import Defer, Draft
from engine.steps.mappings import Mappings
from engine.steps.paths import STEP, Because


class Validate(BaseModel):
    """Compare every n-th message with the structure of its version (hl7apy); findings are attached to its outcome.

    The message is never changed and never waits: the work is done in a child process after the commit.
    """

    model_config = STEP

    best_effort: ClassVar[bool] = False
    needs_context: ClassVar[bool] = False
    example: ClassVar[str] = """\
step: validate
every: 100                         # one message of a hundred
"""

    step: Literal["validate"]
    because: Because = ""
    every: Annotated[int, Field(ge=1, description="one of how many messages received is compared")] = 100

    def apply(self, draft: Draft, mappings: Mappings) -> Draft:  # noqa: ARG002 - every step has this form
        """The draft with a deferred job where the entry's position is a multiple of `every`."""
        if draft.origin.position % self.every:
            return draft
        job = Defer("validate", draft.message.to_er7(), draft.message.charset, {})
        return draft._replace(effects=(*draft.effects, job))
