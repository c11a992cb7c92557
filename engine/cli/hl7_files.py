"""Messages in files: one, several one after the other, in a batch, framed or not."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from engine.errors import ConfigError

_START = re.compile(rb"(?:\A|(?<=[\r\n\x0b]))MSH(?=[^\w\s])")
_FRAMING = re.compile(rb"[\x0b\x1c]")
_ENDS = re.compile(rb"\r\n|\n")
_BATCH_SEGMENTS = (b"FHS", b"BHS", b"BTS", b"FTS")


class Filed(NamedTuple):
    """A message and where it stands: the `number`-th of its file, counted from 1."""

    path: Path
    number: int
    body: bytes

    def __repr__(self) -> str:
        return f"Filed({self.path}, {self.number}, {len(self.body)} bytes)"


class Reading(NamedTuple):
    """What was found in the named files and folders; `strange` are files of a folder that hold no message."""

    messages: list[Filed]
    strange: list[Path]


def read_messages(paths: Iterable[Path], *, keep_ends: bool = False) -> Reading:
    """All messages of files, and of folders with everything below them, in order of name.

    A file named by itself must hold a message; in a folder, others are left aside and reported. Hidden files are not
    looked at. Raises ConfigError, or OSError where a file cannot be read.
    """
    messages: list[Filed] = []
    strange: list[Path] = []
    for path in paths:
        for file in _files(path):
            found = split_messages(file.read_bytes(), keep_ends=keep_ends)
            messages += [Filed(file, number, body) for number, body in enumerate(found, start=1)]
            if not found and file == path:
                raise ConfigError(f"{path}: no line starts with MSH, so this is no file of HL7 messages")
            if not found:
                strange.append(file)
    return Reading(messages, strange)


def split_messages(raw: bytes, *, keep_ends: bool = False) -> list[bytes]:
    r"""Split at every line that starts with MSH; headers and trailers of batches and MLLP framing are left out.

    Lines end as HL7 wants them, in CR, unless `keep_ends`: editors and version control leave LF in files.
    """
    starts = [match.start() for match in _START.finditer(raw)]
    return [_trimmed(raw[start:end], keep_ends=keep_ends) for start, end in pairwise([*starts, len(raw)])]


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts):
            yield file


def _trimmed(part: bytes, *, keep_ends: bool) -> bytes:
    body = _FRAMING.sub(b"", part)
    lines = body.splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].startswith(_BATCH_SEGMENTS)):
        lines.pop()
    body = b"".join(lines)
    if keep_ends:
        return body
    return _ENDS.sub(b"\r", body).rstrip(b"\r") + b"\r"
