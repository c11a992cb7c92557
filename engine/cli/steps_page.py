"""docs/steps.md: every step with its keys and an example, written from the code that carries it out."""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel

from engine.steps.catalog import STEPS

_HEAD = """\
# Steps

What a channel can be made of. This page is written by `backstory steps --markdown` from the code, and a test holds it to
that; `backstory steps NAME` shows one step in a terminal.

Two keys go with every step. `because:` says why, for who reads the channel. `when:` is a condition in the language of
`accept:` ([Writing channels](first-channel.md)): the step is done where it holds and left out elsewhere.

A step that is **needed** and cannot do what it promises ends the message in its channel: FAILED, with the step, the place,
what was found and what was wanted; the message stays in the journal. A **best-effort** step that fails leaves the message
as it was before it, with an alert, and the message goes on.
"""
_BOTH = "needed in a channel that only keeps, best effort in one that sends"
_COMMON = ("step", "because")
_WORDS = {"integer": "a whole number", "number": "a number", "object": "a map of texts"}


def steps_page() -> str:
    """The whole page."""
    lines = [_HEAD, "| step | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {_sentence(model)} |" for name, model in STEPS.items()]
    for name, model in STEPS.items():
        lines += ["", *_section(name, model)]
    return "\n".join(lines) + "\n"


def _sentence(model: type[BaseModel]) -> str:
    return cleandoc(model.__doc__ or "").partition("\n")[0]


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    yield from (f"## {name}", "", cleandoc(model.__doc__ or ""), "")
    chosen = "best_effort" in model.model_fields
    yield f"It is {_BOTH if chosen else 'best effort' if getattr(model, 'best_effort', False) else 'needed'}."
    rows = list(_rows(schema, schema.get("$defs", {}), _COMMON))
    if rows:
        yield from ("", "| key | value | |", "|---|---|---|", *rows)
    yield from ("", "```yaml", str(getattr(model, "example", "")).rstrip("\n"), "```")


def _rows(schema: dict[str, Any], kinds: dict[str, Any], without: tuple[str, ...], of: str = "") -> Iterator[str]:
    """A row for each key of a map, and below it those of the maps that it lists."""
    for key, value in schema.get("properties", {}).items():
        if key in without:
            continue
        required = key in schema.get("required", ())
        said = value.get("description", "") + ("; required" if required else _default(value))
        yield f"| {of}`{key}` | {_kind(value)} | {said} |"
        tag, members = _members(value)
        for word, reference in members.items():
            yield from _rows(kinds[reference.rpartition("/")[2]], kinds, (tag,), f"`{tag}: {word}`, ")


def _members(value: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The key that tells the maps of a list apart, and each by its word."""
    told = value.get("items", {}).get("discriminator", {"propertyName": "", "mapping": {}})
    return told["propertyName"], told["mapping"]


def _kind(value: dict[str, Any]) -> str:
    """What may be written, from the JSON schema."""
    if "anyOf" in value:
        return _kind(next(one for one in value["anyOf"] if one.get("type") != "null"))
    if "const" in value or "enum" in value:
        return " \\| ".join(f"`{word}`" for word in value.get("enum", [value.get("const")]))
    if "pattern" in value:
        return f"a place, such as `{value['examples'][0]}`"
    if value.get("type") == "array":
        tag, members = _members(value)
        listed = ", ".join(f"`{word}`" for word in members) if members else _kind(value["items"])
        return f"a list, by `{tag}`: {listed}" if tag else f"a list of {listed}"
    least = f", at least {value['minimum']}" if "minimum" in value else ""
    return "yes \\| no" if value.get("type") == "boolean" else _WORDS.get(str(value.get("type")), "a text") + least


def _default(value: dict[str, Any]) -> str:
    """What holds where the key is not written."""
    default = value.get("default")
    if default in (None, "", {}):
        return ""
    if isinstance(default, bool):
        return f"; else {'yes' if default else 'no'}"
    if isinstance(default, list):
        return "; else all" if default == value["items"].get("enum") else f"; else {', '.join(default)}"
    return f"; else `{default}`"
