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
    Translate | SetField | CopyField | Remove | StoreFacts | TrackOrder | Enrich | Validate | RunPython,
    Field(discriminator="step"),
]

STEPS: dict[str, type[BaseModel]] = {
    "translate": Translate,
    "set_field": SetField,
    "copy_field": CopyField,
    "remove": Remove,
    "store_facts": StoreFacts,
    "track_order": TrackOrder,
    "enrich": Enrich,
    "validate": Validate,
    "run_python": RunPython,
}
"""The steps by their YAML name, in the order in which one learns them."""
