"""`backstory logs`: the events of a channel or a process, made readable."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import typer

from engine.cli.console import printable
from engine.cli.site import SiteOption, data_folder
from engine.errors import ConfigError

_POLL = 0.2  # seconds between looks at a followed file
_FIRST = ("at", "level", "process", "event")
_COLOURS = {"warning": typer.colors.YELLOW, "error": typer.colors.RED}


class Level(StrEnum):
    """How much an event matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Wanted(NamedTuple):
    """Which events are shown."""

    level: Level
    entry: int | None

    def admits(self, event: dict[str, Any]) -> bool:
        """Whether an event is at least of the level, and of the entry."""
        order = list(Level)
        known = event.get("level") in order
        if known and order.index(Level(event["level"])) < order.index(self.level):
            return False
        return self.entry is None or event.get("entry") == self.entry


def logs(
    channel: Annotated[str, typer.Argument(help="A channel, or network, worker, supervisor; nothing: list them.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    level: Annotated[Level, typer.Option(help="Leave out what matters less.")] = Level.DEBUG,
    entry: Annotated[int | None, typer.Option(help="Only events of this entry.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the newest events.", min=1)] = 50,
    site: SiteOption = Path(),
) -> None:
    """Read the events of a channel or of a process; they never hold content of a message.

    WARNING: something was odd and nothing was lost. ERROR: somebody is needed.

    Examples:
      backstory logs orders_to_pacs -f
      backstory logs network --level warning
      backstory logs orders_to_pacs --entry 4711
    """
    folder = data_folder(site) / "logs"
    names = sorted(file.stem for file in folder.glob("*.log"))
    if not channel:
        typer.echo("\n".join(names) or f"no logs in {folder} yet")
        return
    if channel not in names:
        close = get_close_matches(channel, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names) or 'none yet'}"
        raise ConfigError(f"no log of {channel!r}; {hint}")
    wanted = Wanted(level, entry)
    path = folder / f"{channel}.log"
    with path.open("rb") as file:
        newest: deque[str] = deque(maxlen=lines)
        newest.extend(line for line in map(shown_line(wanted), [*_rotated(path), *file]) if line)
        for line in newest:
            typer.echo(line)
        if follow:
            _follow(path, file, wanted)


def shown_line(wanted: Wanted) -> Callable[[bytes], str]:
    """A function that makes a JSON line readable, or "" where it is not wanted."""

    def show(line: bytes) -> str:
        try:
            event = json.loads(line)
        except ValueError:
            return printable(line.decode("ascii", "replace").rstrip("\n"))
        return pretty(event) if wanted.admits(event) else ""

    return show


def pretty(event: dict[str, Any]) -> str:
    """`09:31:07.250 WARNING network DeliveryWaits destination=pacs lane=0 why="no answer for 30 s"`."""
    rest = " ".join(f"{name}={_value(value)}" for name, value in event.items() if name not in _FIRST)
    level = str(event.get("level", ""))
    word = f"{level.upper():<8}"
    mark = typer.style(word, fg=_COLOURS[level], bold=True) if level in _COLOURS else word
    at = str(event.get("at", "")).replace("T", " ")
    return f"{at[:23]}Z {mark}{event.get('process', ''):<11}{event.get('event', '')}  {rest}".rstrip()


def _value(value: Any) -> str:
    text = printable(str(value))
    return f'"{text}"' if not text or " " in text else text


def _rotated(path: Path) -> Iterator[bytes]:
    """Lines of the older files of a log, oldest first."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: int(file.suffix[1:]), reverse=True)
    for file in older:
        yield from file.read_bytes().splitlines(keepends=True)


def _follow(path: Path, file: IO[bytes], wanted: Wanted) -> None:
    """Go on where the file ended; when it was rotated away, with the new one."""
    show = shown_line(wanted)
    part = b""
    while True:
        part += file.readline()
        if part.endswith(b"\n"):
            line, part = show(part), b""
            if line:
                typer.echo(line)
        elif path.exists() and path.stat().st_ino != _inode(file) and not part:
            file = path.open("rb")
        else:
            time.sleep(_POLL)


def _inode(file: IO[bytes]) -> int:
    from os import fstat  # noqa: PLC0415 - beside its only use

    return fstat(file.fileno()).st_ino
