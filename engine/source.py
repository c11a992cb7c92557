"""A YAML file read as text, with the line and column of every value.

Scalars are read as text first (`NO`, `0012` and `2026-01-10` are HL7 values), then typed by the model that asks for them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from engine.errors import ConfigError

Location = tuple[str | int, ...]


class Position(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class Document(NamedTuple):
    """What a file says (dicts, lists and texts; an empty scalar is None) and where each part stands, by its location."""

    name: str
    content: Any
    positions: Mapping[Location, Position]

    def at(self, location: Location) -> Position:
        """The position of a part, or of the nearest part around it that is written."""
        for end in range(len(location), -1, -1):
            found = self.positions.get(tuple(location[:end]))
            if found is not None:
                return found
        return Position(1, 1)


def load_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: `file:line:column CODE text` for what is no YAML, a key that stands twice, an anchor or a tag.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(
            f"{path}: cannot be read: {getattr(problem, 'strerror', None) or 'it is not UTF-8'}"
        ) from None
    return read_yaml(text, str(path))


def read_yaml(text: str, name: str) -> Document:
    """Like `load_yaml`, from a text; `name` stands in the errors."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise ConfigError(f"{name}:{where} CFG001 {problem.problem or 'this is no YAML'}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}:1:1 CFG001 the file holds characters that YAML does not allow") from None
    positions: dict[Location, Position] = {}
    seen: set[int] = set()
    content = None if root is None else _plain(root, (), name, positions, seen)
    return Document(name, content, positions)


def _plain(node: yaml.Node, here: Location, name: str, positions: dict[Location, Position], seen: set[int]) -> Any:
    position = Position(node.start_mark.line + 1, node.start_mark.column + 1)
    positions[here] = position
    if id(node) in seen:
        raise _refused(name, position, "anchors and aliases are not read; write the value again")
    seen.add(id(node))
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
        raise _refused(name, position, "tags are not read")
    if isinstance(node, yaml.ScalarNode):
        return None if node.value == "" and node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*here, n), name, positions, seen) for n, item in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, value in node.value:
        place = Position(key.start_mark.line + 1, key.start_mark.column + 1)
        if not isinstance(key, yaml.ScalarNode):
            raise _refused(name, place, "a key is one word")
        if key.value in found:
            raise _refused(name, place, f"the key {key.value!r} stands here twice")
        found[key.value] = _plain(value, (*here, key.value), name, positions, seen)
    return found


def _refused(name: str, position: Position, problem: str) -> ConfigError:
    return ConfigError(f"{name}:{position.line}:{position.column} CFG002 {problem}")
