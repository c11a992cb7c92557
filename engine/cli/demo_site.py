"""A site of its own for the demonstration: the shipped channels and mappings, on ports that are free."""

import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import engine
from engine.errors import ConfigError

MARK = ".backstory-demo"  # only a folder with this file is ever cleared
_PORT = re.compile(r"(\bport:\s*)(\d+)")
_PARTS = ("channels", "mappings")


def shipped_site() -> Path:
    """The checkout's own site; raises ConfigError where the package stands alone."""
    folder = Path(engine.__file__).parents[1]
    if not (folder / "config.yaml").is_file():
        raise ConfigError("the shipped site is not beside the package; name one with --from DIR")
    return folder


def make_site(source: Path, folder: Path) -> Path:
    """Copy a site into the demonstration's folder, cleared first; every port that is taken becomes a free one.

    Raises:
        ConfigError: the folder holds something else.
    """
    clear(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("made by `backstory demo`, and cleared by its next start\n", encoding="utf-8")
    for part in _PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part)
    text = (source / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(with_free_ports(text, is_free, free_port), encoding="utf-8")
    return folder


def clear(folder: Path) -> None:
    """Remove the folder of an earlier demonstration; raises ConfigError when it is none."""
    if not folder.exists():
        return
    if not (folder / MARK).is_file():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            return
        raise ConfigError(f"{folder} exists and is no demonstration's; name another folder with --data")
    shutil.rmtree(folder)


def with_free_ports(text: str, is_free: Callable[[int], bool], free_port: Callable[[], int]) -> str:
    """A config.yaml in which each `port:` that is taken is replaced by a free one; everything else stays."""
    return _PORT.sub(lambda found: found[1] + str(int(found[2]) if is_free(int(found[2])) else free_port()), text)


def is_free(port: int) -> bool:
    """Whether this machine's loopback has the port to give."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
