"""A listener's row of config.yaml: a port that receives MLLP, and whom its messages are about."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from engine.channel.amounts import MIB, Bytes, Charset, Model, Port, Seconds, Zone
from engine.channel.tls_config import ListenerTls


class IdentityConfig(Model):
    """Whom the messages of a listener are about (C48)."""

    authority: str = Field("", description="assigning authority of identifiers that name none")
    prefer: tuple[str, ...] = Field(("MR", "PI"), description="identifier types (PID-3.5), best first")
    strip_zeros: bool = Field(False, description="leave out leading zeros of identifiers")
    zone: Zone = Field("UTC", description="time zone (IANA) of times without an offset")
    charset: Charset = Field("utf-8", description="where MSH-18 is empty and the bytes are no UTF-8")


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
    max_bytes: Bytes = Field(16 * MIB, description="of one message")
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
