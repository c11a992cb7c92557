"""Every step there is, as the discriminated union that a channel's YAML is read into."""

from typing import Annotated

from pydantic import BaseModel, Field

from engine.steps.copy_field import CopyField
from engine.steps.enrich import Enrich
from engine.steps.remove import Remove
from engine.steps.run_python import RunPython
from engine.steps.set_field import SetField
from engine.steps.store_facts import StoreFacts
from engine.steps.track_order import TrackOrder
from engine.steps.translate import Translate
from engine.steps.validate import Validate

AnyStep = Annotated[
    CopyField | Enrich | Remove | RunPython | SetField | StoreFacts | TrackOrder | Translate | Validate,
    Field(discriminator="step"),
]

STEPS: dict[str, type[BaseModel]] = {
    "copy_field": CopyField,
    "enrich": Enrich,
    "remove": Remove,
    "run_python": RunPython,
    "set_field": SetField,
    "store_facts": StoreFacts,
    "track_order": TrackOrder,
    "translate": Translate,
    "validate": Validate,
}
