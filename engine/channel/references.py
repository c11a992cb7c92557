"""Names that one file of a site uses and another defines: listeners, destinations, tables, receiver profiles."""

from collections.abc import Collection, Iterator, Sequence

from engine.channel.config import SiteConfig
from engine.channel.model import Channel
from engine.source import Document, Finding, Location, meant
from engine.steps.enrich import Enrich
from engine.steps.mappings import Mappings
from engine.steps.translate import Translate

Used = Sequence[tuple[Document, Channel]]


def references(document: Document, config: SiteConfig, channels: Used, mappings: Mappings | None) -> Iterator[Finding]:
    """A finding for each name that nothing defines; `document` is config.yaml."""
    profiles = mappings.profiles if mappings else None
    tables = mappings.tables if mappings else None
    for name, destination in config.destinations.items():
        here = ("destinations", name, "profile")
        yield from _unknown(document, here, "REF004 receiver profile", destination.profile, profiles)
    for file, channel in channels:
        yield from _unknown(file, ("from",), "REF001 listener", channel.from_, config.listeners)
        for n, name in enumerate(channel.to):
            yield from _unknown(file, ("to", n), "REF002 destination", name, config.destinations)
        for n, step in enumerate(channel.steps):
            match step:
                case Translate():
                    yield from _unknown(file, ("steps", n, "table"), "REF003 table", step.table, tables)
                case Enrich():
                    yield from _unknown(
                        file, ("steps", n, "profile"), "REF004 receiver profile", step.profile, profiles
                    )


def _unknown(
    document: Document, at: Location, what: str, name: str, known: Collection[str] | None
) -> Iterator[Finding]:
    """A finding under a code and a word for what it is about, `REF003 table`; nothing while the names are not known."""
    if known is not None and name not in known:
        code, _, what = what.partition(" ")
        hint = meant(name, known) or f"; there is {', '.join(sorted(known)) or 'none'}"
        yield document.finding(at, code, f"there is no {what} {name!r}{hint}")
