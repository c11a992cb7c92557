"""The shipped site in another folder, and one change to a file of it."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copied(folder: Path) -> Path:
    """Copy config.yaml, channels and mappings into a folder that is there; returns it."""
    for name in ("channels", "mappings"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "config.yaml", folder)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there, once."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
