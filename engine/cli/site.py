"""The site that a verb works on: its configuration, its data folder, its files opened read-only."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from engine.cli.mllp_client import Address
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.channel.config import SiteConfig
    from engine.store.journal import JournalReader
    from engine.store.memory import MemoryJournal, MemoryStore
    from engine.store.store import SqlStoreReader

SiteOption = Annotated[
    Path, typer.Option("--site", help="Folder of the site: config.yaml, channels/, mappings/.", metavar="DIR")
]


class Readers(NamedTuple):
    """The two files of an engine, read-only."""

    journal: "JournalReader | MemoryJournal"
    store: "SqlStoreReader | MemoryStore"


def load_config(site: Path) -> "SiteConfig":
    """The site's config.yaml; raises ConfigError with the first finding where it is not right."""
    from engine.channel.site import load_config as load  # noqa: PLC0415 - pydantic, which not every verb needs

    if not (site / "config.yaml").is_file():
        raise ConfigError(f"{site.resolve()} is no site: it has no config.yaml; name one with --site DIR")
    return load(site)


def data_folder(site: Path) -> Path:
    """Where the engine of this site keeps its files."""
    return site / load_config(site).data


@contextmanager
def open_readers(site: Path) -> Iterator[Readers]:
    """Journal and store of the site's engine, read-only; raises ConfigError where it never ran."""
    from engine.store import read_journal, read_store  # noqa: PLC0415 - SQLAlchemy, which not every verb needs

    data = data_folder(site)
    for name in ("journal.db", "store.db"):
        if not (data / name).exists():
            raise ConfigError(f"{data} holds no {name}: the engine of this site has not run yet (backstory run)")
    journal = read_journal(data / "journal.db")
    try:
        store = read_store(data / "store.db")
        try:
            yield Readers(journal, store)
        finally:
            store.close()
    finally:
        journal.close()


def listener_address(site: Path, name: str) -> tuple[Address, bool]:
    """Host and port of a listener of the site, and whether it speaks TLS; raises ConfigError naming those there are."""
    listeners = load_config(site).listeners
    if name not in listeners:
        raise ConfigError(f"the site has no listener {name!r}; it has {', '.join(sorted(listeners)) or 'none'}")
    found = listeners[name]
    return Address(found.host, found.port), found.tls is not None


def socket_of(site: Path, process: str) -> Path:
    """The control socket of one of the engine's processes."""
    return data_folder(site) / "run" / f"{process}.sock"
