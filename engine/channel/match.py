"""The closed matching language of `accept:` and `when:`: literals and lists at paths, `matches`, `exists`, `any`, `all`, `not`.

    accept:
      MSH-9: [ORM^O01, OMG^O19]      # leading components: ORM^O01^ORM_O01 matches
      PV1-2: {not: E}                # anything else, and nothing at all
      OBR: {exists: yes}             # a segment, or a value that is neither empty nor ""
      any: [{OBR-24: CT}, {OBR-4.2: {matches: "^CT "}}]

All keys of a map must hold. A literal is compared with the whole text of the place, escapes resolved; a place that is
absent equals nothing. A path without an occurrence is the first segment of its name.
"""

from collections.abc import Callable, Mapping
from typing import Any

from engine.channel.located import KEY
from engine.errors import ConfigError
from engine.hl7.message import DELETE, Message
from engine.hl7.path import Path
from engine.source import Location, compiled_pattern, meant

__all__ = ["GROUPS", "MatchError", "Matcher", "compile_matcher"]

Matcher = Callable[[Message], bool]
_Test = Callable[[str | None], bool]
GROUPS = ("any", "all", "not")
_WORDS = ("matches", "exists", "not")
_YES, _NO = frozenset({"yes", "true", "on"}), frozenset({"no", "false", "off"})
_MSH_9 = Path.parse("MSH-9")
_KNOWN_TYPES = 1024  # spellings of MSH-9 that are remembered; a feed of nonsense must not grow the table for ever


class MatchError(ConfigError):
    """A part of a match that is none; `location` says which."""

    def __init__(self, location: Location, problem: str) -> None:
        super().__init__(problem)
        self.location = location


def compile_matcher(wanted: Any, location: Location = ()) -> Matcher:
    """A matcher of all the keys of `wanted`.

    Raises:
        MatchError: a path, word or pattern that is none.
    """
    if not isinstance(wanted, Mapping) or not wanted:
        raise MatchError(location, "a map of paths to values is wanted, such as MSH-9: [ORM^O01, OMG^O19]")
    parts = [_entry(key, value, (*location, key)) for key, value in wanted.items()]
    return parts[0] if len(parts) == 1 else lambda message: all(part(message) for part in parts)


def _entry(key: str, value: Any, location: Location) -> Matcher:
    if key in GROUPS:
        return _group(key, value, location)
    try:
        path = Path.parse(key)
    except ConfigError as problem:
        raise MatchError((*location, KEY), f"{problem}{meant(key, GROUPS)}") from None
    types = path[:3] == _MSH_9[:3] and path.component == 0
    test = _value(value, location, types=types)
    return _type_matcher(test) if types else lambda message: test(message.get(path))


def _type_matcher(test: _Test) -> Matcher:
    """MSH-9 takes few values: what the test says of each is looked up by (type, event, structure) as sent."""
    known: dict[bytes | None, bool] = {}

    def matches(message: Message) -> bool:
        header = message.first("MSH")
        sent = header.raw_field(9) if header else None
        mark = message.delimiters.component_byte
        if mark != b"^":
            text = message.get(_MSH_9)
            return test(text and text.replace(mark.decode("ascii"), "^"))
        found = known.get(sent)
        if found is None:
            found = test(message.get(_MSH_9))
            if len(known) < _KNOWN_TYPES:
                known[sent] = found
        return found

    return matches


def _group(key: str, value: Any, location: Location) -> Matcher:
    if key == "not":
        inner = compile_matcher(value, location)
        return lambda message: not inner(message)
    if not isinstance(value, list) or not value:
        raise MatchError(location, f"a list of matches is wanted, such as {key}: [{{OBR-24: CT}}, {{OBR-24: MR}}]")
    parts = [compile_matcher(item, (*location, n)) for n, item in enumerate(value)]
    if key == "any":
        return lambda message: any(part(message) for part in parts)
    return lambda message: all(part(message) for part in parts)


def _value(value: Any, location: Location, *, types: bool) -> _Test:
    if isinstance(value, Mapping):
        return _worded(value, location, types=types)
    words = value if isinstance(value, list) else ["" if value is None else value]
    if not words or not all(isinstance(word, str) for word in words):
        raise MatchError(location, "a text, a list of texts, or one of matches, exists, not is wanted")
    exact = frozenset(words)
    if not types:
        return lambda text: text in exact
    return lambda text: text is not None and any(text == word or text.startswith(f"{word}^") for word in exact)


def _worded(value: Mapping[str, Any], location: Location, *, types: bool) -> _Test:
    if len(value) != 1:
        raise MatchError(location, "exactly one of matches, exists, not is wanted")
    ((word, operand),) = value.items()
    here = (*location, word)
    match word:
        case "not":
            inner = _value(operand, here, types=types)
            return lambda text: not inner(text)
        case "exists":
            return _exists(operand, here)
        case "matches":
            return _pattern(operand, here)
    raise MatchError((*here, KEY), f"{word!r} is not known here; matches, exists or not is wanted{meant(word, _WORDS)}")


def _exists(operand: Any, location: Location) -> _Test:
    if operand not in _YES | _NO:
        raise MatchError(location, "yes or no is wanted")
    wanted = operand in _YES
    return lambda text: (text not in (None, "", DELETE)) is wanted


def _pattern(operand: Any, location: Location) -> _Test:
    if not isinstance(operand, str) or not operand:
        raise MatchError(location, "a pattern is wanted")
    try:
        search = compiled_pattern(operand).search
    except ValueError as problem:
        raise MatchError(location, str(problem)) from None
    return lambda text: text is not None and search(text) is not None
