"""From pydantic's errors to findings: where in the file, in the words of somebody who writes YAML, and what was meant.

Codes: CFG010 a value is wrong, CFG011 a key is not known, CFG012 a key is missing, CFG013 a word that is none of the
choices, CFG020 a key of later versions.
"""

import types
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from engine.channel.located import KEY
from engine.source import Document, Finding, Location, meant

_LIST, _MAP, _DATE = "a list is wanted", "a map of keys and values is wanted", "a time is wanted, such as 2026-08-01"
_PLAIN = {
    "too_short": "at least one is wanted",
    "string_too_short": "a text is wanted",
    "string_type": "a text is wanted",
    "int_parsing": "a whole number is wanted",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_parsing": "a number is wanted",
    "bool_parsing": "yes or no is wanted",
    "path_type": "a path is wanted",
    **dict.fromkeys(("tuple_type", "list_type", "frozen_set_type"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), _MAP),
    **dict.fromkeys(("datetime_parsing", "datetime_from_date_parsing"), _DATE),
}
_BOUNDS = {
    "less_than_equal": "at most",
    "less_than": "less than",
    "greater_than_equal": "at least",
    "greater_than": "more than",
}


class _Place(NamedTuple):
    """Where a part of pydantic's location leads: the place in the file, and the type that is asked for there."""

    location: Location
    kind: Any


def findings_of(document: Document, problem: ValidationError, model: Any) -> list[Finding]:
    """One finding for each error of validating the document as `model`."""
    errors = problem.errors(include_url=False, include_input=False)
    return [_finding(document, error, model) for error in errors if not _follows(error, errors)]


def _follows(error: ErrorDetails, errors: Iterable[ErrorDetails]) -> bool:
    """Whether a list is too short only because a part of it is wrong, which pydantic does not count."""
    place = error["loc"]
    return error["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in errors
    )


def _finding(document: Document, error: ErrorDetails, model: Any) -> Finding:
    *around, last = error["loc"] or ("",)
    parent = _walk(model, around, document)
    if last == KEY:
        return document.finding(parent.location, "CFG010", _words(error), key=True)
    if error["type"] == "extra_forbidden":
        return _unknown_key(document, parent, str(last))
    if error["type"] == "missing":
        return document.finding(parent.location, "CFG012", f"{last!r} is missing")
    return _wrong_value(document, _walk(model, error["loc"], document), error)


def _wrong_value(document: Document, place: _Place, error: ErrorDetails) -> Finding:
    match error["type"]:
        case "union_tag_invalid":
            return _unknown_tag(document, place, error)
        case "union_tag_not_found":
            key = str(error["ctx"]["discriminator"]).strip("'")
            return document.finding(place.location, "CFG012", f"{key!r} is missing{_instead(document, place, key)}")
        case "literal_error":
            return _unknown_word(document, place)
    return document.finding(place.location, "CFG010", _words(error))


def _words(error: ErrorDetails) -> str:
    """What pydantic says, in plain words where it speaks of Python."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        return f"{_BOUNDS[kind]} {next(iter(context.values()))} is wanted"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        name = "a name is wanted: lower-case letters, digits and _, a letter first"
        return name if pattern.startswith("^[a-z]") else f"a text that fits {pattern} is wanted"
    return _PLAIN.get(kind) or str(error["msg"]).removeprefix("Value error, ")


def _unknown_key(document: Document, parent: _Place, key: str) -> Finding:
    location = (*parent.location, key)
    later = getattr(parent.kind, "not_built", {})
    if key in later:
        return document.finding(location, "CFG020", f"{key!r} is not built yet: {later[key]}; take it out", key=True)
    known = [*_fields(parent.kind), *(["when"] if "step" in _fields(parent.kind) else [])]
    return document.finding(location, "CFG011", f"{key!r} is not known here{meant(key, known)}", key=True)


def _instead(document: Document, place: _Place, missing: str) -> str:
    """Whether a key that is there was meant to be the missing one."""
    content = part_at(document.content, place.location)
    close = get_close_matches(missing, [str(key) for key in content], n=1) if isinstance(content, Mapping) else []
    return f"; did you mean {missing} where {close[0]} stands?" if close else ""


def _unknown_tag(document: Document, place: _Place, error: ErrorDetails) -> Finding:
    key = str(error["ctx"]["discriminator"]).strip("'")
    word = str(error["ctx"]["tag"])
    known = [str(tag) for member in _members(place.kind) for tag in _tags(member, key)]
    text = f"there is no {key} {word!r}{meant(word, known) or '; there are ' + ', '.join(known)}"
    return document.finding((*place.location, key), "CFG013", text)


def _unknown_word(document: Document, place: _Place) -> Finding:
    known = [str(word) for word in _choices(place.kind)]
    word = str(part_at(document.content, place.location))
    text = f"{word!r} is none of {', '.join(known)}{meant(word, known)}"
    return document.finding(place.location, "CFG013", text)


def _walk(kind: Any, location: Iterable[str | int], document: Document) -> _Place:
    """Follow pydantic's location through the types; what names a member of a union stands in no file."""
    place = _Place((), kind)
    for part in location:
        place = _step(place, part, document)
    return place


def _step(place: _Place, part: str | int, document: Document) -> _Place:
    kind, here = _plain(place.kind), place.location
    below = (*here, part)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _Place(below, _fields(kind).get(str(part), Any))
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        member = next((one for one in _members(kind) if part in _names(one)), None)
        if member is not None:
            return _Place(here, member)
        inside = [one for one in arguments if one is not type(None)]
        return _step(_Place(here, inside[0]), part, document) if len(inside) == 1 else _Place(below, Any)
    if origin is not None and arguments:
        return _Place(below, arguments[1] if isinstance(part, str) and len(arguments) == 2 else arguments[0])
    written = isinstance(part, int) or below in document.positions
    return _Place(below if written else here, Any)


def _plain(kind: Any) -> Any:
    """A type without what is annotated to it."""
    while True:
        if isinstance(kind, FieldInfo):
            kind = kind.annotation
        elif get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        else:
            return kind


def _fields(kind: Any) -> dict[str, Any]:
    """The keys a model knows, as YAML writes them."""
    kind = _plain(kind)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _members(kind: Any) -> Iterator[Any]:
    """The members of a union, of unions inside it as well."""
    kind = _plain(kind)
    if get_origin(kind) in {Union, types.UnionType}:
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _tags(member: Any, key: str) -> tuple[Any, ...]:
    """The words that choose this member of a union."""
    field = _fields(member).get(key)
    return tuple(_choices(field)) if field is not None else ()


def _names(member: Any) -> list[Any]:
    """Everything pydantic may call a member of a union: its tags, its own name, the name of its first key."""
    fields = _fields(member)
    tags = [tag for key in fields for tag in _choices(fields[key])]
    return [*tags, getattr(member, "__name__", ""), next(iter(fields), "")]


def _choices(kind: Any) -> Iterator[Any]:
    for member in _members(kind):
        if get_origin(member) is Literal:
            yield from get_args(member)


def part_at(content: Any, location: Location) -> Any:
    """The part of a document's content at a location, or None."""
    for step in location:
        if isinstance(content, Mapping):
            content = content.get(step)
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            content = content[step]
        else:
            return None
    return content
