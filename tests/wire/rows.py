"""The rows of tests/wire/*.yaml: one case each of what is sent and what is answered, kept and closed.

A row is a mapping; a key that is not known is refused:

    case      what is sent, in words
    rows      numbers of reliability.md section 3 that it shows; `d16` and `field`: cases of D16 and of field.md 4.1
    why       a remark for docs/wire.md
    listener  options of the listener: processing_ids, accept, charset, frame_time; `journal: fails`
    send      bytes, frame (between VT and FS CR), repeat (a recipe), slow (a byte every so often), silence, leave
    lenient   answers as `MSA-1|MSA-2|code|place`, in order; closed: why; kept: `KIND flags =bytes`
    strict    the same where a strict listener differs

Text stands for bytes: one character, one byte.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FOLDER = Path(__file__).parent
PAGES = ("framing", "header", "charset", "limits", "content", "answers")
BLOCK = 1 << 20  # bytes of a recipe that are made at a time

D16 = (
    *("no_msh", "limits", "no_type", "no_control_id", "unknown_type", "unknown_event", "processing_id", "no_channel"),
    *("charset_unknown", "not_decodable", "version_unknown", "datetime_odd", "local_type", "duplicate"),
    *("control_id_reused", "batch", "batch_bad", "commit_failed", "enhanced", "charset_empty"),
)
FIELD = (
    *("frames in one write", "1-byte writes", "junk before VT", "FS without CR", "LF or CRLF", "no MSH", "JSON"),
    *("empty frame", "MSH-10 missing", "8859/1 declared", "undeclared Latin-1", "MSH-15 NE", "MSH-15 AL"),
    *("duplicate MSH-10", "FHS/BHS batch", "5 MB OBX", "unterminated 1 MB", "store down"),
)
ELSEWHERE = {
    20: "plain text on a TLS port: the tests of TLS",
}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Repeat(Strict):
    """A body that is too long to be written down."""

    head: str
    part: str = Field(min_length=1)
    times: int = Field(gt=0)
    tail: str
    framed: bool = True


class Slow(Strict):
    text: str
    every: float


class Piece(Strict):
    """What is sent next; exactly one of these."""

    data: str | None = Field(None, alias="bytes")
    frame: str | None = None
    repeat: Repeat | None = None
    slow: Slow | None = None
    silence: float | None = None
    leave: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> "Piece":
        if len(self.model_fields_set) != 1:
            raise ValueError("a piece is one of bytes, frame, repeat, slow, silence and leave")
        return self

    def stream(self) -> Iterator[bytes]:
        """Its bytes, about a megabyte at a time; nothing where it is no data."""
        if self.data is not None:
            yield raw(self.data)
        elif self.frame is not None:
            yield b"\x0b" + raw(self.frame) + b"\x1c\r"
        elif self.repeat is not None:
            yield b"\x0b" * self.repeat.framed + raw(self.repeat.head)
            part, left = raw(self.repeat.part), self.repeat.times
            while left:
                now = min(left, max(BLOCK // len(part), 1))
                yield part * now
                left -= now
            yield raw(self.repeat.tail) + b"\x1c\r" * self.repeat.framed

    @property
    def size(self) -> int:
        repeated = self.repeat
        if repeated is not None:
            return len(repeated.head) + len(repeated.part) * repeated.times + len(repeated.tail)
        return sum(map(len, self.stream()))


class Options(Strict):
    """What the row's listener is told, beside the defaults."""

    processing_ids: list[str] = ["P"]
    accept: list[str] = []
    charset: str = "utf-8"
    frame_time: float = 30.0
    journal: Literal["works", "fails"] = "works"


class Expected(Strict):
    answers: list[str]
    kept: list[str]
    closed: Literal["", "junk", "empty", "cut", "too_long", "wide", "frame_time", "idle", "peer"] = ""


class Row(Strict):
    case: str
    rows: list[int] = []
    d16: list[Literal[D16]] = []  # type: ignore[valid-type]
    field: list[Literal[FIELD]] = []  # type: ignore[valid-type]
    why: str = ""
    listener: Options = Options()
    send: list[Piece] = Field(min_length=1)
    lenient: Expected
    strict: Expected | None = None

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.send)

    def expected(self, *, strict: bool) -> Expected:
        return self.strict if strict and self.strict is not None else self.lenient


class Kept(NamedTuple):
    """`KIND flags =bytes` of a row, read."""

    kind: str
    flags: str
    size: int  # 0 = not said

    @classmethod
    def read(cls, text: str) -> "Kept":
        kind, *words = text.split()
        sizes = [int(word[1:]) for word in words if word[0] == "="]
        return cls(kind, " ".join(word for word in words if word[0] != "="), sizes[0] if sizes else 0)


def raw(text: str) -> bytes:
    """The bytes that a text of a row stands for; raises UnicodeEncodeError for a character that is no byte."""
    return text.encode("latin-1")


def rows_of(page: str) -> list[Row]:
    """The rows of one file."""
    return [Row.model_validate(row) for row in yaml.safe_load((FOLDER / f"{page}.yaml").read_text(encoding="utf-8"))]


def all_rows() -> list[Row]:
    """Every row, in the order of docs/wire.md."""
    return [row for page in PAGES for row in rows_of(page)]
