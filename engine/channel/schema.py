"""The JSON schemas of a channel and of config.yaml, from which editors complete and mark mistakes while one types.

Scalars of a site's files are texts that a model types, so that `NO`, `0012` and `24` are what they look like. An editor types
them by YAML 1.2 before it looks at the schema: where a text is wanted, a number or a yes is one.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from engine.channel.config import SiteConfig
from engine.channel.model import Channel
from engine.steps.catalog import STEPS
from engine.steps.paths import ANY_PATH, SCALAR

__all__ = ["SCHEMAS", "channel_schema", "config_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_YES_OR_NO = [True, False, "yes", "no", "on", "off"]
_WHEN = {"$ref": "#/$defs/Match", "description": "the step is done where this holds, and left out elsewhere"}


class _Yaml(GenerateJsonSchema):
    """Pydantic's schema for files whose scalars are texts first."""

    schema_dialect = _DIALECT

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        return {**super().str_schema(schema), "type": SCALAR}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's form
        return {"enum": _YES_OR_NO}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's form
        return {"type": "string", "examples": ["2026-08-01", "2026-08-01T06:00:00Z"]}  # a day is no date-time

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A key of a map that is no name is a mistake, and not merely of no known kind."""
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found


def channel_schema() -> dict[str, Any]:
    """Of a file in channels/."""
    schema = _whole(Channel, "A channel")
    kinds = schema["$defs"]
    kinds |= _match()
    schema["properties"]["accept"] = {"$ref": "#/$defs/Match", "description": "which messages the channel takes"}
    for model in STEPS.values():
        kinds[model.__name__]["properties"]["when"] = _WHEN
    return schema


def config_schema() -> dict[str, Any]:
    """Of config.yaml."""
    return _whole(SiteConfig, "config.yaml of a site")


def _whole(model: type[Channel | SiteConfig], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, schema_generator=_Yaml)
    return {"$schema": _DIALECT, **schema, "title": title}


def _match() -> dict[str, Any]:
    """The language of `accept:` and `when:` (match.py): a map of places, and what stands at one."""
    match, wanted = {"$ref": "#/$defs/Match"}, {"$ref": "#/$defs/MatchValue"}
    literal = {"type": [*SCALAR, "null"]}
    word = {"matches": {"type": "string", "minLength": 1}, "exists": {"enum": _YES_OR_NO}}
    return {
        "Match": {
            "type": "object",
            "description": "all keys must hold; MSH-9 compares leading components, ORM^O01 takes ORM^O01^ORM_O01",
            "minProperties": 1,
            "properties": {
                "any": {"type": "array", "minItems": 1, "items": match, "description": "one of these holds"},
                "all": {"type": "array", "minItems": 1, "items": match, "description": "each of these holds"},
                "not": {**match, "description": "this does not hold"},
            },
            "patternProperties": {ANY_PATH: wanted},
            "additionalProperties": False,
        },
        "MatchValue": {
            "description": "a text, a list of texts, or one of matches, exists, not",
            "anyOf": [
                literal,
                {"type": "array", "minItems": 1, "items": {"type": SCALAR}},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": {**word, "not": wanted},
                    "additionalProperties": False,
                },
            ],
        },
    }


SCHEMAS = {"channel": channel_schema, "config": config_schema}
"""What there is a schema of, by the word that `backstory schema` takes."""
