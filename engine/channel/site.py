"""A site: config.yaml, channels and mappings as one immutable snapshot with a hash (D15b)."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from engine.channel.config import SiteConfig
from engine.channel.model import Channel
from engine.channel.plugins import make_plugins
from engine.channel.references import references
from engine.channel.site_files import SiteFiles
from engine.channel.site_mappings import read_mappings
from engine.errors import ConfigError
from engine.source import Document, Finding
from engine.steps.mappings import Mappings

__all__ = ["Finding", "Loaded", "Site", "load_config", "load_site"]

CONFIG = "config.yaml"


class Site(NamedTuple):
    """What one snapshot of the files says; `channels` in the order in which they run (D5)."""

    folder: Path
    config: SiteConfig
    channels: tuple[Channel, ...]
    mappings: Mappings
    hash: str

    def __repr__(self) -> str:
        return f"<Site {self.hash} with {len(self.channels)} channels>"


class Loaded(NamedTuple):
    """A site, or None with the findings that stand against it; and where everything stands.

    `documents` are the YAML files by name, `files` the file of each channel.
    """

    site: Site | None
    findings: tuple[Finding, ...]
    documents: Mapping[str, Document] = {}
    files: Mapping[str, str] = {}


def load_site(folder: Path) -> Loaded:
    """Read config.yaml, channels/*.yaml and the mappings of a folder; every mistake is a finding, none an exception."""
    files = SiteFiles(folder)
    config = files.read(CONFIG, SiteConfig, SiteConfig.model_validate)
    channels = _channels(files)
    mappings = read_mappings(files, config.mappings.as_posix()) if config is not None else None
    if config is not None:
        used = [(files.documents[name], channel) for name, channel in channels.items()]
        files.findings += references(files.documents[CONFIG], config, used, mappings)
        plugins, findings = make_plugins(used)
        files.findings += findings
        mappings = mappings._replace(plugins=plugins) if mappings is not None else None
    where = {channel.channel: name for name, channel in channels.items()}
    found = tuple(sorted(set(files.findings)))
    if found or config is None or mappings is None:
        return Loaded(None, found, files.documents, where)
    ordered = tuple(sorted(channels.values(), key=lambda channel: (bool(channel.to), channel.channel)))
    return Loaded(Site(folder, config, ordered, mappings, files.hash), (), files.documents, where)


def load_config(folder: Path) -> SiteConfig:
    """Only config.yaml, for what needs no channels.

    Raises:
        ConfigError: the first finding.
    """
    files = SiteFiles(folder)
    config = files.read(CONFIG, SiteConfig, SiteConfig.model_validate)
    if config is None:
        raise ConfigError(str(min(files.findings)))
    return config


def _channels(files: SiteFiles) -> dict[str, Channel]:
    """The channels by their file."""
    names = files.names("channels", "*.yaml")
    if not names:
        files.note("channels", "CFG003", "there is no channel; a site has one YAML file for each in channels/")
    read = {name: files.read(name, Channel, Channel.model_validate) for name in names}
    channels = {name: channel for name, channel in read.items() if channel is not None}
    times = Counter(channel.channel for channel in channels.values())
    for name, channel in channels.items():
        if times[channel.channel] > 1:
            text = f"{times[channel.channel]} files define the channel {channel.channel}"
            files.findings.append(files.documents[name].finding(("channel",), "CHN002", text))
    return channels
