"""A channel: what one YAML file defines, parsed once into types."""

from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine.channel.match import Matcher, compile_matcher
from engine.errors import ConfigError
from engine.steps.catalog import AnyStep


class Channel(BaseModel):
    """from, accept, steps, to, tests (design.md 5)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)

    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: str = ""
    owner: str = ""
    from_: Annotated[str, Field(alias="from")]
    accept: Annotated[dict[str, Any], Field(min_length=1)]
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1)]
    to: tuple[str, ...] = ()
    stop_after: Annotated[int, Field(ge=1)] = 10  # FAILED in a row
    tests: tuple[dict[str, Any], ...] = ()

    @field_validator("accept")
    @classmethod
    def _can_match(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            compile_matcher(value)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        return value

    @cached_property
    def accepts(self) -> Matcher:
        """Whether a message is for this channel."""
        return compile_matcher(self.accept)
