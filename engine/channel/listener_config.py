"""A listener's row of config.yaml: a port that receives MLLP, and whom its messages are about."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from engine.channel.amounts import MIB, Bytes, Charset, Model, Network, Port, Seconds, Zone
from engine.channel.tls_config import ListenerTls

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class IdentityConfig(Model):
    """Whom the messages of a listener are about (C48)."""

    authority: str = Field("", description="assigning authority of identifiers that name none")
    prefer: tuple[str, ...] = Field(("MR", "PI"), description="identifier types (PID-3.5), best first")
    strip_zeros: bool = Field(False, description="leave out leading zeros of identifiers")
    zone: Zone = Field("UTC", description="time zone (IANA) of times without an offset")
    charset: Charset = Field("utf-8", description="where MSH-18 is empty and the bytes are no UTF-8")
    charset_override: Charset | None = Field(None, description="what is really sent, whatever MSH-18 says")


class LimitsConfig(Model):
    """How much of everything one message may have; counted before anything of it is parsed (R5)."""

    segments: Count = Field(10_000, description="of a message")
    fields: Count = Field(1_000, description="of a segment")
    repetitions: Count = Field(1_000, description="of a field")
    components: Count = Field(200, description="of a field; and subcomponents")
    field_bytes: Bytes = Field(4 * MIB, description="of a field")
    messages: Count = Field(10_000, description="of a batch")


class ListenerConfig(Model):
    """A port that receives MLLP."""

    host: str = Field("127.0.0.1", description="address it listens on; 0.0.0.0 for all of the machine's")
    port: Port
    tls: ListenerTls | None = Field(None, description="messages come encrypted; docs/tls.md")
    plaintext: Literal["accepted"] | None = Field(
        None, description="accepted: other machines may send without TLS, readable to whoever sees the network"
    )
    identity: IdentityConfig = IdentityConfig()
    processing_ids: tuple[str, ...] = Field(("P",), description="values of MSH-11 that are taken; empty counts as P")
    strict: bool = Field(False, description="refuse what is odd instead of accepting it with a flag (docs/wire.md)")
    max_bytes: Bytes = Field(16 * MIB, description="of one message")
    idle: Seconds = Field(300.0, description="silence before the connection is closed")
    frame_time: Seconds = Field(30.0, description="time for one message to arrive, or for an answer to be taken")
    allow: tuple[Network, ...] = Field((), description="addresses and networks that may connect; empty: everybody")
    connections: Count | None = Field(
        None, description="of one address; 32 where nothing is said, and those of this machine are not counted then"
    )
    max_connections: Count = Field(1_024, description="of the listener")
    limits: LimitsConfig = LimitsConfig()
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
