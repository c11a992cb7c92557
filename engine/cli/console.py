"""What the verbs share when they write to a terminal: safe text, times, columns."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def printable(text: str) -> str:
    """The text with control characters made visible: a message must not move the cursor of who reads it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\x{ord(char):02X}" for char in text)


def moment(micros: int) -> str:
    """UTC microseconds as local time with its offset, `2026-08-20 09:31:07.250 +0200`; 0 is `-`."""
    if micros <= 0:
        return "-"
    local = datetime.fromtimestamp(micros / 1_000_000, UTC).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local:%z}"


def ago(micros: int, now: int) -> str:
    """How long before `now`: `12 s`, `5 min`, `3 h`, `2 d`; `-` for 0."""
    if micros <= 0:
        return "-"
    seconds = max(now - micros, 0) // 1_000_000
    if seconds < 2 * _MINUTE:
        return f"{seconds} s"
    if seconds < 2 * _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h"
    return f"{seconds // _DAY} d"


def columns(rows: Iterable[Sequence[str]], head: Sequence[str] = (), indent: str = "") -> str:
    """Rows in aligned columns, each as wide as its widest cell and the last one free."""
    table = [list(head), *map(list, rows)] if head else [list(row) for row in rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))] if table else []
    return "\n".join(
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def console() -> "Console":
    """The terminal as rich sees it: colours only where a person watches, nothing highlighted by guess."""
    from rich.console import Console  # noqa: PLC0415 - a third of the start-up time, and not every verb needs it

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
