"""A site: config.yaml, channels and mappings as one immutable snapshot with a hash (D15b)."""

import csv
import hashlib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from engine.channel.config import SiteConfig
from engine.channel.model import Channel
from engine.errors import ConfigError
from engine.order.exam import parse_exams
from engine.patient.concept import parse_concepts
from engine.relevance.compiled import RuleSet
from engine.relevance.policy import Policy
from engine.relevance.profiles import Profile, ProfilesFile
from engine.relevance.rules import parse_rule_files
from engine.source import Document, load_yaml
from engine.steps.mappings import Mappings

_M = TypeVar("_M")


class Finding(NamedTuple):
    """One mistake in a site's files, as `file:line:column CODE message`."""

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.code} {self.message}"


class Site(NamedTuple):
    """What one snapshot of the files says; `channels` in the order in which they run (D5)."""

    folder: Path
    config: SiteConfig
    channels: tuple[Channel, ...]
    mappings: Mappings
    hash: str

    def __repr__(self) -> str:
        return f"<Site {self.hash[:12]} with {len(self.channels)} channels>"


class Loaded(NamedTuple):
    """A site, or None with the findings that stand against it."""

    site: Site | None
    findings: tuple[Finding, ...]


def load_site(folder: Path) -> Loaded:
    """Read config.yaml, channels/*.yaml and mappings/** of a folder; every mistake is a finding, none an exception."""
    reading = _Reading(folder)
    config = reading.read(Path("config.yaml"), SiteConfig.model_validate)
    found = [reading.read(path, Channel.model_validate) for path in reading.files("channels/*.yaml")]
    channels = tuple(sorted((c for c in found if c is not None), key=lambda c: (bool(c.to), c.channel)))
    mappings = reading.mappings()
    if config is not None:
        reading.references(config, channels)
    if reading.findings or config is None or mappings is None:
        return Loaded(None, tuple(sorted(reading.findings)))
    return Loaded(Site(folder, config, channels, mappings, reading.hash.hexdigest()), ())


def load_config(folder: Path) -> SiteConfig:
    """Only config.yaml, for what needs no channels.

    Raises:
        ConfigError: the first finding.
    """
    reading = _Reading(folder)
    config = reading.read(Path("config.yaml"), SiteConfig.model_validate)
    if config is None:
        raise ConfigError(str(min(reading.findings)))
    return config


class _Reading:
    """One pass over a site's files, collecting findings and the hash of all bytes read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []
        self.hash = hashlib.sha256()
        self._documents: dict[str, Document] = {}

    def files(self, pattern: str) -> list[Path]:
        return sorted(path.relative_to(self.folder) for path in self.folder.glob(pattern))

    def document(self, path: Path) -> Document | None:
        try:
            found = load_yaml(self.folder / path)
        except ConfigError as problem:
            self.findings.append(_from_text(str(path), str(problem)))
            return None
        self.hash.update(str(path).encode() + b"\0" + (self.folder / path).read_bytes() + b"\0")
        return found._replace(name=str(path))

    def read(self, path: Path, model: Callable[[Any], _M]) -> _M | None:
        document = self.document(path)
        if document is None:
            return None
        self._documents[str(path)] = document
        try:
            return model(document.content)
        except ValidationError as problem:
            self.findings += _from_pydantic(document, problem)
        except ConfigError as problem:
            self.findings.append(Finding(document.name, 1, 1, "CFG010", str(problem)))
        return None

    def mappings(self) -> Mappings | None:
        concepts = self.read(Path("mappings/concepts.yaml"), parse_concepts)
        rows = self._rows(Path("mappings/tables/exams.csv"))
        exams = self.read(Path("mappings/exams.yaml"), lambda content: parse_exams(content, rows))
        policy = self.read(Path("mappings/policy.yaml"), Policy.model_validate)
        profiles = self.read(Path("mappings/profiles.yaml"), ProfilesFile.model_validate)
        rules = self._rules()
        tables = {
            path.stem: _table(self._rows(path)) for path in self.files("mappings/tables/*.csv") if path.stem != "exams"
        }
        if concepts is None or exams is None or policy is None or profiles is None or rules is None:
            return None
        receivers: Mapping[str, Profile] = profiles.profiles
        return Mappings(tables, concepts, exams, rules, policy, receivers)

    def _rules(self) -> RuleSet | None:
        documents = [self.document(path) for path in self.files("mappings/relevance/*.yaml")]
        found = [document for document in documents if document is not None]
        try:
            return parse_rule_files([document.content for document in found])
        except ValidationError as problem:
            self.findings += _from_pydantic(found[0], problem)
        except ConfigError as problem:
            self.findings.append(
                Finding(found[0].name if found else "mappings/relevance", 1, 1, "CFG010", str(problem))
            )
        return None

    def _rows(self, path: Path) -> list[dict[str, str]]:
        try:
            raw = (self.folder / path).read_bytes()
            rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines(), strict=True, restval=""))
        except (OSError, UnicodeDecodeError, csv.Error):
            self.findings.append(Finding(str(path), 1, 1, "CFG003", "this is no readable CSV file in UTF-8"))
            return []
        self.hash.update(str(path).encode() + b"\0" + raw + b"\0")
        return rows

    def references(self, config: SiteConfig, channels: tuple[Channel, ...]) -> None:
        """Names that channels use and config.yaml does not know."""
        by_name = {d.content["channel"]: d for d in self._documents.values() if _is_channel(d)}
        for channel in channels:
            document = by_name[channel.channel]
            self._known(document, ("from",), channel.from_, config.listeners, "listener")
            for n, name in enumerate(channel.to):
                self._known(document, ("to", n), name, config.destinations, "destination")

    def _known(
        self, document: Document, at: tuple[str | int, ...], name: str, known: Mapping[str, Any], what: str
    ) -> None:
        if name not in known:
            text = f"there is no {what} {name!r} in config.yaml{_meant(name, known)}"
            self.findings.append(Finding(document.name, *document.at(at), "REF001", text))


def _is_channel(document: Document) -> bool:
    return isinstance(document.content, dict) and "channel" in document.content


def _table(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["code"]: row["value"] for row in rows if row.get("code") and "value" in row}


def _from_text(name: str, text: str) -> Finding:
    """`file:line:column CODE message` of engine.source as a finding."""
    place, _, rest = text.partition(" ")
    parts = place.rsplit(":", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        code, _, message = rest.partition(" ")
        return Finding(name, int(parts[1]), int(parts[2]), code, message)
    return Finding(name, 1, 1, "CFG003", "the file cannot be read")


def _from_pydantic(document: Document, problem: ValidationError) -> list[Finding]:
    findings = []
    for error in problem.errors(include_url=False, include_input=False):
        location = tuple(part for part in error["loc"] if not _is_tag(document, error["loc"], part))
        message = str(error["msg"]).removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = f"{error['loc'][-1]!r} is not known here"
        findings.append(Finding(document.name, *document.at(location), "CFG010", message))
    return findings


def _is_tag(document: Document, location: tuple[str | int, ...], part: str | int) -> bool:
    """Whether a part of pydantic's location is the name of a union's member and not a key of the file."""
    here: Any = document.content
    for step in location:
        inside = (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        )
        if step == part:
            return not inside and isinstance(step, str) and not _wanted(location, step)
        if inside:
            here = here[step]
    return False


def _wanted(location: tuple[str | int, ...], step: str) -> bool:
    return location[-1] == step


def _meant(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
