"""config.yaml: the site's folder, listeners and destinations, parsed once into types."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.hl7.charset import codec_of

_MIB = 1024 * 1024


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("this is no IANA time zone; write one such as America/Chicago")
    ZoneInfo(name)
    return name


def _charset(name: str) -> str:
    codec = codec_of(name.encode("ascii", "replace")) or name
    try:
        "".encode(codec)
    except LookupError:
        raise ValueError("this is no character set of HL7 table 0211 and no codec of Python") from None
    return codec


Zone = Annotated[str, AfterValidator(_zone)]
Charset = Annotated[str, AfterValidator(_charset)]
Port = Annotated[int, Field(ge=0, le=65535)]


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
    max_bytes: Annotated[int, Field(ge=1024)] = 16 * _MIB
    idle: Annotated[float, Field(gt=0)] = 300.0  # seconds of silence
    frame_time: Annotated[float, Field(gt=0)] = 30.0  # seconds for one frame
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
    ack_timeout: Annotated[float, Field(gt=0)] = 30.0
    max_bytes: Annotated[int, Field(ge=1024)] = 16 * _MIB


class SiteConfig(_Model):
    """What config.yaml says."""

    data: Path = Path("data")  # relative to the folder of config.yaml
    listeners: Annotated[dict[str, ListenerConfig], Field(min_length=1)]
    destinations: dict[str, DestinationConfig] = {}
