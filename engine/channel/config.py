"""config.yaml: the site's folder, listeners and destinations, parsed once into types."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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


Zone = Annotated[str, AfterValidator(_zone)]
Charset = Annotated[str, AfterValidator(_charset)]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0: any free port, for tests
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1024)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class IdentityConfig(_Model):
    """Whom the messages of a listener are about (C48)."""

    authority: str = ""  # of identifiers that name none
    prefer: tuple[str, ...] = ("MR", "PI")  # identifier types (PID-3.5), best first
    strip_zeros: bool = False
    zone: Zone = "UTC"  # of times without an offset
    charset: Charset = "utf-8"  # where MSH-18 is empty and the bytes are no UTF-8


class ListenerConfig(_Model):
    """A port that receives MLLP."""

    host: str = "127.0.0.1"
    port: Port
    identity: IdentityConfig = IdentityConfig()
    processing_ids: tuple[str, ...] = ("P",)  # of MSH-11; empty counts as P (C42)
    max_bytes: Bytes = 16 * _MIB
    idle: Seconds = 300.0  # silence before the connection is closed
    frame_time: Seconds = 30.0  # for one frame
    backfill: bool = False  # stores facts, sends nothing
    history_from: datetime | None = None  # what a backfill covers (D13)
    log_control_id: Literal["plain", "hash"] = "plain"

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
    lanes: Annotated[int, Field(ge=1, le=64)] = 1  # 1 = strict order (D7)
    on_reject: Literal["park", "hold", "retry", "skip"] = "park"  # D8
    control_id: Literal["own", "keep"] = "own"  # D9
    charset: Charset = "utf-8"
    profile: str = "dcm4chee"  # mappings/profiles.yaml
    ack_timeout: Seconds = 30.0
    max_bytes: Bytes = 16 * _MIB


class SiteConfig(_Model):
    """What config.yaml says."""

    data: Path = Path("data")  # relative to the folder of config.yaml
    mappings: Path = Path("mappings")  # likewise
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
