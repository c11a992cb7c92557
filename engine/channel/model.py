"""A channel: what one YAML file defines, parsed once into types (design.md 5)."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)

from engine.channel.expectations import ChannelTest
from engine.channel.located import refusal
from engine.channel.match import Matcher, MatchError, compile_matcher
from engine.hl7.message import Message
from engine.source import Location
from engine.steps.catalog import AnyStep


class Stage(NamedTuple):
    """A step as `run` takes it."""

    step: AnyStep
    name: str
    best_effort: bool
    when: Matcher | None

    def holds(self, message: Message) -> bool:
        """Whether the step is done for this message. Raises Unreadable where `when` meets bytes that are no text."""
        return self.when is None or self.when(message)


class Channel(BaseModel):
    """What one YAML file of channels/ defines: from where, what it accepts, its steps, where to, and its tests."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)

    # keys of the design that belong to later work: a finding that says so, instead of a promise that is not kept
    not_built: ClassVar[Mapping[str, str]] = {
        "refresh": "orders leave once and are not sent again when a fact changes",
        "forward": "a channel with `to:` forwards every message it accepts",
        "snapshot": "a result missing from a corrected report keeps its fact",
    }

    channel: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,63}$", description="its name: that of the file, in status, logs and outcomes"
        ),
    ]
    description: str = Field("", description="what it is for, in a sentence")
    owner: str = Field("", description="whom to ask")
    from_: Annotated[str, Field(alias="from", description="a listener of config.yaml; several channels may share one")]
    accept: Annotated[dict[str, Any], Field(min_length=1)]
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1, description="what happens to a message, in order")]
    to: tuple[str, ...] = Field(
        (), description="destinations of config.yaml; none: the channel only keeps what it learns"
    )
    stop_after: Annotated[
        int, Field(ge=0, description="failures in a row that stop the channel; 0: it never stops")
    ] = 10
    tests: tuple[ChannelTest, ...] = Field(
        (), description="what must hold; `backstory test` runs them without a server"
    )

    _when: tuple[Matcher | None, ...] = PrivateAttr(default=())

    @field_validator("accept")
    @classmethod
    def _can_match(cls, value: dict[str, Any]) -> dict[str, Any]:
        _compiled(value, ())
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _take_conditions(cls, data: Any, handler: ModelWrapValidatorHandler["Channel"]) -> "Channel":
        """Every step may have a `when:`, which is the channel's to judge and not the step's."""
        if not isinstance(data, dict) or not isinstance(data.get("steps"), list):
            return handler(data)
        steps = data["steps"]
        bare = [{k: v for k, v in step.items() if k != "when"} if isinstance(step, dict) else step for step in steps]
        channel = handler({**data, "steps": bare})
        channel._when = tuple(  # noqa: SLF001 - it is this class
            _compiled(step["when"], ("steps", n, "when")) if isinstance(step, dict) and "when" in step else None
            for n, step in enumerate(steps)
        )
        return channel

    @cached_property
    def accepts(self) -> Matcher:
        """Whether a message is for this channel."""
        return compile_matcher(self.accept)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The steps in order. What keeps facts never keeps an order: in a channel with `to:` it is best effort (D1)."""
        conditions = self._when or (None,) * len(self.steps)
        return tuple(
            Stage(step, step.step, step.best_effort or (bool(self.to) and step.step == "store_facts"), when)
            for step, when in zip(self.steps, conditions, strict=True)
        )


def _compiled(value: Any, location: Location) -> Matcher:
    try:
        return compile_matcher(value, location)
    except MatchError as problem:
        raise refusal("match", [(problem.location, str(problem))]) from None
