"""Where messages and what they mean are kept: SQLite files, and the same in memory.

    open_journal(path, partitions=1) -> Journal     open_store(path) -> Store          the one writer of a file
    read_journal(path) -> JournalReader             read_store(path) -> StoreReader    everybody else, mode=ro
    MemoryJournal(partitions=1)                     MemoryStore()

SQLAlchemy is imported when a file is opened, not before: channel tests and the command line start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.store.journal import open_journal, read_journal
    from engine.store.memory import MemoryJournal, MemoryStore
    from engine.store.store import open_store, read_store

__all__ = ["MemoryJournal", "MemoryStore", "open_journal", "open_store", "read_journal", "read_store"]

_HOMES = {
    "MemoryJournal": "engine.store.memory",
    "MemoryStore": "engine.store.memory",
    "open_journal": "engine.store.journal",
    "read_journal": "engine.store.journal",
    "open_store": "engine.store.store",
    "read_store": "engine.store.store",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
