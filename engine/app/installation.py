"""The name of this engine among others: what its control ids are made of, the same for as long as its data folder (D9)."""

import os
import uuid
from pathlib import Path

from engine.errors import ConfigError

FILE = "installation"


def installation_id(data: Path) -> str:
    """Read DATA/installation, or make it: 32 hex digits. Raises ConfigError for one that is damaged."""
    path = data / FILE
    if not path.exists():
        _make(path)
    name = path.read_text(encoding="ascii", errors="replace").strip()
    if len(name) != 32 or not name.isalnum():
        raise ConfigError(f"{path} is damaged: 32 hex digits are wanted; restore it from a backup")
    return name


def _make(path: Path) -> None:
    """Whole and on disk before it has its name: a control id must never be made of half an id."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    with draft.open("w", encoding="ascii") as file:
        file.write(uuid.uuid4().hex + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
