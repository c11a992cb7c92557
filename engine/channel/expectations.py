"""The tests inside a channel as they are written: what is given, what is expected; no server is needed to run them.

    tests:
      - test: a CT with contrast gains the eGFR
        given:
          context: [{concept: egfr, value: 24, unit: "mL/min/{1.73_m2}", observed: 2026-08-19}]
          message_file: samples/orm_ct_abdomen.hl7
        expect:
          sent: {pacs: {MSH-5: PACS, OBR-13: {starts: "!eGFR 24 (19Aug)"}}}
          unchanged_except: [MSH-5, OBR-13, NTE, OBX, AL1]

What `expect:` does not name is not looked at.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
    model_validator,
)

from engine.hl7.datatypes import Dtm
from engine.order.order import Order
from engine.patient.fact import Fact
from engine.source import meant
from engine.steps.paths import SCALAR, AnyPath, FieldPath

_TIME = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?)?", re.ASCII)
_SHORTHANDS = ("concept", "allergy", "medication", "problem")
_HOW = ("starts", "contains", "absent")
Kind = Literal["allergy", "problem", "lab", "vital", "medication", "document", "pregnancy"]
# what a test may say of a fact or an order; times are compared as they start, 2026-08-19 or 2026-08-19 06:10
_FACT = frozenset(Fact._fields) - {"entry", "run", "ordinal", "version", "received"}
_ORDER = frozenset(Order._fields) - {"entry", "received"}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _text(value: object) -> object:
    return "" if value is None else value


def _time(value: object) -> object:
    """A day or a minute as people write it, or a DTM, as a DTM."""
    if not isinstance(value, str):
        return value
    found = _TIME.fullmatch(value)
    digits = "".join(filter(None, found.groups())) if found else value
    if Dtm.parse(digits, None) is None:
        raise ValueError("a time is wanted, such as 2026-08-19 or 2026-08-19 06:10")
    return digits


_SCALAR_OR_NONE = [*SCALAR, "null"]
Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": _SCALAR_OR_NONE})]
Time = Annotated[str, BeforeValidator(_time)]


class GivenConcept(_Model):
    """A result or vital sign."""

    concept: str
    value: str
    unit: Text = ""
    observed: Time
    status: str = "F"
    code: str = ""
    system: str = ""
    text: str = ""
    reference: str = ""
    flag: str = ""


class GivenAllergy(_Model):
    """An allergy in the EMR's words; its concept is found as a feed's would be."""

    allergy: str
    code: str = ""
    system: str = ""
    severity: str = ""
    reaction: str = ""
    observed: Time | None = None


class GivenMedication(_Model):
    """A drug that is taken since a day, until another or still."""

    medication: str
    code: str = ""
    system: str = ""
    since: Time | None = None
    until: Time | None = None


class GivenProblem(_Model):
    """A diagnosis."""

    problem: str
    code: str = ""
    system: str = ""
    observed: Time | None = None


def _shorthand(value: Any) -> str | None:
    return next((word for word in _SHORTHANDS if word in value), None) if isinstance(value, Mapping) else None


GivenFact = Annotated[
    Annotated[GivenConcept, Tag("concept")]
    | Annotated[GivenAllergy, Tag("allergy")]
    | Annotated[GivenMedication, Tag("medication")]
    | Annotated[GivenProblem, Tag("problem")],
    Discriminator(
        _shorthand,
        custom_error_type="shorthand",
        custom_error_message="one of concept, allergy, medication, problem is wanted",
    ),
]


class Given(_Model):
    """The message, what is known of its patient, and messages that came before it, through all channels that take them."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["message"]}, {"required": ["message_file"]}]})

    message: Text = Field("", description="the message itself, one segment a line")
    message_file: Text = Field("", description="its file, relative to channels/")
    context: tuple[GivenFact, ...] = Field((), description="facts of the patient, in shorthand")
    before: tuple[str, ...] = Field((), description="files of messages that came before, through all channels")
    heard: dict[Kind, Time] = Field({}, description="since when the feed of a kind has been heard")  # D13
    enrichment: Literal["on", "off"] = Field("on", description="the site's switch")
    received: Time | None = Field(None, description="when the message came; else MSH-7")

    @model_validator(mode="after")
    def _one_message(self) -> "Given":
        if bool(self.message) == bool(self.message_file):
            raise ValueError("exactly one of message and message_file is wanted")
        return self


