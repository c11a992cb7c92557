"""What a lint rule is given: a site that loads, and where everything in its files stands."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.channel.model import Channel
from engine.channel.site import Site
from engine.source import Document, Finding, Location

__all__ = ["Finding", "Linted", "Location"]


class Linted(NamedTuple):
    """A whole site; `documents` are its YAML files by name, `files` the file of each channel."""

    site: Site
    documents: Mapping[str, Document]
    files: Mapping[str, str]

    def channels(self) -> Iterator[tuple[Document, Channel]]:
        """Each channel with its file."""
        for channel in self.site.channels:
            yield self.documents[self.files[channel.channel]], channel

    def relevance(self) -> Iterator[Document]:
        """The files of relevance rules."""
        folder = f"{self.site.config.mappings.as_posix()}/relevance/"
        yield from (document for name, document in self.documents.items() if name.startswith(folder))
