"""config.yaml: the site's folder, listeners and destinations, parsed once into types."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from engine.channel.located import refusal
from engine.hl7.charset import codec_of
from engine.source import Location

_MIB = 1024 * 1024
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1024, "MiB": _MIB, "GiB": 1024 * _MIB}
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([A-Za-z]+)", re.ASCII)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise ValueError("this is no IANA time zone; write one such as America/Chicago") from None
    return name


def _seconds(value: object) -> object:
    return _amount(value, _SECONDS, "a length of time is a number and ms, s, min, h or d, such as 30s")


def _bytes(value: object) -> object:
    return _amount(value, _BYTES, "a size is a number and B, KiB, MiB or GiB, such as 16MiB")


def _amount(value: object, units: dict[str, float] | dict[str, int], wanted: str) -> object:
    """A text with a unit as seconds or bytes; a plain number is left to pydantic."""
    if not isinstance(value, str) or not value[-1:].isalpha():
        return value
    found = _AMOUNT.fullmatch(value)
    if found is None or found[2] not in units:
        raise ValueError(wanted)
    return float(found[1]) * units[found[2]]


def _charset(name: str) -> str:
    codec = codec_of(name.encode("ascii", "replace")) or name
    try:
        "".encode(codec)
    except LookupError:
        raise ValueError("this is no character set of HL7 table 0211 and no codec of Python") from None
    return codec


def _with_unit(kind: str, units: Iterable[str], *examples: str) -> WithJsonSchema:
    """The schema of an amount: a number, or a text of a number and a unit."""
    text = {"type": "string", "pattern": f"^[0-9]+(\\.[0-9]+)? *({'|'.join(units)})$", "examples": [*examples]}
    return WithJsonSchema({"anyOf": [{"type": kind, "exclusiveMinimum": 0}, text]})


Zone = Annotated[str, AfterValidator(_zone)]
Charset = Annotated[str, AfterValidator(_charset)]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0: any free port, for tests
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0), _with_unit("number", _SECONDS, "30s", "5min")]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1024), _with_unit("integer", _BYTES, "16MiB")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class IdentityConfig(_Model):
    """Whom the messages of a listener are about (C48)."""

    authority: str = Field("", description="assigning authority of identifiers that name none")
    prefer: tuple[str, ...] = Field(("MR", "PI"), description="identifier types (PID-3.5), best first")
    strip_zeros: bool = Field(False, description="leave out leading zeros of identifiers")
    zone: Zone = Field("UTC", description="time zone (IANA) of times without an offset")
    charset: Charset = Field("utf-8", description="where MSH-18 is empty and the bytes are no UTF-8")


class ListenerConfig(_Model):
    """A port that receives MLLP."""

    host: str = Field("127.0.0.1", description="address it listens on; 0.0.0.0 for all of the machine's")
    port: Port
    identity: IdentityConfig = IdentityConfig()
    processing_ids: tuple[str, ...] = Field(("P",), description="values of MSH-11 that are taken; empty counts as P")
    max_bytes: Bytes = Field(16 * _MIB, description="of one message")
    idle: Seconds = Field(300.0, description="silence before the connection is closed")
    frame_time: Seconds = Field(30.0, description="time for one message to arrive")
    backfill: bool = Field(False, description="messages of the past: facts are kept, nothing is sent")
    history_from: datetime | None = Field(None, description="since when a backfill is complete")
    log_control_id: Literal["plain", "hash"] = Field(
        "plain", description="MSH-10 in logs; hash where it holds a record number"
    )

    @property
    def history_from_microseconds(self) -> int:
        """`history_from` in UTC microseconds, 0 where nothing is declared."""
        if self.history_from is None:
            return 0
        moment = self.history_from
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


class DestinationConfig(_Model):
    """Where messages go."""

    host: str
    port: Port
    lanes: Annotated[int, Field(ge=1, le=64, description="connections; 1: all messages in strict order")] = 1  # D7
    on_reject: Literal["park", "hold", "retry", "skip"] = Field("park", description="what follows AE, CE or AR")  # D8
    control_id: Literal["own", "keep"] = Field("own", description="MSH-10: one of ours, or as it came")  # D9
    charset: Charset = "utf-8"
    profile: str = Field("dcm4chee", description="what the receiver reads; mappings/profiles.yaml")
    ack_timeout: Seconds = Field(30.0, description="silence after which a message is sent again")
    max_bytes: Bytes = Field(16 * _MIB, description="of one message")


class SiteConfig(_Model):
    """What config.yaml says."""

    data: Path = Field(Path("data"), description="folder of the engine's files, relative to this file's")
    mappings: Path = Field(Path("mappings"), description="folder of tables and rules, relative to this file's")
    listeners: Annotated[dict[Name, ListenerConfig], Field(min_length=1)]
    destinations: dict[Name, DestinationConfig] = {}

    @model_validator(mode="after")
    def _ports_are_different(self) -> "SiteConfig":
        clashes = list(self._clashes())
        if clashes:
            raise refusal("config.yaml", clashes)
        return self

    def _clashes(self) -> Iterator[tuple[Location, str]]:
        taken: dict[tuple[str, int], str] = {}
        for name, listener in self.listeners.items():
            other = taken.setdefault((listener.host, listener.port), name)
            if listener.port and other != name:
                yield ("listeners", name, "port"), f"the listener {other} has this port already"
        for name, destination in self.destinations.items():
            for (host, port), own in taken.items():
                if port and port == destination.port and destination.host in {host, "localhost", "127.0.0.1", "::1"}:
                    yield ("destinations", name, "port"), f"this is our own listener {own}: messages would go round"
