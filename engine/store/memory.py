"""The journal and the store in memory, for channel tests, dry runs and tests: shipped code, the same semantics."""

from engine.store.memory_journal import MemoryJournal
from engine.store.memory_store import MemoryStore

__all__ = ["MemoryJournal", "MemoryStore"]
