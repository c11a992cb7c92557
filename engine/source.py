"""A site's YAML files read as text, with the line and column of every key and value, and what is wrong with them.

Scalars are read as text first (`NO`, `0012` and `2026-01-10` are HL7 values), then typed by the model that asks for them.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import re2
import yaml

from engine.errors import ConfigError

Location = tuple[str | int, ...]
_DEEPEST = 100  # levels of lists and maps inside each other
_LARGEST = 4 * 1024 * 1024  # characters of a file
_NO_YAML = "CFG001"
_REFUSED = "CFG002"
_UNREADABLE = "CFG003"
_QUIET = re2.Options()
_QUIET.log_errors = False  # a wrong pattern is a finding, and nothing for stderr


class Position(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class Finding(NamedTuple):
    """One mistake in a site's files, as `file:line:column CODE message; did you mean ...?`."""

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.code} {self.message}"


class SourceError(ConfigError):
    """A file that cannot be used at all; its text is the first of its findings."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(str(self.findings[0]))


class Document(NamedTuple):
    """What a file says (dicts, lists and texts; an empty scalar is None) and where each part stands, by its location."""

    name: str
    content: Any
    positions: Mapping[Location, Position]
    keys: Mapping[Location, Position]  # of the keys of maps, by the location of their value

    def at(self, location: Location) -> Position:
        """The position of a part, or of the nearest part around it that is written."""
        for end in range(len(location), -1, -1):
            found = self.positions.get(location[:end])
            if found is not None:
                return found
        return Position(1, 1)

    def finding(self, location: Location, code: str, message: str, *, key: bool = False) -> Finding:
        """A finding about the part at a location; `key`: about its key."""
        place = self.keys.get(location) if key else None
        return Finding(self.name, *(place or self.at(location)), code, message)


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing where no known word is close."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def compiled_pattern(text: str) -> Any:
    """A pattern of google-re2, which runs in linear time on whatever it is given.

    Raises:
        ValueError: it is none; the text says what is wrong with it.
    """
    try:
        return re2.compile(text, _QUIET)
    except re2.error as problem:
        said = problem.args[0]
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"no pattern of google-re2: {reason}") from None


def load_yaml(path: Path, name: str = "") -> Document:
    """Read a YAML file; `name` stands in the findings, else its path.

    Raises:
        SourceError: it cannot be read, is no YAML, or holds a key twice, an anchor or a tag.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise SourceError([Finding(name, 1, 1, _UNREADABLE, f"cannot be read: {problem.strerror}")]) from None
    except UnicodeDecodeError:
        raise SourceError([Finding(name, 1, 1, _UNREADABLE, "cannot be read: it is not UTF-8")]) from None
    return read_yaml(text, name)


def read_yaml(text: str, name: str) -> Document:
    """Like `load_yaml`, from a text."""
    try:
        if len(text) > _LARGEST or _deeper_than(text, _DEEPEST):
            raise SourceError([Finding(name, 1, 1, _NO_YAML, "the file is too large or nested too deep")])
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        words = " ".join(filter(None, (problem.context, problem.problem))) or "this is no YAML"
        raise SourceError([Finding(name, *place, _NO_YAML, words)]) from None
    except yaml.YAMLError:
        words = "the file holds characters that YAML does not allow"
        raise SourceError([Finding(name, 1, 1, _NO_YAML, words)]) from None
    reading = _Reading(name)
    content = None if root is None else reading.plain(root, ())
    if reading.findings:
        raise SourceError(reading.findings)
    return Document(name, content, reading.positions, reading.keys)


def _deeper_than(text: str, levels: int) -> bool:
    """Whether lists and maps are nested deeper; counted before composing, which recurses in C and would end the process."""
    indented = max((len(line) - len(line.lstrip()) for line in text.split("\n")), default=0)
    if sum(map(text.count, ("[", "{", "- ", "? "))) + indented < levels:
        return False
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > levels:
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return False


class _Reading:
    """From nodes to plain values, once over the tree."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[int] = set()
        self.positions: dict[Location, Position] = {}
        self.keys: dict[Location, Position] = {}
        self.findings: list[Finding] = []

    def plain(self, node: yaml.Node, here: Location) -> Any:
        """The value of a node; what is refused is noted and read as None."""
        self.positions[here] = _start(node)
        if id(node) in self._seen:
            return self._refuse(node, "anchors and aliases are not read; write the value again")
        self._seen.add(id(node))
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
            return self._refuse(node, "tags are not read")
        if isinstance(node, yaml.ScalarNode):
            return None if node.value == "" and node.style is None else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*here, n)) for n, item in enumerate(node.value)]
        return self._map(node, here)

    def _map(self, node: yaml.Node, here: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, "a key is one word")
            elif key.value in found:
                first = self.keys[*here, key.value]
                self._refuse(key, f"the key {key.value!r} stands here twice, first in line {first.line}")
            else:
                self.keys[*here, key.value] = _start(key)
                found[key.value] = self.plain(value, (*here, key.value))
        return found

    def _refuse(self, node: yaml.Node, problem: str) -> None:
        self.findings.append(Finding(self._name, *_start(node), _REFUSED, problem))


def _start(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
