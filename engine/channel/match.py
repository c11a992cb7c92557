"""The closed matching language of `accept:`: literals and lists at paths, `matches`, `exists`, `any`, `all`, `not`.

accept:
MSH-9: [ORM^O01, OMG^O19]      # leading components: ORM^O01^ORM_O01 matches
PV1-2: {not: E}
any: [{OBR-24: CT}, {OBR-4.2: {matches: "^CT "}}]
"""

from collections.abc import Callable, Mapping
from typing import Any

import re2

from engine.errors import ConfigError
from engine.hl7.message import Message
from engine.hl7.path import Path

Matcher = Callable[[Message], bool]
_GROUPS = ("any", "all", "not")


def compile_matcher(wanted: Mapping[str, Any]) -> Matcher:
    """A matcher of all the keys of `wanted`.

    Raises:
        ConfigError: a path, word or pattern that is none.
    """
    parts = [_entry(key, value) for key, value in wanted.items()]
    if len(parts) == 1:
        return parts[0]
    return lambda message: all(part(message) for part in parts)


def _entry(key: str, value: Any) -> Matcher:
    if key in _GROUPS:
        return _group(key, value)
    path = Path.parse(key)
    test = _value(key, value, leading=path.segment == "MSH" and path.field == 9 and not path.component)
    return lambda message: test(message.get(path))


def _group(key: str, value: Any) -> Matcher:
    if key == "not":
        if not isinstance(value, Mapping):
            raise ConfigError("`not:` holds what must not match, such as not: {PV1-2: E}")
        inner = compile_matcher(value)
        return lambda message: not inner(message)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ConfigError(f"`{key}:` holds a list of matches, such as {key}: [{{OBR-24: CT}}, {{OBR-24: MR}}]")
    parts = [compile_matcher(item) for item in value]
    if key == "any":
        return lambda message: any(part(message) for part in parts)
    return lambda message: all(part(message) for part in parts)


def _value(key: str, value: Any, *, leading: bool) -> Callable[[str | None], bool]:
    if isinstance(value, Mapping):
        return _worded(key, value, leading=leading)
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"{key}: a text, a list of texts, or one of matches, exists, not is wanted")
    if leading:
        wanted = tuple(words)
        return lambda text: text is not None and any(text == w or text.startswith(w + "^") for w in wanted)
    exact = frozenset(words)
    return lambda text: text in exact


def _worded(key: str, value: Mapping[str, Any], *, leading: bool) -> Callable[[str | None], bool]:
    if len(value) != 1:
        raise ConfigError(f"{key}: exactly one of matches, exists, not is wanted")
    ((word, operand),) = value.items()
    if word == "not":
        inner = _value(key, operand, leading=leading)
        return lambda text: not inner(text)
    if word == "exists" and operand in ("yes", "no", "true", "false"):
        wanted = operand in ("yes", "true")
        return lambda text: (text not in (None, "", '""')) is wanted
    if word == "matches" and isinstance(operand, str):
        try:
            pattern = re2.compile(operand)
        except re2.error:
            raise ConfigError(
                f"{key}: the pattern is not one of re2, which knows no look-around or back-references"
            ) from None
        return lambda text: text is not None and pattern.search(text) is not None
    raise ConfigError(f"{key}: {word!r} is not known here; write matches: PATTERN, exists: yes|no, or not: VALUE")
