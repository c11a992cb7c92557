"""Paths in the YAML of steps: read once, when the channel is loaded."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from engine.errors import ConfigError
from engine.hl7.path import PATTERN, Path

SCALAR = ["string", "number", "boolean"]
"""What an editor may take a text for, by the rules of YAML 1.2: a JSON schema's `type`."""

ANY_PATH = f"^{PATTERN}$"
_FIELD_PATH = rf"^(?=[^-]+-)(?!MSH(\[[0-9]+\])?-[12](?![0-9])){PATTERN}$"  # a field, and none of the delimiters
STEP = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
Because = Annotated[str, Field(description="why, for who reads the channel")]


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    try:
        return Path.parse(str(value))
    except ConfigError as problem:
        raise ValueError(str(problem)) from None


def _field(value: object) -> Path:
    path = _path(value)
    if not path.field:
        raise ValueError("the path names a whole segment where a field is wanted, such as OBR-4.1")
    if path.segment == "MSH" and path.field < 3:
        raise ValueError("MSH-1 and MSH-2 are the delimiters, which no step reads or writes")
    return path


_AS_TEXT = PlainSerializer(str, return_type=str)


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [*examples]})


AnyPath = Annotated[Path, BeforeValidator(_path), _AS_TEXT, _schema(ANY_PATH, "OBR-4.1", "OBX[2]-5", "NTE")]
FieldPath = Annotated[
    Path, BeforeValidator(_field), _AS_TEXT, _schema(_FIELD_PATH, "OBR-4.1", "OBX[2]-5", "PID-3(2).4")
]
