"""Reading a site's files: YAML into models, CSV into rows, every mistake a finding, every byte into one hash."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from engine.channel.findings import findings_of
from engine.source import Document, Finding, SourceError, load_yaml

_T = TypeVar("_T")


class Row(NamedTuple):
    """One row of a CSV file: its cells by column, and the line it ends in."""

    line: int
    cells: dict[str, str]


class SiteFiles:
    """One pass over the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []
        self.documents: dict[str, Document] = {}
        self._hash = hashlib.sha256()

    @property
    def hash(self) -> str:
        """Of the names and bytes of all files read so far: 16 hexadecimal digits."""
        return self._hash.hexdigest()[:16]

    def names(self, folder: str, pattern: str) -> list[str]:
        """The files of a folder that fit a pattern, in order, as `folder/name`."""
        return sorted(f"{folder}/{path.name}" for path in (self.folder / folder).glob(pattern) if path.is_file())

    def note(self, name: str, code: str, message: str, line: int = 1) -> None:
        """Add a finding about a line of a file."""
        self.findings.append(Finding(name, line, 1, code, message))

    def document(self, name: str) -> Document | None:
        """A YAML file, or None with its findings noted."""
        try:
            found = load_yaml(self.folder / name, name)
        except SourceError as problem:
            self.findings += problem.findings
            return None
        self._add_to_hash(name, (self.folder / name).read_bytes())
        self.documents[name] = found
        return found

    def read(self, name: str, model: Any, make: Callable[[Any], _T]) -> _T | None:
        """What `make` makes of a YAML file's content; what it raises is noted, by the fields of `model`."""
        document = self.document(name)
        if document is None:
            return None
        try:
            return make(document.content)
        except ValidationError as problem:
            self.findings += findings_of(document, problem, model)
        return None

    def rows(self, name: str, columns: tuple[str, ...]) -> list[Row]:
        """The rows of a CSV file with a header that names these columns and perhaps more."""
        try:
            raw = (self.folder / name).read_bytes()
            reader = csv.reader(raw.decode("utf-8-sig").splitlines(), strict=True)
            header = next(reader, [])
            rows = [(reader.line_num, cells) for cells in reader if cells]
        except (OSError, UnicodeDecodeError, csv.Error) as problem:
            self.note(name, "MAP001", f"this is no readable CSV file in UTF-8 ({type(problem).__name__})")
            return []
        self._add_to_hash(name, raw)
        missing = [column for column in columns if column not in header]
        if missing:
            self.note(
                name, "MAP001", f"the first line must name the columns {', '.join(columns)}; {missing[0]} is missing"
            )
            return []
        for line, cells in rows:
            if len(cells) != len(header):
                self.note(name, "MAP002", f"{len(cells)} cells where the first line names {len(header)}", line)
        return [Row(line, dict(zip(header, cells, strict=True))) for line, cells in rows if len(cells) == len(header)]

    def _add_to_hash(self, name: str, raw: bytes) -> None:
        self._hash.update(b"%s\0%d\0" % (name.encode(), len(raw)))
        self._hash.update(raw)