class Wanted(NamedTuple):
    """What a text must be: `is`, `starts`, `contains` or `absent`."""

    how: str
    text: str

    def holds(self, found: str | None) -> bool:
        """Whether the text at a place, None where there is none, is as wanted."""
        if self.how == "absent":
            return found is None
        if found is None:
            return False
        if self.how == "starts":
            return found.startswith(self.text)
        return self.text in found if self.how == "contains" else found == self.text

    def __str__(self) -> str:
        if self.how == "absent":
            return "nothing"
        return repr(self.text) if self.how == "is" else f"a text that {self.how} {self.text!r}"


def _wanted(value: object) -> Wanted:
    if isinstance(value, Wanted):
        return value
    if value is None or isinstance(value, str):
        return Wanted("is", value or "")
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("a text, or one of starts, contains, absent is wanted")
    ((word, text),) = value.items()
    if word in {"starts", "contains"} and isinstance(text, str) and text:
        return Wanted(word, text)
    if word == "absent" and text in {"yes", "true"}:
        return Wanted("absent", "")
    hint = "" if word in _HOW else meant(str(word), _HOW)
    raise ValueError(f"starts: TEXT, contains: TEXT or absent: yes is wanted{hint}")


def _named(names: frozenset[str]) -> tuple[Any, ...]:
    """The check that keys are of these names, and its schema."""

    def check(value: object) -> object:
        unknown = [str(key) for key in value if key not in names] if isinstance(value, Mapping) else []
        if unknown:
            raise ValueError(f"{unknown[0]!r} is nothing that is kept{meant(unknown[0], names)}")
        return value

    listed: list[JsonValue] = [*sorted(names)]
    return BeforeValidator(check), Field(json_schema_extra={"propertyNames": {"enum": listed}})


def _one(word: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a map of one key."""
    return {"type": "object", "properties": {word: schema}, "required": [word], "additionalProperties": False}


WantedText = Annotated[
    Wanted,
    BeforeValidator(_wanted),
    WithJsonSchema(
        {
            "description": "a text, or how it starts, what it contains, or that it is absent",
            "anyOf": [
                {"type": _SCALAR_OR_NONE},
                _one("starts", {"type": "string", "minLength": 1}),
                _one("contains", {"type": "string", "minLength": 1}),
                _one("absent", {"enum": ["yes", True]}),
            ],
        }
    ),
]


class Expected(_Model):
    """What the outcome must be; what is not named is not looked at.

    `sent: {}` says that nothing leaves, `facts: []` that nothing is kept, `unchanged_except` that every other byte of
    the message is as it came.
    """

    status: Literal["FILTERED", "TRANSFORMED", "FAILED"] = "TRANSFORMED"
    reason: WantedText | None = Field(None, description="why it is FILTERED or FAILED")
    enrichment: Literal["", "done", "nothing", "off", "failed", "doubt", "withheld"] | None = None
    sent: dict[str, dict[FieldPath, WantedText]] | None = Field(None, description="by destination: texts at places")
    unchanged_except: tuple[AnyPath, ...] | None = Field(None, description="all else is byte for byte as it came")
    facts: tuple[Annotated[dict[str, WantedText], *_named(_FACT)], ...] | None = Field(
        None, description="one that has all of these is kept, for each"
    )
    order: Annotated[dict[str, WantedText], *_named(_ORDER)] | None = Field(
        None, description="what is kept of the order"
    )


class ChannelTest(_Model):
    """One test."""

    test: Annotated[str, Field(min_length=1)]
    given: Given
    expect: Expected
